"""Tool calls as models and servers send them: in pieces, interleaved, whole, or written out in words. Pure.

A piece says by index which call it belongs to. Some servers leave the index out, give every call index 0, repeat the name or the id with every
piece, or cut the name in two.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from vivavoce.call.ports import ModelToolCall
from vivavoce.engines.cascade.arguments import is_object, repaired

_NAMED = re.compile(r"\s*([\w.-]{1,128})\s*(?:\[ARGS\]|(?=\{))", re.IGNORECASE)
"""What Mistral's models write: the name, and the arguments behind it."""


@dataclass(frozen=True, slots=True)
class CallPiece:
    """index: None where the server gives none. id, name, arguments: empty where this piece has none."""

    index: int | None
    id: str
    name: str
    arguments: str


@dataclass(slots=True)
class _Call:
    """A tool call while it arrives."""

    number: int
    id: str
    name: str = ""
    arguments: str = ""

    def is_over(self, piece: CallPiece) -> bool:
        """Whether a piece that came in its place begins another call."""
        if not piece.name or not self.name:
            return False
        if piece.id and self.id and piece.id != self.id:
            return True
        more, mine = piece.arguments.strip(), self.arguments.strip()
        if not is_object(mine):
            return False  # the name comes in pieces, or again with each piece
        return piece.name != self.name or (not piece.id and mine != "{}" and more not in ("", mine))


@dataclass(slots=True)
class CallReader:
    """Puts pieces together; calls are numbered as they come."""

    _calls: list[_Call] = field(default_factory=list)
    _at: dict[int, _Call] = field(default_factory=dict)
    """The call that an index means at present."""

    def take(self, piece: CallPiece, place: int, alone: bool) -> Iterator[ModelToolCall]:
        """What a piece adds. place: among the pieces that came with it; alone: there were no others."""
        call = self._belongs(piece, place, alone)
        if call is None or call.is_over(piece):
            call = _Call(len(self._calls), piece.id)
            self._calls.append(call)
        self._at[place if piece.index is None else piece.index] = call
        named = bool(call.name)
        name = _rest_of(piece.name, call.name)
        call.name += name
        call.arguments += piece.arguments
        call.id = call.id or piece.id
        if named and (name or piece.arguments):
            yield ModelToolCall(call.number, name, piece.arguments)
        elif name:
            yield ModelToolCall(call.number, name, call.arguments)

    def _belongs(self, piece: CallPiece, place: int, alone: bool) -> _Call | None:
        if piece.index is not None:
            return self._at.get(piece.index)
        if piece.id:
            return next((call for call in self._calls if call.id == piece.id), None)
        if not alone:
            return self._at.get(place)
        return self._calls[-1] if self._calls else None

    def written(self, name: str, arguments: str) -> ModelToolCall:
        """A call that stood in the text."""
        call = _Call(len(self._calls), "", name, arguments)
        self._calls.append(call)
        return ModelToolCall(call.number, name, arguments)

    def end(self) -> Iterator[ModelToolCall]:
        """No more pieces: a call without arguments has an empty object."""
        for call in self._calls:
            if call.name and not call.arguments:
                yield ModelToolCall(call.number, "", "{}")


def index_of(entry: dict[str, Any]) -> int | None:
    """The index of a piece, written as a number or as its digits."""
    index = entry.get("index")
    if isinstance(index, str) and index.isdecimal():
        return int(index)
    return index if isinstance(index, int) else None


def _rest_of(name: str, known: str) -> str:
    """What of a name is new: servers send it once, with every piece, or in pieces."""
    return name[len(known) :] if name.startswith(known) else "" if known.endswith(name) else name


def written_calls(text: str) -> list[tuple[str, str]]:
    """Names and arguments of calls in words: `{"name": ..., "arguments": {...}}`, a list of such, or a name in front of its arguments.

    What cannot be read is a call without a name, and somebody else's to judge.
    """
    found = _named_calls(text) if _NAMED.match(text) else [_call_in(one) for one in _objects(text)]
    calls = [call for call in found if call is not None]
    return calls if calls and len(calls) == len(found) else [("", text)]


def _objects(text: str) -> list[Any]:
    try:
        value = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        value = json.loads(repaired(text) or "{}")
    return value if isinstance(value, list) else [value]


def _call_in(meant: Any) -> tuple[str, str] | None:
    if not isinstance(meant, dict) or not isinstance(name := meant.get("name"), str):
        return None
    arguments = meant.get("arguments", meant.get("parameters", {}))
    return name, arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()


def _named_calls(text: str) -> list[tuple[str, str] | None]:
    """`name[ARGS]{...}`, one or several behind each other."""
    calls: list[tuple[str, str] | None] = []
    decoder = json.JSONDecoder(strict=False)
    while found := _NAMED.match(text):
        behind = text[found.end() :].lstrip()
        try:
            _, end = decoder.raw_decode(behind)
        except (ValueError, RecursionError):
            return [*calls, (found[1], behind)]
        calls.append((found[1], behind[:end]))
        text = behind[end:].lstrip().removeprefix("[TOOL_CALLS]")
    return calls if not text.strip() else [None]


def bare_call(text: str, names: list[str]) -> tuple[str, str] | None:
    """The call that an answer is when it is nothing else: small models write theirs instead of making them. Only of a tool there is."""
    meant = repaired(text)
    call = _call_in(json.loads(meant)) if meant is not None else None
    return call if call is not None and call[0] in names else None
