"""Tools as the brain sees them: slots to fill, words that speak for them, and how well an utterance fits each.

The score is lexical: stems the utterance shares with a tool's name, description and parameters, weighted by how rare they
are among the tools at hand, plus agreement of the kind of action, minus words nothing accounts for.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import msgspec

from vivavoce.engines.cascade.brain.english import (
    ACTIONS,
    API_WORDS,
    PHRASES,
    STOP,
    SYNONYMS,
    WRITES,
    actions_of,
)
from vivavoce.engines.cascade.brain.ids import Shape, find_id, ids_in_text, shape_of
from vivavoce.engines.cascade.brain.schema import Schema, resolve
from vivavoce.engines.cascade.brain.words import (
    alike,
    distance,
    sound,
    stem,
    tokenize,
    word_set,
    words_of_name,
)

FIRES = 1.2
"""The score from which an utterance is taken as a wish for a tool."""

_NAME, _DESCRIPTION, _PARAMETER, _CHOICE, _PARAMETER_TEXT = 2.0, 1.0, 1.0, 1.4, 0.6
_GENERIC_VERB, _SPECIFIC_VERB = 0.0, 0.5
_SPELLED = {
    "see": "c", "sea": "c", "are": "r", "our": "r", "or": "r", "em": "m", "him": "m", "bee": "b", "be": "b", "dee": "d",
    "eff": "f", "gee": "g", "jay": "j", "kay": "k", "el": "l", "en": "n", "pee": "p", "pea": "p", "queue": "q", "cue": "q",
    "ess": "s", "tea": "t", "tee": "t", "you": "u", "vee": "v", "ex": "x", "why": "y", "eye": "i", "hey": "a", "ay": "a",
    "oh": "o", "and": "n", "am": "m",
}  # fmt: skip
_ID_WORDS = word_set("id number no code reference ref sku pnr serial confirmation")


@dataclass(frozen=True)
class Slot:
    """One argument: where it goes (`path` into nested objects), what it takes, and how it is called in speech."""

    path: tuple[str, ...]
    schema: Schema
    required: bool
    kind: str
    shape: Shape | None
    words: frozenset[str]
    label: str

    @property
    def name(self) -> str:
        return self.path[-1]

    @property
    def choices(self) -> list[Any]:
        """The values an enum allows, of the items for an array."""
        inner = self.schema.get("items") or {} if self.kind == "array" else self.schema
        return [value for value in inner.get("enum") or () if value is not None]


@dataclass(frozen=True)
class Tool:
    """A function tool, compiled."""

    name: str
    description: str
    parameters: Schema
    slots: tuple[Slot, ...]
    vocabulary: dict[str, float]
    action: str | None
    acronyms: frozenset[str]
    noun: str

    @property
    def needs(self) -> tuple[Slot, ...]:
        """The slots a call cannot do without."""
        return tuple(slot for slot in self.slots if slot.required)


@dataclass(frozen=True)
class Toolbox:
    """The tools of one prompt and how rare their words are."""

    tools: tuple[Tool, ...]
    rarity: dict[str, float]
    by_sound: dict[str, frozenset[str]] = field(default_factory=dict)
    by_letter: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def named(self, name: str) -> Tool | None:
        return next((tool for tool in self.tools if tool.name == name), None)


@dataclass(frozen=True, slots=True)
class Fit:
    """How well an utterance fits a tool, and which word positions speak for it."""

    tool: Tool
    score: float
    explained: frozenset[int]


def toolbox(tools: tuple[dict[str, Any], ...], instructions: str) -> Toolbox:
    """Compile the tools of a prompt; the same tools are compiled once."""
    return _compiled(msgspec.json.encode(tools), tuple(ids_in_text(instructions)))


@lru_cache(maxsize=64)
def _compiled(encoded: bytes, known_ids: tuple[str, ...]) -> Toolbox:
    tools = tuple(_tool(entry.get("function", entry), known_ids) for entry in msgspec.json.decode(encoded))
    counts: dict[str, int] = {}
    for tool in tools:
        for word in tool.vocabulary:
            counts[word] = counts.get(word, 0) + 1
    most = math.log(len(tools) + 1) or 1.0
    rarity = {word: 0.35 + 0.65 * math.log((len(tools) + 1) / count) / most for word, count in counts.items()}
    by_sound: dict[str, set[str]] = {}
    by_letter: dict[str, list[str]] = {}
    for word in counts:
        by_sound.setdefault(sound(word), set()).add(word)
        by_letter.setdefault(word[:1], []).append(word)
    return Toolbox(
        tools,
        rarity,
        {key: frozenset(group) for key, group in by_sound.items()},
        {key: tuple(group) for key, group in by_letter.items()},
    )


def _tool(function: dict[str, Any], known_ids: tuple[str, ...]) -> Tool:
    name = str(function.get("name", ""))
    description = str(function.get("description") or "")
    root = function.get("parameters") if isinstance(function.get("parameters"), dict) else {}
    slots = tuple(_slots(root or {}, root or {}, (), description, known_ids))
    words = words_of_name(name)
    vocabulary: dict[str, float] = {}
    _add(vocabulary, words, _NAME)
    _add(vocabulary, [token.text for token in tokenize(description)], _DESCRIPTION)
    for slot in slots:
        _add(vocabulary, words_of_name(slot.name), _PARAMETER)
        _add(
            vocabulary,
            [token.text for token in tokenize(str(slot.schema.get("description") or ""))],
            _PARAMETER_TEXT,
        )
        for choice in slot.choices:
            _add(vocabulary, words_of_name(str(choice)), _CHOICE)
    acronyms = frozenset(found.lower() for found in re.findall(r"\b[A-Z]{2,5}\b", f"{description} {name}"))
    return Tool(
        name, description, root or {}, slots, vocabulary, _action(words, description), acronyms, _noun(words)
    )


def _add(vocabulary: dict[str, float], words: list[str], weight: float) -> None:
    for word in words:
        key = stem(word)
        if word in API_WORDS or word in STOP or len(key) < 2 or word.isdigit():
            continue
        worth = weight
        if key in ACTIONS["read"]:
            worth = _GENERIC_VERB if key not in SYNONYMS else 0.3
        elif any(key in verbs for verbs in ACTIONS.values()) and weight == _NAME and word == words[0]:
            worth = _SPECIFIC_VERB
        vocabulary[key] = max(vocabulary.get(key, 0.0), worth)


def _action(words: list[str], description: str) -> str | None:
    opening = [token.text for token in tokenize(description)][:1]
    for candidates in (words[:1], opening, words[1:2]):
        kinds = actions_of(candidates)
        for kind in ("transfer", "cancel", "change", "create", "send", "read"):
            if kind in kinds:
                return kind
    return None


def _noun(words: list[str]) -> str:
    rest = [word for word in words if word not in API_WORDS]
    while len(rest) > 1 and actions_of(rest[:1]):
        rest = rest[1:]
    return " ".join(
        word for word in rest if word not in ("up", "to", "for", "by", "on", "off", "of")
    ) or " ".join(words)


# --- slots --------------------------------------------------------------------------------------------------------------


def _slots(
    schema: Schema, root: Schema, path: tuple[str, ...], about: str, known: tuple[str, ...]
) -> list[Slot]:
    found: list[Slot] = []
    required = set(schema.get("required") or ())
    for name, raw in (schema.get("properties") or {}).items():
        part = resolve(raw, root)
        place = (*path, str(name))
        if part.get("type") == "object" and part.get("properties") and len(place) < 4:
            found += _slots(part, root, place, about, known)
            continue
        if part.get("type") == "array":
            part = {**part, "items": resolve(part.get("items") or {}, root)}
        needed = name in required and not part.get("nullable") and "default" not in part
        found.append(_slot(place, part, needed, about, known))
    return found


def _slot(path: tuple[str, ...], schema: Schema, required: bool, about: str, known: tuple[str, ...]) -> Slot:
    words = words_of_name(path[-1])
    text = str(schema.get("description") or "")
    kind = slot_kind(schema, words, text, about)
    shape = _slot_shape(schema, text, about, known) if kind == "id" else None
    spoken = frozenset(stem(word) for word in words if word not in ("id", "number", "is", "has"))
    return Slot(path, schema, required, kind, shape, spoken, _label(words, text, kind))


def _slot_shape(schema: Schema, text: str, about: str, known: tuple[str, ...]) -> Shape | None:
    inner = schema.get("items") or schema
    given = [str(one) for one in inner.get("examples") or () if isinstance(one, str | int)]
    given += ids_in_text(text) or ids_in_text(about)
    pattern = inner.get("pattern") if isinstance(inner.get("pattern"), str) else None
    if pattern or given:
        return shape_of(pattern, tuple(given) or known)
    return shape_of(None, known)


_TYPES_WITHOUT_WORDS = {"boolean": "boolean", "integer": "integer", "number": "number", "array": "array"}
_KIND_WORDS = (
    ("email", "email mail"),
    ("time", "time hour clock"),
    ("date", "date day checkin checkout deadline birthday dob when"),
    ("place", "city location place destination origin address country town airport region station state from to"),
    ("name", "name person customer client company contact guest attendee attendees recipient organization organisation "
             "doctor artist business patient firm party assignee owner"),
    ("text", "message note notes text body query question reason comment comments subject content description summary "
             "details prompt topic symptoms feedback title keyword keywords search"),
)  # fmt: skip


def slot_kind(schema: Schema, words: list[str], text: str, about: str) -> str:
    """What kind of value a slot takes, from its type, format, name and description."""
    if schema.get("enum"):
        return "enum"
    kind = schema.get("type", "string")
    if kind == "integer" and words[-1:] and words[-1] in _ID_WORDS and words != ["number"]:
        return "integer_id"
    if kind in _TYPES_WITHOUT_WORDS:
        return _TYPES_WITHOUT_WORDS[kind]
    if kind != "string":
        return "object"
    form, lowered = schema.get("format"), text.lower()
    if form in ("date", "time", "email"):
        return str(form)
    if form == "date-time" or re.search(r"iso[- ]?8601|date and time|date-time", lowered):
        return "datetime"
    if re.search(r"yyyy-mm-dd", lowered):
        return "date"
    if re.search(r"\bhh:mm", lowered):
        return "time"
    return _string_kind(schema, words, text)


def _string_kind(schema: Schema, words: list[str], text: str) -> str:
    if "phone" in words or "telephone" in words:
        return "phone"
    named = set(words)
    examples = [str(one) for one in schema.get("examples") or ()]
    if isinstance(schema.get("pattern"), str) and re.search(r"\\d|0-9", schema["pattern"]):
        return "id"
    if examples and all(any(mark.isdigit() for mark in one) and " " not in one for one in examples):
        return "id"
    if named & _ID_WORDS and not named & {"name"}:
        return "id"
    for kind, listed in _KIND_WORDS:
        if named & set(listed.split()):
            return kind
    return "id" if ids_in_text(text) else "string"


def _label(words: list[str], text: str, kind: str) -> str:
    """How a slot is asked for: the description's own noun phrase when it is a short one, else its name in words."""
    phrase = re.split(
        r"[,.;:(]| e\.g| such as | like | for example | to | of | for | in | that | whose ", text, maxsplit=1
    )[0]
    phrase = re.sub(
        r"^(?:the|a|an|your|their|user's|caller's|customer's|optional)\s+", "", phrase.strip(), flags=re.I
    )
    plain = [token.text for token in tokenize(phrase)]
    if 1 < len(plain) <= 4 and not actions_of(plain[:1]) and set(map(stem, plain)) & set(map(stem, words)):
        label = " ".join(plain)
    else:
        label = " ".join(words)
    label = re.sub(r"\bids?$|\bno$", "number", label)
    return {"number": "number", "id": "number", "from": "starting point", "to": "destination"}.get(
        label, label
    )


