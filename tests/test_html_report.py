"""The report in a real browser: one file, nothing fetched, numbers that follow the slider, readable without scripts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from commandline import inside
from conftest import need_tool
from cpcc.folder import open_build
from cpcc.proof.results import load_results

LIMIT = 2 * 2**20


def samples(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two overlapping clouds of 6 features, a fifth of them positive."""
    rng = np.random.default_rng(seed)
    y = (np.arange(n) % 5 == 0).astype(np.int64)
    return (rng.normal(0, 1, (n, 6)) + 1.2 * y[:, None]).astype(np.float32), y


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build with its report, verified on data it misses some of."""
    folder = tmp_path_factory.mktemp("report")
    for name, seed in (("train", 1), ("test", 2)):
        x, y = samples(300, seed)
        np.savez(folder / f"{name}.npz", x=x, y=y)
    steps = (
        ("prune", "mlp", "--data", "train.npz", "--positive", 1, "--keep", 0.3, "--epochs", 3, "-o", "<b>net</b>.pt"),
        ("build", "<b>net</b>.pt", "--name", "net", "-o", "net"),
    )
    for step in steps:
        done = inside(*step, cwd=folder)
        assert done.returncode == 0, done.stderr
    early = inside("report", "net", cwd=folder)
    assert early.returncode == 7
    assert "not verified yet" in early.stderr
    assert not (folder / "net/report.html").exists()
    done = inside("report", "net", "--data", "test.npz", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("wrote net/report.html\nFalse negatives: the compiled model misses ")
    return folder / "net"


def test_results_of_an_earlier_build_are_not_reported(build: Path) -> None:
    again = inside("build", "<b>net</b>.pt", "--name", "net", "--threshold", 0.4, "-o", "other", cwd=build.parent)
    assert again.returncode == 0
    for name in ("results.json", "results.npz"):
        (build.parent / "other/.cpcc" / name).write_bytes((build / ".cpcc" / name).read_bytes())
    done = inside("report", "other", cwd=build.parent)
    assert done.returncode == 7
    assert "built anew since its last verification" in done.stderr


def test_results_are_no_part_of_the_build(build: Path) -> None:
    assert open_build(build).changed_files() == []


def test_one_small_file_that_names_false_negatives_first(build: Path) -> None:
    text = (build / "report.html").read_text()
    assert len(text.encode()) < LIMIT
    body = re.sub(r"<style>.*?</style>|<[^>]*>", " ", text[text.index('<p class="verdict') :], flags=re.DOTALL)
    assert body.split(".")[1].strip().startswith("False negatives:")
    fetched = re.findall(r'(?:src|href|xlink:href)="(?!#|data:)[^"]*"|url\((?!#)[^)]*\)|@import', text)
    assert fetched == []
    assert "<b>net</b>" not in text  # the command line is data, not markup
    assert "&lt;b&gt;net&lt;/b&gt;.pt" in text


def test_the_same_results_give_the_same_page(build: Path) -> None:
    before = (build / "report.html").read_bytes()
    assert inside("report", "net", cwd=build.parent).returncode == 0
    assert (build / "report.html").read_bytes() == before


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = need_tool("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, build: Path) -> Iterator[Page]:
    """The report, opened; the test fails on any message of the console, any error, any request but the file's own."""
    trouble: list[str] = []
    page = browser.new_page(viewport={"width": 1100, "height": 900})
    page.on("console", lambda message: trouble.append(message.text))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on(
        "request",
        lambda request: trouble.append(request.url) if not request.url.startswith(("file:", "data:")) else None,
    )
    page.goto(f"file://{build / 'report.html'}")
    yield page
    page.close()
    assert trouble == []


def shown(page: Page) -> dict[str, int]:
    return {name: int(page.inner_text(f"[data-live={name}]")) for name in ("threshold", "fn", "tp", "fp", "tn")}


