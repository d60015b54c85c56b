"""The problem of placing buffers, and plans that come quickly: first fit in several orders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from cpcc.plan.buffers import Buffer, Lag, round_up


@dataclass(frozen=True, eq=False)
class Problem:
    """Buffers by number. `sizes` are multiples of the alignment. `after[b]` maps each buffer that is needed together with b
    to the least distance at which b may begin after it: its size, or less where the two may lie over each other."""

    buffers: tuple[Buffer, ...]
    sizes: tuple[int, ...]
    after: tuple[dict[int, int], ...]

    @cached_property
    def apart(self) -> tuple[frozenset[int], ...]:
        """By buffer, those that share no byte with it wherever it lies."""
        sizes, after = self.sizes, self.after
        return tuple(
            frozenset(a for a, distance in after[b].items() if distance == sizes[a] and after[a][b] == sizes[b])
            for b in range(len(sizes))
        )

    def height(self, offsets: list[int]) -> int:
        """Bytes of the arena with buffer b at ``offsets[b]``."""
        return max((at + size for at, size in zip(offsets, self.sizes, strict=True)), default=0)


def problem_of(buffers: list[Buffer], lags: list[Lag]) -> Problem:
    number = {buffer.name: i for i, buffer in enumerate(buffers)}
    sizes = tuple(round_up(buffer.size) for buffer in buffers)
    after: tuple[dict[int, int], ...] = tuple(
        {a: sizes[a] for a, other in enumerate(buffers) if a != b and buffer.meets(other)}
        for b, buffer in enumerate(buffers)
    )
    for lag in lags:
        a, b = number[lag.ahead], number[lag.behind]
        after[b][a] = min(lag.distance, sizes[a])
    return Problem(tuple(buffers), sizes, after)


def lowest(problem: Problem, b: int, placed: dict[int, int]) -> int:
    """The lowest offset of buffer `b` beside the ones placed."""
    near = [(placed[p], d, problem.after[p][b]) for p, d in problem.after[b].items() if p in placed]
    candidates = {0, *(at + above for at, above, _ in near)}
    return min(at for at in candidates if all(at >= p + above or at <= p - below for p, above, below in near))


Order = Callable[[Buffer], tuple[int, ...]]

ORDERS: tuple[Order, ...] = (
    lambda b: (-b.size, b.first),
    lambda b: (-(b.last - b.first), -b.size),
    lambda b: (b.first, -b.size),
    lambda b: (-b.last, -b.size),
    lambda b: (-b.size * (b.last - b.first + 1), b.first),
)


PROMOTIONS = 40  # tries to improve each order


def first_fit(problem: Problem, order: list[int]) -> list[int]:
    """Offsets, each buffer as low as possible beside those before it in `order`."""
    placed: dict[int, int] = {}
    for b in order:
        placed[b] = lowest(problem, b, placed)
    return [placed[b] for b in range(len(order))]


def promoted(problem: Problem, order: list[int], tries: int) -> list[int]:
    """The smallest plan found by placing earlier, `tries` times, the buffers that reach the top."""
    best = first_fit(problem, order)
    plan = best
    for _ in range(tries):
        height = problem.height(plan)
        top = [b for b in order if plan[b] + problem.sizes[b] == height]
        order = [*top, *(b for b in order if b not in top)]
        plan = first_fit(problem, order)
        best = min(best, plan, key=problem.height)
    return best


def quick_plan(problem: Problem, bound: int, tries: int = PROMOTIONS) -> list[int]:
    """The smallest plan of several: size first, longest life first, execution order, its reverse, area first; where none
    is at the lower bound `bound`, each improved by `tries`."""
    numbers = range(len(problem.buffers))
    orders = [sorted(numbers, key=lambda i, order=order: order(problem.buffers[i])) for order in ORDERS]  # type: ignore[misc]
    plan = min((first_fit(problem, order) for order in orders), key=problem.height)
    if problem.height(plan) > bound:
        plan = min((plan, *(promoted(problem, order, tries) for order in orders)), key=problem.height)
    return plan
