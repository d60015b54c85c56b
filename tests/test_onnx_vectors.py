"""ONNX's own node test vectors, in the page that `test_docs` compares with a run of them: nothing that is supported fails."""

from __future__ import annotations

import re
from pathlib import Path

from cpcc.frontends.onnx.model import HANDLERS

PAGE = Path(__file__).parent.parent / "docs" / "operators.md"


def test_no_vector_fails() -> None:
    rows = re.findall(r"^\| (\w+) \| (\d+) \| (\d+) \| (\d+)", PAGE.read_text(), re.MULTILINE)
    assert len(rows) > 50 and {operator for operator, *_ in rows} <= set(HANDLERS)
    assert [row for row in rows if row[2] != "0"] == []
    assert sum(int(row[1]) for row in rows) >= 225
