"""English words for figures: cardinals, ordinals, years, decimals, digits one by one."""

from __future__ import annotations

_ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["-", "-", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SCALES = ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred"))
_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_LARGEST = 10**15 - 1


def digits(figures: str) -> list[str]:
    """Each figure by itself; anything else is left out."""
    return [_ONES[int(figure)] for figure in figures if figure.isdecimal()]


def cardinal(value: int) -> list[str]:
    """1234 -> one thousand two hundred thirty four. Figure by figure beyond 999 trillion."""
    if value < 0:
        return ["minus", *cardinal(-value)]
    if value > _LARGEST:
        return digits(str(value))
    if value < 20:
        return [_ONES[value]]
    if value < 100:
        return [_TENS[value // 10], *(cardinal(value % 10) if value % 10 else ())]
    scale, name = next(entry for entry in _SCALES if value >= entry[0])
    rest = value % scale
    return [*cardinal(value // scale), name, *(cardinal(rest) if rest else ())]


def whole(figures: str) -> list[str]:
    """The cardinal of a string of figures of any length; figure by figure when it is very long."""
    return digits(figures) if len(figures) > 15 else cardinal(int(figures))


def ordinal(value: int) -> list[str]:
    """21 -> twenty first."""
    *front, last = cardinal(value)
    if last in _ORDINALS:
        return [*front, _ORDINALS[last]]
    return [*front, (last[:-1] + "ie" if last.endswith("y") else last) + "th"]


def year(value: int) -> list[str]:
    """1999 -> nineteen ninety nine, 2005 -> two thousand five, 2024 -> twenty twenty four."""
    century, rest = divmod(value, 100)
    if (century % 10 == 0 and rest < 10) or not 1000 <= value <= 9999:
        return cardinal(value)
    if rest == 0:
        return [*cardinal(century), "hundred"]
    return [*cardinal(century), *(["oh"] if rest < 10 else []), *cardinal(rest)]


def number(figures: str) -> list[str]:
    """A number as written: 1,234.5 or 007 or 1.2.3 or 2024 (four figures from 1100 to 2099 are a year)."""
    before, *fractions = figures.replace(",", "").split(".")
    if not before:
        words = []
    elif (len(before) > 1 and before[0] == "0") or len(before) > 15:
        words = digits(before)
    elif not fractions and "," not in figures and len(before) == 4 and 1100 <= int(before) <= 2099:
        words = year(int(before))
    else:
        words = cardinal(int(before))
    for fraction in fractions:
        # 1.2.3 is a version: its parts are numbers, those of a decimal are figures.
        words += ["point", *(digits(fraction) if len(fractions) == 1 else whole(fraction))]
    return words


def fraction(above: int, below: int) -> list[str]:
    """1/2 -> one half, 3/4 -> three quarters; others as "five over seven"."""
    names = {2: "half", 3: "third", 4: "quarter"}
    if below in names and 0 < above < below:
        return [*cardinal(above), names[below] + ("s" if above > 1 else "")]
    return [*cardinal(above), "over", *cardinal(below)]
