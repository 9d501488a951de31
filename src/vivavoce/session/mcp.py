"""MCP servers of a session: their tools, which of them a model sees and under which name, and which need a yes (protocol reference 4.15).

A server is listed once: when a session or a response first names it, again when it is named with another address, credential or
filter, when its list was deleted, or when listing it had failed. What a turn sees is what is listed when the turn begins.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import UNSET

from vivavoce.protocol import server_events as se
from vivavoce.protocol.items import McpListToolsItem, McpToolInfo
from vivavoce.protocol.session_objects import (
    FunctionTool,
    McpApprovalFilter,
    McpTool,
    McpToolFilter,
    Secret,
    Tool,
    ToolChoiceFunction,
    ToolChoiceMcp,
)
from vivavoce.session.conversation import Conversation, snapshot
from vivavoce.session.outbox import Outbox
from vivavoce.session.tool_calls import ListingFailed, ListTools, ToolsListed

ADDRESSES = ("server_url", "connector_id", "tunnel_id")
SET_UP_HERE = "vivavoce:"
"""Stands before the name of a server that the operator has set up, as its address: strict clients take no connector they do not know."""
LONGEST_NAME = 64
_UNUSUAL = re.compile(r"[^A-Za-z0-9_-]")
"""What a function's name may not hold for most models."""


class RemoteTool(FunctionTool, tag_field="type", tag="function", frozen=True, kw_only=True):
    """A server's tool as models see it: a function like any other. `remote_name` is the server's own name for it."""

    server_label: str
    remote_name: str
    needs_approval: bool


@dataclass(slots=True)
class ToolList:
    """What is known of one server's tools."""

    server: McpTool
    item: McpListToolsItem
    tools: tuple[McpToolInfo, ...] = ()
    """None of them until the server has told them."""
    failed: bool = False


def set_up_here(named: Iterable[str]) -> dict[str, McpTool]:
    """The operator's servers by label, as if a client had named them with an address."""
    return {label: McpTool(server_label=label, server_url=f"{SET_UP_HERE}{label}") for label in named}


def with_addresses(fields: dict[str, Any], known: Mapping[str, McpTool]) -> dict[str, Any]:
    """A client's `session` or `response` in which each label that is known and stands alone has its definition."""
    tools = fields.get("tools")
    if not isinstance(tools, list):
        return fields
    return {**fields, "tools": [_with_address(tool, known) for tool in tools]}


def _with_address(raw: Any, known: Mapping[str, McpTool]) -> Any:
    if not isinstance(raw, dict) or raw.get("type") != "mcp":
        return raw
    label = raw.get("server_label")
    server = known.get(label) if isinstance(label, str) else None
    if server is None or any(raw.get(name) is not None for name in ADDRESSES):
        return raw
    defined = {name: getattr(server, name) for name in (*ADDRESSES, "server_description", "allowed_tools")}
    defined["require_approval"] = server.require_approval
    shown = {name: msgspec.to_builtins(value) for name, value in defined.items() if value is not UNSET}
    for name in ("authorization", "headers"):
        secret = getattr(server, name)
        if isinstance(secret, Secret):
            shown[name] = secret.reveal()
    return {**shown, **{name: value for name, value in raw.items() if value is not None}}


