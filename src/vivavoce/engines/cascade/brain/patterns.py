"""A string that fits a regular expression, for schemas that give a `pattern`.

Understands literals, classes, groups, alternation and counts, which is what patterns of ids are made of. Anything else
makes `sample` answer None, and the caller does without.
"""

from __future__ import annotations

import re
import string
from functools import lru_cache

_CLASSES = {"d": string.digits, "w": string.ascii_uppercase + string.digits, "s": " "}


class _Unreadable(Exception):
    """The pattern has something this reader does not know."""


class _Reader:
    """Walks a pattern once and builds the sample on the way."""

    def __init__(self, pattern: str, last: bool) -> None:
        self._pattern = pattern
        self._last = last
        self._at = 0

    def alternatives(self) -> str:
        """The first branch, or the last one when asked for the other end of every choice."""
        branches = [self._sequence()]
        while self._peek() == "|":
            self._at += 1
            branches.append(self._sequence())
        return branches[-1] if self._last else branches[0]

    def finished(self) -> bool:
        return self._at >= len(self._pattern)

    def _peek(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def _take(self) -> str:
        taken = self._peek()
        if not taken:
            raise _Unreadable
        self._at += 1
        return taken

    def _sequence(self) -> str:
        made = []
        while self._peek() and self._peek() not in "|)":
            piece = self._piece()
            made.append(piece * self._count())
        return "".join(made)

    def _piece(self) -> str:
        taken = self._take()
        if taken in "^$":
            return ""
        if taken == "(":
            return self._group()
        if taken == "[":
            return self._choose(self._class())
        if taken == "\\":
            escaped = self._take()
            if escaped in "bBAZz":
                return ""
            if escaped in "DWS" or escaped.isdigit():
                raise _Unreadable
            return self._choose(_CLASSES.get(escaped, escaped))
        if taken == ".":
            return self._choose(string.ascii_uppercase)
        if taken in "*+?{":
            raise _Unreadable
        return taken

    def _group(self) -> str:
        if self._peek() == "?":
            named = re.match(r"\?(?::|P?<\w+>)", self._pattern[self._at :])
            if not named:
                raise _Unreadable
            self._at += named.end()
        inside = self.alternatives()
        if self._take() != ")":
            raise _Unreadable
        return inside

    def _class(self) -> str:
        members: list[str] = []
        if self._peek() == "^":
            raise _Unreadable
        while (taken := self._take()) != "]":
            if taken == "\\":
                escaped = self._take()
                members += _CLASSES.get(escaped, escaped)
            elif taken == "-" and members and self._peek() not in ("]", ""):
                members += [chr(code) for code in range(ord(members[-1]) + 1, ord(self._take()) + 1)]
            else:
                members.append(taken)
        if not members:
            raise _Unreadable
        return "".join(members)

    def _choose(self, members: str) -> str:
        return members[-1] if self._last else members[0]

    def _count(self) -> int:
        taken = self._peek()
        if taken == "{":
            counted = re.match(r"\{(\d*)(?:,(\d*))?\}", self._pattern[self._at :])
            if not counted:
                raise _Unreadable
            self._at += counted.end()
            low = int(counted.group(1) or 0)
            count = max(low, 1) if counted.group(2) is not None and counted.group(2) != "0" else low
        elif taken and taken in "*+?":
            self._at += 1
            count = 0 if taken == "?" else 1
        else:
            return 1
        if self._peek() in ("?", "+"):  # lazy or possessive: the same strings fit
            self._at += 1
        return count


@lru_cache(maxsize=512)
def sample(pattern: str, last: bool = False) -> str | None:
    """A string that fits; with `last`, every choice takes its last member instead of its first. None when unreadable."""
    reader = _Reader(pattern, last)
    try:
        made = reader.alternatives()
    except (_Unreadable, RecursionError):
        return None
    return made if reader.finished() else None


def fixed_start(pattern: str) -> str | None:
    """The letters every fitting string starts with: "A" for ^A\\d{4}$, "" for ^[A-Z]\\d{4}$, None when unreadable."""
    one, other = sample(pattern), sample(pattern, last=True)
    if one is None or other is None:
        return None
    shared = ""
    for left, right in zip(one, other, strict=False):
        if left != right or not (left.isalpha() or left in "-_/"):
            break
        shared += left
    return shared
