"""`cpcc inspect`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cpcc.cli.common import PATH

if TYPE_CHECKING:
    from cpcc.graph import Graph


@click.command("inspect")
@click.argument("model", type=PATH)
def command(model: Path) -> None:
    """Layers, shapes, sparsity of MODEL, what is supported, and how it was pruned."""
    from cpcc.build_settings import suffix_of

    {".tflite": _tflite, ".onnx": _onnx}.get(suffix_of(model), _torch)(model)


def _tflite(model: Path) -> None:
    from cpcc import report
    from cpcc.frontends.tflite import to_graph
    from cpcc.graph import Int8
    from cpcc.models.tflite_model import read_file

    graph = to_graph(read_file(model), model.stem).graph
    click.echo(f"{model}: int8, {_ports(graph)}, every operator is supported")
    click.echo(report.graph_table(graph, Int8))


def _onnx(model: Path) -> None:
    from cpcc import report
    from cpcc.frontends.onnx import to_graph
    from cpcc.graph import Float32, Int8
    from cpcc.models.onnx_model import read_file

    imported = to_graph(read_file(model), model.stem)
    what = "int8" if imported.quantized else "float"
    click.echo(f"{model}: {what}, {_ports(imported.graph, imported.input_shapes)}, every operator is supported")
    click.echo(report.graph_table(imported.graph, Int8 if imported.quantized else Float32))


def _torch(model: Path) -> None:
    from cpcc import report
    from cpcc.frontends.torch_export import to_graph
    from cpcc.graph import Float32, validate
    from cpcc.models.model_file import load_model

    opened = load_model(model)
    graph = validate(to_graph(opened.program, model.stem), Float32)
    shapes = opened.input_shapes
    several = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
    inputs = f"input {next(iter(shapes.values()))}" if len(shapes) == 1 else f"inputs {several}"
    outputs = "" if len(graph.outputs) == 1 else f", outputs {', '.join(graph.outputs)}"
    click.echo(f"{model}: {inputs}{outputs}, every layer is supported")
    click.echo(report.graph_table(graph))
    for line in report.pruning_lines(opened):
        click.echo(line)


def _ports(graph: Graph, samples: Mapping[str, tuple[int, ...]] | None = None) -> str:
    """Inputs and outputs in words, several with their names; `samples` are the inputs' shapes where the data's are not the
    graph's."""
    words = []
    for what, names in (("input", graph.inputs), ("output", graph.outputs)):
        shapes = [(samples or {}).get(name, graph.tensors[name].shape) for name in names]
        several = ", ".join(f"{name} {shape}" for name, shape in zip(names, shapes))
        words.append(f"{what} {shapes[0]}" if len(names) == 1 else f"{what}s {several}")
    return ", ".join(words)
