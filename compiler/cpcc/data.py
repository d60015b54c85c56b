"""Samples from disk: reading, checking, hashing, scaling, splitting.

A data file is an `.npz` with `x` (n, features) or (n, channels, height, width), `y` (n,) whole-number
labels and, optionally, `group` (n,): samples of one group (a patient, a machine) never lie on two sides
of a split.
"""

import hashlib
import tokenize
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cpcc.errors import DataError
from cpcc.records import joined

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]

SAMPLE_DTYPES = ("float32", "uint8", "int8", "int16")
HASH_DIGITS = 16

# All that numpy and zipfile raise on a damaged, foreign or hostile archive.
_READ_ERRORS = (OSError, ValueError, EOFError, KeyError, TypeError, SyntaxError, RuntimeError, MemoryError)
_ARCHIVE_ERRORS = (*_READ_ERRORS, zipfile.BadZipFile, zlib.error, tokenize.TokenError)


@dataclass(frozen=True)
class Dataset:
    """Checked samples.

    x: (n, features) or (n, channels, height, width), one of SAMPLE_DTYPES, of several inputs records (n,); y: (n,) int64 or None;
    group: (n,) int64 group numbers from 0, or None.
    """

    x: Array
    y: Indices | None
    group: Indices | None

    def labels(self) -> Indices:
        """Labels (n,); DataError when the file had none."""
        if self.y is None:
            raise DataError("data: labels are needed here, the data has none; add an array named y")
        return self.y


@dataclass(frozen=True)
class Splits:
    """Sorted row numbers of the three sides of a split; together all rows, none twice."""

    train: Indices
    validation: Indices
    calibration: Indices

    def sides(self) -> dict[str, Indices]:
        return {"train": self.train, "validation": self.validation, "calibration": self.calibration}


def load_dataset(path: str | Path, need_labels: bool = True, inputs: Sequence[str] = ("x",)) -> Dataset:
    """Read and check an `.npz` file; nothing in it is ever executed. `inputs` are the names of a network's inputs, where
    it has several: an array each in place of `x`.

    Raises DataError naming the file and what is wrong with it. Without need_labels `y` may be missing
    and may hold one class only.
    """
    names = ("x",) if len(inputs) == 1 else tuple(inputs)
    arrays = _read_arrays(Path(path), names)
    parts = {name: arrays.get(name) for name in names}
    return make_dataset(parts, arrays.get("y"), arrays.get("group"), need_labels, str(path))


def make_dataset(
    x: Array | Mapping[str, Array | None] | None,
    y: Array | None = None,
    group: Array | None = None,
    need_labels: bool = True,
    place: str = "data",
) -> Dataset:
    """Check arrays from anywhere, of several inputs `x` by name; `place` opens the error messages."""
    parts = x if isinstance(x, Mapping) else {"x": x}
    checked = {name: _checked_samples(part, name, place) for name, part in parts.items()}
    for name, part in checked.items():
        _check_count(name, part, next(iter(checked.values())), place)
    samples = joined(checked)
    if y is None and need_labels:
        raise DataError(f"{place}: no array named y; labels are needed here, one whole number per sample")
    labels = None if y is None else _checked_labels(y, len(samples), need_labels, place)
    groups = None if group is None else _checked_groups(group, len(samples), place)
    return Dataset(samples, labels, groups)


def _read_arrays(path: Path, inputs: Sequence[str]) -> dict[str, Array]:
    _check_file(path)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            absent = [name for name in inputs if name not in archive.files]
            found = {name: archive[name] for name in (*inputs, "y", "group") if name in archive.files}
            names = archive.files
    except _ARCHIVE_ERRORS as error:
        raise DataError(f"{path}: {_reason(error)}; write it with numpy.savez(path, x=..., y=...)") from error
    if absent:
        held = ", ".join(names[:10]) or "nothing"
        raise DataError(f"{path}: no array named {absent[0]}; the file holds {held}; "
                        f"write it with numpy.savez(path, {absent[0]}=..., y=...)")  # fmt: skip
    return found


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise DataError(f"{path}: is a folder; give the .npz file itself")
    if not path.exists():
        raise DataError(f"{path}: no such file; give an .npz with arrays x and y")
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            magic = file.read(2)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    if size == 0:
        raise DataError(f"{path}: the file is empty; write it with numpy.savez(path, x=..., y=...)")
    if magic != b"PK":
        raise DataError(f"{path}: not an .npz archive; write one with numpy.savez(path, x=..., y=...)")


