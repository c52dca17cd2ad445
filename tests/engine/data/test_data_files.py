"""CSV, IDX and image folders: what is read, and what is refused."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest
import torch
from dlengine import EngineError
from dlengine.data import ImageFolder, from_csv, from_idx, read_idx, write_idx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

once = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


# CSV


def table(tmp_path, text, name="table.csv"):
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


@pytest.mark.parametrize("name", ["table.csv", "table.csv.gz"])
def test_csv_with_header_names_and_quotes(tmp_path, name):
    path = table(tmp_path, 'size,kind,"weight, kg"\n1,cat,2.5\n\n3,dog,4\n5,"cat",-6e2\n', name)
    data = from_csv(path, label="kind")
    assert data.x.tolist() == [[1, 2.5], [3, 4], [5, -600]]
    assert data.y.tolist() == [0, 1, 0]
    assert data.classes == ["cat", "dog"]


def test_csv_without_header_has_whole_numbers_as_classes_and_others_as_targets(tmp_path):
    assert from_csv(table(tmp_path, "1;2;0\n3;4;7\n"), delimiter=";").y.dtype == torch.int64
    data = from_csv(table(tmp_path, "0.5,1,2\n1,3,4\n"), label=0)
    assert data.y.tolist() == [0.5, 1]
    assert data.x.tolist() == [[1, 2], [3, 4]]


def test_csv_longer_than_a_block_keeps_the_order(tmp_path):
    rows = np.arange(30000).reshape(10000, 3)
    data = from_csv(table(tmp_path, "\n".join(",".join(map(str, row)) for row in rows)))
    assert np.array_equal(data.x, rows[:, :2])
    assert np.array_equal(data.y, rows[:, 2])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n,4\n", r"line 3: a value is missing"),
        ("a,b\n1,2\n3,\n", r"line 3: a value is missing"),
        ("a,b\n1,2\n\nx,4\n", r"line 4: 'x' is no finite number"),
        ("a,b\n1,2\nnan,4\n", r"line 3: 'nan' is no finite"),
        ("a,b\n1,2\n1e99,4\n", r"line 3: '1e99' is no finite"),
        ("a,b\n1,2\n1,inf\n", r"line 3: 'inf' is no finite"),
        ("a,b\n1,2\n3\n", r"line 3: 1 values instead of 2"),
        ("a,b\n1,2\n3,4,5\n", r"line 3: 3 values instead of 2"),
        ('a,b\n1,2\n"3,4\n', r"line 3: unexpected end"),
        ("a,b\n", "nothing below"),
        ("", "empty"),
        ("1\n2\n", "single column"),
    ],
)
def test_csv_refuses_with_the_line(tmp_path, text, message):
    with pytest.raises(EngineError, match=message):
        from_csv(table(tmp_path, text))


def test_csv_unknown_columns_and_unreadable_files(tmp_path):
    path = table(tmp_path, "a,b\n1,2\n")
    with pytest.raises(EngineError, match=r"no column 'c'[\s\S]*a, b"):
        from_csv(path, label="c")
    with pytest.raises(EngineError, match="no column 5"):
        from_csv(path, label=5)
    path.write_bytes(b"a,b\n1,\xff\n")
    with pytest.raises(EngineError, match="not UTF-8"):
        from_csv(path)
    with pytest.raises(EngineError, match=r"none\.csv cannot be read"):
        from_csv(tmp_path / "none.csv")


def test_csv_line_without_an_end_fills_no_memory(tmp_path):
    path = tmp_path / "bomb.csv.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(32):
            file.write(b"1," * (1 << 19))
    with pytest.raises(EngineError, match=r"bomb\.csv\.gz has a line of more than"):
        from_csv(path)


@given(st.text(alphabet='01,.\n"xe- \x00;', max_size=60))
@once
def test_csv_of_any_text_is_read_or_refused_with_its_name(tmp_path, refused, text):
    path = table(tmp_path, text)
    with refused(str(path)):
        assert len(from_csv(path)) > 0


# IDX


@pytest.mark.parametrize("kind", ["uint8", "int8", "int16", "int32", "float32", "float64"])
@pytest.mark.parametrize("name", ["a.idx", "a.idx.gz"])
def test_idx_is_read_as_it_was_written(tmp_path, kind, name):
    array = np.arange(24).reshape(2, 3, 4).astype(kind)
    write_idx(tmp_path / name, array)
    back = read_idx(tmp_path / name)
    assert back.dtype == array.dtype
    assert np.array_equal(back, array)


def test_idx_of_mnist_by_its_published_layout(tmp_path):
    images, labels = tmp_path / "images", tmp_path / "labels"
    images.write_bytes(struct.pack(">4I", 0x803, 2, 1, 2) + bytes([1, 2, 3, 255]))
    labels.write_bytes(struct.pack(">2I", 0x801, 2) + bytes([7, 9]))
    data = from_idx(images, labels)
    assert data.x.tolist() == [[[[1, 2]]], [[[3, 255]]]]
    assert data.y.tolist() == [7, 9]
    with pytest.raises(EngineError, match="same set"):
        from_idx(images, images)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "offset 0: ends there"),
        (b"\x89PNG\r\n", "offset 0: starts with 89 50 4e 47"),
        (b"\0\0\x08\0", "offset 0: starts with"),
        (b"\0\0\x08\2\0\0\0\1", "offset 8: ends there; 4 bytes"),
        (b"\0\0\x08\1\0\0\0\4abc", "more than the file can hold"),
        (b"\0\0\x08\1\0\0\0\2abc", "offset 10: goes on"),
        (b"\0\0\x0e\3" + b"\xff" * 12, "more than the file can hold"),
    ],
)
def test_idx_damage_is_named_with_its_offset(tmp_path, data, message):
    path = tmp_path / "damaged"
    path.write_bytes(data)
    with pytest.raises(EngineError, match=message):
        read_idx(path)


def test_idx_in_a_small_gzip_file_cannot_announce_gigabytes(tmp_path):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(b"\0\0\x08\2\0\1\0\0\0\1\0\0" + bytes(1000)))
    with pytest.raises(EngineError, match="more than the file can hold"):
        read_idx(path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(EngineError, match=r"bomb\.gz"):
        read_idx(path)


@given(st.data())
@once
def test_idx_with_changed_bytes_is_read_or_refused_with_its_name(tmp_path, refused, data):
    path = tmp_path / ("f.gz" if data.draw(st.booleans()) else "f")
    write_idx(path, np.arange(12, dtype=np.int16).reshape(3, 4))
    damaged = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    with refused(str(path)):
        assert read_idx(path).size <= 64


# Image folders


@pytest.fixture
def folder(tmp_path):
    for name, shade in (("dark", 10), ("light", 240)):
        (tmp_path / "set" / name / "deeper").mkdir(parents=True)
        for number in range(3):
            size = (6 + 2 * number, 4)
            Image.new("RGB", size, (shade, shade, number)).save(tmp_path / "set" / name / f"{number}.png")
        (tmp_path / "set" / name / "notes.txt").write_text("no image")
        (tmp_path / "set" / name / ".hidden.png").write_text("no image")
    Image.new("L", (9, 9), 240).save(tmp_path / "set" / "light" / "deeper" / "x.JPG", "JPEG")
    return tmp_path / "set"


def test_image_folder_numbers_classes_by_name_and_scales_images(folder):
    data = ImageFolder(folder, size=(4, 6))
    assert data.classes == ["dark", "light"]
    assert data.y.tolist() == [0, 0, 0, 1, 1, 1, 1]
    x, y = data.batch([6, 0, 1])
    assert x.shape == (3, 3, 4, 6)
    assert x.dtype == torch.uint8
    assert y.tolist() == [1, 0, 0]
    assert x[1, 0].unique().tolist() == [10]
    assert x[2, 2].unique().tolist() == [1]
    assert ImageFolder(folder, size=5, mode="L").batch([0])[0].shape == (1, 1, 5, 5)
    assert [len(part) for part in data.batch([])] == [0, 0]


def test_image_folder_says_what_is_wrong(folder, tmp_path):
    with pytest.raises(EngineError, match=r"different shapes[\s\S]*give size="):
        ImageFolder(folder).batch([0, 1])
    (folder / "dark" / "1.png").write_bytes((folder / "dark" / "1.png").read_bytes()[:40])
    with pytest.raises(EngineError, match=r"dark/1\.png: no usable image"):
        ImageFolder(folder, size=4).batch(range(3))
    (folder / "empty").mkdir()
    with pytest.raises(EngineError, match="empty holds no images"):
        ImageFolder(folder)
    with pytest.raises(EngineError, match="has no folders"):
        ImageFolder(folder / "empty")
    with pytest.raises(EngineError, match="cannot be read"):
        ImageFolder(tmp_path / "nowhere")
    with pytest.raises(EngineError, match="there is no sample 9"):
        ImageFolder(folder / "..", size=4).batch([9])


def test_an_image_that_announces_more_pixels_than_fit_is_refused_unread(folder):
    file = folder / "dark" / "0.png"
    data = bytearray(file.read_bytes())
    data[16:24] = struct.pack(">2I", 30000, 30000)
    import zlib

    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    file.write_bytes(data)
    with pytest.raises(EngineError, match=r"0\.png.*30000|0\.png.*pixels"):
        ImageFolder(folder, size=4).batch([0])
