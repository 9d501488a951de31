"""Days and times of day: as they are spoken by a caller, and as words for what a tool answered.

There is no clock here. A relative day becomes a calendar date only when the instructions say what today is.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from vivavoce.engines.cascade.brain.numbers import DIGITS, cardinal, ordinal, small

_WEEKDAYS = {
    name: place
    for place, names in enumerate(
        (
            "monday mon",
            "tuesday tues tue",
            "wednesday wed",
            "thursday thurs thu",
            "friday fri",
            "saturday sat",
            "sunday sun",
        )
    )
    for name in names.split()
    if name not in ("sat", "sun", "wed", "mon")
}
_MONTH_NAMES = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
_MONTHS = {name: place for place, name in enumerate(_MONTH_NAMES, 1)}
_MONTHS |= {name[:3]: place for name, place in _MONTHS.items() if name not in ("may", "march")} | {"sept": 9}
_NEAR = {"today": 0, "tonight": 0, "tomorrow": 1, "yesterday": -1}
_UNITS = {"day": 1, "days": 1, "week": 7, "weeks": 7}


@dataclass(frozen=True, slots=True)
class Day:
    """A day named at words[start:end]. Either a fixed (year?, month, day) or counted from today."""

    start: int
    end: int
    words: str
    month: int = 0
    day: int = 0
    year: int = 0
    offset: int | None = None
    weekday: int | None = None
    after_this_week: bool = False

    def on(self, today: dt.date | None) -> dt.date | None:
        """The calendar date, or None when it depends on a today that is not known."""
        if self.month:
            return self._fixed(today)
        if today is None:
            return None
        if self.offset is not None:
            return today + dt.timedelta(days=self.offset)
        if self.weekday is None:
            return None
        ahead = (self.weekday - today.weekday()) % 7
        if self.after_this_week:
            return today + dt.timedelta(days=7 - today.weekday() + self.weekday)
        return today + dt.timedelta(days=ahead or (0 if self.words.startswith("this") else 7))

    def _fixed(self, today: dt.date | None) -> dt.date | None:
        year = self.year or (today.year if today else 0)
        try:
            date = dt.date(year, self.month, self.day) if year else None
        except ValueError:
            return None
        if date and today and not self.year and date < today - dt.timedelta(days=60):
            return date.replace(year=year + 1)
        return date


@dataclass(frozen=True, slots=True)
class Clock:
    """A time of day at words[start:end], 24 hours; `words` as spoken."""

    start: int
    end: int
    words: str
    hour: int
    minute: int

    @property
    def iso(self) -> str:
        return f"{self.hour:02}:{self.minute:02}"


def today_in(instructions: str) -> dt.date | None:
    """The date that instructions give for today ("Today is Tuesday, June 3, 2025", "Current date: 2025-06-03")."""
    said = re.search(
        r"\b(?:today(?:'s date)?|current date|the date)\b[^.\n]{0,24}?(\d{4}-\d\d-\d\d)", instructions, re.I
    )
    if said:
        return _iso(said.group(1))
    said = re.search(
        r"\b(?:today(?:'s date)?|current date)\b[^.\n]{0,24}?\b([A-Z][a-z]{2,8})\.? (\d{1,2})(?:st|nd|rd|th)?,? (\d{4})",
        instructions,
        re.I,
    ) or re.search(r"\b(?:today(?:'s date)?|current date)\b[^.\n]{0,24}?\b(?P<d>\d{1,2})(?:st|nd|rd|th)? (?:of )?"
                   r"(?P<m>[A-Z][a-z]{2,8}),? (?P<y>\d{4})", instructions, re.I)  # fmt: skip
    if not said:
        return None
    if "m" in said.groupdict():
        month, day, year = said.group("m"), said.group("d"), said.group("y")
    else:
        month, day, year = said.groups()
    number = _MONTHS.get(month.lower()) or _MONTHS.get(month.lower()[:3])
    try:
        return dt.date(int(year), number, int(day)) if number else None
    except ValueError:
        return None


def _iso(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None


def days_in(words: Sequence[str]) -> list[Day]:
    """Every day named in an utterance, in order."""
    return _scan(words, _day_at)


def clocks_in(words: Sequence[str]) -> list[Clock]:
    """Every time of day named in an utterance, in order."""
    return _scan(words, _clock_at)


_Named = TypeVar("_Named", Day, Clock)


def _scan(words: Sequence[str], read: Callable[[Sequence[str], int], _Named | None]) -> list[_Named]:
    found: list[_Named] = []
    at = 0
    while at < len(words):
        one = read(words, at)
        if one is not None:
            found.append(one)
        at = one.end if one is not None else at + 1
    return found


def _said(words: Sequence[str], start: int, end: int) -> str:
    return " ".join(words[start:end])


def _day_at(words: Sequence[str], at: int) -> Day | None:
    return _near_day(words, at) or _week_day(words, at) or _counted_day(words, at) or _month_day(words, at)


def _near_day(words: Sequence[str], at: int) -> Day | None:
    word = words[at]
    if _said(words, at, at + 4) == "the day after tomorrow":
        return Day(at, at + 4, "the day after tomorrow", offset=2)
    if _said(words, at, at + 3) == "day after tomorrow":
        return Day(at, at + 3, "day after tomorrow", offset=2)
    if word in _NEAR:
        return Day(at, at + 1, word, offset=_NEAR[word])
    if word in ("this", "next") and at + 1 < len(words) and words[at + 1] in ("week", "weekend", "month"):
        offset = {"week": 7}.get(words[at + 1]) if word == "next" else None
        weekday = 5 if words[at + 1] == "weekend" else None
        return Day(
            at,
            at + 2,
            _said(words, at, at + 2),
            offset=offset,
            weekday=weekday,
            after_this_week=word == "next",
        )
    return None


def _week_day(words: Sequence[str], at: int) -> Day | None:
    lead = 1 if words[at] in ("this", "next", "coming") else 0
    if at + lead >= len(words):
        return None
    weekday = (
        _WEEKDAYS.get(words[at + lead].removesuffix("'s").removesuffix("s"))
        if len(words[at + lead]) > 2
        else None
    )
    if weekday is None:
        weekday = _WEEKDAYS.get(words[at + lead])
    if weekday is None:
        return None
    end = at + lead + 1
    fixed = _month_day(words, end)
    if fixed:
        return Day(at, fixed.end, _said(words, at, fixed.end), fixed.month, fixed.day, fixed.year)
    return Day(at, end, _said(words, at, end), weekday=weekday, after_this_week=words[at] == "next")


def _counted_day(words: Sequence[str], at: int) -> Day | None:
    if words[at] != "in":
        return None
    count = small(words, at + 1) or ((1, at + 2) if words[at + 1 : at + 2] in (["a"], ("a",)) else None)
    if count is None and at + 1 < len(words) and words[at + 1].isdigit():
        count = (int(words[at + 1]), at + 2)
    if count is None or count[1] >= len(words) or words[count[1]] not in _UNITS:
        return None
    end = count[1] + 1
    return Day(at, end, _said(words, at, end), offset=count[0] * _UNITS[words[count[1]]])


def _month_day(words: Sequence[str], at: int) -> Day | None:
    """june fifth; the fifth of june; june 5th 2025; 5 june."""
    start = at
    if at < len(words) and words[at] == "the":
        at += 1
    if at >= len(words):
        return None
    if words[at] in _MONTHS:
        day = (
            ordinal(words, at + 1) or ordinal(words, at + 2)
            if words[at + 1 : at + 2] != ["the"]
            else ordinal(words, at + 2)
        )
        if day is None or (day[1] > at + 3 and words[at + 1] != "the"):
            day = _day_number(words, at + 1)
        if day is None or not 1 <= day[0] <= 31:
            return None
        year, end = _year(words, day[1])
        return Day(start, end, _said(words, start, end), _MONTHS[words[at]], day[0], year)
    day = ordinal(words, at) or _day_number(words, at)
    if day is None or not 1 <= day[0] <= 31:
        return None
    month = day[1] + 1 if day[1] < len(words) and words[day[1]] == "of" else day[1]
    if month >= len(words) or words[month] not in _MONTHS:
        return None
    year, end = _year(words, month + 1)
    return Day(start, end, _said(words, start, end), _MONTHS[words[month]], day[0], year)


def _day_number(words: Sequence[str], at: int) -> tuple[int, int] | None:
    if at < len(words) and re.fullmatch(r"\d{1,2}", words[at]):
        return int(words[at]), at + 1
    return small(words, at)


def _year(words: Sequence[str], at: int) -> tuple[int, int]:
    if at < len(words) and re.fullmatch(r"(?:19|20)\d\d", words[at]):
        return int(words[at]), at + 1
    if at + 1 < len(words) and words[at] == "twenty":
        tail = small(words, at + 1)
        if tail and tail[0] >= 10:
            return 2000 + tail[0], tail[1]
    whole = cardinal(words, at) if at < len(words) and words[at] == "two" else None
    return whole if whole and 2000 <= whole[0] < 2100 else (0, at)


def _clock_at(words: Sequence[str], at: int) -> Clock | None:
    word = words[at]
    if word in ("noon", "midday", "midnight"):
        return Clock(at, at + 1, word, 0 if word == "midnight" else 12, 0)
    if word in ("half", "have", "quarter") and at + 2 < len(words) and words[at + 1] in ("past", "to"):
        return _relative_clock(words, at)
    written = re.fullmatch(r"(\d{1,2})(?::(\d\d))?(am|pm)?", word)
    if written and int(written.group(1)) < 25:
        hour, minute, end = int(written.group(1)), int(written.group(2) or 0), at + 1
        return _clock(
            words, at, end, hour, minute, written.group(3), bool(written.group(2) or written.group(3))
        )
    spoken = small(words, at)
    if spoken is None or spoken[0] > 24:
        return None
    hour, end = spoken[0], spoken[1]
    if word in ("twenty",) and end > at + 1 and hour > 24:
        return None
    minute_part = _minutes(words, end)
    minute, end = minute_part if minute_part else (0, end)
    return _clock(words, at, end, hour, minute, None, False)


def _minutes(words: Sequence[str], at: int) -> tuple[int, int] | None:
    """fifteen, oh five, thirty: minutes, only where a.m., p.m. or nothing that counts follows."""
    if at < len(words) and words[at] in ("oh", "o") and at + 1 < len(words) and words[at + 1] in DIGITS:
        return DIGITS[words[at + 1]], at + 2
    part = small(words, at)
    return part if part and 10 <= part[0] <= 59 else None


def _relative_clock(words: Sequence[str], at: int) -> Clock | None:
    hour = small(words, at + 2) or _day_number(words, at + 2)
    if hour is None or not 1 <= hour[0] <= 12:
        return None
    minute = 15 if words[at] == "quarter" else 30
    value = hour[0] * 60 + (minute if words[at + 1] == "past" else -minute)
    return _clock(words, at, hour[1], value // 60, value % 60, None, True)


def _clock(
    words: Sequence[str], at: int, end: int, hour: int, minute: int, half: str | None, certain: bool
) -> Clock | None:
    """A clock time when something says that it is one: a.m., p.m., o'clock, a part of the day, or "at" before it."""
    tail = list(words[end : end + 4])
    if half is None and tail[:1] and tail[0] in ("am", "pm"):
        half, end = tail[0], end + 1
    elif half is None and len(tail) > 1 and tail[0] in ("a", "p") and tail[1] in ("m", "em", "am"):
        half, end = tail[0] + "m", end + 2
    elif tail[:1] and tail[0] in ("o'clock", "oclock"):
        certain, end = True, end + 1
        tail = tail[1:]
    part = re.search(r"^(?:in the (morning|afternoon|evening)|at (night))", " ".join(words[end : end + 3]))
    if half is None and part:
        half = "am" if part.group(1) == "morning" else "pm"
        end += len(part.group().split())
    before = words[at - 1] if at else ""
    if half is None and not certain and before not in ("at", "around", "by", "until", "till", "past"):
        return None
    if half is None and end < len(words) and words[end] in ("percent", "degrees", "dollars", "euros"):
        return None
    if half == "pm" and hour < 12:
        hour += 12
    elif half == "am" and hour == 12:
        hour = 0
    elif half is None and 1 <= hour <= 7 and ":" not in words[at] and not _EARLY & set(words):
        hour += 12  # "at three" is in the afternoon for anyone who makes an appointment
    return Clock(at, end, _said(words, at, end), hour % 24, minute) if hour <= 24 and minute < 60 else None


