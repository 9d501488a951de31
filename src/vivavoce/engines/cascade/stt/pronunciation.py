"""Pronunciations for words that the dictionary does not know: names of companies, products and people.

In this order: letter names for acronyms, a known word with an ending, two known words in one, and letter-to-
sound rules for
English spelling. The rules are a small table read from the left, the longest match first; what they get wrong
costs one
word, and operators can spell a name the way it sounds.
"""

from __future__ import annotations

import re
from collections.abc import Callable

Lookup = Callable[[str], str | None]
"""Phones (ARPABET, separated by blanks) of a known word, or None."""

LETTER_PHONES = {
    "a": "EY",
    "b": "B IY",
    "c": "S IY",
    "d": "D IY",
    "e": "IY",
    "f": "EH F",
    "g": "JH IY",
    "h": "EY CH",
    "i": "AY",
    "j": "JH EY",
    "k": "K EY",
    "l": "EH L",
    "m": "EH M",
    "n": "EH N",
    "o": "OW",
    "p": "P IY",
    "q": "K Y UW",
    "r": "AA R",
    "s": "EH S",
    "t": "T IY",
    "u": "Y UW",
    "v": "V IY",
    "w": "D AH B AH L Y UW",
    "x": "EH K S",
    "y": "W AY",
    "z": "Z IY",
}

_VOICELESS = {"P", "T", "K", "F", "TH"}
_SIBILANT = {"S", "Z", "SH", "ZH", "CH", "JH"}
_MIN_PART = 3

# (what stands before, letters, what stands after, phones): regular expressions for the surroundings, "" for
# any.
# C is a consonant letter, V a vowel letter, ^ and $ the ends of the word.
_RULES: tuple[tuple[str, str, str, str], ...] = (
    ("", "augh", "t", "AO"), ("", "ough", "t", "AO"), ("", "ough", "", "OW"), ("", "eigh", "", "EY"),
    ("", "igh", "", "AY"), ("", "tion", "", "SH AH N"), ("V", "sion", "", "ZH AH N"), ("", "sion", "", "SH AH N"),
    ("", "cious", "", "SH AH S"), ("", "tious", "", "SH AH S"), ("", "ous", "$", "AH S"), ("", "ture", "$", "CH ER"),
    ("", "sch", "", "SH"), ("", "tch", "", "CH"), ("", "dge", "", "JH"), ("", "dg", "", "JH"),
    ("^", "kn", "", "N"), ("^", "gn", "", "N"), ("^", "wr", "", "R"), ("^", "ps", "", "S"), ("^", "pn", "", "N"),
    ("^", "x", "", "Z"), ("^", "mc", "", "M AH K"), ("", "mb", "$", "M"),
    ("", "ph", "", "F"), ("", "sh", "", "SH"), ("", "ch", "C", "K"), ("", "ch", "", "CH"), ("", "th", "", "TH"),
    ("^", "wh", "", "W"), ("", "wh", "", "W"), ("", "ck", "", "K"), ("", "ng", "$", "NG"), ("", "ng", "C", "NG"),
    ("", "nk", "", "NG K"), ("", "nx", "", "NG K S"), ("", "qu", "", "K W"), ("", "q", "", "K"),
    ("", "gh", "^V", "G"), ("V", "gh", "", ""), ("", "gu", "[ei]", "G"), ("", "sc", "[eiy]", "S"),
    ("", "cc", "[eiy]", "K S"), ("", "c", "[eiy]", "S"), ("", "ci", "a", "SH"), ("", "c", "", "K"),
    ("", "g", "[ey]", "JH"), ("", "gg", "", "G"), ("", "g", "i[aoun]", "JH"), ("", "g", "", "G"),
    ("", "bb", "", "B"), ("", "dd", "", "D"), ("", "ff", "", "F"), ("", "kk", "", "K"), ("", "ll", "", "L"),
    ("", "mm", "", "M"), ("", "nn", "", "N"), ("", "pp", "", "P"), ("", "rr", "", "R"), ("", "ss", "", "S"),
    ("", "tt", "", "T"), ("", "vv", "", "V"), ("", "zz", "", "Z"),
    ("", "arr", "V", "EH R"), ("", "are", "$", "EH R"), ("", "air", "", "EH R"), ("", "ear", "$", "IH R"),
    ("", "eer", "", "IH R"), ("", "ere", "$", "IH R"), ("", "ire", "$", "AY ER"), ("", "ore", "$", "AO R"),
    ("", "oar", "", "AO R"), ("", "oor", "", "AO R"), ("", "our", "", "AW ER"), ("", "ure", "$", "Y UH R"),
    ("w", "ar", "", "AO R"), ("w", "or", "", "ER"), ("", "ar", "V", "EH R"), ("", "ar", "", "AA R"),
    ("", "er", "V", "EH R"), ("", "er", "", "ER"), ("", "ir", "V", "IH R"), ("", "ir", "", "ER"),
    ("", "or", "", "AO R"), ("", "ur", "V", "Y UH R"), ("", "ur", "", "ER"), ("C", "yr", "", "IH R"),
    ("", "ai", "", "EY"), ("", "ay", "", "EY"), ("", "au", "", "AO"), ("", "aw", "", "AO"), ("", "al", "k", "AO"),
    ("", "al", "[tdm]", "AO L"), ("", "all", "", "AO L"), ("", "ae", "", "IY"), ("", "aa", "", "AA"),
    ("", "ea", "", "IY"), ("", "ee", "", "IY"), ("", "ei", "", "EY"), ("", "eu", "", "UW"), ("", "ew", "", "UW"),
    ("", "ey", "$", "IY"), ("", "ey", "", "EY"), ("", "ie", "$", "IY"), ("", "ie", "", "IY"), ("", "io", "", "IY OW"),
    ("", "ia", "", "IY AH"), ("", "iu", "", "IY AH"), ("", "oa", "", "OW"), ("", "oe", "$", "OW"), ("", "oi", "", "OY"),
    ("", "oy", "", "OY"), ("", "oo", "k", "UH"), ("", "oo", "", "UW"), ("", "ou", "", "AW"), ("", "ow", "$", "OW"),
    ("", "ow", "", "OW"), ("", "ue", "$", "UW"), ("", "ui", "", "UW"), ("", "uy", "", "AY"), ("", "ya", "", "Y AA"),
    ("C", "le", "$", "AH L"), ("C", "re", "$", "ER"), ("V", "s", "e$", "Z"), ("", "es", "$", "Z"),
    ("^", "a", "$", "AH"), ("", "a", "$", "AH"), ("", "a", "CV$", "EY"), ("^C+", "a", "C[ei]", "EY"), ("", "a", "", "AE"),
    ("^C*", "e", "$", "IY"), ("", "e", "$", ""), ("^C*", "e", "CV", "IY"), ("", "e", "", "EH"),
    ("", "i", "$", "IY"), ("", "i", "C[e]$", "AY"), ("", "i", "ld|nd$", "AY"), ("", "i", "", "IH"),
    ("", "o", "$", "OW"), ("", "o", "CV", "OW"), ("", "o", "l[dtk]", "OW"), ("", "o", "", "AA"),
    ("", "u", "$", "UW"), ("", "u", "CV", "UW"), ("", "u", "", "AH"),
    ("^", "y", "V", "Y"), ("V", "y", "V", "Y"), ("^C+", "y", "$", "AY"), ("", "y", "$", "IY"), ("^C*", "y", "", "AY"),
    ("", "y", "", "IH"), ("", "b", "", "B"), ("", "d", "", "D"), ("", "f", "", "F"), ("", "h", "", "HH"),
    ("", "j", "", "JH"), ("", "k", "", "K"), ("", "l", "", "L"), ("", "m", "", "M"), ("", "n", "", "N"),
    ("", "p", "", "P"), ("", "r", "", "R"), ("", "s", "", "S"), ("", "t", "", "T"), ("", "v", "", "V"),
    ("", "w", "", "W"), ("", "x", "", "K S"), ("", "z", "", "Z"),
)  # fmt: skip


