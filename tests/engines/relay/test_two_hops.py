"""Clients that know nothing of it talk through two servers: everything is as it is through one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import websockets

from tests.engines.relay.rig import relay, two_hops
from tests.proofs import FULL
from tests.server.rig import ANSWER, Talk, openai_client, raw_client, socket_url

# The unmodified openai-python client: what it finds at a server, it finds at one behind another.
from tests.server.test_openai_client import (  # noqa: F401
    test_a_failed_turn_and_the_next,
    test_a_function_call_there_and_back,
    test_a_spoken_turn,
    test_a_typed_turn,
    test_a_typed_turn_in_text,
    test_barge_in,
    test_beside_the_conversation,
    test_cancel_and_truncate,
    test_one_response_create_per_tool_does_not_fall_silent,
)
from vivavoce.call.settings import load_settings
from vivavoce.server.embedded import running_server

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hops(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Both servers, for every test that wants nothing special of them."""
    async with two_hops(tmp_path_factory.mktemp("hops")) as url:
        yield url


@pytest_asyncio.fixture(loop_scope="module")
async def talk(hops: str) -> AsyncIterator[Talk]:
    async with openai_client(hops) as made:
        yield made


async def test_the_session_says_what_answers(talk: Talk) -> None:
    session = (await talk.next())["session"]
    assert session["vivavoce"]["engine"] == "relay"
    assert session["vivavoce"]["llm"].startswith("the model that is asked for at 127.0.0.1:")
    assert session["model"] == "gpt-realtime-2"
    await talk.send("session.update", session={"type": "realtime", "instructions": "Be brief."})
    updated = (await talk.until("session.updated"))["session"]
    assert (updated["id"], updated["expires_at"]) == (session["id"], session["expires_at"])
    assert updated["instructions"] == "Be brief."


async def test_a_mistake_is_told_to_whoever_made_it_under_their_own_id(hops: str) -> None:
    async with raw_client(hops) as talk:
        created = await talk.until("session.created")
        call_id = created["session"]["vivavoce"]["call_id"]
        async with raw_client(hops, f"call_id={call_id}") as beside:
            await beside.until("session.created")
            await beside.send("conversation.item.delete", event_id="mine", item_id="item_nobody")
            error = (await beside.until("error"))["error"]
            assert (error["code"], error["event_id"]) == ("item_delete_invalid_item_id", "mine")
            await beside.say("hello")
            await beside.until("response.done")
            await talk.until("response.done")
            assert not talk.of_type("error")


async def test_the_dialect_of_old_in_front_of_an_upstream_that_knows_the_new_one_only(hops: str) -> None:
    async with raw_client(hops, beta=True) as talk:
        await talk.until("session.created")
        await talk.send("session.update", session={"modalities": ["text", "audio"], "voice": "alloy"})
        assert (await talk.until("session.updated"))["session"]["voice"] == "alloy"
        await talk.say("hello")
        done = (await talk.until("response.done"))["response"]
        assert done["output"][0]["content"][0]["transcript"] == ANSWER
        assert {"conversation.item.created", "response.audio.delta"} <= set(talk.types())


@pytest.mark.parametrize("wire", ["audio/pcmu", "audio/pcma"])
async def test_telephone_sound_goes_both_ways(hops: str, wire: str) -> None:
    async with raw_client(hops) as talk:
        await talk.until("session.created")
        audio = {
            "input": {"format": {"type": wire}, "turn_detection": None},
            "output": {"format": {"type": wire}},
        }
        await talk.send("session.update", session={"type": "realtime", "audio": audio})
        # 200 ms at 8 kHz, right behind the new format.
        await talk.send("input_audio_buffer.append", audio="fwCA" * 533 + "fw==")
        await talk.send("input_audio_buffer.commit")
        await talk.until("input_audio_buffer.committed")
        await talk.send("response.create")
        assert (await talk.until("response.done"))["response"]["status"] == "completed"
        assert not talk.of_type("error")


async def test_a_transcription_session(hops: str) -> None:
    async with raw_client(hops, "intent=transcription") as talk:
        session = (await talk.next())["session"]
        assert session["type"] == "transcription"
        await talk.speak()
        completed = await talk.until("conversation.item.input_audio_transcription.completed")
        assert completed["transcript"] == "hello there"
        await talk.send("response.create", event_id="asks")
        assert (await talk.until("error"))["error"]["event_id"] == "asks"


async def test_what_the_operator_has_set_reaches_the_upstream(tmp_path: Path) -> None:
    given = {"session__instructions": "Speak like a pirate.", "upstream__model": "gpt-realtime-mini"}
    async with two_hops(tmp_path, **given) as url, raw_client(url) as talk:
        session = (await talk.until("session.created"))["session"]
        assert session["instructions"] == "Speak like a pirate."
        assert session["model"] == "gpt-realtime-mini"


async def test_limits_of_this_server_stand_in_front(tmp_path: Path) -> None:
    async with two_hops(tmp_path, limits__requests_per_minute=1) as url, raw_client(url) as talk:
        await talk.until("session.created")
        await talk.say("hello")
        await talk.until("response.done")
        (limit,) = (await talk.until("rate_limits.updated"))["rate_limits"]
        assert (limit["name"], limit["limit"], limit["remaining"]) == ("requests", 1, 0)
        await talk.send("response.create", event_id="more")
        error = (await talk.until("error"))["error"]
        assert (error["code"], error["event_id"]) == ("rate_limit_exceeded", "more")


async def test_seats_of_this_server_stand_in_front(tmp_path: Path) -> None:
    # Whether the server is ready was asked over a seatless session of its own; the only seat is this client's.
    async with two_hops(tmp_path, limits__max_sessions=1) as url, raw_client(url) as talk:
        await talk.until("session.created")
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with websockets.connect(socket_url(url)):
                pass
        assert refused.value.response.status_code == 503


@pytest.mark.skipif(not FULL, reason="starts a whole cascade; VIVAVOCE_PROOFS=full")
async def test_the_cascade_behind_a_relay(tmp_path: Path) -> None:
    cascade = {"engine.kind": "cascade", "data_dir": str(tmp_path), "stt.workers": 1, "tts.workers": 1}
    cascade |= {"vad.kind": "energy"}
    async with (
        running_server(load_settings(cascade, environ={})) as far,
        relay(far, tmp_path) as url,
        openai_client(url) as talk,
    ):
        await talk.until("session.created")
        await talk.say("Hello, who are you?")
        done = (await talk.until("response.done"))["response"]
        assert (done["status"], done["output"][0]["status"]) == ("completed", "completed")
        assert len(talk.of_type("response.output_audio.delta")) > 5
        assert done["usage"]["output_token_details"]["audio_tokens"] > 5
