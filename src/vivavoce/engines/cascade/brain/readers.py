"""Values out of words, one reader per kind of slot. Each answers None when the utterance does not say."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from vivavoce.engines.cascade.brain.choices import said
from vivavoce.engines.cascade.brain.dates import clocks_in, days_in, part_of_day
from vivavoce.engines.cascade.brain.english import NEGATIONS
from vivavoce.engines.cascade.brain.ids import Shape, find_id, plain_run
from vivavoce.engines.cascade.brain.numbers import Number, numbers_in
from vivavoce.engines.cascade.brain.tools import Slot
from vivavoce.engines.cascade.brain.utterance import Scene, Value
from vivavoce.engines.cascade.brain.words import stem, word_set, words_of_name

MISHEARD = 2.4
"""How much guessing an id may need (see ids): about two misheard words."""


def read_id(slot: Slot, scene: Scene, expected: bool) -> Value | None:
    """An id of the slot's shape, or without a shape the plainest run of letters and digits."""
    taken = frozenset(scene.taken)
    if slot.shape is not None:
        found = find_id(scene.words, slot.shape, MISHEARD, taken)
        return Value(found.text, found.start, found.end, found.inferred) if found else None
    near = _mention(slot, scene)
    run = plain_run(scene.words, taken, near)
    if run is None or (len(run.text) < 2 and near is None and not expected):
        return None
    return Value(run.text, run.start, run.end, run.inferred)


def heard_part(slot: Slot, scene: Scene, expected: bool) -> str | None:
    """What sounded like the beginning of an id although no whole one was heard."""
    if slot.shape is None:
        return None
    near = _mention(slot, scene)
    run = plain_run(scene.words, frozenset(scene.taken), near)
    if run is None or len(run.text) < 2 or not (expected or near is not None):
        return None
    scene.taken |= set(range(run.start, run.end))  # a broken id is no one's name
    return run.text


def _mention(slot: Slot, scene: Scene) -> int | None:
    """Where the utterance names the slot: "order" for order_id, or "number", "id"."""
    for at, word in enumerate(scene.words):
        if stem(word) in slot.words and at not in scene.taken:
            follows = at + 1 < len(scene.words) and scene.words[at + 1] in ("number", "id")
            return at + (2 if follows else 1)
    return next((at + 1 for at, word in enumerate(scene.words) if word in ("number", "id", "code")), None)


def read_integer_id(slot: Slot, scene: Scene, expected: bool) -> Value | None:
    """An id that is a whole number: digits only."""
    digits = Shape(r"^\d+$", (), "")
    near = _mention(slot, scene)
    run = plain_run(scene.words, frozenset(scene.taken), near)
    if run is None:
        return None
    if not run.text.isdigit():
        found = find_id(scene.words[run.start : run.end], digits, 0.2)
        return Value(int(found.text), run.start + found.start, run.start + found.end) if found else None
    return (
        Value(int(run.text), run.start, run.end)
        if near is not None or expected or len(run.text) > 1
        else None
    )


def read_phone(slot: Slot, scene: Scene, expected: bool) -> Value | None:
    run = plain_run(scene.words, frozenset(scene.taken))
    if run is None or not run.text.isdigit() or len(run.text) < 6:
        return None
    plus = "+" if run.start and scene.words[run.start - 1] == "plus" else ""
    return Value(plus + run.text, run.start, run.end)


_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_SPOKEN_EMAIL = re.compile(
    r"\b((?:\w+ (?:dot|underscore|dash|hyphen|plus) )*\w+) at ((?:\w+ (?:dash|hyphen) )*\w+(?: dot \w+)+)"
)


