"""How much a connection takes and gives, and what it may say about itself (protocol reference 1.2, 2.1 and 7)."""

from __future__ import annotations

from pathlib import Path

import pybase64
import pytest

from tests.server.rig import Talk, raw_client, server

LARGEST_APPEND = 15 * 1024 * 1024
LARGEST_FRAME = 21 * 1024 * 1024
ONE_MIB = 1024 * 1024
"""What some clients read at most in one frame: the limit that the `websockets` package begins with."""


async def test_the_largest_append_is_taken_and_no_frame_back_is_larger_than_clients_read(
    tmp_path: Path,
) -> None:
    async with server(tmp_path) as url, raw_client(url, max_size=ONE_MIB) as talk:
        manual = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}
        await talk.send("session.update", session=manual)
        await talk.until("session.updated")
        await append(talk, LARGEST_APPEND)
        await talk.send("input_audio_buffer.commit")
        item_id = (await talk.until("input_audio_buffer.committed"))["item_id"]
        await talk.send("conversation.item.retrieve", item_id=item_id)
        (part,) = (await talk.until("conversation.item.retrieved"))["item"]["content"]
        assert part["type"] == "input_audio"
        await append(talk, LARGEST_APPEND + 2, event_id="more")
        error = (await talk.until("error"))["error"]
        assert (error["code"], error["param"], error["event_id"]) == ("invalid_value", "audio", "more")
        await talk.send_raw(
            '{"event_id": "big", "type": "input_audio_buffer.append"'.ljust(LARGEST_FRAME) + "}"
        )
        error = (await talk.until("error"))["error"]
        assert (error["code"], error["event_id"]) == ("invalid_event", "big")
        await talk.say("hello")
        assert (await talk.until("response.done"))["response"]["status"] == "completed"


async def append(talk: Talk, size: int, **fields: str) -> None:
    """So many bytes of silence in one event."""
    await talk.send("input_audio_buffer.append", audio=pybase64.b64encode_as_string(bytes(size)), **fields)


@pytest.mark.parametrize("key", ["Authorization", "api-key", "sub-protocol"])
async def test_what_clients_say_about_themselves_is_no_obstacle(tmp_path: Path, key: str) -> None:
    headers = {
        "Authorization": "",
        "OpenAI-Organization": "org-1",
        "OpenAI-Project": "proj_1",
        "OpenAI-Safety-Identifier": "3f2a",
        "X-OpenAI-Agents-SDK": "openai-agents-sdk.0.20.0",
        "X-Stainless-Lang": "python",
        "User-Agent": "Agents/Python 0.24.0",
    }
    offered = ["realtime", "openai-organization.org-1", "openai-project.proj_1", "openai-agents-sdk.0.20.0"]
    match key:
        case "sub-protocol":
            offered.append("openai-insecure-api-key.vv_one")
        case "api-key":
            headers["api-key"] = "vv_one"
        case _:
            headers[key] = "Bearer vv_one"
    async with (
        server(tmp_path, auth__keys="vv_one") as url,
        raw_client(url, headers=headers, subprotocols=offered) as talk,
    ):
        assert (await talk.next())["type"] == "session.created"
