"""A small .tflite network that holds every family of operators: what the error, fuzz and command-line tests use."""

from __future__ import annotations

import numpy as np

from tflite_files import FileOperator, FileTensor, activation, constant, tflite_file

SAMPLE_SHAPE = (6, 5, 2)
CLASSES = 3


def _bias(rng: np.random.Generator, n: int) -> FileTensor:
    return FileTensor((n,), (0.001,), (0,), "INT32", rng.integers(-500, 500, n).astype(np.int32))


def branchy_network(seed: int = 2, softmax: bool = True, classes: int = CLASSES) -> bytes:
    """conv -> depthwise, added to the conv's output -> pool -> reshape -> fully connected (-> softmax)."""
    rng = np.random.default_rng(seed)

    def weights(*shape: int, axis: int = 0) -> FileTensor:
        scales = tuple(float(np.float32(s)) for s in rng.uniform(0.005, 0.02, shape[axis]))
        return constant(rng.integers(-127, 128, shape).astype(np.int8), scales, axis)

    h, w, _ = SAMPLE_SHAPE
    tensors = [
        activation(SAMPLE_SHAPE, 0.05, 3),
        weights(4, 3, 3, 2), _bias(rng, 4), activation((h, w, 4), 0.04, -128),
        weights(1, 3, 3, 4, axis=3), _bias(rng, 4), activation((h, w, 4), 0.03, 5),
        activation((h, w, 4), 0.05, -100),
        activation((1, 1, 4), 0.05, -100),
        constant(np.array([-1, 4], np.int32)), activation((4,), 0.05, -100),
        weights(classes, 4), _bias(rng, classes), activation((classes,), 0.06, 7),
        activation((classes,), 1 / 256, -128),
    ]  # fmt: skip
    window = {"Padding": 0, "StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1}
    pool = {"Padding": 1, "StrideH": 1, "StrideW": 1, "FilterHeight": h, "FilterWidth": w}
    operators = [
        FileOperator("CONV_2D", (0, 1, 2), (3,), "Conv2DOptions", {**window, "FusedActivationFunction": 1}),
        FileOperator("DEPTHWISE_CONV_2D", (3, 4, 5), (6,), "DepthwiseConv2DOptions", {**window, "DepthMultiplier": 1}),
        FileOperator("ADD", (3, 6), (7,), "AddOptions", {}),
        FileOperator("AVERAGE_POOL_2D", (7,), (8,), "Pool2DOptions", pool),
        FileOperator("RESHAPE", (8, 9), (10,), "ReshapeOptions", {"NewShape": (-1, 4)}),
        FileOperator("FULLY_CONNECTED", (10, 11, 12), (13,), "FullyConnectedOptions", {}),
    ]
    if softmax:
        operators.append(FileOperator("SOFTMAX", (13,), (14,), "SoftmaxOptions", {"Beta": 1.0}))
    return tflite_file(tensors if softmax else tensors[:-1], operators, (0,), (14 if softmax else 13,))


def varied_network() -> bytes:
    """What `branchy_network` leaves out: pad, transpose, slice, resize, concatenation, tables, mean, mul, a depthwise
    layer with two filters per channel, a strided pool, a logistic at the end."""
    rng = np.random.default_rng(5)
    tensors: list[FileTensor] = []
    operators: list[FileOperator] = []

    def tensor(t: FileTensor) -> int:
        tensors.append(t)
        return len(tensors) - 1

    def numbers(*values: object) -> int:
        return tensor(constant(np.array(values[0] if len(values) == 1 else values, np.int32)))

    def add(code: str, inputs: tuple[int, ...], out: FileTensor, kind: str = "", **options: object) -> int:
        index = tensor(out)
        operators.append(FileOperator(code, inputs, (index,), kind, options))
        return index

    s, z = 0.05, 3
    x = tensor(activation((4, 3, 2), s, z))
    padded = add("PAD", (x, numbers([[0, 0], [1, 0], [0, 2], [0, 1]])), activation((5, 5, 3), s, z))
    turned = add("TRANSPOSE", (padded, numbers(0, 2, 1, 3)), activation((5, 5, 3), s, z))
    cut = add("STRIDED_SLICE", (turned, numbers(0, 4, 0, 0), numbers(1, -6, 5, 3), numbers(1, -1, 2, 1)),
              activation((5, 3, 3), s, z), "StridedSliceOptions")  # fmt: skip
    sliced = add("SLICE", (cut, numbers(0, 1, 0, 0), numbers(1, 4, -1, 2)), activation((4, 3, 2), s, z))
    both = add("CONCATENATION", (sliced, x), activation((4, 3, 4), s, z), "ConcatenationOptions", Axis=-1)
    large = add(
        "RESIZE_NEAREST_NEIGHBOR", (both, numbers(8, 6)), activation((8, 6, 4), s, z), "ResizeNearestNeighborOptions"
    )
    scales = tuple(float(np.float32(v)) for v in rng.uniform(0.005, 0.02, 8))
    taps = tensor(constant(rng.integers(-127, 128, (1, 3, 2, 8)).astype(np.int8), scales, 3))
    conv = {"Padding": 1, "StrideH": 2, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 2, "DepthMultiplier": 2}
    deep = add("DEPTHWISE_CONV_2D", (large, taps), activation((3, 4, 8), 0.03, -4), "DepthwiseConv2DOptions", **conv)
    swish = add("HARD_SWISH", (deep,), activation((3, 4, 8), 0.02, -100))
    mean = add("MEAN", (swish, numbers(1, 2)), activation((1, 1, 8), 0.015, -90), "ReducerOptions", KeepDims=True)
    gate = add("LOGISTIC", (mean,), activation((1, 1, 8), 1 / 256, -128))
    gated = add("MUL", (swish, gate), activation((3, 4, 8), 0.015, -110), "MulOptions", FusedActivationFunction=3)
    leaky = add("LEAKY_RELU", (gated,), activation((3, 4, 8), 0.02, 7), "LeakyReluOptions", Alpha=0.2)
    pool = {"Padding": 0, "StrideH": 1, "StrideW": 2, "FilterHeight": 2, "FilterWidth": 2}
    pooled = add("MAX_POOL_2D", (leaky,), activation((3, 2, 8), 0.02, 7), "Pool2DOptions", **pool)
    end = add("TANH", (pooled,), activation((3, 2, 8), 1 / 128, 0))
    return tflite_file(tensors, operators, (x,), (end,))


def ported_network(signature: bool = True) -> bytes:
    """Two inputs, three outputs: what `varied_network` leaves out. The difference of the inputs, scaled and shifted per
    channel, clipped, cut in three; two of the parts, one of them packed with itself, and the sum of both inputs."""
    rng = np.random.default_rng(6)
    shape, part = (4, 3, 6), (4, 3, 2)
    s, z = 0.05, 3
    axis = constant(np.array(3, np.int32))
    per_channel = FileTensor((6,), (0.02,), (-128,), "INT8", rng.integers(-128, 128, 6).astype(np.int8))
    floor = FileTensor((), (s,), (z,), "INT8", np.array(-70, np.int8))
    named = FileTensor((1, *shape), (s,), (z,), name="serving_default_accel:0")
    tensors = [named, activation(shape, 0.03, -20), activation(shape, 0.06, 10), per_channel, activation(shape, 0.04, 0),
               activation(shape, s, z), floor, activation(shape, s, z), axis,
               *(activation(part, s, z) for _ in range(3)), activation((4, 2, 3, 2), s, z), activation(shape, 0.07, 5)]  # fmt: skip
    operators = [
        FileOperator("SUB", (0, 1), (2,), "SubOptions", {"FusedActivationFunction": 0}),
        FileOperator("MUL", (2, 3), (4,), "MulOptions", {}),
        FileOperator("SUB", (3, 4), (5,), "SubOptions", {"FusedActivationFunction": 1}),
        FileOperator("MAXIMUM", (5, 6), (7,), "MaximumMinimumOptions", {}),
        FileOperator("SPLIT", (8, 7), (9, 10, 11), "SplitOptions", {"NumSplits": 3}),
        FileOperator("PACK", (9, 9), (12,), "PackOptions", {"ValuesCount": 2, "Axis": 2}),
        FileOperator("ADD", (0, 1), (13,), "AddOptions", {}),
    ]
    names = ({"motion": 0, "turn": 1}, {"pair": 12, "rest": 11, "total": 13})
    return tflite_file(tensors, operators, (0, 1), (12, 11, 13), names if signature else None)
