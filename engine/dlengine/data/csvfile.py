"""CSV files as a Dataset."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlengine.data.dataset import Dataset
from dlengine.errors import EngineError

ROWS = 4096  # converted at once
MOST_LINE = 1 << 24  # characters
LARGEST = float(np.finfo(np.float32).max)

Row = tuple[int, list[str]]


def from_csv(
    path: str | Path,
    label: int | str = -1,
    *,
    header: bool | None = None,
    delimiter: str = ",",
) -> Dataset:
    """A Dataset of a table of numbers: inputs float32 (N, columns but one), targets from the column `label`.

    label: the column's name, or its number (-1 is the last). Whole numbers become int64 classes, other numbers float32;
    where one is no number, all are names, numbered in sorted order and kept as `classes` of the Dataset.
    header: whether the first line names the columns; None looks for anything but numbers beside the label.
    A name that ends in .gz is unpacked. Raises EngineError with file and line for a missing value, one that is no
    finite number, or a line of another length.
    """
    if not isinstance(path, str | Path):
        raise EngineError(f"the path is a {type(path).__name__}", "give the path of a CSV file")
    if len(delimiter) != 1:
        raise EngineError(f"the delimiter {delimiter!r}", "give one character")
    try:
        with _open(path) as file:
            return _read(file, path, label, header, delimiter)
    except UnicodeDecodeError as error:
        raise EngineError(f"{path} is not UTF-8 text: {error}", "save it as UTF-8") from None
    except (OSError, EOFError, zlib.error) as error:
        raise EngineError(f"{path} cannot be read: {error}", "check the path") from None


def _open(path: str | Path) -> io.TextIOWrapper:
    raw = gzip.open(path, "rb") if str(path).endswith(".gz") else open(path, "rb")  # noqa: SIM115
    return io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")


def _read(file: io.TextIOWrapper, path: str | Path, label: int | str, header: bool | None, delimiter: str) -> Dataset:
    rows = _rows(file, path, delimiter)
    first = next(rows, None)
    if first is None:
        raise EngineError(f"{path} is empty", "check the file")
    names = first[1]
    column = _column(names, label, path)
    if header is None:
        header = not all(_is_number(value) for place, value in enumerate(names) if place != column)
    if isinstance(label, str) and not header:
        raise EngineError(f"{path} has no header line, so that no column is called {label!r}", "give its number")
    inputs, labels = _numbers(rows if header else _prepend(first, rows), path, len(names), column)
    if not labels:
        raise EngineError(f"{path} has a header line and nothing below it", "check the file")
    targets, classes = _targets(labels, path)
    data = Dataset(inputs, targets)
    if classes:
        data.classes = classes
    return data


def _numbers(rows: Iterator[Row], path: str | Path, width: int, column: int) -> tuple[NDArray[np.float32], list[Row]]:
    """The table without the label column, and the label column with line numbers."""
    pieces: list[NDArray[np.float32]] = [np.empty((0, width - 1), np.float32)]
    labels: list[Row] = []
    block: list[Row] = []
    for line, values in rows:
        if len(values) != width:
            raise EngineError(f"{path}, line {line}: {len(values)} values instead of {width}", "complete the line")
        labels.append((line, [values.pop(column)]))
        block.append((line, values))
        if len(block) == ROWS:
            pieces.append(_block(block, path))
            block = []
    return np.concatenate([*pieces, _block(block, path)] if block else pieces), labels


def _block(block: list[Row], path: str | Path) -> NDArray[np.float32]:
    try:
        table = np.array([values for _, values in block], dtype=np.float64)
    except ValueError:
        table = np.full((1, 1), np.nan)
    with np.errstate(over="ignore"):
        small = table.astype(np.float32)
    if np.isfinite(small).all():
        return small
    for line, values in block:
        for value in values:
            if not _is_number(value) or not abs(float(value)) <= LARGEST:  # NaN is not
                raise _bad(path, line, value)
    raise AssertionError("some value was no number")


def _targets(labels: list[Row], path: str | Path) -> tuple[NDArray[np.generic], list[str]]:
    """The label column as classes, numbers, or names with their list."""
    texts = [values[0].strip() for _, values in labels]
    for (line, _), text in zip(labels, texts, strict=True):
        if not text or text.lower() in ("nan", "inf", "-inf"):
            raise _bad(path, line, text)
    try:
        return np.array([int(text) for text in texts], dtype=np.int64), []
    except (ValueError, OverflowError):
        pass
    if all(_is_number(text) for text in texts):
        return np.array(texts, dtype=np.float64).astype(np.float32), []
    classes, numbers = np.unique(np.array(texts), return_inverse=True)
    return numbers.astype(np.int64), classes.tolist()


def _rows(file: io.TextIOWrapper, path: str | Path, delimiter: str) -> Iterator[Row]:
    """Lines that are not empty, with their numbers."""
    reader = csv.reader(_lines(file, path), delimiter=delimiter, strict=True)
    try:
        for values in reader:
            if values:
                yield reader.line_num, values
    except csv.Error as error:
        raise EngineError(f"{path}, line {reader.line_num}: {error}", "correct the line") from None


def _lines(file: io.TextIOWrapper, path: str | Path) -> Iterator[str]:
    """The lines; a gzip file of a few bytes can hold one that fills the memory."""
    while line := file.readline(MOST_LINE):
        if len(line) == MOST_LINE:
            raise EngineError(f"{path} has a line of more than {MOST_LINE:,} characters", "check the file")
        yield line


def _column(names: list[str], label: int | str, path: str | Path) -> int:
    if len(names) < 2:
        raise EngineError(f"{path} has a single column", "inputs and a label are needed; check the delimiter")
    if isinstance(label, str):
        if label not in names:
            raise EngineError(f"{path} has no column {label!r}", f"its columns: {', '.join(names[:20])}")
        return names.index(label)
    if not -len(names) <= label < len(names):
        raise EngineError(f"{path} has no column {label}", f"it has {len(names)} columns")
    return label % len(names)


def _prepend(first: Row, rows: Iterator[Row]) -> Iterator[Row]:
    yield first
    yield from rows


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _bad(path: str | Path, line: int, value: str) -> EngineError:
    what = f"{value!r} is no finite number" if value.strip() else "a value is missing"
    return EngineError(f"{path}, line {line}: {what}", "fill in the value or remove the line")
