"""One utterance while its words are being given to slots, and what the rest of the conversation offers."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from typing import Any

from vivavoce.engines.cascade.brain.english import FILLERS, POLITE, VALUE_WORDS
from vivavoce.engines.cascade.brain.words import Token, tokenize, word_set


@dataclass(frozen=True)
class Context:
    """What may complete an utterance.

    remembered: arguments of earlier calls by slot name, the latest value.
    names: capitalised names in the instructions, tool texts and the conversation, latest first.
    """

    today: dt.date | None = None
    remembered: dict[str, Any] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    recent_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Value:
    """What a slot got, from words[start:end]. `inferred`: partly a guess. `sure` 0..3: how much speaks for it."""

    value: Any
    start: int
    end: int
    inferred: bool = False
    sure: float = 3.0


class Scene:
    """An utterance with the words that are still free."""

    def __init__(self, text: str, context: Context, explained: frozenset[int] = frozenset()) -> None:
        self.text = text
        self.tokens: tuple[Token, ...] = tokenize(text)
        self.words = [token.text for token in self.tokens]
        self.context = context
        self.explained = explained
        self.taken: set[int] = set()

    def take(self, value: Value) -> None:
        """Words given to one slot do not go to another."""
        self.taken |= set(range(value.start, value.end))

    def free(self, start: int, end: int) -> bool:
        return not self.taken & set(range(start, end))

    def raw(self, start: int, end: int) -> str:
        """The words as they were written, punctuation between them kept."""
        if start >= end:
            return ""
        return self.text[self.tokens[start].start : self.tokens[end - 1].end]

    def trimmed(self, start: int, end: int) -> tuple[int, int]:
        """A stretch without fillers at its start and courtesies at its end."""
        while start < end and self.words[start] in FILLERS:
            start += 1
        while end > start and self.words[end - 1] in POLITE:
            end -= 1
        return start, end

    @property
    def written(self) -> bool:
        """Whether the text has capitals where names have them, as typed text does and recognised speech does not."""
        return any(
            token.raw[:1].isupper()
            for token in self.tokens[1:]
            if token.raw not in ("I", "I'm", "I'd", "I'll")
        )


_NAME = re.compile(
    r"\b[A-Z][\w'’&-]*(?:\s+(?:of|and|the|&|de|van)\s+(?=[A-Z])|\s+(?=[A-Z]))?(?:[A-Z][\w'’&-]*(?:\s+(?=[A-Z]))?)*"
)


def names_in(text: str) -> list[str]:
    """Capitalised names of two words or more, or one word that does not begin a sentence."""
    found = []
    for match in _NAME.finditer(text):
        name = match.group().strip()
        opening = re.search(r"(?:^|[.!?:\n\"“]\s*)$", text[: match.start()]) is not None
        if opening and " " in name and name.split()[0].lower() in _OPENERS:
            name, opening = name.split(maxsplit=1)[1], False
        if (
            len(name) < 3
            or name.isupper()
            or name.split()[0].lower() in VALUE_WORDS
            or (opening and " " not in name)
        ):
            continue
        found.append(name)
    return found


_OPENERS = word_set("""the a an you your our if when ask say start always never do keep use call look find check get book cancel update
    send read speak answer tell for in on at with please today current order hello hi welcome meeting""")
