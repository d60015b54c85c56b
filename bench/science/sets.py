"""The data sets of the evidence, each as a training and a test side.

All but scikit-learn's own are read from the folder CPCC_DATA (default ../shared/data beside the checkout);
docs/data.md says where the originals are. Test samples are fixed: the official split where there is one, else whole
groups (a photo, a speaker, a person), else a stratified part; the seed of a trial moves only the training side's own
split into training, validation and calibration.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits

from cpcc.data import Dataset, make_dataset, split
from cpcc.errors import DataError

MOST_TRAINING_SAMPLES = 6000
TEST_SHARE = 0.3
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Sides:
    """Training and test samples, 1 is the important class."""

    train: Dataset
    test: Dataset


def folder() -> Path:
    """Where the data sets lie."""
    return Path(os.environ.get("CPCC_DATA", Path(__file__).parents[2].parent / "shared" / "data"))


def _arrays(file: str) -> dict[str, Array]:
    path = folder() / file
    if not path.is_file():
        raise DataError(f"{path}: no such file; set CPCC_DATA to the folder of the data sets (docs/data.md)")
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _dataset(x: Array, y: Array, rows: Array, group: Array | None = None) -> Dataset:
    return make_dataset(x[rows], y[rows], None if group is None else group[rows])


def _thin(y: Array, rows: Array, negatives_per_positive: float, random: np.random.Generator) -> Array:
    """`rows` with positives dropped at random until the ratio holds."""
    positive, negative = rows[y[rows] == 1], rows[y[rows] == 0]
    kept = random.permutation(positive)[: round(len(negative) / negatives_per_positive)]
    return np.sort(np.concatenate([negative, kept]))


def _sample(y: Array, rows: Array, most: int, random: np.random.Generator) -> Array:
    """At most `most` of `rows`, classes in proportion."""
    if len(rows) <= most:
        return rows
    parts = [rows[y[rows] == label] for label in np.unique(y[rows])]
    kept = [random.permutation(part)[: round(most * len(part) / len(rows))] for part in parts]
    return np.sort(np.concatenate(kept))


def _by_group(x: Array, y: Array, group: Array | None) -> tuple[Array, Array]:
    """(training rows, test rows): groups stay whole."""
    sides = split(make_dataset(x, y, group), seed=0, validation=TEST_SHARE, calibration=0.01)
    return np.sort(np.concatenate([sides.train, sides.calibration])), sides.validation


def cracks(ratio: float = 11.0) -> Sides:
    """Concrete patches, 1x32x32; 1 is a crack, thinned to 1:11; pseudo-photos stay whole (the paper's CRACK)."""
    a = _arrays("cracks_metu_gray32.npz")
    random = np.random.default_rng(0)
    train, test = _by_group(a["x"], a["y"], a["group"])
    train = _sample(a["y"], _thin(a["y"], train, ratio, random), MOST_TRAINING_SAMPLES, random)
    return Sides(
        _dataset(a["x"], a["y"], train, a["group"]), _dataset(a["x"], a["y"], _thin(a["y"], test, ratio, random))
    )


def shirt() -> Sides:
    """Fashion-MNIST, 1x28x28; 1 is "Shirt", one in ten; the official split."""
    a = _arrays("fashion_mnist_20k.npz")
    train, test = np.flatnonzero(a["split"] == 0), np.flatnonzero(a["split"] == 1)
    train = _sample(a["y"], train, MOST_TRAINING_SAMPLES, np.random.default_rng(0))
    return Sides(_dataset(a["x"], a["y"], train), _dataset(a["x"], a["y"], test))


def skin() -> Sides:
    """Skin lesions, 3x64x64; 1 is malignant (the CC0 part of the paper's ISIC 2016 and of the ISIC archive). 768 training pictures are few,
    and a lesion has no upright: each is there in its eight rotations and reflections, which stay on one side of every split."""
    a = _arrays("skin_isic_cc0_rgb64.npz")
    train, test = _by_group(a["x"], a["y"], a["group"])
    views = np.concatenate(_rotations_and_reflections(a["x"][train]))
    times = len(views) // len(train)
    return Sides(
        make_dataset(views, np.tile(a["y"][train], times), np.tile(a["group"][train], times)),
        _dataset(a["x"], a["y"], test),
    )


def _rotations_and_reflections(x: Array) -> list[Array]:
    """The eight symmetries of the square, of images (n, channels, h, h)."""
    turned = [np.rot90(x, quarter, axes=(2, 3)) for quarter in range(4)]
    return turned + [each[..., ::-1] for each in turned]


def speech() -> Sides:
    """Log-mel spectrograms of spoken digits, 1x49x20; 1 is "seven"; a random stratified test part of all speakers."""
    a = _arrays("fsdd_logmel.npz")
    train, test = _by_group(a["x"], a["y"], None)
    return Sides(_dataset(a["x"], a["y"], train), _dataset(a["x"], a["y"], test))


def falls() -> Sides:
    """Windows of a waist-worn accelerometer and gyroscope, 6x1x64; 1 is a fall; a random stratified test part of trials."""
    a = _arrays("imu_umafall_waist20hz.npz")
    x = a["x"][:, :, None, :]
    train, test = _by_group(x, a["y"], a["trial"])
    return Sides(_dataset(x, a["y"], train, a["trial"]), _dataset(x, a["y"], test))


def machine() -> Sides:
    """Machine readings, 8 features; 1 is a failure (AI4I 2020, synthetic by design)."""
    a = _arrays("machine_ai4i2020.npz")
    train, test = _by_group(a["x"], a["y"], None)
    train = _sample(a["y"], train, MOST_TRAINING_SAMPLES, np.random.default_rng(0))
    return Sides(_dataset(a["x"], a["y"], train), _dataset(a["x"], a["y"], test))


def cancer() -> Sides:
    """Breast Cancer Wisconsin, 30 features; 1 is malignant (scikit-learn)."""
    x, benign = load_breast_cancer(return_X_y=True)
    y = (1 - benign).astype(np.int64)
    train, test = _by_group(x.astype(np.float32), y, None)
    return Sides(_dataset(x.astype(np.float32), y, train), _dataset(x.astype(np.float32), y, test))


def digits() -> Sides:
    """8x8 digits; 1 is "8" against the rest (scikit-learn)."""
    x, label = load_digits(return_X_y=True)
    y = (label == 8).astype(np.int64)
    images = x.astype(np.uint8).reshape(-1, 1, 8, 8)
    train, test = _by_group(images, y, None)
    return Sides(_dataset(images, y, train), _dataset(images, y, test))


SETS: dict[str, Callable[[], Sides]] = {
    each.__name__: each for each in (cracks, shirt, speech, falls, skin, machine, cancer, digits)
}
