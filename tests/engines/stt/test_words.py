"""From a session to words: spelling, shapes of identifiers, what it is about, pronunciations."""

from __future__ import annotations

import pytest

from vivavoce.engines.cascade.stt.matter import matter_of, proper_names
from vivavoce.engines.cascade.stt.pronunciation import pronounce, sound_out, spell_out
from vivavoce.engines.cascade.stt.shapes import (
    kinds_of,
    kinds_of_description,
    kinds_of_pattern,
    members,
    places,
    shapes_of,
    written,
)
from vivavoce.engines.cascade.stt.spelling import (
    DIGIT,
    TENS,
    codes,
    identifier_words,
    is_acronym,
    number_words,
    sentences,
    spoken,
)
from vivavoce.engines.cascade.stt.whereabouts import NAMES, asks_where

from .sessions import LIBRARY_INSTRUCTIONS, LIBRARY_TOOLS


@pytest.mark.parametrize(
    ("written_form", "said"),
    [
        ("12", "twelve"),
        ("0", "zero"),
        ("40", "forty"),
        ("217", "two hundred seventeen"),
        ("1999", "one thousand nine hundred ninety nine"),
        ("90210", "nine zero two one zero"),
        ("007", "zero zero seven"),
        ("3.50", "three point five zero"),
        ("1,200", "one thousand two hundred"),
    ],
)
def test_numbers_are_said(written_form: str, said: str) -> None:
    assert " ".join(number_words(written_form)) == said


def test_text_is_said_word_by_word() -> None:
    assert spoken("Look up order B2217, it's due in 12 days") == (
        ["look", "up", "order", "b", DIGIT, DIGIT, DIGIT, DIGIT, "it's", "due", "in", TENS, "days"]
    )
    assert list(sentences("Be brief. Say “good day”!\nThen 3.5 wait")) == [
        ["be", "brief"],
        ["say"],
        ["good", "day"],
        ["then", DIGIT, "point", DIGIT, "wait"],
    ]
    assert spoken("") == []


def test_names_of_programs_are_taken_apart() -> None:
    assert identifier_words("getOrderStatus") == ["get", "order", "status"]
    assert identifier_words("patient-id_2") == ["patient", "id", DIGIT]
    assert codes("A1001, AB-12, 12, C3PO but not x or 7up2go-") == ["A1001", "AB-12", "C3PO", "7up2go"]
    assert [word for word in ("CRM", "API", "NASA", "SQL", "Hello", "HELLO", "A") if is_acronym(word)] == (
        ["CRM", "API", "SQL"]
    )


@pytest.mark.parametrize(
    ("pattern", "kinds"),
    [
        (r"^[A-Z]\d{4}$", ["adddd"]),
        (r"^[A-Z]{2}[0-9]{2,3}$", ["aadd", "aaddd"]),
        (r"ORD-\d{3}", ["ORDddd"]),
        (r"\d{6}", ["dddddd"]),
        (r"^[A-Z]+\d*$", []),
        (r"^(a|b)$", []),
        (r"^[\w.]+@x$", []),
        (r"\d{1,999}", []),
        ("", []),
        ("((((", []),
    ],
)
def test_simple_patterns_declare_shapes(pattern: str, kinds: list[str]) -> None:
    assert kinds_of_pattern(pattern) == kinds


def test_descriptions_declare_shapes() -> None:
    assert kinds_of_description("The order number, a letter and four digits.") == "adddd"
    assert kinds_of_description("two capital letters, then 6 digits") == "aadddddd"
    assert kinds_of_description("The name of the city") == ""
    assert kinds_of("A1001") == "adddd"


def test_every_place_of_an_identifier_has_its_own_words() -> None:
    assert places("add") == ("<letter1>", "<digit1>", "<digit2>")
    assert places("Ord") == ("<=o>", "<=r>", "<digit1>")
    words = members(["K5521"], boost=5.0)
    for shares in words.values():
        assert sum(shares.values()) == pytest.approx(1)
    assert words["<letter1>"]["k_1"] > 5 * words["<letter1>"]["j_1"]
    assert words["<letter2>"]["k_2"] == words["<letter2>"]["j_2"]
    assert {written(word) for word in words["<digit3>"]} >= {"zero", "oh", "nine"}


def test_declared_shapes_come_before_usual_ones() -> None:
    weights = dict(zip(*reversed(list(zip(*shapes_of(["adddd"], ["B22"]), strict=True))), strict=True))
    assert weights[places("adddd")] > weights[places("add")] > weights[places("addd")] > 0


def test_tools_tell_what_a_session_is_about() -> None:
    matter = matter_of(LIBRARY_INSTRUCTIONS, LIBRARY_TOOLS, ["Zyntar"])
    assert ("loan",) in matter.nouns
    assert ("branch",) in matter.nouns
    assert ("renew", "the", "loan", "of", "a", "book") in [
        tuple(w.removesuffix("s") for w in action) for action in matter.actions
    ]
    assert matter.coded == {("loan",): ["adddd"]}
    assert matter.counted == [("weeks",)]
    assert matter.examples == ["K5521"]
    assert {("harbour", "road"), ("old", "mill"), ("zyntar",), ("elmwood", "library")} <= set(matter.names)


@pytest.mark.parametrize(
    "tool", [{}, {"name": "x", "parameters": None}, {"name": "x", "parameters": {"properties": {"a": 3}}}]
)
def test_odd_tools_are_taken_as_they_are(tool: dict[str, object]) -> None:
    matter_of("", [tool], [])


def test_proper_names_are_capitalised_within_a_sentence() -> None:
    text = "You work for Blue Heron Freight. Refunds go to Dana. I think I'm from Oslo. Order A1001."
    assert proper_names(text) == ["Blue Heron Freight", "Dana", "Oslo"]


def test_unknown_words_get_a_pronunciation() -> None:
    known = {"north": "N AO R TH", "wind": "W IH N D", "spark": "S P AA R K", "sky": "S K AY"}
    assert pronounce("northwind", known.get, known.__contains__) == "N AO R TH W IH N D"
    assert pronounce("sparks", known.get, known.__contains__) == "S P AA R K S"
    assert pronounce("sky's", known.get, known.__contains__) == "S K AY Z"
    assert pronounce("sparking", known.get, known.__contains__) == "S P AA R K IH NG"
    assert sound_out("zarvik") == "Z AA R V IH K"
    assert sound_out("phone") == "F OW N"
    assert spell_out("CRM") == "S IY AA R EH M"
    for word in ("q", "xyz", "aeiou", "rhythm", "schtzk"):
        assert sound_out(word), word


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("city", True),
        ("cityName", True),
        ("departure_city", True),
        ("location", True),
        ("to_country", True),
        ("capacity", False),
        ("address", False),
        ("branch", False),
        ("placed_at", False),
    ],
)
def test_a_parameter_that_is_a_place(name: str, place: bool) -> None:
    assert asks_where(name) is place


def test_a_tool_that_asks_where_is_about_a_place_unless_it_lists_what_there_is() -> None:
    def tool(**city: object) -> dict[str, object]:
        parameters = {"type": "object", "properties": {"city": {"type": "string", **city}}}
        return {"name": "get_weather", "description": "", "parameters": parameters}

    assert matter_of("", [tool()], []).placed == [("weather",)]
    assert matter_of("", [tool(enum=["London", "Paris"])], []).placed == []
    assert len(set(NAMES)) == len(NAMES) > 100
