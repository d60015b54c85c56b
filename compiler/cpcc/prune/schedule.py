"""How many parameters remain after each iteration: fractions from 1.0 down to exactly `keep`."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

QAT_RATE = 0.1  # fine-tuning, not training anew


def geometric(keep: float, step: float = 0.5) -> list[float]:
    """Equal ratios, as few as remove at most `step` of the remaining parameters each.

    Equal ratios make the last steps, where networks collapse, no coarser than the first.
    """
    if keep >= 1:
        return [1.0]
    iterations = _iterations(keep, step)
    return [keep ** (i / iterations) for i in range(iterations)] + [keep]


def cubic(keep: float, step: float = 0.5) -> list[float]:
    """As many iterations as `geometric`, fast at first and slow at the end.

    Source: Zhu and Gupta, "To prune, or not to prune", 2017, equation 1."""
    if keep >= 1:
        return [1.0]
    iterations = _iterations(keep, step)
    return [keep + (1 - keep) * (1 - i / iterations) ** 3 for i in range(iterations)] + [keep]


def one_shot(keep: float, step: float = 0.5) -> list[float]:
    """One cut; `step` is unused."""
    return [1.0] if keep >= 1 else [1.0, keep]


def _iterations(keep: float, step: float) -> int:
    return math.ceil(math.log(keep) / math.log(1 - step) - 1e-9)


SCHEDULES: Mapping[str, Callable[[float, float], list[float]]] = {
    "geometric": geometric,
    "cubic": cubic,
    "one-shot": one_shot,
}


@dataclass(frozen=True)
class Round:
    """One round of training at `fraction` of the parameters, to which it prunes first or not; with weights of few levels
    and with int8 rounding, or without; at `rate` times the learning rate."""

    fraction: float
    prunes: bool
    few_levels: bool = False
    int8: bool = False
    rate: float = 1.0


def rounds_of(fractions: Sequence[float], few_levels: bool, int8: bool) -> list[Round]:
    """A round for each fraction. The first, the dense one, is plain: all others answer to it. Few levels begin with
    the second, which is added where nothing is pruned; int8 rounding is a last round at the final masks."""
    rounds = [Round(fraction, i > 0, few_levels and i > 0) for i, fraction in enumerate(fractions)]
    if few_levels and len(rounds) == 1:
        rounds.append(Round(fractions[-1], False, True))
    if int8:
        rounds.append(Round(fractions[-1], False, few_levels, True, QAT_RATE))
    return rounds
