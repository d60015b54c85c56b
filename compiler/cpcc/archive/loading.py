"""Checked archives, loaded by torch."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cpcc.archive.safe import SafeArchive, read_archive
from cpcc.archive.tensors import MAX_ELEMENTS
from cpcc.archive.text import one_line
from cpcc.errors import ModelError

if TYPE_CHECKING:
    from torch.export import ExportedProgram


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """The programs of an archive by name, and its text files."""

    programs: dict[str, ExportedProgram]
    extras: dict[str, str]


def load_programs(path: str | Path) -> LoadedModel:
    """The programs at `path`, loaded by torch from a clean copy. Raises `ModelError`."""
    return load_archive(read_archive(path))


def load_archive(archive: SafeArchive) -> LoadedModel:
    """Programs of a checked archive, loaded by torch and proved consistent: running them on shapes alone
    gives the declared shapes. Raises `ModelError`."""
    from torch._export.serde.serialize import SerializeError
    from torch.export.pt2_archive._package import load_pt2

    try:
        contents = load_pt2(io.BytesIO(archive.clean_bytes()))
    except (*_TORCH_ERRORS, SerializeError) as error:
        raise ModelError(f"{archive.name}: torch cannot read the program ({one_line(error)})") from None
    for program in contents.exported_programs.values():
        _check_shapes(program, archive.name)
    return LoadedModel(programs=dict(contents.exported_programs), extras=dict(archive.extras))


# What torch raises on inconsistent programs; none of it is a fault of ours.
_TORCH_ERRORS = (
    RuntimeError, TypeError, ValueError, LookupError, AttributeError, AssertionError, SyntaxError
)  # fmt: skip


def _check_shapes(program: ExportedProgram, name: str) -> None:
    """Runs the program on fake tensors (shapes without data): nothing large is ever allocated later on the
    word of a damaged file, and every declared shape and dtype is the real one."""
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    class Checker(torch.fx.Interpreter):
        def run_node(self, n: torch.fx.Node) -> Any:
            result = super().run_node(n)
            declared = n.meta.get("val")
            if isinstance(result, torch.Tensor) and isinstance(declared, torch.Tensor):
                if result.shape != declared.shape or result.dtype != declared.dtype:
                    raise ValueError(f"{n.name} is {tuple(result.shape)}, declared {tuple(declared.shape)}")
                if result.numel() > MAX_ELEMENTS:
                    raise ValueError(f"{n.name} has {result.numel()} elements")
            return result

    inputs = [n.meta["val"] for n in program.graph.nodes if n.op == "placeholder"]
    _check_weight_shapes(program, name)
    try:
        with FakeTensorMode(), torch.no_grad(), warnings.catch_warnings():
            # even kernels with "same" padding: advice on speed in torch
            warnings.filterwarnings("ignore", message="Using padding='same'", category=UserWarning)
            Checker(program.graph_module).run(*(torch.empty(v.shape, dtype=v.dtype) for v in inputs))
    except _TORCH_ERRORS as error:
        raise ModelError(f"{name}: the program is inconsistent ({one_line(error)})") from None


def _check_weight_shapes(program: ExportedProgram, name: str) -> None:
    declared = {n.name: n.meta["val"] for n in program.graph.nodes if n.op == "placeholder"}
    for spec in program.graph_signature.input_specs:
        if spec.target is None:
            continue
        tensor = program.state_dict.get(spec.target, program.constants.get(spec.target))
        value = declared.get(spec.arg.name)
        if tensor is None or value is None:
            raise ModelError(f"{name}: weight {spec.target} is missing from the archive")
        if tensor.shape != value.shape or tensor.dtype != value.dtype:
            raise ModelError(f"{name}: weight {spec.target} is not what the program declares")
