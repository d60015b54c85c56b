"""Kernels for all layers together: kernels of several layers share their code, layers with equal weights can share those, and the
whole has to fit.

A local search from the fastest choice and from the smallest: one layer takes another kernel, or all layers with an array in common take
one, or a kernel is given up by all its layers at once. It takes the best of these steps until none helps; ties go to the earlier layer, so the same input gives the same choice."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, TypeVar

from cpcc.plan.buffers import Need
from cpcc.plan.objective import Objective
from cpcc.plan.sizes import Array

T = TypeVar("T")
Choice = tuple[int, ...]  # by layer, which of its options
Score = tuple[float, ...]
MANY = 11  # kernels of which every subset is tried


@dataclass(frozen=True)
class Option:
    """One kernel for a layer: modelled `cycles`, bytes of `constants` of its own, what it needs of the arena, the pieces of code it
    needs, and the arrays, with their bytes, that other layers may need too."""

    kernel: str
    cycles: float
    constants: int
    need: Need
    pieces: frozenset[Hashable]
    arrays: frozenset[Array] = frozenset()

    @property
    def bytes(self) -> int:
        """Of all constants, were the layer alone."""
        return self.constants + sum(nbytes for _, nbytes in self.arrays)


@dataclass(frozen=True)
class Totals:
    """Of a choice: modelled cycles, bytes of constants and kernel code, bytes of arena."""

    cycles: float
    flash: int
    ram: int


@dataclass(frozen=True, eq=False)
class Problem:
    """`options` by layer; `code(pieces)` is the flash of pieces of code; `ram(needs)` the arena for the needs by layer (0 where no limit asks)."""

    options: Sequence[Sequence[Option]]
    code: Callable[[frozenset[Any]], int]
    ram: Callable[[tuple[Need, ...]], int]

    def chosen(self, choice: Choice) -> list[Option]:
        return [own[i] for own, i in zip(self.options, choice, strict=True)]

    def totals(self, choice: Choice) -> Totals:
        chosen = self.chosen(choice)
        pieces = frozenset(piece for option in chosen for piece in option.pieces)
        arrays = frozenset(array for option in chosen for array in option.arrays)
        constants = sum(o.constants for o in chosen) + sum(nbytes for _, nbytes in arrays)
        return Totals(
            sum(o.cycles for o in chosen), constants + self.code(pieces),
            self.ram(tuple(o.need for o in chosen)),
        )  # fmt: skip

    def fastest(self) -> Choice:
        return tuple(min(range(len(own)), key=lambda i: own[i].cycles) for own in self.options)

    def steps(self, choice: Choice) -> Iterator[Choice]:
        """Choices one step away."""
        for layer, own in enumerate(self.options):
            for i in range(len(own)):
                if i != choice[layer]:
                    yield (*choice[:layer], i, *choice[layer + 1 :])
        for kernel in sorted({option.kernel for option in self.chosen(choice)}):
            yield from self._without(choice, kernel)
        for kernel in sorted({option.kernel for own in self.options for option in own}):
            yield self._all_with(choice, kernel)
        for array in sorted({array for own in self.options for option in own for array in option.arrays}):
            shared = tuple(self._with(array, own, i) for own, i in zip(self.options, choice))
            if shared != choice:
                yield shared

    @staticmethod
    def _with(array: Array, own: Sequence[Option], i: int) -> int:
        """Of a layer's options the fastest with `array`, else number `i`."""
        having = [j for j, option in enumerate(own) if array in option.arrays]
        return min(having, key=lambda j: own[j].cycles, default=i)

    def _all_with(self, choice: Choice, kernel: str) -> Choice:
        """`choice` with `kernel` for all layers that can run on it: code that is dear for one layer may be cheap for all."""
        return tuple(
            next((j for j, option in enumerate(own) if option.kernel == kernel), i)
            for own, i in zip(self.options, choice, strict=True)
        )

    def _without(self, choice: Choice, kernel: str) -> Iterator[Choice]:
        """`choice` with `kernel` given up by all layers that have another: each its smallest, and each its fastest."""
        for key in (lambda o: (o.bytes, o.cycles), lambda o: (o.cycles, o.bytes)):
            other = []
            for own, i in zip(self.options, choice):
                rest = [j for j in range(len(own)) if own[j].kernel != kernel]
                give_up = own[i].kernel == kernel and bool(rest)
                other.append(min(rest, key=lambda j: key(own[j])) if give_up else i)
            if tuple(other) != choice:
                yield tuple(other)


