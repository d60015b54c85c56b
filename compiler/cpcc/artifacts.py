"""The binaries of a build: host harness, ARM image, QEMU image; compiled on demand, cached by content."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

from cpcc.detector import Network
from cpcc.emit import emit_harness, render
from cpcc.executors.elf import read_image
from cpcc.folder import STATE, BuildFolder
from cpcc.plan.plan import Plan
from cpcc.plan.sizes import stored_bytes
from cpcc.serialize import dump_detector
from cpcc.toolchains import Toolchain, build_program, gcc_cross, host_cc, zig_cross

MEASURABLE_FLASH = 16 * 2**20
HIGH_FLASH = 0x0800_0000
CROSS = {"zig": zig_cross, "gcc": gcc_cross}


@dataclass(frozen=True)
class Sizes:
    """Bytes: the model library in flash (code, weights, tables) and in static RAM, and the whole image in flash."""

    model_flash: int
    model_ram: int
    firmware_flash: int


def linker_script(plan: Plan, patterns: list[str]) -> str:
    """The target's linker script; `patterns` pick the model library's objects. Its flash is roomy, so that an image
    too large can be measured and refused with a message that names the layers; the project's own script is strict."""
    roomy = replace(plan.target, flash_bytes=max(plan.target.flash_bytes, MEASURABLE_FLASH))
    return render("linker.ld.j2", {"target": roomy, "model_objects": patterns})


def _objects(library: dict[str, str]) -> list[str]:
    return sorted(f"{file[:-2]}.o" for file in library if file.endswith(".c"))


def _startup() -> dict[str, str]:
    return {"cpcc_startup.c": (files("cpcc.firmware") / "boards" / "cpcc_startup.c").read_text()}


def arm_image(plan: Plan, library: dict[str, str], main: str, compiler: str = "zig") -> Path:
    """The firmware image: library, `main` and start-up, as `pio run -e offline` links them."""
    toolchain = CROSS[compiler](plan.target.core, plan.objective.level)
    sources = {**library, **_startup(), "main.c": main}
    return build_program(toolchain, sources, ".elf", linker_script(plan, _objects(library)))


def stack_image(plan: Plan, library: dict[str, str], main: str, compiler: str = "zig") -> Path:
    """`arm_image` with flash where no small number is an address: `cpcc.stack` takes a word that equals a function's address for a
    pointer to it."""
    target = plan.target if plan.target.flash_origin else replace(plan.target, flash_origin=HIGH_FLASH)
    return arm_image(replace(plan, target=target), library, main, compiler)


def host_program(plan: Plan, detector: Network, name: str, library: dict[str, str], sanitize: bool = True) -> Path:
    """The harness on this machine, sanitized where possible."""
    return build_program(host_cc(sanitize), {**library, **emit_harness(plan, detector, name, "stdio")}, ".bin")


def qemu_image(plan: Plan, detector: Network, name: str, library: dict[str, str], compiler: str = "zig") -> Path:
    """The harness as an image that serves semihosting files."""
    sources = {**library, **_startup(), **emit_harness(plan, detector, name, "semihosting")}
    toolchain = CROSS[compiler](plan.target.core, plan.objective.level)
    return build_program(toolchain, sources, ".elf", linker_script(plan, _objects(library)))


def image_sizes(elf: Path) -> Sizes:
    """Sizes read off an image that `linker_script` laid out. The model library has no static RAM: it has no
    variables, which the linker proves by what is left in .data and .bss (main's arena alone)."""
    image = read_image(elf)
    return Sizes(image.sections[".model"], 0, image.flash_bytes)


def measure(plan: Plan, library: dict[str, str], main: str) -> Sizes:
    """Compile for the target; its sizes. For the target `host` only constants count."""
    if plan.target.name == "host":
        constants = stored_bytes(step.packed for step in plan.steps)
        return Sizes(constants, 0, constants)
    return image_sizes(arm_image(plan, library, main))


def versions(plan: Plan) -> dict[str, str]:
    """Compiler versions, for the build's provenance."""
    used: list[Toolchain] = [host_cc()] if plan.target.name == "host" else [host_cc(), zig_cross(plan.target.core)]
    return {tool.name: tool.version for tool in used}


def library_on_disk(build: BuildFolder) -> dict[str, str]:
    """The library's files as they are now: what verification compiles, edited or not."""
    return {path.name: path.read_text() for path in sorted(build.library.iterdir()) if path.suffix in (".c", ".h")}


def pristine_main(build: BuildFolder) -> str:
    """``src/main.c`` as generated: the user's own edits do not belong to the proof."""
    return (build.path / STATE / "main.c").read_text()


CALIBRATION_HASHES = "calibration.txt"


def state_files(detector: Network, model_file: str, model: bytes, main: str, hashes: list[str]) -> dict[str, bytes]:
    """cpcc's own files of a build folder, by relative path; `model_file` is the model copy's name. `hashes` are those of the samples that calibrated it."""
    files = {"detector.npz": dump_detector(detector), model_file: model, "main.c": main.encode(),
             CALIBRATION_HASHES: "".join(f"{h}\n" for h in hashes).encode()}  # fmt: skip
    return {f"{STATE}/{name}": data for name, data in files.items()}


def calibration_hashes(build: BuildFolder) -> list[str]:
    """Hashes of the samples that calibrated the build; none for a folder of an older cpcc."""
    path = build.path / STATE / CALIBRATION_HASHES
    return path.read_text().split() if path.is_file() else []
