"""The problem of placing buffers, and plans that come quickly: first fit in several orders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cpcc.plan.buffers import Buffer, Lag, round_up


@dataclass(frozen=True, eq=False)
class Problem:
    """Buffers by number. `sizes` are multiples of the alignment. `apart[b]` may share no byte with b. `behind[b]` maps
    a buffer to the least distance at which b may begin after it and lie over it; `ahead[b]` is the same seen from the
    other one."""

    buffers: tuple[Buffer, ...]
    sizes: tuple[int, ...]
    apart: tuple[frozenset[int], ...]
    behind: tuple[dict[int, int], ...]
    ahead: tuple[dict[int, int], ...]

    def height(self, offsets: list[int]) -> int:
        """Bytes of the arena with buffer b at ``offsets[b]``."""
        return max((at + size for at, size in zip(offsets, self.sizes, strict=True)), default=0)


def problem_of(buffers: list[Buffer], lags: list[Lag]) -> Problem:
    number = {buffer.name: i for i, buffer in enumerate(buffers)}
    sizes = tuple(round_up(buffer.size) for buffer in buffers)
    behind: tuple[dict[int, int], ...] = tuple({} for _ in buffers)
    ahead: tuple[dict[int, int], ...] = tuple({} for _ in buffers)
    for lag in lags:
        a, b = number[lag.ahead], number[lag.behind]
        if lag.distance < sizes[a]:  # else it must lie wholly behind it
            behind[b][a] = ahead[a][b] = lag.distance
    apart = tuple(
        frozenset(
            j for j, other in enumerate(buffers)
            if j != i and buffer.overlaps(other) and j not in behind[i] and j not in ahead[i]
        )
        for i, buffer in enumerate(buffers)
    )  # fmt: skip
    return Problem(tuple(buffers), sizes, apart, behind, ahead)


def lowest(problem: Problem, b: int, placed: dict[int, int]) -> int:
    """The lowest offset of buffer `b` beside the ones placed."""
    apart = [(placed[p], problem.sizes[p]) for p in problem.apart[b] if p in placed]
    behind = [(placed[p], d) for p, d in problem.behind[b].items() if p in placed]
    ahead = [(placed[p], problem.sizes[p], d) for p, d in problem.ahead[b].items() if p in placed]
    candidates = {0, *(at + size for at, size in apart), *(at + d for at, d in behind)}
    candidates |= {at + size for at, size, _ in ahead}
    size = problem.sizes[b]

    def fits(at: int) -> bool:
        return (
            all(at + size <= p or p + s <= at for p, s in apart)
            and all(at >= p + d or at + size <= p for p, d in behind)
            and all(at <= p - d or at >= p + s for p, s, d in ahead)
        )

    return min(at for at in candidates if fits(at))


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


def promoted(problem: Problem, order: list[int]) -> list[int]:
    """The smallest plan found by placing earlier, again and again, the buffers that reach the top."""
    best = first_fit(problem, order)
    plan = best
    for _ in range(PROMOTIONS):
        height = problem.height(plan)
        top = [b for b in order if plan[b] + problem.sizes[b] == height]
        order = [*top, *(b for b in order if b not in top)]
        plan = first_fit(problem, order)
        best = min(best, plan, key=problem.height)
    return best


def quick_plan(problem: Problem, bound: int) -> list[int]:
    """The smallest plan of several: size first, longest life first, execution order, its reverse, area first; where none
    is at the lower bound `bound`, each improved."""
    numbers = range(len(problem.buffers))
    orders = [sorted(numbers, key=lambda i, order=order: order(problem.buffers[i])) for order in ORDERS]  # type: ignore[misc]
    plan = min((first_fit(problem, order) for order in orders), key=problem.height)
    if problem.height(plan) > bound:
        plan = min((plan, *(promoted(problem, order) for order in orders)), key=problem.height)
    return plan
