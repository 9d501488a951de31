"""MCP servers in front of an upstream that has never heard of them, driven by the unmodified openai-python client."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from tests.engines.relay.rig import relay
from tests.mcp.test_sessions import OFFICE_SERVER, SCRIPT
from tests.server.rig import Talk, openai_client
from vivavoce.call.settings import load_settings
from vivavoce.server.embedded import running_server


@contextlib.asynccontextmanager
async def office(folder: Path, llm_delay_ms: int = 0, **flags: Any) -> AsyncIterator[Talk]:
    """A client of a relay that knows the office; the upstream follows the script, after a delay."""
    script = folder / "script.toml"
    script.write_text(SCRIPT)
    behind = {
        "engine.kind": "scripted",
        "scripted.script": str(script),
        "scripted.llm_delay_ms": llm_delay_ms,
        "data_dir": str(folder),
    }
    front: dict[str, Any] = {"mcp__servers": {"office": OFFICE_SERVER}, "mcp__list_timeout_ms": 60_000}
    async with (
        running_server(load_settings(behind, environ={})) as far,
        relay(far, folder, **front, **flags, mcp__call_timeout_ms=60_000) as near,
        openai_client(near) as client,
    ):
        created = await client.until("session.created")
        assert created["session"]["vivavoce"]["engine"] == "relay"
        yield client


async def use(client: Talk, **tool: Any) -> dict[str, Any]:
    given = [{"type": "mcp", "server_label": "office", **tool}]
    await client.send("session.update", session={"type": "realtime", "tools": given})
    updated = await client.until("session.updated")
    await client.until("mcp_list_tools.completed")
    session: dict[str, Any] = updated["session"]
    return session


async def test_a_call_is_made_here_and_the_upstream_answers_with_what_it_returned(tmp_path: Path) -> None:
    async with office(tmp_path) as client:
        session = await use(client, require_approval="never")
        assert session["tools"][0]["server_label"] == "office"
        await client.say("When are you open?")
        called = (await client.until("response.done"))["response"]
        (call,) = called["output"]
        assert (call["type"], call["name"], call["server_label"]) == ("mcp_call", "opening_hours", "office")
        assert call["output"] == "On Monday we are open from nine to five."
        types = client.types()
        assert types[types.index("response.created") :][:9] == [
            "response.created",
            "response.output_item.added",
            "conversation.item.added",
            "response.mcp_call_arguments.delta",
            "response.mcp_call_arguments.done",
            "response.mcp_call.in_progress",
            "rate_limits.updated",
            "response.mcp_call.completed",
            "conversation.item.done",
        ]
        answer = (await client.until("response.done"))["response"]
        assert answer["output"][0]["content"][0]["transcript"] == "From nine to five."
        # Of what passes between the two servers a client sees nothing.
        assert not {kind for kind in client.types() if "function_call" in kind}
        shown = [event["item"]["type"] for event in client.of_type("conversation.item.added")]
        assert shown == ["mcp_list_tools", "message", "mcp_call", "message"]
        assert len(client.of_type("session.updated")) == 1
        await what_was_made_here(client, call)
        await a_yes_and_a_no(client)


async def test_a_client_that_asks_to_go_on_is_answered_once(tmp_path: Path) -> None:
    """Its request and the relay's own are one, and both of the upstream's responses count against its limits."""
    async with office(tmp_path, llm_delay_ms=300, limits__requests_per_minute=2) as client:
        await use(client, require_approval="never")
        await client.say("When are you open?")
        await client.until("response.done")
        await client.send("response.create", event_id="too")
        answer = (await client.until("response.done"))["response"]
        assert answer["output"][0]["content"][0]["transcript"] == "From nine to five."
        (left,) = (await client.until("rate_limits.updated"))["rate_limits"]
        assert (left["name"], left["remaining"]) == ("requests", 0)
        assert not client.of_type("error")
        # A request of its own would have been one more.
        await client.say("And now?")
        assert (await client.until("error"))["error"]["code"] == "rate_limit_exceeded"
        assert len(client.of_type("response.created")) == 2


async def what_was_made_here(client: Talk, call: dict[str, Any]) -> None:
    """The upstream knows nothing of the items that stand for its function calls; clients need not know that."""
    listed = client.of_type("conversation.item.added")[0]["item"]["id"]
    for item_id, type_ in ((listed, "mcp_list_tools"), (call["id"], "mcp_call")):
        await client.send("conversation.item.retrieve", item_id=item_id)
        item = (await client.until("conversation.item.retrieved"))["item"]
        assert (item["id"], item["type"]) == (item_id, type_)
    # Behind the call, and behind the list: the upstream has the question there, and then the first note.
    note = {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "A note."}]}
    question = client.of_type("conversation.item.added")[1]["item"]["id"]
    for behind in (call["id"], listed):
        await client.send("conversation.item.create", item=note, previous_item_id=behind)
        added = await client.until("conversation.item.added")
        assert added["previous_item_id"] == question
        question = added["item"]["id"]
    await client.send("conversation.item.delete", item_id=call["id"])
    assert (await client.until("conversation.item.deleted"))["item_id"] == call["id"]
    await client.send("conversation.item.retrieve", event_id="gone", item_id=call["id"])
    assert (await client.until("error"))["error"]["event_id"] == "gone"


async def a_yes_and_a_no(client: Talk) -> None:
    """The same server, whose calls have to be allowed from now on."""
    given = {"type": "mcp", "server_label": "office", "require_approval": "always"}
    await client.send("session.update", session={"type": "realtime", "tools": [given]})
    await client.until("session.updated")
    for approve, words in ((True, "It is booked."), (False, "Then I will not book it.")):
        await client.say("Please book it.")
        asked = (await client.until("response.done"))["response"]["output"]
        assert [item["type"] for item in asked] == ["mcp_approval_request"]
        answer = {
            "type": "mcp_approval_response",
            "approval_request_id": asked[0]["id"],
            "approve": approve,
            "reason": "too dear",
        }
        await client.send("conversation.item.create", item=answer)
        if approve:
            made = (await client.until("response.done"))["response"]["output"]
            assert (made[0]["type"], made[0]["approval_request_id"]) == ("mcp_call", asked[0]["id"])
        done = (await client.until("response.done"))["response"]
        assert done["output"][0]["content"][0]["transcript"] == words
        await client.send("conversation.item.create", event_id="twice", item=answer)
        assert (await client.until("error"))["error"]["event_id"] == "twice"