def _pattern(context: str) -> str:
    return context.replace("C", "[bcdfghjklmnpqrstvwxz]").replace("V", "[aeiouy]")


_BY_LETTER: dict[str, list[tuple[re.Pattern[str], str, re.Pattern[str], str]]] = {}
for _before, _letters, _after, _phones in sorted(_RULES, key=lambda rule: -len(rule[1])):
    _BY_LETTER.setdefault(_letters[0], []).append(
        (re.compile(f"(?:{_pattern(_before)})$"), _letters, re.compile(f"(?:{_pattern(_after)})"), _phones)
    )


def sound_out(word: str) -> str:
    """Phones by the spelling rules alone; never empty for a word with a letter of the English alphabet."""
    phones: list[str] = []
    place = 0
    while place < len(word):
        place += _sound_at(word, place, phones)
    if not phones:
        phones = [
            phone for letter in word if letter in LETTER_PHONES for phone in LETTER_PHONES[letter].split()
        ]
    return " ".join(phones)


def _sound_at(word: str, place: int, phones: list[str]) -> int:
    """Append the phones of what stands at `place`; return how many letters they cover."""
    for before, letters, after, sounds in _BY_LETTER.get(word[place], ()):
        rest = word[place + len(letters) :]
        # `search` lets a `^` in the first context mean the start of the word.
        if word.startswith(letters, place) and before.search(word[:place]) and after.match(rest):
            phones += sounds.split()
            return len(letters)
    return 1


def spell_out(word: str) -> str:
    """Phones of the letter names, for acronyms."""
    return " ".join(LETTER_PHONES[letter] for letter in word.lower() if letter in LETTER_PHONES)


def pronounce(word: str, lookup: Lookup, common: Callable[[str], bool]) -> str:
    """Phones for a word that is not in the dictionary.

    lookup: the dictionary. common: whether a word is common enough to be one half of a compound, since the
    dictionary is full
    of surnames that would cut names in odd places.
    """
    return _inflected(word, lookup) or _compound(word, lookup, common) or sound_out(word)


def _inflected(word: str, lookup: Lookup) -> str | None:
    for ending in ("'s", "s"):
        stem = lookup(word.removesuffix(ending)) if word.endswith(ending) and len(word) > 3 else None
        if stem is not None:
            last = stem.split()[-1]
            return f"{stem} {'IH Z' if last in _SIBILANT else 'S' if last in _VOICELESS else 'Z'}"
    stem = lookup(word.removesuffix("ing")) if word.endswith("ing") else None
    return f"{stem} IH NG" if stem is not None else None


def _compound(word: str, lookup: Lookup, common: Callable[[str], bool]) -> str | None:
    for cut in sorted(range(_MIN_PART, len(word) - _MIN_PART + 1), key=lambda cut: abs(cut - len(word) / 2)):
        parts = word[:cut], word[cut:]
        if all(common(part) for part in parts):
            phones = [lookup(part) for part in parts]
            if all(phones):
                return " ".join(phone for phone in phones if phone)
    return None