# --- fitting an utterance to tools -----------------------------------------------------------------------------------------


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
    seen = content_words(words)
    acronyms = _acronyms(box, words)
    matches = {at: _vocabulary_matches(box, word) for at, word in seen}
    for at, stems in _joined(box, words, matches).items():
        matches[at] = {**stems, **matches.get(at, {})}
    said = actions_of([word for _, word in seen] + [word for word in words if word in ("what's", "where's")])
    fits = [_fit(box, tool, words, seen, matches, said, acronyms) for tool in box.tools]
    return sorted(fits, key=lambda fit: -fit.score)


def _vocabulary_matches(box: Toolbox, word: str) -> dict[str, float]:
    """Stems of the toolbox that a spoken word may stand for, each with its certainty."""
    key = stem(word)
    if key in box.rarity:
        return {key: 1.0, **{other: 0.5 for other in SYNONYMS.get(key, ()) if other in box.rarity}}
    found = {other: 0.75 for other in SYNONYMS.get(key, ()) if other in box.rarity}
    if found or len(key) < 4:
        return found
    for other in box.by_sound.get(sound(key), ()):
        if alike(key, other):
            found[other] = 0.7
    limit = 1 if len(key) < 8 else 2
    if len(key) >= 5:
        for other in box.by_letter.get(key[:1], ()):
            if len(other) >= 5 and distance(key, other, limit) <= limit:
                found[other] = 0.7
    return found


