"""MCP in front of an upstream: it sees the servers' tools as functions, clients see calls of MCP tools (protocol reference 4.15).

A function call of the upstream that means a server's tool is kept from clients; in its place stands the call that is made here, or the
request for a yes. Its response is told as done when its calls have returned; then the upstream hears what they returned and is asked to go on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from vivavoce.engines.relay.carrying import in_words
from vivavoce.engines.relay.following import Following, Output
from vivavoce.engines.relay.known import Known
from vivavoce.protocol import server_events as se
from vivavoce.protocol.items import (
    FunctionCallItem,
    Item,
    McpApprovalRequestItem,
    McpApprovalResponseItem,
    McpCallItem,
    McpListToolsItem,
)
from vivavoce.protocol.response_overrides import ResponseConfig, override_response
from vivavoce.protocol.responses import ResponseObject, Usage
from vivavoce.protocol.session_objects import (
    FunctionTool,
    McpTool,
    ResponseAudio,
    ResponseAudioOutput,
    SessionObject,
    Tool,
)
from vivavoce.protocol.tool_reading import read_tools
from vivavoce.session.conversation import ROOT, snapshot
from vivavoce.session.mcp import McpTools, RemoteTool, remote_tool
from vivavoce.session.mcp_calls import MOST_ROUNDS, McpCalls
from vivavoce.session.outbox import Outbox
from vivavoce.session.response import Response
from vivavoce.session.tool_calls import ListingFailed, ToolAnswered, ToolFailed, ToolsListed

MADE_HERE = (McpListToolsItem, McpCallItem, McpApprovalRequestItem, McpApprovalResponseItem)
"""Items that the upstream has none of: it is never told of a server."""


class Seat:
    """The place of one hidden function call in its response: what stands there instead is shown by `open_item` and `close_item`."""

    def __init__(
        self, outbox: Outbox, known: Known, following: Following, index: int, config: ResponseConfig
    ) -> None:
        self.id = following.object.id
        self.config = config
        self.in_conversation = following.object.conversation_id is not None
        self.item_id = ""
        self._outbox = outbox
        self._known = known
        self._following = following
        self._index = index

    def open_item(self, item: Item) -> int:
        """Show an item; returns its index."""
        self.item_id = item.id
        shown = snapshot(item)
        self._following.outputs[item.id] = Output(self._index, snapshot(item))
        self._outbox.send(
            se.ResponseOutputItemAdded, response_id=self.id, output_index=self._index, item=shown
        )
        if self.in_conversation:
            previous = self._known.conversation.last_id
            self._known.added(item, previous)
            self._outbox.send(se.ConversationItemAdded, previous_item_id=previous, item=shown)
        return self._index

    def close_item(self, item: Item) -> None:
        """The item is what it is going to be."""
        shown = snapshot(item)
        output = self._following.outputs[item.id]
        output.item, output.done, output.settled = snapshot(item), True, True
        self._known.became(item)
        if item.id in self._known.conversation:
            previous = self._known.conversation.predecessor(item.id)
            self._outbox.send(se.ConversationItemDone, previous_item_id=previous, item=shown)
        self._outbox.send(
            se.ResponseOutputItemDone, response_id=self.id, output_index=self._index, item=shown
        )


@dataclass(slots=True)
class Hidden:
    """A function call of the upstream that clients do not see: the tool it means, what stands in its place, and the call once it is whole."""

    response_id: str
    index: int
    tool: RemoteTool
    seat: Seat | None = None
    call: FunctionCallItem | None = None


@dataclass(slots=True)
class Pending:
    """A call that is being made: the upstream's name for it. `alone`: the response it has to itself, after a yes."""

    call_id: str
    response_id: str
    alone: Response | None = None


@dataclass(slots=True)
class Results:
    """What the upstream is to hear, once the response is done: outputs by call, and whether it is to go on by itself."""

    outputs: list[tuple[str, str]] = field(default_factory=list)
    goes_on: bool = True


