"""Words gathered out of a text, each with its place in it, and the shape of the rules that gather them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

PAUSES = ",.;:!?"
"""What may stand at the end of a word: a pause, and for . ! ? the end of a sentence."""

_SIGNS = ".,;:!?…—–()[]{}\"'“”‘’*_`~|"
_LONGEST_WORD = 28


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """text: what is said, perhaps with one of PAUSES behind it. end: characters of the original said once it is."""

    text: str
    end: int

    @property
    def pause(self) -> str:
        """The mark behind the word, or nothing."""
        return self.text[-1] if self.text[-1] in PAUSES else ""


class Collector:
    """Words with their places, and pauses behind them."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._words: list[str] = []
        self._ends: list[int] = []

    def say(self, words: Sequence[str], start: int, end: int) -> None:
        """Several words for one stretch of text share it evenly. A word no synthesizer would survive is cut in pieces."""
        pieces = [
            word[at : at + _LONGEST_WORD] for word in words for at in range(0, len(word), _LONGEST_WORD)
        ]
        self._words += pieces
        self._ends += [start + (end - start) * count // len(pieces) for count in range(1, len(pieces) + 1)]

    def pause(self, mark: str, end: int) -> None:
        """A pause behind what was said last; a stronger one replaces a weaker."""
        if not self._words:
            return
        word = self._words[-1]
        if word[-1] not in PAUSES:
            self._words[-1] = word + mark
        elif word[-1] in ",;:" and mark in ".!?":
            self._words[-1] = word[:-1] + mark
        # The sign counts as said with its word, so that a cut behind the word keeps it.
        if not self.text[self._ends[-1] : end].strip(_SIGNS):
            self._ends[-1] = end

    def finish(self) -> tuple[SpokenWord, ...]:
        """All words; the last one's place is the end of the text."""
        if self._ends:
            self._ends[-1] = len(self.text)
        return tuple(SpokenWord(word, end) for word, end in zip(self._words, self._ends, strict=True))


Handler = Callable[[re.Match[str], Collector], None]
Rule = tuple[str, str, Handler]
"""Name, expression, what to do with a match. The name becomes a group, so that a match knows its rule."""


class Rules:
    """Rules tried in order at every place of a text; what none of them matches is not said.

    Every repetition in an expression is bounded or cannot fail late: callers send any text of any length.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._handlers = {name: handler for name, _, handler in rules}
        # The outermost group of a match ends last, so `lastgroup` is the rule's whatever groups it has
        # inside.
        self._pattern = re.compile("|".join(f"(?P<{name}>{expression})" for name, expression, _ in rules))

    def read(self, text: str) -> tuple[SpokenWord, ...]:
        """The words of `text`."""
        out = Collector(text)
        for found in self._pattern.finditer(text):
            self._handlers[found.lastgroup or ""](found, out)
        return out.finish()


def say_nothing(found: re.Match[str], out: Collector) -> None:
    """For markup."""


def say_pause(found: re.Match[str], out: Collector) -> None:
    """For punctuation: one pause, of the strongest sign among those that stand together."""
    signs = found[0]
    strongest = next((sign for sign in "!?" if sign in signs), "." if "." in signs or "\n\n" in signs else "")
    out.pause(strongest or (";" if ";" in signs else ","), found.start() + len(signs.rstrip()))


MARKUP_RULES: tuple[Rule, ...] = (
    ("fence", r"```[\w+-]{0,20}|~~~[\w+-]{0,20}", say_nothing),
    ("heading", r"(?m:^[ \t]{0,8}(?:#{1,6}[ \t]+|>[ \t]?|[-*+•][ \t]+))", say_nothing),
    ("rule", r"(?m:^[ \t]{0,8}(?:[-*_=][ \t]{0,3}){3,80}$)", say_nothing),
)
"""Markdown that is not said, the same in every language."""
