"""A sum's two roundings as one affine expression with one shift, where that gives the same output for every pair of operands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SHIFT = 20  # of the assembly of the kernels
OPERAND_BITS = 8  # of 16 that a product of SMLAWB loses, the operand has as many zeros below it
_LIMIT = 2**31


@dataclass(frozen=True)
class AffineSum:
    """``(floor(a * multipliers[0] / 2**bits) + floor(b * multipliers[1] / 2**bits) + offset) >> SHIFT``: int32, and so are all
    its sums, taken as first operand, offset, second operand or as the rescaled operands, the first with the offset."""

    multipliers: tuple[int, int]
    offset: int


def affine_sum(
    outputs: np.ndarray, factors: tuple[float, float], low: int, high: int, bits: int = OPERAND_BITS
) -> AffineSum | None:
    """The form of int8 `outputs` (256, 256) of the operands from -128 on, about `factors` times them and a constant; None where
    no offset makes it exact. Outputs of `low` or `high` may lie beyond them in the form: it is clamped."""
    multipliers = tuple(round(factor * 2 ** (SHIFT + bits)) for factor in factors)
    if max(map(abs, multipliers)) >= _LIMIT:
        return None
    x = np.arange(-128, 128)
    first, second = (x * m >> bits for m in multipliers)
    total, y = first[:, None] + second[None, :], outputs.astype(np.int64)
    above, below = y > low, y < high
    least = ((y << SHIFT) - total)[above].max(initial=-(2**62))
    most = ((y + 1 << SHIFT) - 1 - total)[below].min(initial=2**62)
    offset = int(least // 2 + most // 2)
    reach = max(np.abs(first + offset).max(), np.abs(total + offset).max(), abs(offset))
    return AffineSum((multipliers[0], multipliers[1]), offset) if least <= offset <= most and reach < _LIMIT else None
