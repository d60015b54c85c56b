"""What another order of channels would save: an experiment, behind a paragraph of docs/performance.md.

    CPCC_MODELS=../shared/models python bench/channel_order.py

Single weights pruned by magnitude. Fully connected layers of anomaly detection as code of their own (`formats/unrolled.py`): steps of the
programs, with rows in groups that need few inputs together and columns paired with those they occur with. Convolutions of image
classification: nonzeros in a 1x4 block that is not empty, as the channels are and gathered.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from rows import model_files
from structures import STRUCTURES, pruned

from cpcc.formats.paired import widened_order
from cpcc.formats.rounding import rounding_of
from cpcc.formats.unrolled import ROWS, program
from cpcc.frontends.tflite import to_graph

ZEROS = (75, 90, 95, 99)
BLOCK = 4


def layers(model: str, zeros: int) -> Iterator[Any]:
    """Parameters of the layers with weights of the file whose name begins so."""
    name, data = next(each for each in model_files() if each[0].startswith(model))
    thin = pruned(to_graph(data, name).graph, 1 - zeros / 100, STRUCTURES["single"])
    return (node.params for node in thin.nodes if hasattr(node.params, "weight"))


def alike_rows(used: np.ndarray) -> list[int]:
    """An order of `used` (rows, words) whose groups need few words together: each begins with the sparsest row left and takes those whose
    words differ least from the group's."""
    left, order = list(range(len(used))), []
    while left:
        words = np.zeros(used.shape[1], bool)
        for place in range(min(ROWS, len(left))):
            best = min(left, key=lambda row: used[row].sum() if place == 0 else (words ^ used[row]).sum())
            left.remove(best)
            order.append(best)
            words |= used[best]
    return order


def alike_columns(used: np.ndarray) -> np.ndarray:
    """(words, 2) pairs of the columns of `used` (groups, columns), each with the one left that most groups need with it."""
    left = sorted(range(used.shape[1]), key=lambda column: -int(used[:, column].sum()))
    pairs = []
    while left:
        first = left.pop(0)
        partner = max(left, key=lambda column: int((used[:, first] & used[:, column]).sum()), default=used.shape[1])
        left = [column for column in left if column != partner]
        pairs.append((first, partner))
    return np.array(pairs)


def steps_in_both_orders(params: Any) -> tuple[int, int]:
    """Of the layer's program, as it is and reordered; the order of roundings does not change how many there are."""
    weight, rounding = params.weight, rounding_of(params.output, params.weight)
    assert rounding is not None
    plain = widened_order(1, weight.shape[1])
    padded = np.pad(weight != 0, ((0, 0), (0, 1)))
    weight2 = weight[alike_rows(padded[:, plain].any(axis=2))]
    groups = np.array([(weight2[i : i + ROWS] != 0).any(axis=0) for i in range(0, len(weight2), ROWS)])
    zero_point = params.output.zero_point
    return (
        len(program(weight, plain, rounding, zero_point).steps),
        len(program(weight2, alike_columns(groups), rounding, zero_point).steps),
    )


def gathered(weight: np.ndarray) -> np.ndarray:
    """`weight` (out, h, w, in) with input channels in blocks of those that occur together most."""
    used = (weight != 0).reshape(-1, weight.shape[3])
    left, order = sorted(range(used.shape[1]), key=lambda channel: -int(used[:, channel].sum())), []
    while left:
        block = [left.pop(0)]
        while len(block) < BLOCK:
            together = used[:, block].any(axis=1)
            block.append(max(left, key=lambda channel: int((together & used[:, channel]).sum())))
            left.remove(block[-1])
        order += block
    return weight[..., order]


def blocks(weight: np.ndarray) -> int:
    """1x4 blocks that are not empty."""
    return int((weight != 0).reshape(*weight.shape[:3], -1, BLOCK).any(axis=-1).sum())


def main() -> None:
    for zeros in ZEROS:
        found = np.array([steps_in_both_orders(params) for params in layers("ad", zeros)]).sum(axis=0)
        print(
            f"anomaly detection, {zeros} % zeros: {found[0]:,} steps, {found[1]:,} reordered ({found[1] / found[0] - 1:+.1%})"
        )
    for zeros in ZEROS:
        whole = [
            p.weight for p in layers("pretrainedResnet", zeros) if p.weight.ndim == 4 and p.weight.shape[3] % BLOCK == 0
        ]
        count = sum(int((weight != 0).sum()) for weight in whole)
        before, after = (count / sum(blocks(change(w)) for w in whole) for change in (np.asarray, gathered))
        print(f"image classification, {zeros} % zeros: {before:.2f} nonzeros in a block, {after:.2f} gathered")


if __name__ == "__main__":
    main()