def read_email(slot: Slot, scene: Scene, expected: bool) -> Value | None:
    written = _EMAIL.search(scene.text)
    if written:
        inside = [at for at, one in enumerate(scene.tokens) if written.start() <= one.start < written.end()]
        return Value(written.group(), inside[0], inside[-1] + 1) if inside else None
    line = " ".join(scene.words)
    spoken = _SPOKEN_EMAIL.search(line)
    if not spoken:
        return None
    start = line[: spoken.start()].count(" ")
    text = re.sub(r" (dot|underscore|dash|hyphen|plus) ", lambda one: _MARKS[one[1]], spoken.group())
    return Value(text.replace(" at ", "@"), start, start + spoken.group().count(" ") + 1)


_MARKS = {"dot": ".", "underscore": "_", "dash": "-", "hyphen": "-", "plus": "+"}
_ISO_DAY = re.compile(r"\b\d{4}-\d\d-\d\d\b")


def _positions(scene: Scene, start: int, end: int) -> tuple[int, int]:
    inside = [at for at, one in enumerate(scene.tokens) if start <= one.start < end]
    return (inside[0], inside[-1] + 1) if inside else (0, 0)


def read_date(slot: Slot, scene: Scene, expected: bool) -> Value | None:
    """A day; ISO where the schema wants a date and it can be known, else the words."""
    for written in _ISO_DAY.finditer(scene.text):
        start, end = _positions(scene, *written.span())
        if scene.free(start, end):
            return Value(written.group(), start, end)
    wanted = (
        slot.schema.get("format") == "date" or "yyyy-mm-dd" in str(slot.schema.get("description", "")).lower()
    )
    days = [day for day in days_in(scene.words) if scene.free(day.start, day.end)]
    if not days:
        return None
    day = days[0]
    date = day.on(scene.context.today) if wanted else None
    return Value(date.isoformat() if date else day.words, day.start, day.end)


def read_time(slot: Slot, scene: Scene, expected: bool) -> Value | None:
    """A time of day as HH:MM, or the part of the day when nothing closer was said."""
    words = ["at", *scene.words] if expected else scene.words
    shift = 1 if expected else 0
    for clock in clocks_in(words):
        if scene.free(clock.start - shift, clock.end - shift) and clock.start >= shift:
            return Value(clock.iso, clock.start - shift, clock.end - shift)
    part = part_of_day(scene.words)
    if part is None or slot.schema.get("format") == "time":
        return None
    at = scene.words.index(part)
    return Value(part, at, at + 1) if scene.free(at, at + 1) else None


def read_datetime(slot: Slot, scene: Scene, expected: bool) -> Value | None:
    """A day with a time: ISO when both are known, else as said."""
    day, clock = read_date(slot, scene, expected), read_time(slot, scene, False)
    if day is None:
        return clock
    days = [one for one in days_in(scene.words) if one.start == day.start]
    date = days[0].on(scene.context.today) if days else None
    text = date.isoformat() if date else str(day.value)
    if clock is None:
        return Value(text, day.start, day.end)
    joined = f"{text}T{clock.value}:00" if _ISO_DAY.fullmatch(text) else f"{text} at {clock.value}"
    scene.take(clock)
    return Value(joined, day.start, day.end)


def read_enum(slot: Slot, scene: Scene, expected: bool) -> Value | None:
    """The choice that was said. One that only sounds like it is a guess, and counts less where nothing is required."""
    found = said(tuple(str(choice) for choice in slot.choices), tuple(scene.words), frozenset(scene.taken))
    if found is None:
        return None
    return Value(
        slot.choices[found.place], found.start, found.end, found.sure < 1.0, 3.0 if found.sure >= 0.6 else 1.5
    )


def read_boolean(slot: Slot, scene: Scene, expected: bool) -> Value | None:
    """True when the slot is named, False when it is denied; plain yes and no when it was asked for."""
    for at, word in enumerate(scene.words):
        if stem(word) in slot.words:
            denied = any(one in NEGATIONS for one in scene.words[max(0, at - 3) : at])
            return Value(not denied, at, at + 1)
    if expected:
        answer = yes_or_no(scene.words)
        if answer is not None:
            return Value(answer, 0, len(scene.words))
    return None


