"""Quantizer: follows the float graph, keeps zeros, refuses overflow; the threshold rule."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpcc.detector import Decision
from cpcc.errors import ModelError
from cpcc.ops import OPS, concat, gru, gru_reset_before, linear, lstm
from cpcc.ops.add import AddScaling, QAdd
from cpcc.ops.base import Op
from cpcc.ops.float_params import Linear
from cpcc.ops.log_softmax import QLogSoftmax
from cpcc.ops.softmax import QSoftmax
from cpcc.quantize import (
    affine_int8,
    calibrate,
    image_of_threshold,
    integer_decision,
    quantize_graph,
)
from support import chain

BOUNDED = [op for op in OPS if op not in (gru.OP, gru_reset_before.OP, lstm.OP)]


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
@pytest.mark.parametrize("op", BOUNDED, ids=[op.name for op in BOUNDED])
def test_int8_follows_float(op: Op, seed: int) -> None:
    """Error bound derived from the scales: half a step of rounding, plus half a weight step per input, plus bias.

    Recurrent layers, whose errors feed back, have their own: tests/test_recurrent.py."""
    rng = np.random.default_rng(seed)
    params, shapes = op.sample(rng)
    x = [rng.normal(0, 1, (20, *shape)) for shape in shapes]
    types = tuple(affine_int8(float(v.min()), float(v.max())) for v in x)
    types = types[:1] * len(types) if op is concat.OP else types  # its inputs have one type
    q = [kind.quantize(v) for kind, v in zip(types, x)]
    real = [kind.dequantize(v) for kind, v in zip(types, q)]
    expected = op.run_float(params, *real)
    out = op.output_type(params, types) or affine_int8(float(expected.min()), float(expected.max()))
    quantized = op.quantize(params, types, out)
    got = out.dequantize(op.run_int8(quantized, *q))
    limits = out.dequantize(np.array([-128, 127]))
    bound = _bound(params, max(np.abs(v).max() for v in real), out.scale) + _rounding(quantized, out.scale)
    assert np.all(np.abs(got - np.clip(expected, *limits)) <= bound)


def _rounding(quantized: object, step: float) -> float:
    """What the arithmetic adds to the rounding of its result."""
    if isinstance(quantized, QAdd):  # half a unit of each 15-bit multiplier, times an operand
        assert isinstance(quantized.scaling, AddScaling)
        return 255 * step / 2**quantized.scaling.shift
    return 0.1 * step if isinstance(quantized, QSoftmax | QLogSoftmax) else 0.0


def _bound(params: object, largest: float, step: float) -> float:
    weight = getattr(params, "weight", None)
    if weight is None:
        return 0.51 * step
    inputs = weight.size if weight.ndim == 3 else weight[0].size
    weight_step = np.abs(weight).max() / 127
    return 0.51 * step + inputs * largest * weight_step / 2 + largest * weight_step + 0.07 * step


def test_a_pruned_weight_stays_exactly_zero() -> None:
    rng = np.random.default_rng(0)
    weight = rng.normal(0, 1, (5, 40)).astype(np.float32)
    weight[rng.random(weight.shape) < 0.9] = 0
    graph = chain((40,), [(linear.OP, Linear(weight, np.zeros(5, np.float32)))])
    int8 = quantize_graph(graph, calibrate(graph, rng.normal(0, 1, (9, 40))))
    assert np.all(int8.nodes[0].params.weight[weight == 0] == 0)


def test_an_accumulator_that_could_overflow_is_refused() -> None:
    weight = np.ones((1, 140_000), np.float32)
    graph = chain((140_000,), [(linear.OP, Linear(weight, np.zeros(1, np.float32)))])
    with pytest.raises(ModelError, match=r"accumulator of output 0 can reach [0-9]+, the limit is 2147483647"):
        quantize_graph(graph, {"x": (-1.0, 1.0), "t0": (-1e5, 1e5)})
    with pytest.raises(ModelError, match="linear_0: value outside int32"):
        quantize_graph(graph, {"x": (0.0, 1.0), "t0": (0.0, 1e5)})


def decision(scores: list[int], floats: list[float], threshold: float, step: float = 0.5) -> Decision:
    """The integer decision of a one-logit graph whose output step is `step`."""
    graph = chain((1,), [(linear.OP, Linear(np.ones((1, 1), np.float32), np.zeros(1, np.float32)))])
    int8 = quantize_graph(graph, {"x": (-1, 1), "t0": (-127.5 * step, 127.5 * step)})
    rule = Decision(0, 1, 0, threshold, 1.0, 1)
    positive = np.ones(len(scores), bool)
    return integer_decision(int8, rule, np.array(scores), np.array(floats), positive)


def test_threshold_is_its_image_where_nothing_is_lost() -> None:
    assert decision([4, 9], [2.0, 4.6], 1.9).threshold == 4


def test_threshold_is_lowered_while_positives_are_lost() -> None:
    """A positive found in float at 2.1 comes out as 2 in fixed point: 4, 3, 2 are tried, 2 finds it again."""
    got = decision([2, 9], [2.1, 4.6], 1.9)
    assert (got.threshold, got.calibration_fn, got.float_calibration_fn) == (2, 0, 0)


def test_threshold_is_never_raised() -> None:
    assert decision([40, 50], [20.0, 25.0], 1.9).threshold == 4


def test_threshold_is_not_lowered_for_a_positive_the_float_model_misses() -> None:
    assert decision([1, 9], [0.5, 4.6], 1.9).threshold == 4


@given(st.floats(-50, 50), st.floats(0.01, 2), st.floats(0, 30), st.floats(-40, 40))
def test_rounding_the_logits_alone_never_loses_a_positive(t: float, step: float, above: float, other: float) -> None:
    one = round((t + above) / step)
    assert one >= image_of_threshold(t, step, 1)
    difference = round((other + t + above) / step) - round(other / step)
    assert difference >= image_of_threshold(t - 1e-9, step, 2)
