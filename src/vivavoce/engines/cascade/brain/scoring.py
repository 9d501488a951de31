"""How well an utterance fits each tool.

The score is lexical: stems the utterance shares with a tool's vocabulary, weighted by how rare they are among the tools at
hand, plus agreement of the kind of action and of the kind of question, minus words nothing accounts for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from vivavoce.engines.cascade.brain.choices import Chosen, sounds_like
from vivavoce.engines.cascade.brain.dates import days_in
from vivavoce.engines.cascade.brain.english import (
    ACTIONS,
    ANNOUNCES,
    PHRASES,
    QUESTIONS,
    STOP,
    SYNONYMS,
    VALUE_WORDS,
    WRITES,
)
from vivavoce.engines.cascade.brain.ids import find_id
from vivavoce.engines.cascade.brain.numbers import DIGITS, TEENS, TENS
from vivavoce.engines.cascade.brain.tools import Slot, Tool, Toolbox, cues_of
from vivavoce.engines.cascade.brain.words import alike, distance, sound, stem, word_set, words_of_name

FIRES = 1.2
"""The score from which an utterance is taken as a wish for a tool."""

_ACRONYM = 1.3
_FUZZY = 0.7
_SPELLED = {
    "see": "c", "sea": "c", "are": "r", "our": "r", "or": "r", "em": "m", "him": "m", "bee": "b", "be": "b", "dee": "d",
    "eff": "f", "gee": "g", "jay": "j", "kay": "k", "el": "l", "en": "n", "pee": "p", "pea": "p", "queue": "q", "cue": "q",
    "ess": "s", "tea": "t", "tee": "t", "you": "u", "vee": "v", "ex": "x", "why": "y", "eye": "i", "hey": "a", "ay": "a",
    "oh": "o", "and": "n", "am": "m",
}  # fmt: skip
# A verb is a command only where commands stand: "order" asks for something in "please order", not in "my order".
_BEFORE_VERBS = word_set(
    "to please you i and then just can could will would let's lets not don't also now we go me never either do ok okay"
)
_FREE = ("name", "place", "text", "string")


@dataclass(frozen=True, slots=True)
class Fit:
    """How well an utterance fits a tool, and which word positions speak for it."""

    tool: Tool
    score: float
    explained: frozenset[int]


@dataclass(frozen=True, slots=True)
class _Heard:
    """What is worth knowing about an utterance once, for all tools."""

    words: list[str]
    content: list[tuple[int, str]]
    matches: dict[int, dict[str, float]]
    acronyms: dict[str, frozenset[int]]
    actions: frozenset[str]
    questions: frozenset[str]
    lookup: bool
    wants: bool


def content_words(words: list[str]) -> list[tuple[int, str]]:
    """(position, word) of the words that carry a topic; phrases such as "how much" count as one word at their first."""
    found, skip = [], -1
    for at, word in enumerate(words):
        if at <= skip:
            continue
        joined = PHRASES.get((word, words[at + 1])) if at + 1 < len(words) else None
        if joined:
            found.append((at, joined))
            skip = at + 1
        elif word not in STOP and not word.isdigit():
            found.append((at, word))
    return found


def fit_all(box: Toolbox, words: list[str]) -> list[Fit]:
    """Every tool's fit to an utterance, best first."""
    content = content_words(words)
    matches = {at: _vocabulary_matches(box, word) for at, word in content}
    for at, stems in _joined(box, words, matches).items():
        matches[at] = {**stems, **matches.get(at, {})}
    heard = _Heard(
        words,
        content,
        matches,
        _acronyms(box, words),
        _commands(words),
        _questions(words),
        _looks_up(words),
        _wants(words),
    )
    return sorted((_fit(box, tool, heard) for tool in box.tools), key=lambda fit: -fit.score)


def _commands(words: list[str]) -> frozenset[str]:
    """The kinds of action an utterance asks for: verbs in the places where commands stand, and question words."""
    found: set[str] = set()
    for at, word in enumerate(words):
        phrase = PHRASES.get((word, words[at + 1])) if at + 1 < len(words) else None
        key = stem(phrase or word)
        kinds = {kind for kind, verbs in ACTIONS.items() if key in verbs}
        if "read" in kinds and (at == 0 or word.startswith(("wh", "how"))):
            found.add("read")
        if at == 0 and _names_an_id(words):
            continue
        if at == 0 or words[at - 1] in _BEFORE_VERBS or words[at - 1].endswith("'d") or phrase:
            found |= kinds
    return frozenset(found)


def _names_an_id(words: list[str]) -> bool:
    """ "order a one ...", "order number ...": the first word is a thing with a number, not a command."""
    return len(words) > 1 and (words[1] in ("number", "id") or words[1].isdigit() or (
        len(words) > 2 and len(words[1]) == 1 and words[2] in VALUE_WORDS))  # fmt: skip


def _questions(words: list[str]) -> frozenset[str]:
    """Stems that a question word stands for: "where" asks for a place or a track."""
    asked: frozenset[str] = frozenset()
    for word in words[:6]:
        asked |= QUESTIONS.get(
            word.removesuffix("'s").removesuffix("s") if word != "is" else word, frozenset()
        )
    return asked


