"""Which layers to compute in bands: what a plan must give up to fit, or what saves much memory for little time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf

from cpcc.costs import Estimate
from cpcc.graph import Graph
from cpcc.plan.bound import bounds
from cpcc.plan.buffers import live_buffers
from cpcc.plan.kernels import Policy, any_kernel
from cpcc.plan.lags import lags
from cpcc.plan.placement import Problem, problem_of, quick_plan
from cpcc.plan.sizes import stored_bytes, struct_bytes
from cpcc.plan.steps import Step, Stepper, layer_of, needs_of
from cpcc.plan.thrift import RATE, slowdown
from cpcc.stripes.regions import Region, Stripe, region
from cpcc.stripes.rewrite import laid_out
from cpcc.stripes.schedule import Schedule, schedule
from cpcc.stripes.windows import rows_of
from cpcc.targets import Target

BANDS = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
REACH = 10  # layers on either side of the one that fills the arena
TRIED = 10  # of the candidates that look best, planned in earnest
ROUNDS = 4
TRIES = 4  # to improve a first-fit plan
CALL_BYTES = 34  # of flash: the call of a kernel
CALL_CYCLES, BYTE_CYCLES = 60, 1  # a first guess of what a band and a byte moved cost


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a graph with `stripes` comes to: at least `bound` bytes of arena, the cost of an inference, bytes of flash for calls,
    structs and constants. `by_layer` are the bytes that a layer's steps cannot do without, `peaks` the layers that need the most."""

    stripes: tuple[Stripe, ...]
    cost: Estimate
    flash: int
    problem: Problem
    by_layer: dict[str, int]
    peaks: frozenset[str]

    @property
    def bound(self) -> int:
        return max(self.by_layer.values())

    @cached_property
    def arena(self) -> int:
        """Bytes of a first-fit plan."""
        return self.problem.height(quick_plan(self.problem, self.bound, TRIES))


