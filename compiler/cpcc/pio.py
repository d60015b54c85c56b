"""PlatformIO without its registry: tool-scons from PyPI's scons."""

from __future__ import annotations

import json
import os
from pathlib import Path

SHIM = 'from SCons.Script import main\n\nif __name__ == "__main__":\n    main()\n'


def core_folder() -> Path:
    """PlatformIO's core folder (its own rule)."""
    return Path(os.environ.get("PLATFORMIO_CORE_DIR", Path.home() / ".platformio"))


def scons_folder() -> Path:
    return core_folder() / "packages" / "tool-scons"


def has_scons() -> bool:
    return (scons_folder() / "package.json").is_file()


def package_version(scons: str) -> str:
    """PlatformIO's number for an SCons release: 4.11.1 is 4.41101.0."""
    major, minor, patch = (int(part) for part in scons.split(".")[:3])
    return f"{major}.{major}{minor:02d}{patch:02d}.0"


def lay_scons() -> Path:
    """Make the package tool-scons where none is; its folder. Source: PlatformIO Core 6, package manifests."""
    import SCons

    folder = scons_folder()
    folder.mkdir(parents=True, exist_ok=True)
    version = package_version(SCons.__version__)
    spec = {"owner": "platformio", "id": None, "name": "tool-scons", "requirements": None, "uri": None}
    (folder / "scons.py").write_text(SHIM)
    (folder / ".piopm").write_text(json.dumps({"type": "tool", "name": "tool-scons", "version": version, "spec": spec}))
    package = {"name": "tool-scons", "version": version, "description": "SCons from PyPI, laid here by cpcc doctor --fix",
               "keywords": ["build"], "license": "MIT", "system": "*"}  # fmt: skip
    (folder / "package.json").write_text(json.dumps(package, indent=1))
    return folder
