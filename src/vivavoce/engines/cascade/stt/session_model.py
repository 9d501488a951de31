"""What a session sounds like:

its language model and the pronunciations it needs, ready to be loaded by any recogniser.
"""

from __future__ import annotations

import string
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from vivavoce.engines.cascade.stt.language_model import Background, Members, Smoothing, Trigrams, write_arpa
from vivavoce.engines.cascade.stt.phrases import Matter, matter_of, phrases_of
from vivavoce.engines.cascade.stt.pronunciation import LETTER_PHONES, pronounce, spell_out
from vivavoce.engines.cascade.stt.spelling import (
    DIGIT,
    DIGIT_WORDS,
    LETTER,
    TEEN_WORDS,
    TENS,
    TENS_WORDS,
    is_acronym,
)

LETTER_MARK = "_"
"""Stands before a spelled letter in the model, to tell the letter A from the article; never in a
transcript.
"""

# How a letter is said, besides its name in the table: who reads "A" out of a sentence often says the article.
_MORE_LETTER_PHONES = {"a": ("AH",), "z": ("Z EH D",), "w": ("D AH B Y UW",)}

_CODE_LETTER_BOOST = 5.0
"""How much likelier than an average letter those are that begin the session's own examples of identifiers."""


class GeneralModel(Protocol):
    """What building needs of the general language model and its dictionary."""

    def unigrams(self) -> Mapping[str, float]:
        """Probabilities of the commonest words, commonest first."""

    def followers(self, words: Iterable[str]) -> Mapping[str, Mapping[str, float]]:
        """For each of `words` that is known, which of the others likely follow it."""

    def phones(self, word: str) -> str | None:
        """The dictionary's pronunciation."""


class SessionModel(msgspec.Struct, frozen=True):
    """An ARPA file, and the words that the dictionary does not have with their phones, one entry per
    way of saying them.
    """

    arpa: str
    words: list[tuple[str, str]]

    def packed(self) -> bytes:
        """For the way between processes."""
        return zlib.compress(msgspec.msgpack.encode(self), 1)

    @staticmethod
    def unpacked(packed: bytes) -> SessionModel:
        """Reverse of `packed`."""
        return msgspec.msgpack.decode(zlib.decompress(packed), type=SessionModel)


@dataclass(frozen=True, slots=True)
class Topic:
    """What a session is about, in a form that travels: see `call.ports.Hints`."""

    instructions: str
    tools: list[dict[str, Any]]
    keywords: list[str]


def build(topic: Topic, general: GeneralModel, smoothing: Smoothing | None = None) -> SessionModel:
    """Make the model of a session: 0.2 to 0.5 s of computing."""
    matter = matter_of(topic.instructions, topic.tools, topic.keywords)
    counts = Trigrams.of(phrases_of(matter, topic.instructions))
    members = _members(matter)
    own = [word for word in counts.words() if word not in members and word != "</s>"]
    unigrams = general.unigrams()
    background = Background(unigrams, general.followers(own))
    arpa = write_arpa(counts, background, members, smoothing or Smoothing())
    acronyms = _acronyms(topic)
    words = [
        (
            word,
            spell_out(word) if word in acronyms else pronounce(word, general.phones, unigrams.__contains__),
        )
        for word in own
        if general.phones(word) is None
    ]
    return SessionModel(arpa, words)


def letter_words() -> list[tuple[str, str]]:
    """The spelled letters with their phones, for every dictionary that reads session models."""
    names = [(LETTER_MARK + letter, phones) for letter, phones in LETTER_PHONES.items()]
    return names + [
        (LETTER_MARK + letter, more) for letter, ways in _MORE_LETTER_PHONES.items() for more in ways
    ]


def _members(matter: Matter) -> Members:
    firsts = [code[0].lower() for code in matter.examples if code[0].isalpha()]
    letters = dict.fromkeys(string.ascii_lowercase, 1.0)
    for first in firsts:
        letters[first] += _CODE_LETTER_BOOST / len(firsts)
    digits = {**dict.fromkeys(DIGIT_WORDS, 1.0), "oh": 0.6}
    return {
        LETTER: _shares({LETTER_MARK + letter: weight for letter, weight in letters.items()}),
        DIGIT: _shares(digits),
        TENS: _shares(dict.fromkeys((*TEEN_WORDS, *TENS_WORDS), 1.0)),
    }


def _shares(weights: Mapping[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    return {word: weight / total for word, weight in weights.items()}


def _acronyms(topic: Topic) -> set[str]:
    texts = [topic.instructions, *topic.keywords, *_strings(topic.tools)]
    return {word.lower() for text in texts for word in text.replace("/", " ").split() if is_acronym(word)}


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner: Callable[[Any], list[str]] = _strings
    if isinstance(value, dict):
        return [text for part in value.values() for text in inner(part)]
    return [text for part in value for text in inner(part)] if isinstance(value, list) else []