class Search:
    """Through the stripes of a `graph` whose layers run by `kernels`, compiled at `level`."""

    def __init__(
        self, graph: Graph, kernels: Mapping[str, str], target: Target, policy: Policy = any_kernel, level: str = "-O2"
    ) -> None:
        self._graph, self._kernels = graph, kernels
        self._stepper = Stepper(target.core, policy, level)
        self._layers = [rows_of(node, graph) for node in graph.nodes]
        self._number = {node.name: i for i, node in enumerate(graph.nodes)}

    def outcome(self, stripes: Sequence[Stripe], kernels: Mapping[str, str] | None = None) -> Outcome:
        """With other `kernels` where they are given."""
        kernels = self._kernels if kernels is None else kernels
        graph = laid_out(self._graph, stripes)
        steps = self._stepper.steps(graph, kernels)
        needs = needs_of(steps)
        buffers = live_buffers(graph, needs)
        problem = problem_of(buffers, lags(graph, needs, buffers))
        by_layer: dict[str, int] = {}
        for need, node in zip(bounds(problem, len(graph.nodes)), graph.nodes, strict=True):
            layer = layer_of(node, graph)
            by_layer[layer] = max(need, by_layer.get(layer, 0))
        peaks = frozenset(layer for layer, need in by_layer.items() if need == max(by_layer.values()))
        cost = self._stepper.cost(graph, kernels)
        return Outcome(tuple(stripes), cost, _flash(steps), problem, by_layer, peaks)

    def candidates(self, now: Outcome) -> list[Outcome]:
        """The most promising of those with one stripe more, or another one."""
        found = {
            (found.begin, found.end, rows): (self._promise(found, plan, now), found.stripe(rows))
            for found in self._regions(now.peaks)
            for rows in _heights(found)
            for plan in (schedule(found, self._graph, rows),)
        }
        best = sorted(found.values(), key=lambda each: (each[0], each[1].rows))[:TRIED]
        return [self.outcome(self._beside(stripe, now.stripes)) for _, stripe in best]

    def _regions(self, peaks: Iterable[str]) -> Iterator[Region]:
        """Around the layers that fill the arena."""
        spans = set()
        for peak in sorted(self._number[name] for name in peaks if name in self._number):
            spans |= {
                (begin, end)
                for begin in range(max(0, peak - REACH), peak + 1)
                for end in range(peak + 1, min(len(self._layers), peak + REACH) + 1)
            }
        for begin, end in sorted(spans):
            found = region(self._graph, self._layers, begin, end)
            if found is not None:
                yield found

    def _beside(self, stripe: Stripe, others: Sequence[Stripe]) -> tuple[Stripe, ...]:
        """`stripe`, and those of the others that share no layer with it."""
        own = self._span(stripe)
        kept = [o for o in others if not (self._span(o) & own)]
        return tuple(sorted([*kept, stripe], key=lambda s: self._number[s.first]))

    def _span(self, stripe: Stripe) -> set[int]:
        return set(range(self._number[stripe.first], self._number[stripe.last] + 1))

    def _rest(self, found: Region, now: Outcome) -> int:
        """Bytes that some step outside the region needs, where stripes that share a layer with it are given up."""
        own = set(range(found.begin, found.end))
        given_up = {i for stripe in now.stripes if (span := self._span(stripe)) & own for i in span}
        names = enumerate(node.name for node in self._graph.nodes)
        needs = ((self._whole if i in given_up else now).by_layer.get(name, 0) for i, name in names if i not in own)
        return max(needs, default=0)

    @cached_property
    def _whole(self) -> Outcome:
        return self.outcome(())

    def _promise(self, found: Region, plan: Schedule, now: Outcome) -> float:
        """Less is better: the arena's share that may be left, and `RATE` times what time it may take."""
        tensors, axis = self._graph.tensors, found.layers[0].axis
        row = {name: tensors[name].bytes // tensors[name].shape[axis] for name in found.inner}
        ends = [tensors[name].bytes for name in {*found.layers[0].node.inputs, found.output}]
        held = max(ends) + sum(plan.window(name) * row[name] for name in found.inner)
        cycles = plan.bands * len(found.layers) * CALL_CYCLES + BYTE_CYCLES * sum(plan.moved(n) * row[n] for n in row)
        return max(held, self._rest(found, now)) / now.arena + RATE * cycles / max(self._whole.cost.cycles, 1)


def _heights(found: Region) -> list[int]:
    height = found.layers[0].height
    return sorted({-(-height // bands) for bands in BANDS if bands <= height})


def _flash(steps: Sequence[Step]) -> int:
    """Of calls, structs and constants: a band that its layer's kernel cannot run has weights of its own."""
    packed = [step.packed for step in steps]
    return CALL_BYTES * len(steps) + struct_bytes(packed) + stored_bytes(packed)


def best_stripes(
    graph: Graph, kernels: Mapping[str, str], target: Target, policy: Policy = any_kernel, ram: float = inf,
    only_needed: bool = False, level: str = "-O2",
) -> tuple[Stripe, ...]:  # fmt: skip
    """Stripes with which the arena needs at most `ram` bytes, for the least time; none can: the smallest arena found. Then, unless
    `only_needed`, those that save at least `RATE` per cent of it for each per cent of time, and as much RAM as they take flash."""
    search = Search(graph, kernels, target, policy, level)
    now = search.outcome(())
    for _ in range(ROUNDS):
        if only_needed and now.arena <= ram:
            break
        better = _better(now, search.candidates(now), ram)
        if better is None:
            break
        now = better
    return now.stripes


def _better(now: Outcome, found: Sequence[Outcome], ram: float) -> Outcome | None:
    if now.arena <= ram:
        return _worth_it(now, found, ram)
    fitting = [each for each in found if each.bound <= ram and each.arena <= ram]
    if fitting:
        return min(fitting, key=lambda each: (each.cost.cycles, each.arena))
    least = min(found, key=lambda each: each.arena, default=now)
    return least if least.arena < now.arena else None


def _worth_it(now: Outcome, found: Sequence[Outcome], ram: float) -> Outcome | None:
    """The one that gains most. Few are planned: none can gain more than its bound promises."""
    best, most = None, 0.0
    for each in sorted(found, key=lambda each: gain(now, each, each.bound), reverse=True):
        if gain(now, each, each.bound) <= most:
            break
        found_gain = gain(now, each, each.arena)
        if found_gain > most and each.arena <= ram:
            best, most = each, found_gain
    return best


def gain(now: Outcome, other: Outcome, arena: int) -> float:
    """The share of the arena that `other` saves with `arena` bytes, less what its time may cost."""
    saved = now.arena - arena
    if other.flash - now.flash > saved:
        return 0.0
    return saved / now.arena - RATE * max(0.0, slowdown(now.cost, other.cost, now.cost))
