"""Text into clauses that can be spoken one after the other. Joined, they are the text again, character for character."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

FIRST_CLAUSE_CHARS = 24
"""The first clause may end at a comma this early: the sooner it is spoken, the sooner the caller hears something."""
CLAUSE_CHARS = 80
"""Later ones are cut at a comma only when they grow longer than this: longer clauses sound better."""
LONGEST_CLAUSE_CHARS = 300
"""A clause ends here at the latest, between words where there are any."""

_SYLLABLES = "\u1100-\u11ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
"""Scripts whose signs stand for a syllable or a word: one says as much as three letters."""
_PHRASES = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
"""Thai, Lao, Burmese, Khmer: no space between words, and one where a phrase ends."""

_MONTHS = (
    "Januar",
    "Jänner",
    "Februar",
    "März",
    "April",
    "Mai",
    "Juni",
    "Juli",
    "August",
    "September",
    "Oktober",
    "November",
    "Dezember",
)
_BEGUN = {month[:length] for month in _MONTHS for length in range(1, len(month))}
_NO_MONTH = rf"(?!(?:{'|'.join(_MONTHS)})\b|(?:{'|'.join(sorted(_BEGUN))})$)"
# A full stop between figures ("555. 0199") waits for what comes behind it, and ends nothing when that is a figure again, a small letter
# ("am 3. und 4.") or a month ("3. Oktober").
_SENTENCE_END = re.compile(
    rf"(?:(?<!\d)[.!?…؟۔։።]+[\"'”’»)\]]*(?=\s)\s+|(?<=\d)[.!?…]+[\"'”’»)\]]*\s+{_NO_MONTH}(?=[^\da-zäöüß\s])|\n+|[。！？｡।॥။]+[」』”’）]*)"
)
_SOFT_END = re.compile(
    rf"(?:(?<!\d)[,;:—،؛၊](?=\s)\s+|(?<=\d)[,;:—]\s+(?=[^\d\s])|[、，；：]|(?<=[{_PHRASES}])[ ]+(?=\S))"
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(.])(?:[A-Za-z]|Dr|Drs|Mr|Mrs|Ms|Prof|Rev|Gen|Col|Capt|Lt|Sgt|St|Mt|No|Nr|Nos|vs|etc|e\.g|i\.e|a\.m|p\.m|approx|ca|Inc|Ltd|Co"
    r"|Corp|Jr|Sr|Sra|Mme|Ave|Blvd|Rd|Ext|ext|Tel|tel|Fig|Vol|Sec|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec"
    r"|bzw|usw|evtl|ggf|Hr|Fr|Str|Abs|Mio|Mrd|Tsd|Std|Sek|Srta|Uds?|aprox|núm|pág|env|Dept|Univ|Gov|Pres)\.$"
)
_NUMBERED = re.compile(r"(?:^|\n)[ \t]*(?:\d{1,3}|[A-Za-z])[.)]\s*$")
"""The number of a line in a list: it is said with its line."""
_WIDE = re.compile(f"[{_SYLLABLES}]")


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
        ends = [match.end() for match in _SENTENCE_END.finditer(self._pending) if self._is_end(match.end())]
        least = FIRST_CLAUSE_CHARS if self._first else CLAUSE_CHARS
        ends += [end for end in self._soft_ends() if _length(self._pending[:end].rstrip()[:-1]) >= least]
        end = min((end for end in ends if self._pending[:end].strip()), default=None)
        if end is None and len(self._pending) > LONGEST_CLAUSE_CHARS:
            return _between_words(self._pending)
        return end

    def _is_end(self, end: int) -> bool:
        before = self._pending[:end].rstrip()
        return not (_ABBREVIATION.search(before) or _NUMBERED.search(before))

    def _soft_ends(self) -> Iterator[int]:
        return (match.end() for match in _SOFT_END.finditer(self._pending))


def _length(text: str) -> int:
    """How much there is to say, counted in letters."""
    return len(text) + 2 * len(_WIDE.findall(text))


def _between_words(text: str) -> int:
    """Where to cut a text that has no boundary for too long: behind a space, or else anywhere but between a letter and its signs."""
    space = text.rfind(" ", 0, LONGEST_CLAUSE_CHARS)
    if text[: space + 1].strip():
        return space + 1
    end = LONGEST_CLAUSE_CHARS
    while end < len(text) and unicodedata.category(text[end]).startswith("M"):
        end += 1
    return end