def _looks_up(words: list[str]) -> bool:
    """ "what do we know about ...", "look up ...", "anything on ...": a wish to read something about a name."""
    line = f" {' '.join(words)} "
    return any(f" {phrase} " in line for phrase in ("know about", "have on", "got on", "do you have", "have you got", "looking for", "search for", "look up", "pull up", "bring up",
                                                    "anything on", "anything about", "find out about", "looking up"))  # fmt: skip


_WANTS = re.compile(
    r"\b(?:i need|i'd like|i would like|i want|(?:can|could|may) (?:i|we) (?:get|have)|get me|we need) (?:a|an|some|another)\b"
)


def _wants(words: list[str]) -> bool:
    """ "I need a ...": a wish for a thing, which is a wish to have it made or ordered."""
    return _WANTS.search(" ".join(words)) is not None


def _vocabulary_matches(box: Toolbox, word: str) -> dict[str, float]:
    """Stems of the toolbox that a spoken word may stand for, each with its certainty."""
    key = stem(word)
    if key in box.rarity:
        return {key: 1.0, **{other: 0.5 for other in SYNONYMS.get(key, {}) if other in box.rarity}}
    found = {other: sure for other, sure in SYNONYMS.get(key, {}).items() if other in box.rarity}
    if found or len(key) < 4:
        return found
    for other in box.by_sound.get(sound(key), ()):
        if alike(key, other):
            found[other] = _FUZZY
    limit = 1 if len(key) < 8 else 2
    if len(key) >= 5:
        for other in box.by_letter.get(key[:1], ()):
            if len(other) >= 5 and distance(key, other, limit) <= limit:
                found[other] = _FUZZY
    return found


def _joined(
    box: Toolbox, words: list[str], known: dict[int, dict[str, float]]
) -> dict[int, dict[str, float]]:
    """Words a recogniser broke apart: two or three neighbours that together sound like one word of the tools."""
    found: dict[int, dict[str, float]] = {}
    for width in (2, 3):
        for at in range(len(words) - width + 1):
            if any(known.get(place) for place in range(at, at + width)):
                continue
            together = "".join(words[at : at + width])
            key = sound(together)
            if len(key) < 4:
                continue
            for other in box.by_sound.get(key, ()):
                if distance(together, other, 4) <= 4:
                    found[at] = {other: 0.9}
    return found


def _acronyms(box: Toolbox, words: list[str]) -> dict[str, frozenset[int]]:
    """Acronyms of the tools that were spelled out, in letters or in words that sound like letters."""
    letters: list[tuple[str, int]] = []
    for at, word in enumerate(words):
        short = len(word) == 1 or (len(word) <= 3 and not set(word) & set("aeiou"))
        letters += [(letter, at) for letter in (word if short else _SPELLED.get(word, "?"))]
    spelled = "".join(letter for letter, _ in letters)
    found = {}
    for acronym in {acronym for tool in box.tools for acronym in tool.acronyms}:
        place = spelled.find(acronym)
        if place >= 0:
            found[acronym] = frozenset(at for _, at in letters[place : place + len(acronym)])
    return found


def _fit(box: Toolbox, tool: Tool, heard: _Heard) -> Fit:
    best: dict[str, float] = {}
    explained: set[int] = set()
    exact = bool(heard.acronyms.keys() & tool.acronyms)
    for at, stems in heard.matches.items():
        worth = {
            one: sure * tool.vocabulary[one] * box.rarity[one]
            for one, sure in stems.items()
            if one in tool.vocabulary
        }
        if worth:
            top = max(worth, key=lambda one: worth[one])
            best[top] = max(best.get(top, 0.0), worth[top])
            exact = exact or stems[top] != _FUZZY
            explained.add(at)
    for acronym, places in heard.acronyms.items():
        if acronym in tool.acronyms:
            best[acronym] = _ACRONYM
            explained |= places
    if best and not exact:  # nothing but words that were perhaps misheard
        best = {one: 0.8 * worth for one, worth in best.items()}
    ranked = sorted((worth for worth in best.values() if worth), reverse=True)
    values = _value_words(tool, heard.words)
    bonus = _bonus(tool, heard, explained, bool(values))
    if (
        not ranked
        and not values
        and not heard.lookup
        and _chosen(tool, heard) is None
        and not _says_name(tool, heard.words)
    ):
        return Fit(tool, 0.0, frozenset(explained))
    score = sum(worth / (1 + 0.25 * place) for place, worth in enumerate(ranked[:6])) + bonus
    return Fit(tool, round(score - _strangers(tool, heard, explained | values), 4), frozenset(explained))


def _strangers(tool: Tool, heard: _Heard, explained: set[int]) -> float:
    """The price of content words that neither the tool nor a value accounts for."""
    end = len(heard.words)
    if any(slot.kind == "text" for slot in tool.slots):  # dictated words may be about anything
        end = next((at for at, word in enumerate(heard.words) if word in ANNOUNCES), end)
    unknown = [
        at
        for at, word in heard.content
        if at < end
        and at not in explained
        and word not in VALUE_WORDS
        and not any(stem(word) in verbs for verbs in ACTIONS.values())
    ]
    spare = 4 if any(slot.kind in _FREE or _has_names(slot) for slot in tool.slots) else 1
    return 0.3 * max(0, len(unknown) - spare)


