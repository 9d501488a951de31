"""Conversations that outlive their upstream session: handed over before its time is up, or taken over by another engine."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pybase64
import pytest

from tests.call.rig import Line, scripted, sound
from tests.engines.cascade.test_over_http import speak, stages
from tests.engines.relay.hostile import CODES, FAULTS, LOGPROBS, Fault, Hostile, hostile
from tests.engines.relay.rig import relay, relay_settings
from tests.protocol.test_images import png, uri
from tests.server.rig import ANSWER, openai_client, server, socket_url
from vivavoce.call.tool_servers import Refusing
from vivavoce.engines.relay.engine import RelayEngine
from vivavoce.engines.relay.failures import garbage
from vivavoce.engines.relay.mirror import Mirror
from vivavoce.engines.scripted.script import Script, Step
from vivavoce.protocol.items import McpToolInfo
from vivavoce.session.tool_calls import CallTool, ListTools, McpEffect, ToolAnswered, ToolsListed
from vivavoce.session.upstream import LinkLost

QUICK = {"upstream__silence_ms": 3000, "upstream__stall_ms": 3000, "upstream__connect_ms": 700}


class Relayed(Line):
    """A call over the relay in this process."""

    def __init__(
        self,
        url: str,
        folder: Path,
        *,
        stand_in: bool = False,
        stated: dict[str, Any] | None = None,
        **flags: Any,
    ) -> None:
        settings = relay_settings(url, folder, **(QUICK | flags))
        words = Script(Step("Here is somebody else."), (("back", Step("You said so.")),))
        engine = scripted(script=words) if stand_in else None
        super().__init__(RelayEngine(settings.upstream, settings.relay, stated or {}, engine), **flags)

    async def until(self, type_: str, count: int = 1) -> dict[str, Any]:
        """As there, with an end: time is not virtual here."""
        async with asyncio.timeout(20):
            return await super().until(type_, count)

    @property
    def mirror(self) -> Mirror:
        assert isinstance(self.call.machine, Mirror)
        return self.call.machine

    def grow_old(self) -> None:
        """The upstream session's time is up."""
        self.mirror.deadlines.set("handover", self.now_ms)
        self.call.emit(LinkLost("nobody's", garbage("this only wakes the call up")))

    def say(self, text: str) -> None:
        self.type(text)
        self.send("response.create")

    def type(self, text: str) -> None:
        content = [{"type": "input_text", "text": text}]
        self.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})


@contextlib.asynccontextmanager
async def relayed(folder: Path, **flags: Any) -> AsyncIterator[tuple[Relayed, Hostile]]:
    async with hostile() as upstream:
        call = Relayed(upstream.url, folder, **flags)
        try:
            yield call, upstream
        finally:
            await call.close()


def told(upstream: Hostile, number: int) -> list[tuple[str, str]]:
    """The items that a connection was told, by role and words."""
    items = [event["item"] for event in upstream.seen[number] if event["type"] == "conversation.item.create"]
    return [(item["role"], item["content"][0]["text"]) for item in items]


async def test_a_client_that_does_not_wait_for_the_greeting_has_the_last_word_and_an_answer(
    tmp_path: Path,
) -> None:
    async with relayed(tmp_path, stated={"instructions": "The operator's."}) as (call, upstream):
        call.send("session.update", session={"type": "realtime", "instructions": "The client's."})
        updated = await call.until("session.updated")
        assert updated["session"]["instructions"] == "The client's."
        assert call.client.types() == ["session.created", "session.updated"]
        asked = [event["session"] for event in upstream.seen[0] if event["type"] == "session.update"]
        assert [one["instructions"] for one in asked] == ["The operator's.", "The client's."]