def descend(problem: Problem, start: Choice, score: Callable[[Totals], Score]) -> Choice:
    """`start` improved step by step until `score` falls no further."""
    best, least = start, score(problem.totals(start))
    while True:
        steps = [(score(problem.totals(step)), step) for step in problem.steps(best)]
        found = min(steps, key=lambda s: s[0], default=(least, best))
        if not found[0] < least:
            return best
        least, best = found


def smallest(problem: Problem) -> Choice:
    """The choice of least flash: the best of every set of kernels, and of arrays in common, while there are few; else what a descent
    finds. Of too many arrays none is taken for common here; a descent from the result may."""
    names = sorted({option.kernel for own in problem.options if len(own) > 1 for option in own})
    if len(names) > MANY:
        return descend(problem, problem.fastest(), lambda t: (t.flash, t.cycles))
    arrays = sorted({array for own in problem.options for option in own for array in option.arrays})
    arrays = arrays if len(names) + len(arrays) <= MANY else []
    found = [
        choice for kernels in _subsets(names) for common in _subsets(arrays)
        if (choice := _within(problem, kernels, common)) is not None
    ]  # fmt: skip
    return min(found, key=lambda choice: (problem.totals(choice).flash, problem.totals(choice).cycles))


def _subsets(items: Sequence[T]) -> Iterator[frozenset[T]]:
    return (frozenset(chosen) for size in range(len(items) + 1) for chosen in combinations(items, size))


def _within(problem: Problem, kernels: frozenset[str], common: frozenset[Array]) -> Choice | None:
    """Each layer's smallest of `kernels`, where the arrays in `common` are paid for; None where a layer can run on none of them."""
    choice = []
    for own in problem.options:
        allowed = [i for i, option in enumerate(own) if len(own) == 1 or option.kernel in kernels]
        if not allowed:
            return None
        unpaid = [option.bytes - sum(nbytes for _, nbytes in option.arrays & common) for option in own]
        choice.append(min(allowed, key=lambda i: (unpaid[i], own[i].cycles)))
    return tuple(choice)


def excess(totals: Totals, flash: float, ram: float) -> float:
    """Bytes by which a choice does not fit."""
    return max(0.0, totals.flash - flash) + max(0.0, totals.ram - ram)


def trade(problem: Problem, start: Choice, flash: float, ram: float) -> Choice:
    """`start`, with cycles traded for bytes until it fits or nothing helps: at each step the fewest cycles per byte."""
    choice, now = start, problem.totals(start)
    while over := excess(now, flash, ram):
        steps = []
        for step in problem.steps(choice):
            totals = problem.totals(step)
            gained = over - excess(totals, flash, ram)
            if gained > 0:
                steps.append(((totals.cycles - now.cycles) / gained, step, totals))
        if not steps:
            break
        _, choice, now = min(steps, key=lambda s: s[0])
    return choice


def choose(problem: Problem, objective: Objective, flash: float, ram: float) -> Choice:
    """The choice for `objective` within bytes of `flash` (constants and kernel code) and `ram` (arena); where none fits, the one
    nearest to fitting that was found."""

    def score(totals: Totals) -> Score:
        return (excess(totals, flash, ram), *objective.score(totals.cycles, totals.flash))

    def free(totals: Totals) -> Score:
        return objective.score(totals.cycles, totals.flash)

    fastest = problem.fastest()
    if objective is Objective.SPEED and not excess(problem.totals(fastest), flash, ram):
        return fastest
    starts = [trade(problem, descend(problem, fastest, free), flash, ram), smallest(problem)]
    return min((descend(problem, start, score) for start in starts), key=lambda c: score(problem.totals(c)))
