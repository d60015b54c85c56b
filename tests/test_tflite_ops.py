"""Every operator of the .tflite front end against TensorFlow Lite Micro, on drawn shapes and parameters, tolerance zero."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpcc.frontends.tflite import HANDLERS, to_graph
from cpcc.graph import Int8
from cpcc.quant.running import run_outputs
from cpcc.quantize import run_int8
from cpcc.records import joined
from golden import Oracle
from tflite_files import FileOperator, FileTensor, activation, constant, tflite_file

SAME, VALID = 0, 1
ACTIVATIONS = [0, 1, 2, 3]  # NONE, RELU, RELU_N1_TO_1, RELU6
INPUTS = 4


def check(data: bytes, shape: tuple[int, ...], rng: np.random.Generator) -> None:
    """The graph's outputs equal the oracle's on random and extreme inputs, each of which has this shape."""
    graph, oracle = to_graph(data, "t").graph, Oracle(data)
    x = {name: rng.integers(-128, 128, (INPUTS, *shape)).astype(np.int8) for name in graph.inputs}
    for part in x.values():
        part[0], part[1] = -128, 127
    got = run_outputs(graph, Int8, joined(x))
    for i in range(INPUTS):
        expected = oracle.run_all([part[i : i + 1] for part in x.values()], len(graph.outputs))
        for name, values in zip(graph.outputs, expected, strict=True):
            np.testing.assert_array_equal(got[name][i].ravel(), values.ravel(), err_msg=name)


def scale(rng: np.random.Generator) -> float:
    return float(np.float32(rng.uniform(0.5, 1) * 2.0 ** rng.integers(-9, 1)))


def zero_point(rng: np.random.Generator) -> int:
    return int(rng.choice([-128, 127, 0, int(rng.integers(-128, 128))]))


def output(rng: np.random.Generator, shape: tuple[int, ...], largest: float) -> FileTensor:
    """A tensor whose range suits values up to `largest`, sometimes badly."""
    spread = float(rng.choice([0.02, 0.3, 1.0, 8.0]))
    return activation(shape, float(np.float32(max(largest * spread / 128, 1e-6))), zero_point(rng))


def weights(rng: np.random.Generator, shape: tuple[int, ...], axis: int, channels: int) -> FileTensor:
    per_channel = bool(rng.integers(2))
    scales = rng.uniform(0.001, 0.02, channels if per_channel else 1) * rng.choice(
        [1.0, 1.0, 1e-4], channels if per_channel else 1
    )
    data = rng.integers(-128, 128, shape).astype(np.int8)
    return constant(data, tuple(float(np.float32(s)) for s in scales), axis if per_channel else 0)


def bias(rng: np.random.Generator, channels: int) -> FileTensor:
    return constant(rng.integers(-3000, 3000, channels).astype(np.int32), (1.0,))


def affine(rng: np.random.Generator, code: str, x: FileTensor, w: FileTensor, out: tuple[int, ...], channels: int,
           kind: str, options: dict[str, int]) -> bytes:  # fmt: skip
    assert w.data is not None
    taps = w.data.size // channels
    y = output(rng, out, x.scale[0] * max(w.scale) * 80 * 80 * taps**0.5)
    b = FileTensor((channels,), tuple(x.scale[0] * s for s in w.scale), (0,) * len(w.scale), "INT32",
                   rng.integers(-3000, 3000, channels).astype(np.int32))  # fmt: skip
    with_bias = bool(rng.integers(4))
    tensors = [x, w, b, y] if with_bias else [x, w, y]
    inputs = (0, 1, 2) if with_bias else (0, 1)
    return tflite_file(
        tensors, [FileOperator(code, inputs, (len(tensors) - 1,), kind, options)], (0,), (len(tensors) - 1,)
    )


def window(rng: np.random.Generator) -> tuple[dict[str, int], tuple[int, int], tuple[int, int, int], tuple[int, int]]:
    """(options, kernel, input shape, output size) of a random convolution."""
    padding = int(rng.choice([SAME, VALID]))
    kernel = (int(rng.integers(1, 5)), int(rng.integers(1, 4)))
    dilation = (int(rng.choice([1, 1, 2])), int(rng.choice([1, 1, 3])))
    stride = (int(rng.integers(1, 4)), int(rng.integers(1, 3)))
    size = [(k - 1) * d + 1 for k, d in zip(kernel, dilation)]
    h, w = (int(rng.integers(s if padding == VALID else 1, s + 6)) for s in size)
    out = tuple(-(-n // s) if padding == SAME else (n - k) // s + 1 for n, k, s in zip((h, w), size, stride))
    options = {"Padding": padding, "StrideH": stride[0], "StrideW": stride[1], "DilationHFactor": dilation[0],
               "DilationWFactor": dilation[1], "FusedActivationFunction": int(rng.choice(ACTIVATIONS))}  # fmt: skip
    return options, kernel, (h, w, int(rng.choice([1, 2, 3, 4]))), (out[0], out[1])


seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=60)
@given(seed=seeds)
def test_conv_2d(seed: int) -> None:
    rng = np.random.default_rng(seed)
    options, kernel, shape, size = window(rng)
    groups = int(rng.choice([1, 1, shape[2]]))
    channels = groups * int(rng.integers(1, 4))
    w = weights(rng, (channels, *kernel, shape[2] // groups), 0, channels)
    x = activation(shape, scale(rng), zero_point(rng))
    check(affine(rng, "CONV_2D", x, w, (*size, channels), channels, "Conv2DOptions", options), shape, rng)


@settings(max_examples=60)
@given(seed=seeds)
def test_depthwise_conv_2d(seed: int) -> None:
    rng = np.random.default_rng(seed)
    options, kernel, shape, size = window(rng)
    multiplier = int(rng.choice([1, 1, 2, 3]))
    channels = shape[2] * multiplier
    w = weights(rng, (1, *kernel, channels), 3, channels)
    x = activation(shape, scale(rng), zero_point(rng))
    options["DepthMultiplier"] = multiplier
    check(
        affine(rng, "DEPTHWISE_CONV_2D", x, w, (*size, channels), channels, "DepthwiseConv2DOptions", options),
        shape,
        rng,
    )


@settings(max_examples=60)
@given(seed=seeds)
def test_fully_connected(seed: int) -> None:
    rng = np.random.default_rng(seed)
    inputs, outputs = int(rng.integers(1, 40)), int(rng.integers(1, 9))
    shape: tuple[int, ...] = (inputs,)
    out: tuple[int, ...] = (outputs,)
    keep = bool(rng.integers(2))
    if keep and rng.integers(2):  # several rows
        shape, out = (int(rng.integers(1, 5)), inputs), (int(rng.integers(1, 5)), outputs)
        out = (shape[0], outputs)
    w = weights(rng, (outputs, inputs), 0, outputs)
    x = activation(shape, scale(rng), zero_point(rng))
    options = {"FusedActivationFunction": int(rng.choice(ACTIVATIONS)), "KeepNumDims": keep}
    check(affine(rng, "FULLY_CONNECTED", x, w, out, outputs, "FullyConnectedOptions", options), shape, rng)


@settings(max_examples=30)
@given(seed=seeds)
def test_rounding_edges(seed: int) -> None:
    """Found on the autoencoder: a multiplier one unit off shows once in 192,000 outputs. Here accumulators of up to 2**30
    lie on the edges between two outputs: the bias puts them there, the weights are 0."""
    rng = np.random.default_rng(seed)
    outputs = 64
    per_channel = bool(rng.integers(2))
    x = activation((3,), scale(rng), zero_point(rng))
    y = activation((outputs,), scale(rng), 0)
    s = rng.uniform(0.5, 1, outputs if per_channel else 1) * y.scale[0] / x.scale[0] * 2.0 ** -int(rng.integers(20, 24))
    s = s.astype(np.float32)
    edges = (rng.integers(-128, 128, outputs) + 0.5) * y.scale[0] / (x.scale[0] * s.astype(np.float64))
    biases = (np.floor(edges) + rng.integers(-20, 21, outputs)).astype(np.int32)
    w = constant(np.zeros((outputs, 3), np.int8), tuple(map(float, s)))
    b = FileTensor((outputs,), tuple(float(x.scale[0] * v) for v in s), (0,) * len(s), "INT32", biases)
    operators = [FileOperator("FULLY_CONNECTED", (0, 1, 2), (3,), "FullyConnectedOptions", {})]
    check(tflite_file([x, w, b, y], operators, (0,), (3,)), (3,), rng)


@pytest.mark.parametrize("code", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
@settings(max_examples=30)
@given(seed=seeds)
def test_pools(code: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    options, kernel, shape, _ = window(rng)
    stride = (options["StrideH"], options["StrideW"])
    h, w = max(shape[0], kernel[0]), max(shape[1], kernel[1])
    same = options["Padding"] == SAME
    size = tuple(-(-n // s) if same else (n - k) // s + 1 for n, k, s in zip((h, w), kernel, stride))
    shape = (h, w, shape[2])
    s, z = scale(rng), zero_point(rng)
    pool = {"Padding": options["Padding"], "StrideH": stride[0], "StrideW": stride[1], "FilterHeight": kernel[0],
            "FilterWidth": kernel[1], "FusedActivationFunction": int(rng.choice(ACTIVATIONS))}  # fmt: skip
    tensors = [activation(shape, s, z), activation((*size, shape[2]), s, z)]
    check(tflite_file(tensors, [FileOperator(code, (0,), (1,), "Pool2DOptions", pool)], (0,), (1,)), shape, rng)


@pytest.mark.parametrize(("code", "kind"), [("ADD", "AddOptions"), ("SUB", "SubOptions")])
@settings(max_examples=60)
@given(seed=seeds)
def test_sums(code: str, kind: str, seed: int) -> None:
    """x + pool(x) or less it, so that one file input feeds both operands; the pool changes values and keeps the type."""
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(1, 5)), int(rng.integers(1, 5)), int(rng.integers(1, 4)))
    s, z = scale(rng), zero_point(rng)
    ratio = float(rng.choice([0.01, 0.3, 1.0, 4.0, 1000.0]))
    y = activation(shape, float(np.float32(s * ratio)), zero_point(rng))
    pool = {"Padding": SAME, "StrideH": 1, "StrideW": 1, "FilterHeight": 2, "FilterWidth": 2}
    operators = [
        FileOperator("MAX_POOL_2D", (0,), (1,), "Pool2DOptions", pool),
        FileOperator(code, (0, 1), (2,), kind, {"FusedActivationFunction": int(rng.choice(ACTIVATIONS))}),
    ]
    check(tflite_file([activation(shape, s, z), activation(shape, s, z), y], operators, (0,), (2,)), shape, rng)


@pytest.mark.parametrize(("code", "kind"), [("ADD", "AddOptions"), ("SUB", "SubOptions")])
@settings(max_examples=40)
@given(seed=seeds)
def test_sums_that_broadcast(code: str, kind: str, seed: int) -> None:
    """x and its maximum over rows, columns or both, on either side."""
    rng = np.random.default_rng(seed)
    shape = image(rng)
    window = [n if rng.integers(2) else 1 for n in shape[:2]]
    s, z = scale(rng), zero_point(rng)
    small = activation((shape[0] // window[0], shape[1] // window[1], shape[2]), s, z)
    y = activation(shape, float(np.float32(s * rng.choice([0.3, 1.0, 4.0]))), zero_point(rng))
    pool = {
        "Padding": VALID,
        "StrideH": window[0],
        "StrideW": window[1],
        "FilterHeight": window[0],
        "FilterWidth": window[1],
    }
    order = (0, 1) if rng.integers(2) else (1, 0)
    operators = [
        FileOperator("MAX_POOL_2D", (0,), (1,), "Pool2DOptions", pool),
        FileOperator(code, order, (2,), kind, {"FusedActivationFunction": int(rng.choice(ACTIVATIONS))}),
    ]
    check(tflite_file([activation(shape, s, z), small, y], operators, (0,), (2,)), shape, rng)


@settings(max_examples=60)
@given(seed=seeds)
def test_mul(seed: int) -> None:
    """x times its mean over the image (as a squeeze-excite block does), or times pool(x)."""
    rng = np.random.default_rng(seed)
    shape = image(rng)
    broadcast = bool(rng.integers(2))
    x, other = activation(shape, scale(rng), zero_point(rng)), activation(shape, 0.1, 0)
    other = activation((1, 1, shape[2]) if broadcast else shape, x.scale[0], x.zero_point[0])
    ratio = float(rng.choice([0.02, 1.0, 90.0])) * x.scale[0]
    y = activation(shape, float(np.float32(x.scale[0] * ratio)), zero_point(rng))
    kernel = shape[:2] if broadcast else (2, 2)
    pool = {
        "Padding": VALID if broadcast else SAME,
        "StrideH": 1,
        "StrideW": 1,
        "FilterHeight": kernel[0],
        "FilterWidth": kernel[1],
    }
    order = (0, 1) if rng.integers(2) else (1, 0)
    operators = [
        FileOperator("AVERAGE_POOL_2D", (0,), (1,), "Pool2DOptions", pool),
        FileOperator("MUL", order, (2,), "MulOptions", {"FusedActivationFunction": int(rng.choice(ACTIVATIONS))}),
    ]
    check(tflite_file([x, other, y], operators, (0,), (2,)), shape, rng)


@pytest.mark.parametrize("code", ["ADD", "SUB", "MUL"])
@settings(max_examples=40)
@given(seed=seeds)
def test_a_constant_of_one_value(code: str, seed: int) -> None:
    """On either side: what a rescaling layer leaves behind."""
    rng = np.random.default_rng(seed)
    shape = (16, 16, 1)
    x, s = activation(shape, scale(rng), zero_point(rng)), scale(rng)
    fixed = FileTensor((1,), (s,), (zero_point(rng),), "INT8", rng.integers(-128, 128, 1).astype(np.int8))
    step = x.scale[0] * s * 100 if code == "MUL" else max(x.scale[0], s) * float(rng.choice([0.3, 2.0]))
    y = activation(shape, float(np.float32(step)), zero_point(rng))
    options = {"FusedActivationFunction": int(rng.choice(ACTIVATIONS))}
    order = (0, 1) if rng.integers(2) else (1, 0)
    kind = f"{code.capitalize()}Options"
    data = tflite_file([x, fixed, y], [FileOperator(code, order, (2,), kind, options)], (0,), (2,))
    every = np.arange(-128, 128, dtype=np.int8).reshape(1, *shape)
    np.testing.assert_array_equal(run_int8(to_graph(data, "t").graph, every), Oracle(data).run(every))


@pytest.mark.parametrize("code", ["ADD", "SUB", "MUL", "MINIMUM", "MAXIMUM"])
@settings(max_examples=40)
@given(seed=seeds)
def test_a_constant_of_several_values(code: str, seed: int) -> None:
    """One per channel (what batch normalization leaves behind where it is not folded), per row, per element, on either side."""
    rng = np.random.default_rng(seed)
    shape = image(rng)
    form = [n if rng.integers(2) else 1 for n in shape][int(rng.integers(3)) :] or [1]
    x = activation(shape, scale(rng), zero_point(rng))
    s, z = (x.scale[0], x.zero_point[0]) if code in ("MINIMUM", "MAXIMUM") else (scale(rng), zero_point(rng))
    fixed = FileTensor(tuple(form), (s,), (z,), "INT8", rng.integers(-128, 128, form).astype(np.int8))
    step = x.scale[0] * s * 100 if code == "MUL" else max(x.scale[0], s) * float(rng.choice([0.3, 2.0]))
    y = x if code in ("MINIMUM", "MAXIMUM") else activation(shape, float(np.float32(step)), zero_point(rng))
    options = {"FusedActivationFunction": int(rng.choice(ACTIVATIONS))}
    kind, options = ("MaximumMinimumOptions", {}) if y is x else (f"{code.capitalize()}Options", options)
    order = (0, 1) if rng.integers(2) else (1, 0)
    check(tflite_file([x, fixed, y], [FileOperator(code, order, (2,), kind, options)], (0,), (2,)), shape, rng)


@pytest.mark.parametrize("code", ["SPLIT", "SPLIT_V", "UNPACK"])
@settings(max_examples=25)
@given(seed=seeds)
def test_parts(code: str, seed: int) -> None:
    """Every part as an output of the file, but for one that is left out; UNPACK drops the axis."""
    rng = np.random.default_rng(seed)
    shape, axis = list(image(rng)), int(rng.integers(3))
    sizes = [int(v) for v in rng.integers(1, 4, int(rng.integers(2, 5)))]
    sizes = sizes if code == "SPLIT_V" else [1 if code == "UNPACK" else sizes[0]] * len(sizes)
    shape[axis] = sum(sizes)
    s, z, written = scale(rng), zero_point(rng), axis + 1 if rng.integers(2) else axis - 3
    shapes = [tuple(shape[:axis] + ([] if code == "UNPACK" else [n]) + shape[axis + 1 :]) for n in sizes]
    parts = [activation(part, s, z) for part in shapes]
    where = constant(np.array(written, np.int32))
    tensors = [activation(tuple(shape), s, z), where, constant(np.array(sizes, np.int32)), *parts]
    outputs = tuple(range(3, len(tensors)))
    operator = {
        "SPLIT": FileOperator(code, (1, 0), outputs, "SplitOptions", {"NumSplits": len(sizes)}),
        "SPLIT_V": FileOperator(code, (0, 2, 1), outputs, "SplitVOptions", {"NumSplits": len(sizes)}),
        "UNPACK": FileOperator(code, (0,), outputs, "UnpackOptions", {"Num": len(sizes), "Axis": written}),
    }[code]
    check(tflite_file(tensors, [operator], (0,), outputs[int(rng.integers(2)) :]), tuple(shape), rng)


@settings(max_examples=25)
@given(seed=seeds)
def test_pack(seed: int) -> None:
    """x beside max_pool(x), along a new axis."""
    rng = np.random.default_rng(seed)
    shape, axis = image(rng)[:2], int(rng.integers(3))
    s, z = scale(rng), zero_point(rng)
    out = (*shape[:axis], 2, *shape[axis:])
    tensors = [activation(shape, s, z), activation((*shape, 1), s, z), activation((*shape, 1), s, z), activation(shape, s, z),
               activation(out, s, z), constant(np.array([1, *shape, 1], np.int32)), constant(np.array([1, *shape], np.int32))]  # fmt: skip
    pool = {"Padding": SAME, "StrideH": 1, "StrideW": 1, "FilterHeight": 2, "FilterWidth": 2}
    operators = [
        FileOperator("RESHAPE", (0, 5), (1,)), FileOperator("MAX_POOL_2D", (1,), (2,), "Pool2DOptions", pool),
        FileOperator("RESHAPE", (2, 6), (3,)),
        FileOperator("PACK", (0, 3), (4,), "PackOptions", {"ValuesCount": 2, "Axis": axis + 1 if rng.integers(2) else axis - 3}),
    ]  # fmt: skip
    check(tflite_file(tensors, operators, (0,), (4,)), shape, rng)


@settings(max_examples=25)
@given(seed=seeds)
def test_several_inputs_and_outputs(seed: int) -> None:
    """Two inputs of their own quantization, their sum, their difference and one of the inputs itself."""
    rng = np.random.default_rng(seed)
    shape = image(rng)
    a, b = (activation(shape, scale(rng), zero_point(rng)) for _ in "ab")
    total, less = (activation(shape, 2 * max(a.scale[0], b.scale[0]), zero_point(rng)) for _ in "ab")
    operators = [
        FileOperator("ADD", (0, 1), (2,), "AddOptions", {}),
        FileOperator("SUB", (1, 0), (3,), "SubOptions", {}),
    ]
    check(tflite_file([a, b, total, less], operators, (1, 0), (3, 2)), shape, rng)


@settings(max_examples=60)
@given(seed=seeds)
def test_softmax(seed: int) -> None:
    rng = np.random.default_rng(seed)
    classes = int(rng.choice([1, 2, 3, 10, 200]))
    shape = (classes,) if rng.integers(2) else (int(rng.integers(1, 4)), 2, classes)
    s = float(np.float32(2.0 ** rng.uniform(-16, 5)))
    beta = float(np.float32(rng.choice([1.0, 0.3, 5.0])))
    tensors = [activation(shape, s, zero_point(rng)), activation(shape, 1 / 256, -128)]
    check(
        tflite_file(tensors, [FileOperator("SOFTMAX", (0,), (1,), "SoftmaxOptions", {"Beta": beta})], (0,), (1,)),
        shape,
        rng,
    )


@settings(max_examples=60)
@given(seed=seeds)
def test_log_softmax(seed: int) -> None:
    rng = np.random.default_rng(seed)
    classes = int(rng.choice([1, 2, 3, 10, 200, 1500]))
    shape = (classes,) if rng.integers(2) else (int(rng.integers(1, 4)), 2, classes)
    s = float(np.float32(2.0 ** rng.uniform(-16, 5)))
    tensors = [activation(shape, s, zero_point(rng)), activation(shape, 1 / 16, 127)]
    operator = FileOperator("LOG_SOFTMAX", (0,), (1,), "LogSoftmaxOptions", {})
    check(tflite_file(tensors, [operator], (0,), (1,)), shape, rng)


@pytest.mark.parametrize("code", ["RESHAPE", "SQUEEZE", "EXPAND_DIMS"])
@settings(max_examples=20)
@given(seed=seeds)
def test_reshapes(code: str, seed: int) -> None:
    """The same bytes under another shape."""
    rng = np.random.default_rng(seed)
    h, w, c = image(rng)
    before, after = {
        "RESHAPE": ((h, w, c), (w, h * c, 1)),
        "SQUEEZE": ((h, w, 1), (h, w)),
        "EXPAND_DIMS": ((h, w), (h, 1, w)),
    }[code]
    s, z = scale(rng), zero_point(rng)
    ints = constant(np.array([1, *after] if code == "RESHAPE" else [2], np.int32))
    inputs = (0,) if code == "SQUEEZE" else (0, 1)
    kind = {"RESHAPE": "ReshapeOptions", "SQUEEZE": "SqueezeOptions", "EXPAND_DIMS": "ExpandDimsOptions"}[code]
    tensors = [activation(before, s, z), ints, activation(after, s, z)]
    options = {"SqueezeDims": (3,)} if code == "SQUEEZE" else {}
    check(tflite_file(tensors, [FileOperator(code, inputs, (2,), kind, options)], (0,), (2,)), before, rng)


@pytest.mark.parametrize("code", ["RELU", "RELU6", "LEAKY_RELU", "HARD_SWISH", "LOGISTIC", "TANH", "QUANTIZE"])
@settings(max_examples=60)
@given(seed=seeds)
def test_functions_of_one_value(code: str, seed: int) -> None:
    """All 256 inputs at once, after a pool of one pixel (a QUANTIZE of the file's input would be the caller's)."""
    rng = np.random.default_rng(seed)
    shape = (16, 16, 1)
    s = float(np.float32(2.0 ** rng.uniform(-12, 3)))
    x, pooled = activation(shape, s, zero_point(rng)), None
    pooled = activation(shape, s, x.zero_point[0])
    ratio = float(rng.choice([0.3, 1.0, 3.0]))
    y = {"LOGISTIC": activation(shape, 1 / 256, -128), "TANH": activation(shape, 1 / 128, 0), "RELU6": pooled}.get(
        code, activation(shape, float(np.float32(s * ratio)), zero_point(rng))
    )
    options = {"LEAKY_RELU": ("LeakyReluOptions", {"Alpha": float(rng.choice([0.01, 0.3, 1.5]))})}.get(code, ("", {}))
    pool = {"Padding": VALID, "StrideH": 1, "StrideW": 1, "FilterHeight": 1, "FilterWidth": 1}
    operators = [
        FileOperator("MAX_POOL_2D", (0,), (1,), "Pool2DOptions", pool),
        FileOperator(code, (1,), (2,), *options),
    ]
    data = tflite_file([x, pooled, y], operators, (0,), (2,))
    every = np.arange(-128, 128, dtype=np.int8).reshape(1, *shape)
    np.testing.assert_array_equal(run_int8(to_graph(data, "t").graph, every), Oracle(data).run(every))


@settings(max_examples=40)
@given(seed=seeds)
def test_mean(seed: int) -> None:
    rng = np.random.default_rng(seed)
    series = bool(rng.integers(4) == 0)
    shape = tuple(int(v) for v in rng.integers(1, 9, 2 if series else 3))
    keep = bool(rng.integers(2)) and not series
    x = activation(shape, scale(rng), zero_point(rng))
    ratio = float(rng.choice([0.5, 1.0, 1.7]))
    y = activation((1, 1, shape[-1]) if keep else (shape[-1],), float(np.float32(x.scale[0] * ratio)), zero_point(rng))
    if ratio == 1.0 and rng.integers(2):
        y = activation(y.shape[1:], x.scale[0], x.zero_point[0])
    axes = constant(np.array([rng.choice([1, -2])] if series else rng.choice([[1, 2], [2, 1], [-3, -2]]), np.int32))
    operators = [FileOperator("MEAN", (0, 1), (2,), "ReducerOptions", {"KeepDims": keep})]
    check(tflite_file([x, axes, y], operators, (0,), (2,)), shape, rng)


def moved(rng: np.random.Generator, code: str, out: tuple[int, ...], shape: tuple[int, ...], constants: list[np.ndarray],
          kind: str = "", options: dict[str, int] | None = None) -> None:  # fmt: skip
    """Check an operator that moves values, its constants behind the input."""
    s, z = scale(rng), zero_point(rng)
    extra = [constant(c) if c.dtype == np.int32 else FileTensor(c.shape, (s,), (z,), "INT8", c) for c in constants]
    tensors = [activation(shape, s, z), *extra, activation(out, s, z)]
    last = len(tensors) - 1
    check(
        tflite_file(tensors, [FileOperator(code, tuple(range(last)), (last,), kind, options or {})], (0,), (last,)),
        shape,
        rng,
    )


def image(rng: np.random.Generator) -> tuple[int, int, int]:
    h, w, c = rng.integers(1, 7, 3)
    return int(h), int(w), int(c)


@settings(max_examples=25)
@given(seed=seeds)
def test_pad(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = image(rng)[: int(rng.integers(1, 4))]
    amounts = rng.integers(0, 4, (len(shape) + 1, 2)).astype(np.int32)
    amounts[0] = 0
    out = tuple(int(n + p + q) for n, (p, q) in zip(shape, amounts[1:]))
    if rng.integers(2):
        moved(rng, "PAD", out, shape, [amounts])
    else:
        moved(rng, "PADV2", out, shape, [amounts, np.array([rng.integers(-128, 128)], np.int8)])


@settings(max_examples=25)
@given(seed=seeds)
def test_transpose(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = image(rng)
    order = rng.permutation(3)
    moved(rng, "TRANSPOSE", tuple(shape[i] for i in order), shape, [np.array([0, *(order + 1)], np.int32)])


@settings(max_examples=25)
@given(seed=seeds)
def test_slice(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = image(rng)
    begin = [int(rng.integers(n)) for n in shape]
    size = [int(rng.integers(1, n - first + 1)) for n, first in zip(shape, begin)]
    asked = [-1 if rng.integers(2) and first + s == n else s for n, first, s in zip(shape, begin, size)]
    moved(rng, "SLICE", tuple(size), shape, [np.array([0, *begin], np.int32), np.array([1, *asked], np.int32)])


@settings(max_examples=40)
@given(seed=seeds)
def test_strided_slice(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = image(rng)
    begin, end, step, out, shrink = [0], [1], [1], [], 0
    for axis, n in enumerate(shape):
        s = int(rng.choice([1, 2, -1]))
        first = int(rng.integers(n))
        last = int(rng.integers(first + 1, n + 1)) if s > 0 else int(rng.integers(-1, first)) - n
        if rng.integers(4) == 0:
            shrink, s, last = shrink | 2 << axis, 1, first + 1
        else:
            out.append(len(range(n)[first : (None if s < 0 and last == -1 - n else last) : s]))
        begin, end, step = [*begin, first], [*end, last], [*step, s]
    masks = {"BeginMask": 0, "EndMask": 0, "ShrinkAxisMask": shrink}
    constants = [np.array(v, np.int32) for v in (begin, end, step)]
    moved(rng, "STRIDED_SLICE", tuple(out), shape, constants, "StridedSliceOptions", masks)


@settings(max_examples=15)
@given(seed=seeds)
def test_resize_nearest_neighbor(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = image(rng)
    size = (shape[0] * int(rng.integers(1, 4)), shape[1] * int(rng.integers(1, 4)))
    options = {"HalfPixelCenters": bool(rng.integers(2))}
    moved(
        rng,
        "RESIZE_NEAREST_NEIGHBOR",
        (*size, shape[2]),
        shape,
        [np.array(size, np.int32)],
        "ResizeNearestNeighborOptions",
        options,
    )


@settings(max_examples=25)
@given(seed=seeds)
def test_concatenation(seed: int) -> None:
    """x beside max_pool(x) beside x."""
    rng = np.random.default_rng(seed)
    shape, axis = image(rng), int(rng.integers(3))
    s, z = scale(rng), zero_point(rng)
    out = tuple(n * 3 if i == axis else n for i, n in enumerate(shape))
    pool = {"Padding": SAME, "StrideH": 1, "StrideW": 1, "FilterHeight": 2, "FilterWidth": 2}
    written = axis + 1 if rng.integers(2) else axis - 3
    operators = [
        FileOperator("MAX_POOL_2D", (0,), (1,), "Pool2DOptions", pool),
        FileOperator("CONCATENATION", (0, 1, 0), (2,), "ConcatenationOptions", {"Axis": written}),
    ]
    tensors = [activation(shape, s, z), activation(shape, s, z), activation(out, s, z)]
    check(tflite_file(tensors, operators, (0,), (2,)), shape, rng)


def test_every_operator_is_drawn() -> None:
    """Each that the front end reads stands in a test of this file."""
    text = Path(__file__).read_text()
    assert [code for code in HANDLERS if f'"{code}"' not in text] == []
