"""What a session sounds like:

its language model and the pronunciations it needs, ready to be loaded by any recogniser.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from vivavoce.engines.cascade.stt.language_model import Background, Smoothing, Trigrams, write_arpa
from vivavoce.engines.cascade.stt.matter import Matter, matter_of
from vivavoce.engines.cascade.stt.phrases import phrases_of
from vivavoce.engines.cascade.stt.pronunciation import pronounce, spell_out
from vivavoce.engines.cascade.stt.shapes import members
from vivavoce.engines.cascade.stt.spelling import (
    DIGIT,
    DIGIT_WORDS,
    TEEN_WORDS,
    TENS,
    TENS_WORDS,
    is_acronym,
)
from vivavoce.engines.cascade.stt.whereabouts import NAMES, SOMEWHERE

_CODE_LETTER_BOOST = 5.0
"""How much likelier than an average letter those are that begin the session's own examples of identifiers."""


class GeneralModel(Protocol):
    """What building needs of the general language model and its dictionary."""

    def unigrams(self) -> Mapping[str, float]:
        """Probabilities of the commonest words, commonest first."""

    def followers(self, words: Iterable[str]) -> Mapping[str, Mapping[str, float]]:
        """For each of `words` that is known, common words, and the class DIGIT:

        which of them likely follow.
        """

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
    classes = _members(matter)
    if matter.placed:
        # What the session's own texts name keeps its own place in the model.
        known = counts.words()
        classes[SOMEWHERE] = _even([name for name in NAMES if name not in known and general.phones(name)])
    own = [word for word in counts.words() if word not in classes and word != "</s>"]
    unigrams = general.unigrams()
    followers = dict(general.followers(own))
    for place in counts.words().intersection(classes) - {SOMEWHERE}:
        followers[place] = followers.get(DIGIT, {})
    arpa = write_arpa(counts, Background(unigrams, followers), classes, smoothing or Smoothing())
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


def _members(matter: Matter) -> dict[str, Mapping[str, float]]:
    return {
        DIGIT: _even((*DIGIT_WORDS, "oh")),
        TENS: _even((*TEEN_WORDS, *TENS_WORDS)),
        **members(matter.examples, _CODE_LETTER_BOOST),
    }


def _even(words: Sequence[str]) -> dict[str, float]:
    return {word: 1 / len(words) for word in words}


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
