"""Bad input over a real socket: one precise error each, with the client's event id, and the session goes on."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.server.rig import ANSWER, Talk, raw_client, server

MAX_FRAME_BYTES = 65_536


@pytest.fixture
async def talk(tmp_path: Path) -> AsyncIterator[Talk]:
    async with server(tmp_path, server__max_frame_bytes=MAX_FRAME_BYTES) as url, raw_client(url) as made:
        await made.until("session.created")
        yield made


def event(type_: str, **fields: Any) -> str:
    return json.dumps({"type": type_, "event_id": "mine", **fields})


def output(call_id: str) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": "42"}


BIG = "A" * MAX_FRAME_BYTES
BAD: dict[str, tuple[str | bytes, str, str | None, str | None]] = {
    # frame, code, param, event id
    "malformed JSON": ('{"type": "response.create"', "invalid_json", None, None),
    "no JSON at all": ("hello", "invalid_json", None, None),
    "nothing": ("", "invalid_json", None, None),
    "not an object": ("[]", "invalid_event", None, None),
    "bytes that are no text": (b"\xff\xfe\x00", "invalid_json", None, None),
    "no type": ('{"event_id": "mine"}', "invalid_event", None, "mine"),
    "unknown type": (event("scooby.dooby.doo"), "invalid_value", "type", "mine"),
    "a server's event": (event("session.created"), "invalid_value", "type", "mine"),
    "missing field": (event("conversation.item.delete"), "missing_required_parameter", "item_id", "mine"),
    "wrong type of field": (event("conversation.item.delete", item_id=7), "invalid_type", "item_id", "mine"),
    "out of range": (
        event("session.update", session={"type": "realtime", "audio": {"output": {"speed": 9}}}),
        "invalid_value",
        "session.audio.output.speed",
        "mine",
    ),
    "beta field": (
        event("session.update", session={"type": "realtime", "voice": "alloy"}),
        "unknown_parameter",
        "session.voice",
        "mine",
    ),
    "no session type": (
        event("session.update", session={}),
        "missing_required_parameter",
        "session.type",
        "mine",
    ),
    "bad base64": (event("input_audio_buffer.append", audio="@@@@"), "invalid_value", "audio", "mine"),
    "odd byte count": (event("input_audio_buffer.append", audio="AAAA"), "invalid_value", "audio", "mine"),
    "unknown call": (
        event("conversation.item.create", item=output("call_x")),
        "invalid_tool_call_id",
        "item.call_id",
        "mine",
    ),
    "unknown predecessor": (
        event(
            "conversation.item.create",
            previous_item_id="x",
            item={"type": "message", "role": "user", "content": []},
        ),
        "item_create_invalid_previous_item_id",
        "previous_item_id",
        "mine",
    ),
    "too little to commit": (
        event("input_audio_buffer.commit"),
        "input_audio_buffer_commit_empty",
        None,
        "mine",
    ),
    "frame over the limit, id first": (
        event("input_audio_buffer.append", audio=BIG),
        "invalid_event",
        None,
        "mine",
    ),
    "frame over the limit, id last": (
        json.dumps({"type": "input_audio_buffer.append", "audio": BIG, "event_id": "mine"}),
        "invalid_event",
        None,
        "mine",
    ),
    "frame over the limit, no id": ("[" * (MAX_FRAME_BYTES + 1), "invalid_event", None, None),
    "too deep": ('{"type": "session.update", "session": ' + "[" * 5000, "invalid_json", None, None),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_input(talk: Talk, name: str) -> None:
    frame, code, param, event_id = BAD[name]
    await talk.send_raw(frame)
    error = (await talk.next())["error"]
    assert (error["type"], error["code"], error["param"], error["event_id"]) == (
        "invalid_request_error",
        code,
        param,
        event_id,
    )
    assert error["message"]
    await talk.say("hello")
    done = (await talk.until("response.done"))["response"]
    assert done["output"][0]["content"][0]["transcript"] == ANSWER
    assert len(talk.of_type("error")) == 1


async def test_events_in_binary_frames_are_read(talk: Talk) -> None:
    await talk.send_raw(event("response.create").encode())
    assert (await talk.until("response.done"))["response"]["status"] == "completed"


async def test_text_in_utf_16_is_refused_and_the_session_goes_on(talk: Talk) -> None:
    await talk.send_raw(event("response.create").encode("utf-16"))
    assert (await talk.until("error"))["error"]["code"] == "invalid_json"
    await talk.send("response.create")
    assert (await talk.until("response.done"))["response"]["status"] == "completed"
