"""What a program's inputs and outputs are called: arguments of forward, keys or places of what it returns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cpcc.frontends.ports import input_names

if TYPE_CHECKING:
    from torch.export import ExportedProgram


def inputs_of(program: ExportedProgram) -> tuple[str, ...]:
    """Names of the inputs, in the order of forward's arguments."""
    return input_names(program.graph_signature.user_inputs)


def results_of(program: ExportedProgram) -> list[str]:
    """A name for each output: `spoken` for {"spoken": ...}, `output_1` for the second of a tuple."""
    from torch.utils import _pytree as pytree

    spec = program.call_spec.out_spec
    assert spec is not None
    paths, _ = pytree.tree_flatten_with_path(pytree.tree_unflatten(list(range(spec.num_leaves)), spec))
    return [_word(path) for path, _ in paths]


def _word(path: tuple[object, ...]) -> str:
    parts = [str(getattr(key, "key", getattr(key, "idx", ""))) for key in path]
    name = "_".join(parts) or "output"
    return f"output_{name}" if name[0].isdigit() else name
