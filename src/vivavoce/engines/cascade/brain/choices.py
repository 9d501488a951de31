"""Which of a schema's choices was said: by its words, by words like them, letter by letter, or by sound as a whole phrase."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from vivavoce.engines.cascade.brain.english import NEGATIONS, SYNONYMS
from vivavoce.engines.cascade.brain.words import alike, distance, sound, stem, words_of_name

LIKELY = 0.58
"""How alike a stretch of speech and a choice of several words must sound, 0..1, to be taken for it."""

_MARGIN = 0.06
_WORTH_A_LOOK = 0.4


@dataclass(frozen=True, slots=True)
class Chosen:
    """Choice number `place` at words[start:end]; `sure` 0..1, 1 when it was said word for word."""

    place: int
    start: int
    end: int
    sure: float


def said(
    choices: tuple[str, ...], words: tuple[str, ...], taken: frozenset[int] = frozenset()
) -> Chosen | None:
    """The choice that was said; of several the surest, then the one with most words, then the first said."""
    found = [one for place, choice in enumerate(choices) if (one := _worded(choice, place, words, taken))]
    if not found:
        return sounds_like(choices, words, taken)
    return min(found, key=lambda one: (-one.sure, one.start - one.end, one.start, one.place))


def _worded(choice: str, place: int, words: tuple[str, ...], taken: frozenset[int]) -> Chosen | None:
    """A choice by its single words."""
    spelled = _spelled(choice, words)
    if spelled is not None:
        return Chosen(place, spelled, spelled + len(choice), 1.0)
    stems = [stem(part) for part in words_of_name(choice) or [choice.lower()]]
    width = len(stems)
    for sure, same in ((1.0, _same), (0.7, alike), (0.6, _synonym)):
        for at in range(len(words) - width + 1):
            if taken & set(range(at, at + width)) or (at > 0 and words[at - 1] in NEGATIONS):
                continue
            if all(same(stem(word), one) for word, one in zip(words[at : at + width], stems, strict=True)):
                return Chosen(place, at, at + width, sure)
    return None


def _spelled(choice: str, words: tuple[str, ...]) -> int | None:
    letters = tuple(choice.lower())
    if len(letters) < 2 or not choice.isalpha():
        return None
    return next(
        (at for at in range(len(words) - len(letters) + 1) if words[at : at + len(letters)] == letters), None
    )


def _same(one: str, other: str) -> bool:
    return one == other


def _synonym(one: str, other: str) -> bool:
    return other in SYNONYMS.get(one, {})


@lru_cache(maxsize=256)
def sounds_like(
    choices: tuple[str, ...], words: tuple[str, ...], taken: frozenset[int] = frozenset()
) -> Chosen | None:
    """The choice of two words or more that some stretch of speech sounds like, clearly more than any other choice."""
    best: list[Chosen] = []
    for place, choice in enumerate(choices):
        plain = " ".join(words_of_name(choice))
        width = plain.count(" ") + 1
        if width < 2 or len(plain) < 8:
            continue
        found = _closest(plain, place, width, words, taken)
        if found is not None:
            best.append(found)
    best.sort(key=lambda one: -one.sure)
    if not best or best[0].sure < LIKELY or (len(best) > 1 and best[0].sure - best[1].sure < _MARGIN):
        return None
    return best[0]


def _closest(
    plain: str, place: int, width: int, words: tuple[str, ...], taken: frozenset[int]
) -> Chosen | None:
    flat = plain.replace(" ", "")
    key = sound(flat)
    best: Chosen | None = None
    for size in range(max(1, width - 1), width + 4):
        for at in range(len(words) - size + 1):
            if taken & set(range(at, at + size)):
                continue
            together = "".join(words[at : at + size])
            if len(together) < (0.7 if width == 2 else 0.6) * len(flat):
                continue  # too little of it was said
            heard = sound(together)
            longest = max(len(key), len(heard), 1)
            by_sound = 1 - distance(key, heard, longest) / longest
            if by_sound < _WORTH_A_LOOK:
                continue
            widest = max(len(flat), len(together))
            sure = 0.6 * by_sound + 0.4 * (1 - distance(flat, together, widest) / widest)
            if best is None or sure > best.sure + 1e-9:
                best = Chosen(place, at, at + size, min(sure, 0.95))
    return best