def _joined(
    box: Toolbox, words: list[str], known: dict[int, dict[str, float]]
) -> dict[int, dict[str, float]]:
    """Words a recogniser broke apart: two or three neighbours that together sound like one rare word of the tools."""
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
                    found[at] = {other: 0.6}
    return found


def _acronyms(box: Toolbox, words: list[str]) -> dict[str, int]:
    """Acronyms of the tools that were spelled out, in letters or in words that sound like letters."""
    letters = [word if len(word) == 1 else _SPELLED.get(word, "?") for word in words]
    spelled = "".join(letters)
    found = {}
    for acronym in {acronym for tool in box.tools for acronym in tool.acronyms}:
        place = spelled.find(acronym)
        if place >= 0:
            found[acronym] = place
    return found


def _fit(
    box: Toolbox,
    tool: Tool,
    words: list[str],
    seen: list[tuple[int, str]],
    matches: dict[int, dict[str, float]],
    said: frozenset[str],
    acronyms: dict[str, int],
) -> Fit:
    best: dict[str, float] = {}
    explained: set[int] = set()
    for at, stems in matches.items():
        worth = {
            one: certainty * tool.vocabulary.get(one, 0) * box.rarity[one] for one, certainty in stems.items()
        }
        top = max(worth, key=lambda one: worth[one], default="")
        if top and worth[top] > 0:
            best[top] = max(best.get(top, 0.0), worth[top])
        if top and (worth[top] > 0 or top in tool.vocabulary):
            explained.add(at)
    for acronym, at in acronyms.items():
        if acronym in tool.acronyms:
            best[acronym] = _DESCRIPTION + 0.3
            explained |= set(range(at, at + len(acronym)))
    ranked = sorted(best.values(), reverse=True)
    score = sum(worth / (1 + 0.25 * place) for place, worth in enumerate(ranked[:6]))
    valued, bonus = _values(tool, words)
    score += bonus + _agreement(tool, said) if ranked or bonus else 0.0
    strangers = [
        at for at, word in seen if at not in explained and at not in valued and not actions_of([word])
    ]
    spare = 4 if any(slot.kind in ("name", "place", "text", "string") for slot in tool.slots) else 1
    score -= 0.3 * max(0, len(strangers) - spare)
    return Fit(tool, round(score, 4), frozenset(explained))


def _agreement(tool: Tool, said: frozenset[str]) -> float:
    """Whether the kind of action that was said is the kind the tool does."""
    wished = said & WRITES
    if tool.action in wished:
        return 0.8
    if tool.action == "read" or tool.action is None:
        return -0.9 if wished and "read" not in said else 0.0
    return -0.9 if wished or "read" in said else -0.2


def _values(tool: Tool, words: list[str]) -> tuple[set[int], float]:
    """Word positions that are an id of the tool's own shape, and what finding one is worth."""
    for slot in tool.needs:
        if slot.kind == "id" and slot.shape is not None:
            heard = find_id(words, slot.shape, floor=0.6)
            if heard is not None:
                return set(range(heard.start, heard.end)), 0.9
    return set(), 0.0
