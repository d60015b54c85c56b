"""How many parameters remain after each iteration."""

import math


def geometric(keep: float, step: float = 0.5) -> list[float]:
    """Remaining fractions from 1.0 down to exactly `keep`, in equal ratios.

    As few iterations as remove at most `step` of the remaining parameters each; equal ratios make the
    last steps, where networks collapse, no coarser than the first.
    """
    if keep >= 1:
        return [1.0]
    iterations = math.ceil(math.log(keep) / math.log(1 - step) - 1e-9)
    return [keep ** (i / iterations) for i in range(iterations)] + [keep]
