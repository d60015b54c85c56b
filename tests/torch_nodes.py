"""Every op's float semantics by plain PyTorch, one sample at a time, in the type of its input: float32 or float64."""

from __future__ import annotations

import itertools

import torch
from torch import nn
from torch.nn import functional as F

from cpcc.ops import float_params as fp
from cpcc.ops.formulas import Formula


def run_recurrent(p, x: torch.Tensor) -> torch.Tensor:
    units, inputs = p.hidden_weight.shape[1], p.input_weight.shape[1]
    layer = (nn.GRU if isinstance(p, fp.Gru) else nn.LSTM)(inputs, units, batch_first=True, dtype=x.dtype)
    values = (p.input_weight, p.hidden_weight, p.input_bias, p.hidden_bias)
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    layer.load_state_dict({name: torch.tensor(value) for name, value in zip(names, values)})
    hidden, cell = (torch.tensor(p.begin(v, 1), dtype=x.dtype)[None] for v in (p.hidden, p.cell))
    with torch.no_grad():
        return layer(x, hidden if isinstance(p, fp.Gru) else (hidden, cell))[0]


LOOKUPS = {
    "clip": torch.clamp, "identity": lambda x: x, "leaky_relu": F.leaky_relu, "sigmoid": torch.sigmoid, "hardsigmoid": F.hardsigmoid,
    "hardswish": F.hardswish, "tanh": torch.tanh, "silu": F.silu, "mish": F.mish, "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"), "softplus": F.softplus, "log_sigmoid": F.logsigmoid,
    "elu": torch.ops.aten.elu.default, "abs": torch.abs, "square": torch.square, "exp": torch.exp,
}  # fmt: skip


STEPS = LOOKUPS | {
    "line": lambda x, scale, offset: scale * x + offset, "product": torch.mul, "erf": torch.erf, "power": torch.pow,
    "sum": lambda a, b, left, right: left * a + right * b,
}  # fmt: skip


def run_formula(formula: Formula, x: torch.Tensor) -> torch.Tensor:
    values = [x]
    for term in formula.terms:
        values.append(STEPS[term.function](*(values[i] for i in term.operands), *term.arguments))
    return values[-1]


def run_other(p, *inputs: torch.Tensor) -> torch.Tensor:
    """Nodes without weights and windows."""
    x = inputs[0]
    if isinstance(p, fp.Add):
        return (x + inputs[1]).relu() if p.relu else x + inputs[1]
    if isinstance(p, fp.Mul):
        return x * inputs[1]
    if isinstance(p, fp.WeightedSum):
        y = p.coefficients[0] * x + p.coefficients[1] * inputs[1]
        return y.clamp(0, p.ceiling) if p.relu else y
    if isinstance(p, fp.Concat):
        return torch.cat(inputs, p.axis)
    if isinstance(p, fp.Recurrent):
        return run_recurrent(p, x)
    if isinstance(p, fp.Convert):
        return x
    if isinstance(p, fp.ChannelLookup):
        rows, own = x.reshape(-1, p.channels), [torch.tensor(a, dtype=x.dtype) for a in p.arguments]
        function = {"line": lambda x, m, c: m * x + c, "leaky_relu": lambda x, m: torch.where(x > 0, x, m * x)}[
            p.function
        ]
        return function(rows, *own).reshape(x.shape)
    if isinstance(p, fp.Softmax):
        return (p.beta * x).softmax(-1)
    if isinstance(p, fp.LogSoftmax):
        return x.log_softmax(-1)
    if isinstance(p, fp.Mean):
        return x.mean((0, 1), keepdim=True)
    if isinstance(p, fp.Lookup):
        return run_formula(p.function, x) if isinstance(p.function, Formula) else LOOKUPS[p.function](x, *p.arguments)
    if isinstance(p, fp.Pad):
        y = torch.zeros(
            [b + (n - 1) * (g + 1) + 1 + a for n, b, a, g in zip(x.shape, p.before, p.after, p.between)], dtype=x.dtype
        )
        y[tuple(slice(b, b + (n - 1) * (g + 1) + 1, g + 1) for n, b, g in zip(x.shape, p.before, p.between))] = x
        return y
    if isinstance(p, fp.StridedCopy):
        flat = x.ravel().tolist()
        indices = itertools.product(*(range(size) for size, _ in p.loops))
        values = [flat[p.offset + sum(i * stride for i, (_, stride) in zip(index, p.loops))] for index in indices]
        return torch.tensor(values, dtype=x.dtype).reshape(p.shape)
    assert isinstance(p, (fp.Relu, fp.Reshape))
    return x.clamp(0, p.ceiling) if isinstance(p, fp.Relu) else x.reshape(p.shape)


def run_node(p, *inputs: torch.Tensor) -> torch.Tensor:
    """One node on unbatched channels-last tensors, by plain torch."""
    x = inputs[0]
    if isinstance(p, fp.Linear):
        y = torch.tensor(p.weight, dtype=x.dtype) @ x.ravel() + torch.tensor(p.bias, dtype=x.dtype)
    elif isinstance(p, (fp.Conv2d, fp.DepthwiseConv2d)):
        depthwise = isinstance(p, fp.DepthwiseConv2d)
        axes = (2, 0, 1) if depthwise else (0, 3, 1, 2)
        weight = torch.tensor(p.weight, dtype=x.dtype).permute(*axes)
        weight = weight[:, None] if depthwise else weight
        top, bottom, left, right = p.padding
        image = F.pad(x.permute(2, 0, 1)[None], (left, right, top, bottom))
        groups = x.shape[2] if depthwise else 1
        bias = torch.tensor(p.bias, dtype=x.dtype)
        y = F.conv2d(image, weight, bias, p.stride, groups=groups)[0].permute(1, 2, 0)
    elif isinstance(p, fp.MaxPool2d):
        return run_max_pool(p, x)
    elif isinstance(p, fp.AvgPool2d):
        rows = [
            torch.stack([x[a:b, c:d].sum((0, 1)) / p.divisors[i][j] for j, (c, d) in enumerate(p.cols)])
            for i, (a, b) in enumerate(p.rows)
        ]
        return torch.stack(rows)
    else:
        return run_other(p, *inputs)
    return y.clamp(0, p.ceiling) if p.relu else y


def run_max_pool(p: fp.MaxPool2d, x: torch.Tensor) -> torch.Tensor:
    rows = []
    for i in range(p.out_size[0]):
        a = i * p.stride[0] - p.padding[0]
        row = []
        for j in range(p.out_size[1]):
            b = j * p.stride[1] - p.padding[2]
            row.append(x[max(a, 0) : a + p.kernel[0], max(b, 0) : b + p.kernel[1]].amax((0, 1)))
        rows.append(torch.stack(row))
    return torch.stack(rows)
