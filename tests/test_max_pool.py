"""Max pools four channels at a time: every remainder of the channels, every kind of window, on the host and on the core."""

from __future__ import annotations

import numpy as np
import pytest

from cpcc.ops import max_pool2d
from cpcc.ops.float_params import MaxPool2d
from cpcc.targets import TARGETS
from support import assert_equal, chain, compiled, detector_of, extreme_inputs
from test_probe import only

WINDOWS = {
    "2x2": MaxPool2d((2, 2), (2, 2), (0, 0, 0, 0), (3, 3)),
    "1x2": MaxPool2d((1, 2), (1, 2), (0, 0, 0, 0), (6, 3)),
    "3x3 padded": MaxPool2d((3, 3), (2, 2), (1, 1, 1, 1), (3, 3)),
    "2x2 clipped to pairs and single pixels": MaxPool2d((2, 2), (1, 1), (1, 1, 1, 1), (7, 7)),
    "2x1": MaxPool2d((2, 1), (2, 1), (0, 0, 0, 0), (3, 6)),
}


@pytest.mark.parametrize("params", WINDOWS.values(), ids=list(WINDOWS))
@pytest.mark.parametrize("channels", [4, 5, 6, 7, 8, 9])
def test_every_remainder_of_channels(params: MaxPool2d, channels: int) -> None:
    rng = np.random.default_rng(channels)
    graph = chain((6, 6, channels), [(max_pool2d.OP, params)])
    c = compiled(detector_of(graph, rng), TARGETS["stm32"], only("max_pool2d_quad"))
    assert [step.kernel.name for step in c.plan.steps] == ["max_pool2d_quad"]
    x = extreme_inputs(rng, (6, 6, channels), 8)
    expected = c.reference().run(x, quantized=True, nodes=True)
    assert_equal(expected, c.host().run(x, quantized=True, nodes=True))
    assert_equal(expected, c.arm().run(x, quantized=True, nodes=True))
