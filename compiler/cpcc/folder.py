"""The build folder: written whole or not at all, and never over somebody else's files.

``<out>/.cpcc/`` holds cpcc's own state: ``manifest.json`` (hashes of every generated file), ``detector.npz`` (the int8
graph) and ``model.pt`` (the float networks), ``model.tflite`` or ``model.onnx``. Everything else is the PlatformIO project. A rebuild replaces generated
files; a file under ``src/`` that the user edited stays.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from shlex import quote
from typing import Any

from cpcc import __version__
from cpcc.detector import Network
from cpcc.errors import UsageError
from cpcc.files import write_atomically, writing
from cpcc.plan.objective import Objective
from cpcc.plan.plan import Plan, make_plan, plan_with
from cpcc.serialize import load_detector
from cpcc.stripes.regions import Stripe
from cpcc.targets import find_target

STATE = ".cpcc"
MANIFEST = f"{STATE}/manifest.json"
FORMAT = 1


@dataclass(frozen=True)
class Manifest:
    """What was generated: sha256 by relative path, `state` the same of cpcc's own files, `kernels` the plan's by node, `stripes` what is
    computed in bands: first layer, last layer, rows at a time. `pending` are the hashes a rebuild was about to write, so that an
    interrupted one is not mistaken for the user's edits."""

    name: str
    target: str
    files: dict[str, str]
    provenance: dict[str, Any]
    pending: dict[str, str] = field(default_factory=dict)
    state: dict[str, str] = field(default_factory=dict)
    kernels: dict[str, str] = field(default_factory=dict)
    stripes: list[list[Any]] = field(default_factory=list)
    optimize: str = "speed"
    format: int = FORMAT
    cpcc: str = __version__


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _dump(manifest: Manifest) -> bytes:
    return (json.dumps(asdict(manifest), indent=1, sort_keys=True) + "\n").encode()


def read_manifest(out: Path) -> Manifest | None:
    """The manifest of the build folder `out`, None where there is none. Raises `UsageError` on a damaged one."""
    path = out / MANIFEST
    if not path.is_file():
        return None
    try:
        manifest = Manifest(**json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise UsageError(f"{path}: damaged ({error}); remove the folder and build again") from error
    if manifest.format != FORMAT:
        raise UsageError(
            f"{path}: format {manifest.format}, this cpcc reads {FORMAT}; remove the folder and build again"
        )
    return manifest


def check_output(out: Path) -> None:
    """Raises `UsageError` where `out` is something that cpcc did not make."""
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise UsageError(f"{out}: exists and is not a folder; choose another with -o")
    if out.is_dir() and any(out.iterdir()) and read_manifest(out) is None:
        raise UsageError(f"{out}: this folder is not cpcc's (no {MANIFEST}); choose another with -o")


def _edited(out: Path, relative: str, known: set[str]) -> bool:
    path = out / relative
    return path.is_file() and sha256(path.read_bytes()) not in known


def write_folder(out: Path, files: dict[str, bytes], manifest: Manifest) -> list[str]:
    """Write `files` (by relative path, state included) and the manifest to `out`; paths of user-edited files that
    were left alone. A new folder appears complete by one rename. Raises `UsageError` where it cannot be written."""
    check_output(out)
    old = read_manifest(out)
    with writing(out):
        if old is None:
            _write_new(out, files, manifest)
            return []
        return _rewrite(out, files, manifest, old)


def _write_new(out: Path, files: dict[str, bytes], manifest: Manifest) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}-"))
    try:
        staging.chmod(0o755)
        for relative, data in files.items():
            write_atomically(staging / relative, data)
        write_atomically(staging / MANIFEST, _dump(manifest))
        if out.is_dir():
            out.rmdir()  # empty: check_output made sure
        staging.replace(out)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _rewrite(out: Path, files: dict[str, bytes], manifest: Manifest, old: Manifest) -> list[str]:
    kept = []
    write_atomically(out / MANIFEST, _dump(Manifest(old.name, old.target, old.files, old.provenance, manifest.files)))
    for relative in old.files.keys() - files.keys():
        known = {old.files[relative], old.pending.get(relative, "")}
        if not (relative.startswith("src/") and _edited(out, relative, known)):
            (out / relative).unlink(missing_ok=True)
    for relative, data in files.items():
        known = {old.files.get(relative, ""), old.pending.get(relative, ""), sha256(data)}
        if relative.startswith("src/") and _edited(out, relative, known):
            kept.append(relative)
        else:
            write_atomically(out / relative, data)
    write_atomically(out / MANIFEST, _dump(manifest))
    return kept


@dataclass(frozen=True, eq=False)
class BuildFolder:
    """An opened build folder."""

    path: Path
    manifest: Manifest
    detector: Network
    plan: Plan

    @property
    def library(self) -> Path:
        return self.path / library_folder(self.manifest.name)

    @property
    def model_path(self) -> Path:
        """The copy of the model file: ``model.pt``, ``model.tflite`` or ``model.onnx``."""
        return self.path / STATE / self.manifest.provenance.get("model_file", "model.pt")

    def changed_files(self) -> list[str]:
        """Generated files, cpcc's own state among them, that were edited or removed since the build."""
        return [
            relative
            for relative, digest in sorted({**self.manifest.files, **self.manifest.state}.items())
            if not (self.path / relative).is_file() or sha256((self.path / relative).read_bytes()) != digest
        ]


def library_folder(name: str) -> str:
    """Relative path of the model library. PlatformIO takes the folder's name for the library's."""
    from cpcc.names import c_prefix

    return f"lib/{c_prefix(name)}"


def open_build(path: Path) -> BuildFolder:
    """The build folder at `path`. Raises `UsageError` where it is not one."""
    manifest = read_manifest(path) if path.is_dir() else None
    if manifest is None:
        raise UsageError(
            f"{path}: not a build folder of cpcc (no {MANIFEST}); make one with: cpcc build model.pt -o {quote(str(path))}"
        )
    detector = load_detector(path / STATE / "detector.npz")
    return BuildFolder(path, manifest, detector, _plan(detector, manifest))


def _plan(detector: Network, manifest: Manifest) -> Plan:
    """The plan the folder was built with; a folder of an older cpcc does not tell its kernels."""
    target = find_target(manifest.target)
    if not manifest.kernels:
        return make_plan(detector.graph, target)
    stripes = [Stripe(*each) for each in manifest.stripes]
    return plan_with(detector.graph, target, manifest.kernels, Objective(manifest.optimize), stripes)
