"""Depthwise weights in fewer bytes than dense: whole multiples of a step in two to four bits, and the nonzeros alone with a mask of a
bit for each weight. A 3x3 channel has nine weights, too few for counts and distances. Layouts: the kernels' headers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpcc.formats.nibbles import FewLevels, few_levels, sparse_bits


def bit_fields(values: np.ndarray, bits: int) -> np.ndarray:
    """uint8 (ceil(n * bits / 8),): the low `bits` of int8 `values` (n,) one behind the other, the lowest first."""
    fields = values.astype(np.int64)[:, None] >> np.arange(bits) & 1
    return np.packbits(fields.astype(np.uint8).ravel(), bitorder="little")


@dataclass(frozen=True, eq=False)
class PackedLevels:
    """uint8 `multiples`, `bits` each, with a byte behind them that is read and not used; uint8 `steps` (channels,), or (1,) where all are
    one."""

    multiples: np.ndarray
    bits: int
    steps: np.ndarray

    @property
    def nbytes(self) -> int:
        return self.multiples.nbytes + self.steps.nbytes


def packed_levels(matrix: np.ndarray) -> PackedLevels | None:
    """int8 `matrix` (channels, taps) of few levels; None where a channel has other levels."""
    levels = few_levels(matrix)
    if levels is None:
        return None
    bits = sparse_bits(levels.multiples)
    fields = bit_fields(levels.multiples.ravel(), bits)
    return PackedLevels(np.append(fields, np.uint8(0)), bits, _steps(levels))


def _steps(levels: FewLevels) -> np.ndarray:
    """Channels without weights have any step."""
    found = np.unique(levels.steps[levels.multiples.any(axis=1)])
    return found if len(found) == 1 else levels.steps if len(found) else levels.steps[:1]


@dataclass(frozen=True, eq=False)
class MaskedWeights:
    """uint8 `mask`, a bit for each weight, and int8 `weights`, those that are not 0 (a single unused one where there is none)."""

    mask: np.ndarray
    weights: np.ndarray

    @property
    def nbytes(self) -> int:
        return self.mask.nbytes + self.weights.nbytes


def masked_weights(matrix: np.ndarray) -> MaskedWeights:
    """int8 `matrix` (channels, taps), channel by channel."""
    flat = matrix.ravel()
    kept = flat[flat != 0]
    return MaskedWeights(bit_fields((flat != 0).astype(np.int8), 1), kept if len(kept) else flat[:1].copy())
