"""From the original downloads of three data sets to .npz; the others need no program of their own (docs/data.md).

python -m bench.science.convert fashion DOWNLOADS OUT.npz      the four idx files, .gz or not
python -m bench.science.convert speech RECORDINGS OUT.npz      the repository's folder recordings/ of .wav files
python -m bench.science.convert falls DOWNLOADS OUT.npz        UMAFall's folder of .csv trials
"""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import wavfile
from scipy.signal import resample_poly, stft

Array = np.ndarray[Any, Any]
Arrays = dict[str, Array]

FASHION = ("T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Boot")


def fashion(folder: Path) -> Arrays:
    """20,000 of Fashion-MNIST: the first 16,000 training and 4,000 test images; 1 is "Shirt"."""
    parts = [(0, "train", 16000), (1, "t10k", 4000)]
    x = [_idx(folder, f"{name}-images-idx3-ubyte")[:count] for _, name, count in parts]
    labels = np.concatenate([_idx(folder, f"{name}-labels-idx1-ubyte")[:count] for _, name, count in parts])
    split = np.concatenate([np.full(len(images), side) for (side, _, _), images in zip(parts, x, strict=True)])
    y = (labels == FASHION.index("Shirt")).astype(np.int64)
    return {
        "x": np.concatenate(x)[:, None], "y": y, "y_multi": labels.astype(np.int64),
        "split": split.astype(np.int64), "classes": np.array(FASHION),
    }  # fmt: skip


def _idx(folder: Path, name: str) -> Array:
    """An idx file of unsigned bytes (LeCun's MNIST format): magic 0 0 8 rank, sizes, values."""
    path = next(path for path in (folder / name, folder / f"{name}.gz") if path.is_file())
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    assert raw[:3] == b"\0\0\x08", f"{path} is no idx file of bytes"
    shape = np.frombuffer(raw, ">u4", raw[3], 4).astype(int)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


def speech(folder: Path) -> Arrays:
    """Log-mel spectrograms (1, 49, 20) of `DIGIT_SPEAKER_TAKE.wav`, 8 kHz; 1 is "seven"; groups are speakers."""
    files = sorted(folder.glob("*.wav"))
    words = [path.stem.split("_") for path in files]
    spectrograms = np.stack([_log_mel(*wavfile.read(path)) for path in files])
    low, high = np.percentile(spectrograms, (1, 99))
    x = np.clip((spectrograms - low) / (high - low) * 255, 0, 255).astype(np.uint8)
    digits = np.array([int(word[0]) for word in words])
    speakers, group = np.unique([word[1] for word in words], return_inverse=True)
    return {
        "x": x[:, None], "y": (digits == 7).astype(np.int64), "y_multi": digits.astype(np.int64),
        "group": group.astype(np.int64), "speakers": speakers,
    }  # fmt: skip


def _log_mel(rate: int, sound: Array, frames: int = 49, bands: int = 20) -> Array:
    """(frames, bands) of the first second: windows of 40 ms every 20 ms, triangular mel bands up to half the rate."""
    second = np.zeros(rate, np.float64)
    second[: min(rate, len(sound))] = sound[:rate]
    window = rate // 25
    _, _, spectrum = stft(second, rate, nperseg=window, noverlap=window - rate // 50, boundary=None, padded=False)
    power = np.abs(spectrum.T[:frames]) ** 2
    return np.log(power @ _mel_bands(power.shape[1], rate, bands).T + 1e-3)


def _mel_bands(bins: int, rate: int, bands: int) -> Array:
    """(bands, bins) triangles with equal steps in mel, 2595 log10(1 + f / 700)."""
    top = 2595 * np.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, bands + 2) / 2595) - 1) / (rate / 2) * (bins - 1)
    grid = np.arange(bins)
    rise = (grid - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - grid) / (edges[2:] - edges[1:-1])[:, None]
    return np.maximum(0, np.minimum(rise, fall))


def falls(folder: Path) -> Arrays:
    """Windows (6, 64) of 3.2 s at 20 Hz from the waist sensor: acceleration in mg, rotation in tenths of a degree per
    second. A trial of a fall gives the window around its strongest acceleration (label 1), any other trial windows of
    half overlap; trials are groups."""
    x: list[Array] = []
    y: list[int] = []
    trial: list[int] = []
    for number, path in enumerate(sorted(folder.rglob("UMAFall_Subject_*.csv"))):
        series = _umafall_waist(path)
        is_fall = "_Fall_" in path.name
        for window in _around_peak(series) if is_fall else _sliding(series):
            x.append(window)
            y.append(int(is_fall))
            trial.append(number)
    return {"x": np.stack(x).astype(np.int16), "y": np.array(y, np.int64), "trial": np.array(trial, np.int64)}


def _umafall_waist(path: Path) -> Array:
    """(6, n) at 20 Hz: three axes of acceleration (sensor type 0), three of rotation (1). The header names the number
    of the sensor at the waist: `% ID; NUMBER; WAIST; ...`; rows are time; sample; x; y; z; type; number."""
    lines = path.read_text(errors="replace").splitlines()
    waist = next(int(line.split(";")[1]) for line in lines if line.startswith("%") and "WAIST" in line.upper())
    rows = np.array([[float(v) for v in line.split(";")[:7]] for line in lines if line and line[0].isdigit()])
    rows = rows[rows[:, 6] == waist]
    parts = [rows[rows[:, 5] == kind][:, 2:5].T * unit for kind, unit in ((0, 1000), (1, 10))]
    seconds = (rows[-1, 0] - rows[0, 0]) / 1000
    resampled = [resample_poly(part, round(20 * seconds), part.shape[1], axis=1) for part in parts]
    length = min(part.shape[1] for part in resampled)
    return np.concatenate([part[:, :length] for part in resampled])


def _around_peak(series: Array) -> list[Array]:
    strongest = int(np.argmax((series[:3] ** 2).sum(axis=0)))
    start = min(max(strongest - 32, 0), series.shape[1] - 64)
    return [series[:, start : start + 64]] if start >= 0 else []


def _sliding(series: Array) -> list[Array]:
    return [series[:, start : start + 64] for start in range(0, series.shape[1] - 63, 32)]


CONVERTERS: dict[str, Callable[[Path], Arrays]] = {each.__name__: each for each in (fashion, speech, falls)}


if __name__ == "__main__":
    name, source, output = sys.argv[1:]
    np.savez_compressed(output, **CONVERTERS[name](Path(source)))  # type: ignore[arg-type]
