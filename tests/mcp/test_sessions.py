"""Sessions with tools of real MCP servers, driven by the unmodified openai-python client."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.mcp.conftest import OFFICE
from tests.server.rig import Talk, openai_client
from vivavoce.call.settings import load_settings
from vivavoce.server.embedded import running_server

SCRIPT = """
answer = "Good morning."
[[rules]]
when = "when are you open"
calls = [{ name = "opening_hours", arguments = { day = "Monday" } }]
[[rules]]
when = "nine to five"
answer = "From nine to five."
[[rules]]
when = "book"
calls = [{ name = "book_room", arguments = { room = "blue" } }]
[[rules]]
when = "is yours"
answer = "It is booked."
[[rules]]
when = "too dear"
answer = "Then I will not book it."
[[rules]]
when = "vanish"
calls = [{ name = "die" }]
[[rules]]
when = "connection"
answer = "That did not work."
"""
OFFICE_SERVER = {
    "command": sys.executable,
    "args": [str(OFFICE), "stdio"],
    "env": {"OFFICE_TOKEN": "canary-env"},
}


@contextlib.asynccontextmanager
async def talk(folder: Path, **flags: Any) -> AsyncIterator[Talk]:
    """A conversation with a server that knows the office as `office` and lets clients reach this machine."""
    script = folder / "script.toml"
    script.write_text(SCRIPT)
    given = {
        "engine.kind": "scripted",
        "scripted.script": str(script),
        "mcp.servers": {"office": OFFICE_SERVER},
        "mcp.allow": ["127.0.0.1"],
        "mcp.list_timeout_ms": 60_000,
        "mcp.call_timeout_ms": 60_000,
    }
    given |= {key.replace("__", "."): value for key, value in flags.items()}
    async with running_server(load_settings(given, environ={})) as url, openai_client(url) as client:
        await client.until("session.created")
        yield client


async def use(client: Talk, *tools: dict[str, Any], **session: Any) -> list[dict[str, Any]]:
    """Name servers and wait for their lists."""
    given = [{"type": "mcp", **tool} for tool in tools]
    await client.send("session.update", session={"type": "realtime", "tools": given, **session})
    await client.until("session.updated")
    return [await client.until("mcp_list_tools.completed") for _ in tools]


def kinds(client: Talk, start: str) -> list[str]:
    """The types of all events from the last one of a type on."""
    types = client.types()
    return types[len(types) - 1 - types[::-1].index(start) :]


async def test_a_call_over_http_is_spoken_in_the_same_response(
    tmp_path: Path, http_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with talk(tmp_path) as client:
        url = f"http://127.0.0.1:{http_port}/mcp"
        shop = {"server_label": "shop", "server_url": url, "authorization": "canary-token"}
        await use(client, shop | {"require_approval": "never", "headers": {"X-Key": "canary-key"}})
        (listed,) = [e["item"] for e in client.of_type("conversation.item.done")]
        assert listed["type"] == "mcp_list_tools"
        assert {"opening_hours", "book_room"} <= {tool["name"] for tool in listed["tools"]}
        await client.say("When are you open?")
        done = await client.until("response.done")
        call, message = done["response"]["output"]
        assert (call["type"], call["name"], call["server_label"]) == ("mcp_call", "opening_hours", "shop")
        assert call["output"] == "On Monday we are open from nine to five."
        assert message["content"][0]["transcript"] == "From nine to five."
        assert kinds(client, "response.created")[:10] == [
            "response.created",
            "response.output_item.added",
            "conversation.item.added",
            "response.mcp_call_arguments.delta",
            "response.mcp_call_arguments.done",
            "response.mcp_call.in_progress",
            "response.mcp_call.completed",
            "conversation.item.done",
            "response.output_item.done",
            "response.output_item.added",
        ]
        assert "response.output_audio.delta" in client.types()
        assert "canary" not in str(client.events)
    # The client is in this process too, and logs what it sends.
    own = [record for record in caplog.records if not record.name.startswith(("websockets.client", "openai"))]
    assert not [record for record in own if "canary" in record.getMessage()]


async def test_a_process_of_the_operators_asks_for_a_yes(tmp_path: Path) -> None:
    async with talk(tmp_path) as client:
        await use(client, {"server_label": "office"}, output_modalities=["text"])
        await client.say("Book a room.")
        first = await client.until("response.done")
        (asked,) = first["response"]["output"]
        assert (asked["type"], asked["name"]) == ("mcp_approval_request", "book_room")
        yes = {"type": "mcp_approval_response", "approval_request_id": asked["id"], "approve": True}
        await client.send("conversation.item.create", item=yes)
        second = await client.until("response.done")
        call, message = second["response"]["output"]
        assert (call["approval_request_id"], call["output"]) == (asked["id"], "The blue room is yours.")
        assert message["content"][0]["text"] == "It is booked."
        # The list is kept: what comes next goes by the same.
        await client.say("Book another.")
        (asked,) = (await client.until("response.done"))["response"]["output"]
        no = yes | {"approval_request_id": asked["id"], "approve": False, "reason": "too dear"}
        await client.send("conversation.item.create", item=no)
        (message,) = (await client.until("response.done"))["response"]["output"]
        assert message["content"][0]["text"] == "Then I will not book it."
        assert len(client.of_type("mcp_list_tools.completed")) == 1
        await client.send("conversation.item.create", item=yes)
        assert (await client.until("error"))["error"]["code"] == "item_create_invalid_approval_request_id"


async def test_a_server_that_dies_in_the_middle_of_a_call(tmp_path: Path) -> None:
    async with talk(tmp_path) as client:
        await use(client, {"server_label": "office", "require_approval": "never"}, output_modalities=["text"])
        await client.say("Vanish.")
        done = await client.until("response.done")
        call, message = done["response"]["output"]
        assert call["error"]["type"] == "protocol_error"
        assert call["output"] is None
        assert len(client.of_type("response.mcp_call.failed")) == 1
        assert message["content"][0]["text"] == "That did not work."
        await client.say("When are you open?")  # By a new process.
        call, message = (await client.until("response.done"))["response"]["output"]
        assert call["output"] == "On Monday we are open from nine to five."


async def test_two_servers_and_an_address_that_is_refused(tmp_path: Path, http_port: int) -> None:
    async with talk(tmp_path, mcp__allow=[f"127.0.0.1:{http_port}"]) as client:
        shop = {"server_label": "shop", "server_url": f"http://127.0.0.1:{http_port}/mcp"}
        inside = {
            "type": "mcp",
            "server_label": "inside",
            "server_url": f"http://127.0.0.1:{http_port + 1}/mcp",
        }
        await use(client, {"server_label": "office"}, shop)
        await client.send(
            "session.update",
            session={"type": "realtime", "tools": [{"type": "mcp", "server_label": "shop"}, inside]},
        )
        await client.until("mcp_list_tools.failed")
        refused = client.of_type("conversation.item.done")[-1]["item"]
        assert (refused["server_label"], refused["tools"]) == ("inside", [])
        assert "only the operator can allow" in refused["error"]
        assert len(client.of_type("mcp_list_tools.in_progress")) == 3


async def test_the_built_in_brain_calls_a_servers_tool(tmp_path: Path) -> None:
    async with talk(tmp_path, engine__kind="cascade", scripted__script="") as client:
        await use(
            client,
            {"server_label": "office", "require_approval": "never", "allowed_tools": ["opening_hours"]},
            output_modalities=["text"],
        )
        await client.say("What are your opening hours on Monday?")
        call, message = (await client.until("response.done"))["response"]["output"]
        assert call["name"] == "opening_hours"
        assert call["output"].lower() == "on monday we are open from nine to five."
        assert "nine to five" in message["content"][0]["text"]
