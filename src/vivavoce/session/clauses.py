"""Text into clauses that can be spoken one after the other. Joined, they are the text again, character for character."""

from __future__ import annotations

import re

FIRST_CLAUSE_CHARS = 24
"""The first clause may end at a comma this early: the sooner it is spoken, the sooner the caller hears something."""
CLAUSE_CHARS = 80
"""Later ones are cut at a comma only when they grow longer than this: longer clauses sound better."""

_SENTENCE_END = re.compile(r"(?:[.!?…]+[\"'”’)\]]*(?=\s)\s+|\n+|[。！？]+)")
_SOFT_END = re.compile(r"[,;:—、，](?=\s)\s+|[、，]")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:[A-Za-z]|Dr|Mr|Mrs|Ms|Prof|St|No|vs|etc|e\.g|i\.e|a\.m|p\.m|approx|Inc|Ltd|Co)\.$"
)


class ClauseCutter:
    """Feed it deltas; it returns clauses as soon as they are certain to be over."""

    def __init__(self) -> None:
        self._pending = ""
        self._first = True

    @property
    def holds_words(self) -> bool:
        """Text was fed that is not a clause yet."""
        return bool(self._pending.strip())

    def push(self, delta: str) -> list[str]:
        """Take in more text; returns the clauses it completed."""
        self._pending += delta
        clauses = []
        while (end := self._boundary()) is not None:
            clauses.append(self._pending[:end])
            self._pending = self._pending[end:]
            self._first = False
        return clauses

    def flush(self) -> list[str]:
        """The text is over: whatever is left is a clause."""
        rest, self._pending = self._pending, ""
        self._first = True
        return [rest] if rest else []

    def _boundary(self) -> int | None:
        """Where the first clause of the pending text ends.

        A full stop counts only once white space and something behind it were seen: the next delta may turn "3." into "3.5".
        """
        ends = [
            match.end()
            for match in _SENTENCE_END.finditer(self._pending)
            if not _ABBREVIATION.search(self._pending[: match.end()].rstrip())
        ]
        least = FIRST_CLAUSE_CHARS if self._first else CLAUSE_CHARS
        ends += [match.end() for match in _SOFT_END.finditer(self._pending) if match.start() >= least]
        return min((end for end in ends if self._pending[:end].strip()), default=None)
