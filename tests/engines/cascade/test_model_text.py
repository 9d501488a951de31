"""What a language model writes, and what of it is said, called or done."""

from __future__ import annotations

import json
import time

import pytest

from vivavoce.engines.cascade.arguments import repaired
from vivavoce.engines.cascade.controls import Control, Piece, TagReader, Words, WrittenCall
from vivavoce.engines.cascade.speakable import Speakable

SIZES = [1, 2, 5, 1000]


def pieces(text: str, size: int, *, thinking: bool = False) -> list[Piece]:
    """What a reader makes of a text that comes in pieces, neighbouring words joined."""
    reader = TagReader(thinking=thinking)
    found = [piece for at in range(0, len(text), size) for piece in reader.feed(text[at : at + size])]
    joined: list[Piece] = []
    for piece in (*found, *reader.finish()):
        if isinstance(piece, Words) and joined and isinstance(before := joined[-1], Words):
            joined[-1] = Words(before.text + piece.text)
        else:
            joined.append(piece)
    return joined


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think>hm, 2 < 3</think>\n\nIt is four.", [Words("It is four.")]),
        ("<thinking>a</thinking><think>b</think>Yes.", [Words("Yes.")]),
        ("Well. <think>aside</think>Yes.", [Words("Well. Yes.")]),
        ("Well.<think>aside</think> Yes.", [Words("Well. Yes.")]),
        ("[THINK]a[/THINK]Oui.", [Words("Oui.")]),
        ("<think>never ends", []),
        ("<think>İİİ</THINK>İyi günler. <SILENT/>", [Words("İyi günler. "), Control("silent")]),
        ("<tool_call>İ</tool_call>", [WrittenCall("İ")]),
        ("<silent/>", [Control("silent")]),
        ("  <SILENT /> ", [Control("silent")]),
        ("<silent></silent>", [Control("silent")]),
        ("<preamble>One moment.</preamble> Four.", [Control("preamble"), Words("One moment."), Control("preamble_end"), Words(" Four.")]),
        ('<tool_call>\n{"name": "f"}\n</tool_call>', [WrittenCall('\n{"name": "f"}\n')]),
        ('<tool_call>{"name": "f"}', [WrittenCall('{"name": "f"}')]),
        ("I muse</think>Yes.", [Words("I muse"), Control("lost_thought"), Words("Yes.")]),
        ("a < b <i>and</i> <sil", [Words("a < b <i>and</i> <sil")]),
        ("<silence/>", [Control("silent")]),
        ("<Silence> reasons</silence>", [Control("silent"), Words("reasons")]),
        ("[silence]", [Control("silent")]),
        ("&lt;silent/&gt;", [Control("silent")]),
        ("<Preamble >Well.</preamble >", [Control("preamble"), Words("Well."), Control("preamble_end")]),
        ("Hi.<|im_end|>\n<|eot_id|></s><end_of_turn>", [Words("Hi.\n")]),
        ("<｜end▁of▁sentence｜>Hi <|a b|> you", [Words("Hi  you")]),
        ("a <|b and <|c", [Words("a <|b and <|c")]),
        ("a <| b || c |> d", [Words("a <| b || c |> d")]),
        ("<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Yes.<|return|>", [Words("Yes.")]),
        ("<|channel|>commentary<|message|>One moment.<|end|>", [Words("One moment.")]),
        ('<|channel|>commentary to=functions.f <|constrain|>json<|message|>{"x": 1}<|call|>', []),
        ('<|python_tag|>{"name": "f"}', [WrittenCall('{"name": "f"}')]),
        ('Wait.[TOOL_CALLS][{"name": "f"}]</s>', [Words("Wait."), WrittenCall('[{"name": "f"}]')]),
    ],
)  # fmt: skip
def test_tags(text: str, size: int, expected: list[Piece]) -> None:
    assert pieces(text, size) == expected


@pytest.mark.parametrize("size", SIZES)
def test_an_answer_that_begins_inside_a_thought(size: int) -> None:
    assert pieces("I muse</think>\n\nYes.", size, thinking=True) == [Words("Yes.")]
    assert pieces("No thought at all.", size, thinking=True) == [Words("No thought at all.")]


@pytest.mark.parametrize("opening", ["<think>", "<tool_call>", ""])
def test_a_long_thought_is_looked_through_once(opening: str) -> None:
    """Ten times the tokens may take ten times as long, not a hundred times."""

    def took(tokens: int) -> float:
        reader = TagReader(thinking=not opening)
        list(reader.feed(opening))
        begun = time.process_time()
        for _ in range(tokens):
            assert list(reader.feed("word ")) == []
        return time.process_time() - begun

    assert took(20_000) < 40 * max(took(2_000), 0.001)


