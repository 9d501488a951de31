"""Behaviours as they are read, played and found wanting."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vivavoce.testing import outputs
from vivavoce.testing.__main__ import main
from vivavoce.testing.grammar import OPTIONS, Behaviour, GrammarError, read_behaviours
from vivavoce.testing.stage import Differs, play
from vivavoce.testing.words import Names, find, missing, split_words

PAGES = Path(__file__).resolve().parents[2] / "docs" / "behaviours"

GOOD = """
engine: text
0.0s client says "Hello."
    -> item added item.role=user
1.0s client response.create
    -> response.created
    -> engine generate
1.5s llm "Good morning. "
    -> message opens
    -> response.output_audio_transcript.delta "Good morning. "
    -> engine speak "Good morning. "
"""


def behaviours(tmp_path: Path, block: str) -> list[Behaviour]:
    page = tmp_path / "page.md"
    page.write_text(f"# Page\n\n## It works\n\n```\n{block.strip(chr(10))}\n```\n")
    return read_behaviours(page)


def one(tmp_path: Path, block: str) -> Behaviour:
    (behaviour,) = behaviours(tmp_path, block)
    return behaviour


def test_a_block_is_read(tmp_path: Path) -> None:
    behaviour = one(tmp_path, GOOD)
    assert (behaviour.name, behaviour.engines, behaviour.open_ended) == ("It works", ("text",), False)
    assert [step.at_ms for step in behaviour.steps] == [0, 1000, 1500]
    assert [len(step.outputs) for step in behaviour.steps] == [1, 2, 3]
    play(behaviour, "text")


def test_headers_set_options(tmp_path: Path) -> None:
    block = 'engine: speaks\nprepares: yes\noutput_lead_ms: 7\nkeep_response_create: no\nsession: {"instructions": "x"}\n'
    behaviour = one(tmp_path, block + "0.25s time passes")
    assert (behaviour.engines, behaviour.prepares) == (("speaks",), True)
    assert (behaviour.options.output_lead_ms, behaviour.options.keep_response_create) == (7, False)
    assert behaviour.session == {"instructions": "x"}


def test_blocks_in_a_language_are_no_behaviours(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A\n```json\n{}\n```\n```\n0s time passes\n```\n```\n0s time passes\n```\n")
    assert [behaviour.name for behaviour in read_behaviours(page)] == ["A", "A (2)"]


@pytest.mark.parametrize(
    ("block", "wrong"),
    [
        ("engine: loud\n0s time passes", "'loud' is none of text, speaks, both"),
        ("prepares: maybe\n0s time passes", "'maybe' is none of yes, no"),
        ("colour: red\n0s time passes", "unknown header 'colour'"),
        ("output_lead_ms: soon\n0s time passes", "'soon' is not a whole number"),
        ("keep_response_create: 1\n0s time passes", "'1' is none of yes, no"),
        ("session: []\n0s time passes", "'session' is a JSON object"),
        ("session: {\n0s time passes", "Expecting"),
        ("engine: text", "a behaviour without an input"),
        ("    -> error\n0s time passes", "an output before any input"),
        ("1s time passes\n0.5s time passes", "time runs backwards"),
        ("0s time passes\nengine: text", "neither a header, nor an input, nor an output"),
        ("0s time passes\n...\n1s time passes", "nothing may follow '...'"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(tmp_path: Path, block: str, wrong: str) -> None:
    with pytest.raises(GrammarError, match=rf"page\.md:\d+: .*{re.escape(wrong)}"):
        behaviours(tmp_path, block)


@pytest.mark.parametrize(
    "line",
    [
        "caller sings",
        "client says",
        "nobody response.create",
        'stt "hello"',
        "llm done",
        "tts soon",
        "client conversation.item.delete item_id=<unheard-of>",
    ],
)
def test_an_input_that_means_nothing_is_named(tmp_path: Path, line: str) -> None:
    behaviour = one(tmp_path, f"0.0s time passes\n0.1s {line}")
    with pytest.raises(GrammarError, match=r"line \d+"):
        play(behaviour, "text")


@pytest.mark.parametrize(
    ("good", "bad", "wrong"),
    [
        ("    -> engine generate\n", "", "more came than is listed: engine generate"),
        ("    -> response.created\n", "", "expected engine generate, got response.created"),
        ("    -> item added item.role=user\n", "", "more came than is listed: conversation.item.added"),
        ("item.role=user", "item.role=system", "item.role: expected 'system', got 'user'"),
        ("item.role=user", "item.colour=red", "there is no item.colour"),
        ("item.role=user", "item.role=absent", "item.role should be absent, got 'user'"),
        (
            'delta "Good morning. "',
            'delta "Good evening. "',
            "expected 'Good evening. ', got ['Good morning. ']",
        ),
        ('speak "Good morning. "\n', 'speak "Good morning. "\n    -> error\n', "nothing came"),
        ("-> message opens", "-> message opens at=9s", "at: expected '9s', got '1.5s'"),
    ],
)
def test_whatever_differs_is_named(tmp_path: Path, good: str, bad: str, wrong: str) -> None:
    assert good in GOOD
    with pytest.raises(Differs, match=re.escape(wrong)) as found:
        play(one(tmp_path, GOOD.replace(good, bad)), "text")
    assert "What came after" in str(found.value)


def test_a_block_that_ends_in_dots_may_go_on(tmp_path: Path) -> None:
    cut = "\n".join(GOOD.splitlines()[:-2])
    with pytest.raises(Differs):
        play(one(tmp_path, cut), "text")
    play(one(tmp_path, cut + "\n..."), "text")
    # But what is listed has to come.
    with pytest.raises(Differs):
        play(one(tmp_path, cut.replace("message opens", "error") + "\n..."), "text")


def test_what_comes_after_the_last_input_is_seen(tmp_path: Path) -> None:
    block = "0.0s caller speaks\n    -> input_audio_buffer.speech_started\n    -> engine listen\n0.5s caller silent"
    with pytest.raises(Differs, match=r"more came than is listed: input_audio_buffer\.speech_stopped"):
        play(one(tmp_path, block), "text")


def test_names_stand_for_what_they_were_given_first(tmp_path: Path) -> None:
    block = '0.0s client says "a"\n    -> item added item.id=<it>\n0.1s client says "b"\n    -> item added item.id=<it>'
    with pytest.raises(Differs, match=r"item\.id: expected '<it>'"):
        play(one(tmp_path, block), "text")


# --- words --------------------------------------------------------------------------------------------------------------


def test_words_are_split() -> None:
    words = split_words('error code=x n=5 deep.path={"a": [1, 2]} "two words" name="a b" <id>')
    assert words.plain == ["error", "two words", "<id>"]
    assert words.quoted == ["two words"]
    assert words.pairs == {"code": "x", "n": 5, "deep.path": {"a": [1, 2]}, "name": "a b"}


def test_the_shallowest_field_counts() -> None:
    fields = {"a": {"status": "deep", "b": [{"status": "deeper"}]}, "status": "top"}
    assert find(fields, "status") == "top"
    assert find(fields, "b.0.status") == "deeper"
    assert missing(find(fields, "b.1.status"))
    assert missing(find(fields, "c"))


@pytest.mark.parametrize(
    ("expected", "actual", "meets"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": 1, "b": 2}, {"a": 1}, False),
        ([1], [1, 2], False),
        ([{"a": 1}], [{"a": 1, "b": 2}], True),
        (1, True, False),
        (0, False, False),
        (1, 1.0, True),
        ("x", "y", False),
    ],
)
def test_values_meet(expected: object, actual: object, meets: bool) -> None:
    assert Names().meets(expected, actual) is meets


# --- the pages and the command ------------------------------------------------------------------------------------------


def test_every_short_name_and_header_is_explained() -> None:
    page = (PAGES / "README.md").read_text()
    for group, events in outputs.GROUPS.items():
        row = next(line for line in page.splitlines() if line.startswith(f"| `{group}` |"))
        assert re.findall(r"`([^`]+)`", row)[1:] == list(events)
    for header in ("engine", "prepares", "judges", "session"):
        assert f"`{header}" in page
    assert {"output_lead_ms", "keep_response_create"} <= set(OPTIONS)


def test_every_page_has_behaviours() -> None:
    pages = sorted(PAGES.glob("*.md"))
    assert len(pages) >= 10
    assert all(read_behaviours(page) for page in pages)


def test_the_command_plays_pages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"## Right\n```{GOOD}```\n## Wrong\n```{GOOD.replace('message opens', 'error')}```\n")
    assert main([str(page), "--only", "Right"]) == 0
    assert main([str(page)]) == 1
    assert "expected error, got response.output_item.added" in capsys.readouterr().out
    assert main([str(page), "--show", "--only", "Wrong"]) == 0
    shown = capsys.readouterr().out
    assert "    -> message opens" in shown
    assert '    -> response.output_audio_transcript.delta "Good morning. "' in shown
