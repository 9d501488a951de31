"""Words as they are spoken: tokens, light stems, edit distance and a phonetic key.

Input comes from a recogniser, so case and punctuation may be missing and words may be replaced by others that sound
alike. Everything here is pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_TOKEN = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:[.:]\d+)+|[^\W_]+(?:['’][^\W\d_]+)*")
_SHORT_FORMS = {"dr": "doctor", "mr": "mister", "mrs": "missis", "alot": "lots"}
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"'”’)]*\s+(?=[\"'“‘(]?[A-Z0-9])|\n+")


def word_set(text: str) -> frozenset[str]:
    """The words of a space-separated list."""
    return frozenset(text.split())


@dataclass(frozen=True, slots=True)
class Token:
    """One word: `text` lower-cased, `raw` as written, `after` what stands between it and the next word."""

    text: str
    raw: str
    start: int
    end: int
    after: str


@lru_cache(maxsize=1024)
def tokenize(text: str) -> tuple[Token, ...]:
    """The words of a text, with their character positions."""
    found = list(_TOKEN.finditer(text))
    tokens = []
    for place, match in enumerate(found):
        following = found[place + 1].start() if place + 1 < len(found) else len(text)
        raw = match.group()
        plain = raw.lower().replace("’", "'").replace(",", "")
        plain = _SHORT_FORMS.get(plain, plain)
        tokens.append(Token(plain, raw, match.start(), match.end(), text[match.end() : following]))
    return tuple(tokens)


def words_of_name(name: str) -> list[str]:
    """`findClaim`, `find_claim`, `find-claim` -> find, claim."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return [token.text for token in tokenize(re.sub(r"[_\-./]+", " ", spaced))]


def sentences_of(text: str) -> list[str]:
    """The sentences of a text; a line break ends one too, list bullets are dropped."""
    pieces = (
        re.sub(r"^[\s\-*•#>]+|^\s*\d+[.)]\s+", "", piece).strip() for piece in _SENTENCE_END.split(text)
    )
    return [piece for piece in pieces if piece]


_SUFFIXES = (
    ("ies", "y"),
    ("sses", "ss"),
    ("ations", ""),
    ("ation", ""),
    ("ments", ""),
    ("ment", ""),
    ("ings", ""),
)


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """A light stem: plurals, -ing, -ed, -ment, -ation and a final e or y go. Short words stay as they are."""
    word = word.removesuffix("'s").removesuffix("s'")
    if len(word) <= 3 or not word.isalpha():
        return word
    for suffix, replacement in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= (2 if replacement else 3):
            return _bare(word[: len(word) - len(suffix)] + replacement)
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for suffix in ("ing", "ed"):
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            return _bare(word[: -len(suffix)])
    return _bare(word)


def _bare(word: str) -> str:
    if len(word) > 4 and word[-1] == word[-2] and word[-1] not in "se":
        word = word[:-1]
    if len(word) > 3 and word.endswith("e"):
        word = word[:-1]
    if len(word) > 5 and word.endswith("y"):
        word = word[:-1]
    return word


_SOUNDS = (
    ("tch", "X"),
    ("dge", "X"),
    ("sch", "SK"),
    ("sh", "X"),
    ("ch", "X"),
    ("ph", "F"),
    ("th", "T"),
    ("gh", ""),
    ("ck", "K"),
    ("ng", "N"),
)
_LETTER_SOUND = dict(zip("bpdtgkqcfvszjxlmnr", "PPTTKKKKFFSSXSLMNR", strict=True))
_SILENT_STARTS = ("kn", "gn", "wr", "ps", "pn")


@lru_cache(maxsize=8192)
def sound(word: str) -> str:
    """A coarse phonetic key: consonants only, voiced and unvoiced alike, a first vowel kept as A."""
    word = "".join(letter for letter in word.lower() if letter.isalpha())
    if word.startswith(_SILENT_STARTS):
        word = word[1:]
    key: list[str] = []
    at = 0
    while at < len(word):
        code, width = _sound_at(word, at)
        if code and (not key or key[-1] != code):
            key.append(code)
        at += width
    return "".join(key)


def _sound_at(word: str, at: int) -> tuple[str, int]:
    for letters, code in _SOUNDS:
        if word.startswith(letters, at):
            return code, len(letters)
    letter, following = word[at], word[at + 1 : at + 2]
    if letter == "c" and following in ("e", "i", "y"):
        return "S", 1
    if letter == "g" and following in ("e", "i", "y") and at > 0:
        return "X", 1
    if letter in "aeiou":
        return ("A" if at == 0 else ""), 1
    if letter in "wyh":
        return (letter.upper() if at == 0 else ""), 1
    return _LETTER_SOUND.get(letter, ""), 1


def distance(one: str, other: str, limit: int) -> int:
    """Edit distance with neighbouring swaps, or `limit` + 1 as soon as it must be larger."""
    if abs(len(one) - len(other)) > limit:
        return limit + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, 1):
        older, before, row = before, row, [i]
        for j, right in enumerate(other, 1):
            cost = min(before[j] + 1, row[-1] + 1, before[j - 1] + (left != right))
            if older and j > 1 and left == other[j - 2] and one[i - 2] == right:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
    return row[-1]


def allowed_edits(length: int) -> int:
    """How many letters may differ before two words of this length are different words."""
    return 0 if length < 5 else 1 if length < 8 else 2


def alike(one: str, other: str) -> bool:
    """Whether two words may be one word misheard: few edits, or the same sounds in about the same length."""
    if one == other:
        return True
    if one[:1] == other[:1] and distance(
        one, other, allowed_edits(min(len(one), len(other)))
    ) <= allowed_edits(min(len(one), len(other))):
        return True
    key = sound(one)
    return len(key) >= 3 and abs(len(one) - len(other)) <= 2 and key == sound(other)


def likeness(one: str, other: str) -> float:
    """0..1: how alike two stretches of speech sound, spaces ignored."""
    left, right = sound(one.replace(" ", "")), sound(other.replace(" ", ""))
    longest = max(len(left), len(right), 1)
    by_sound = 1 - distance(left, right, longest) / longest
    flat, other_flat = one.replace(" ", ""), other.replace(" ", "")
    widest = max(len(flat), len(other_flat), 1)
    by_letter = 1 - distance(flat, other_flat, widest) / widest
    return 0.6 * by_sound + 0.4 * by_letter
