"""The planner's search over all layers: never beyond a limit that can be kept, no worse than where it began, and deterministic."""

from __future__ import annotations

import itertools
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpcc.errors import UsageError
from cpcc.plan.buffers import Need
from cpcc.plan.choice import MANY, Option, Problem, Totals, choose, descend, excess
from cpcc.plan.objective import Limits, Objective, limits_of
from cpcc.targets import TARGETS

FILES = ("a", "b", "c", "d")
INFINITY = float("inf")


def problem_of(seed: int) -> Problem:
    """Up to five layers, up to four kernels each, with C files of different sizes in common."""
    rng = np.random.default_rng(seed)
    sizes = {file: int(rng.integers(0, 4000)) for file in FILES}
    options = [
        [
            Option(file, float(rng.integers(1, 10_000)), int(rng.integers(0, 3000)), Need(int(rng.integers(0, 500))), frozenset({file}),
                   frozenset({(file.encode(), sizes[file])} if rng.integers(3) == 0 else ()))
            for file in FILES[: int(rng.integers(1, 5))]
        ]
        for _ in range(int(rng.integers(1, 6)))
    ]  # fmt: skip
    return Problem(
        options, lambda files: sum(sizes[f] for f in files), lambda needs: 1000 + max(n.scratch_bytes for n in needs)
    )


def every(problem: Problem) -> list[tuple[int, ...]]:
    return list(itertools.product(*(range(len(own)) for own in problem.options)))


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), tight=st.floats(0, 1))
def test_limits_are_kept_where_that_is_possible(seed: int, tight: float) -> None:
    """The flash limit lies between the least and the greatest need of all choices; a choice within it is found."""
    problem = problem_of(seed)
    needs = [problem.totals(choice) for choice in every(problem)]
    least, most = min(t.flash for t in needs), max(t.flash for t in needs)
    flash = least + tight * (most - least)
    found = problem.totals(choose(problem, Objective.SPEED, flash, INFINITY))
    assert excess(found, flash, INFINITY) == 0
    fastest = problem.totals(problem.fastest()).cycles
    assert found.cycles >= min(t.cycles for t in needs if t.flash <= flash) >= fastest
    assert choose(problem, Objective.SPEED, flash, INFINITY) == choose(
        problem_of(seed), Objective.SPEED, flash, INFINITY
    )


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_objectives_against_all_choices(seed: int) -> None:
    """Speed without a limit and size are exact; balanced is no worse than either."""
    problem = problem_of(seed)
    needs = [problem.totals(choice) for choice in every(problem)]
    found = {o: problem.totals(choose(problem, o, INFINITY, INFINITY)) for o in Objective}
    assert found[Objective.SPEED].cycles == min(t.cycles for t in needs)
    assert found[Objective.SIZE].flash == min(t.flash for t in needs)
    for other in (Objective.SPEED, Objective.SIZE):
        assert product(found[Objective.BALANCED]) <= product(found[other])


def product(totals: Totals) -> float:
    return totals.cycles * totals.flash


def test_a_kernel_in_common_beats_the_smallest_for_each() -> None:
    """Two layers of which each has a smallest kernel of its own: one kernel for both takes less flash in all."""
    own = partial(Option, cycles=10.0, need=Need())
    options = [
        [own("a", constants=100, pieces=frozenset({"a"})), own("c", constants=150, pieces=frozenset({"c"}))],
        [own("b", constants=100, pieces=frozenset({"b"})), own("c", constants=150, pieces=frozenset({"c"}))],
    ]
    problem = Problem(options, lambda files: 1000 * len(files), lambda needs: 0)
    assert choose(problem, Objective.SIZE, INFINITY, INFINITY) == (1, 1)
    assert problem.totals((1, 1)).flash == 1300


def test_an_array_in_common_is_stored_once() -> None:
    """Two layers with the same weights: a slower kernel each, whose weights are an array of their own, takes half the flash; one of
    them alone gains nothing."""
    weights = frozenset({(b"w", 100)})
    fast, plain = Option("a", 10.0, 100, Need(), frozenset()), Option("b", 20.0, 5, Need(), frozenset(), weights)
    problem = Problem([[fast, plain], [fast, plain]], lambda files: 0, lambda needs: 0)
    assert [problem.totals(choice).flash for choice in ((0, 0), (0, 1), (1, 1))] == [200, 205, 110]
    assert choose(problem, Objective.SIZE, INFINITY, INFINITY) == (1, 1)
    assert choose(problem, Objective.SPEED, 150, INFINITY) == (1, 1)
    assert choose(problem, Objective.SPEED, 200, INFINITY) == (0, 0)
    other = [fast, Option("b", 20.0, 1000, Need(), frozenset())]  # giving up kernel a everywhere takes more
    three = Problem([[fast, plain], [fast, plain], other], lambda files: 0, lambda needs: 0)
    assert descend(three, (0, 0, 0), lambda totals: (totals.flash,)) == (1, 1, 0)


def test_scratch_is_traded_for_cycles() -> None:
    """The fastest kernel needs more RAM than there is."""
    options = [
        [
            Option("a", 1.0, 0, Need(400), frozenset()),
            Option("b", 5.0, 0, Need(40), frozenset()),
            Option("c", 9.0, 0, Need(), frozenset()),
        ]
    ]
    problem = Problem(options, lambda files: 0, lambda needs: 100 + sum(n.scratch_bytes for n in needs))
    assert choose(problem, Objective.SPEED, INFINITY, 200) == (1,)
    assert choose(problem, Objective.SPEED, INFINITY, 50) == (2,), "the nearest to fitting"


def test_limits() -> None:
    stm32 = TARGETS["stm32"]
    assert limits_of(stm32, None, None) == Limits(stm32.flash_bytes, stm32.ram_bytes)
    assert limits_of(stm32, 1000, 2000) == Limits(1000, 2000)
    with pytest.raises(UsageError, match="--ram 999999: stm32 has 131,072 bytes"):
        limits_of(stm32, None, 999_999)


def test_many_layers_agree_on_a_kernel() -> None:
    """More kernels than every set is tried of: each layer's own takes less beside its code than the one in common, which takes less
    for all."""
    layers = [
        [
            Option(f"own{i}", 1.0, 90, Need(), frozenset({f"own{i}"})),
            Option("common", 2.0, 100, Need(), frozenset({"common"})),
        ]
        for i in range(MANY + 1)
    ]
    problem = Problem(
        layers, lambda pieces: sum(500 if piece == "common" else 100 for piece in pieces), lambda needs: 0
    )
    chosen = problem.chosen(choose(problem, Objective.SIZE, INFINITY, INFINITY))
    assert {option.kernel for option in chosen} == {"common"}
