"""2-D convolution over all input channels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpcc.costs import fitted
from cpcc.errors import ModelError
from cpcc.fixedpoint import accumulator_bound, exact_dot, narrow
from cpcc.graph import Graph, Int8, Node
from cpcc.ops import float_params
from cpcc.ops.base import DSP, STREAM_FILES, Kernel, Op, Packed
from cpcc.ops.requantized import Output, check_overflow, input_type, quantize_affine
from cpcc.ops.samples import random_weights
from cpcc.ops.windows import Padding, conv_output_size, pad, padded_bytes, windows
from cpcc.paired import GROUP, group_stream, pairable, widened_order
from cpcc.rounding import TFLITE, TFLITE_RELU, is_tflite, rounding_kind, rounding_of
from cpcc.sparse import SPARSE8_LIMIT, OffsetRows, pack_rows_offset16, sparse8_row_entries, sparse8_stream


@dataclass(frozen=True, eq=False)
class QConv2d:
    """int8 `weight` (out, kh, kw, in); padding (top, bottom, left, right) holds the input's zero point."""

    weight: np.ndarray
    output: Output
    stride: tuple[int, int]
    padding: Padding
    pad_value: int

    @property
    def matrix(self) -> np.ndarray:
        """Weights as (out, kh * kw * in)."""
        return self.weight.reshape(len(self.weight), -1)


def infer_shape(params: float_params.Conv2d | QConv2d, x: tuple[int, ...]) -> tuple[int, ...]:
    out, kh, kw, channels = params.weight.shape
    if len(x) != 3 or x[2] != channels:
        raise ModelError(f"conv2d: the input is {x}, the weights expect (h, w, {channels})")
    return (*conv_output_size(x[0], x[1], (kh, kw), params.stride, params.padding), out)


def _patches(params: float_params.Conv2d | QConv2d, x: np.ndarray, value: float) -> np.ndarray:
    view = windows(pad(x, params.padding, value), params.weight.shape[1:3], params.stride)
    return view.reshape(*view.shape[:3], -1)


def run_float(params: float_params.Conv2d, x: np.ndarray) -> np.ndarray:
    weight = params.weight.reshape(len(params.weight), -1).astype(np.float64)
    y = _patches(params, x, 0.0) @ weight.T + params.bias
    return np.clip(y, 0, params.ceiling) if params.relu else y


def run_int8(params: QConv2d, x: np.ndarray) -> np.ndarray:
    return params.output.apply(exact_dot(_patches(params, x, params.pad_value), params.matrix))


def quantize(params: float_params.Conv2d, inputs: tuple[Int8, ...], output: Int8) -> QConv2d:
    flat = params.weight.reshape(len(params.weight), -1)
    w8, stage = quantize_affine(flat, params.bias, inputs[0], output, params.relu, params.ceiling)
    return QConv2d(w8.reshape(params.weight.shape), stage, params.stride, params.padding, inputs[0].zero_point)


def check(node: Node, graph: Graph) -> None:
    if isinstance(node.params, QConv2d):
        check_overflow(node, node.params.matrix, node.params.output)
        assert node.params.pad_value == input_type(node, graph).zero_point


def macs(params: QConv2d, out_shape: tuple[int, ...]) -> tuple[int, int]:
    pixels = out_shape[0] * out_shape[1]
    return pixels * params.weight.size, pixels * int(np.count_nonzero(params.weight))


def geometry(node: Node, graph: Graph) -> dict[str, int | np.ndarray]:
    """Fields of the C struct ``cpcc_window_t``, in its order: sizes in elements of the unpadded input."""
    h, w, c = graph.tensors[node.inputs[0]].shape
    out_h, out_w, _ = graph.output_tensor(node).shape
    top, bottom, left, right = node.params.padding
    return {
        "window.in_h": h, "window.in_w": w, "window.channels": c,
        "window.out_h": out_h, "window.out_w": out_w,
        "window.stride_h": node.params.stride[0], "window.stride_w": node.params.stride[1],
        "window.top": top, "window.bottom": bottom, "window.left": left, "window.right": right,
        "window.pad_value": node.params.pad_value,
    }  # fmt: skip


