"""Sums as one affine expression: equal for every pair of operands, or refused."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cpcc.graph import Int8
from cpcc.ops.add import QAdd, native_scaling, tflite_add_scaling
from cpcc.ops.affine_kernels import HELIUM_BITS
from cpcc.ops.affine_sum import OPERAND_BITS, SHIFT, AffineSum, affine_sum

X = np.arange(-128, 128)
scales = st.one_of(st.floats(0.01, 0.3), st.floats(0.3, 3))  # the large ones as output: few values, clamped nowhere
points = st.integers(-128, 127)


def outputs_of(params: QAdd) -> np.ndarray:
    return np.clip(params.scaling.apply(X[:, None], X[None, :]), params.low, params.high)


def form_of(params: QAdd, bits: int = OPERAND_BITS) -> AffineSum | None:
    return affine_sum(outputs_of(params), params.scaling.factors, params.low, params.high, bits)


def evaluated(form: AffineSum, bits: int) -> np.ndarray:
    """Its 65,536 outputs, before the clamp, each sum checked against int32."""
    a, b = (X * m >> bits for m in form.multipliers)
    first = a[:, None] + form.offset
    total = first + b[None, :]
    assert max(np.abs(first).max(), np.abs(total).max()) < 2**31
    return total >> SHIFT


@settings(max_examples=60)
@given(scales, scales, scales, points, points, points, st.booleans(), st.booleans(), st.booleans())
def test_every_pair(
    a: float, b: float, y: float, za: int, zb: int, zy: int, relu: bool, minus: bool, once: bool
) -> None:
    kinds = Int8(a, za), Int8(b, zb), Int8(y, zy)
    scaling = native_scaling(*kinds) if once else tflite_add_scaling(*kinds, difference=minus)
    params = QAdd(scaling, zy if relu else -128, 127)
    for bits in (OPERAND_BITS, HELIUM_BITS):
        form = form_of(params, bits)
        if form is not None:
            np.testing.assert_array_equal(np.clip(evaluated(form, bits), params.low, params.high), outputs_of(params))


def test_most_scales_have_a_form() -> None:
    """And those of a tie at every second pair, which TensorFlow Lite rounds away from zero, have one under a ReLU alone."""
    rng, found = np.random.default_rng(0), 0
    for _ in range(20):
        kinds = [Int8(float(s), int(z)) for s, z in zip(rng.uniform(0.05, 0.15, 3), rng.integers(-128, 128, 3))]
        for bits in (OPERAND_BITS, HELIUM_BITS):
            found += form_of(QAdd(tflite_add_scaling(*kinds), -128, 127), bits) is not None
    assert found >= 36
    ties = tflite_add_scaling(Int8(0.05, 0), Int8(0.05, 0), Int8(0.1, 0))
    assert form_of(QAdd(ties, -128, 127)) is None
    assert form_of(QAdd(ties, 0, 127)) is not None


def test_factors_of_eight_are_refused() -> None:
    """Their multipliers leave int32."""
    assert form_of(QAdd(native_scaling(Int8(0.1, 0), Int8(0.1, 0), Int8(0.01, 0)), -128, 127)) is None