class FrontTools:
    """The servers of one relayed session, and the calls of their tools."""

    def __init__(self, outbox: Outbox, known: Known, named: Iterable[str]) -> None:
        self.tools = McpTools(outbox, known.conversation, named)
        self.rounds = 0
        """How often the upstream was asked to go on since a client last asked for anything."""
        self.unseen: set[str] = set()
        """Items of the upstream that clients do not know."""
        self._calls = McpCalls(outbox, known.conversation, self.tools)
        self._outbox = outbox
        self._known = known
        self._offered: dict[str, RemoteTool] = {}
        self._hidden: dict[str, Hidden] = {}
        self._pending: dict[str, Pending] = {}
        self._asked: dict[str, str] = {}
        """Requests for a yes, and the upstream's call behind each."""
        self._results: dict[str, Results] = {}
        self._strangers: dict[str, FunctionCallItem] = {}
        """Calls of an upstream session that is not there any more, by its names of them: the one that is has never made them."""
        self._config: ResponseConfig | None = None

    # --- what the upstream is offered -----------------------------------------------------------------------------------

    def read(self, fields: dict[str, Any], path: str, known: list[Tool]) -> list[Tool] | None:
        """The tools that a client's `session` or `response` names, if any of them is a server. Raises ClientError."""
        if fields.get("tools") is None:
            return None
        read = read_tools(self.tools.with_addresses(fields)["tools"], f"{path}.tools", known)
        had = any(isinstance(tool, McpTool) for tool in known)
        return read if had or any(isinstance(tool, McpTool) for tool in read) else None

    def functions(self, tools: list[Tool]) -> list[dict[str, Any]]:
        """The tools as the upstream is to see them."""
        offered, _ = self.tools.offered(tools, "auto")
        self._offered |= {tool.name: tool for tool in offered if isinstance(tool, RemoteTool)}
        return [_plain(tool) for tool in offered]

    def follow(self, config: SessionObject) -> None:
        """The session names these servers: ask for their lists."""
        self._config = override_response(config, None)
        self.tools.follow(config.tools)

    def listed(self, signal: ToolsListed | ListingFailed) -> None:
        """A server has told its tools, or cannot."""
        if isinstance(signal, ToolsListed):
            self.tools.listed(signal)
        else:
            self.tools.failed(signal)

    def made(self, item_id: str) -> Item | None:
        """An item that clients know and the upstream does not."""
        item = self._known.conversation.get(item_id)
        return item if isinstance(item, MADE_HERE) else None

    def known_above(self, item_id: str) -> str:
        """For the upstream, the place behind an item: of itself, or of the nearest one before it that was not made here."""
        place: str | None = item_id
        while place is not None and self.made(place) is not None:
            place = self._known.conversation.predecessor(place)
        return place or ROOT

    # --- what the upstream calls ----------------------------------------------------------------------------------------

    def hides(self, event: Any) -> bool:
        """Take an event that is about a hidden call; False where it is about something else."""
        item = getattr(event, "item", None)
        if isinstance(event, se.ResponseOutputItemAdded) and isinstance(item, FunctionCallItem):
            tool = remote_tool(self._offered.values(), item.name)
            if tool is not None:
                self._hidden[item.id] = Hidden(event.response_id, event.output_index, tool)
                self.unseen.add(item.id)
                return True
        item_id = item.id if item is not None else getattr(event, "item_id", "")
        hidden = self._hidden.get(item_id)
        if hidden is None:
            return False
        if isinstance(event, se.ResponseOutputItemDone) and isinstance(item, FunctionCallItem):
            self._begin(hidden, item)
        return True

    def hidden(self, item_id: str) -> bool:
        """Whether an item is a hidden call."""
        return item_id in self._hidden

    def _begin(self, hidden: Hidden, call: FunctionCallItem) -> None:
        following = self._known.running.get(hidden.response_id)
        if following is None or self._config is None:
            return
        hidden.seat = seat = Seat(self._outbox, self._known, following, hidden.index, self._config)
        hidden.call = call
        results = self._results.setdefault(hidden.response_id, Results())
        shown: Any = seat  # As far as a call needs it, a seat is a response.
        if hidden.tool.needs_approval:
            self._calls.ask(shown, hidden.tool, call.arguments, ())
            self._asked[seat.item_id] = call.call_id
            results.goes_on = False
        else:
            made = self._calls.begin(shown, hidden.tool, call.arguments)
            self._pending[made] = Pending(call.call_id, hidden.response_id)

    def waits(self, response_id: str) -> bool:
        """Whether calls of a response have not returned yet."""
        return any(one.response_id == response_id and one.alone is None for one in self._pending.values())

    def returned(self, signal: ToolAnswered | ToolFailed) -> str | None:
        """A call has returned; the id of the response that it belongs to."""
        pending = self._pending.pop(signal.call, None)
        self._calls.returned(signal)
        if pending is None:
            return None
        output = signal.output if isinstance(signal, ToolAnswered) else signal.error.message
        results = self._results.setdefault(pending.response_id, Results())
        results.outputs.append((pending.call_id, output))
        if pending.alone is not None:
            pending.alone.end("finish", Usage())
        return pending.response_id

    def begin_again(self) -> None:
        """Another upstream session is told the conversation, and what was called in words."""
        calls = (hidden.call for hidden in self._hidden.values())
        self._strangers |= {call.call_id: call for call in calls if call is not None}
        self._hidden.clear()

    @property
    def calling(self) -> bool:
        """Whether a tool has been called that has not returned yet."""
        return bool(self._pending)

    def told(self, call_id: str, output: str) -> dict[str, Any]:
        """The item by which the upstream hears what a call has returned."""
        item_id = self._outbox.new_id("item")
        self.unseen.add(item_id)
        call = self._strangers.get(call_id)
        if call is not None:
            text = in_words(call.name, call.arguments, output)
            content = [{"type": "input_text", "text": text}]
            return {"id": item_id, "type": "message", "role": "system", "content": content}
        return {"id": item_id, "type": "function_call_output", "call_id": call_id, "output": output}

    def results(self, response_id: str) -> Results | None:
        """What the upstream is to hear after a response; once."""
        return self._results.pop(response_id, None)

    def may_go_on(self) -> bool:
        """Whether the upstream is asked once more without a client's word."""
        self.rounds += 1
        return self.rounds <= MOST_ROUNDS

    def shown(self, response: ResponseObject) -> ResponseObject | None:
        """The response with what clients see in the place of hidden calls; None where there are none."""
        following = self._known.running.get(response.id)
        if following is None or not any(item.id in self._hidden for item in response.output):
            return None
        output = [self._shown(item, following) for item in response.output]
        return msgspec.structs.replace(response, output=[item for item in output if item is not None])

    def _shown(self, item: Item, following: Following) -> Item | None:
        hidden = self._hidden.get(item.id)
        if hidden is None:
            return item
        made = following.outputs.get(hidden.seat.item_id) if hidden.seat is not None else None
        return made.item if made is not None else None

    def abandon(self, response_id: str | None = None) -> None:
        """A response ends before its calls have returned, or all of them do: what they do cannot be taken back."""
        for hidden in self._hidden.values():
            if hidden.seat is not None and response_id in (None, hidden.response_id):
                seat: Any = hidden.seat
                self._calls.abandon(seat)
        gone = [made for made, one in self._pending.items() if response_id in (None, one.response_id)]
        for made in gone:
            pending = self._pending.pop(made)
            if pending.alone is not None:
                self._calls.abandon(pending.alone)
                pending.alone.end("fail", Usage())
        if response_id is None:
            self._results.clear()

    # --- approvals ------------------------------------------------------------------------------------------------------

    def asked_for(self, item: McpApprovalResponseItem) -> bool:
        """Whether this answers a request that was made here."""
        return item.approval_request_id in self._asked

    def decide(self, item: McpApprovalResponseItem) -> None:
        """The client has answered. Raises ClientError where it has done so before."""
        self._calls.check(item)
        item.id = item.id or self._outbox.new_id("item")
        previous = self._known.conversation.insert(item)
        self._outbox.announce(item, previous)
        self._calls.decide(item)

    def decided(self) -> list[str]:
        """Begin what was allowed, now that nobody else speaks; the keys of results that are there already."""
        ready: list[str] = []
        for decision in self._calls.decided(floor_is_free=not self._known.running):
            approval = decision.approval
            call_id = self._asked[approval.item.id]
            if decision.answer.approve:
                alone = self._response(approval.config)
                made = self._calls.begin(alone, approval.tool, approval.item.arguments, approval.item.id)
                self._pending[made] = Pending(call_id, alone.id, alone)
            else:
                said = f"The call was not allowed. {decision.answer.reason or ''}".rstrip()
                self._results[approval.item.id] = Results([(call_id, said)])
                ready.append(approval.item.id)
        return ready

    def _response(self, config: ResponseConfig) -> Response:
        """A response of ours, in which an allowed call is made."""
        output = ResponseAudioOutput(format=config.output_format, voice=config.voice)
        made = ResponseObject(
            id=self._outbox.new_id("resp"),
            status="in_progress",
            output=[],
            conversation_id=self._known.conversation.id or None,
            output_modalities=config.output_modalities,
            audio=ResponseAudio(output=output),
        )
        return Response(self._outbox, self._known.conversation, made, config)


def _plain(tool: FunctionTool) -> dict[str, Any]:
    plain: dict[str, Any] = {"type": "function", "name": tool.name}
    for name in ("description", "parameters"):
        value = getattr(tool, name)
        if value is not msgspec.UNSET:
            plain[name] = value
    return plain
