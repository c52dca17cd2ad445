"""RecordIO: MXNet's own bytes, round trips, images with labels, and damage."""

from __future__ import annotations

import base64
import io
import struct

import numpy as np
import pytest
import torch
from dlengine import EngineError
from dlengine.data import Records, RecordWriter
from dlengine.data.recordio import MAGIC, RecordReader, read_index, unpack
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

once = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

# Written by MXNet 1.9.1: five records with one or three labels, and contents that hold the magic number.
MXNET = base64.b64decode(
    "CiPXzhsAAAAAAAAAAABgQGQAAAAAAAAABwAAAAAAAABhYmMACiPXziQAAAADAAAAAAAAAGUAAAAAAAAABwAAAAAAAAAAAIA/AAAAQAAAQEAKI9fOGAAA"
    "IAAAAAAAAGBAZgAAAAAAAAAHAAAAAAAAAAoj184EAABAeHl6MQoj184AAABACiPXzgAAAGAKI9fOKwAAAAMAAAAAAAAAZwAAAAAAAAAHAAAAAAAAAAAA"
    "gD8AAABAAABAQDEyCiPXznoACiPXzhwAACAAAAAAAABgQGgAAAAAAAAABwAAAAAAAAAxMjM0CiPXzgAAAGA="
)
CONTENTS = [b"abc", b"", MAGIC + b"xyz1" + MAGIC + MAGIC, b"12" + MAGIC + b"z", b"1234" + MAGIC]


def test_a_file_of_mxnet_is_read(tmp_path):
    path = tmp_path / "mxnet.rec"
    path.write_bytes(MXNET)
    data = Records(path, decode=lambda record: (record.labels, len(record.content)))
    assert len(data) == 5
    records = [data.record(number) for number in range(5)]
    assert [record.content for record in records] == CONTENTS
    assert [record.labels.tolist() for record in records] == [[3.5], [1, 2, 3]] * 2 + [[3.5]]
    assert [(record.id, record.id2) for record in records] == [(100 + number, 7) for number in range(5)]


def test_what_is_written_is_what_mxnet_writes(tmp_path):
    with RecordWriter(tmp_path / "own.rec") as writer:
        for number, content in enumerate(CONTENTS):
            writer.write(content, 3.5 if number % 2 == 0 else [1, 2, 3], id=number + 100, id2=7)
    assert (tmp_path / "own.rec").read_bytes() == MXNET
    assert (tmp_path / "own.idx").read_text() == "0\t0\n1\t36\n2\t80\n3\t140\n4\t192\n"


@given(st.lists(st.lists(st.sampled_from([MAGIC, MAGIC[:3], b"x", b"1234"]), max_size=6).map(b"".join), max_size=5))
@once
def test_any_bytes_come_back(tmp_path, contents):
    path = tmp_path / "any.rec"
    with RecordWriter(path) as writer:
        for content in contents:
            writer.write_raw(content)
    reader = RecordReader(path)
    offsets = list(reader.offsets())
    assert offsets == read_index(tmp_path / "any.idx", reader.size)
    assert [reader.read(offset)[0] for offset in offsets] == contents


def picture(shade, side=4):
    file = io.BytesIO()
    Image.new("L", (side, side), shade).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("indexed", [True, False])
def test_images_with_class_numbers_train_from_any_place(tmp_path, indexed):
    path = tmp_path / "images.rec"
    with RecordWriter(path) as writer:
        for number in range(6):
            writer.write(picture(number), number % 3)
    if not indexed:
        (tmp_path / "images.idx").unlink()
    x, y = Records(path, mode="L").batch([5, 1])
    assert x[:, 0, 0, 0].tolist() == [5, 1]
    assert y.tolist() == [2, 1]
    assert y.dtype == torch.int64


def test_several_labels_are_a_vector_and_a_mixture_is_refused(tmp_path):
    path = tmp_path / "images.rec"
    with RecordWriter(path) as writer:
        writer.write(picture(1), [0.5, 2])
        writer.write(picture(2), [3, 4])
        writer.write(picture(2), 1)
    assert Records(path, size=4).batch([1, 0])[1].tolist() == [[3, 4], [0.5, 2]]
    with pytest.raises(EngineError, match="targets of different shapes"):
        Records(path, size=4).batch([1, 2])
    with RecordWriter(path) as writer:
        writer.write(picture(1), 1)
        writer.write(picture(2), 0.5)
    with pytest.raises(EngineError, match=r"offset \d+ \(record 1\): the labels \[0.5\] are no class"):
        Records(path, size=4).batch([1])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "holds no records"),
        (b"nothing of the kind", r"offset 0: no record begins there: 6e 6f 74 68"),
        (MXNET[:200], r"offset 192: a record of 28 bytes reaches over the end"),
        (MXNET[:197], r"offset 192: the file ends after 5 of 8 bytes"),
        (MXNET[:-8], r"offset 192: the record is cut off"),
        (MAGIC + struct.pack("<I", 1 << 31), "unknown flag 4"),
        (MAGIC + struct.pack("<I", (1 << 29) - 1), "reaches over the end"),
        (MAGIC + struct.pack("<I", 3 << 29), "holds no records"),
        (MAGIC + struct.pack("<I", 4) + b"1234", "has no header with labels"),
        (MAGIC + struct.pack("<IIfQQ", 24, 1 << 31, 0, 0, 0), r"offset 0 \(record 0\): 2147483648 labels announced"),
    ],
)
def test_damage_is_named_with_its_offset(tmp_path, data, message):
    path = tmp_path / "damaged.rec"
    path.write_bytes(data)

    def read_all():
        records = Records(path, decode=lambda record: (0, 0))
        records.batch(range(len(records)))

    with pytest.raises(EngineError, match=rf"damaged\.rec[\s\S]*{message}"):
        read_all()


def test_a_damaged_index_is_named_with_its_line(tmp_path):
    (tmp_path / "a.rec").write_bytes(MXNET)
    for text in ("0\t0\n1\n", "0\t0\n1\tx\n", "0\t0\n1\t236\n", f"0\t0\n1\t{'9' * 5000}\n"):
        (tmp_path / "a.idx").write_text(text)
        with pytest.raises(EngineError, match=r"a\.idx, line 2"):
            Records(tmp_path / "a.rec")
    (tmp_path / "a.idx").write_text("0\t4\n")
    with pytest.raises(EngineError, match=r"offset 4: no record"):
        Records(tmp_path / "a.rec")


@given(st.data())
@once
def test_changed_bytes_are_read_or_refused_with_the_name(tmp_path, refused, data):
    damaged = bytearray(MXNET)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "fuzzed.rec"
    path.write_bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    with refused("fuzzed.rec"):
        records = Records(path, decode=lambda record: (np.float32(len(record.content)), 0))
        assert records.batch(range(len(records)))[0].sum() < len(MXNET)


def test_files_that_cannot_be_opened_are_named(tmp_path):
    for path in (tmp_path, tmp_path / "none.rec"):
        with pytest.raises(EngineError, match=f"{path.name} cannot be read"):
            Records(path)


def test_unpack_names_the_place():
    with pytest.raises(EngineError, match="here: a record of 3 bytes"):
        unpack(b"abc", "here")
