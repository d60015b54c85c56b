"""Session-wide settings: seeds, the tools found, and what happens where one is missing."""

from __future__ import annotations

import os
import shutil

import hypothesis
import pytest
from hypothesis import Phase

# Of a mutant it matters only that it dies: the smallest example that kills it, and why, take Hypothesis minutes to find.
PHASES = (Phase.explicit, Phase.generate) if os.environ.get("CPCC_MUTANT") else tuple(Phase)
hypothesis.settings.register_profile(
    "cpcc", deadline=None, phases=PHASES, print_blob=True, derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.function_scoped_fixture],
)  # fmt: skip
hypothesis.settings.load_profile("cpcc")

TOOLS = ("gcc", "arm-none-eabi-gcc", "qemu-system-arm", "chromium", "unshare")


def pytest_report_header() -> list[str]:
    found = ", ".join(f"{tool} {'yes' if shutil.which(tool) else 'MISSING'}" for tool in TOOLS)
    required = "required" if os.environ.get("CPCC_REQUIRE_TOOLS") else "optional, tests that need a missing one skip"
    return [f"tools ({required}): {found}"]


def need_tool(name: str) -> str:
    """Path of a program; skips the test without it, or fails where CPCC_REQUIRE_TOOLS is set (CI)."""
    path = shutil.which(name)
    if path is None and os.environ.get("CPCC_REQUIRE_TOOLS"):
        pytest.fail(f"{name} is missing and CPCC_REQUIRE_TOOLS is set")
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = len(terminalreporter.stats.get("skipped", []))
    if skipped:
        terminalreporter.write_line(
            f"{skipped} TESTS SKIPPED: something they need is not on this machine (-rs says what)"
        )
