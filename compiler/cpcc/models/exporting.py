"""From a module, or a module and its state_dict, to a static program."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cpcc.errors import ModelError, UsageError, first_line

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram


def export_module(module: torch.nn.Module, *shapes: tuple[int, ...]) -> ExportedProgram:
    """`module` in evaluation mode as a static program for one sample of inputs with these `shapes`.

    The module's own training flags are restored. Raises `ModelError` where torch cannot export it."""
    import torch

    training = {part: part.training for part in module.modules()}
    module.eval()
    try:
        with warnings.catch_warnings(), _quiet_tracer():
            # torch.export warns about its own deprecated functions; nothing a caller could change.
            warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch\..*")
            warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"(torch|copyreg)(\..*)?")
            # even kernels with "same" padding: advice on speed in torch
            warnings.filterwarnings("ignore", message="Using padding='same'", category=UserWarning)
            # torch's own recurrent layers keep a list of their weights
            warnings.filterwarnings("ignore", message=".*_flat_weights", category=UserWarning)
            return torch.export.export(module, tuple(torch.zeros(1, *shape) for shape in shapes))
    except (*_EXPORT_ERRORS, torch._dynamo.exc.TorchDynamoException) as error:
        raise ModelError(
            f"{type(module).__name__} cannot be exported for input shape {' and '.join(map(_shape, shapes))}: "
            f"{first_line(error)}"
        ) from None
    finally:
        for part, flag in training.items():
            part.training = flag


@contextmanager
def _quiet_tracer() -> Iterator[None]:
    """torch's tracer logs a traceback for each failure besides raising it."""
    log = logging.getLogger("torch._subclasses.fake_tensor")
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before


# What a user's forward and torch's tracer raise for a network that does not fit its input.
_EXPORT_ERRORS = (RuntimeError, TypeError, ValueError, LookupError, AttributeError, AssertionError)


def export_network(module: torch.nn.Module, state_dict_path: str | Path, *shapes: tuple[int, ...]) -> ExportedProgram:
    """`module` with the weights of a state_dict file, exported for inputs of these `shapes`. Raises `ModelError` for keys or
    shapes that do not fit, `UsageError` for an impossible shape."""
    for shape in shapes:
        if not shape or min(shape) < 1:
            raise UsageError(f"--input-shape {_shape(shape)}: expected positive sizes, such as 1,28,28")
    state = read_state_dict(state_dict_path)
    _check_state(module, state, str(state_dict_path))
    module.load_state_dict(state)
    return export_module(module, *shapes)


def read_state_dict(path: str | Path) -> dict[str, torch.Tensor]:
    """A state_dict saved with `torch.save`, loaded with ``weights_only`` (no code is run)."""
    import pickle

    import torch

    path = Path(path)
    if not path.is_file():
        raise ModelError(f"{path}: {'is a folder' if path.is_dir() else 'no such file'}; expected a state_dict")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*TorchScript archive", category=UserWarning)  # refused below
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, LookupError, TypeError, OSError):
        raise ModelError(
            f"{path} is no plain state_dict (a whole module is never opened, it could run code); "
            "save it with torch.save(net.state_dict(), FILE)"
        ) from None
    if isinstance(state, dict) and set(state) >= {"state_dict"} and isinstance(state["state_dict"], dict):
        state = state["state_dict"]  # training checkpoints keep it below this key
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        held = f" (it holds {', '.join(map(str, list(state)[:5]))})" if isinstance(state, dict) else ""
        raise ModelError(f"{path} is no state_dict{held}; save it with torch.save(net.state_dict(), FILE)")
    return dict(state)


def _check_state(module: torch.nn.Module, state: dict[str, torch.Tensor], path: str) -> None:
    wanted = module.state_dict()
    for what, names in (("missing", set(wanted) - set(state)), ("unexpected", set(state) - set(wanted))):
        if names:
            some = ", ".join(sorted(names)[:3]) + (", …" if len(names) > 3 else "")
            net = type(module).__name__
            raise ModelError(f"{path}: {len(names)} {what} weights for {net} ({some}); is NET the right network?")
    for name, tensor in state.items():
        if tensor.shape != wanted[name].shape:
            expected, actual = tuple(wanted[name].shape), tuple(tensor.shape)
            raise ModelError(f"{path}: {name} has the shape {actual}, the network expects {expected}")


def _shape(shape: tuple[int, ...]) -> str:
    return ",".join(map(str, shape))