def _reason(error: BaseException) -> str:
    """What went wrong, in one short clause."""
    if "allow_pickle" in str(error):
        return "holds pickled Python objects, which are never opened; store plain number arrays"
    if isinstance(error, MemoryError):
        return "too large for this machine's memory"
    return f"damaged or no .npz archive ({' '.join(str(error).split())[:80] or type(error).__name__})"


def _check_count(name: str, x: Array, first: Array, place: str) -> None:
    if len(x) != len(first):
        raise DataError(f"{place}: {name} has {len(x)} samples, another input {len(first)}; give one each per sample")


def _checked_samples(x: Array | None, name: str, place: str) -> Array:
    if x is None:
        raise DataError(f"{place}: no array named {name}; write it with numpy.savez(path, {name}=..., y=...)")
    if x.dtype.name == "float64":
        raise DataError(f"{place}: {name} is float64, not supported; convert with {name}.astype('float32')")
    if x.dtype.name not in SAMPLE_DTYPES:
        raise DataError(f"{place}: {name} has dtype {x.dtype}; supported: {', '.join(SAMPLE_DTYPES)}")
    if x.ndim not in (2, 3, 4):
        raise DataError(
            f"{place}: {name} has shape {x.shape}; supported: (n, features), (n, c, length) and (n, c, h, w)"
        )
    if x.size == 0:
        raise DataError(f"{place}: {name} has shape {x.shape}, so no samples; give at least one")
    _check_finite(x, name, place)
    return np.ascontiguousarray(x, dtype=x.dtype.newbyteorder("="))


def _check_finite(x: Array, name: str, place: str) -> None:
    if x.dtype.kind != "f" or np.isfinite(x).all():
        return
    first = int(np.argmin(np.isfinite(x).reshape(len(x), -1).all(axis=1)))
    raise DataError(f"{place}: NaN or infinity in {name}, first in sample {first}; drop or fill such samples")


def _checked_labels(y: Array, samples: int, need_labels: bool, place: str) -> Indices:
    _check_length("y", y, samples, place)
    if y.dtype.kind not in "iub":
        raise DataError(f"{place}: y has dtype {y.dtype}; labels are whole numbers, y.astype('int64')")
    labels = y.astype(np.int64)
    if need_labels and len(np.unique(labels)) < 2:
        raise DataError(f"{place}: labels hold one class only ({labels[0]}); give samples of both classes")
    return labels


def _checked_groups(group: Array, samples: int, place: str) -> Indices:
    _check_length("group", group, samples, place)
    numbers = np.unique(group, return_inverse=True)[1]
    return numbers.reshape(-1).astype(np.int64)


def _check_length(name: str, values: Array, samples: int, place: str) -> None:
    if values.shape != (samples,):
        raise DataError(f"{place}: {name} has shape {values.shape}, x has {samples} samples; give one each")


def sample_hashes(x: Array) -> list[str]:
    """One fingerprint per sample (first axis): sha256 of dtype, shape and bytes, 16 hex digits."""
    samples = np.ascontiguousarray(x)
    form = samples.dtype.str if samples.dtype.names is None else samples.dtype.descr
    kind = f"{form} {samples.shape[1:]} ".encode()
    return [hashlib.sha256(kind + sample.tobytes()).hexdigest()[:HASH_DIGITS] for sample in samples]


@dataclass(frozen=True)
class Scaling:
    """Input scaling (x - mean) / std; float32 arrays (features,) or (channels,), no std is 0."""

    mean: Floats
    std: Floats

    @staticmethod
    def fit(x: Array) -> "Scaling":
        """Per feature of (n, features), per channel of (n, c, length) and (n, c, h, w); a constant one gets std 1."""
        columns = np.moveaxis(x, 1, 0)
        mean = np.array([np.mean(column, dtype=np.float64) for column in columns])
        std = np.array([np.std(column, dtype=np.float64) for column in columns])
        # Rounding leaves the std of a constant column a hair above 0; dividing by it would blow up noise.
        std[std <= 1e-7 * np.abs(mean)] = 1
        narrow = std.astype(np.float32)
        narrow[narrow == 0] = 1
        return Scaling(mean.astype(np.float32), narrow)

    @staticmethod
    def identity(shape: Sequence[int]) -> "Scaling":
        """No scaling, for samples of `shape`: (features,) or (c, h, w)."""
        return Scaling(np.zeros(shape[0], np.float32), np.ones(shape[0], np.float32))

    def apply(self, x: Array) -> Floats:
        """Scaled float32 samples, of x's shape; DataError when x has other features or channels."""
        if x.ndim < 2 or x.shape[1] != len(self.mean):
            raise DataError(f"data: x has shape {x.shape}; needed: {len(self.mean)} features or channels")
        shape = (1, -1) + (1,) * (x.ndim - 2)
        scaled = (x.astype(np.float32) - self.mean.reshape(shape)) / self.std.reshape(shape)
        return scaled.astype(np.float32, copy=False)


