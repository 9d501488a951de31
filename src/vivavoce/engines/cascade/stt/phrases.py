"""What callers of a session may say: weighted phrases, made of what it is about and of plain service talk.

Nothing here knows any particular session. The tools give nouns (`get_order_status` -> "order status", "status of my
order"), verbs, names and the shapes of identifiers; the scaffold gives the sentences around them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from vivavoce.engines.cascade.stt import scaffold
from vivavoce.engines.cascade.stt.matter import Matter
from vivavoce.engines.cascade.stt.shapes import shapes_of
from vivavoce.engines.cascade.stt.spelling import sentences
from vivavoce.engines.cascade.stt.whereabouts import SOMEWHERE

Phrase = tuple[float, tuple[str, ...]]
"""A weight and the tokens of `spelling` and `shapes`."""

TOTAL = 1000.0
"""The sum of all weights: how much text the phrases count for."""

# What share of it each source gets. Guesses that were then measured (docs/adr/0012-pocketsphinx.md).
SHARES = {
    "talk": 0.16,
    "tools": 0.38,
    "codes": 0.24,
    "numbers": 0.04,
    "places": 0.12,
    "names": 0.08,
    "instructions": 0.10,
}


def phrases_of(matter: Matter, instructions: str) -> Iterator[Phrase]:
    """The phrases of a session."""
    sources: dict[str, list[Phrase]] = {
        "talk": [
            *((1.0, phrase) for phrase in scaffold.TALK),
            *((6.0, phrase) for phrase in scaffold.ANSWERS),
            *((0.5, amount) for amount in scaffold.AMOUNTS),
        ],
        "tools": [*_about(matter.nouns), *_do(matter.actions)],
        "codes": list(_coded(matter)),
        "numbers": [(1.0, said) for noun in matter.counted for said in _counted(noun)],
        "places": [(1.0, said) for noun in matter.placed for said in _placed(noun)],
        "names": [(1.0, said) for name in matter.names for said in _filled(scaffold.NAMED, {"{w}": name})],
        "instructions": [(float(len(sentence)), tuple(sentence)) for sentence in sentences(instructions)],
    }
    for source, phrases in sources.items():
        total = sum(weight for weight, _ in phrases)
        for weight, phrase in phrases:
            yield TOTAL * SHARES[source] * weight / total, phrase


def _filled(
    templates: Iterable[Sequence[str]], slots: Mapping[str, Sequence[str]]
) -> Iterator[tuple[str, ...]]:
    for template in templates:
        yield tuple(word for part in template for word in slots.get(part, (part,)))


def _about(nouns: Mapping[tuple[str, ...], float]) -> Iterator[Phrase]:
    for noun, weight in nouns.items():
        for determiner in scaffold.DETERMINERS:
            for phrase in _filled(scaffold.ABOUT, {"{n}": noun, "D": determiner}):
                yield weight, phrase


def _do(actions: Iterable[tuple[str, ...]]) -> Iterator[Phrase]:
    for action in actions:
        for phrase in _filled(scaffold.DO, {"{v}": action}):
            yield 8.0, phrase


def _coded(matter: Matter) -> Iterator[Phrase]:
    if not (matter.coded or matter.examples):
        return
    nothing: dict[tuple[str, ...], list[str]] = {(): []}
    for noun, kinds in (matter.coded or nothing).items():
        shapes = shapes_of(kinds, matter.examples)
        for determiner in scaffold.DETERMINERS:
            for weight, shape in shapes:
                for phrase in _filled(scaffold.CODED, {"{n}": noun, "{c}": shape, "D": determiner}):
                    yield weight, phrase


def _counted(noun: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for number in scaffold.NUMBERS:
        yield from _filled(scaffold.COUNTED, {"{n}": noun, "{c}": number})


def _placed(noun: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for determiner in scaffold.DETERMINERS:
        yield from _filled(scaffold.PLACED, {"{n}": noun, "{p}": (SOMEWHERE,), "D": determiner})
