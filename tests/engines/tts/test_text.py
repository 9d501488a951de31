import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vivavoce.engines.cascade.tts import numbers
from vivavoce.engines.cascade.tts.text import read_aloud


def said(text: str, language: str = "en") -> str:
    return " ".join(word.text for word in read_aloud(text, language))


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Your order A1001 is shipped!", "your order A one zero zero one is shipped!"),
        ("INV-2024-001 and B2B", "I N V two zero two four zero zero one and B two B"),
        ("COVID-19, MP3, 20-year-old", "covid nineteen, M P three, twenty year old"),
        ("$12.50, €1.5 million, $0.99, £3.01", "twelve dollars and fifty cents, one point five million euros, "
         "ninety nine cents, three pounds and one penny"),
        ("12.5% of 1,234", "twelve point five percent of one thousand two hundred thirty four"),
        ("Call +1 (555) 123-4567.", "call plus one, five five five, one two three, four five six seven."),
        ("https://www.example.com/docs/start?x=1", "example dot com slash docs slash start"),
        ("jane.doe@example.org", "jane dot doe at example dot org"),
        ("**Bold** `code` [the docs](https://x.y/z).", "bold code the docs."),
        ("# Heading\n- one\n- two", "heading, one, two"),
        ("Meet at 3:30 pm, 9:00, 14:05 or 9am", "meet at three thirty P M, nine o'clock, fourteen oh five or nine A M"),
        ("on 2024-05-01 or 12/25/2024", "on may first twenty twenty four or december twenty fifth twenty twenty four"),
        ("3rd of the 1980s, 10km", "third of the nineteen eighties, ten kilometers"),
        ("The API, the CRM, NASA, Dr. Who, e.g. U.S. law", "the A P I, the C R M, nasa, doctor who, for example U S law"),
        ("10-20, 1998-2004, 1/2, 24/7, 1.2.3, -5, 007", "ten to twenty, nineteen ninety eight to two thousand four, "
         "one half, twenty four seven, one point two point three, minus five, zero zero seven"),
        ("Café naïve 😀 don’t", "cafe naive don't"),
        ("What?! Really… yes — no", "what! really, yes, no"),
        ("snake_case and camelCase and plan B", "snake case and camel case and plan B"),
        ("#42: 5°C & 3 + 4 = 7", "number forty two, five degrees celsius and three plus four equals seven"),
    ],
)  # fmt: skip
def test_english_is_said_in_words(written: str, spoken: str) -> None:
    assert said(written) == spoken


@pytest.mark.parametrize(
    ("language", "written", "spoken"),
    [
        ("de", "**Hallo** Welt, Größe 3!", "Hallo Welt, Größe 3!"),
        ("de-AT", "Bestellung A1001 kostet 12,50 €.", "Bestellung A 1 0 0 1 kostet 12,50 €."),
        ("es", "¿Cómo estás? A las 10:30", "Cómo estás? A las 10:30"),
        ("zh", "你好，世界。", "你好, 世界,"),
        ("hi", "नमस्ते दुनिया", "नमस्ते दुनिया"),
        ("fr", "l'été [ici](https://x.y) 😀", "l'été, ici"),
    ],
)
def test_other_languages_keep_their_words(language: str, written: str, spoken: str) -> None:
    assert said(written, language) == spoken


@pytest.mark.parametrize("text", ["", "  \n", "...!?", "😀 🎉", "** __ `` ~~", "\x00\x07\x1b", "привет"])
def test_what_cannot_be_said_gives_no_words(text: str) -> None:
    assert read_aloud(text) == ()


def test_every_word_knows_its_place() -> None:
    text = "Order A1001 costs $5. OK? 😀 "
    words = read_aloud(text)
    starts = [0, *(word.end for word in words)]
    pieces = [text[start : word.end] for start, word in zip(starts, words, strict=False)]
    assert pieces == ["Order", " A", "1", "0", "0", "1", " costs", " $", "5.", " OK? 😀 "]
    assert [word.text for word in words][-2:] == ["dollars.", "ok?"]


TEXTS = st.one_of(
    st.text(max_size=200),
    st.text(alphabet="aA1 .-,:/%$€()[]@#_*\n'’0°", max_size=200),
    st.lists(st.sampled_from(["A1", "12", "$", "%", "http://", "x.y", "@", "-", "/", ":", "pm", "**", "[a](b)", " "])).map("".join),
)  # fmt: skip


@given(text=TEXTS, language=st.sampled_from(["en", "de", "zh"]))
@settings(max_examples=400, deadline=None)
def test_any_text_gives_speakable_words_in_order(text: str, language: str) -> None:
    words = read_aloud(text, language)
    ends = [word.end for word in words]
    assert ends == sorted(ends)
    assert not words or ends[-1] == len(text)
    for word in words:
        assert "\x00" not in word.text
        assert len(word.text) <= 29
        if language == "en":
            assert re.fullmatch(r"(?:[a-z][a-z']*|'[a-z']+|[A-Z])[,.;:!?]?", word.text), word.text


@pytest.mark.parametrize(
    "unit", ["x", "-", "+", ".", "a-", "1", "1,", "(", "[", "* ", "\n ", "@", "a1-", "http://", "# ", "1:"]
)
def test_no_text_takes_long_to_read(unit: str) -> None:
    text = unit * (20_000 // len(unit))
    begun = time.process_time()
    read_aloud(text)
    read_aloud(text, "de")
    assert time.process_time() - begun < 1.5


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "zero"), (13, "thirteen"), (40, "forty"), (99, "ninety nine"), (100, "one hundred"),
        (1_000_001, "one million one"), (-7, "minus seven"), (10**15, "one zero zero zero zero zero zero zero zero zero zero zero zero zero zero zero"),
    ],
)  # fmt: skip
def test_cardinals(value: int, words: str) -> None:
    assert " ".join(numbers.cardinal(value)) == words


def test_ordinals_years_and_fractions() -> None:
    assert (
        " ".join(numbers.ordinal(1) + numbers.ordinal(12) + numbers.ordinal(30)) == "first twelfth thirtieth"
    )
    assert [" ".join(numbers.year(year)) for year in (1900, 1905, 1999, 2000, 2005, 2010, 2024)] == [
        "nineteen hundred",
        "nineteen oh five",
        "nineteen ninety nine",
        "two thousand",
        "two thousand five",
        "twenty ten",
        "twenty twenty four",
    ]
    assert " ".join(numbers.fraction(2, 3)) == "two thirds"
