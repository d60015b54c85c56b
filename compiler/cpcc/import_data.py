"""Samples from other people's formats: a folder of images per class, or a table in CSV. See docs/data.md.

Both give arrays for an `.npz`: x, y (with an important class: 1 for it, 0 for the rest, and all labels as `y_multi`),
`classes` (names by label) and, where asked for, `group`; `set_aside` divides them.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from cpcc import data
from cpcc.errors import DataError

Arrays = dict[str, np.ndarray[Any, Any]]

_LARGEST = float(np.finfo(np.float32).max)
IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm"}


def import_images(folder: Path, size: tuple[int, int], gray: bool, important: str | None = None) -> Arrays:
    """Images of `folder`/CLASS/*: x uint8 (n, 1 or 3, height, width), turned upright as their camera noted and resized to `size` (height, width)
    by averaging; labels count the class folders in order of their names. Raises `DataError` naming the folder or file."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; give a folder with one folder of images per class, or a .csv table")
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if len(classes) < 2:
        raise DataError(f"{folder}: {len(classes)} class folders; give a folder with one folder of images per class")
    files = [(path, label) for label, name in enumerate(classes) for path in _images(folder / name)]
    x = np.stack([_image(path, size, gray) for path, _ in files])
    return {"x": x, **_labels([label for _, label in files], classes, important, str(folder))}


def _images(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    if not found:
        raise DataError(f"{folder}: no image; known: {', '.join(sorted(IMAGE_SUFFIXES))}")
    return found


def _image(path: Path, size: tuple[int, int], gray: bool) -> np.ndarray[Any, Any]:
    """uint8 (channels, height, width)."""
    try:
        with Image.open(path) as image:
            eight = _eight_bits(ImageOps.exif_transpose(image))
            small = eight.convert("L" if gray else "RGB").resize((size[1], size[0]), Image.Resampling.BOX)
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: cannot be read as an image ({' '.join(str(error).split())[:80]})") from error
    pixels = np.asarray(small, np.uint8)
    return pixels[None] if gray else pixels.transpose(2, 0, 1)


def _eight_bits(image: Image.Image) -> Image.Image:
    """`image` with 8 bits per channel: Pillow's own conversion makes everything above 255 white."""
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError(f"pixels of mode {image.mode}; save it with 8 or 16 bits")
    return image


def import_table(
    path: Path, label: str, important: str | None = None, drop: Sequence[str] = (), group: str | None = None
) -> Arrays:
    """Rows of a CSV file with a header line: x float32 (n, features), every column but `label`, `group` and those to
    `drop`; labels count the label column's values in sorted order (numbers by value). Raises `DataError` naming the
    line and column."""
    header, rows = _read_csv(path)
    named = [("--label", label), *(("--drop", name) for name in drop), *([("--group", group)] if group else [])]
    for option, name in named:
        if name not in header:
            raise DataError(f"{path}: no column {name!r} ({option}); found: {', '.join(header)[:200]}")
    features = [name for name in header if name not in {label, group, *drop}]
    if not features:
        raise DataError(f"{path}: no column is left for x; drop fewer")
    x = np.array(
        [[_number(path, n, name, row[header.index(name)]) for name in features] for n, row in rows], np.float32
    )
    values = [_label(path, n, label, row[header.index(label)]) for n, row in rows]
    classes = _sorted_values(values)
    _check_spelling(f"{path}: {label}", classes)
    arrays = {"x": x, **_labels([classes.index(v) for v in values], classes, important, f"{path}: {label}")}
    if group:
        arrays["group"] = np.unique([row[header.index(group)] for _, row in rows], return_inverse=True)[1]
    return arrays


def _read_csv(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Header, and rows with their line numbers."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, skipinitialspace=True)
            header = next(reader, [])
            rows = [(reader.line_num, row) for row in reader if row]
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    except (OSError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as CSV ({' '.join(str(error).split())[:80]})") from error
    _check_header(path, header)
    if not rows:
        raise DataError(f"{path}: no rows below the header line")
    for number, row in rows:
        if len(row) != len(header):
            raise DataError(f"{path}: line {number} has {len(row)} fields, the header has {len(header)}")
    return header, rows


def _check_header(path: Path, header: list[str]) -> None:
    other = next((mark for mark in ";\t|" if len(header) == 1 and mark in header[0]), None)
    if other:
        raise DataError(f"{path}: fields are separated by {other!r}; needed: commas, and numbers with a point")
    twice = next((name for name in header if header.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{path}: two columns are called {twice!r}; rename one of them")


def _number(path: Path, line: int, column: str, text: str) -> float:
    place = f"{path}: line {line}, column {column!r}"
    if not text.strip():
        raise DataError(f"{place}: no value; fill it in, or leave the line or (--drop) the column out")
    try:
        value = float(text)
    except ValueError:
        raise DataError(f"{place}: {text[:40]!r} is no number; leave the column out with --drop") from None
    if not abs(value) <= _LARGEST:
        raise DataError(
            f"{place}: {text[:40]!r} is {'no finite float32' if math.isfinite(value) else 'not finite'}; fill it in, or leave the line or (--drop) the column out"
        )
    return value


def _label(path: Path, line: int, column: str, text: str) -> str:
    if not text.strip():
        raise DataError(f"{path}: line {line}, column {column!r}: no label; fill it in, or leave the line out")
    return text.strip()


def _sorted_values(values: list[str]) -> list[str]:
    """Distinct values, numbers by size, else by name."""
    distinct = sorted(set(values))
    try:
        return sorted(distinct, key=float)
    except ValueError:
        return distinct


def _check_spelling(place: str, classes: list[str]) -> None:
    """DataError where one number is written in two ways: they would be two classes, one of them not the important one."""
    for one, other in pairwise(classes):
        if _is_number(one) and _is_number(other) and float(one) == float(other):
            raise DataError(f"{place}: {one!r} and {other!r} are one number; write it in one way")


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def set_aside(arrays: Arrays, share: float, seed: int, place: str) -> tuple[Arrays, Arrays]:
    """`arrays` in two: the rest, and a test part of about `share` of the samples with classes in proportion and whole groups. Raises `DataError`
    where a class has too few samples."""
    labels = arrays.get("y_multi", arrays["y"])
    rows = data.set_aside(data.make_dataset(arrays["x"], labels, arrays.get("group"), place=place), share, seed, place)
    rest, test = ({k: v if k == "classes" else v[side] for k, v in arrays.items()} for side in rows)
    return rest, test


def _labels(labels: list[int], classes: list[str], important: str | None, place: str) -> Arrays:
    names = np.array(classes)
    if len(classes) < 2:
        raise DataError(f"{place}: one class only ({classes[0]}); give samples of both")
    if important is None:
        return {"y": np.array(labels, np.int64), "classes": names}
    if important not in classes:
        raise DataError(f"{place}: no class {important!r}; found: {', '.join(classes)[:200]}")
    y = (np.array(labels) == classes.index(important)).astype(np.int64)
    return {"y": y, "y_multi": np.array(labels, np.int64), "classes": names}
