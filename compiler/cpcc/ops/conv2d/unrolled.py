"""Very sparse convolution as a program of its own, for the DSP extension: two instructions for each product, nothing copied."""

from __future__ import annotations

from cpcc.costs import fitted
from cpcc.formats.conv_program import REACH, Program, Row, budget_of, program
from cpcc.formats.rounding import rounding_of
from cpcc.graph import Graph, Node
from cpcc.ops.base import DSP, STREAM_FILES, Code, Kernel, Overlap, Packed, Value
from cpcc.ops.conv2d.geometry import flattened, geometry, strip_bytes, strip_work, tap_offsets
from cpcc.ops.overlap import conv_lag, strip_lag

FILES = (*STREAM_FILES, "kernels/cpcc_saturate.h", "kernels/cpcc_strip.h", "kernels/cpcc_strip.c")
LONG = 64  # pixels that a 1x1 convolution's rows of several image rows have at most
STEPS = ("C_CHANNEL", "C_X", "C_SET", "C_MAC", "C_AFFINE", "C_STORE", "C_ROUND", "C_RELU", "C_TFLITE", "C_NEXT")


def rows_of(node: Node, graph: Graph) -> dict[str, int]:
    """Fields of the window, with the rows of a 1x1 convolution's image joined: fewer rows to begin, not so few that nothing may
    lie over the input."""
    fields = {key: value for key, value in geometry(node, graph).items() if isinstance(value, int)}
    if flattened(node, graph)["window.out_h"] == 1:
        height, width = fields["window.out_h"], fields["window.out_w"]
        joined = max(k for k in range(1, height + 1) if height % k == 0 and (k == 1 or k * width <= LONG))
        for side in ("in", "out"):
            fields |= {
                f"window.{side}_h": fields[f"window.{side}_h"] // joined,
                f"window.{side}_w": joined * fields[f"window.{side}_w"],
            }
    return fields


def layer_program(node: Node, graph: Graph) -> Program:
    fields, params = rows_of(node, graph), node.params
    row = Row(fields["window.out_w"], params.stride[1] * params.weight.shape[3], len(params.weight))
    return program(params.matrix, tap_offsets(node, graph), params.output, row)


def pack(node: Node, graph: Graph) -> Packed:
    output, made = node.params.output, layer_program(node, graph)
    text = tuple(f"{name}({', '.join(map(str, args))})" if args else name for name, args in made.steps)
    fields: dict[str, Value] = {
        **rows_of(node, graph), "kernel_h": node.params.weight.shape[1], "out_channels": len(node.params.weight),
        "program": Code("CPCC_CONV_PROGRAM", text, made.nbytes), "stream": made.stream, "low": output.low, "high": output.high,
    }  # fmt: skip
    return Packed(fields, strip_bytes(node, graph, node.params.weight.shape[1], outputs=1))


def applies(node: Node, graph: Graph) -> bool:
    """Where a load reaches a window's last byte, and the code takes little more flash than dense weights would."""
    weight, params = node.params.weight, node.params
    farthest = max(int(tap_offsets(node, graph)[-1]), len(weight), params.stride[1] * weight.shape[3])
    if farthest > REACH or rounding_of(params.output, params.matrix) is None:
        return False
    limit = len(weight) * budget_of(params.matrix.shape[1])
    if 8 * (weight != 0).sum() > limit:
        return False
    made = layer_program(node, graph)
    return bool(made.nbytes + made.stream.nbytes <= limit)


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    made, fields, params = layer_program(node, graph), rows_of(node, graph), node.params
    height, clamped = fields["window.out_h"], params.output.low > -128 or params.output.high < 127
    steps = [height * made.executed(name) for name in STEPS]
    work = strip_work(node, graph, params.weight.shape[1])
    return 1.0, height, *steps, *work, graph.output_tensor(node).size * clamped


def overlap(node: Node, graph: Graph) -> Overlap:
    """A row is written channel by channel; padded rows are copied into the strip before that."""
    if any(node.params.padding):
        return Overlap(output=strip_lag(node, graph, node.params.weight.shape[1], 1))
    width = rows_of(node, graph)["window.out_w"]
    return Overlap(output=conv_lag(node, graph, block=width, ahead=width))


KERNEL = Kernel(
    "conv2d_unrolled",
    pack,
    fitted("conv2d_unrolled", features),
    DSP,
    applies,
    sparse=True,
    program=True,
    shared=FILES,
    overlap=overlap,
)
