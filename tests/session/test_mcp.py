"""Tools of MCP servers in the session: who needs a yes, what a label brings back, what does not fit. The rest: docs/behaviours/mcp.md."""

from __future__ import annotations

from typing import Any

import pytest

from tests.session.rig import Rig
from vivavoce.protocol.items import McpToolInfo
from vivavoce.protocol.session_objects import McpTool
from vivavoce.protocol.tool_reading import read_tools
from vivavoce.session.effects import Generate
from vivavoce.session.mcp import is_allowed, needs_approval
from vivavoce.session.mcp_calls import MOST_ROUNDS
from vivavoce.session.signals import ResponseFinished, TokenUsage, ToolCall
from vivavoce.session.tool_calls import CallTool, ListTools, ToolAnswered, ToolsListed

HOURS = McpToolInfo(name="hours", input_schema={"type": "object"}, annotations={"readOnlyHint": True})
BOOK = McpToolInfo(name="book", input_schema={"type": "object"}, annotations={"readOnlyHint": False})
SHOP = {"type": "mcp", "server_label": "shop", "server_url": "https://shop.example/mcp"}


def server(**fields: Any) -> McpTool:
    """A server as a client defines it."""
    (tool,) = read_tools([SHOP | fields], "session.tools", [])
    assert isinstance(tool, McpTool)
    return tool


@pytest.mark.parametrize(
    ("required", "hours", "book"),
    [
        (None, True, True),
        ("always", True, True),
        ("never", False, False),
        ({}, True, True),
        ({"never": {}}, True, True),
        ({"always": {}}, True, True),
        ({"never": {"tool_names": ["book"]}}, True, False),
        ({"never": {"tool_names": ["book"], "read_only": True}}, True, True),
        ({"never": {"read_only": True}}, False, True),
        ({"never": {"read_only": False}}, True, False),
        ({"always": {"tool_names": ["book"]}}, True, True),
        ({"always": {"tool_names": ["book"]}, "never": {"tool_names": ["hours", "book"]}}, False, True),
        ({"always": {"read_only": True}, "never": {"tool_names": ["hours", "book"]}}, True, False),
    ],
)
def test_every_form_of_require_approval(required: Any, hours: bool, book: bool) -> None:
    asked = server(require_approval=required)
    assert (needs_approval(asked, HOURS), needs_approval(asked, BOOK)) == (hours, book)


@pytest.mark.parametrize(
    ("allowed", "hours", "book"),
    [
        (None, True, True),
        ([], False, False),
        (["hours"], True, False),
        ({}, True, True),
        ({"tool_names": ["book"]}, False, True),
        ({"read_only": True}, True, False),
        ({"read_only": True, "tool_names": ["book"]}, False, False),
    ],
)
def test_every_form_of_allowed_tools(allowed: Any, hours: bool, book: bool) -> None:
    asked = server(allowed_tools=allowed)
    assert (is_allowed(asked, HOURS), is_allowed(asked, BOOK)) == (hours, book)


def rig_with_tools(tools: tuple[McpToolInfo, ...] = (HOURS, BOOK), **fields: Any) -> Rig:
    rig = Rig(**fields)
    rig.send("session.update", session={"type": "realtime", "tools": [SHOP | {"require_approval": "never"}]})
    rig.signal(ToolsListed(rig.of(ListTools)[-1].listing, tools))
    return rig


def test_a_label_alone_brings_back_its_address_and_its_credentials() -> None:
    rig = Rig()
    secrets = {"authorization": "canary-token", "headers": {"X-Key": "canary-key"}}
    rig.send("session.update", session={"type": "realtime", "tools": [SHOP | secrets]})
    rig.send("session.update", session={"type": "realtime", "tools": []})
    alone = {"type": "mcp", "server_label": "shop", "allowed_tools": ["hours"]}
    rig.send("session.update", session={"type": "realtime", "tools": [alone]})
    first, second = (effect.server for effect in rig.of(ListTools))
    assert (second.server_url, second.authorization, second.headers) == (
        first.server_url,
        first.authorization,
        first.headers,
    )
    assert second.allowed_tools == ["hours"]
    assert rig.codes == []
    assert "canary" not in str(rig.events) + str(rig.effects)


@pytest.mark.parametrize("tools", ["none", [5], [{"type": "mcp"}], [{"type": "mcp", "server_label": 5}]])
def test_tools_that_are_none_are_refused_as_ever(tools: Any) -> None:
    rig = rig_with_tools()
    rig.send("session.update", session={"type": "realtime", "tools": tools})
    assert rig.codes in (["invalid_type"], ["missing_required_parameter"])


def test_a_credential_in_two_places_is_refused() -> None:
    rig = Rig()
    twice = SHOP | {"authorization": "canary", "headers": {"authorization": "canary"}}
    rig.send("session.update", session={"type": "realtime", "tools": [twice]})
    assert rig.codes == ["invalid_value"]
    assert rig.of(ListTools) == []
    assert "canary" not in str(rig.events)


def test_a_named_function_that_is_gone_is_not_insisted_on() -> None:
    rig = Rig()
    look_up = {"type": "function", "name": "look_up"}
    choice = {"type": "function", "name": "look_up"}
    rig.send("session.update", session={"type": "realtime", "tools": [look_up], "tool_choice": choice})
    rig.send("session.update", session={"type": "realtime", "tools": []})
    rig.send("response.create")
    assert rig.of(Generate)[0].request.tool_choice == "auto"


