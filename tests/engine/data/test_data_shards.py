"""Tar shards: names, formats, random access, damage."""

from __future__ import annotations

import io
import json
import tarfile

import numpy as np
import pytest
from dlengine import EngineError
from dlengine.data import Shards, write_shards
from dlengine.data.remote import Source
from dlengine.data.shards import expand
from dlengine.data.tar import entries
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

once = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def npy(value):
    file = io.BytesIO()
    np.save(file, np.asarray(value))
    return file.getvalue()


def archive(path, files, form=tarfile.PAX_FORMAT):
    with tarfile.open(path, "w", format=form) as tar:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def test_shards_that_were_written_are_read_from_any_place(tmp_path):
    samples = [
        {"npy": npy(np.full((2, 3), number, np.float32)), "cls": str(number % 4).encode()} for number in range(25)
    ]
    paths = write_shards(tmp_path / "out", samples, per_shard=10)
    assert [path.name for path in paths] == ["shard-000000.tar", "shard-000001.tar", "shard-000002.tar"]
    index = json.loads((tmp_path / "out" / "index.json").read_text())
    assert [shard["nsamples"] for shard in index["shardlist"]] == [10, 10, 5]
    data = Shards(tmp_path / "out")
    assert len(data) == 25
    x, y = data.batch([24, 0, 13])
    assert x[:, 0, 0].tolist() == [24, 0, 13]
    assert y.tolist() == [0, 0, 1]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names_fields_and_other_files_as_webdataset_has_them(tmp_path, form):
    image = io.BytesIO()
    Image.new("RGB", (5, 4), (1, 2, 3)).save(image, "PNG")
    deep = "d" * 90 + "/" + "e" * 60
    files = [
        ("./a/0001.PNG", image.getvalue()),
        ("./a/0001.cls", b"3\n"),
        ("./a/0001.seg.json", b"[1, 2]"),
        ("__meta__.txt", b"passed over"),
        ("README", b"passed over"),
        (f"{deep}.png", image.getvalue()),
        (f"{deep}.seg.json", b"[3, 4]"),
    ]
    path = archive(tmp_path / "x.tar", files, form)
    x, y = Shards(path, y="seg.json").batch([0, 1])
    assert x.shape == (2, 3, 4, 5)
    assert x[0, :, 0, 0].tolist() == [1, 2, 3]
    assert y.tolist() == [[1, 2], [3, 4]]
    assert Shards(path, size=2, mode="L").batch([0])[0].shape == (1, 1, 2, 2)
    own = Shards(path, decode=lambda fields: (np.float32(len(fields)), len(fields["png"])))
    assert own.batch([0, 1])[0].tolist() == [3, 2]
    with pytest.raises(EngineError, match=r"x\.tar: d+/e+ has no field cls"):
        Shards(path, size=2).batch([1])


def test_patterns_and_folders(tmp_path):
    for number in range(8, 12):
        archive(tmp_path / f"t-{number:03d}.tar", [("a.npy", npy(number)), ("a.cls", b"1")])
    assert len(expand(f"{tmp_path}/t-{{009..011}}.tar")) == 3
    assert len(expand([f"{tmp_path}/t-0*.tar"])) == 4
    assert Shards(tmp_path).batch(range(4))[0].tolist() == [8, 9, 10, 11]
    assert expand("s3://b/{0..1}/{00..01}.tar") == [f"s3://b/{a}/0{b}.tar" for a in (0, 1) for b in (0, 1)]
    with pytest.raises(EngineError, match="stands for no files"):
        expand("x-{5..2}.tar")
    with pytest.raises(EngineError, match="more than 1,000,000"):
        expand("x-{0..99999999999}.tar")
    with pytest.raises(EngineError, match="no tar files match"):
        expand(str(tmp_path / "none*.tar"))
    with pytest.raises(EngineError, match=r"gone\.tar, offset 0: cannot be read: FileNotFound"):
        Shards(tmp_path / "gone.tar")


@pytest.mark.parametrize(
    ("field", "data", "message"),
    [
        ("cls", b"three", r"a\.cls cannot be read"),
        ("cls", b"9" * 5000, r"a\.cls cannot be read"),
        ("npy", b"no array", r"a\.npy cannot be read"),
        ("npy", npy(np.zeros(3))[:-1], r"a\.npy cannot be read"),
        ("npy", npy(np.zeros(3)).replace(b"(3,)", b"(999999999999,)"), r"a\.npy cannot be read"),
        ("npy", npy(np.array([{}])), r"a\.npy cannot be read"),
        ("png", b"no image", r"a\.png: no usable image"),
    ],
)
def test_a_damaged_field_is_named(tmp_path, field, data, message):
    good = {"npy": npy(1.0), "cls": b"1"}
    if field == "png":
        del good["npy"]
    path = archive(tmp_path / "x.tar", [(f"a.{name}", value) for name, value in (good | {field: data}).items()])
    with pytest.raises(EngineError, match=rf"x\.tar: {message}"):
        Shards(path).batch([0])


def test_a_field_that_comes_twice_is_refused(tmp_path):
    with pytest.raises(EngineError, match=r"offset 1536: 'a\.cls' comes twice"):
        Shards(archive(tmp_path / "x.tar", [("a.cls", b"1"), ("a.cls", b"2")]))


GOOD = [("a.npy", npy(1.0)), ("a.cls", b"1"), ("n" * 150 + ".npy", npy(2.0)), ("n" * 150 + ".cls", b"2")]


def test_damage_of_the_archive_is_named_with_its_offset(tmp_path):
    whole = archive(tmp_path / "good.tar", GOOD, tarfile.GNU_FORMAT).read_bytes()
    path = tmp_path / "x.tar"
    for data, message in (
        (b"", "offset 0: the file ends there; 512 bytes"),
        (b"x" * 2000, "offset 512: no header of a tar file"),
        (whole[:600], "offset 512: 'a.npy' has 136 bytes and reaches over"),
        (whole[:2048], "offset 2048: the file ends there"),
        (whole[:124] + b"\xff" + whole[125:], "offset 512: no header"),
        (whole[:1025] + b"\xff" + whole[1026:], "offset 1536: no header"),
    ):
        path.write_bytes(data)
        with pytest.raises(EngineError, match=rf"x\.tar, {message}"):
            Shards(path)


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@given(data=st.data())
@once
def test_changed_bytes_with_a_right_checksum_never_crash_or_hang(tmp_path, refused, form, data):
    damaged = bytearray(archive(tmp_path / "good.tar", GOOD, form).read_bytes()[:8192])
    headers = [place for place in range(0, len(damaged), 512) if damaged[place + 257 : place + 262] == b"ustar"]
    for _ in range(data.draw(st.integers(1, 4))):
        begin = data.draw(st.sampled_from([*headers, 512, 1024]))
        damaged[begin + data.draw(st.integers(0, 511))] = data.draw(st.integers(0, 255))
    for begin in headers:
        total = sum(damaged[begin : begin + 512]) - sum(damaged[begin + 148 : begin + 156]) + 256
        damaged[begin + 148 : begin + 156] = b"%06o\0 " % total
    path = tmp_path / "fuzzed.tar"
    path.write_bytes(damaged)
    with refused("fuzzed.tar"):
        with Source(str(path)) as source:
            assert sum(entry.size for entry in entries(source)) <= len(damaged)
        samples = Shards(path)
        for number in range(len(samples)):
            samples.batch([number])
