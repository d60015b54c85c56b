"""Names that are legal in C, and names of a stranger's file for a message."""

from __future__ import annotations

import re

C_KEYWORDS = frozenset(
    "auto break case char const continue default do double else enum extern float for goto if inline int long "
    "register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while "
    "bool true false main asm typeof".split()
)
# A library's header must not shadow one of the C library's.
C_HEADERS = frozenset(
    "assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign stdarg stdatomic "
    "stdbool stddef stdint stdio stdlib stdnoreturn string tgmath threads time uchar wchar wctype".split()
)


def c_prefix(name: str) -> str:
    """A C identifier made from `name`: `my-net` gives `my_net`, `1a` gives `m_1a`, `int` gives `m_int`.

    A prefix that would meet the library's own `cpcc_` names or C's reserved ones gets `m_` too."""
    text = re.sub(r"[^0-9A-Za-z_]", "_", name)
    reserved = text.lower() in C_KEYWORDS | C_HEADERS or text.lower().startswith(("cpcc", "_", "arm_"))
    return f"m_{text}" if reserved or not text or text[0].isdigit() else text


def unique_identifiers(names: list[str]) -> list[str]:
    """One distinct C identifier fragment per name, in order: `0.weight` gives `0_weight`."""
    taken: set[str] = set()
    result = []
    for name in names:
        base = re.sub(r"[^0-9A-Za-z_]", "_", name) or "layer"
        text, n = base, 2
        while text in taken:
            text, n = f"{base}_{n}", n + 1
        taken.add(text)
        result.append(text)
    return result


def printable(text: str) -> str:
    """`text` of a stranger's file for a one-line message: short, without control characters."""
    return "".join(c if c.isprintable() else "?" for c in text[:80])
