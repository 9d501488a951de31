"""What callers of a session may say: weighted phrases, made of its tools, its instructions and plain service
talk.

Nothing here knows any particular session. The tools give nouns (`get_order_status` -> "order status", "status of my order"),
verbs, names and the shapes of identifiers; the scaffold gives the sentences around them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vivavoce.engines.cascade.stt import scaffold
from vivavoce.engines.cascade.stt.spelling import (
    DIGIT,
    LETTER,
    TENS,
    codes,
    identifier_words,
    sentences,
    spell_code,
    spoken,
)

Phrase = tuple[float, tuple[str, ...]]
"""A weight and the tokens of `spelling`."""

# What a share of the whole each source gets. Guesses that were then measured (docs/adr/0012).
SHARES = {"talk": 0.16, "tools": 0.40, "codes": 0.24, "names": 0.10, "instructions": 0.10}

_VERBS = frozenset(
    [
        "get",
        "find",
        "look",
        "lookup",
        "search",
        "list",
        "fetch",
        "read",
        "check",
        "create",
        "add",
        "update",
        "set",
        "cancel",
        "delete",
        "remove",
        "send",
        "book",
        "schedule",
        "make",
        "show",
        "query",
        "call",
        "run",
        "start",
        "stop",
        "transfer",
        "hand",
        "route",
        "open",
        "close",
        "track",
        "retrieve",
        "return",
        "give",
        "tell",
        "ask",
        "change",
        "move",
        "save",
        "put",
        "log",
        "record",
        "report",
        "submit",
        "request",
        "resolve",
        "confirm",
        "verify",
        "order",
        "buy",
        "pay",
        "place",
        "notify",
        "describe",
        "load",
        "pull",
        "see",
        "view",
        "use",
    ]
)
_SMALL = frozenset(
    [
        "a",
        "an",
        "the",
        "of",
        "for",
        "to",
        "in",
        "on",
        "by",
        "with",
        "and",
        "or",
        "from",
        "is",
        "are",
        "be",
        "as",
        "at",
        "it",
        "its",
        "this",
        "that",
        "these",
        "those",
        "if",
        "when",
        "up",
        "down",
        "out",
        "off",
        "like",
        "such",
        "e",
        "g",
        "eg",
        "example",
        "not",
        "all",
        "any",
    ]
)
_ID_NAME = re.compile(r"(^|_|-|[a-z])(id|ids|Id|ID|number|no|num|code|ref|reference|sku|key|pin|serial)$")


@dataclass(slots=True)
class Matter:
    """What a session's tools and instructions are made of."""

    nouns: dict[tuple[str, ...], float] = field(default_factory=dict)
    actions: list[tuple[str, ...]] = field(default_factory=list)
    names: list[tuple[str, ...]] = field(default_factory=list)
    coded: set[tuple[str, ...]] = field(default_factory=set)
    examples: list[str] = field(default_factory=list)

    def add_noun(self, words: Sequence[str], weight: float) -> None:
        """Remember what something is about, without the small words around it."""
        noun = tuple(words)
        if noun and not all(word in _SMALL for word in noun):
            self.nouns[noun] = max(weight, self.nouns.get(noun, 0.0))


def matter_of(instructions: str, tools: Iterable[Mapping[str, Any]], keywords: Iterable[str]) -> Matter:
    """Take a session apart. `tools` are function tools of the API: flat, or with a `function` inside."""
    matter = Matter(examples=codes(instructions))
    for tool in tools:
        _take_tool(matter, tool.get("function", tool))
    for name in (*keywords, *proper_names(instructions)):
        words = tuple(spoken(name))
        if words and words not in matter.names:
            matter.names.append(words)
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
        action = tuple(_plain_verb(word, first=not place) for place, word in enumerate(sentence))
        matter.actions.append(action)
        for noun in _runs(action):
            matter.add_noun(noun, 1.0)
    for name in proper_names(description):
        matter.names.append(tuple(spoken(name)))


