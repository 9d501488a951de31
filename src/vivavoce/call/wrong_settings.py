"""A setting that cannot be, in words: where it was set, which one it is, what is expected, and which one was perhaps meant."""

from __future__ import annotations

import difflib
import re
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

_UNKNOWN: Final = re.compile(r"Object contains unknown field `(.*)`")
_INVALID_CHOICE: Final = "Invalid enum value"
_WORDS: Final = {
    "`int`": "a whole number",
    "`float`": "a number",
    "`str`": "a text",
    "`bool`": "true or false",
    "`array`": "a list",
    "`object`": "a section",
    "`null`": "nothing",
}
Origins = Mapping[tuple[str, ...], str]
"""Where a setting, or a whole section, was set: a file, a variable, a flag."""


def in_words(error: msgspec.ValidationError, root: type, origins: Origins, known: Sequence[str]) -> str:
    """What the settings tree says of itself, for whoever has to correct it. No value is repeated: it may be a key.

    `root`: the type of the tree; `known`: every setting there is, as `section.key`.
    """
    said, _, place = str(error).partition(" - at `$")
    path = tuple(part for part in place.rstrip("`").replace("[...]", ".*").split(".") if part)
    if unknown := _UNKNOWN.fullmatch(said):
        path = (*path, unknown[1])
        wrong = f"there is no setting {'.'.join(path)}{perhaps('.'.join(path), known)}"
    elif said.startswith(_INVALID_CHOICE):
        wrong = f"{'.'.join(path)} is one of {', '.join(choices(root, path))}"
    else:
        for word, plain in _WORDS.items():
            said = said.replace(word, plain)
        wrong = f"{'.'.join(path)}: {said[:1].lower()}{said[1:]}"
        # What a section says of one of its settings begins with its name.
        path = (*path, said.partition(" ")[0])
    return f"{_origin(path, origins)}: {wrong}"


def perhaps(given: str, known: Sequence[str]) -> str:
    """Which of the known names was meant, where one is near enough."""
    names = [*known] if "." in given else [*known, *{name.partition(".")[0] for name in known}]
    near = difflib.get_close_matches(given, names, 1, 0.75)
    return f"; {near[0]} was meant?" if near else " (see docs/settings.md)"


def choices(root: type, path: tuple[str, ...]) -> list[str]:
    """What a setting may be that has a few values."""
    at: Any = root
    for name in path:
        fields = {field.name: field.type for field in msgspec.structs.fields(at)}
        at = fields[name]
    return [str(value) for value in typing.get_args(at)]


def _origin(path: tuple[str, ...], origins: Origins) -> str:
    """The nearest place that is known."""
    for length in range(len(path), -1, -1):
        if path[:length] in origins:
            return origins[path[:length]]
    return "settings"