def _scratch(node: Node, graph: Graph) -> int:
    return padded_bytes(graph.tensors[node.inputs[0]].shape, node.params.padding)


def pack_dense(node: Node, graph: Graph) -> Packed:
    out, kh, kw, _ = node.params.weight.shape
    fields: dict[str, int | np.ndarray] = {
        **geometry(node, graph), "kernel_h": kh, "kernel_w": kw, "out_channels": out,
        "weights": node.params.weight, **node.params.output.fields(),
    }  # fmt: skip
    return Packed(fields, _scratch(node, graph), node.params.output.entry)


def _flattened(node: Node, graph: Graph) -> dict[str, int | np.ndarray]:
    """`geometry`, with the rows of a 1x1 convolution's image laid end to end: fewer rows, fewer ends of rows."""
    fields = geometry(node, graph)
    if node.params.weight.shape[1:3] == (1, 1) and node.params.stride == (1, 1) and not any(node.params.padding):
        h, w, _ = graph.output_tensor(node).shape
        fields |= {"window.in_h": 1, "window.in_w": h * w, "window.out_h": 1, "window.out_w": h * w}
    return fields


def strip_bytes(node: Node, graph: Graph, kernel_h: int, outputs: int) -> int:
    """Scratch of ``cpcc_strip``: the padded rows under `outputs` output rows; none without padding."""
    if not any(node.params.padding):
        return 0
    _, w, c = graph.tensors[node.inputs[0]].shape
    rows = kernel_h + (outputs - 1) * node.params.stride[0]
    return rows * (w + node.params.padding[2] + node.params.padding[3]) * c


def _order(node: Node) -> np.ndarray:
    _, kh, kw, channels = node.params.weight.shape
    return widened_order(kh, kw * channels)


def pack_paired(node: Node, graph: Graph) -> Packed:
    out, kh, kw, _ = node.params.weight.shape
    output, order = node.params.output, _order(node)
    rounding = rounding_of(output, node.params.matrix)
    assert rounding is not None
    fields: dict[str, int | np.ndarray] = {
        **_flattened(node, graph), "kernel_h": kh, "kernel_w": kw, "out_channels": out,
        "steps": len(order), "stream": group_stream(node.params.matrix, rounding, order),
        "rounding": rounding.kind, "zero_point": output.zero_point, "low": output.low, "high": output.high,
    }  # fmt: skip
    return Packed(
        fields,
        4 * (1 + 2 * len(order) + 5) + 8 + strip_bytes(node, graph, kh, 1 + graph.output_tensor(node).shape[1] % 2),
    )


def paired_applies(node: Node, graph: Graph) -> bool:
    return pairable(node.params.matrix) and rounding_of(node.params.output, node.params.matrix) is not None


def tap_offsets(node: Node, graph: Graph) -> np.ndarray:
    """Where each weight of (kh, kw, in) meets the padded input, in elements from the window's origin."""
    _, w, c = graph.tensors[node.inputs[0]].shape
    _, kh, kw, _ = node.params.weight.shape
    row = (w + node.params.padding[2] + node.params.padding[3]) * c
    return (np.arange(kh)[:, None] * row + np.arange(kw * c)[None, :]).reshape(-1)


def _sparse_rows(node: Node, graph: Graph) -> OffsetRows:
    return pack_rows_offset16(node.params.matrix, tap_offsets(node, graph))


def pack_sparse(node: Node, graph: Graph) -> Packed:
    rows = _sparse_rows(node, graph)
    fields: dict[str, int | np.ndarray] = {
        **geometry(node, graph), "out_channels": len(rows.counts),
        "counts": rows.counts, "offsets": rows.offsets, "weights": rows.values,
        **node.params.output.fields(),
    }  # fmt: skip
    return Packed(fields, _scratch(node, graph), node.params.output.entry)


