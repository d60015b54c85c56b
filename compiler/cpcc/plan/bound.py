"""A size that no placement can go below: what must be in memory at one step."""

from __future__ import annotations

from cpcc.plan.placement import Problem


def live_at(problem: Problem, step: int) -> list[int]:
    return [i for i, buffer in enumerate(problem.buffers) if buffer.first <= step <= buffer.last]


def heaviest(problem: Problem, among: list[int]) -> int:
    """Most bytes of buffers of `among` that must lie apart from each other, one and all."""
    if not among:
        return 0
    first, rest = among[0], among[1:]
    with_first = problem.sizes[first] + heaviest(problem, [b for b in rest if b in problem.apart[first]])
    free = [b for b in rest if b not in problem.apart[first]]
    return max(with_first, heaviest(problem, rest)) if free else with_first


def bound_at(problem: Problem, step: int) -> int:
    """Bytes that `step` cannot do without. A pair that may lie over each other counts as the larger of the two or, where it
    is longer, as the one moved behind the other by the least distance."""
    live = live_at(problem, step)
    bound = heaviest(problem, live)
    for b in live:
        for a in problem.after[b]:
            if a < b and a in live and a not in problem.apart[b]:
                others = [i for i in live if i in problem.apart[a] and i in problem.apart[b]]
                bound = max(bound, together(problem, a, b) + heaviest(problem, others))
    return bound


def together(problem: Problem, a: int, b: int) -> int:
    """Bytes that two buffers take, whichever comes first."""
    first, second = problem.sizes[a], problem.sizes[b]
    return min(max(first, problem.after[b][a] + second), max(second, problem.after[a][b] + first))


def bounds(problem: Problem) -> dict[int, int]:
    """`bound_at` of every step."""
    by_live: dict[tuple[int, ...], int] = {}
    found = {}
    for step in range(-1, max((buffer.last for buffer in problem.buffers), default=-1) + 1):
        live = tuple(live_at(problem, step))
        if live not in by_live:
            by_live[live] = bound_at(problem, step)
        found[step] = by_live[live]
    return found


def lower_bound(problem: Problem) -> int:
    """Bytes: the most that one step needs."""
    return max((bound_at(problem, step) for step in {buffer.first for buffer in problem.buffers}), default=0)