def test_text_is_not_held_back_without_need() -> None:
    reader = TagReader()
    assert [[*reader.feed(text)] for text in ("Hi", " a<", "b", "<thin", "g")] == [
        [Words("Hi")],
        [Words(" a")],
        [Words("<b")],
        [],
        [Words("<thing")],
    ]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("", {}),
        ('"{\\"x\\": 1}"', {"x": 1}),
        ('```json\n{"x": 1}\n```', {"x": 1}),
        ('Sure: {"x": 1} there', {"x": 1}),
        ('{}{"x": 1}', {"x": 1}),
        ('{"x": 1}{"x": 1}', {"x": 1}),
        ("{'x': True, 'y': None}", {"x": True, "y": None}),
        ('{"x": True, "y": "None, really",}', {"x": True, "y": "None, really"}),
        ('{x: 1, y_z: "a: b, c: d"}', {"x": 1, "y_z": "a: b, c: d"}),
        ('{"x": {"y": ["a", "b"', {"x": {"y": ["a", "b"]}}),
        ('{"x": "two\nlines"}', {"x": "two\nlines"}),
        ('[{"x": 1}]', {"x": 1}),
        ("null", {}),
        ('""', {}),
        (" [] ", {}),
        ("None", {}),
    ],
)
def test_arguments_that_are_meant_well(written: str, meant: object) -> None:
    found = repaired(written)
    assert found is not None
    assert json.loads(found) == meant


def test_good_arguments_are_left_as_they_are() -> None:
    assert repaired('{ "x" :1.50 }') == '{ "x" :1.50 }'


@pytest.mark.parametrize(
    "guess", ["no", "[1]", "12", '{"order": "A10', '{"x": 12', '{"x":', "{" * 100_000, "{" * 200]
)
def test_what_may_have_been_cut_short_is_not_guessed(guess: str) -> None:
    assert repaired(guess) is None


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("It is **four**, _really_ ~~five~~ `ok`.", "It is four, really five ok."),
        ("## Options\n\n- one\n* two\n  + [x] three\n1. four", "Options\n\none\ntwo\nthree\n1. four"),
        ("2 * 3 = 6, 2*3, snake_case, ~5 or C:\\x", "2 * 3 = 6, 2*3, snake_case, ~5 or C:\\x"),
        ("See [the page](https://a.dev/x?y=1 \"t\") or https://b.dev/c_d_e.", "See the page or https://b.dev/c_d_e."),
        ("![a cat](c.png) As told[1][^2]【4†source】. [sic]", "a cat As told. [sic]"),
        ("Great! \U0001f600 Yes \u2764\ufe0f now", "Great! Yes now"),
        ("| a | b |\n|---|:-:|\n| 1 | 2 |\nok", "a, b.\n1, 2.\nok"),
        ("> well\n\n---\n***\nso", "well\n\nso"),
        ("```python\nprint(1)\n```\nok", "print(1)\nok"),
        ("a<br>b <b>c</b> 1 < 2 \\*d\\*", "a b c 1 < 2 *d*"),
        ("What? Yes! No!", "What? Yes! No!"),
        ("<answer>Tom &amp; Al &lt;b&gt;&nbsp;said</answer>", "Tom & Al <b> said"),
        ("R&D, Q&A & x &y; <jo@a.dev> <https://a.dev/x>", "R&D, Q&A & x &y; <jo@a.dev> <https://a.dev/x>"),
        ("a & b &am", "a & b &am"),
        ("[not a link", "[not a link"),
        ("**\U0001f44d**", ""),
        ("- ", ""),
    ],
)  # fmt: skip
def test_what_can_be_said(written: str, said: str, size: int) -> None:
    state = Speakable()
    got = [state.feed(written[at : at + size]) for at in range(0, len(written), size)]
    assert "".join(got) + state.finish() == said


def test_plain_words_are_passed_on_at_once() -> None:
    state = Speakable()
    assert [state.feed(text) for text in ("Your", " order,", " 3.", "5 kg")] == [
        "Your",
        " order,",
        " 3.",
        "5 kg",
    ]


LONG = [
    "[",
    "*a",
    "|a",
    "<a ",
    " ",
    "# ",
    "- ",
    "【",
    "`",
    "_a",
    "-",
    "![",
    "<think",
    "a <b ",
    "\t|",
    "-   ",
    "&",
    "&am",
    "<|",
    "<|a",
    "<｜a ",
]


@pytest.mark.parametrize("sign", LONG)
def test_no_text_takes_long(sign: str) -> None:
    text = sign * (8000 // len(sign)) + "x"
    state, reader, began = Speakable(), TagReader(), time.process_time()
    for at in range(0, len(text), 4):
        state.feed(text[at : at + 4])
        list(reader.feed(text[at : at + 4]))
    state.finish()
    assert time.process_time() - began < 2.0
