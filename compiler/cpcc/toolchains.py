"""C compilers: the host's, zig as cross compiler (the default: pip alone suffices), and arm-none-eabi-gcc.

Flags and traps: docs/design.md. Results are cached by content under ``$CPCC_CACHE`` (default ``$XDG_CACHE_HOME/cpcc``
or ``~/.cache/cpcc``): a key is the hash of every input, of the flags and of the compiler's version.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cpcc.errors import CpccError, ToolMissingError, UsageError
from cpcc.targets import Core

WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wpedantic")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g")
FREESTANDING = ("-ffreestanding", "-fomit-frame-pointer", "-ffunction-sections", "-fdata-sections", "-ffp-contract=off")
ZIG_ONLY = (
    "-fno-unroll-loops",
    "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables",
    "-fno-sanitize=undefined",
    "-g0",
)


class CompileError(CpccError):
    """The compiler refused generated code: a defect of cpcc, or of a file edited by hand."""


@dataclass(frozen=True)
class Toolchain:
    """A compiler driver. `command` starts every call, `compile_flags` and `link_flags` follow."""

    name: str
    command: tuple[str, ...]
    compile_flags: tuple[str, ...]
    link_flags: tuple[str, ...]
    version: str


def _version(*command: str) -> str:
    done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False)
    return done.stdout.splitlines()[0] if done.returncode == 0 and done.stdout else "unknown"


def zig_command() -> tuple[str, ...]:
    """Raises `ToolMissingError` where the ziglang package is not installed."""
    return _zig()[0]


@functools.cache
def _zig() -> tuple[tuple[str, ...], str]:
    base = (sys.executable, "-m", "ziglang")
    done = subprocess.run([*base, "version"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ToolMissingError("zig: the ziglang package is not installed; run: pip install ziglang==0.17.1")
    return (*base, "cc"), f"zig {done.stdout.strip()}"


def zig_cross(core: Core, level: str = "-O2") -> Toolchain:
    """zig (clang) for a Cortex-M core, optimizing at `level`."""
    command, version = _zig()
    machine = ("-target", core.zig_triple, f"-mcpu={core.zig_cpu}")
    flags = (*machine, level, *WARNINGS, *FREESTANDING, *ZIG_ONLY)
    return Toolchain("zig", command, flags, (*machine, "-Wl,--gc-sections", "-Wl,-e,Reset_Handler"), version)


def gcc_cross(core: Core, level: str = "-O2") -> Toolchain:
    """arm-none-eabi-gcc, optimizing at `level`. Raises `ToolMissingError`."""
    path = shutil.which("arm-none-eabi-gcc")
    if path is None:
        raise ToolMissingError("arm-none-eabi-gcc is not installed; run: apt-get install gcc-arm-none-eabi")
    flags = (*core.gcc_flags, level, *WARNINGS, *FREESTANDING)
    link = (*core.gcc_flags, "-nostartfiles", "-nostdlib", "-Wl,--gc-sections", "-Wl,-e,Reset_Handler")
    return Toolchain("gcc", (path,), flags, link, _version(path))


# Writes behind its allocation when given an argument.
OVERRUN = """#include <stdlib.h>
int main(int argc, char **argv) {
  volatile char *block = malloc(4);
  (void)argv;
  block[argc * 4 - 1] = 0;
  free((void *)block);
  return 0;
}
"""


@functools.cache
def _sanitizes(command: tuple[str, ...]) -> bool:
    """Whether the compiler's sanitizers stop a real overrun: some installations lack the runtime, and zig takes the
    flag and ignores it."""
    with tempfile.TemporaryDirectory() as folder:
        source, binary = Path(folder, "probe.c"), Path(folder, "probe")
        source.write_text(OVERRUN)
        built = subprocess.run([*command, *SANITIZERS, source, "-o", binary], capture_output=True, check=False)
        if built.returncode:
            return False
        good, bad = (subprocess.run([binary, *words], capture_output=True, check=False) for words in ((), ("x",)))
        return good.returncode == 0 and bad.returncode != 0


def host_cc(sanitize: bool = False) -> Toolchain:
    """gcc, clang or zig for this machine, the first that is there; with sanitizers where it has them."""
    found = next((path for path in map(shutil.which, ("gcc", "clang")) if path), None)
    command, version = ((found,), _version(found)) if found else _zig()
    extra = SANITIZERS if sanitize and _sanitizes(command) else ()
    flags = ("-O2", *WARNINGS, "-ffp-contract=off", *extra)
    return Toolchain(Path(command[0]).name if found else "zig", command, flags, extra, version)


def cache_folder() -> Path:
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "cpcc"
    return Path(os.environ.get("CPCC_CACHE", default))


@contextmanager
def _filling_cache() -> Iterator[None]:
    """Raises `UsageError` where the cache cannot be written, as in a container whose user has no home."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"{cache_folder()}: compiled files cannot be kept there ({error.strerror}); set CPCC_CACHE to a folder of yours"
        ) from error


