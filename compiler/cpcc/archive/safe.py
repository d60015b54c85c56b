"""A checked archive, and the clean copy that torch may open."""

from __future__ import annotations

import io
import json
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cpcc.archive.container import check_headers, read_file, read_members, text_of
from cpcc.archive.program import ProgramReader
from cpcc.errors import ModelError


@dataclass(frozen=True, eq=False)
class SafeArchive:
    """A checked archive: everything in it was rebuilt from allowed parts.

    `programs`, `weights` and `constants` map a program's name to its rebuilt JSON; `payloads` maps a member's
    name (``data/weights/weight_0``) to raw little-endian numbers; `extras` holds the text files beside it."""

    name: str
    programs: dict[str, dict[str, Any]]
    weights: dict[str, dict[str, Any]]
    constants: dict[str, dict[str, Any]]
    payloads: dict[str, bytes]
    extras: dict[str, str]

    def user_inputs(self, program: str) -> list[str]:
        """Names of a program's inputs that are no weights; empty where the archive has no such program."""
        if program not in self.programs:
            return []
        specs = self.programs[program]["graph_module"]["signature"]["input_specs"]
        return [spec["user_input"]["arg"]["as_tensor"]["name"] for spec in specs if "user_input" in spec]

    def clean_bytes(self) -> bytes:
        """A new archive that torch may open: no pickle, no expression; deterministic."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as out:
            for member, data in self._members():
                # A fixed date (the zip epoch), so that equal models are equal files.
                out.writestr(zipfile.ZipInfo(f"archive/{member}"), data)
        return buffer.getvalue()

    def _members(self) -> list[tuple[str, bytes]]:
        members = [("archive_format", b"pt2"), ("archive_version", b"0"), ("byteorder", b"little")]
        members += [(".data/version", b"6\n")]
        for name, program in self.programs.items():
            members.append((f"models/{name}.json", _json_bytes(program)))
            members.append((f"data/weights/{name}_weights_config.json", _json_bytes(self.weights[name])))
            members.append((f"data/constants/{name}_constants_config.json", _json_bytes(self.constants[name])))
            members.append((f"data/sample_inputs/{name}.pt", b""))  # load_pt2 wants it to exist
        members += self.payloads.items()
        members += [(f"extra/{name}", text.encode()) for name, text in self.extras.items()]
        return members


def read_archive(path: str | Path) -> SafeArchive:
    """The archive at `path`, checked. Raises `ModelError` for whatever is not a plain static program."""
    path = Path(path)
    return parse_archive(read_file(path), str(path))


def parse_archive(data: bytes, name: str) -> SafeArchive:
    """Like `read_archive` for the bytes of a file; `name` goes into messages."""
    members = read_members(data, name)
    check_headers(members, name)
    programs = [m[len("models/") : -len(".json")] for m in members if m.startswith("models/")]
    if not programs:
        raise ModelError(f"{name}: the archive holds no program; write one with torch.export.save")
    reader = ProgramReader(name, members)
    weights = {p: reader.config(f"data/weights/{p}_weights_config.json", "weight_") for p in programs}
    constants = {p: reader.config(f"data/constants/{p}_constants_config.json", "tensor_") for p in programs}
    return SafeArchive(
        name=name,
        programs={p: reader.program(f"models/{p}.json") for p in programs},
        weights=weights,
        constants=constants,
        payloads={m: data for m, data in members.items() if re.match(r"data/\w+/(weight|tensor)_\d+$", m)},
        extras={m[len("extra/") :]: text_of(d, m, name) for m, d in members.items() if m.startswith("extra/")},
    )


def _json_bytes(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
