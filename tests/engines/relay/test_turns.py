"""What the upstream promises by itself, and a link that breaks before it is there: turns, their words, and answers that no client has asked for."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pybase64
import pytest

from tests.engines.relay.hostile import Fault, Hostile, hostile
from tests.engines.relay.rig import relay
from tests.engines.relay.test_going_on import QUICK, Relayed, front_tool, patience, relayed
from tests.server.rig import raw_client
from vivavoce.engines.relay.turns import MOST, Turns
from vivavoce.session.tool_calls import CallTool, McpEffect, ToolAnswered

HEARING = {"turn_detection": {"type": "server_vad"}}
WRITING = {"transcription": {"model": "whisper-1"}}


def listen(call: Relayed, **heard: Any) -> None:
    call.send("session.update", session={"type": "realtime", "audio": {"input": heard}})


def speak(call: Relayed) -> None:
    """A turn that the upstream hears begin and end."""
    for _ in range(3):
        call.append(100)


async def spoken(call: Relayed, upstream: Hostile, phase: str, **heard: Any) -> int:
    """A turn at a certain phase of which the link breaks; how many events the client had seen before."""
    await call.until("session.created")
    listen(call, **HEARING, **heard)
    await call.until("session.updated")
    upstream.plans.clear()
    seen = len(call.client.events)
    speak(call)
    await call.until("input_audio_buffer.committed")
    return seen


def item_of(call: Relayed) -> str:
    return str(call.client.of_type("input_audio_buffer.committed")[-1]["item_id"])


def told(upstream: Hostile, number: int) -> list[str]:
    """What a connection was asked, without the sound."""
    types = [event["type"] for event in upstream.seen[number]]
    return [type_ for type_ in types if type_ != "input_audio_buffer.append"]


@pytest.mark.parametrize("phase", ["turn item", "conversation.item.done", "turn answered"])
async def test_a_turn_whose_upstream_is_lost_before_its_item_or_its_answer_is_answered_by_the_next(
    tmp_path: Path, phase: str
) -> None:
    async with relayed(tmp_path) as (call, upstream):
        upstream.plans.append((phase, "abort"))
        seen = await spoken(call, upstream, phase)
        done = await call.until("response.done")
        assert done["response"]["status"] == "completed"
        kinds = [kind for kind in call.client.types()[seen:] if not kind.startswith("response.")]
        assert kinds[:6] == [
            "input_audio_buffer.speech_started",
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
            "session.updated",
        ]
        added, finished = (call.client.of_type(f"conversation.item.{kind}")[0] for kind in ("added", "done"))
        assert added["item"]["id"] == finished["item"]["id"] == item_of(call)
        assert added["item"]["role"] == "user"
        assert not call.client.of_type("error")
        # The next one hears what was said, and is asked for what the other would have answered by itself.
        (again,) = [one["item"] for one in upstream.seen[1] if one["type"] == "conversation.item.create"]
        assert again["id"] == item_of(call)
        assert len(pybase64.b64decode(again["content"][0]["audio"])) // 48 == 300
        assert told(upstream, 1) == ["session.update", "conversation.item.create", "response.create"]


async def test_a_turn_that_a_client_has_committed_is_an_item_and_the_answer_is_for_the_client_to_ask(
    tmp_path: Path,
) -> None:
    async with relayed(tmp_path) as (call, upstream):
        await call.until("session.created")
        call.type("hello")
        first = (await call.until("conversation.item.done"))["item"]["id"]
        upstream.plans.append(("turn item", "abort"))
        await upstream.hang_up_all()
        await upstream.until(lambda: len(upstream.seen) == 2 and call.mirror.up.state == "live")
        call.append(200)
        call.send("input_audio_buffer.commit")
        added = await call.until("conversation.item.added", 2)
        assert (added["item"]["id"], added["previous_item_id"]) == (item_of(call), first)
        await call.until("conversation.item.done", 2)
        await upstream.until(lambda: len(upstream.seen) == 3 and call.mirror.up.state == "live")
        assert "response.create" not in told(upstream, 2)
        call.send("response.create")
        assert (await call.until("response.done"))["response"]["status"] == "completed"
        assert not call.client.of_type("error")


async def test_a_turn_that_nobody_can_say_again_is_told_to_be_lost_once(tmp_path: Path) -> None:
    async with relayed(tmp_path, relay__speech_s=0) as (call, upstream):
        upstream.plans.append(("turn item", "abort"))
        await spoken(call, upstream, "turn item")
        assert (await call.until("error"))["error"]["code"] == "upstream_closed"
        await call.until("session.updated", 2)
        call.say("and now?")
        assert (await call.until("response.done"))["response"]["status"] == "completed"
        assert len(call.client.of_type("error")) == 1
        assert told(upstream, 1) == ["session.update", "conversation.item.create", "response.create"]


async def test_words_that_do_not_come_any_more_are_told_to_have_failed(tmp_path: Path) -> None:
    async with relayed(tmp_path) as (call, upstream):
        upstream.plans.append(("turn words", "abort"))
        await spoken(call, upstream, "turn words", **WRITING)
        failed = await call.until("conversation.item.input_audio_transcription.failed")
        assert (failed["item_id"], failed["error"]["code"]) == (item_of(call), "upstream_closed")
        assert (await call.until("response.done"))["response"]["status"] == "completed"
        assert len(call.client.of_type("conversation.item.input_audio_transcription.failed")) == 1


async def test_words_that_nobody_tells_any_more_are_told_to_have_failed_before_the_call_ends(
    tmp_path: Path,
) -> None:
    async with relayed(tmp_path) as (call, upstream):
        upstream.plans.append(("turn words", "abort"))
        upstream.refusals_later.append((401, b"", {}))
        await spoken(call, upstream, "turn words", **WRITING)
        await upstream.until(lambda: call.client.closed is not None)
        assert [kind for kind in call.client.types() if "failed" in kind or kind == "error"] == [
            "conversation.item.input_audio_transcription.failed",
            "error",
        ]
        assert call.client.closed == (1011, "upstream_unauthorized")


async def test_a_transcription_session_whose_upstream_is_lost_says_whose_words_are_missing(
    tmp_path: Path,
) -> None:
    async with (
        hostile() as upstream,
        relay(upstream.url, tmp_path, **QUICK) as url,
        raw_client(url, "intent=transcription") as talk,
    ):
        await talk.until("session.created")
        upstream.plans.append(("turn item", "abort"))
        await upstream.hang_up_all()
        await talk.until("session.updated")
        await talk.send(
            "session.update", session={"type": "transcription", "audio": {"input": HEARING | WRITING}}
        )
        await talk.until("session.updated")
        for _ in range(3):
            await talk.send("input_audio_buffer.append", audio=pybase64.b64encode_as_string(bytes(4800)))
        item_id = (await talk.until("input_audio_buffer.committed"))["item_id"]
        failed = await talk.until("conversation.item.input_audio_transcription.failed")
        assert failed["item_id"] == item_id
        await talk.until("session.updated")
        assert [event["item"]["id"] for event in talk.of_type("conversation.item.done")] == [item_id]
        # Such a session takes no items, and answers nobody.
        assert set(told(upstream, -1)) == {"session.update"}
        assert not talk.of_type("error")


async def test_another_engine_answers_the_turn_that_was_lost(tmp_path: Path) -> None:
    async with relayed(tmp_path, stand_in=True) as (call, upstream):
        upstream.plans.append(("turn item", "abort"))
        upstream.refusals_later.append((401, b"", {}))
        await spoken(call, upstream, "turn item", **WRITING)
        words = await call.until("conversation.item.input_audio_transcription.completed")
        assert words["item_id"] == item_of(call)
        done = await call.until("response.done")
        assert done["response"]["output"][0]["content"][0]["transcript"] == "Here is somebody else."
        assert not call.client.of_type("error")
        assert not call.client.of_type("conversation.item.input_audio_transcription.failed")


async def test_a_caller_does_not_wait_for_a_third_upstream_without_a_word(tmp_path: Path) -> None:
    async with relayed(tmp_path) as (call, upstream):
        upstream.plans.append(("turn item", "abort"))
        upstream.refusals_later.extend([(503, b"", {"Retry-After": "0.1"})] * 8)
        await spoken(call, upstream, "turn item")
        lost = time.monotonic()
        error = (await call.until("error"))["error"]
        assert error["code"] == "upstream_unavailable"
        assert time.monotonic() - lost < 2  # One time to connect (0.7 s), not all of them.
        await call.until("session.updated", 2)
        assert "response.create" not in told(upstream, 1)
        call.say("and now?")
        assert (await call.until("response.done"))["response"]["status"] == "completed"
        assert len(call.client.of_type("error")) == 1


async def test_an_upstream_that_lives_and_does_not_answer_a_turn_is_followed_by_one_that_does(
    tmp_path: Path,
) -> None:
    async with relayed(tmp_path, upstream__stall_ms=300) as (call, upstream):
        upstream.plans.append(("turn answered", "idle"))
        await spoken(call, upstream, "turn answered")
        assert (await call.until("response.done"))["response"]["status"] == "completed"
        assert told(upstream, 1)[-1] == "response.create"
        assert not call.client.of_type("error")


async def test_a_session_is_not_handed_over_in_the_middle_of_a_turn(tmp_path: Path) -> None:
    async with relayed(tmp_path) as (call, upstream):
        upstream.plans.append(("turn answered", "idle"))
        await spoken(call, upstream, "turn answered")
        call.grow_old()
        await upstream.until(lambda: len(upstream.seen) == 2)
        assert call.mirror.up.successor
        assert len(call.client.of_type("session.updated")) == 1


# --- answers that this server asks for after a tool -----------------------------------------------------------------------


@contextlib.asynccontextmanager
async def answering(
    folder: Path, monkeypatch: pytest.MonkeyPatch, **flags: Any
) -> AsyncIterator[tuple[Relayed, Hostile, CallTool]]:
    """A call whose upstream has called a tool in front of it, which has not returned yet."""
    asked: list[McpEffect] = []
    async with relayed(folder, **flags) as (call, upstream):
        await front_tool(call, asked, monkeypatch)
        call.say("call them")
        await call.until("response.output_item.added")
        await upstream.until(lambda: isinstance(asked[-1], CallTool))
        made = asked[-1]
        assert isinstance(made, CallTool)
        yield call, upstream, made


async def test_an_answer_after_a_tool_that_the_upstream_refuses_is_told_to_everybody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with answering(tmp_path, monkeypatch) as (call, upstream, made):
        upstream.refused.add("response.create")
        call.call.emit(ToolAnswered(made.call, "booked"))
        error = (await call.until("error"))["error"]
        assert (error["code"], error["event_id"]) == ("not_now", None)
        upstream.refused.clear()
        call.say("and now?")
        assert (await call.until("response.done", 2))["response"]["status"] == "completed"
        assert len(call.client.of_type("error")) == 1


async def test_a_client_that_asked_for_the_same_answer_is_told_that_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with answering(tmp_path, monkeypatch) as (call, upstream, made):
        beside = call.join("beside")
        upstream.refused.add("response.create")
        call.call.emit(ToolAnswered(made.call, "booked"))
        call.send("response.create", event_id="mine")
        error = (await call.until("error"))["error"]
        assert (error["code"], error["event_id"]) == ("not_now", "mine")
        assert not beside.of_type("error")
        assert told(upstream, 0).count("response.create") == 2


@pytest.mark.parametrize(
    ("kind", "fault", "merged"),
    [
        ("response.create", "abort", False),
        ("response.create", "abort", True),
        ("response.create", "mute", True),
        ("conversation.item.create", "mute", False),
    ],
)
async def test_an_answer_after_a_tool_is_asked_of_the_next_upstream_where_the_link_breaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, fault: Fault, merged: bool
) -> None:
    async with answering(tmp_path, monkeypatch, **patience(fault)) as (call, upstream, made):
        upstream.faults_at[kind] = fault
        call.call.emit(ToolAnswered(made.call, "booked"))
        if merged:
            call.send("response.create", event_id="mine")
        done = await call.until("response.done", 2)
        assert done["response"]["status"] == "completed"
        assert not call.client.of_type("error")
        asked = [event for event in upstream.seen[1] if event["type"] == "conversation.item.create"]
        assert asked[-1]["item"]["content"][0]["text"].endswith("and returned: booked]")
        assert told(upstream, 1).count("response.create") == 1


@pytest.mark.parametrize("approve", [True, False])
async def test_a_yes_that_comes_after_the_upstream_session_has_changed_still_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, approve: bool
) -> None:
    asked: list[McpEffect] = []
    async with relayed(tmp_path) as (call, upstream):
        await front_tool(call, asked, monkeypatch, approval="always")
        call.say("call them")
        (request,) = (await call.until("response.done"))["response"]["output"]
        assert request["type"] == "mcp_approval_request"
        call.grow_old()
        await call.until("session.updated", 2)
        await upstream.until(lambda: call.mirror.up.state == "live")
        answer = {"type": "mcp_approval_response", "approval_request_id": request["id"], "approve": approve}
        call.send("conversation.item.create", item=answer)
        if approve:
            await upstream.until(lambda: isinstance(asked[-1], CallTool))
            made = asked[-1]
            assert isinstance(made, CallTool)
            call.grow_old()  # Not as long as the tool is used.
            await upstream.until(lambda: bool(call.mirror.up.successor) and call.mirror._handover._greeted)
            call.call.emit(ToolAnswered(made.call, "booked"))
        done = await call.until("response.done", 3 if approve else 2)
        assert done["response"]["status"] == "completed"
        # The one that there is now has never called anything: it is told in words.
        told_ = [event["item"] for event in upstream.seen[1] if event["type"] == "conversation.item.create"]
        assert {item["type"] for item in told_} == {"message"}
        outcome = "booked]" if approve else "The call was not allowed.]"
        assert (
            told_[-1]["content"][0]["text"]
            == f'[The tool book was called with {{"seat": 4}} and returned: {outcome}'
        )
        assert not call.client.of_type("error")


def test_no_more_turns_are_waited_for_than_there_can_be() -> None:
    turns = Turns()
    for number in range(MOST + 1):
        turns.committed(f"item_{number}", None, words=True)
        turns.came(f"item_{number}", "item")
    assert [item_id for item_id, _ in turns.waiting_for("words")] == [f"item_{n}" for n in range(1, MOST + 1)]
    for number in range(MOST + 1):
        turns.came(f"item_{number}", "words")
    assert not turns