_YES = word_set(
    "yes yeah yep yup sure correct right ok okay absolutely definitely affirmative please exactly"
)
_NO = word_set("no nope nah negative not don't wrong never")


def yes_or_no(words: list[str]) -> bool | None:
    """What a short answer to a yes-or-no question means."""
    if any(word in _NO for word in words[:4]):
        return False
    joined = " ".join(words)
    if any(word in _YES for word in words[:4]) or joined.startswith(
        ("go ahead", "do it", "that's right", "i do", "i would")
    ):
        return True
    return None


def read_number(slot: Slot, scene: Scene, expected: bool) -> Value | None:
    """The number that stands closest to the slot's own words; a lone number will do."""
    spoken = [one for one in numbers_in(scene.words, frozenset(scene.taken)) if _in_bounds(one.value, slot)]
    units = slot.words | _units(slot)
    ranked = sorted(
        ((_nearness(one, units, scene), one) for one in spoken), key=lambda pair: (-pair[0], pair[1].start)
    )
    if not ranked:
        return _one_of(units, slot, scene)
    near, number = ranked[0]
    value: Any = number.value
    if slot.schema.get("type") == "integer":
        if value != int(value):
            return None
        value = int(value)
    cents = _cents(number, spoken, scene)
    if cents is not None and slot.schema.get("type") == "number":
        return Value(round(value + cents.value / 100, 2), number.start, cents.end, sure=3.0)
    return Value(value, number.start, number.end, sure=near or (3.0 if expected else 1.0))


def _units(slot: Slot) -> frozenset[str]:
    text = words_of_name(str(slot.schema.get("description") or ""))
    return frozenset(
        stem(word) for word in text if len(word) > 3 and word not in ("number", "amount", "many")
    )


def _in_bounds(value: float, slot: Slot) -> bool:
    low, high = slot.schema.get("minimum"), slot.schema.get("maximum")
    return (low is None or value >= low) and (high is None or value <= high)


def _nearness(number: Number, units: frozenset[str], scene: Scene) -> float:
    after = [stem(word) for word in scene.words[number.end : number.end + 2]]
    before = [stem(word) for word in scene.words[max(0, number.start - 3) : number.start]]
    if after[:1] and after[0] in units:
        return 3.0
    if any(word in units for word in after[1:2]) or any(word in units for word in before):
        return 2.0
    return 0.0


def _cents(number: Number, spoken: list[Number], scene: Scene) -> Number | None:
    """The cents of "fifty dollars and twenty cents"."""
    for other in spoken:
        if 0 < other.start - number.end <= 2 and scene.words[other.end : other.end + 1] in (
            ["cents"],
            ["pence"],
        ):
            return other
    return None


def _one_of(units: frozenset[str], slot: Slot, scene: Scene) -> Value | None:
    """ "a night" for nights: one; "for to nights", where "to" can only be a number: two."""
    for at, word in enumerate(scene.words[:-1]):
        digit = {"to": 2, "too": 2, "for": 4}.get(word)
        counted = scene.words[at + 1].endswith("s") and stem(scene.words[at + 1]) in slot.words | units
        if (
            digit
            and counted
            and at > 0
            and (word != "for" or scene.words[at - 1] == "for")
            and _in_bounds(digit, slot)
        ):
            return Value(digit, at, at + 1, True, 2.0)
    for at, word in enumerate(scene.words[:-1]):
        if word in ("a", "an") and stem(scene.words[at + 1]) in slot.words & units and _in_bounds(1, slot):
            return Value(1, at, at + 1, sure=2.0)
    return None


READERS: dict[str, Callable[[Slot, Scene, bool], Value | None]] = {
    "email": read_email,
    "id": read_id,
    "integer_id": read_integer_id,
    "phone": read_phone,
    "date": read_date,
    "time": read_time,
    "datetime": read_datetime,
    "enum": read_enum,
    "boolean": read_boolean,
    "integer": read_number,
    "number": read_number,
}
