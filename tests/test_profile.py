"""The profile: a count that depends on the data is told, layer by layer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import numpy as np

from cpcc.artifacts import Sizes
from cpcc.executors.arm import ArmExecutor, Cost
from cpcc.folder import BuildFolder
from cpcc.ops import linear
from cpcc.profile import profile
from support import compiled, detector_of, single

RNG = np.random.default_rng(0)
NET = compiled(detector_of(single(linear.OP, RNG), RNG))


class Stub:
    """An executor whose only layer takes one instruction more where the input is `slow`."""

    def __init__(self, slow: int | None) -> None:
        self.slow = slow

    def measure(self, samples: np.ndarray) -> Cost:
        extra = int((samples == self.slow).all())
        return Cost(100 + extra, (90 + extra,), 48, 200, (180,))


def test_a_layer_that_depends_on_the_data_is_named() -> None:
    build = cast(BuildFolder, SimpleNamespace(plan=NET.plan))
    for slow, varying in ((None, ()), (127, ("linear_0",)), (-128, ("linear_0",))):
        found = profile(build, cast(ArmExecutor, Stub(slow)), Sizes(1, 0, 2))
        assert found.varying_layers == varying
        assert found.constant_time == (not varying)
    assert [entry.name for entry in found.arena] and max(e.offset + e.bytes for e in found.arena) <= NET.plan.arena.size
