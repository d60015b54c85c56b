"""Every op against PyTorch: int8 on the device and float32 before it, within what the scales and float32 allow (error_bounds.py)."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpcc.ops import OPS, gru, gru_reset_before, lookup, lstm
from cpcc.ops.base import Op
from cpcc.ops.float_params import Concat, Lookup
from cpcc.quantize import affine_int8
from error_bounds import SLOPES, by_torch, float32_error, quantization_error

FUNCTIONS = {name: () for name in SLOPES if name != "line"} | {"clip": (-0.3, 0.8), "leaky_relu": (0.1,)}
ELSEWHERE = (gru.OP, gru_reset_before.OP, lstm.OP, lookup.OP)
CASES: dict[str, tuple[Op, str]] = {op.name: (op, "") for op in OPS if op not in ELSEWHERE}
CASES |= {f"lookup {name}": (lookup.OP, name) for name in FUNCTIONS}


@dataclass(frozen=True, eq=False)
class Compared:
    """`error` (n, *shape) of int8 and its `bound`, in steps of the output."""

    error: np.ndarray
    bound: np.ndarray


def drawn(case: str, rng: np.random.Generator, spread: float = 1.0) -> tuple[Op, Any, list[np.ndarray]]:
    """An op, its parameters, and float64 samples (6, ...) of each input, off the middle or not."""
    op, function = CASES[case]
    params, shapes = op.sample(rng)
    params = Lookup(function, FUNCTIONS[function]) if function else params
    middle = rng.choice([0.0, 1.5, -1.5]) * spread
    return op, params, [rng.normal(middle, spread, (6, *shape)) for shape in shapes]


def compared(case: str, rng: np.random.Generator) -> Compared:
    """int8 of rounded inputs beside PyTorch, in float64, of the inputs as they were."""
    op, params, x = drawn(case, rng, float(rng.choice([0.1, 1.0, 3.0])))
    ends = [(float(v.min()), float(v.max())) for v in x]
    ends = (
        [(min(low for low, _ in ends), max(high for _, high in ends))] * len(x) if isinstance(params, Concat) else ends
    )
    kinds = tuple(affine_int8(*e) for e in ends)
    expected = by_torch(params, *x)
    room = float(rng.uniform(0.9, 1.3))  # calibration samples are others
    out = op.output_type(params, kinds) or affine_int8(float(expected.min()) * room, float(expected.max()) * room)
    q = [kind.quantize(v) for kind, v in zip(kinds, x)]
    found = out.dequantize(op.run_int8(op.quantize(params, kinds, out), *q))
    error = np.abs(found - np.clip(expected, *out.dequantize(np.array([out.low, out.high]))))
    bound = np.broadcast_to(quantization_error(params, x, kinds, out), error.shape)
    return Compared(error / out.scale, bound / out.scale)


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=12)
@given(seed=st.integers(0, 2**32 - 1))
def test_int8_is_as_near_as_its_scales_allow(case: str, seed: int) -> None:
    found = compared(case, np.random.default_rng(seed))
    over = found.error - found.bound
    assert over.max() <= 1e-6, f"{over.max()} steps beyond the bound"


@pytest.mark.parametrize("case", CASES)
def test_the_bound_is_reached(case: str) -> None:
    """A bound that no error comes near would say nothing: one of 40 networks gets within a quarter of it."""
    rng = np.random.default_rng(zlib.crc32(case.encode()))
    found = [compared(case, rng) for _ in range(40)]
    nearest = max(float((f.error / f.bound).max()) for f in found)
    assert nearest > 0.75, f"the largest error is {nearest:.2f} of its bound"


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1))
def test_float_semantics_are_torchs(case: str, seed: int) -> None:
    """`run_float`, in float64, beside PyTorch in float32."""
    op, params, x = drawn(case, np.random.default_rng(seed), 2.0)
    torchs = by_torch(params, *(v.astype(np.float32) for v in x)).astype(np.float64)
    over = np.abs(op.run_float(params, *x) - torchs) - float32_error(params, x)
    assert over.max() <= 0, f"{over.max()} beyond float32"
