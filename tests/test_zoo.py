"""Every network of the zoo: numpy = host C = emulated ARM at every node, and the float graph = torch."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))
from cpcc.cli import cli
from cpcc.detector import to_channels_last
from cpcc.errors import UsageError
from cpcc.frontends.torch_export import to_graph
from cpcc.graph import Float32, validate
from cpcc.models.exporting import export_module
from cpcc.models.model_file import save_program
from cpcc.plan.kernels import any_kernel, dense_only
from cpcc.quantize import calibrate, quantize_graph, run_nodes
from cpcc.targets import TARGETS
from support import assert_equal, check_stack, compiled, detector_for
from zoo import PORTED, ZOO


def with_statistics(net: nn.Module, *shapes: tuple[int, ...]) -> nn.Module:
    """`net` with batch statistics of noise, as after an epoch of training."""
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = None
    with torch.no_grad():
        net.train()(*(torch.randn(16, *shape) for shape in shapes))
    return net.eval()


@pytest.mark.parametrize("name", ZOO)
def test_zoo(name: str) -> None:
    torch.manual_seed(1)
    entry = ZOO[name]
    net = with_statistics(entry.build(entry.small, entry.outputs), entry.small)
    graph = validate(to_graph(export_module(net, entry.small), "t"), Float32)
    x = torch.randn(24, *entry.small)
    samples = np.ascontiguousarray(to_channels_last(x.numpy().astype(np.float64)))
    int8 = quantize_graph(graph, calibrate(graph, samples))
    with torch.no_grad():
        floats = net(x).reshape(24, -1).double().numpy()
    assert np.abs(run_nodes(graph, Float32, samples)[graph.output.name] - floats).max() < 1e-4 * np.abs(floats).max()
    q = int8.input.type.quantize(samples[:2])
    policy = dense_only if name == "mobilenet_v2" else any_kernel  # its sparse form exceeds the core's 1 MiB
    c = compiled(detector_for(int8, entry.small), TARGETS["cortex-m4"], policy)
    expected = c.reference().run(q, quantized=True, nodes=True)
    assert_equal(expected, c.host().run(q, quantized=True, nodes=True))
    assert_equal(expected, c.arm().run(q, quantized=True, nodes=True))
    check_stack(c, q)


@pytest.mark.parametrize(("name", "shape"), [("autoencoder", (20,)), ("gru_net", (3, 24))])
def test_building_a_regression(name: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    """An output vector needs no classes. From the raw samples on, series included, what it computes is verified; its noise
    per layer is printed."""
    torch.manual_seed(2)
    net = with_statistics(ZOO[name].build(shape, 2), shape)
    save_program(tmp_path / "m.pt", export_module(net, shape))
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(0).normal(0, 1, (40, *shape)).astype(np.float32))
    run = partial(CliRunner().invoke, cli, catch_exceptions=False)
    common = ["build", str(tmp_path / "m.pt"), "-o", str(tmp_path / "b")]
    built = run(
        [*common, "--calibrate", str(tmp_path / "x.npz"), "--regression", "--calibration", "mse", "--correct-bias"]
    )
    assert built.exit_code == 0, built.output
    assert "SQNR" in built.output and "worst layer" in built.output
    verified = run(["verify", str(tmp_path / "b"), "--data", str(tmp_path / "x.npz")])
    assert verified.exit_code == 0 and "bit-exact: reference = host = arm" in verified.output, verified.output
    with pytest.raises(UsageError, match="--regression: has no decision"):
        run([*common, "--regression", "--positive", "1"])


@pytest.mark.parametrize("name", PORTED)
def test_several_inputs_or_outputs(name: str, tmp_path: Path) -> None:
    """Built as a detector by its first output, verified on every executor; every output close to torch's."""
    torch.manual_seed(4)
    entry = PORTED[name]
    net = with_statistics(entry.build(), *entry.shapes.values())
    x = {port: torch.randn(40, *shape) for port, shape in entry.shapes.items()}
    with torch.no_grad():
        found = net(*x.values())
    floats = found if isinstance(found, dict) else {"output": found}
    first = floats[entry.outputs[0]].numpy()
    labels = (first[:, -1] - (first[:, 0] if first.shape[1] > 1 else 0) > 0).astype(np.int64)
    arrays = {port: part.numpy() for port, part in x.items()}
    np.savez(tmp_path / "x.npz", **(arrays if len(arrays) > 1 else {"x": arrays["picture"]}), y=labels)
    np.save(tmp_path / "x.npy", next(iter(arrays.values())))
    save_program(tmp_path / "m.pt", export_module(net, *entry.shapes.values()))
    run = partial(CliRunner().invoke, cli, catch_exceptions=False)
    decides = ["--decides", entry.outputs[0]] if len(entry.outputs) > 1 else []
    built = run(
        ["build", str(tmp_path / "m.pt"), "-o", str(tmp_path / "b"), "--calibrate", str(tmp_path / "x.npz"), *decides]
    )
    assert built.exit_code == 0, built.output
    verified = run(["verify", str(tmp_path / "b"), "--data", str(tmp_path / "x.npz"), "--allow-fn", "1"])
    assert verified.exit_code == 0 and "bit-exact: reference = host = arm" in verified.output, verified.output
    out, samples = (
        tmp_path / ("y.npz" if len(entry.outputs) > 1 else "y.npy"),
        tmp_path / ("x.npz" if len(arrays) > 1 else "x.npy"),
    )
    assert run(["run", str(tmp_path / "b"), "--input", str(samples), "-o", str(out)]).exit_code == 0
    if len(entry.outputs) > 1:
        with np.load(out) as archive:
            got = dict(archive)
    else:
        got = {entry.outputs[0]: np.load(out)}
    for port in entry.outputs:
        wanted = floats[port].numpy()
        assert np.abs(got[port] - wanted).max() < 0.05 * max(1, np.abs(wanted).max())
