"""The ladder in parallel: whichever batch or thread finds it, the report names the first difference and failure."""

from __future__ import annotations

import numpy as np
import pytest

from cpcc.executors.base import ExecutionError, Trace
from cpcc.executors.harness import broken_off
from cpcc.metrics import Counts
from cpcc.ops import linear
from cpcc.proof.evidence import Model, changes, check_promise, interval, transition
from cpcc.proof.guarantee import MAX_FNR, Guarantee
from cpcc.proof.ladder import Step, climb
from support import compiled, detector_of, single

RNG = np.random.default_rng(3)
NET = compiled(detector_of(single(linear.OP, RNG), RNG))
RAW = RNG.normal(0, 1, (100, *NET.detector.input.shape)).astype(np.float32)


class Wrong:
    """The reference, but for the samples in `bad` (by their first value): one value off, or a crash."""

    def __init__(self, name: str, bad: list[int], crash: bool = False) -> None:
        self.name, self._bad, self._crash = name, {float(RAW[i].flat[0]) for i in bad}, crash

    def run(self, samples: np.ndarray, *, quantized: bool = False, nodes: bool = False) -> Trace:
        trace = NET.reference().run(samples, quantized=quantized, nodes=nodes)
        for i, sample in enumerate(samples):
            if float(sample.flat[0]) in self._bad and self._crash:
                raise ExecutionError(self.name, i, "fc", "boom")
            if float(sample.flat[0]) in self._bad:
                trace.output[i].flat[0] += 1
        return trace


@pytest.mark.parametrize("workers", [1, 3])
def test_the_first_difference_is_named_whatever_the_threads(workers: int) -> None:
    steps = [Step(Wrong("good", [])), Step(Wrong("host", [90, 57, 58])), Step(Wrong("arm", [99, 71], crash=True))]
    seen: list[int] = []
    scores, rungs = climb(NET.plan, NET.reference(), steps, RAW, seen.append, workers)
    np.testing.assert_array_equal(scores, NET.reference().run(RAW).scores)
    assert seen == sorted(seen) and seen[-1] == 100
    good, host, arm = rungs
    assert good.equal and good.samples == 100
    assert host.difference is not None
    assert (host.difference.sample, host.difference.node) == (57, "run")
    assert arm.failure == "arm: sample 71, node fc: boom"
    assert arm.samples < 100


def test_a_rung_on_a_part_of_the_samples() -> None:
    _, (rung,) = climb(NET.plan, NET.reference(), [Step(Wrong("part", [40]), 37, "why")], RAW, lambda done: None, 2)
    assert (rung.samples, rung.equal, rung.note) == (37, True, "why")


def test_an_unfinished_reply_names_sample_and_node() -> None:
    sizes = [NET.plan.graph.input.size, NET.plan.graph.output.size, NET.plan.graph.output.size, 4, 4]
    record = sum(sizes)
    names = ["input", "linear_0", "run", "score", "score"]
    for i, name in enumerate(names):
        assert broken_off(bytes(2 * record + sum(sizes[:i])), NET.plan, True, 2) == (2, name)
    assert broken_off(bytes(record - 1), NET.plan, True, 2) == (0, "score")
    assert broken_off(b"", NET.plan, False, 2) == (0, "run")


def test_changed_samples_and_exact_tests() -> None:
    """Six positives of which the second model loses five and finds one; McNemar's p is 2 * 7 / 2**6."""
    positive = np.array([1] * 7 + [0, 0], bool)
    before = Model("a", np.array([1, 1, 1, 1, 1, 0, 1, 0, 0.0]), 0.5)
    after = Model("b", np.array([0, 0, 0, 0, 0, 9, 9, 9, 0.0]), 4)
    move = transition(positive, before, after)
    assert (move.lost, move.found, move.raised, move.quieted) == (5, 1, 1, 0)
    assert move.p_misses == pytest.approx(14 / 64)
    assert [(c.sample, c.now_positive) for c in changes(positive, before, after)] == [
        (0, False), (1, False), (2, False), (3, False), (4, False), (7, True), (5, True),
    ]  # fmt: skip


def test_clopper_pearson() -> None:
    """Zero of n: the upper end is 1 - (alpha / 2)^(1/n)."""
    assert interval(0, 100) == pytest.approx((0, 1 - 0.025 ** (1 / 100)))
    assert interval(0, 0) is None


@pytest.mark.parametrize(("missed", "holds"), [(9, True), (10, False)])
def test_a_promise_is_contradicted_only_by_what_is_unlikely(missed: int, holds: bool) -> None:
    """P(Bin(100, 0.05) >= 9) = 0.063, >= 10 = 0.028."""
    check = check_promise(Guarantee(MAX_FNR, 0.05, 0.05, 400, 10), Counts(100 - missed, 0, missed, 50))
    assert check is not None and check.holds is holds
    assert check_promise(Guarantee(), Counts(90, 0, 10, 50)) is None
