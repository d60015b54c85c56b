"""Long work is safe: the whole state of a run in one file that is whole or absent, and never executes anything."""

import hashlib
import io
import pickle
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cpcc.errors import DataError, UsageError
from cpcc.files import write_atomically

FORMAT = 1
_DIGEST = 32  # bytes of sha256 before the payload

# All that torch.load raises, with weights_only, for a payload that is no checkpoint.
_LOAD_ERRORS = (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, LookupError, TypeError)


@dataclass(frozen=True)
class CheckpointFile:
    """One arm's checkpoint. `fingerprint` names the settings, the data and the initial weights it belongs to."""

    path: Path
    fingerprint: str

    def write(self, state: dict[str, Any]) -> None:
        """`state` holds tensors, plain numbers, strings, lists and dictionaries."""
        buffer = io.BytesIO()
        torch.save({"format": FORMAT, "fingerprint": self.fingerprint, **_on_cpu(state)}, buffer)
        payload = buffer.getvalue()
        write_atomically(self.path, hashlib.sha256(payload).digest() + payload)

    def read(self) -> dict[str, Any] | None:
        """The state, or None where there is no file. DataError for a damaged file, UsageError for one of another
        run; the file is kept."""
        if not self.path.exists():
            return None
        raw = self.path.read_bytes()
        payload = raw[_DIGEST:]
        if hashlib.sha256(payload).digest() != raw[:_DIGEST]:
            raise DataError(f"{self.path}: damaged checkpoint, nothing was changed; move it away to start over")
        try:
            state = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
        except _LOAD_ERRORS as error:
            raise DataError(f"{self.path}: no checkpoint of cpcc; move it away to start over") from error
        if not isinstance(state, dict) or state.get("format") != FORMAT:
            raise DataError(f"{self.path}: checkpoint of another version; move it away to start over")
        if state["fingerprint"] != self.fingerprint:
            raise UsageError(
                f"{self.path}: belongs to other settings, data or another network; "
                "repeat the command that began it, or move the folder away to start over"
            )
        return state


def _on_cpu(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().cpu()
    if isinstance(value, dict):
        return {key: _on_cpu(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_on_cpu(each) for each in value]
    return value


def fingerprint_of(words: Iterable[str], tensors: Iterable[Tensor]) -> str:
    """sha256 of texts and tensor contents, as hex digits."""
    digest = hashlib.sha256()
    for word in words:
        digest.update(word.encode() + b"\0")
    for tensor in tensors:
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