def _has_names(slot: Slot) -> bool:
    return any(" " in str(choice) for choice in slot.choices)


def _bonus(tool: Tool, heard: _Heard, explained: set[int], valued: bool) -> float:
    """What speaks for a tool besides its words."""
    bonus = 0.0 if not valued else 1.3 if tool.action == "read" else 0.9
    bonus += _agreement(tool, heard.actions)
    if heard.wants and tool.action == "create" and "create" not in heard.actions:
        bonus += 0.5
    if heard.questions & tool.vocabulary.keys():
        bonus += 0.5
    if any(slot.kind in ("date", "datetime") for slot in tool.slots) and days_in(heard.words):
        bonus += 0.2
    if _named_value(tool, heard, explained):
        bonus += 0.5
    if _placed_value(tool, heard, explained):
        bonus += 0.4
    chosen = _chosen(tool, heard)
    if chosen is not None:
        bonus += 1.0
        explained |= set(range(chosen.start, chosen.end))
    if _numbered(tool, heard):
        bonus += 0.9
    if _says_name(tool, heard.words):
        bonus += 1.4 if not any(tool.vocabulary.get(stem(word)) for word in words_of_name(tool.name)) else 0.3
    needs = tool.needs
    if (
        heard.lookup
        and tool.action == "read"
        and len(needs) == 1
        and needs[0].kind in ("name", "text", "string")
    ):
        bonus += 1.2
    return bonus - 0.05 * len(needs)


def _agreement(tool: Tool, said: frozenset[str]) -> float:
    """Whether the kind of action that was said is the kind the tool does."""
    wished = said & WRITES
    if tool.action in wished:
        return 0.8
    if tool.action == "read" or tool.action is None:
        return -0.9 if wished else 0.3 if "read" in said else 0.0
    return -0.9 if wished or "read" in said else -0.1


def _named_value(tool: Tool, heard: _Heard, explained: set[int]) -> bool:
    """A slot said by its name with a strange word right after it: "doctor nguyen"."""
    strange = {at for at, word in heard.content if at not in explained and word not in VALUE_WORDS}
    return any(
        at + 1 in strange and stem(word) in slot.words
        for slot in tool.needs
        if slot.kind in ("name", "place", "string")
        for at, word in heard.content
    )


def _placed_value(tool: Tool, heard: _Heard, explained: set[int]) -> bool:
    """A strange word after the preposition of a place the tool needs: "to vienna"."""
    strange = {at for at, word in heard.content if at not in explained and word not in VALUE_WORDS}
    cues = frozenset[str]().union(*(cues_of(slot) for slot in tool.needs if slot.kind == "place"))
    return any(_before(heard.words, at) in cues for at in strange)


def _before(words: list[str], at: int) -> str:
    """The word before a position, articles passed over."""
    while at > 0 and words[at - 1] in ("the", "a", "an", "my"):
        at -= 1
    return words[at - 1] if at > 0 else ""


def _numbered(tool: Tool, heard: _Heard) -> bool:
    """A slot of plain numbers said by its name with a number after it: "ticket four seven one one"."""
    return any(
        stem(word) in slot.words and at + 1 < len(heard.words) and _counts(heard.words[at + 1 : at + 3])
        for slot in tool.needs
        if slot.kind == "integer_id" or (slot.kind == "id" and slot.shape is None)
        for at, word in enumerate(heard.words)
    )


def _counts(words: list[str]) -> bool:
    return any(word.isdigit() or word in DIGITS or word in TEENS or word in TENS for word in words)


def _says_name(tool: Tool, words: list[str]) -> bool:
    """Whether the tool's name is said, word for word, with at most one word in between: "check me in"."""
    name = words_of_name(tool.name)
    if len(name) < 2:
        return False
    for at, word in enumerate(words):
        if word != name[0]:
            continue
        place, gaps = at, 0
        for part in name[1:]:
            if part in words[place + 1 : place + 2]:
                place += 1
            elif part in words[place + 2 : place + 3]:
                place, gaps = place + 2, gaps + 1
            else:
                gaps = 9
                break
        if gaps <= 1:
            return True
    return False


def _chosen(tool: Tool, heard: _Heard) -> Chosen | None:
    """A choice of several words that was said by its sound alone; the words of plain choices are in the vocabulary."""
    for slot in tool.needs:
        if slot.kind == "enum" and any(" " in str(choice) for choice in slot.choices):
            found = sounds_like(tuple(str(choice) for choice in slot.choices), tuple(heard.words))
            if found is not None:
                return found
    return None


def _value_words(tool: Tool, words: list[str]) -> set[int]:
    """Word positions that are an id of the shape the tool needs."""
    for slot in tool.needs:
        if slot.kind == "id" and slot.shape is not None and slot.shape.mixed:
            found = find_id(words, slot.shape, floor=0.6)
            if found is not None:
                return set(range(found.start, found.end))
    return set()
