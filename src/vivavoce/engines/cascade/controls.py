"""What a language model writes between tags: its thoughts, tool calls in words, and the two hidden controls.

`<silent/>` is how any model stays silent, `<preamble>...</preamble>` how it marks words as said ahead of an answer. Thoughts that a server
passes through as if they were the answer are left out; a tool call written out (by servers that know no tools of their model) is
one. Pure.
"""

from __future__ import annotations

import re
import string
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Literal

SILENT = "<silent/>"
PREAMBLE = "<preamble>"
PREAMBLE_END = "</preamble>"

_ENCLOSED = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "<thought>": "</thought>",
    "<reasoning>": "</reasoning>",
    "[think]": "[/think]",
    "◁think▷": "◁/think▷",
    "<|channel|>analysis<|message|>": "<|end|>",
    "<|channel|>commentary to=": "<|call|>",
    "<tool_call>": "</tool_call>",
    "[tool_calls]": "</s>",
    "<|python_tag|>": "<|eom_id|>",
}
"""What opens something that is not said, and what closes it."""
_CALLS = frozenset({"<tool_call>", "[tool_calls]", "<|python_tag|>"})
"""Of those, what encloses a call. The end of the text closes it as well."""

_MARKS: dict[str, Literal["silent", "preamble", "preamble_end", "lost_thought", "nothing"]] = {
    SILENT: "silent",
    "<silent />": "silent",
    "<silent>": "silent",
    "</silent>": "nothing",
    "[silent]": "silent",
    "&lt;silent/&gt;": "silent",
    "<silence/>": "silent",
    "<silence />": "silent",
    "<silence>": "silent",
    "</silence>": "nothing",
    "[silence]": "silent",
    PREAMBLE: "preamble",
    PREAMBLE_END: "preamble_end",
    "<preamble >": "preamble",
    "</preamble >": "preamble_end",
    "<|start|>assistant": "nothing",
    "<|channel|>final<|message|>": "nothing",
    "<|channel|>commentary<|message|>": "nothing",
    "<end_of_turn>": "nothing",
    "</s>": "nothing",
    "</think>": "lost_thought",
    "</thinking>": "lost_thought",
}
_OPENINGS = (*_ENCLOSED, *_MARKS)
_FIRST = frozenset(opening[0] for opening in _OPENINGS)
_TOKEN = re.compile(r"<[|｜][\w▁ .]{1,34}[|｜]>")
"""A mark of the model's own that its server let through, such as <|im_end|>."""
_OPEN_TOKEN = re.compile(r"<(?:[|｜](?:[\w▁ .]{1,34}[|｜]?)?)?$")
_LONGEST = 40
"""More than the longest of them."""
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
"""Tags are ASCII; `str.lower` makes two letters of some others, and places found in its result would be wrong in the text itself."""


@dataclass(frozen=True, slots=True)
class Words:
    """Text that is part of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class WrittenCall:
    """What stood between `<tool_call>` and its end."""

    text: str


@dataclass(frozen=True, slots=True)
class Control:
    """silent: nothing is to be said. preamble, preamble_end: around words that go ahead of the answer.

    lost_thought: a thought ends here whose beginning nobody saw, since the server's template had opened it.
    """

    kind: Literal["silent", "preamble", "preamble_end", "lost_thought"]


Piece = Words | WrittenCall | Control


class TagReader:
    """Feed it text in pieces of any size; what may yet become a tag is held back.

    thinking: the text begins inside a thought, as with models whose template opens it for them. Where none ends, all of it was the answer.
    """

    def __init__(self, *, thinking: bool = False) -> None:
        self._held = ""
        self._inside: list[str] = []
        """What is enclosed so far, where somebody may want it."""
        self._closing = "</think>" if thinking else ""
        self._opening = ""
        """Empty while thinking where nobody saw the thought begin."""
        self._at_start = True

    def feed(self, text: str) -> Iterator[Piece]:
        """What is certain by now."""
        self._held += text
        while self._held:
            if self._closing:
                if not (yield from self._close()):
                    return
            elif not (yield from self._open()):
                return

    def finish(self) -> Iterator[Piece]:
        """The text is over."""
        held, self._held = self._taken(self._held), ""
        if self._closing and self._opening in _CALLS:
            yield WrittenCall(held)  # Some servers cut the closing tag off.
        elif held.strip() and (not self._closing or not self._opening):
            yield from self._say(held)

    def _close(self) -> Generator[Piece, None, bool]:
        """Whether the end of what is enclosed was found."""
        at = self._held.translate(_LOWER).find(self._closing)
        if at < 0:
            # Only the last letters can be part of the closing tag. Looking through all of a long thought again with each of its
            # tokens would keep every other call waiting.
            sure = max(0, len(self._held) - len(self._closing) + 1)
            if not self._opening or self._opening in _CALLS:
                self._inside.append(self._held[:sure])
            self._held = self._held[sure:]
            return False
        inside, self._held = self._taken(self._held[:at]), self._held[at + len(self._closing) :]
        opening, self._closing = self._opening, ""
        if opening in _CALLS:
            yield WrittenCall(inside)
        else:
            self._held = self._held.lstrip() if self._at_start else self._held
        return True

    def _taken(self, rest: str) -> str:
        """What was enclosed, up to here."""
        inside, self._inside = "".join(self._inside) + rest, []
        return inside

    def _open(self) -> Generator[Piece, None, bool]:
        """Say what is no tag, and step over the next one; False when more text is needed."""
        low = self._held.translate(_LOWER)
        at = next((place for place, sign in enumerate(low) if sign in _FIRST and _may_open(low, place)), -1)
        if at < 0:
            said, self._held = self._held, ""
            yield from self._say(said)
            return False
        if at:
            said, self._held = self._held[:at], self._held[at:]
            yield from self._say(said)
            return True
        found = [opening for opening in _OPENINGS if low.startswith(opening)]
        if not found:
            return self._step_over(low)
        opening = max(found, key=len)
        self._held = self._held[len(opening) :]
        if opening in _ENCLOSED:
            self._opening, self._closing = opening, _ENCLOSED[opening]
            return True
        kind = _MARKS[opening]
        if kind != "nothing":
            yield Control(kind)
        return True

    def _step_over(self, low: str) -> bool:
        """Leave out a mark that nobody knows; False where more text has to tell what it is."""
        token = _TOKEN.match(low)
        if token is None or any(opening.startswith(low) for opening in _OPENINGS):
            return False
        self._held = self._held[token.end() :]
        return True

    def _say(self, text: str) -> Iterator[Piece]:
        if self._at_start:
            text = text.lstrip()
            self._at_start = not text
        if text:
            yield Words(text)


def _may_open(low: str, at: int) -> bool:
    """Whether a tag begins there, or may when more text comes."""
    rest = low[at : at + _LONGEST]
    if _TOKEN.match(rest) or _OPEN_TOKEN.match(rest):
        return True
    return any(rest.startswith(opening) or opening.startswith(rest) for opening in _OPENINGS)
