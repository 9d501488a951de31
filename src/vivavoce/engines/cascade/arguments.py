"""Arguments of a tool call as models write them, and as JSON. Pure."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from typing import Any

_FENCE = re.compile(r"^\s*```[\w-]*\s*|\s*```\s*$")
_TRAILING_COMMA = re.compile(r",(\s*[}\]])")
_BARE_KEY = re.compile(r"([{,]\s*)([A-Za-z_][\w-]*)(\s*:)")
_WORDS = {"True": "true", "False": "false", "None": "null", "undefined": "null", "NaN": "null"}
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"')
_LONGEST = 100_000
_NOTHING = frozenset({"", "null", "None", '""', "[]"})
"""What stands for no arguments."""


def repaired(text: str) -> str | None:
    """The JSON object that `text` means, or None where that is anybody's guess. What is an object already is left as it is.

    Repaired are: an object inside a string, inside a code fence or with words around it; the same object twice; Python's
    spelling; commas before a closing bracket; keys without quotes; brackets that were never closed.
    """
    if text.strip() in _NOTHING:
        return "{}"
    if is_object(text):
        return text
    found = _object(text)
    if found is not None:
        return found
    if len(text) > _LONGEST:
        return None
    for attempt in _attempts(_FENCE.sub("", text).strip()):
        found = _object(attempt)
        if found is not None:
            return found
    return None


def is_object(text: str) -> bool:
    """Whether a text is a JSON object and nothing else."""
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _attempts(text: str) -> list[str]:
    """Ever bolder readings."""
    start = text.find("{")
    inside = text[start:] if start >= 0 else text
    plain = _plain(inside)
    return [inside, _first_value(inside), _python(inside), plain, _first_value(plain), _closed(plain)]


def _value(text: str) -> Any:
    try:
        return json.loads(text, strict=False)  # a line break inside a string is no reason to refuse it
    except (ValueError, RecursionError):
        return None


def _object(text: str) -> str | None:
    value = _value(text)
    if isinstance(value, str):  # written twice: an object in a string
        value = _value(value)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else None


def _first_value(text: str) -> str:
    """The last of several objects that stand behind each other: a first `{}` is what a server said before it knew."""
    decoder, at, found = json.JSONDecoder(strict=False), 0, ""
    while at < len(text) and text[at] == "{":
        try:
            _, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            break
        if not found or found == "{}":
            found = text[at:end]
        at = end + len(text[end:]) - len(text[end:].lstrip())
    return found


def _python(text: str) -> str:
    try:
        value = ast.literal_eval(text)
        return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else ""
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return ""


def _plain(text: str) -> str:
    """Python's words, bare keys and stray commas, outside strings only."""
    return _outside_strings(text, _tidied)


def _tidied(text: str) -> str:
    for word, meant in _WORDS.items():
        text = re.sub(rf"\b{word}\b", meant, text)
    return _TRAILING_COMMA.sub(r"\1", _BARE_KEY.sub(r'\1"\2"\3', text))


def _outside_strings(text: str, change: Callable[[str], str]) -> str:
    """`text` with `change` applied to what stands between its strings, which are put back as they were."""
    strings: list[str] = []

    def away(found: re.Match[str]) -> str:
        strings.append(found[0])
        return f"\x00{len(strings) - 1}\x00"

    changed = change(_STRINGS.sub(away, text))
    return re.sub(r"\x00(\d+)\x00", lambda found: strings[int(found[1])], changed)


def _closed(text: str) -> str:
    """`text` with the brackets closed that its writer forgot. A string or a number that may have been cut short is left open:
    half an order number is worse than none."""
    stack: list[str] = []
    for sign in _STRINGS.sub('""', text):
        if sign in "{[":
            stack.append("}" if sign == "{" else "]")
        elif sign in "}]" and stack:
            stack.pop()
    text = text.rstrip().rstrip(",")
    whole = text[-1:] in ('"', "}", "]") or text.endswith(("true", "false", "null"))
    return text + "".join(reversed(stack)) if whole else ""
