"""The unmodified openai-python client over a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.server.rig import ANSWER, Talk, openai_client, server

MESSAGE = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
]
MESSAGE_DONE = [
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
]


@pytest.fixture
async def talk(tmp_path: Path) -> AsyncIterator[Talk]:
    async with server(tmp_path) as url, openai_client(url) as made:
        yield made


async def test_the_session_says_what_answers(talk: Talk) -> None:
    created = await talk.next()
    assert created["type"] == "session.created"
    session = created["session"]
    assert session["model"] == "gpt-realtime-2"
    assert session["vivavoce"]["engine"] == "scripted"
    assert session["audio"]["input"]["turn_detection"] == {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 500,
        "idle_timeout_ms": None,
        "create_response": True,
        "interrupt_response": True,
    }


async def test_a_typed_turn(talk: Talk) -> None:
    await talk.say("hello")
    done = (await talk.until("response.done"))["response"]
    await talk.until("rate_limits.updated")
    assert done["output"][0]["content"][0]["transcript"] == ANSWER
    kinds = talk.types()
    assert kinds[:7] == ["session.created", "conversation.item.added", "conversation.item.done", *MESSAGE]
    assert kinds[-len(MESSAGE_DONE) :] == MESSAGE_DONE
    middle = set(kinds[7 : -len(MESSAGE_DONE)])
    assert middle == {"response.output_audio_transcript.delta", "response.output_audio.delta"}


async def test_a_typed_turn_in_text(talk: Talk) -> None:
    await talk.send("session.update", session={"type": "realtime", "output_modalities": ["text"]})
    await talk.say("hello")
    done = (await talk.until("response.done"))["response"]
    assert done["output"][0]["content"] == [{"type": "output_text", "text": ANSWER}]
    assert "response.output_audio.delta" not in talk.types()


async def test_a_spoken_turn(talk: Talk) -> None:
    transcription = {"audio": {"input": {"transcription": {"model": "whisper-1"}}}}
    await talk.send("session.update", session={"type": "realtime", **transcription})
    await talk.speak()
    done = (await talk.until("response.done"))["response"]
    await talk.until("rate_limits.updated")
    kinds = talk.types()
    assert kinds[2:7] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]
    assert kinds[-len(MESSAGE_DONE) :] == MESSAGE_DONE
    (heard,) = talk.of_type("conversation.item.input_audio_transcription.completed")
    assert heard["transcript"] == "hello there"
    assert done["status"] == "completed"
    assert done["vivavoce"]["clock"]["vad_stop"] >= 0


async def test_a_function_call_there_and_back(talk: Talk) -> None:
    tool = {"type": "function", "name": "look_up", "parameters": {"type": "object", "properties": {}}}
    await talk.send("session.update", session={"type": "realtime", "tools": [tool]})
    await talk.say("Where is my order?")
    done = (await talk.until("response.done"))["response"]
    (call,) = done["output"]
    assert (call["name"], call["arguments"], call["status"]) == (
        "look_up",
        '{"order_id":"A1001"}',
        "completed",
    )
    (told,) = talk.of_type("response.function_call_arguments.done")
    assert (told["call_id"], told["arguments"]) == (call["call_id"], call["arguments"])
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": '{"state": "shipped"}'}
    await talk.send("conversation.item.create", item=output)
    await talk.send("response.create")
    answered = (await talk.until("response.done"))["response"]
    assert answered["output"][0]["content"][0]["transcript"] == "It is on its way."


async def test_one_response_create_per_tool_does_not_fall_silent(talk: Talk) -> None:
    """Step 4 of many handlers: each call is answered at once, and each answer asks for a response."""
    await talk.say("both")
    for name in ("calendar", "crm"):
        call = await talk.until("response.function_call_arguments.done")
        assert call["name"] == name
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": "shipped"}
        await talk.send("conversation.item.create", item=output)
        await talk.send("response.create")
    answer = ""
    while not answer:
        done = (await talk.until("response.done"))["response"]
        answer = "".join(part["transcript"] for item in done["output"] for part in item.get("content", []))
    assert answer == "It is on its way."


async def test_cancel_and_truncate(talk: Talk) -> None:
    await talk.say("Tell me a story.")
    delta = await talk.until("response.output_audio.delta")
    await talk.send("response.cancel")
    done = (await talk.until("response.done"))["response"]
    assert (done["status"], done["status_details"]["reason"]) == ("cancelled", "client_cancelled")
    assert done["output"][0]["status"] == "incomplete"
    where = {"item_id": delta["item_id"], "content_index": 0}
    await talk.send("conversation.item.truncate", **where, audio_end_ms=1300)
    assert (await talk.until("conversation.item.truncated"))["audio_end_ms"] == 1300
    await talk.send("conversation.item.retrieve", item_id=delta["item_id"])
    item = (await talk.until("conversation.item.retrieved"))["item"]
    # 60 ms for each character of the tone: 1300 ms end within "there".
    assert item["content"][0]["transcript"] == "Once upon a time"
    await talk.send("response.cancel", event_id="late")
    error = (await talk.until("error"))["error"]
    assert (error["code"], error["event_id"]) == ("response_cancel_not_active", "late")


async def test_barge_in(talk: Talk) -> None:
    await talk.say("Tell me a story.")
    await talk.until("response.output_audio.delta")
    await talk.speak()
    await talk.until("input_audio_buffer.speech_started")
    done = (await talk.until("response.done"))["response"]
    assert (done["status"], done["status_details"]["reason"]) == ("cancelled", "turn_detected")
    answered = (await talk.until("response.done"))["response"]
    assert answered["status"] == "completed"


async def test_a_failed_turn_and_the_next(talk: Talk) -> None:
    await talk.say("please break")
    failed = (await talk.until("response.done"))["response"]
    assert (failed["status"], failed["status_details"]["error"]["message"]) == ("failed", "as told")
    await talk.say("be quiet")
    silent = (await talk.until("response.done"))["response"]
    assert (silent["status"], silent["output"]) == ("completed", [])


async def test_beside_the_conversation(talk: Talk) -> None:
    aside = {"conversation": "none", "output_modalities": ["text"], "metadata": {"topic": "mood"}}
    await talk.send("response.create", response=aside)
    done = (await talk.until("response.done"))["response"]
    assert (done["conversation_id"], done["metadata"]) == (None, {"topic": "mood"})
    assert "conversation.item.added" not in talk.types()