def _plain_verb(word: str, first: bool) -> str:
    """ "Looks up ..." and "Returns ..." are said as "look up ..." by who asks for it."""
    return word.removesuffix("s") if first and word.removesuffix("s") in _VERBS else word


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
    examples = [
        value for key in ("examples", "enum") for value in schema.get(key) or () if isinstance(value, str)
    ]
    examples += [
        value for key in ("example", "default", "const") if isinstance(value := schema.get(key), str)
    ]
    spelled = [code for text in (description, *examples) for code in codes(text)]
    matter.examples += spelled
    for example in examples:
        if not codes(example) and (said := tuple(spoken(example))):
            matter.names.append(said)
    about = (
        words[:-1]
        if len(words) > 1 and words[-1] in ("id", "ids", "number", "no", "code", "reference", "ref")
        else words
    )
    if schema.get("type") in ("string", None) and (spelled or _ID_NAME.search(name)):
        matter.coded.add(tuple(about) if about != ["id"] else tuple(noun[:1]))
    matter.add_noun(words, 0.7)
    matter.add_noun(about, 0.7)
    for sentence in sentences(description):
        for run in _runs(sentence):
            matter.add_noun(run, 0.5)


def proper_names(text: str) -> list[str]:
    """Runs of capitalised words that do not merely begin a sentence, and acronyms:

    companies, products, people.
    """
    found: dict[str, None] = {}
    for match in re.finditer(
        r"(?<![.!?:\n\"“] )(?<![\w'’])(?!^)(?:[A-Z][\w'’&]*)(?: (?:[A-Z][\w'’&]*|\d+))*", text, re.M
    ):
        name = match.group()
        if name != "I" and not name.startswith(("I'", "I’")) and not codes(name):
            found[name] = None
    return list(found)


def phrases_of(matter: Matter, instructions: str) -> Iterator[Phrase]:
    """Weighted phrases of a session; the weights of all sum up to about 1000."""
    sources: dict[str, list[Phrase]] = {
        "talk": [
            *((1.0, phrase) for phrase in scaffold.TALK),
            *((0.5, amount) for amount in scaffold.AMOUNTS),
        ],
        "tools": [*_about_phrases(matter.nouns), *_do_phrases(matter.actions)],
        "codes": list(_code_phrases(matter)),
        "names": [(1.0, said) for name in matter.names for said in _filled(scaffold.NAMED, {"{w}": name})],
        "instructions": [(float(len(sentence)), tuple(sentence)) for sentence in sentences(instructions)],
    }
    for source, phrases in sources.items():
        total = sum(weight for weight, _ in phrases)
        for weight, phrase in phrases:
            yield 1000 * SHARES[source] * weight / total, phrase


def _filled(
    templates: Iterable[Sequence[str]], slots: Mapping[str, Sequence[str]]
) -> Iterator[tuple[str, ...]]:
    for template in templates:
        yield tuple(word for part in template for word in slots.get(part, (part,)))


def _about_phrases(nouns: Mapping[tuple[str, ...], float]) -> Iterator[Phrase]:
    for noun, weight in nouns.items():
        for determiner in scaffold.DETERMINERS:
            for phrase in _filled(scaffold.ABOUT, {"{n}": noun, "D": determiner}):
                yield weight, phrase


def _do_phrases(actions: Sequence[tuple[str, ...]]) -> Iterator[Phrase]:
    for action in actions:
        for phrase in _filled(scaffold.DO, {"{v}": action}):
            yield 8.0, phrase


def shapes_of(examples: Iterable[str]) -> list[tuple[float, tuple[str, ...]]]:
    """How identifiers may be spelled: like the examples above all, and in the usual ways otherwise."""
    shapes: list[tuple[float, tuple[str, ...]]] = [(6.0, tuple(spell_code(code))) for code in examples]
    shapes += [(1.0, (LETTER, *[DIGIT] * count)) for count in (3, 4, 5)]
    shapes += [(0.3, (DIGIT,) * count) for count in (3, 4, 5, 6, 8)]
    shapes += [(0.1, (LETTER, LETTER, *[DIGIT] * count)) for count in (3, 4)]
    shapes += [
        (0.05, (LETTER, TENS, TENS)),
        (0.05, (LETTER, TENS, DIGIT, DIGIT)),
        (0.05, (LETTER, TENS, DIGIT)),
    ]
    return shapes


def _code_phrases(matter: Matter) -> Iterator[Phrase]:
    if not matter.coded and not matter.examples:
        return
    shapes = shapes_of(matter.examples)
    for noun in matter.coded or {()}:
        for determiner in scaffold.DETERMINERS:
            for weight, shape in shapes:
                for phrase in _filled(scaffold.CODED, {"{n}": noun, "{c}": shape, "D": determiner}):
                    yield weight, phrase