def test_after_many_rounds_the_model_has_to_answer() -> None:
    rig = rig_with_tools()
    rig.send("response.create")
    for _ in range(MOST_ROUNDS):
        rig.signal(ToolCall(rig.generation, "hours", "{}"))
        rig.signal(ResponseFinished(rig.generation))
        rig.signal(ToolAnswered(rig.of(CallTool)[-1].call, "nine to five"))
    choices = [effect.request.tool_choice for effect in rig.of(Generate)]
    assert choices == ["auto"] * MOST_ROUNDS + ["none"]
    assert len({effect.generation for effect in rig.of(Generate)}) == MOST_ROUNDS + 1
    assert len({effect.response_id for effect in rig.of(Generate)}) == 1


def test_a_result_that_does_not_fit_the_context_fails_the_response() -> None:
    rig = rig_with_tools(input_tokens=500)
    rig.send(
        "session.update", session={"type": "realtime", "truncation": "disabled", "instructions": "Be brief."}
    )
    rig.send("response.create")
    rig.signal(ToolCall(rig.generation, "hours", "{}"))
    rig.signal(ResponseFinished(rig.generation))
    rig.signal(ToolAnswered(rig.of(CallTool)[0].call, "x" * 4000))
    (done,) = rig.of_type("response.done")
    assert done["response"]["status"] == "failed"
    assert done["response"]["status_details"]["error"]["code"] == "context_length_exceeded"
    assert done["response"]["output"][0]["output"] == "x" * 4000


def test_a_yes_that_comes_when_the_context_is_full_fails_the_response() -> None:
    rig = rig_with_tools(input_tokens=500)
    asking = SHOP | {"require_approval": "always"}
    rig.send("session.update", session={"type": "realtime", "truncation": "disabled", "tools": [asking]})
    rig.send("response.create")
    rig.signal(ToolCall(rig.generation, "book", "{}"))
    rig.signal(ResponseFinished(rig.generation))
    asked = rig.of_type("conversation.item.done")[-1]["item"]["id"]
    rig.say("x" * 4000)
    item = {"type": "mcp_approval_response", "approval_request_id": asked, "approve": True}
    rig.send("conversation.item.create", item=item)
    assert rig.of_type("response.done")[-1]["response"]["status"] == "failed"
    assert rig.of(CallTool) == []


def test_tokens_of_all_rounds_count_where_the_engine_counts_only_some() -> None:
    rig = rig_with_tools()
    rig.send("response.create")
    rig.signal(ToolCall(rig.generation, "hours", "{}"))
    rig.signal(ResponseFinished(rig.generation, usage=TokenUsage(700, 20)))
    rig.signal(ToolAnswered(rig.of(CallTool)[-1].call, "nine to five"))
    rig.send("response.cancel")  # Before the second round has said what it used.
    usage = rig.of_type("response.done")[-1]["response"]["usage"]
    assert (usage["input_token_details"]["text_tokens"], usage["output_token_details"]["text_tokens"]) == (
        700,
        20,
    )


def test_a_yes_that_joins_a_running_call_leaves_its_tokens_counted() -> None:
    """The model asked for two calls of which one needs a yes; it comes while the calls of the next response run."""
    rig = Rig()
    asking = SHOP | {
        "require_approval": {"always": {"tool_names": ["book"]}, "never": {"tool_names": ["hours"]}}
    }
    rig.send("session.update", session={"type": "realtime", "tools": [asking]})
    rig.signal(ToolsListed(rig.of(ListTools)[-1].listing, (HOURS, BOOK)))
    rig.send("response.create")
    rig.signal(ToolCall(rig.generation, "book", "{}"))
    rig.signal(ResponseFinished(rig.generation))
    (asked,) = (
        event["item"]
        for event in rig.of_type("conversation.item.done")
        if event["item"]["type"] == "mcp_approval_request"
    )
    rig.send("response.create")
    rig.signal(ToolCall(rig.generation, "hours", "{}"))
    rig.signal(ResponseFinished(rig.generation, usage=TokenUsage(700, 20)))
    item = {"type": "mcp_approval_response", "approval_request_id": asked["id"], "approve": True}
    rig.send("conversation.item.create", item=item)
    assert [call.name for call in rig.of(CallTool)] == ["hours", "book"]
    for call in rig.of(CallTool):
        rig.signal(ToolAnswered(call.call, "done"))
    rig.signal(ResponseFinished(rig.generation, usage=TokenUsage(800, 5)))
    usage = rig.of_type("response.done")[-1]["response"]["usage"]
    assert usage["input_token_details"]["text_tokens"] == 1500


def test_a_yes_to_something_nobody_asked_is_refused() -> None:
    rig = rig_with_tools()
    rig.say("hello", id="typed")
    for nobody in ("mcpr_never", "typed"):
        item = {"type": "mcp_approval_response", "approval_request_id": nobody, "approve": True}
        rig.send("conversation.item.create", item=item)
    assert rig.codes == ["item_create_invalid_approval_request_id"] * 2


def test_a_tool_without_a_description_is_told_by_its_servers() -> None:
    rig = Rig()
    told = SHOP | {"require_approval": "never", "server_description": "A shop."}
    rig.send("session.update", session={"type": "realtime", "tools": [told]})
    own = McpToolInfo(name="own", input_schema={"type": "object"}, description="Its own.")
    rig.signal(ToolsListed(rig.of(ListTools)[-1].listing, (HOURS, own)))
    rig.send("response.create")
    assert [tool.description for tool in rig.of(Generate)[-1].request.tools] == ["A shop.", "Its own."]


def test_a_stale_answer_is_dropped() -> None:
    rig = rig_with_tools()
    before = len(rig.events)
    rig.signal(ToolAnswered("item_never", "late"))
    rig.signal(ToolsListed("item_never", (HOURS,)))
    assert len(rig.events) == before