def sparse8_columns(node: Node) -> tuple[np.ndarray, np.ndarray]:
    """(first input column of each word, first word of each kernel column): a tile of eight outputs, in the words of
    ``cpcc_conv2d_sparse8``."""
    kw, stride = node.params.weight.shape[2], node.params.stride[1]
    columns: list[int] = []
    first = np.zeros(kw, np.int64)
    for remainder in range(min(stride, kw)):
        of_remainder = range(remainder, kw, stride)
        first[remainder::stride] = len(columns) + np.arange(len(of_remainder))
        columns += [remainder + stride * i for i in range(len(of_remainder) + 3)]
    return np.array(columns), first


def _sparse8_offsets(node: Node) -> np.ndarray:
    """(kh * kw * in,) first word of each weight's input."""
    _, kh, _, channels = node.params.weight.shape
    columns, first = sparse8_columns(node)
    ky, c = np.arange(kh)[:, None, None], np.arange(channels)[None, None, :]
    return ((ky * channels + c) * len(columns) + first[None, :, None]).ravel()


def pack_sparse8(node: Node, graph: Graph) -> Packed:
    out, kh, _, channels = node.params.weight.shape
    output, (columns, _) = node.params.output, sparse8_columns(node)
    rounding = rounding_of(output, node.params.matrix)
    assert rounding is not None
    fields: dict[str, int | np.ndarray] = {
        **_flattened(node, graph), "kernel_h": kh, "out_channels": out,
        "words": len(columns), "columns": narrow(columns, np.uint8),
        "stream": sparse8_stream(node.params.matrix, _sparse8_offsets(node), rounding.bias, rounding.words),
        "rounding": rounding.kind, "zero_point": output.zero_point, "low": output.low, "high": output.high,
    }  # fmt: skip
    width = fields["window.out_w"]
    assert isinstance(width, int)
    return Packed(fields, 4 * kh * channels * len(columns) + (8 * out if width < 8 else 0))


def sparse8_applies(node: Node, graph: Graph) -> bool:
    rounding = rounding_of(node.params.output, node.params.matrix)
    if rounding is None or sparse8_columns(node)[0][-1] > 255:
        return False
    return bool((accumulator_bound(node.params.matrix, rounding.bias) < SPARSE8_LIMIT).all())


def sparse_applies(node: Node, graph: Graph) -> bool:
    return int(tap_offsets(node, graph)[-1]) < 2**16