class McpTools:
    """The servers of one session, by label. `named`: labels that the operator has set up, usable without an address."""

    def __init__(self, outbox: Outbox, conversation: Conversation, named: Iterable[str] = ()) -> None:
        self._outbox = outbox
        self._conversation = conversation
        self._known = set_up_here(named)
        self._lists: dict[str, ToolList] = {}
        self._listings: dict[str, ToolList] = {}
        """Lists that are being asked for, by their item's id."""

    def with_addresses(self, fields: dict[str, Any]) -> dict[str, Any]:
        """A client's `session` or `response`, in which a label that was defined once may stand alone (protocol reference 3.5)."""
        return with_addresses(fields, self._known)

    def server(self, label: str) -> McpTool:
        """A server that was named."""
        return self._known[label]

    def follow(self, tools: Iterable[Tool]) -> None:
        """A session or response names these: ask for the lists that are not there yet."""
        for tool in tools:
            if isinstance(tool, McpTool):
                self._known[tool.server_label] = tool
                if not self._is_current(tool):
                    self._begin(tool)

    def listed(self, signal: ToolsListed) -> None:
        """A server has told its tools."""
        asked = self._listings.pop(signal.listing, None)
        if asked is not None:
            asked.tools = tuple(tool for tool in signal.tools if is_allowed(asked.server, tool))
            asked.item.tools = list(asked.tools)
            self._done(asked, se.McpListToolsCompleted)

    def failed(self, signal: ListingFailed) -> None:
        """A server could not be asked."""
        asked = self._listings.pop(signal.listing, None)
        if asked is not None:
            asked.failed = True
            asked.item.error = signal.message
            self._done(asked, se.McpListToolsFailed)

    def offered(self, tools: Sequence[Tool], choice: Any) -> tuple[tuple[FunctionTool, ...], Any]:
        """The tools as functions, each under a name of its own, and the tool choice in their terms."""
        functions = [tool for tool in tools if isinstance(tool, FunctionTool)]
        servers = [tool for tool in tools if isinstance(tool, McpTool)]
        remote = [(server, tool) for server in servers for tool in self._usable(server)]
        if isinstance(choice, ToolChoiceMcp):
            label, name = choice.server_label, choice.name
            remote = [(s, t) for s, t in remote if s.server_label == label and name in (UNSET, t.name)]
            functions, choice = [], "required" if remote else "auto"
        taken = {tool.name for tool in functions}
        wanted = [_plain(tool.name) for _, tool in remote]
        offered: list[FunctionTool] = list(functions)
        for (server, tool), name in zip(remote, wanted, strict=True):
            clashes = name in taken or wanted.count(name) > 1
            shown = _free(_plain(f"{server.server_label}__{name}") if clashes else name, taken)
            taken.add(shown)
            offered.append(_function(server, tool, shown))
        if isinstance(choice, ToolChoiceFunction) and choice.name not in taken:
            choice = "auto"
        return tuple(offered), choice

    # --- inside ---------------------------------------------------------------------------------------------------------

    def _usable(self, server: McpTool) -> tuple[McpToolInfo, ...]:
        return self._lists[server.server_label].tools if self._is_current(server) else ()

    def _is_current(self, server: McpTool) -> bool:
        """Whether the list at hand, or under way, is that of this very server. A list whose item was deleted is none."""
        known = self._lists.get(server.server_label)
        return (
            known is not None
            and not known.failed
            and _identity(known.server) == _identity(server)
            and self._conversation.get(known.item.id) is known.item
        )

    def _begin(self, server: McpTool) -> None:
        label = server.server_label
        item = McpListToolsItem(id=self._outbox.new_id("item"), server_label=label, tools=[])
        self._lists[label] = self._listings[item.id] = ToolList(server, item)
        previous = self._conversation.insert(item)
        self._outbox.send(se.ConversationItemAdded, previous_item_id=previous, item=snapshot(item))
        self._outbox.send(se.McpListToolsInProgress, item_id=item.id)
        self._outbox.put(ListTools(item.id, server))

    def _done(self, asked: ToolList, event: type[Any]) -> None:
        item = asked.item
        if self._conversation.get(item.id) is item:
            previous = self._conversation.predecessor(item.id)
            self._outbox.send(se.ConversationItemDone, previous_item_id=previous, item=snapshot(item))
        self._outbox.send(event, item_id=item.id)


def is_allowed(server: McpTool, tool: McpToolInfo) -> bool:
    """Whether `allowed_tools` lets a tool through; without a filter everything is allowed."""
    allowed = server.allowed_tools
    if isinstance(allowed, list):
        return tool.name in allowed
    return not isinstance(allowed, McpToolFilter) or _matches(allowed, tool)


def needs_approval(server: McpTool, tool: McpToolInfo) -> bool:
    """Whether a call has to wait for the client's yes. Whatever `require_approval` leaves open has to."""
    required = server.require_approval
    if not isinstance(required, McpApprovalFilter):
        return required != "never"
    if (
        isinstance(required.always, McpToolFilter)
        and _criteria(required.always)
        and _matches(required.always, tool)
    ):
        return True
    never = required.never
    return not (isinstance(never, McpToolFilter) and _criteria(never) and _matches(never, tool))


def _criteria(wanted: McpToolFilter) -> bool:
    """A filter that says nothing is about no tool in particular."""
    return wanted.tool_names is not UNSET or wanted.read_only is not UNSET


def _matches(wanted: McpToolFilter, tool: McpToolInfo) -> bool:
    """All criteria of a filter hold. `read_only` goes by the server's own annotation, and nothing said means it is not."""
    if isinstance(wanted.tool_names, list) and tool.name not in wanted.tool_names:
        return False
    notes = tool.annotations if isinstance(tool.annotations, dict) else {}
    return wanted.read_only is UNSET or (notes.get("readOnlyHint") is True) == wanted.read_only


def _identity(server: McpTool) -> tuple[Any, ...]:
    """What makes a server another one; approval rules and descriptions do not."""
    return (
        server.server_url,
        server.connector_id,
        server.tunnel_id,
        server.authorization,
        server.headers,
        server.allowed_tools,
    )


def _function(server: McpTool, tool: McpToolInfo, name: str) -> RemoteTool:
    described = tool.description or server.server_description
    schema = tool.input_schema
    return RemoteTool(
        name=name,
        description=described if isinstance(described, str) else UNSET,
        parameters=schema if isinstance(schema, dict) else UNSET,
        server_label=server.server_label,
        remote_name=tool.name,
        needs_approval=needs_approval(server, tool),
    )


def _plain(name: str) -> str:
    return _UNUSUAL.sub("_", name)[:LONGEST_NAME]


def _free(name: str, taken: set[str]) -> str:
    """The name, or the first of its numbered forms that nobody has."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name[: LONGEST_NAME - 4]}_{number}"
    return free


def remote_tool(tools: Iterable[Any], name: str) -> RemoteTool | None:
    """The server's tool that a model means by a name, if it means one."""
    return next((tool for tool in tools if tool.name == name and isinstance(tool, RemoteTool)), None)
