"""Samples of networks with several inputs: a record per sample.

A network with one input takes plain arrays (n, ...). The samples of several inputs travel as one numpy structured array (n,),
packed, with a field per input in the network's order: batches, masks, hashes and files then treat both alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def joined(parts: Mapping[str, Array]) -> Array:
    """Records (n,) of the inputs' samples (n, ...) by name; of one input its samples themselves."""
    if len(parts) == 1:
        return next(iter(parts.values()))
    n = len(next(iter(parts.values())))
    result = np.empty(n, np.dtype([(name, part.dtype, part.shape[1:]) for name, part in parts.items()]))
    for name, part in parts.items():
        result[name] = part
    return result


def by_name(x: Array, names: Sequence[str]) -> dict[str, Array]:
    """The samples (n, ...) of each input called `names`; `x` are records, or the samples of the only input."""
    return {names[0]: x} if len(names) == 1 else {name: x[name] for name in names}


def each(function: Callable[[Array], Array], x: Array) -> Array:
    """`x` with the samples (n, ...) of every input replaced by what `function` makes of them."""
    names = x.dtype.names
    return function(x) if names is None else joined({name: function(x[name]) for name in names})


def described(x: Array) -> str:
    """The inputs that `x` has samples of, in words."""
    return "one array x" if x.dtype.names is None else ", ".join(x.dtype.names)
