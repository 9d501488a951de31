"""What a session is about, taken out of its tools and instructions: nouns, actions, names and identifiers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vivavoce.engines.cascade.stt.shapes import kinds_of_description, kinds_of_pattern
from vivavoce.engines.cascade.stt.spelling import codes, identifier_words, sentences, spoken
from vivavoce.engines.cascade.stt.whereabouts import asks_where

_VERB_WORDS = """
    get find look lookup search list fetch read check create add update set cancel delete remove send book
    schedule make
    show query call run start stop transfer hand route open close track retrieve return give tell ask change
    move save put
    log record report submit request resolve confirm verify order buy pay place notify describe load pull see
    view use
"""
_SMALL_WORDS = """
    a an the of for to in on by with and or from is are be as at it its this that these those if when up down
    out off like
    such e g eg example not all any
"""
_VERBS = frozenset(_VERB_WORDS.split())
_SMALL = frozenset(_SMALL_WORDS.split())

_ID_NAME = re.compile(r"(^|_|-|[a-z])(id|ids|Id|ID|number|no|num|code|ref|reference|sku|key|pin|serial)$")
_ID_WORDS = frozenset(("id", "ids", "number", "no", "num", "code", "reference", "ref"))
_NAME = re.compile(r"(?<![.!?:\n\"“] )(?<![\w'’])(?!^)(?:[A-Z][\w'’&]*)(?: (?:[A-Z][\w'’&]*|\d+))*", re.M)

Noun = tuple[str, ...]


@dataclass(slots=True)
class Matter:
    """What a session's tools and instructions are made of.

    nouns: what things are called, with weights. actions: what tools do. names: companies, people, values of
    an enumeration.
    coded: nouns that have identifiers, with the kinds of these (`shapes`) as far as they are declared.
    counted: nouns that have numbers. examples: identifiers that stand in the texts. placed: what is asked for about a place.
    """

    nouns: dict[Noun, float] = field(default_factory=dict)
    actions: list[Noun] = field(default_factory=list)
    names: list[Noun] = field(default_factory=list)
    coded: dict[Noun, list[str]] = field(default_factory=dict)
    counted: list[Noun] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)
    placed: list[Noun] = field(default_factory=list)

    def add_noun(self, words: Sequence[str], weight: float) -> None:
        """Remember what something is called, unless it is small words only."""
        noun = tuple(words)
        if noun and not all(word in _SMALL for word in noun):
            self.nouns[noun] = max(weight, self.nouns.get(noun, 0.0))

    def add_name(self, text: str) -> None:
        """Remember a name as it is said."""
        name = tuple(spoken(text))
        if name and name not in self.names:
            self.names.append(name)


def matter_of(instructions: str, tools: Iterable[Mapping[str, Any]], keywords: Iterable[str]) -> Matter:
    """Take a session apart. `tools` are function tools of the API: flat, or with a `function` inside."""
    matter = Matter(examples=codes(instructions))
    for tool in tools:
        _take_tool(matter, tool.get("function", tool))
    for name in (*keywords, *proper_names(instructions)):
        matter.add_name(name)
    return matter


def _take_tool(matter: Matter, tool: Mapping[str, Any]) -> None:
    words = identifier_words(str(tool.get("name", "")))
    noun = words[1:] if len(words) > 1 and words[0] in _VERBS else words
    for start in range(len(noun)):
        matter.add_noun(noun[start:], 2.0 if start == 0 else 1.0)
    matter.add_noun(noun[:-1], 1.5)
    if len(noun) > 1:  # "order status" is also the "status of an order"
        for determiner in (("my",), ("an",), ("the",), ()):
            matter.add_noun((noun[-1], "of", *determiner, *noun[:-1]), 0.7)
    if words:
        matter.actions.append(tuple(words))
    _take_description(matter, str(tool.get("description") or ""))
    parameters = tool.get("parameters") or {}
    properties = parameters.get("properties") if isinstance(parameters, Mapping) else None
    for name, schema in (properties or {}).items():
        _take_parameter(matter, str(name), schema if isinstance(schema, Mapping) else {}, noun)


def _take_description(matter: Matter, description: str) -> None:
    matter.examples += codes(description)
    for sentence in sentences(description):
        # "Looks up ..." is said as "look up ..." by who asks for it.
        first = sentence[0].removesuffix("s")
        action = (first if first in _VERBS else sentence[0], *sentence[1:])
        matter.actions.append(action)
        for noun in _runs(action):
            matter.add_noun(noun, 1.0)
    for name in proper_names(description):
        matter.add_name(name)


def _runs(words: Sequence[str]) -> Iterator[list[str]]:
    """Stretches of content words, the likely nouns of a description: "shipping status", "order"."""
    run: list[str] = []
    start = 1 if words and words[0] in _VERBS else 0
    for word in (*words[start:], "of"):
        if word in _SMALL or word.startswith("<"):
            if 0 < len(run) <= 4:
                yield run
            run = []
        else:
            run.append(word)


def _take_parameter(matter: Matter, name: str, schema: Mapping[str, Any], noun: Sequence[str]) -> None:
    words = identifier_words(name)
    description = str(schema.get("description") or "")
    values = _values(schema)
    spelled = [code for text in (description, *values) for code in codes(text)]
    matter.examples += spelled
    for value in values:
        if not codes(value):
            matter.add_name(value)
    about = words[:-1] if len(words) > 1 and words[-1] in _ID_WORDS else words
    thing = tuple(noun[:1]) if about == ["id"] else tuple(about)
    declared = kinds_of_pattern(str(schema.get("pattern") or "")) or [kinds_of_description(description)]
    kinds = [kind for kind in declared if kind]
    if schema.get("type") in ("integer", "number"):
        matter.counted.append(thing)
    elif asks_where(name) and not (values or spelled):
        matter.placed.append(tuple(noun))
    elif spelled or kinds or (schema.get("type") in ("string", None) and _ID_NAME.search(name)):
        matter.coded.setdefault(thing, []).extend(kinds)
    for called in (words, about):
        matter.add_noun(called, 0.7)
    for sentence in sentences(description):
        for run in _runs(sentence):
            matter.add_noun(run, 0.5)


def _values(schema: Mapping[str, Any]) -> list[str]:
    """What a parameter may be, as far as its schema says."""
    listed = [value for key in ("examples", "enum") for value in schema.get(key) or ()]
    alone = [schema.get(key) for key in ("example", "default", "const")]
    return [value for value in (*listed, *alone) if isinstance(value, str)]


def proper_names(text: str) -> list[str]:
    """Companies, products, people, acronyms: capitalised words that do not merely begin a sentence."""
    names = (match.group() for match in _NAME.finditer(text))
    wanted = (name for name in names if name != "I" and not name.startswith(("I'", "I’")) and not codes(name))
    return list(dict.fromkeys(wanted))
