"""Tokens: audio by its length, exactly; text by count; cached by common prefix."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.session.rig import Rig, clip, ticks
from vivavoce.protocol.items import (
    FunctionCallItem,
    FunctionCallOutputItem,
    InputAudio,
    InputImage,
    InputItem,
    InputText,
    McpToolInfo,
    MessageItem,
    OutputAudio,
)
from vivavoce.protocol.responses import Usage
from vivavoce.protocol.session_objects import FunctionTool
from vivavoce.session.effects import Request
from vivavoce.session.item_audio import ItemAudio
from vivavoce.session.signals import ResponseFinished, TokenUsage
from vivavoce.session.tool_calls import ListTools, ToolsListed
from vivavoce.session.usage import IMAGE_TOKENS, Ledger, estimate_text_tokens

REQUEST = Request("", (), (), "auto", True, None, True, "marin", 1.0, 24_000)


def user(item_id: str, *content: Any) -> MessageItem:
    return MessageItem(id=item_id, role="user", content=list(content))


def ledger(audio: ItemAudio | None = None) -> Ledger:
    return Ledger(estimate_text_tokens, audio or ItemAudio(60, 10_000_000))


def usage(book: Ledger, *context: InputItem, instructions: str = "", tools: tuple[Any, ...] = ()) -> Usage:
    return book.usage(replace(REQUEST, context=context, instructions=instructions, tools=tools), "", 0, None)


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("ü", 1), ("你好", 2)]
)
def test_text_is_bytes_over_four(text: str, tokens: int) -> None:
    assert estimate_text_tokens(text) == tokens


@given(st.lists(st.integers(1, 500), min_size=1, max_size=8))
def test_user_audio_is_a_token_per_100_ms(lengths_ms: list[int]) -> None:
    audio = ItemAudio(60, 10_000_000)
    audio.add("a", [clip(ms) for ms in lengths_ms])
    counted = usage(ledger(audio), user("a", InputAudio()))
    assert counted.input_token_details.audio_tokens == sum(lengths_ms) // 100
    assert counted.input_token_details.text_tokens == 0


@given(st.integers(0, 100_000))
def test_assistant_audio_is_a_token_per_50_ms(ms: int) -> None:
    counted = ledger().usage(REQUEST, "", ticks(ms), None)
    assert counted.output_token_details.audio_tokens == ms // 50
    assert counted.total_tokens == counted.output_tokens == ms // 50


def test_audio_that_was_dropped_still_counts() -> None:
    audio = ItemAudio(1, 1000)
    audio.add("a", [clip(2000)])
    assert audio.recall("a") is None
    assert usage(ledger(audio), user("a", InputAudio())).input_tokens == 20


def test_two_parts_of_audio_are_counted_once() -> None:
    audio = ItemAudio(60, 10_000_000)
    audio.add("a", [clip(1000)])
    counted = usage(ledger(audio), user("a", InputAudio(), InputAudio()))
    assert counted.input_token_details.audio_tokens == 10


def test_every_kind_of_item_counts() -> None:
    audio = ItemAudio(60, 10_000_000)
    audio.add("said", [clip(1000)])
    counted = usage(
        ledger(audio),
        user("text", InputText(text="12345678"), InputImage(image_url="data:,")),
        MessageItem(id="said", role="assistant", content=[OutputAudio(transcript="hi")]),
        FunctionCallItem(id="call", name="f", call_id="c", arguments="{}"),
        FunctionCallOutputItem(id="out", call_id="c", output="42"),
    )
    details = counted.input_token_details
    assert details.image_tokens == IMAGE_TOKENS
    assert details.audio_tokens == 20
    assert details.text_tokens > 2
    assert counted.input_tokens == details.text_tokens + details.audio_tokens + details.image_tokens


def test_the_common_prefix_is_cached() -> None:
    book = ledger()
    one, two, three = (user(name, InputText(text=f"{name} text")) for name in ("a", "b", "c"))
    assert usage(book, one, two, instructions="kind").input_token_details.cached_tokens == 0
    again = usage(book, one, two, three, instructions="kind").input_token_details
    assert again.cached_tokens == again.cached_tokens_details.text_tokens == 1 + 2 + 2
    assert usage(book, two, three, instructions="kind").input_token_details.cached_tokens == 1
    assert usage(book, two, three, instructions="rude").input_token_details.cached_tokens == 0
    tool = FunctionTool(name="f")
    assert usage(book, two, three, instructions="rude", tools=(tool,)).input_token_details.cached_tokens == 0
    same = usage(book, two, three, instructions="rude", tools=(tool,))
    assert same.input_token_details.cached_tokens == same.input_tokens


def test_audio_that_was_truncated_is_not_the_same_input() -> None:
    audio = ItemAudio(60, 10_000_000)
    audio.add("a", [clip(1000)])
    item = MessageItem(id="a", role="assistant", content=[OutputAudio(transcript="hi")])
    book = ledger(audio)
    usage(book, item)
    audio.cut("a", ticks(500))
    counted = usage(book, item).input_token_details
    assert (counted.audio_tokens, counted.cached_tokens) == (10, 0)


def test_an_engine_that_counts_is_believed() -> None:
    book = ledger()
    book.usage(replace(REQUEST, instructions="x" * 400), "", 0, TokenUsage(7, 3))
    counted = book.usage(
        replace(REQUEST, instructions="x" * 400), "twelve letters", ticks(100), TokenUsage(7, 3)
    )
    assert (counted.input_tokens, counted.output_tokens, counted.total_tokens) == (7, 5, 12)
    assert counted.input_token_details.cached_tokens == 7  # never more than the input


def test_a_tool_server_with_a_credential_can_be_counted() -> None:
    rig = Rig()
    server = {
        "type": "mcp",
        "server_label": "docs",
        "server_url": "http://127.0.0.1:9",
        "authorization": "secret",
    }
    rig.send("session.update", session={"type": "realtime", "tools": [server]})
    tool = McpToolInfo(name="search", input_schema={"type": "object"})
    rig.signal(ToolsListed(rig.of(ListTools)[0].listing, (tool,)))
    rig.send("response.create")
    rig.signal(ResponseFinished(rig.generation))
    assert rig.of_type("response.done")[0]["response"]["usage"]["input_tokens"] > 0
    assert "secret" not in str(rig.events)