def split(dataset: Dataset, seed: int, positive: int = 1, validation: float = 0.2, calibration: float = 0.1) -> Splits:
    """Random split, stratified by label; a group is never on two sides.

    DataError when a side has no sample of the important class `positive`, or nothing but it.
    """
    labels = dataset.labels()
    fractions = np.array([1 - validation - calibration, validation, calibration])
    random = np.random.default_rng(seed)
    side = _sides(labels, dataset.group, fractions, random)
    splits = Splits(*(np.flatnonzero(side == number) for number in range(3)))
    _check_sides(splits, labels, positive, grouped=dataset.group is not None)
    return splits


def set_aside(dataset: Dataset, share: float, seed: int, place: str = "data") -> tuple[Indices, Indices]:
    """Sorted row numbers of the rest and of a test part of about `share` of the samples, as `split` divides.

    DataError when a class has no sample on either side."""
    labels = dataset.labels()
    side = _sides(labels, dataset.group, np.array([1 - share, share, 0]), np.random.default_rng(seed))
    rest, test = np.flatnonzero(side == 0), np.flatnonzero(side == 1)
    for name, rows in (("rest", rest), ("test part", test)):
        absent = np.setdiff1d(labels, labels[rows])
        if len(absent):
            more = "samples of it" if dataset.group is None else "groups with samples of it"
            raise DataError(
                f"{place}: the {name} has no sample of label {absent[0]}; give more {more}, or another share"
            )
    return rest, test


def _sides(labels: Indices, group: Indices | None, fractions: Array, random: np.random.Generator) -> Indices:
    """Side (n,) of every sample: 0, 1 or 2, by their `fractions`."""
    if group is None:
        return _stratified(labels, fractions, random)
    return _stratified_groups(labels, group, fractions, random)


def _stratified(labels: Indices, fractions: Array, random: np.random.Generator) -> Indices:
    """Side (n,) of every sample: each class is shuffled and cut at the rounded fractions."""
    side = np.zeros(len(labels), np.int64)
    for label in np.unique(labels):
        rows = random.permutation(np.flatnonzero(labels == label))
        held = round(len(rows) * fractions[1])
        side[rows[:held]] = 1
        side[rows[held : held + round(len(rows) * fractions[2])]] = 2
    return side


def _stratified_groups(labels: Indices, group: Indices, fractions: Array, random: np.random.Generator) -> Indices:
    """Side (n,) of every sample: groups, largest first, each to the side that then misses its share least."""
    classes, numbers = np.unique(labels, return_inverse=True)
    counts = np.zeros((int(group.max()) + 1, len(classes)))
    np.add.at(counts, (group, numbers), 1)
    share = counts / counts.sum(axis=0)
    order = random.permutation(len(counts))
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
    filled = np.zeros((3, len(classes)))
    side = np.zeros(len(counts), np.int64)
    for number in order:
        before = filled - fractions[:, None]
        growth = ((before + share[number]) ** 2 - before**2).sum(axis=1)
        side[number] = int(np.argmin(growth))
        filled[side[number]] += share[number]
    return side[group]


def _check_sides(splits: Splits, labels: Indices, positive: int, grouped: bool) -> None:
    known = np.unique(labels)
    more = "give more of them, in more groups" if grouped else "give more of them"
    if positive not in known:
        listed = ", ".join(map(str, known[:10])) + (", …" if len(known) > 10 else "")
        more = f"the labels are {listed}"
    for name, rows in splits.sides().items():
        important = int((labels[rows] == positive).sum())
        if important == 0:
            raise DataError(f"{name} split: no sample of the important class {positive}; {more}")
        if important == len(rows):
            raise DataError(f"{name} split: only the important class {positive}; give more other samples")
