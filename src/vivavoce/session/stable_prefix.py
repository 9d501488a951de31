"""Append-only text out of readings that are revised: the words that have stopped changing."""

from __future__ import annotations

AGREED_READINGS = 3
"""A word is told once this many readings in a row had it in its place."""


class StablePrefix:
    """What may be told of one utterance while it is still being heard (docs/adr/0020).

    A recogniser revises its newest words with every reading, while a delta can never be taken back. The last word of a reading is
    never told: it may still be growing.
    """

    def __init__(self) -> None:
        self.told: tuple[str, ...] = ()
        self._readings: list[list[str]] = []

    def grow(self, reading: str) -> str:
        """Take in the newest reading of everything said so far; returns what may be told now, with the space it needs."""
        self._readings = [*self._readings[1 - AGREED_READINGS :], reading.split()]
        if len(self._readings) < AGREED_READINGS:
            return ""
        stable: list[str] = []
        for words in zip(*self._readings, strict=False):
            if len(set(words)) > 1:
                break
            stable.append(words[0])
        return self._extend(stable[: len(self._readings[-1]) - 1])

    def finish(self, text: str) -> str:
        """What is still to be told of the final text; nothing where it contradicts what was told: `completed` has it right."""
        return self._extend(text.split()) if self.told else text

    def _extend(self, words: list[str]) -> str:
        known = len(self.told)
        if tuple(words[:known]) != self.told or len(words) == known:
            return ""
        self.told = tuple(words)
        return (" " if known else "") + " ".join(words[known:])
