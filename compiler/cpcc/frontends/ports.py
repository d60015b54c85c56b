"""Names of a network's inputs and outputs: what data files, the command line and the C interface call them."""

from __future__ import annotations

from collections.abc import Sequence

from cpcc.names import unique_identifiers

RESERVED = ("y", "group")  # labels and groups of a data file


def input_names(names: Sequence[str]) -> tuple[str, ...]:
    """Names of several inputs: identifiers, distinct, none of them a data file's own. The only input keeps its name."""
    if len(names) == 1:
        return (names[0],)
    return tuple(f"{name}_" if name in RESERVED else name for name in unique_identifiers(list(names)))


def output_names(names: Sequence[str], taken: Sequence[str]) -> tuple[str, ...]:
    """Names of several outputs: identifiers, distinct and other than the tensors `taken`."""
    return tuple(unique_identifiers([*taken, *names])[len(taken) :])
