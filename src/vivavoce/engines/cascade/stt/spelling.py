"""From written to spoken words: what a caller would say for a text, token by token.

Tokens are lower-case dictionary words, and classes: DIGIT stands for any spoken digit, TENS for ten to ninety
and the
teens. Identifiers (`A1001`), names (`order_id`) and numbers are taken apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

DIGIT = "<digit>"
TENS = "<tens>"

DIGIT_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEEN_WORDS = (
    *("ten", "eleven", "twelve", "thirteen", "fourteen"),
    *("fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
TENS_WORDS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
SPOKEN_DIGITS = (*DIGIT_WORDS, "oh")

_CLASS_OF = {
    **dict.fromkeys(SPOKEN_DIGITS, DIGIT),
    **dict.fromkeys((*TEEN_WORDS, *TENS_WORDS), TENS),
}
_TOKEN = re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)*|\d+(?:[.,]\d+)*")
_CODE = re.compile(r"\b(?=[A-Za-z-]*\d)(?=[\d-]*[A-Za-z])[A-Za-z\d]+(?:-[A-Za-z\d]+)*\b")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_SENTENCE = re.compile(r"[.!?;:\n]+(?=\s|$)|[\n\"“”()\[\]{}]+|, ")
_VOWEL = re.compile(r"[aeiouyAEIOUY]")


def class_of(word: str) -> str:
    """The class a spoken word belongs to, or the word itself."""
    return _CLASS_OF.get(word, word)


def codes(text: str) -> list[str]:
    """The identifiers that stand in a text, as written."""
    return _CODE.findall(text)


def identifier_words(name: str) -> list[str]:
    """The words inside a name such as `get_order_status`, `orderId` or `order-id`."""
    return [word for part in re.split(r"[^A-Za-z\d']+", _CAMEL.sub(" ", name)) for word in spoken(part)]


def is_acronym(word: str) -> bool:
    """Whether a written word is read letter by letter:

    CRM, FAQ, API. NASA is not told apart from them by its looks.
    """
    return 2 <= len(word) <= 5 and word.isupper() and (len(word) <= 3 or not _VOWEL.search(word))


def sentences(text: str) -> Iterator[list[str]]:
    """The sentences and quotations of a text as tokens, empty ones left out."""
    for part in _SENTENCE.split(text):
        tokens = spoken(part)
        if tokens:
            yield tokens


def spoken(text: str) -> list[str]:
    """The tokens a caller would say for `text`."""
    tokens: list[str] = []
    end = 0
    for code in _CODE.finditer(text):
        tokens += _plain(text[end : code.start()])
        tokens += _spelled(code.group())
        end = code.end()
    return tokens + _plain(text[end:])


def _spelled(code: str) -> list[str]:
    """An identifier in running text, sign by sign; letters by the names the dictionary has for them."""
    return [DIGIT if sign.isdigit() else sign.lower() for sign in code if sign.isalnum()]


def _plain(text: str) -> list[str]:
    tokens: list[str] = []
    for match in _TOKEN.finditer(_CAMEL.sub(" ", text.replace("’", "'"))):
        word = match.group()
        if word[0].isdigit():
            tokens += [class_of(part) for part in number_words(word)]
        else:
            tokens.append(class_of(word.lower()))
    return tokens


def number_words(written: str) -> list[str]:
    """A number as words:

    whole ones below ten thousand as one says them, others and decimals digit by digit.
    """
    whole, _, fraction = written.replace(",", "").partition(".")
    if len(whole) > 4 or whole.startswith("0"):
        words = [DIGIT_WORDS[int(sign)] for sign in whole]
    else:
        words = _whole(int(whole))
    return words + (
        ["point", *(DIGIT_WORDS[int(sign)] for sign in fraction if sign.isdigit())] if fraction else []
    )


def _whole(number: int) -> list[str]:
    if number >= 1000:
        return _whole(number // 1000) + ["thousand"] + (_whole(number % 1000) if number % 1000 else [])
    if number >= 100:
        return [DIGIT_WORDS[number // 100], "hundred"] + (_whole(number % 100) if number % 100 else [])
    if number >= 20:
        return [TENS_WORDS[number // 10 - 2]] + ([DIGIT_WORDS[number % 10]] if number % 10 else [])
    return [TEEN_WORDS[number - 10]] if number >= 10 else [DIGIT_WORDS[number]]
