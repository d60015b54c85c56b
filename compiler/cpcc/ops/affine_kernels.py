"""The affine sum on cores without the DSP extension, from tables, and on Helium, in lanes. Of nodes whose parameters have a scaling
and limits as `cpcc.ops.add.QAdd`."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.fixedpoint import narrow
from cpcc.graph import Graph, Node
from cpcc.ops.affine_sum import OPERAND_BITS, AffineSum, affine_sum
from cpcc.ops.base import MVE, SCALAR, Kernel, Packed

HELIUM_BITS = 7  # of a product of VQDMLAH whose operand lies in the high byte


def affine_form(node: Node, bits: int = OPERAND_BITS) -> AffineSum | None:
    params = node.params
    x = np.arange(-128, 128)
    outputs = np.clip(params.scaling.apply(x[:, None], x[None, :]), params.low, params.high)
    return affine_sum(outputs, params.scaling.factors, params.low, params.high, bits)


def _pack_tables(node: Node, graph: Graph) -> Packed:
    """int32 rescaled operand by its byte, for both, the first one's with the offset."""
    form = affine_form(node)
    assert form is not None
    x = np.arange(256).astype(np.uint8).astype(np.int8).astype(np.int64)
    a, b = (x * m >> OPERAND_BITS for m in form.multipliers)
    return Packed({"size": graph.output_tensor(node).size, "table_a": narrow(a + form.offset, np.int32),
                   "table_b": narrow(b, np.int32), "low": node.params.low, "high": node.params.high})  # fmt: skip


def _table_features(node: Node, graph: Graph) -> tuple[float, ...]:
    size = graph.output_tensor(node).size
    clamped = node.params.low > -128 or node.params.high < 127
    return 1.0, size > 3, size // 4, size % 4, size * clamped


def _pack_helium(node: Node, graph: Graph) -> Packed:
    form = affine_form(node, HELIUM_BITS)
    assert form is not None
    a, b = form.multipliers
    return Packed({"size": graph.output_tensor(node).size, "multiplier_a": a, "multiplier_b": b, "offset": form.offset,
                   "low": node.params.low, "high": node.params.high})  # fmt: skip


def _helium_features(node: Node, graph: Graph) -> tuple[float, ...]:
    return 1.0, -(-graph.output_tensor(node).size // 4)


TABLES = Kernel(
    "add_affine_table", _pack_tables, fitted("add_affine_table", _table_features), SCALAR,
    lambda node, graph: affine_form(node) is not None, shared=("kernels/cpcc_saturate.h",),
)  # fmt: skip
HELIUM = Kernel(
    "add_mve", _pack_helium, fitted("add_mve", _helium_features), MVE,
    lambda node, graph: affine_form(node, HELIUM_BITS) is not None,
)  # fmt: skip
