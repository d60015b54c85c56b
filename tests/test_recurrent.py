"""GRU and LSTM: close to PyTorch's over long sequences, and one step of the C equals the whole."""

from __future__ import annotations

import ctypes
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from conftest import need_tool
from cpcc.emit import layer_functions
from cpcc.graph import Int8
from cpcc.ops import gru, gru_reset_before, linear, lstm
from cpcc.ops.base import Op
from cpcc.ops.float_params import Gru, GruResetBefore, Linear, Lstm
from support import NAME, assert_equal, chain, compiled, detector_of

LAYERS = [(gru.OP, Gru, nn.GRU), (lstm.OP, Lstm, nn.LSTM)]
ALL = [*LAYERS, (gru_reset_before.OP, GruResetBefore, nn.GRU)]  # torch has no such layer: its weights alone


def parameters(kind: type, module: type, steps: int, inputs: int, units: int, seed: int):
    """The same layer for cpcc and for torch, with torch's initial weights made three times larger."""
    torch.manual_seed(seed)
    layer = module(inputs, units, batch_first=True)
    names = ("weight_ih_l0", "bias_ih_l0", "weight_hh_l0", "bias_hh_l0")
    with torch.no_grad():
        for weight in layer.parameters():
            weight *= 3
    return kind(steps, *(layer.state_dict()[name].numpy() for name in names)), layer


@pytest.mark.parametrize(("op", "kind", "module"), LAYERS)
def test_follows_torch_over_long_sequences(op: Op, kind: type, module: type) -> None:
    """200 steps: errors may not add up. One output step is 1/128; a float16 state loses about as much."""
    params, layer = parameters(kind, module, 200, 6, 12, 1)
    x = np.cumsum(np.random.default_rng(0).normal(0, 0.3, (8, 200, 6)), axis=1)
    x -= x.mean(axis=1, keepdims=True)
    scale = Int8(float(np.abs(x).max() / 127), 3)
    q = scale.quantize(x)
    with torch.no_grad():
        expected = layer(torch.tensor(scale.dequantize(q), dtype=torch.float32))[0].numpy()
    got = op.run_int8(op.quantize(params, (scale,), op.output_type(params, (scale,))), q[:, None])[:, 0] / 128
    np.testing.assert_allclose(op.run_float(params, scale.dequantize(q)[:, None])[:, 0], expected, atol=1e-5)
    error = np.abs(got - expected)
    assert error.mean() < 1 / 128 and error[:, 100:].mean() < 1.5 * error[:, :100].mean()


@pytest.mark.parametrize(("op", "kind", "module"), ALL)
def test_streaming_step_equals_the_whole_sequence(op: Op, kind: type, module: type, tmp_path: Path) -> None:
    gcc = need_tool("gcc")
    params, _ = parameters(kind, module, 9, 4, 5, 2)
    c = compiled(detector_of(chain((1, 9, 4), [(op, params)]), np.random.default_rng(0)))
    for file, text in c.library.items():
        (tmp_path / file).write_text(text)
    sources = [str(tmp_path / file) for file in c.library if file.endswith(".c")]
    library = tmp_path / "model.so"
    subprocess.run([gcc, "-std=c99", "-shared", "-fPIC", "-O1", "-o", library, *sources], check=True)
    step = getattr(ctypes.CDLL(str(library)), f"{layer_functions(c.plan, NAME)[0]}_step")
    q = np.random.default_rng(1).integers(-128, 128, (1, 1, 9, 4)).astype(np.int8)
    expected = c.reference().run(q, quantized=True).output.reshape(9, 5)
    h, state = np.zeros(5, np.int8), np.zeros(10, np.int8)
    for t in range(9):
        y = np.zeros(5, np.int8)
        step(*(np.ascontiguousarray(a).ctypes.data_as(ctypes.c_void_p) for a in (q[0, 0, t], h, y, state)))
        np.testing.assert_array_equal(y, expected[t])
        h = y