async def test_a_session_near_its_end_is_handed_over_with_its_conversation(tmp_path: Path) -> None:
    async with relayed(tmp_path) as (call, upstream):
        await call.until("session.created")
        call.send("session.update", session={"type": "realtime", "instructions": "Be brief."})
        call.say("hello")
        await call.until("response.done")
        seen = len(call.client.events)
        call.grow_old()
        await call.until("session.updated", 2)
        # Nothing but the session's event tells of it.
        assert set(call.client.types()[seen:]) <= {"rate_limits.updated", "session.updated"}
        call.say("and again")
        done = await call.until("response.done", 2)
        assert done["response"]["status"] == "completed"
        first, second = (event["response"] for event in call.client.of_type("response.done"))
        assert first["conversation_id"] == second["conversation_id"]
        assert told(upstream, 1) == [("user", "hello"), ("assistant", "Good morning."), ("user", "and again")]
        (update,) = [event for event in upstream.seen[1] if event["type"] == "session.update"]
        assert update["session"]["instructions"] == "Be brief."
        created, *updated = call.client.of_type("session.created") + call.client.of_type("session.updated")
        assert {event["session"]["id"] for event in updated} == {created["session"]["id"]}
        await upstream.until(lambda: upstream.open == 1)


async def test_positions_go_on_where_they_were_when_a_session_is_handed_over(tmp_path: Path) -> None:
    async with server(tmp_path) as far:
        call = Relayed(socket_url(far).partition("?")[0], tmp_path)
        try:
            await call.until("session.created")
            call.append(2000, loud=False)
            call.grow_old()
            await call.until("session.updated")
            call.append(600, loud=True)
            call.append(1000, loud=False)
            started = await call.until("input_audio_buffer.speech_started")
            stopped = await call.until("input_audio_buffer.speech_stopped")
            assert 1600 <= started["audio_start_ms"] <= 2000
            assert 2600 <= stopped["audio_end_ms"] <= 3600
        finally:
            await call.close()


async def test_speech_that_nobody_has_put_into_words_is_said_again(tmp_path: Path) -> None:
    async with relayed(tmp_path, relay__speech_s=1) as (call, upstream):
        await call.until("session.created")
        for count, ms in ((1, 700), (2, 400), (3, 1500)):
            call.append(ms)
            call.send("input_audio_buffer.commit")
            await call.until("conversation.item.done", count)
        await upstream.hang_up_all()
        await call.until("session.updated")
        again = [event["item"] for event in upstream.seen[1] if event["type"] == "conversation.item.create"]
        kept = [len(pybase64.b64decode(item["content"][0]["audio"])) // 48 for item in again]
        # Of a second in all the latest is kept, and of what is longer its end.
        assert kept == [1000]
        assert again[0]["id"] == call.client.of_type("input_audio_buffer.committed")[2]["item_id"]
        assert not call.client.of_type("error")


def patience(fault: Fault) -> dict[str, Any]:
    """Silence is waited for; what shows at once must not be taken for it on a busy machine."""
    return {"upstream__silence_ms": 600, "upstream__connect_ms": 100} if fault == "mute" else {}


@pytest.mark.parametrize("fault", ["garbage", "mute"])
async def test_a_successor_that_does_not_come_about_changes_nothing(tmp_path: Path, fault: Fault) -> None:
    async with relayed(tmp_path, **patience(fault)) as (call, upstream):
        await call.until("session.created")
        upstream.plans.append(("greeting", fault))
        call.grow_old()
        await upstream.until(lambda: len(upstream.seen) == 2)
        await upstream.until(lambda: not call.mirror.up.successor)
        call.say("hello")
        assert (await call.until("response.done"))["response"]["status"] == "completed"
        assert told(upstream, 0) == [("user", "hello")]
        assert not call.client.of_type("error")


@pytest.mark.parametrize("phase", ["session.updated", "conversation.item.added"])
async def test_a_successor_that_fails_in_the_middle_is_followed_by_another(
    tmp_path: Path, phase: str
) -> None:
    async with hostile() as upstream:
        for fault in FAULTS:
            await followed(Relayed(upstream.url, tmp_path, **patience(fault)), upstream, phase, fault)


async def followed(call: Relayed, upstream: Hostile, phase: str, fault: Fault) -> None:
    links = len(upstream.seen)
    try:
        await call.until("session.created")
        call.type("hello")
        await call.until("conversation.item.done")
        seen = len(call.client.events)
        upstream.plans.append((phase, fault))
        call.grow_old()
        await call.until("session.updated")
        assert set(call.client.types()[seen:]) <= {"rate_limits.updated", "session.updated"}, fault
        # What is asked of a link that is just breaking would be told to have come to nothing.
        await upstream.until(lambda: len(upstream.seen) == links + 3 and call.mirror.up.state == "live")
        call.say("and again")
        assert (await call.until("response.done"))["response"]["status"] == "completed"
        assert not call.client.of_type("error"), fault
        assert told(upstream, -1) == [("user", "hello"), ("user", "and again")], fault
    finally:
        await call.close()


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "unauthorized"),
        (403, "unauthorized"),
        (400, "refused"),
        (429, "rate_limited"),
        (503, "unavailable"),
    ],
)
async def test_an_upstream_that_does_not_take_a_session_back_ends_the_call(
    tmp_path: Path, status: int, code: str
) -> None:
    async with relayed(tmp_path) as (call, upstream):
        await call.until("session.created")
        # Asked to come back when it is too late, it gives up at once.
        upstream.refusals.extend([(status, b"", {"Retry-After": "9"})] * 5)
        await upstream.hang_up_all()
        error = await call.until("error")
        assert error["error"]["code"] == f"upstream_{code}"
        assert call.client.closed == (1011, f"upstream_{code}")


