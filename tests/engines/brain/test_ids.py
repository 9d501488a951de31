"""Ids out of spoken letters and digits, with and without misheard words."""

from __future__ import annotations

import pytest

from tests.engines.brain.conversations import words
from vivavoce.engines.cascade.brain.ids import Shape, find_id, ids_in_text, plain_run, shape_of
from vivavoce.engines.cascade.brain.patterns import fixed_start, sample

LETTER_AND_FOUR = shape_of(r"^[A-Z]\d{4}$", ())
BY_EXAMPLE = shape_of(None, ("K4827",))
PREFIXED = shape_of(None, ("ORD-123", "ORD-907"))
ANY_LENGTH = shape_of(r"^INV-\d+$", ())


def heard(text: str, shape: Shape | None) -> str | None:
    assert shape is not None
    found = find_id(text.split(), shape, 2.4)
    return found.text if found else None


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("b four two seven nine", "B4279"),
        ("order number b forty two seventy nine please", "B4279"),
        ("b four thousand two hundred seventy nine", "B4279"),
        ("b four thousand two hundred and seventy nine", "B4279"),
        ("c double zero five one", "C0051"),
        ("c triple five two", "C5552"),
        ("d ten oh one", "D1001"),
        ("a thousand one", "A1001"),
        ("a one thousand and one", "A1001"),
        ("a ten oh one", "A1001"),
        ("it is bravo four two seven nine", "B4279"),
        ("b as in bravo four two seven nine", "B4279"),
        ("b for bravo four two seven nine", "B4279"),
        ("b um four two uh seven nine", "B4279"),
        ("order B4279 please", "B4279"),
        ("order b4279", "B4279"),
        ("b 4279", "B4279"),
        ("b four two seven", None),
        ("b four two seven nine nine", None),
        ("nothing of the kind", None),
        ("four two seven nine", None),
    ],
)
def test_a_letter_and_four_digits(text: str, wanted: str | None) -> None:
    assert heard(text, LETTER_AND_FOUR) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("hey four two seven nine", "A4279"),
        ("eight four two seven nine", "A4279"),
        ("be four to seven nine", "B4279"),
        ("parcel as six two seven aid", "S6278"),
        ("order for que four one seven mine", "Q4179"),
        ("see won for oh ate", "C1408"),
    ],
)
def test_misheard_words_are_guessed_and_said_to_be_guesses(text: str, wanted: str) -> None:
    assert LETTER_AND_FOUR is not None
    found = find_id(text.split(), LETTER_AND_FOUR, 4.5)
    assert found is not None
    assert (found.text, found.inferred) == (wanted, True)


def test_a_plain_reading_is_no_guess() -> None:
    assert LETTER_AND_FOUR is not None
    found = find_id(words("order b four two seven nine"), LETTER_AND_FOUR)
    assert found is not None
    assert (found.start, found.end, found.inferred) == (1, 6, False)


def test_letters_that_never_change_may_be_left_out() -> None:
    assert heard("one two three", PREFIXED) == "ORD-123"
    assert heard("o r d one two three", PREFIXED) == "ORD-123"
    assert heard("o r d dash one two three", PREFIXED) == "ORD-123"
    assert heard("four oh one nine", BY_EXAMPLE) == "K4019"
    assert heard("five five one two nine", ANY_LENGTH) == "INV-55129"


def test_without_a_shape_only_what_was_plainly_said_counts() -> None:
    found = plain_run(words("my reference is x seven seven two for tomorrow"))
    assert found is not None
    assert found.text == "X772"
    assert plain_run(words("no number at all")) is None


def test_ids_are_found_in_descriptions() -> None:
    assert ids_in_text("The order number, e.g. K4827 or PX-20417.") == ["K4827", "PX-20417"]
    assert ids_in_text("Between 3 and 5 days, at 12:30, see http://a1b2.example/x9") == []


@pytest.mark.parametrize(
    ("pattern", "made", "start"),
    [
        (r"^[A-Z]\d{4}$", "A0000", ""),
        (r"^A\d{4}$", "A0000", "A"),
        (r"^(?:ORD|INV)-\d{2,4}$", "ORD-00", ""),
        (r"ORD-[0-9]+", "ORD-0", "ORD-"),
        (r"^[A-F0-9]{8}$", "AAAAAAAA", ""),
        (r"\w{3}\.\d?", "AAA.", ""),
        (r"(?=x)y", None, None),
        (r"^[^a]$", None, None),
        (r"(a", None, None),
        (r"^A{2,}-?[0-9]", "AA0", "AA"),
    ],
)
def test_patterns_give_samples(pattern: str, made: str | None, start: str | None) -> None:
    assert sample(pattern) == made
    assert fixed_start(pattern) == start