_EARLY = frozenset({"wake", "alarm", "morning", "breakfast", "sunrise"})


def part_of_day(words: Sequence[str]) -> str | None:
    """morning, afternoon or evening, when an utterance names one."""
    return next((word for word in words if word in ("morning", "afternoon", "evening")), None)


# --- as words -----------------------------------------------------------------------------------------------------------

_DATE_TIME = re.compile(
    r"\b(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?(?![\w-])"
)
_TIME = re.compile(r"(?<![\d:.])([01]?\d|2[0-3]):([0-5]\d)(?::[0-5]\d)?(?![\d:])(?! ?[ap]\.?m)", re.I)


def dates_spoken(text: str) -> str:
    """ISO dates and 24-hour times inside a text as one says them: 2025-06-03T15:00 -> Tuesday, June 3 at 3 PM."""
    return _TIME.sub(
        lambda found: _spoken_time(int(found[1]), int(found[2])), _DATE_TIME.sub(_spoken_date, text)
    )


def _spoken_date(found: re.Match[str]) -> str:
    try:
        date = dt.date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        return found.group()
    said = f"{date:%A}, {date:%B} {date.day}"
    if found[4] is None or (found[4], found[5]) == ("00", "00"):
        return said
    return f"{said} at {_spoken_time(int(found[4]), int(found[5]))}"


def _spoken_time(hour: int, minute: int) -> str:
    if (hour, minute) == (12, 0):
        return "noon"
    half = "AM" if hour < 12 else "PM"
    return f"{hour % 12 or 12}{f':{minute:02}' if minute else ''} {half}"
