"""JSON documents and the plain values in them, each checked."""

from __future__ import annotations

import json
import keyword
import math
import re
from typing import Any

from cpcc.archive.text import one_line, show
from cpcc.errors import ModelError

MAX_NAME = 500


def parse_json(text: bytes | str, place: str) -> Any:
    """JSON without duplicate keys. Raises `ModelError` naming `place`."""
    try:
        return json.loads(text, object_pairs_hook=_unique_keys)
    except (ValueError, RecursionError) as error:  # ValueError covers UnicodeDecodeError and JSONDecodeError
        raise ModelError(f"{place}: damaged JSON ({one_line(error)})") from None


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key occurs twice")
    return result


class ValueReader:
    """Rebuilds the JSON documents of one archive. Every method returns new objects made of checked values
    only, and raises `ModelError` for anything else."""

    def __init__(self, name: str, members: dict[str, bytes]) -> None:
        self.name = name
        self.members = members

    def fail(self, what: str) -> ModelError:
        return ModelError(f"{self.name}: {what}")

    def document(self, member: str) -> dict[str, Any]:
        if member not in self.members:
            raise self.fail(f"{member} is missing from the archive")
        return self.obj(parse_json(self.members[member], f"{self.name}: {member}"), member)

    def obj(self, value: Any, what: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.fail(f"{what} is not a JSON object")
        return value

    def items(self, value: Any, what: str) -> list[Any]:
        if not isinstance(value, list):
            raise self.fail(f"{what} is not a JSON list")
        return value

    def get(self, value: dict[str, Any], key: str, what: str) -> Any:
        if key not in value:
            raise self.fail(f"{what} has no {key}")
        return value[key]

    def integer(self, value: Any, what: str) -> int:
        if type(value) is not int or abs(value) >= 1 << 63:
            raise self.fail(f"{what} is not an integer")
        return value

    def boolean(self, value: Any, what: str) -> bool:
        if not isinstance(value, bool):
            raise self.fail(f"{what} is not true or false")
        return value

    def number(self, value: Any, what: str) -> float | str:
        """JSON has no infinities: torch writes them as words, and accepts NaN as a number."""
        if value in ("Infinity", "-Infinity", "NaN"):
            return value
        if type(value) not in (int, float) or not math.isfinite(value):
            raise self.fail(f"{what} is not a finite number")
        return float(value)

    def identifier(self, value: Any, what: str) -> str:
        """A name that may stand in Python source, for FX pastes it there."""
        plain = isinstance(value, str) and len(value) <= MAX_NAME and value.isascii()
        if not plain or not value.isidentifier() or keyword.iskeyword(value) or value.startswith("__"):
            raise self.fail(f"{what} {show(value)} is not a plain name")
        return value

    def path(self, value: Any, what: str) -> str:
        """A parameter's dotted path, such as ``features.0.weight``."""
        if not isinstance(value, str) or len(value) > MAX_NAME or not re.fullmatch(r"[\w.]+", value, re.ASCII):
            raise self.fail(f"{what} {show(value)} is not a plain dotted name")
        if any(not part or part.startswith("__") for part in value.split(".")):
            raise self.fail(f"{what} {show(value)} is not a plain dotted name")
        return value

    def word(self, value: Any, what: str) -> str:
        if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_]{0,64}", value):
            raise self.fail(f"{what} {show(value)} is not a plain word")
        return value

    def small_int(self, value: Any, what: str) -> int:
        number = self.integer(value, what)
        if not 0 <= number < 64:
            raise self.fail(f"{what} {number} is out of range")
        return number

    def single(self, value: Any, what: str) -> tuple[str, Any]:
        """A tagged union: an object with one key."""
        items = list(self.obj(value, what).items())
        if len(items) != 1:
            raise self.fail(f"{what} has {len(items)} kinds, expected one")
        return items[0]

    def static_int(self, value: Any, what: str) -> dict[str, int]:
        kind, content = self.single(value, what)
        if kind != "as_int":
            raise self.fail(f"{what} is dynamic ({show(kind)}), which is not supported; export without dynamic_shapes")
        return {"as_int": self.integer(content, what)}
