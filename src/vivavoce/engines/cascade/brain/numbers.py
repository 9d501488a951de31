"""Numbers as they are spoken: cardinals, ordinals, decimals, and where they stand in an utterance."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

DIGITS = {
    "zero": 0, "oh": 0, "o": 0, "nought": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6,
    "seven": 7, "eight": 8, "nine": 9,
}  # fmt: skip
TEENS = {
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
    "seventeen": 17, "eighteen": 18, "nineteen": 19,
}  # fmt: skip
TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fourty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80,
    "ninety": 90,
}  # fmt: skip
SCALES = {"hundred": 100, "thousand": 1000, "million": 1_000_000}
ORDINALS = {
    "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9,
    "tenth": 10, "eleventh": 11, "twelfth": 12, "thirteenth": 13, "fourteenth": 14, "fifteenth": 15, "sixteenth": 16,
    "seventeenth": 17, "eighteenth": 18, "nineteenth": 19, "twentieth": 20, "thirtieth": 30,
}  # fmt: skip
_AMOUNTS = {"couple": 2, "pair": 2, "dozen": 12, "few": 3}


@dataclass(frozen=True, slots=True)
class Number:
    """A number that stands at words[start:end]."""

    start: int
    end: int
    value: int | float


def small(words: Sequence[str], at: int) -> tuple[int, int] | None:
    """A number below one hundred at `at`: (value, end)."""
    if at >= len(words):
        return None
    word = words[at]
    if word in TENS:
        unit = DIGITS.get(words[at + 1], 0) if at + 1 < len(words) and words[at + 1] not in ("o", "oh") else 0
        return (TENS[word] + unit, at + 2) if unit else (TENS[word], at + 1)
    if word in TEENS:
        return TEENS[word], at + 1
    if word in DIGITS and word not in ("o", "oh"):
        return DIGITS[word], at + 1
    return None


def _below_thousand(words: Sequence[str], at: int) -> tuple[int, int] | None:
    if at + 1 < len(words) and words[at] in ("a", "an") and words[at + 1] == "hundred":
        value, end = 1, at + 1
    else:
        part = small(words, at)
        if part is None:
            return None
        value, end = part
    if end >= len(words) or words[end] != "hundred":
        return value, end
    value, end = value * 100, end + 1
    rest = small(words, end + 1 if end < len(words) and words[end] == "and" else end)
    return (value + rest[0], rest[1]) if rest else (value, end)


def cardinal(words: Sequence[str], at: int) -> tuple[int, int] | None:
    """The longest cardinal in words at `at`: "a hundred and twenty three" -> (123, end)."""
    if at < len(words) and words[at] in SCALES:
        head: tuple[int, int] | None = (1, at)
    elif at + 1 < len(words) and words[at] in ("a", "an") and words[at + 1] in ("thousand", "million"):
        head = (1, at + 1)
    else:
        head = _below_thousand(words, at)
    if head is None:
        return None
    value, end = head
    if end < len(words) and words[end] == "hundred" and end == at:
        value, end = 100, end + 1
    total = 0
    while end < len(words) and words[end] in ("thousand", "million"):
        total, end = total + value * SCALES[words[end]], end + 1
        rest = _below_thousand(words, end + 1 if end < len(words) and words[end] == "and" else end)
        if rest is None:
            return total, end
        value, end = rest
    return total + value, end


def ordinal(words: Sequence[str], at: int) -> tuple[int, int] | None:
    """An ordinal at `at`: "fifth", "5th", "twenty first" -> (value, end)."""
    if at >= len(words):
        return None
    word = words[at]
    if word in ORDINALS:
        return ORDINALS[word], at + 1
    if word in TENS and at + 1 < len(words) and ORDINALS.get(words[at + 1], 10) < 10:
        return TENS[word] + ORDINALS[words[at + 1]], at + 2
    written = re.fullmatch(r"(\d{1,2})(?:st|nd|rd|th)", word)
    return (int(written.group(1)), at + 1) if written else None


def numbers_in(words: Sequence[str], taken: frozenset[int] = frozenset()) -> list[Number]:
    """Every number in an utterance, in order, leaving out the words already taken by something else."""
    found: list[Number] = []
    at = 0
    while at < len(words):
        number = None if at in taken else _number_at(words, at)
        if number is None or taken & set(range(number.start, number.end)):
            at += 1
            continue
        found.append(number)
        at = number.end
    return found


def _number_at(words: Sequence[str], at: int) -> Number | None:
    word = words[at]
    written = re.fullmatch(r"\d+(?:\.\d+)?", word)
    if written:
        return _scaled(words, at, float(word) if "." in word else int(word))
    if word in _AMOUNTS:
        return Number(at, at + 1, _AMOUNTS[word])
    if word in ("o", "oh"):
        return None
    if word == "point":
        return _decimals(words, at, at, 0)
    whole = cardinal(words, at)
    return _decimals(words, at, whole[1], whole[0]) if whole else None


def _scaled(words: Sequence[str], at: int, value: int | float) -> Number:
    if at + 1 < len(words) and words[at + 1] in SCALES:
        return Number(at, at + 2, value * SCALES[words[at + 1]])
    return Number(at, at + 1, value)


def _decimals(words: Sequence[str], start: int, end: int, whole: int) -> Number | None:
    """Adds "point five" or "and a half" to a whole number."""
    if words[end : end + 3] == ["and", "a", "half"]:
        return Number(start, end + 3, whole + 0.5)
    digits, at = "", end + 1
    if end < len(words) and words[end] == "point":
        while at < len(words) and words[at] in DIGITS:
            digits, at = digits + str(DIGITS[words[at]]), at + 1
    if digits:
        return Number(start, at, float(f"{whole}.{digits}"))
    return Number(start, end, whole) if end > start else None