def _pixels(node: Node, graph: Graph) -> tuple[int, int]:
    """Output pixels computed in fours, which share each weight they load, and one by one at the end of a row."""
    out_h, out_w, _ = graph.output_tensor(node).shape
    return out_h * (out_w // 4 * 4), out_h * (out_w % 4)


TILE_BODY = 32  # steps that the assembly of cpcc_tile4x2 unrolls


# Features for `costs.fitted`.
def features_dense(node: Node, graph: Graph) -> tuple[float, ...]:
    fours, ones = _pixels(node, graph)
    out, kh, macs = len(node.params.weight), node.params.weight.shape[1], node.params.weight.size
    outputs = graph.output_tensor(node).size
    return (fours * out, fours * out * kh, fours * macs, ones * out, ones * macs, _scratch(node, graph),
            outputs * is_tflite(node.params.output))  # fmt: skip


def features_sparse(node: Node, graph: Graph) -> tuple[float, ...]:
    fours, ones = _pixels(node, graph)
    out, nonzero = len(node.params.weight), int(np.count_nonzero(node.params.weight))
    outputs = graph.output_tensor(node).size
    return (fours * out, fours * nonzero, ones * out, ones * nonzero, _scratch(node, graph), float(fours),
            outputs * is_tflite(node.params.output))  # fmt: skip


def _image(node: Node, graph: Graph) -> tuple[int, int]:
    """Output rows and columns as the kernels with a stream see them."""
    fields = _flattened(node, graph)
    height, width = fields["window.out_h"], fields["window.out_w"]
    assert isinstance(height, int) and isinstance(width, int)
    return height, width


def features_paired(node: Node, graph: Graph) -> tuple[float, ...]:
    height, width = _image(node, graph)
    out, kh, kw, channels = node.params.weight.shape
    pairs, steps = (height * width + 1) // 2, len(_order(node))
    groups, run, kind = -(-out // GROUP), kw * channels, rounding_kind(node.params.output, node.params.matrix)
    passes = (steps - 2) // TILE_BODY + 1 if steps - 1 >= TILE_BODY else 0
    copied = -(-height // (1 + width % 2)) * strip_bytes(node, graph, kh, 1 + width % 2)
    return (
        1.0, pairs, pairs * groups, pairs * groups * (kind == TFLITE), pairs * groups * (kind == TFLITE_RELU),
        pairs * groups * steps, pairs * groups * passes, pairs * kh * (run // 4), pairs * kh * (run >= 4),
        pairs * (run % 4 > 0), pairs * kh * (run % 4 > 0), copied, pairs * (out % 4 > 0), height,
    )  # fmt: skip


def features_sparse8(node: Node, graph: Graph) -> tuple[float, ...]:
    height, width = _image(node, graph)
    out, kh, _, channels = node.params.weight.shape
    words, stride = len(sparse8_columns(node)[0]), node.params.stride[0]
    entries, kind = sparse8_entries(node), rounding_kind(node.params.output, node.params.matrix)
    tiles = -(-width // 8)
    new = height * min(stride, kh) + max(kh - stride, 0)
    rows = tiles * height
    return (
        rows, rows * out, rows * out * (kind == TFLITE), rows * out * (kind == TFLITE_RELU), rows * entries,
        tiles * new * words, tiles * new * words * (channels // 4), tiles * new * words * (channels % 4),
        tiles * (height * kh - new) * words * channels, height * width * out * (width < 8),
    )  # fmt: skip


def sparse8_entries(node: Node) -> int:
    """Entries of the stream: nonzeros, and steps over wide gaps."""
    offsets = _sparse8_offsets(node)
    return sum(sparse8_row_entries(row, offsets) for row in node.params.matrix)


def sample(rng: np.random.Generator) -> tuple[float_params.Conv2d, tuple[tuple[int, ...], ...]]:
    kernel = (int(rng.integers(1, 4)), int(rng.integers(1, 5)))
    h, w = (int(rng.integers(k, k + 7)) for k in kernel)
    channels, out = int(rng.choice([1, 2, 3, 5, 8, 12])), int(rng.choice([1, 2, 3, 6, 8]))
    weight, bias = random_weights(rng, (out, *kernel, channels))
    stride = (int(rng.integers(1, 3)), int(rng.integers(1, 4)))
    top, bottom, left, right = (int(rng.integers(0, 3)) for _ in range(4))
    params = float_params.Conv2d(weight, bias, stride, (top, bottom, left, right), bool(rng.integers(2)))
    return params, ((h, w, channels),)


PAIRED_FILES = (
    *STREAM_FILES, "kernels/cpcc_saturate.h", "kernels/cpcc_strip.h", "kernels/cpcc_strip.c",
    "kernels/cpcc_tile4x2.h", "kernels/cpcc_tile4x2.c",
    "kernels/cpcc_widen2.h", "kernels/cpcc_widen2.c",
)  # fmt: skip

SPARSE8_FILES = (*STREAM_FILES, "kernels/cpcc_saturate.h", "kernels/cpcc_sparse8.h", "kernels/cpcc_sparse8.c")

OP = Op(
    name="conv2d",
    float_params=float_params.Conv2d,
    int8_params=QConv2d,
    infer_shape=infer_shape,
    run_float=run_float,
    run_int8=run_int8,
    quantize=quantize,
    sample=sample,
    kernels=(
        Kernel("conv2d_dense", pack_dense, fitted("conv2d_dense", features_dense)),
        Kernel(
            "conv2d_paired",
            pack_paired,
            fitted("conv2d_paired", features_paired),
            DSP,
            paired_applies,
            shared=PAIRED_FILES,
        ),
        Kernel(
            "conv2d_sparse", pack_sparse, fitted("conv2d_sparse", features_sparse), applies=sparse_applies, sparse=True
        ),
        Kernel(
            "conv2d_sparse8",
            pack_sparse8,
            fitted("conv2d_sparse8", features_sparse8),
            DSP,
            sparse8_applies,
            sparse=True,
            shared=SPARSE8_FILES,
        ),
    ),
    macs=macs,
    check=check,
    weights=("weight",),
)
