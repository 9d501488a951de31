"""How English is said: words, initials, figures, ids, addresses, amounts, times.

A single capital letter among the words means the letter's name.
"""

from __future__ import annotations

import re
import unicodedata

from vivavoce.engines.cascade.tts import numbers
from vivavoce.engines.cascade.tts.collector import (
    MARKUP_RULES,
    Collector,
    Rule,
    Rules,
    SpokenWord,
    say_pause,
)


def read(text: str) -> tuple[SpokenWord, ...]:
    """The words of an English text: lower-case ASCII letters and apostrophes, or one capital letter to be named."""
    return _ENGLISH.read(text)


_LONGEST_ADDRESS = 48

# --- words
# ------------------------------------------------------------------------------------------------------------

# Read as letters although they could be words.
_INITIALISMS = frozenset(
    [
        "AI",
        "API",
        "APIS",
        "CEO",
        "EU",
        "FAQ",
        "FAQS",
        "GPU",
        "CPU",
        "ID",
        "IDS",
        "IP",
        "IOS",
        "IOT",
        "PIN",
        "QA",
        "UI",
        "UK",
        "UN",
        "URL",
        "US",
        "USA",
        "USB",
        "UX",
    ]
)
_ROMAN = {"II": 2, "III": 3, "IV": 4, "VII": 7, "VIII": 8, "IX": 9}
_LETTERS = str.maketrans(
    {
        "ß": "ss",
        "æ": "ae",
        "Æ": "Ae",
        "ø": "o",
        "Ø": "O",
        "œ": "oe",
        "Œ": "Oe",
        "ł": "l",
        "Ł": "L",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "’": "'",
        "ʼ": "'",
        "ı": "i",
    }
)
_ABBREVIATIONS = {
    "mr": "mister", "mrs": "missus", "ms": "miz", "dr": "doctor", "prof": "professor", "st": "saint", "vs":
    "versus", "etc": "et cetera", "e.g": "for example", "i.e": "that is", "approx": "approximately", "dept":
    "department", "inc": "incorporated", "ltd": "limited", "jr": "junior", "sr": "senior",
}  # fmt: skip


def _fold(word: str) -> str:
    """The nearest letters of English; what has none is left out."""
    plain = unicodedata.normalize("NFKD", word.translate(_LETTERS))
    return "".join(letter for letter in plain if letter.isascii() and (letter.isalpha() or letter == "'"))


def _letters(word: str) -> list[str]:
    return [letter for letter in word.upper() if letter.isalpha()]


def _word(found: re.Match[str], out: Collector) -> None:
    start = found.start()
    for part in re.finditer(
        r"[A-Z]{2,}(?![a-z'])|[A-Z]?[a-z']+|[A-Z]+(?=[A-Z][a-z])|[A-Z]", folded := _fold(found[0])
    ):
        # Folding may change the length; inside one word the place need not be exact.
        begin, end = (start + round(at * len(found[0]) / len(folded)) for at in part.span())
        out.say(_plain_word(part[0]), begin, end)


def _plain_word(word: str) -> list[str]:
    if word in _ROMAN:
        return numbers.cardinal(_ROMAN[word])
    if len(word) > 1 and word.isupper() and (word in _INITIALISMS or not re.search("[AEIOUY]", word)):
        return _letters(word)
    if len(word) == 1 and word not in "AaIi":
        return [word.upper()]
    stripped = word.strip("'").lower()
    return [stripped] if stripped else []


def _abbreviation(found: re.Match[str], out: Collector) -> None:
    out.say(_ABBREVIATIONS[found[0][:-1].lower()].split(), *found.span())


def _initials(found: re.Match[str], out: Collector) -> None:
    out.say(_letters(found[0]), *found.span())


# --- addresses and markup
# -----------------------------------------------------------------------------------------------