async def test_sound_that_a_client_has_put_into_an_item_goes_along(tmp_path: Path) -> None:
    async with relayed(tmp_path, relay__speech_s=2) as (call, upstream):
        await call.until("session.created")
        # A turn of the caller right before it is an item of its own, which nobody has asked for.
        call.append(300)
        call.send("input_audio_buffer.commit")
        for number, ms in enumerate((400, 700)):
            content = [
                {"type": "input_audio", "audio": sound(ms)},
                {"type": "input_text", "text": f"{number}"},
            ]
            call.send(
                "conversation.item.create", item={"type": "message", "role": "user", "content": content}
            )
        await call.until("conversation.item.done", 3)
        call.grow_old()
        await call.until("session.updated")
        await upstream.until(lambda: len(upstream.seen[1]) > 3)
        again = [event["item"] for event in upstream.seen[1] if event["type"] == "conversation.item.create"]
        kept = [len(pybase64.b64decode(item["content"][0]["audio"])) // 48 for item in again]
        assert kept == [300, 400, 700]
        assert [item["content"][1:] for item in again[1:]] == [
            [{"type": "input_text", "text": text}] for text in ("0", "1")
        ]


async def test_items_with_several_sounds_and_images_go_along_in_their_order(tmp_path: Path) -> None:
    """The upstream shows neither again, so what a client gave is told from here."""
    images = [uri(png(width, 8)) for width in (8, 16)]
    first = [
        {"type": "input_audio", "audio": sound(100)},
        {"type": "input_text", "text": "between"},
        {"type": "input_audio", "audio": sound(200)},
        {"type": "input_image", "image_url": images[0], "detail": "low"},
    ]
    second = [{"type": "input_image", "image_url": images[1]}, {"type": "input_audio", "audio": sound(300)}]
    async with relayed(tmp_path, relay__speech_s=2) as (call, upstream):
        await call.until("session.created")
        for content in (first, second):
            call.send(
                "conversation.item.create", item={"type": "message", "role": "user", "content": content}
            )
        call.type("and words")
        await call.until("conversation.item.done", 3)
        ids = [event["item"]["id"] for event in call.client.of_type("conversation.item.added")]
        # One goes between two others; one is gone.
        where = {"previous_item_id": ids[0]}
        call.send(
            "conversation.item.create", item={"type": "message", "role": "user", "content": second}, **where
        )
        await call.until("conversation.item.done", 4)
        between = call.client.of_type("conversation.item.added")[3]["item"]["id"]
        call.send("conversation.item.delete", item_id=ids[1])
        await call.until("conversation.item.deleted")
        assert not call.mirror.up.asked.outstanding(
            responses=True
        )  # What is shown without its image is there all the same.
        call.grow_old()
        await call.until("session.updated")
        await upstream.until(lambda: len(upstream.seen[1]) > 3)
        again = [event["item"] for event in upstream.seen[1] if event["type"] == "conversation.item.create"]
        assert [item["id"] for item in again] == [ids[0], between, ids[2]]
        assert [_told_parts(item) for item in again[:2]] == [
            [100, "between", 200, images[0]],
            [images[1], 300],
        ]
        assert not call.client.of_type("error")


def _told_parts(item: dict[str, Any]) -> list[Any]:
    """Milliseconds of sound, words, and images."""
    return [
        len(pybase64.b64decode(part["audio"])) // 48
        if "audio" in part
        else part.get("text") or part["image_url"]
        for part in item["content"]
    ]


async def test_another_engine_hears_several_sounds_of_an_item_one_after_the_other(tmp_path: Path) -> None:
    async with relayed(tmp_path, stand_in=True) as (call, upstream):
        await call.until("session.created")
        content = [{"type": "input_audio", "audio": sound(ms)} for ms in (100, 200)]
        call.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})
        item_id = (await call.until("conversation.item.done"))["item"]["id"]
        upstream.refusals.append((401, b"", {}))
        await upstream.hang_up_all()
        await call.until("session.updated")
        call.send("conversation.item.retrieve", item_id=item_id)
        kept = (await call.until("conversation.item.retrieved"))["item"]["content"]
        assert [len(pybase64.b64decode(part["audio"])) // 48 for part in kept] == [300, 300]
        call.send("response.create")
        done = await call.until("response.done")
        assert done["response"]["output"][0]["content"][0]["transcript"] == "Here is somebody else."


async def test_only_what_was_heard_goes_along(tmp_path: Path) -> None:
    async with relayed(tmp_path) as (call, upstream):
        await call.until("session.created")
        call.say("hello")
        item = (await call.until("response.done"))["response"]["output"][0]["id"]
        call.send("conversation.item.truncate", item_id=item, content_index=0, audio_end_ms=50)
        await call.until("conversation.item.truncated")
        (sent,) = (event for event in upstream.seen[0] if event["type"] == "conversation.item.truncate")
        assert (sent["item_id"], sent["audio_end_ms"]) == (item, 50)
        call.grow_old()
        await call.until("session.updated")
        await upstream.until(lambda: len(upstream.seen[1]) > 2)
        assert told(upstream, 1) == [("user", "hello"), ("assistant", "Good")]


async def test_every_answer_is_told_with_what_it_took(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "vivavoce.turns")
    price = {"audio_output": 64.0, "input": 4.0, "audio_input": 32.0, "image_input": 5.0, "image_cached": 0.5}
    async with relayed(tmp_path, prices__models={"gpt-realtime-2": price}) as (call, upstream):
        cached = {"text_tokens": 100, "audio_tokens": 0, "image_tokens": 400}
        split = {"text_tokens": 300, "audio_tokens": 100, "image_tokens": 600, "cached_tokens": 500}
        upstream.used |= {"total_tokens": 1002, "input_tokens": 1000}
        upstream.used |= {"input_token_details": {**split, "cached_tokens_details": cached}}
        await call.until("session.created")
        call.say("hello")
        await call.until("response.done")
        upstream.plans.append(("response.done", "abort"))
        await upstream.hang_up_all()
        await upstream.until(lambda: len(upstream.seen) == 2 and call.mirror.up.state == "live")
        call.say("and again")
        await call.until("response.done", 2)
    # What has failed is told when the call is over, at the latest.
    turns = [record.getMessage() for record in caplog.records if record.name == "vivavoce.turns"]
    first, second = (line.partition("; ")[2] for line in turns)
    assert all(int(ms) < 10_000 for ms in re.findall(r"(\d+) ms", first + second))  # Since it was asked for.
    took = rf"upstream gpt-realtime-2 at {upstream.url.split('/')[2]} \d+ ms \(first \d+ ms\), "
    # 300 words and 100 pieces of sound, 200 of an image and 400 that were cached, and what was said.
    cost = (300 * 4 + 100 * 32 + 200 * 5 + 400 * 0.5 + 2 * 64) / 1_000_000
    assert re.fullmatch(took + rf"1000\+2 tokens, 100 ms of sound; cost {cost:.6f} USD", first)
    assert re.fullmatch(took + r"100 ms of sound, failed; cost 0\.000000 USD", second)


async def test_log_probabilities_are_asked_for_and_told_by_every_upstream_session(tmp_path: Path) -> None:
    async with relayed(tmp_path) as (call, upstream):
        await call.until("session.created")
        included = ["item.input_audio_transcription.logprobs"]
        call.send("session.update", session={"type": "realtime", "include": included})
        assert (await call.until("session.updated"))["session"]["include"] == included
        for count in (1, 2):
            call.append(200)
            call.send("input_audio_buffer.commit")
            for kind in ("delta", "completed"):
                event = await call.until(f"conversation.item.input_audio_transcription.{kind}", count)
                assert event["logprobs"] == LOGPROBS
            if count == 1:
                call.grow_old()
                await call.until("session.updated", 2)
        update = upstream.seen[1][0]
        assert (update["type"], update["session"]["include"]) == ("session.update", included)


BOOK = McpToolInfo(name="book", input_schema={"type": "object"})


async def front_tool(
    call: Relayed, asked: list[McpEffect], monkeypatch: pytest.MonkeyPatch, approval: str = "never"
) -> None:
    """A server's tool that is called in front of the upstream; `asked`: what is asked of the server."""
    monkeypatch.setattr(Refusing, "perform", lambda _, effect: asked.append(effect))
    await call.until("session.created")
    server_ = {"type": "mcp", "server_label": "office", "server_url": "https://office.example/mcp"}
    call.send(
        "session.update", session={"type": "realtime", "tools": [{**server_, "require_approval": approval}]}
    )
    await call.until("session.updated")
    (listing,) = asked
    assert isinstance(listing, ListTools)
    call.call.emit(ToolsListed(listing.listing, (BOOK,)))


async def test_an_upstream_that_falls_mute_while_its_successor_waits_for_a_pause_is_followed_by_another(
    tmp_path: Path,
) -> None:
    async with relayed(tmp_path, **patience("mute")) as (call, upstream):
        await call.until("session.created")
        upstream.faults_at["response.create"] = "mute"
        call.say("hello")  # An answer is owed, so the successor has to wait.
        call.grow_old()
        error = (await call.until("error"))["error"]
        assert error["code"] == "upstream_silent"
        await call.until("session.updated")
        call.say("and again")
        assert (await call.until("response.done"))["response"]["status"] == "completed"
        assert told(upstream, -1) == [("user", "hello"), ("user", "and again")]
        assert not call.mirror.up.successor


@pytest.mark.parametrize("fault", FAULTS)
async def test_an_upstream_that_fails_while_a_tool_is_called_in_front_of_it(
    tmp_path: Path, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[McpEffect] = []
    async with relayed(tmp_path, **patience(fault)) as (call, upstream):
        upstream.plans.append(("idle", fault))
        await front_tool(call, asked, monkeypatch)
        call.say("call them")
        done = (await call.until("response.done"))["response"]
        assert (done["status"], done["status_details"]["error"]["code"]) == ("failed", CODES[fault])
        (item,) = done["output"]
        assert (item["type"], item["name"]) == ("mcp_call", "book")
        assert "error" in item, item
        # What it returns now comes too late for anybody.
        made = asked[-1]
        assert isinstance(made, CallTool)
        call.call.emit(ToolAnswered(made.call, "booked"))
        call.say("and now?")
        assert (await call.until("response.done", 2))["response"]["status"] == "completed"


async def test_another_engine_goes_on_with_the_conversation(tmp_path: Path) -> None:
    async with relayed(tmp_path, stand_in=True) as (call, upstream):
        await call.until("session.created")
        call.send("session.update", session={"type": "realtime", "instructions": "Be brief."})
        call.say("hello")
        await call.until("response.done")
        upstream.refusals.append((401, b"", {}))
        await upstream.hang_up_all()
        updated = await call.until("session.updated", 2)
        assert updated["session"]["vivavoce"]["engine"] == "scripted"
        assert updated["session"]["instructions"] == "Be brief."
        call.say("welcome back")
        done = await call.until("response.done", 2)
        assert done["response"]["output"][0]["content"][0]["transcript"] == "You said so."
        known = call.client.of_type("conversation.item.added")
        call.send("conversation.item.retrieve", item_id=known[0]["item"]["id"])
        retrieved = await call.until("conversation.item.retrieved")
        assert retrieved["item"]["content"][0]["text"] == "hello"
        first, second = (event["response"] for event in call.client.of_type("response.done"))
        assert first["conversation_id"] == second["conversation_id"]
        call.append(600)
        call.send("input_audio_buffer.commit")
        call.send("response.create")
        await call.until("response.done", 3)
        assert not call.client.of_type("error")


async def test_what_was_asked_while_nobody_could_be_reached_another_engine_answers(tmp_path: Path) -> None:
    async with relayed(tmp_path, stand_in=True) as (call, upstream):
        await call.until("session.created")
        call.say("hello")
        await call.until("response.done")
        upstream.refusals.extend([(503, b"", {"Retry-After": "0.1"})] * 50)
        await upstream.hang_up_all()
        await upstream.until(lambda: call.mirror.up.state == "dialling")
        call.say("welcome back")
        done = await call.until("response.done", 2)
        assert done["response"]["output"][0]["content"][0]["transcript"] == "You said so."
        assert not call.client.of_type("error")
        assert len(upstream.refusals) > 40  # It was tried for one time to connect, and not three.


async def test_the_cascade_goes_on_with_the_conversation(tmp_path: Path) -> None:
    """Its stages are another server's, so that it costs no processes of its own; what is between them is the cascade."""
    given = {"relay__failover": "cascade", "vad__kind": "energy"}
    async with (
        hostile() as upstream,
        server(tmp_path, auth__keys="vv_other") as other,
        relay(upstream.url, tmp_path, **QUICK, **given, **stages(other, "vv_other")) as url,
        openai_client(url) as talk,
    ):
        created = await talk.until("session.created")
        await talk.send("session.update", session={"type": "realtime", "instructions": "Be brief."})
        await talk.say("hello")
        await talk.until("response.done")
        await speak(talk)
        await talk.send("input_audio_buffer.commit")
        spoken = (await talk.until("input_audio_buffer.committed"))["item_id"]
        await talk.until("conversation.item.done")
        hearing = {"transcription": {"model": "whisper-1"}, "turn_detection": {"type": "server_vad"}}
        await talk.send("session.update", session={"type": "realtime", "audio": {"input": hearing}})
        await talk.until("session.updated")
        before = len(talk.events)
        upstream.refusals.append((401, b"", {}))
        await upstream.hang_up_all()
        updated = (await talk.until("session.updated"))["session"]
        assert (updated["vivavoce"]["engine"], updated["id"]) == ("cascade", created["session"]["id"])
        assert updated["instructions"] == "Be brief."
        # What was only heard by the upstream is heard here now.
        heard = await talk.until("conversation.item.input_audio_transcription.completed")
        assert (heard["item_id"], heard["transcript"]) == (spoken, "hello there")
        await speak(talk)
        done = (await talk.until("response.done"))["response"]
        assert done["status"] == "completed", done
        assert done["output"][0]["content"][0]["transcript"] == ANSWER
        assert len(talk.of_type("response.output_audio.delta")) > 5
        types = [event["type"] for event in talk.events[before:]]
        assert types.count("session.updated") == 1
        assert "error" not in types
        said = [event["item"] for event in talk.of_type("conversation.item.added")]
        for item, words in zip(said[:2], ("hello", "Good morning."), strict=True):
            await talk.send("conversation.item.retrieve", item_id=item["id"])
            kept = (await talk.until("conversation.item.retrieved"))["item"]
            assert kept["content"][0]["text"] == words


async def test_another_engine_answers_from_the_beginning_where_there_is_no_upstream(tmp_path: Path) -> None:
    async with relayed(tmp_path, stand_in=True) as (call, upstream):
        upstream.refusals.extend([(503, b"", {"Retry-After": "9"})])
        call.say("hello")  # It does not wait to be greeted.
        created = await call.until("session.created")
        assert created["session"]["vivavoce"]["engine"] == "scripted"
        done = await call.until("response.done")
        assert done["response"]["output"][0]["content"][0]["transcript"] == "Here is somebody else."
