"""The generated project: PlatformIO without the network, the rebuild rules, the shipped package."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import numpy as np
import pytest

from conftest import need_tool
from cpcc import folder, pio
from cpcc.emit import emit_library
from cpcc.errors import UsageError
from cpcc.names import c_prefix, unique_identifiers
from cpcc.plan.plan import make_plan
from cpcc.project import emit_project
from cpcc.proof.operating_points import OperatingPoint
from cpcc.targets import TARGETS
from cpcc.toolchains import build_program, gcc_cross, host_cc, zig_command, zig_cross
from support import NAME, compiled, detector_of, with_rule
from test_differential import random_network

ROOT = Path(__file__).parent.parent


def project_files(target: str = "stm32", seed: int = 3) -> dict[str, str]:
    rng = np.random.default_rng(seed)
    detector = detector_of(random_network(rng), rng)
    raw = rng.normal(0, 3, (6, *detector.input.shape)).astype(np.float32)
    return emit_project(make_plan(detector.graph, TARGETS[target]), detector, NAME, raw)


def write(files: dict[str, str], out: Path) -> None:
    for path, text in files.items():
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        (out / path).write_text(text)


def cut_off() -> list[str]:
    """A command prefix without network. Skips where the machine does not allow namespaces (CI must)."""
    unshare = need_tool("unshare")
    probe = subprocess.run([unshare, "-rn", "true"], capture_output=True, check=False)
    if probe.returncode and os.environ.get("CPCC_REQUIRE_TOOLS"):
        pytest.fail(f"unshare -rn: {probe.stderr.decode()}")
    if probe.returncode:
        pytest.skip("unshare -rn is not permitted here")
    return [unshare, "-rn"]


@pytest.mark.slow
@pytest.mark.parametrize("toolchain", ["zig", "gcc"])
def test_pio_run_offline_in_an_empty_home(tmp_path: Path, toolchain: str) -> None:
    """`pio run -e offline -t upload` with the network cut and a HOME that only `cpcc doctor --fix` has touched."""
    if toolchain == "gcc":
        need_tool("arm-none-eabi-gcc")
    prefix = cut_off()
    files = project_files()
    files["platformio.ini"] = files["platformio.ini"].replace(
        "custom_toolchain = zig", f"custom_toolchain = {toolchain}"
    )
    write(files, tmp_path / "project")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PLATFORMIO", "XDG", "CPCC_CACHE"))}
    environment |= {"HOME": str(tmp_path / "home"), "PATH": f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}"}
    (tmp_path / "home").mkdir()
    fixed = subprocess.run(["cpcc", "doctor", "--fix"], env=environment, capture_output=True, text=True, check=False)
    assert fixed.returncode == 0, fixed.stdout + fixed.stderr
    assert "laid PlatformIO's tool-scons" in fixed.stdout
    done = subprocess.run(
        [*prefix, "pio", "run", "-e", "offline", "-t", "upload"],
        cwd=tmp_path / "project", env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "t sample 0: score" in done.stdout
    assert done.stdout.count(", ok\n") == 2
    assert "MISMATCH" not in done.stdout
    assert "warning" not in done.stdout.lower() + done.stderr.lower()


def test_project_configuration_for_users_online() -> None:
    ini = project_files()["platformio.ini"]
    assert "default_envs = stm32" in ini
    assert "platform = ststm32\nboard = nucleo_f446re\nframework = cmsis" in ini
    assert "[env:stm32]" not in project_files("cortex-m0plus")["platformio.ini"]


@pytest.mark.parametrize("target", [name for name in TARGETS if name != "host"])
@pytest.mark.parametrize("compiler", ["zig", "gcc"])
def test_generated_c_compiles_without_a_warning(target: str, compiler: str) -> None:
    """-Wall -Wextra -Wconversion -Wpedantic -Werror, main.c and start-up included."""
    if compiler == "gcc":
        need_tool("arm-none-eabi-gcc")
    from dataclasses import replace

    from cpcc import artifacts

    files = project_files(target)
    library = {Path(p).name: t for p, t in files.items() if p.startswith("lib/") and p.endswith((".c", ".h"))}
    tool = (zig_cross if compiler == "zig" else gcc_cross)(TARGETS[target].core)
    tool = replace(tool, compile_flags=(*tool.compile_flags, "-Werror"))
    rng = np.random.default_rng(3)
    plan = make_plan(detector_of(random_network(rng), rng).graph, TARGETS[target])
    script = artifacts.linker_script(plan, ["*.o"])
    startup = {"cpcc_startup.c": files["platform/startup/cpcc_startup.c"]}
    assert build_program(tool, {**library, **startup, "main.c": files["src/main.c"]}, ".elf", script).is_file()


@pytest.mark.slow
@pytest.mark.parametrize("target", ["cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m55"])
@pytest.mark.parametrize("compiler", ["zig", "gcc"])
def test_every_kernel_compiles_without_a_warning(target: str, compiler: str, tmp_path: Path) -> None:
    """Those that no network above happens to use too, and those of other cores, as their portable twins."""
    if compiler == "gcc":
        need_tool("arm-none-eabi-gcc")
    tool = (zig_cross if compiler == "zig" else gcc_cross)(TARGETS[target].core)
    for source in (*(ROOT / "firmware" / "kernels").iterdir(), *(ROOT / "firmware" / "include").iterdir()):
        (tmp_path / source.name).write_text(source.read_text())
    sources = sorted(path.name for path in tmp_path.glob("*.c"))
    command = [*tool.command, *tool.compile_flags, "-Werror", "-c", *sources]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:2000]


TWO_MODELS = """
#include "first.h"
#include "second.h"
#define MORE(a, b) ((a) > (b) ? (a) : (b))
static int8_t arena[MORE(FIRST_ARENA_BYTES, SECOND_ARENA_BYTES)] __attribute__((aligned(8)));
int main() {
  static float raw[MORE(FIRST_INPUT_ELEMENTS, SECOND_INPUT_ELEMENTS)];
  first_quantize(raw, arena);
  first_run(arena);
  const int32_t score = first_score(arena);
  second_quantize(raw, arena);
  second_run(arena);
  return first_is_positive_at(arena, score) && second_operating_points[0].fnr > 10000;
}
"""


def test_two_models_in_one_program_of_cpp(tmp_path: Path) -> None:
    """Their files in one folder: those that they share are equal, and C++ finds every name."""
    for name, seed in (("first", 3), ("second", 4)):
        rng = np.random.default_rng(seed)
        detector = detector_of(random_network(rng), rng)
        points = (OperatingPoint(-3, 0, 10000), OperatingPoint(4, 5000, 2500))
        files = emit_library(make_plan(detector.graph, TARGETS["stm32"]), with_rule(detector, points=points), name)
        for file, text in files.items():
            assert not (tmp_path / file).exists() or (tmp_path / file).read_text() == text, file
            (tmp_path / file).write_text(text)
    (tmp_path / "main.cpp").write_text(TWO_MODELS)
    objects = [
        *zig_command()[:-1],
        "c++",
        "-O2",
        "-std=c++17",
        "-Wall",
        "-Wextra",
        "-Wpedantic",
        "-Werror",
        "-c",
        "main.cpp",
    ]
    library = [path.name for path in tmp_path.glob("*.c")]
    for command in (objects, [*host_cc().command, "-std=c99", *library, "main.o", "-o", "both"], ["./both"]):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_emission_is_deterministic_and_names_no_place() -> None:
    once, again = project_files(), project_files()
    assert once == again
    for text in once.values():
        assert str(ROOT) not in text
        assert str(Path.home()) + "/" not in text or Path.home() == Path("/")


def manifest(files: dict[str, bytes]) -> folder.Manifest:
    return folder.Manifest("t", "stm32", {p: folder.sha256(d) for p, d in files.items()}, {})


def test_rebuild_keeps_what_the_user_edited(tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = {"src/main.c": b"one", "lib/t/t.c": b"one", "lib/t/old.c": b"old"}
    folder.write_folder(out, first, manifest(first))
    (out / "src/main.c").write_bytes(b"mine")
    (out / "src/extra.c").write_bytes(b"mine too")
    (out / "lib/t/t.c").write_bytes(b"tampered")
    second = {"src/main.c": b"two", "lib/t/t.c": b"two"}
    assert folder.write_folder(out, second, manifest(second)) == ["src/main.c"]
    assert (out / "src/main.c").read_bytes() == b"mine"
    assert (out / "src/extra.c").read_bytes() == b"mine too"
    assert (out / "lib/t/t.c").read_bytes() == b"two"
    assert not (out / "lib/t/old.c").exists()


def test_rebuild_replaces_an_unedited_main(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for text in (b"one", b"two"):
        files = {"src/main.c": text}
        assert folder.write_folder(out, files, manifest(files)) == []
        assert (out / "src/main.c").read_bytes() == text


def test_an_interrupted_rebuild_is_no_edit(tmp_path: Path) -> None:
    """Story: Ctrl-C between src/main.c and the manifest left the new file with the old hash, "edited" for ever."""
    out = tmp_path / "out"
    one, two, three = ({"src/main.c": t} for t in (b"one", b"two", b"three"))
    folder.write_folder(out, one, manifest(one))
    old = folder.read_manifest(out)
    assert old is not None
    pending = folder.Manifest(old.name, old.target, old.files, {}, manifest(two).files)
    (out / folder.MANIFEST).write_bytes(folder._dump(pending))
    (out / "src/main.c").write_bytes(b"two")
    assert folder.write_folder(out, three, manifest(three)) == []
    assert (out / "src/main.c").read_bytes() == b"three"


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"src/main.c": b"one", "lib/t/t.c": b"one"}
    with pytest.raises(UsageError, match=r"/proc/nothing/out: cannot be written \(.*\); choose another path"):
        folder.write_folder(Path("/proc/nothing/out"), files, manifest(files))

    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkdtemp", refuse)  # as in a folder of somebody else's
    with pytest.raises(UsageError, match=r"out: cannot be written \(Permission denied\)"):
        folder.write_folder(tmp_path / "out", files, manifest(files))
    assert not list(tmp_path.iterdir())


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("CPCC_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(UsageError, match=r"file/cache: compiled files cannot be kept there \(.*\); set CPCC_CACHE to"):
        build_program(host_cc(), {"main.c": "int main(void) { return 0; }"}, "")


def test_a_file_or_a_foreign_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/x").write_text("x")
    (tmp_path / "empty").mkdir()
    for name in ("file", "full"):
        with pytest.raises(UsageError):
            folder.write_folder(tmp_path / name, {"a": b"a"}, manifest({"a": b"a"}))
    folder.write_folder(tmp_path / "empty", {"a": b"a"}, manifest({"a": b"a"}))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "file", "full"]


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("my-net", "my_net"),
        ("int", "m_int"),
        ("1a", "m_1a"),
        ("stdio", "m_stdio"),
        ("cpcc", "m_cpcc"),
        ("a.b", "a_b"),
        ("main", "m_main"),
    ],
)
def test_names_become_legal_c(name: str, prefix: str) -> None:
    assert c_prefix(name) == prefix


def test_identifiers_are_distinct() -> None:
    assert unique_identifiers(["a.b", "a_b", "a-b"]) == ["a_b", "a_b_2", "a_b_3"]


def test_only_kernels_in_use_are_shipped() -> None:
    rng = np.random.default_rng(0)
    c = compiled(detector_of(random_network(rng), rng))
    shipped = {f for f in emit_library(c.plan, c.detector, NAME) if f.endswith(".c")}
    kernels = [step.kernel for step in c.plan.steps]
    shared = {Path(file).name for kernel in kernels for file in kernel.shared if file.endswith(".c")}
    assert shipped - {"t.c"} == {f"cpcc_{kernel.name}.c" for kernel in kernels} | shared


def test_a_project_without_examples_runs() -> None:
    """Story: two float images of 3x32x32 put 24 KB of examples into the flash of a 46 KB model."""
    from cpcc import artifacts
    from cpcc.executors.unicorn_core import UnicornCore
    from cpcc.project import choose_examples, main_source

    rng = np.random.default_rng(3)
    c = compiled(detector_of(random_network(rng), rng))
    assert choose_examples(c.detector, np.zeros((2, *c.detector.input.shape), np.float32))
    main = "#define CPCC_SEMIHOSTING\n" + main_source(c.plan, c.detector, NAME, [])
    status, text = UnicornCore(artifacts.arm_image(c.plan, c.library, main), c.plan.target).boot()
    assert status == 0
    assert text.startswith("t on zeros: score ")


@pytest.mark.slow
def test_installed_wheel_works_outside_the_checkout(tmp_path: Path) -> None:
    """Templates and firmware travel in the wheel: install it beside this environment's packages, compile, verify."""
    source = tmp_path / "source"
    ignore = shutil.ignore_patterns(".git", ".venv", "build", "__pycache__", "*.egg-info", ".*_cache", ".hypothesis")
    shutil.copytree(ROOT, source, ignore=ignore)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(tmp_path / "dist"), str(source)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-2000:]
    wheel = next((tmp_path / "dist").glob("*.whl"))
    installed = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(installed)
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); import cpcc; assert cpcc.__file__.startswith(sys.argv[1]), cpcc.__file__\n"
        "from pathlib import Path\nfrom cpcc.demo import run_demo\nrun_demo(Path('demo'), 7, 'stm32')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(installed)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "bit-exact: reference = host = arm" in done.stdout, done.stdout + done.stderr


def test_package_version_of_scons() -> None:
    assert pio.package_version("4.11.1") == "4.41101.0"
