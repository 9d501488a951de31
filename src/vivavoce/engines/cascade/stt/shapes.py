"""Identifiers as callers spell them: which sign stands where.

A language model of three words cannot count, so "one letter, four digits" is told to it by giving every place of an identifier
its own tokens: `<digit1>` may be followed by `<digit2>`, and the last place by the end. Their words sound
like any digit
and are written `four_2` in the model; a transcript has only `four`.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Iterator, Mapping

from vivavoce.engines.cascade.stt.pronunciation import LETTER_PHONES
from vivavoce.engines.cascade.stt.spelling import DIGIT_WORDS, TENS

PLACES = 8
"""Longer runs of letters or digits repeat the last place."""

Shape = tuple[str, ...]
Weighted = tuple[float, Shape]

LITERAL = "0"
"""The place of signs that are always the same: the ORD of ORD-1234."""

_MORE_LETTER_PHONES = {"a": ("AH",), "z": ("Z EH D",), "w": ("D AH B Y UW",)}
"""How a letter is said besides its name: who reads "A" out of a sentence often says the article."""

_NUMBERS = {word: count for count, word in enumerate(("no", *DIGIT_WORDS[1:])) if count} | {
    "a": 1,
    "single": 1,
}
_COUNTED = re.compile(
    rf"\b({'|'.join(_NUMBERS)}|\d) (?:capital |upper-?case )?(letter|digit|number|figure)s?\b", re.I
)
_PATTERN_PART = re.compile(
    r"(?P<class>\[[^\]]+\]|\\d|\\w|[A-Za-z\d])(?:\{(?P<low>\d+)(?:,(?P<high>\d*))?\}|(?P<many>[+*?]))?|(?P<rest>.)"
)


def letter(place: int) -> str:
    """The token of the letter at a place, counted from 1 among the letters."""
    return f"<letter{min(place, PLACES)}>"


def digit(place: int) -> str:
    """The token of the digit at a place, counted from 1 among the digits."""
    return f"<digit{min(place, PLACES)}>"


def literal(sign: str) -> str:
    """The token of a sign that is always the same."""
    return f"<={sign.lower()}>"


def is_place(token: str) -> bool:
    """Whether a token is a place of an identifier."""
    return token.startswith(("<letter", "<=")) or (token.startswith("<digit") and token != "<digit>")


def places(kinds: Iterable[str]) -> Shape:
    """`ad` kinds (a letter, d digit, anything else a literal in capitals) as tokens:

    "add" is one letter, two digits.
    """
    tokens, letters, digits = [], 0, 0
    for kind in kinds:
        if kind == "a":
            letters += 1
            tokens.append(letter(letters))
        elif kind == "d":
            digits += 1
            tokens.append(digit(digits))
        else:
            tokens.append(literal(kind))
    return tuple(tokens)


def kinds_of(code: str) -> str:
    """The kinds of an example: `A1001` is "adddd"."""
    return "".join("d" if sign.isdigit() else "a" for sign in code if sign.isalnum())


def kinds_of_pattern(pattern: str) -> list[str]:
    """The kinds that a simple regular expression allows, an empty list for one that is not simple."""
    found = [""]
    for part in _PATTERN_PART.finditer(pattern.strip("^$")):
        if part["rest"] is not None:
            if part["rest"] not in "-_ ./\\#()?:":
                return []
            continue
        kind = _kind_of_class(part["class"])
        if kind is None or part["many"] is not None or part["high"] == "":
            return []
        low = int(part["low"] or 1)
        high = int(part["high"] or low)
        found = [before + kind * count for before in found for count in range(low, high + 1)]
        if len(found) > 24 or high > 16:
            return []
    return [kinds for kinds in found if len(kinds) > 1]


def _kind_of_class(part: str) -> str | None:
    if part == "\\d" or part in ("[0-9]", "[\\d]"):
        return "d"
    if part.startswith("["):
        return "a" if not re.search(r"\d|\\", part) else None
    return part.upper() if len(part) == 1 else None


def kinds_of_description(text: str) -> str:
    """ "a letter and four digits" is "adddd"; empty when nothing is counted."""
    kinds = ""
    for count, kind in _COUNTED.findall(text):
        number = int(count) if count.isdigit() else _NUMBERS[count.lower()]
        kinds += ("a" if kind.lower() == "letter" else "d") * number
    return kinds if len(kinds) > 1 else ""


def shapes_of(known: Iterable[str], examples: Iterable[str]) -> list[Weighted]:
    """How identifiers of a session may be spelled.

    known: kinds that are declared, by a pattern or in words. examples: identifiers that stand in the session's texts.
    What is usual stays possible: a caller may have the wrong number, and should be heard saying it.
    """
    declared = list(dict.fromkeys(known))
    kinds: dict[str, float] = dict.fromkeys(declared, 10.0)
    for example in examples:
        kinds[kinds_of(example)] = kinds.get(kinds_of(example), 0.0) + 6.0
    for usual, weight in _usual():
        kinds[usual] = kinds.get(usual, 0.0) + (0.1 * weight if declared else weight)
    shapes = [(weight, places(spelled)) for spelled, weight in kinds.items()]
    return shapes + [(0.02 * weight, paired) for weight, shape in shapes for paired in _in_pairs(shape)]


def _usual() -> Iterator[tuple[str, float]]:
    for count in (3, 4, 5):
        yield "a" + "d" * count, 1.0
    for count in (3, 4, 5, 6, 8):
        yield "d" * count, 0.3
    for count in (3, 4):
        yield "aa" + "d" * count, 0.1


def _in_pairs(shape: Shape) -> Iterator[Shape]:
    """ "forty two seventeen", "ten oh one": four digits may be said two by two."""
    head = tuple(token for token in shape if not token.startswith("<digit"))
    if len(shape) - len(head) == 4:
        last_two = shape[-2:]
        yield from ((*head, TENS, TENS), (*head, TENS, *last_two), (*head, TENS, "<digit>", TENS))
        yield (*head, TENS, "<digit>", TENS, "<digit>")


def members(examples: Iterable[str], boost: float) -> dict[str, dict[str, float]]:
    """Of each token its words and their shares.

    `boost`: how much likelier the first letters of examples are.
    """
    found: dict[str, dict[str, float]] = {}
    firsts = [code[0].lower() for code in examples if code[0].isalpha()]
    for place in range(1, PLACES + 1):
        letters = dict.fromkeys(string.ascii_lowercase, 1.0)
        for first in firsts if place == 1 else ():
            if first in letters:
                letters[first] += boost / len(firsts)
        found[letter(place)] = _shares(letters, place)
        found[digit(place)] = _shares({**dict.fromkeys(DIGIT_WORDS, 1.0), "oh": 0.6}, place)
    for sign in string.ascii_lowercase:
        found[literal(sign)] = {f"{sign}_{LITERAL}": 1.0}
    for value, word in enumerate(DIGIT_WORDS):
        names = (word, "oh") if value == 0 else (word,)
        found[literal(str(value))] = {f"{name}_{LITERAL}": 1 / len(names) for name in names}
    return found


def _shares(weights: Mapping[str, float], place: int) -> dict[str, float]:
    total = sum(weights.values())
    return {f"{word}_{place}": weight / total for word, weight in weights.items()}


def written(word: str) -> str:
    """A word of the model as it stands in a transcript."""
    return word.partition("_")[0]


def pronunciations(phones_of: Mapping[str, list[str]]) -> Iterator[tuple[str, str]]:
    """Every word of every place with its phones. `phones_of`: the dictionary's ways to say the digits."""
    signs = {sign: [phones, *_MORE_LETTER_PHONES.get(sign, ())] for sign, phones in LETTER_PHONES.items()}
    for place in (LITERAL, *map(str, range(1, PLACES + 1))):
        for sign, ways in {**signs, **phones_of}.items():
            for phones in ways:
                yield f"{sign}_{place}", phones
