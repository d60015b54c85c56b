"""Programs that cannot be compiled, as a user meets them: exported, saved, given to `cpcc build`. One clear line each: the place, what
is supported or what to use instead. What cannot matter is dropped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from cpcc.cli import cli
from cpcc.errors import ModelError

HERE = Path(__file__).name


class Layer(nn.Module):
    """`function` of the modules and the inputs."""

    def __init__(self, function: Callable[..., object], *modules: nn.Module) -> None:
        super().__init__()
        self.function, self.inner = function, nn.ModuleList(modules)

    def forward(self, x: torch.Tensor) -> object:
        return self.function(self.inner, x)


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(1, 6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.add_(x)
        return self.seen * 2


def build(net: nn.Module, folder: Path, x: torch.Tensor | None = None, **export: object) -> str:
    x = torch.zeros(1, 6) if x is None else x
    torch.export.save(torch.export.export(net.eval(), (x,), **export), folder / "net.pt2")  # type: ignore[arg-type]
    np.savez(folder / "x.npz", x=np.random.default_rng(0).normal(0, 1, (8, 6)).astype(np.float32))
    command = [
        "build",
        str(folder / "net.pt2"),
        "--calibrate",
        str(folder / "x.npz"),
        "--regression",
        "--target",
        "host",
    ]
    result = CliRunner().invoke(cli, [*command, "-o", str(folder / "b")], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return (folder / "b" / "lib" / "net" / "net.c").read_text()


def broken(value: float, name: str) -> nn.Module:
    net = nn.Linear(6, 2)
    with torch.no_grad():
        getattr(net, name).fill_(value)
    return net


CASES: list[tuple[str, Callable[[], nn.Module], str]] = [
    ("control flow", lambda: Layer(lambda m, x: torch.cond(x.sum() > 0, lambda v: v * 2, lambda v: v * 3, (x,))),
     rf"{HERE}:\d+\): control flow \(cond\) is not supported; compute both branches"),
    ("complex", lambda: Layer(lambda m, x: torch.fft.fft(x).abs()), rf"fft_fft \(Layer, {HERE}:\d+\): .* use real inputs"),
    ("comparison", lambda: Layer(lambda m, x: torch.where(x > 0, x, 0.1 * x)), "aten.gt.Scalar is not supported; use ReLU or Hardtanh"),
    ("no relative", lambda: Layer(lambda m, x: torch.erfinv(x)), "aten.erfinv.default is not supported; supported layers: Linear, Conv1d"),
    ("largest", lambda: Layer(lambda m, x: x.argmax(1)), "argmax.default is not supported; use the logits, and take the largest"),
    ("a layer", lambda: nn.Sequential(nn.Linear(6, 4), nn.LayerNorm(4)), r"1 \(LayerNorm\): aten.layer_norm is not supported; use BatchNorm"),
    ("product", lambda: Layer(lambda m, x: x.transpose(0, 1) @ x), "matmul is not supported; use Linear with constant weights"),
    ("zero size", lambda: Layer(lambda m, x: torch.cat([x, x[:, :0]], 1)), r"zero-size shape \(1, 0\)"),
    ("NaN", lambda: broken(float("nan"), "weight"), "weight: weights contain NaN or infinity"),
    ("infinity", lambda: broken(float("inf"), "bias"), "bias: weights contain NaN or infinity"),
    ("memory", Counting, "changing the network's own .*seen is not supported; supported: networks without a memory"),
    ("no tensor", lambda: Layer(lambda m, x: (x, None)), "program output is no tensor"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "message"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_one_clear_line(make: Callable[[], nn.Module], message: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        build(make(), tmp_path)
    assert "\n" not in str(caught.value) and not (tmp_path / "b").exists()


def test_other_numbers_and_shapes(tmp_path: Path) -> None:
    batch = torch.export.Dim("batch", min=1, max=8)
    with pytest.raises(ModelError, match="dynamic, which is not supported; export without dynamic_shapes"):
        build(nn.Linear(6, 2), tmp_path, torch.zeros(3, 6), dynamic_shapes=({0: batch},))
    with pytest.raises(ModelError, match=r"is torch\.float64; supported: torch\.float32"):
        build(nn.Linear(6, 2).double(), tmp_path, torch.zeros(1, 6).double())
    with pytest.raises(ModelError, match="batch size 1"):
        build(nn.Linear(6, 2), tmp_path, torch.zeros(8, 6))


def test_dead_branches_are_dropped_whatever_they_hold(tmp_path: Path) -> None:
    net = Layer(lambda m, x: (torch.erfinv(m[1](x)).sum(), m[0](x))[1], nn.Linear(6, 2), nn.Linear(6, 3))
    assert build(net, tmp_path).count("LAYER void") == 1
    net = Layer(lambda m, x: (torch.fft.fft(m[1](x)).abs(), m[0](x))[1], nn.Linear(6, 2), nn.Linear(6, 3))
    (tmp_path / "complex").mkdir()
    assert build(net, tmp_path / "complex").count("LAYER void") == 1


def test_a_network_may_overwrite_what_it_computed(tmp_path: Path) -> None:
    """In place, but no memory: the tensor is made anew for every sample."""
    net = Layer(lambda m, x: torch.zeros(1, 6).add_(x).mul_(2))
    assert "LAYER void" in build(net, tmp_path)


def test_shared_weights_are_stored_once(tmp_path: Path) -> None:
    shared = nn.Linear(6, 6)
    text = build(Layer(lambda m, x: shared(torch.tanh(shared(x))), shared), tmp_path)
    sizes = [line for line in text.splitlines() if line.startswith("static const int8_t") and "[36]" in line]
    assert len(sizes) == 1, sizes
