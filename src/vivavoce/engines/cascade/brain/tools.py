"""Tools as the brain sees them: slots to fill, and the words that speak for each tool.

A tool's vocabulary comes from its own name, description and parameters; a word weighs more the fewer of the tools at hand
have it.
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
    STOP,
    SYNONYMS,
    actions_of,
)
from vivavoce.engines.cascade.brain.ids import Shape, ids_in_text, shape_of
from vivavoce.engines.cascade.brain.schema import Schema, resolve
from vivavoce.engines.cascade.brain.words import (
    sound,
    stem,
    tokenize,
    word_set,
    words_of_name,
)

_NAME, _DESCRIPTION, _PARAMETER, _CHOICE, _PARAMETER_TEXT = 2.0, 1.0, 1.0, 1.4, 0.6
_GENERIC_VERB, _SPECIFIC_VERB = 0.0, 0.5
_ID_WORDS = word_set("id number no code reference ref sku pnr serial confirmation")


_SOMEBODY = re.compile(
    r"\b(?:call|caller|user|customer|agent|human|team|department|representative|specialist|operator)\b"
)


@dataclass(frozen=True, eq=False)
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


@dataclass(frozen=True, eq=False)
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
    def hands_over(self) -> bool:
        """Whether calling it passes the caller on to somebody else. Moving money is a transfer too, but not such a one."""
        said = f"{self.description} {' '.join(words_of_name(self.name))}".lower()
        return self.action == "transfer" and (not self.needs or _SOMEBODY.search(said) is not None)

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

    @classmethod
    def of(cls, tool: Tool) -> Toolbox:
        """A box with one tool in it, to ask which words speak for that tool."""
        return _box((tool,))

    def named(self, name: str) -> Tool | None:
        return next((tool for tool in self.tools if tool.name == name), None)


def toolbox(tools: tuple[dict[str, Any], ...], instructions: str) -> Toolbox:
    """Compile the tools of a prompt; the same tools are compiled once."""
    return _compiled(msgspec.json.encode(tools), tuple(ids_in_text(instructions)))


@lru_cache(maxsize=64)
def _compiled(encoded: bytes, known_ids: tuple[str, ...]) -> Toolbox:
    tools = tuple(_tool(entry.get("function", entry), known_ids) for entry in msgspec.json.decode(encoded))
    return _box(tools)


@lru_cache(maxsize=256)
def _box(tools: tuple[Tool, ...]) -> Toolbox:
    counts: dict[str, int] = {}
    for tool in tools:
        for word in tool.vocabulary:
            counts[word] = counts.get(word, 0) + 1
    most = math.log(len(tools) + 1) or 1.0
    rarity = {word: 0.5 + 0.5 * math.log((len(tools) + 1) / count) / most for word, count in counts.items()}
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
    short = [
        str(choice)
        for slot in slots
        for choice in slot.choices
        if re.fullmatch(r"(?i)[^aeiou\W\d]{2,5}", str(choice))
    ]
    acronyms = frozenset(short) | frozenset(
        found.lower() for found in re.findall(r"\b[A-Z]{2,5}\b", f"{description} {name}")
    )
    return Tool(
        name, description, root or {}, slots, vocabulary, _action(words, description), acronyms, _noun(words)
    )


def _add(vocabulary: dict[str, float], words: list[str], weight: float) -> None:
    verb = _verb_at(words) if weight == _NAME else -1
    for at, word in enumerate(words):
        key = stem(word)
        if word in API_WORDS or word in STOP or len(key) < 2 or word.isdigit():
            continue
        worth = weight
        if key in ACTIONS["read"]:
            worth = _GENERIC_VERB if key not in SYNONYMS else 0.3
        elif at == verb:
            worth = _SPECIFIC_VERB
        vocabulary[key] = max(vocabulary.get(key, 0.0), worth)


_TRAILING_VERBS = word_set("lookup search check query fetch update find get list")


def _verb_at(words: list[str]) -> int:
    """Where the verb of a tool's name stands: first as in find_order, or last as in order_lookup; -1 when there is none."""
    if len(words) > 1 and words[-1] in _TRAILING_VERBS:
        return len(words) - 1
    return next((at for at in (0, 1) if at < len(words) and actions_of(words[at : at + 1])), -1)