def _make_cache() -> None:
    with _filling_cache():
        cache_folder().mkdir(parents=True, exist_ok=True)


def _key(parts: list[str]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{len(part)}:{part}".encode())
    return digest.hexdigest()[:32]


def _call(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (
            [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines() or ["no message"]
        )
        raise CompileError(f"{Path(command[0]).name}: {lines[0]}")


def build_program(
    toolchain: Toolchain, sources: Mapping[str, str], suffix: str, linker_script: str = "", shared: bool = False
) -> Path:
    """The program made of `sources` (file name to text; headers among them), from the cache where it is there.

    Each C file becomes its own object named after it, so that a linker script can pick files. Raises `CompileError`."""
    link = [*toolchain.link_flags, *(("-shared", "-fPIC") if shared else ())]
    key = _key([toolchain.version, *toolchain.command, *toolchain.compile_flags, *link, linker_script,
                *(text for item in sorted(sources.items()) for text in item)])  # fmt: skip
    result = cache_folder() / f"{key}{suffix}"
    if not result.is_file():
        _make_cache()
        with tempfile.TemporaryDirectory() as name:
            _install(_compile(toolchain, sources, Path(name), link, linker_script, shared), result)
    return result


def _compile(
    toolchain: Toolchain, sources: Mapping[str, str], folder: Path, link: list[str], script: str, shared: bool
) -> Path:
    for file, text in sources.items():
        (folder / file).write_text(text)
    pic = ("-fPIC",) if shared else ()
    objects = [_object(toolchain, sources, file, folder, pic) for file in sorted(sources) if file.endswith(".c")]
    if script:
        (folder / "link.ld").write_text(script)
        link = [*link, "-Wl,-T,link.ld"]
    libraries = ["-lgcc"] if toolchain.name == "gcc" and "-nostdlib" in link else []
    _call([*toolchain.command, *link, *objects, *libraries, "-o", "program"], folder)
    return folder / "program"


def _object(toolchain: Toolchain, sources: Mapping[str, str], file: str, folder: Path, extra: tuple[str, ...]) -> str:
    """The name in `folder` of the object of `file`."""
    name = file[:-2] + ".o"
    shutil.copy(build_object(toolchain, sources, file, extra), folder / name)
    return name


def build_object(toolchain: Toolchain, sources: Mapping[str, str], file: str, extra: tuple[str, ...] = ()) -> Path:
    """The object of `file`, one of `sources`; cached too: kernels are the same in every build. Raises `CompileError`."""
    name = file[:-2] + ".o"
    command = [*toolchain.command, *toolchain.compile_flags, *extra, "-I.", "-c", file, "-o", name]
    read = sorted(_included(sources, file, set()))
    cached = cache_folder() / f"{_key([toolchain.version, *command, *(t for f in read for t in (f, sources[f]))])}.o"
    if not cached.is_file():
        _make_cache()
        with tempfile.TemporaryDirectory() as folder:
            for header in read:
                Path(folder, header).write_text(sources[header])
            _call(command, Path(folder))
            _install(Path(folder, name), cached)
    return cached


def _included(sources: Mapping[str, str], file: str, seen: set[str]) -> set[str]:
    """`file` and the files of `sources` that it includes, directly or not."""
    seen.add(file)
    for header in re.findall(r'^\s*#\s*include\s*"([^"]+)"', sources[file], re.MULTILINE):
        if header in sources and header not in seen:
            _included(sources, header, seen)
    return seen


def _install(program: Path, result: Path) -> None:
    """Atomic even across file systems: two processes may build the same thing."""
    with _filling_cache():
        descriptor, temporary = tempfile.mkstemp(dir=result.parent)
        os.close(descriptor)
        shutil.copy(program, temporary)
        Path(temporary).chmod(0o755)
        Path(temporary).replace(result)
