"""The smallest arena by branch and bound.

Some smallest plan has every buffer at 0 or directly behind another, and the buffers can be placed in the order of their
offsets. The search goes through those orders: each buffer in turn at the lowest offset behind all that it conflicts with
and that lie below it. A branch ends where a buffer, or all that must be in memory at one step, cannot stay below the
best plan known.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cpcc.plan.bound import live_at
from cpcc.plan.placement import Problem

NODE_LIMIT = 4000  # placements tried; about 0.2 s


@dataclass
class _Search:
    problem: Problem
    bound: int
    best: int
    offsets: list[int]
    stacks: list[list[int]]  # buffers that must lie apart, per step
    nodes: int = 0
    placed: dict[int, int] = field(default_factory=dict)

    def run(self, low: list[int], last: int) -> bool:
        """Whether the search below this branch came to its end. `low[b]` is where buffer b may begin at the lowest."""
        self.nodes += 1
        if self.nodes > NODE_LIMIT:
            return False
        free = [b for b in range(len(low)) if b not in self.placed]
        if not free:
            self.best = self.problem.height([self.placed[b] for b in range(len(low))])
            self.offsets = [self.placed[b] for b in range(len(low))]
            return True
        if self._hopeless(low, last, free):
            return True
        ready = sorted((low[b], -self.problem.sizes[b], b) for b in free if low[b] >= last)
        for at, _, b in ready:
            if self.best <= self.bound:
                return True
            self.placed[b] = at
            ended = self.run(self._raised(low, b, at), at)
            del self.placed[b]
            if not ended:
                return False
        return True

    def _hopeless(self, low: list[int], last: int, free: list[int]) -> bool:
        sizes = self.problem.sizes
        if any(max(low[b], last) + sizes[b] >= self.best for b in free):
            return True
        for stack in self.stacks:
            left = [b for b in stack if b not in self.placed]
            if left and max(min(low[b] for b in left), last) + sum(sizes[b] for b in left) >= self.best:
                return True
        return False

    def _raised(self, low: list[int], b: int, at: int) -> list[int]:
        """`low` with `b` at `at` and everything else above it."""
        raised = list(low)
        for other in self.problem.after[b]:
            raised[other] = max(raised[other], at + self.problem.after[other][b])
        return raised


def _stacks(problem: Problem) -> list[list[int]]:
    """Per step, buffers that must lie apart: greedily, the largest first."""
    found = []
    for step in sorted({buffer.first for buffer in problem.buffers}):
        stack: list[int] = []
        for b in sorted(live_at(problem, step), key=lambda i: -problem.sizes[i]):
            if all(b in problem.apart[other] for other in stack):
                stack.append(b)
        found.append(stack)
    return found


def improve(problem: Problem, offsets: list[int], bound: int) -> tuple[list[int], bool]:
    """The smallest plan found, `offsets` or better, and whether it is proved that there is no smaller one."""
    search = _Search(problem, bound, problem.height(offsets), offsets, _stacks(problem))
    ended = search.run([0] * len(offsets), 0)
    return search.offsets, ended or search.best <= bound