def _link(found: re.Match[str], out: Collector) -> None:
    """A Markdown link: its label is said, its target is not."""
    label = found["label"]
    offset = found.start("label")
    words = read(label)
    for count, word in enumerate(words, 1):
        out.say([word.text], offset, found.end() if count == len(words) else offset + word.end)


def _address(found: re.Match[str], out: Collector) -> None:
    address = re.sub(r"^(?:https?|ftp)://(?:www\.)?|^www\.", "", found[0], flags=re.IGNORECASE)
    address = re.split(r"[?#]", address)[0].rstrip("/")
    if len(address) > _LONGEST_ADDRESS:
        address = address.split("/")[0]
    out.say(_spoken_address(address), *found.span())


def _email(found: re.Match[str], out: Collector) -> None:
    out.say(_spoken_address(found[0]), *found.span())


def _spoken_address(address: str) -> list[str]:
    names = {".": "dot", "/": "slash", "-": "dash", "_": "underscore", "@": "at", ":": "colon", "+": "plus"}
    words: list[str] = []
    for part in re.findall(r"[^\W\d_]+|\d+|[./_@:+-]", address):
        if part in names:
            words.append(names[part])
        elif part.isdigit():
            words += numbers.digits(part)
        elif folded := _fold(part):
            words += (
                _letters(folded)
                if len(folded) <= 2 or not re.search("[aeiouyAEIOUY]", folded)
                else [folded.lower()]
            )
    return words


# --- figures
# ------------------------------------------------------------------------------------------------------------

