"""Numbers, days and times of day as they are spoken."""

from __future__ import annotations

import datetime as dt

import pytest

from tests.engines.brain.conversations import words
from vivavoce.engines.cascade.brain.dates import clocks_in, dates_spoken, days_in, today_in
from vivavoce.engines.cascade.brain.numbers import cardinal, numbers_in, ordinal

WEDNESDAY = dt.date(2026, 3, 4)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("seven", 7),
        ("twenty one", 21),
        ("a hundred", 100),
        ("one hundred and five", 105),
        ("two thousand twenty six", 2026),
        ("a thousand one", 1001),
        ("three hundred thousand", 300_000),
        ("one million two hundred thousand and three", 1_200_003),
    ],
)
def test_cardinals(text: str, value: int) -> None:
    said = text.split()
    assert cardinal(said, 0) == (value, len(said))


def test_a_cardinal_stops_where_it_ends() -> None:
    assert cardinal(words("twenty one people"), 0) == (21, 2)
    assert cardinal(words("people"), 0) is None
    assert cardinal([], 0) is None


def test_numbers_in_a_sentence() -> None:
    found = numbers_in(
        words("twelve dollars fifty for a couple of days at one point five or two and a half and 7.25")
    )
    assert [one.value for one in found] == [12, 50, 2, 1.5, 2.5, 7.25]
    assert [one.value for one in numbers_in(words("two or three"), frozenset({0}))] == [3]


@pytest.mark.parametrize(
    ("text", "value"), [("fifth", 5), ("twenty first", 21), ("3rd", 3), ("thirtieth", 30)]
)
def test_ordinals(text: str, value: int) -> None:
    assert ordinal(text.split(), 0) == (value, len(text.split()))


@pytest.mark.parametrize(
    ("text", "said", "date"),
    [
        ("tomorrow", "tomorrow", "2026-03-05"),
        ("the day after tomorrow please", "the day after tomorrow", "2026-03-06"),
        ("on friday", "friday", "2026-03-06"),
        ("this wednesday", "this wednesday", "2026-03-04"),
        ("wednesday", "wednesday", "2026-03-11"),
        ("next tuesday", "next tuesday", "2026-03-10"),
        ("next friday", "next friday", "2026-03-13"),
        ("in three days", "in three days", "2026-03-07"),
        ("in a week", "in a week", "2026-03-11"),
        ("june the third", "june the third", "2026-06-03"),
        ("the fifth of june", "the fifth of june", "2026-06-05"),
        ("june 5th 2027", "june 5th 2027", "2027-06-05"),
        ("december twenty fourth", "december twenty fourth", "2026-12-24"),
        ("3 may", "3 may", "2026-05-03"),
        ("monday march ninth", "monday march ninth", "2026-03-09"),
        ("january second twenty twenty seven", "january second twenty twenty seven", "2027-01-02"),
        ("january second", "january second", "2027-01-02"),
    ],
)
def test_days(text: str, said: str, date: str) -> None:
    day = days_in(text.split())[0]
    assert day.words == said
    assert day.on(WEDNESDAY) == dt.date.fromisoformat(date)


def test_a_day_counted_from_today_needs_a_today() -> None:
    assert days_in(["tomorrow"])[0].on(None) is None
    assert days_in(words("june 5th 2027"))[0].on(None) == dt.date(2027, 6, 5)
    assert days_in(words("february thirtieth"))[0].on(WEDNESDAY) is None


def test_what_names_no_day() -> None:
    assert days_in(words("may i march in the sun")) == []
    assert days_in(words("in five minutes")) == []


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("at three pm", "15:00"),
        ("at three", "15:00"),
        ("at nine", "09:00"),
        ("at seven in the morning", "07:00"),
        ("at eight at night", "20:00"),
        ("ten thirty a m", "10:30"),
        ("twelve am", "00:00"),
        ("half past two", "14:30"),
        ("quarter to nine", "08:45"),
        ("noon", "12:00"),
        ("at 15:45", "15:45"),
        ("7pm", "19:00"),
        ("six o'clock", "18:00"),
        ("wake me at six", "06:00"),
        ("at four oh five p m", "16:05"),
    ],
)
def test_times_of_day(text: str, iso: str) -> None:
    assert [clock.iso for clock in clocks_in(text.split())] == [iso]


def test_numbers_that_are_no_times() -> None:
    assert clocks_in(words("a table for four people and two dogs")) == []
    assert clocks_in(words("set it at twenty degrees")) == []


@pytest.mark.parametrize(
    ("instructions", "date"),
    [
        ("You help. Today is Tuesday, June 3, 2025.", dt.date(2025, 6, 3)),
        ("Today's date is 2025-06-03.", dt.date(2025, 6, 3)),
        ("Current date: 3 June 2025", dt.date(2025, 6, 3)),
        ("Today is a good day.", None),
        ("Today is Smarch 40, 2025.", None),
        ("", None),
    ],
)
def test_today_comes_from_the_instructions(instructions: str, date: dt.date | None) -> None:
    assert today_in(instructions) == date


def test_dates_and_times_as_words() -> None:
    assert dates_spoken("Ready 2025-06-03 at 14:05.") == "Ready Tuesday, June 3 at 2:05 PM."
    assert dates_spoken("2025-06-03T12:00:00Z") == "Tuesday, June 3 at noon"
    assert dates_spoken("2025-06-03T00:00:00") == "Tuesday, June 3"
    assert dates_spoken("2025-13-45, 10:30 am, ratio 3:75") == "2025-13-45, 10:30 am, ratio 3:75"
