"""Cutting a long text into parts that are synthesized one after the other.

A synthesizer plans a whole part before its first sample and cannot be interrupted meanwhile: the shorter the
part, the earlier the first sound and the sooner a cancel is seen. A part too short loses its melody. So texts
are cut at their own pauses, and inside a phrase only where it runs on and on.
"""

from __future__ import annotations

from collections.abc import Sequence

from vivavoce.engines.cascade.tts.collector import SpokenWord

MOST_WORDS = 14
"""About 16 ms of planning with flite's slowest voice (measured: 1.2 ms a word)."""

_FEWEST_WORDS = 4
_STRONG = ".!?"
# Where a phrase without signs is cut: rather before a clause than before a phrase of place or time.
_CONJUNCTIONS = frozenset(
    {"and", "or", "but", "because", "which", "that", "who", "when", "where", "while", "if", "so"}
)
_PREPOSITIONS = frozenset({"to", "in", "on", "at", "with", "for", "of", "from", "by", "as", "about", "into"})

SENTENCE_PAUSE_MS = 120
_PAUSES_MS = {
    ".": SENTENCE_PAUSE_MS,
    "!": SENTENCE_PAUSE_MS,
    "?": SENTENCE_PAUSE_MS,
    ";": 100,
    ":": 100,
    ",": 70,
}


def cut(words: Sequence[SpokenWord], most: int = MOST_WORDS) -> list[Sequence[SpokenWord]]:
    """`words` in parts of at most `most`, in order."""
    parts: list[Sequence[SpokenWord]] = []
    rest = words
    while len(rest) > most:
        length = _length_of_next(rest[:most])
        parts.append(rest[:length])
        rest = rest[length:]
    return [*parts, rest] if rest else parts


def pause_ms(words: Sequence[SpokenWord], last: bool) -> int:
    """Silence to leave behind a part: by its last sign, a little at the end of a text, none inside a phrase."""
    return _PAUSES_MS.get(words[-1].pause, 40 if last else 0)


def _length_of_next(words: Sequence[SpokenWord]) -> int:
    places = range(len(words), _FEWEST_WORDS - 1, -1)
    for signs in (_STRONG, ",;:"):
        for length in places:
            if words[length - 1].pause and words[length - 1].pause in signs:
                return length
    for links in (_CONJUNCTIONS, _PREPOSITIONS):
        for length in places:
            if length < len(words) and words[length].text in links:
                return length
    return len(words)