_MONTHS = [
    "-",
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
_CURRENCIES = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "€": ("euro", "euros", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "¥": ("yen", "yen", "sen", "sen"),
}
_AMOUNTS = {"k": "thousand", "m": "million", "b": "billion", "bn": "billion"}
_UNITS = {
    "km": "kilometers", "m": "meters", "cm": "centimeters", "mm": "millimeters", "kg": "kilograms",
    "g": "grams", "mg": "milligrams", "lb": "pounds", "lbs": "pounds", "oz": "ounces", "ft": "feet",
    "mi": "miles", "mph": "miles per hour", "kmh": "kilometers per hour", "l": "liters",
    "ml": "milliliters", "h": "hours", "hr": "hours", "hrs": "hours", "min": "minutes",
    "mins": "minutes", "s": "seconds", "sec": "seconds", "ms": "milliseconds", "kb": "kilobytes",
    "mb": "megabytes", "gb": "gigabytes", "tb": "terabytes", "hz": "hertz", "khz": "kilohertz",
    "mhz": "megahertz", "ghz": "gigahertz", "kw": "kilowatts", "kwh": "kilowatt hours",
    "k": "thousand", "x": "times",
}  # fmt: skip


def _date(found: re.Match[str], out: Collector) -> None:
    if found["iso"]:
        year, month, day = (int(part) for part in found["iso"].split("-"))
    else:
        month, day, year = (int(part) for part in found["us"].split("/"))
    if not (1 <= month <= 12 and 1 <= day <= 31):
        out.say(numbers.digits(found[0]), *found.span())
        return
    out.say(
        [_MONTHS[month], *numbers.ordinal(day), *numbers.year(year + (2000 if year < 100 else 0))],
        *found.span(),
    )


def _time(found: re.Match[str], out: Collector) -> None:
    hour, minute = int(found["hour"]), found["minute"]
    words = numbers.cardinal(hour)
    if minute and int(minute):
        words += ["oh"] * (minute[0] == "0") + numbers.cardinal(int(minute))
    elif minute and not found["half"]:
        words += ["o'clock"] if 1 <= hour <= 12 else ["hundred"]
    if found["second"]:
        words += ["and", *numbers.cardinal(int(found["second"])), "seconds"]
    if half := found["half"] or found["late"]:
        words += _letters(half)
    out.say(words, *found.span())


def _money(found: re.Match[str], out: Collector) -> None:
    one, many, one_cent, cents = _CURRENCIES[found["currency"]]
    amount = found["amount"].replace(",", "")
    whole, _, rest = amount.partition(".")
    scale = found["scale"]
    if scale:
        words = [*numbers.number(amount), _AMOUNTS.get(scale.lower(), scale.lower()), many]
    elif len(rest) == 2:
        nothing = not whole.strip("0") and int(rest)
        words = [] if nothing else [*numbers.whole(whole), one if whole == "1" else many]
        if int(rest):
            words += [
                *(["and"] if words else []),
                *numbers.cardinal(int(rest)),
                one_cent if int(rest) == 1 else cents,
            ]
    else:
        said = numbers.number(amount) if rest else numbers.whole(whole)
        words = [*said, one if amount == "1" else many]
    out.say(words, *found.span())


def _percent(found: re.Match[str], out: Collector) -> None:
    out.say([*_signed(found[0].rstrip("% ")), "percent"], *found.span())


def _phone(found: re.Match[str], out: Collector) -> None:
    """Figure by figure, with a breath between the groups."""
    for group in re.finditer(r"\+?\d+", found[0]):
        start, end = (found.start() + at for at in group.span())
        out.say([*(["plus"] if group[0][0] == "+" else []), *numbers.digits(group[0])], start, end)
        if end < found.end():
            out.pause(",", end)


def _range(found: re.Match[str], out: Collector) -> None:
    low, high = re.split(r"\s?[–-]\s?", found[0])
    out.say([*numbers.number(low), "to", *numbers.number(high)], *found.span())


def _fraction(found: re.Match[str], out: Collector) -> None:
    above, below = found[0].split("/")
    if found[0] == "24/7":
        out.say(["twenty", "four", "seven"], *found.span())
    else:
        out.say(numbers.fraction(int(above), int(below)), *found.span())


def _number(found: re.Match[str], out: Collector) -> None:
    out.say(_signed(found[0]), *found.span())


def _signed(figures: str) -> list[str]:
    return ["minus", *numbers.number(figures[1:])] if figures[0] in "-−" else numbers.number(figures)


def _identifier(found: re.Match[str], out: Collector) -> None:
    """Letters and figures in one word: an ordinal, a quantity, or an id that is spelled."""
    written, start, end = found[0], *found.span()
    if ordinal := re.fullmatch(r"(\d{1,12})(?:st|nd|rd|th)", written, re.IGNORECASE):
        out.say(numbers.ordinal(int(ordinal[1])), start, end)
    elif decade := re.fullmatch(r"(\d{4})s", written):
        *front, last = numbers.year(int(decade[1]))
        out.say([*front, last[:-1] + "ies" if last.endswith("y") else last + "s"], start, end)
    elif (quantity := re.fullmatch(r"(\d+(?:\.\d+)?)([A-Za-z]+)", written)) and quantity[2].lower() in _UNITS:
        unit = _UNITS[quantity[2].lower()]
        out.say(
            [
                *numbers.number(quantity[1]),
                *(unit[:-1] if quantity[1] == "1" and unit[-1] == "s" else unit).split(),
            ],
            start,
            end,
        )
    else:
        for run in re.finditer(r"[^\W\d_]+|\d+", written):
            out.say(_spelled(run[0], written), start + run.start(), start + run.end())


def _spelled(run: str, written: str) -> list[str]:
    if run.isdigit():
        # COVID-19 is said with a number, A1001 and INV-2024-001 figure by figure.
        named = re.match(r"[^\W\d_]{4,}", written)
        return (
            numbers.cardinal(int(run)) if named and len(run) <= 2 and run[0] != "0" else numbers.digits(run)
        )
    folded = _fold(run)
    is_word = len(folded) >= 4 and re.search("[aeiouy]", folded.lower())
    return [folded.lower()] if is_word else _letters(folded)


_SYMBOLS = {
    "&": "and", "@": "at", "+": "plus", "=": "equals", "°C": "degrees celsius", "°F": "degrees fahrenheit",
    "°": "degrees", "%": "percent", "#": "number", "×": "times", "→": "to", "§": "section", "€": "euros", "£":
    "pounds", "$": "dollars", "¥": "yen", "½": "one half", "¼": "one quarter", "¾": "three quarters", "©":
    "copyright", "™": "trademark",
}  # fmt: skip


def _symbol(found: re.Match[str], out: Collector) -> None:
    out.say(_SYMBOLS[found[0]].split(), *found.span())


_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)*"
_RULES: tuple[Rule, ...] = (
    ("link", r"!?\[(?P<label>[^\[\]\n]+)\]\([^()\s]*(?:\s[^()]*)?\)", _link),
    *MARKUP_RULES,
    ("address", r"(?i:\b(?:https?|ftp)://|\bwww\.)[^\s<>\"'`]*[\w/]", _address),
    ("email", r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64}){1,8}", _email),
    ("date", r"(?<![\w.-])(?:(?P<iso>\d{4}-\d{2}-\d{2})|(?P<us>\d{1,2}/\d{1,2}/(?:\d{4}|\d{2})))(?![\w-])",
    _date), (
        "time",
        r"(?<![\w.:])(?P<hour>[01]?\d|2[0-4])(?::(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d))?(?![\d:])"
        r"(?:\s?(?P<half>(?i:[ap]\.?m\b\.?)))?|\s?(?P<late>(?i:[ap]\.?m\b)))",
        _time,
    ),
    (
        "money",
        r"(?P<currency>[$€£¥])\s?(?P<amount>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)"
        r"(?:\s?(?P<scale>(?i:thousand|million|billion|trillion|bn|[kmb]))\b)?",
        _money,
    ),
    ("percent", rf"(?:(?<!\w)[-−])?(?:{_NUMBER})\s?%", _percent),
    ("range", r"(?<![\w.-])(?:\d{4}\s?[–-]\s?\d{4}|\d{1,3}\s?[–-]\s?\d{1,3})(?![\w-]|\.\d)", _range),
    (
        "phone",
        r"(?<![\w.])(?:\+\d{1,3}(?:[\s.-]?\(?\d{2,4}\)?){2,5}|\(\d{2,4}\)\s?\d{3,4}(?:[\s.-]\d{2,4}){0,2}"
        r"|\d{2,4}(?:[.-]\d{2,4}){0,2}-\d{3,4}|\d{3}\.\d{3}\.\d{4})(?![\w])",
        _phone,
    ),
    ("fraction", r"(?<![\w./])\d{1,3}/\d{1,3}(?![\w/])", _fraction),
    ("abbreviation", r"(?i:\b(?:mr|mrs|ms|dr|prof|st|vs|etc|e\.g|i\.e|approx|dept|inc|ltd|jr|sr)\.)",
    _abbreviation), ("initials", r"\b(?:[A-Za-z]\.){2,}", _initials),
    ("identifier",
    r"(?<![^\W_])(?=[^\W_-]{0,40}[^\W\d_])(?=[^\W_]{0,40}-?[^\W_]{0,40}\d)(?:\d{1,9}\.\d{1,9}(?=[A-Za-z]))?[^\W_]{1,40}(?:-[^\W_]{0,40}\d[^\W_]{0,40}){0,8}",
    _identifier),
    ("number", rf"(?:(?<![\w)])[-−](?=\d))?(?:{_NUMBER})", _number),
    ("word", r"[^\W\d_]+(?:['’ʼ][^\W\d_]+)*", _word),
    ("symbol", r"°[CF]\b|[&@+=°%×→§€£$¥½¼¾©™]|#(?=\d)", _symbol),
    ("pause", r"[.,;:!?…—–()\[\]{}|\n]+(?:\s*\n)*|\s-{1,3}(?=\s)", say_pause),
)  # fmt: skip
_ENGLISH = Rules(_RULES)
