"""Pages written from the code are up to date, and what docs/adding-an-op.md shows is the code."""

from __future__ import annotations

import re
from pathlib import Path

from cpcc.operators import document

ROOT = Path(__file__).parent.parent


def test_operators_page() -> None:
    assert (ROOT / "docs" / "operators.md").read_text() == document(), "python -m cpcc.operators > docs/operators.md"


def test_adding_an_op_shows_the_code() -> None:
    """Every block of the page that names a file is that file's text."""
    page = (ROOT / "docs" / "adding-an-op.md").read_text()
    blocks = re.findall(r"`([\w/]+\.(?:py|c|h))`:\n\n```\w+\n(.*?)```", page, re.DOTALL)
    assert len(blocks) >= 3
    for file, text in blocks:
        assert text.strip() in (ROOT / file).read_text(), file