STREAM = """
#include <string.h>
#include "t.h"
int32_t streamed(const float *raw) {
  static int8_t arena[T_ARENA_BYTES] __attribute__((aligned(8)));
  int8_t h[5] = {0}, y[5], state[10] __attribute__((aligned(8))) = {0}, x[4];
  for (int t = 0; t < 9; t++) {
    const float now[4] = {raw[t], raw[9 + t], raw[18 + t], raw[27 + t]};
    t_quantize_step(now, x);
    STEP(x, h, y, state);
    memcpy(h, y, sizeof h);
  }
  memcpy(PLACE + 8 * 5, y, sizeof y);
  LAST(arena);
  return t_score(arena);
}
int32_t whole(const float *raw) {
  static int8_t arena[T_ARENA_BYTES] __attribute__((aligned(8)));
  t_quantize(raw, arena);
  t_run(arena);
  return t_score(arena);
}
"""


def test_a_stream_of_raw_values_to_the_decision(tmp_path: Path) -> None:
    """As the header says it: quantize a step, compute it, copy its units to where the layers behind read them."""
    gcc = need_tool("gcc")
    params, _ = parameters(Gru, nn.GRU, 9, 4, 5, 2)
    weight = np.zeros((1, 45), np.float32)
    weight[0, -5:] = (1, -2, 3, -2, 1)  # of the newest units alone
    c = compiled(
        detector_of(
            chain((1, 9, 4), [(gru.OP, params), (linear.OP, Linear(weight, np.zeros(1, np.float32)))]),
            np.random.default_rng(0),
        )
    )
    first, *_, last = layer_functions(c.plan, NAME)
    place = re.search(r"9 steps'\n \* units at (arena \+ \d+), the newest last", c.library["t.h"])[1]
    names = [f"-DSTEP={first}_step", f"-DLAST={last}", f"-DPLACE=({place})"]
    for file, text in {**c.library, "stream.c": STREAM}.items():
        (tmp_path / file).write_text(text)
    sources = [str(path) for path in tmp_path.glob("*.c")]
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-O1"]
    subprocess.run([gcc, *flags, *names, "-o", tmp_path / "stream.so", *sources], check=True)
    library = ctypes.CDLL(str(tmp_path / "stream.so"))
    raw = np.random.default_rng(1).normal(0, 0.4, (20, 36)).astype(np.float32)
    scores = [
        tuple(call(sample.ctypes.data_as(ctypes.c_void_p)) for call in (library.streamed, library.whole))
        for sample in raw
    ]
    assert all(one == other for one, other in scores) and len(set(scores)) > 5


@pytest.mark.parametrize(("op", "kind", "module"), ALL)
def test_a_state_to_begin_with_on_every_executor(op: Op, kind: type, module: type) -> None:
    """Different from what zeros give, and the same on reference, host and ARM; there is no step function for it to be forgotten in."""
    plain, _ = parameters(kind, module, 3, 4, 5, 2)
    begin = [np.linspace(-1, 1, 5).astype(np.float32), np.linspace(7, -7, 5).astype(np.float32)][
        : 2 if kind is Lstm else 1
    ]
    params = replace(plain, **dict(zip(("hidden", "cell"), begin)))
    c = compiled(detector_of(chain((1, 3, 4), [(op, params)]), np.random.default_rng(0)))
    q = np.random.default_rng(1).integers(-128, 128, (4, 1, 3, 4)).astype(np.int8)
    expected = c.reference().run(q, quantized=True, nodes=True)
    assert_equal(expected, c.host().run(q, quantized=True, nodes=True))
    assert_equal(expected, c.arm().run(q, quantized=True, nodes=True))
    zeros = compiled(detector_of(chain((1, 3, 4), [(op, plain)]), np.random.default_rng(0)))
    assert (zeros.reference().run(q, quantized=True).output != expected.output).any()
    assert "_step(" not in c.library["t.h"] and "_step(" in zeros.library["t.h"]
