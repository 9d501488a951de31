"""Words and when they were said: of the caller's lines, and of the agent's items as they left the loudspeaker."""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass

from vivavoce.demo.lines import SpokenLine
from vivavoce.demo.record import Word
from vivavoce.demo.sound import audible_span_ms
from vivavoce.demo.speaker import Track
from vivavoce.demo.story import Line


@dataclass(frozen=True, slots=True)
class SaidLine:
    """A line that was said: from its first to its last audible sample, in milliseconds of the call."""

    key: str
    text: str
    start_ms: int
    end_ms: int
    words: tuple[Word, ...]

    @staticmethod
    def of(line: Line, spoken: SpokenLine, at_ms: int) -> SaidLine:
        """The line `spoken`, whose sound begins at `at_ms`."""
        first, last = audible_span_ms(spoken.clip.pcm) or (0, 0)
        words = []
        begins = first
        for start, end in word_spans(spoken.text):
            ends = _when_said(spoken, end, first, last)
            words.append(Word(spoken.text[start:end], at_ms + begins, at_ms + ends))
            begins = ends
        return SaidLine(line.key, spoken.text, at_ms + first, at_ms + last, tuple(words))


def word_spans(text: str) -> list[tuple[int, int]]:
    """Where the words of a text are."""
    return [found.span() for found in re.finditer(r"\S+", text)]


def _when_said(spoken: SpokenLine, chars: int, first: int, last: int) -> int:
    """When so many characters were said; without marks, in step with the letters."""
    ends = [mark[0] for mark in spoken.marks]
    at = bisect_left(ends, chars)
    if at < len(ends):
        return spoken.marks[at][1]
    return first + (last - first) * chars // max(1, len(spoken.text))


def words_of(track: Track, kept: str | None) -> list[Word]:
    """The words of an agent's item. Within a clause they are spread by their letters: a socket's client knows no more.

    `kept`: what the server says was heard of an item that was cut; without it, the words whose sound was over by then.
    """
    words: list[Word] = []
    kept_words = len(kept.split()) if kept is not None else None
    for number, clause in enumerate(track.clauses):
        after = track.clauses[number + 1].start if number + 1 < len(track.clauses) else len(track.pcm)
        size = after - clause.start
        begins = clause.start
        for start, end in word_spans(clause.text):
            ends = clause.start + size * end // max(1, len(clause.text.rstrip()))
            heard = len(words) < kept_words if kept_words is not None else ends <= track.played
            moments = track.moment_of(begins), track.moment_of(ends)
            words.append(Word(clause.text[start:end], *moments, heard=heard or not track.cut))
            begins = ends
    return words