def _action(words: list[str], description: str) -> str | None:
    verb = _verb_at(words)
    opening = [token.text for token in tokenize(description)][:1]
    for candidates in (words[verb : verb + 1] if verb >= 0 else [], opening):
        kinds = actions_of(candidates)
        for kind in ("transfer", "cancel", "change", "create", "send", "read"):
            if kind in kinds:
                return kind
    return None


def _noun(words: list[str]) -> str:
    """What a tool is about, out of its name: find_order -> order, get_next_meeting -> next meeting."""
    verb = _verb_at(words)
    rest = [
        word
        for at, word in enumerate(words)
        if at != verb and (word not in API_WORDS or at > max(verb, 0) + 1)
    ]
    while len(rest) > 1 and rest[0] in ("up", "to", "for", "by", "on", "off", "of", "get", "current", "the"):
        rest = rest[1:]
    return " ".join(rest) if any(word not in STOP for word in rest) else " ".join(words)


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
    ("place", "city location place destination origin address country town airport region station harbour port state from to"),
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
    if kind == "integer" and re.search(r"\bnumber\b(?! of)", text.lower()) and len(words) == 1:
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
    if re.match(r"(?:the )?(?:day|date)\b", text.lower()):
        return "date"
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
    if ids_in_text(text) or re.search(r"\b(?:number|code|reference|id)\b", text.lower()):
        return "id"
    return "string"


_VAGUE = word_set("from to id when where who what key value")


def _label(words: list[str], text: str, kind: str) -> str:
    """How a slot is asked for: the description's own noun phrase when it is a short one, else its name in words."""
    phrase = _noun_phrase(text)
    plain = [token.text for token in tokenize(phrase)]
    said = set(map(stem, plain)) & set(map(stem, words))
    if 1 < len(plain) <= 4 and plain[0] not in ("whether", "if", "which") and (said or set(words) <= _VAGUE):
        label = " ".join(plain)
    else:
        label = " ".join(words)
    label = re.sub(r"\bids?$|\bno$", "number", label)
    return {"id": "number", "from": "starting point", "to": "destination"}.get(label, label)


def _noun_phrase(text: str) -> str:
    """The first noun phrase of a description, without its article: "City of departure", "order number"."""
    text = re.sub(r"^(?:for )?how (?:many|much|long) ", "", text, flags=re.I)
    phrase = re.split(r"[,.;:(]| e\.g| such as | like | for | to | in | that | whose ", text, maxsplit=1)[
        0
    ].strip()
    article = r"^(?:the|a|an|your|their|user's|caller's|customer's|optional)\s+"
    phrase = re.sub(article, "", re.sub(article, "", phrase, flags=re.I), flags=re.I)
    head, _, rest = phrase.partition(" of ")
    return phrase if len(head.split()) == 1 and len(rest.split()) == 1 else head


# --- prepositions -----------------------------------------------------------------------------------------------------------

_CUES = {
    "place": word_set("in at to from for near around of"),
    "name": word_set("for with named called about of to from by is on at"),
    "string": word_set("for about called named with to on in of is as"),
}
_FROM = word_set("from origin departure source start sender")
_TO = word_set("to destination arrival recipient target")


def cues_of(slot: Slot) -> frozenset[str]:
    """Prepositions that introduce a value; origin and destination each have their own."""
    named = frozenset(slot.name.lower().replace("_", " ").split())
    if named & _FROM:
        return frozenset({"from"})
    if named & _TO and slot.kind in ("place", "name"):
        return frozenset({"to"})
    return _CUES.get(slot.kind, _CUES["string"])
