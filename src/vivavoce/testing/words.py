"""The words of a line: a name, `key=value` pairs, values in JSON or bare; and how an expected value meets a real one.

`<name>` in an output is given the value found there the first time, and must be the same value ever after; in an input it stands
for that value.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

_KEY = re.compile(r"([A-Za-z_][\w.]*)=")
_BARE = re.compile(r"\S+")
_NAME = re.compile(r"<([\w-]+)>")
_JSON = json.JSONDecoder()

ABSENT = "absent"
PRESENT = "present"


@dataclass(frozen=True, slots=True)
class Words:
    """`plain`: the words and JSON values without a key, in order; `quoted`: those of them in quotation marks."""

    plain: list[Any] = field(default_factory=list)
    pairs: dict[str, Any] = field(default_factory=dict)
    quoted: list[str] = field(default_factory=list)


def split_words(text: str) -> Words:
    """Read a line's words. A word that is no JSON is a string."""
    words = Words()
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
        elif match := _KEY.match(text, at):
            words.pairs[match[1]], at = _value(text, match.end())
        else:
            if text[at] == '"':
                words.quoted.append(_value(text, at)[0])
            value, at = _value(text, at)
            words.plain.append(value)
    return words


def _value(text: str, at: int) -> tuple[Any, int]:
    match = _BARE.match(text, at)
    bare = match[0] if match else ""
    if bare[:1] in ('"', "{", "["):
        value, end = _JSON.raw_decode(text, at)
        return value, end
    try:
        return json.loads(bare), at + len(bare)
    except ValueError:
        return bare, at + len(bare)


class Names:
    """What the names of a behaviour stand for."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}

    def fill(self, value: Any) -> Any:
        """`value` with every `<name>` replaced. Raises KeyError for one that nothing has been given to."""
        if isinstance(value, str):
            whole = _NAME.fullmatch(value)
            return self._values[whole[1]] if whole else value
        if isinstance(value, dict):
            return {key: self.fill(inner) for key, inner in value.items()}
        return [self.fill(inner) for inner in value] if isinstance(value, list) else value

    def meets(self, expected: Any, actual: Any) -> bool:
        """Whether a value is what a line says: objects may have more keys than are listed, everything else is exact."""
        if isinstance(expected, str) and (name := _NAME.fullmatch(expected)):
            return bool(self._values.setdefault(name[1], actual) == actual)
        if isinstance(expected, dict) and isinstance(actual, dict):
            return all(key in actual and self.meets(value, actual[key]) for key, value in expected.items())
        if isinstance(expected, list) and isinstance(actual, list):
            pairs = zip(expected, actual, strict=False)
            return len(expected) == len(actual) and all(self.meets(one, other) for one, other in pairs)
        if isinstance(expected, bool) is not isinstance(actual, bool):
            return False
        return bool(expected == actual)


_MISSING = object()


def find(fields: Any, path: str) -> Any:
    """The value at a path whose first name may stand at any depth, the shallowest counts; `_MISSING` if there is none."""
    first, *rest = path.split(".")
    level = [fields]
    while level:
        for one in level:
            if isinstance(one, dict) and first in one:
                return _follow(one[first], rest)
        level = [child for one in level for child in _children(one)]
    return _MISSING


def missing(value: Any) -> bool:
    """Whether `find` found nothing."""
    return value is _MISSING


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _follow(value: Any, path: list[str]) -> Any:
    for name in path:
        if isinstance(value, list) and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        elif isinstance(value, dict) and name in value:
            value = value[name]
        else:
            return _MISSING
    return value