def counted(build: Path, threshold: int) -> dict[str, int]:
    results = load_results(open_build(build))
    y, called = results.labels == 1, results.fixed[:, 0] >= threshold
    counts = {"fn": y & ~called, "tp": y & called, "fp": ~y & called, "tn": ~y & ~called}
    return {"threshold": threshold, **{name: int(rows.sum()) for name, rows in counts.items()}}


def test_the_slider_moves_the_numbers(page: Page, build: Path) -> None:
    built = open_build(build).detector.decisions[0].threshold
    assert shown(page) == counted(build, built)
    ring, line = page.locator("[data-mark=roc]"), page.locator("[data-mark=histogram]")
    before = ring.get_attribute("cx"), line.get_attribute("x1")
    slider = page.locator("#threshold-1")
    slider.focus()
    for presses, threshold in ((1, built + 1), (6, built + 7)):
        for _ in range(presses):
            page.keyboard.press("ArrowRight")
        assert shown(page) == counted(build, threshold)
    low, high = int(slider.get_attribute("min") or 0), int(slider.get_attribute("max") or 0)
    page.keyboard.press("Home")
    assert shown(page) == counted(build, low)
    assert shown(page)["fn"] == 0
    page.keyboard.press("End")
    assert shown(page) == counted(build, high)
    assert shown(page)["tp"] == 0
    assert (ring.get_attribute("cx"), line.get_attribute("x1")) != before
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # the button beside it
    assert shown(page) == counted(build, built)
    assert (ring.get_attribute("cx"), line.get_attribute("x1")) == pytest.approx(before)


def test_the_marks_lie_where_the_numbers_say(page: Page, build: Path) -> None:
    """Before any script moved them they were placed by the plotting library; both must agree."""
    with_script = page.locator("[data-mark=roc]").get_attribute("cx")
    drawn = re.search(r'data-mark="roc"[^>]* cx="([0-9.]+)"', (build / "report.html").read_text())
    assert drawn is not None
    assert float(with_script or 0) == pytest.approx(float(drawn[1]), abs=0.01)


def test_readable_without_scripts(browser: Browser, build: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"file://{build / 'report.html'}")
    assert page.locator(".slider").is_hidden()
    assert page.locator("figure.chart svg").count() == 5
    threshold = open_build(build).detector.decisions[0].threshold
    assert int(page.inner_text("[data-live=fn]")) == counted(build, threshold)["fn"]
    context.close()


@pytest.mark.parametrize(("scheme", "media"), [("light", "screen"), ("dark", "screen"), ("dark", "print")])
def test_text_stands_out_in_every_scheme(page: Page, scheme: str, media: str) -> None:
    """Contrast of text and charts with the paper is at least 4.5 (WCAG 2.2, 1.4.3); print is on white, without slider."""
    page.emulate_media(color_scheme=scheme, media=media)
    paper = luminance(page, "body", "backgroundColor")
    assert (paper > 0.5) == (scheme == "light" or media == "print")
    for selector in ("body", ".note", ".matrices .wrong", "figure.chart svg text"):
        ink = luminance(page, selector, "fill" if "svg" in selector else "color")
        assert (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) >= 4.5, selector
    assert page.locator(".slider").is_visible() == (media == "screen")


def luminance(page: Page, selector: str, prop: str) -> float:
    """Relative luminance (WCAG 2.2) of a computed colour."""
    colour = page.locator(selector).first.evaluate(f"e => getComputedStyle(e).{prop}")
    parts = [int(v) / 255 for v in re.findall(r"\d+", colour)[:3]]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def test_a_damaged_result_is_named(build: Path, tmp_path: Path) -> None:
    kept = (build / ".cpcc/results.json").read_text()
    try:
        (build / ".cpcc/results.json").write_text(json.dumps({"build": 1}))
        done = inside("report", "net", "-o", tmp_path / "r.html", cwd=build.parent)
    finally:
        (build / ".cpcc/results.json").write_text(kept)
    assert done.returncode == 7
    assert not (tmp_path / "r.html").exists()
