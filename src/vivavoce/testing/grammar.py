"""Behaviours as they stand in Markdown; docs/behaviours/README.md explains them to their readers.

A fenced block without an info string is a behaviour: headers (`engine: text`), then timed inputs, each followed by exactly what
comes out of the call until the next input.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from vivavoce.session.options import SessionOptions

EngineKind = Literal["text", "speaks"]

ENGINES: dict[str, tuple[EngineKind, ...]] = {
    "text": ("text",),
    "speaks": ("speaks",),
    "both": ("text", "speaks"),
}
OPTIONS = {
    option.name: option.type
    for option in dataclasses.fields(SessionOptions)
    if option.type in ("int", "bool", "tuple[str, ...]")
}

_HEADER = re.compile(r"([a-z_]+):\s*(.+)$")
_INPUT = re.compile(r"(\d+(?:\.\d{1,3})?)s\s+(\S.*)$")
_OUTPUT = re.compile(r"\s+->\s+(\S.*)$")
_COMMENT = re.compile(r"\s{2,}\([^()]*\)\s*$")
_HEADING = re.compile(r"#+\s+(.*)$")


class GrammarError(ValueError):
    """A behaviour that cannot be read; the message names the line."""


@dataclass(frozen=True, slots=True)
class Line:
    """Text of one line of a block, and where it stands in its file."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """One input and what follows from it. `words` is what stands behind the time."""

    at_ms: int
    line: Line
    words: str
    outputs: list[Line] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One block. `open_ended`: it ends in `...`, so what follows the last line listed is not compared."""

    name: str
    line: int
    engines: tuple[EngineKind, ...]
    prepares: bool
    judges: bool
    options: SessionOptions
    session: dict[str, Any]
    steps: list[Step]
    open_ended: bool


def read_behaviours(path: Path) -> list[Behaviour]:
    """Every behaviour of a Markdown file, in order. Raises GrammarError."""
    names: dict[str, int] = {}
    found = []
    for heading, lines in _blocks(path):
        names[heading] = names.get(heading, 0) + 1
        name = heading if names[heading] == 1 else f"{heading} ({names[heading]})"
        try:
            found.append(_read_block(name, lines))
        except GrammarError as error:
            raise GrammarError(f"{path.name}:{error}") from None
    return found


def _blocks(path: Path) -> Iterator[tuple[str, list[Line]]]:
    heading, block, wanted = path.stem, list[Line](), False
    inside = False
    for number, text in enumerate(path.read_text("utf-8").splitlines(), 1):
        if text.startswith("```"):
            if inside and wanted:
                yield heading, block
            inside = not inside
            block, wanted = [], text.strip() == "```"
        elif inside:
            block.append(Line(number, text))
        elif match := _HEADING.match(text):
            heading = match[1]


def _read_block(name: str, lines: list[Line]) -> Behaviour:
    headers: dict[str, Line] = {}
    steps: list[Step] = []
    open_ended = False
    for line in lines:
        text = _COMMENT.sub("", line.text).rstrip()
        if not text:
            continue
        if open_ended:
            raise GrammarError(f"{line.number}: nothing may follow '...'")
        if text == "...":
            open_ended = True
        elif match := _INPUT.match(text):
            steps.append(_step(steps, line, match))
        elif match := _OUTPUT.match(text):
            if not steps:
                raise GrammarError(f"{line.number}: an output before any input")
            steps[-1].outputs.append(Line(line.number, match[1]))
        elif (match := _HEADER.match(text)) and not steps:
            headers[match[1]] = Line(line.number, match[2])
        else:
            raise GrammarError(f"{line.number}: neither a header, nor an input, nor an output: {text!r}")
    return _behaviour(name, lines[0].number if lines else 0, headers, steps, open_ended)


def _step(steps: list[Step], line: Line, match: re.Match[str]) -> Step:
    seconds, _, thousandths = match[1].partition(".")
    at_ms = int(seconds) * 1000 + int(thousandths.ljust(3, "0"))
    if steps and at_ms < steps[-1].at_ms:
        raise GrammarError(f"{line.number}: time runs backwards")
    return Step(at_ms, line, match[2])


def _behaviour(
    name: str, number: int, headers: dict[str, Line], steps: list[Step], open_ended: bool
) -> Behaviour:
    options: dict[str, Any] = {}
    chosen: dict[str, Any] = {
        "engine": ENGINES["both"],
        "prepares": False,
        "judges": False,
        "session": {},
    }
    for key, value in headers.items():
        if key in OPTIONS:
            options[key] = _option(value, OPTIONS[key])
        elif key in _HEADERS:
            chosen[key] = _HEADERS[key](value)
        else:
            raise GrammarError(f"{value.number}: unknown header '{key}'")
    if not steps:
        raise GrammarError(f"{number}: a behaviour without an input")
    return Behaviour(
        name,
        number,
        chosen["engine"],
        chosen["prepares"],
        chosen["judges"],
        SessionOptions(**options),
        chosen["session"],
        steps,
        open_ended,
    )


def _engine(value: Line) -> tuple[EngineKind, ...]:
    return ENGINES[_one_of(value, list(ENGINES))]


def _session(value: Line) -> dict[str, Any]:
    try:
        read = json.loads(value.text)
    except ValueError as error:
        raise GrammarError(f"{value.number}: {error}") from None
    if not isinstance(read, dict):
        raise GrammarError(f"{value.number}: 'session' is a JSON object")
    return read


def _yes_or_no(value: Line) -> bool:
    return _one_of(value, ["yes", "no"]) == "yes"


_HEADERS = {
    "engine": _engine,
    "session": _session,
    "prepares": _yes_or_no,
    "judges": _yes_or_no,
}


def _one_of(value: Line, allowed: list[str]) -> str:
    if value.text not in allowed:
        raise GrammarError(f"{value.number}: {value.text!r} is none of {', '.join(allowed)}")
    return value.text


def _option(value: Line, kind: Any) -> int | bool | tuple[str, ...]:
    if kind == "bool":
        return _yes_or_no(value)
    if kind != "int":
        return tuple(value.text.split())
    if not value.text.isdigit():
        raise GrammarError(f"{value.number}: {value.text!r} is not a whole number")
    return int(value.text)
