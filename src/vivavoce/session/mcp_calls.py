"""Calls of MCP tools as clients see them, and the approvals they wait for (protocol reference 4.15, docs/adr/0031).

A call is an item of a response; the response goes on until its calls have returned, and then the model goes on with what they returned.
A call that needs a yes becomes an approval request instead, at which the response ends; the yes, or the no, begins the next response.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import msgspec

from vivavoce.protocol import errors
from vivavoce.protocol import server_events as se
from vivavoce.protocol.items import (
    InputItem,
    McpApprovalRequestItem,
    McpApprovalResponseItem,
    McpCallItem,
    McpToolExecutionError,
)
from vivavoce.protocol.response_overrides import ResponseConfig
from vivavoce.session.conversation import Conversation
from vivavoce.session.mcp import McpTools, RemoteTool
from vivavoce.session.outbox import Outbox
from vivavoce.session.response import Response
from vivavoce.session.signals import ResponseFinished, TokenUsage
from vivavoce.session.tool_calls import CallTool, ToolAnswered, ToolFailed

MOST_ROUNDS = 10
"""How often a model may go on calling tools within one response; after that it has to answer."""
INTERRUPTED = "The response ended before the tool had returned; whether it did its work is not known yet."


@dataclass(frozen=True, slots=True)
class Approval:
    """A call that waits for the client's word. `config` is what the response to that word goes by."""

    item: McpApprovalRequestItem
    tool: RemoteTool
    config: ResponseConfig


@dataclass(frozen=True, slots=True)
class Decision:
    """The client's word."""

    approval: Approval
    answer: McpApprovalResponseItem

    @property
    def config(self) -> ResponseConfig:
        """What the response goes by: where it does not go by the conversation, it has to be told of the word."""
        config = self.approval.config
        if config.input is None:
            return config
        return msgspec.structs.replace(config, input=[*config.input, self.answer])


@dataclass(slots=True)
class Running:
    """A call under way. `response` is None once the response it belongs to is over."""

    item: McpCallItem
    index: int
    response: Response | None


@dataclass(slots=True)
class Round:
    """One generation within a response: the calls it has made. A response has as many rounds as the model goes on calling tools."""

    number: int = 1
    running: set[str] = field(default_factory=set)
    called: bool = False
    """Something was called here, or a decision is to be told, so the model has something to go on with."""
    waits_for_client: bool = False
    """A function was called or an approval asked for: the client has the next word."""
    finished: ResponseFinished | None = None
    """How the engine ended it; what it said may still be being spoken, and its calls may still run."""
    counted: TokenUsage | None = None
    """Tokens of the rounds before, where the engine counts."""

    @property
    def goes_on(self) -> bool:
        """Whether the model is asked again within the same response."""
        return self.called and not self.waits_for_client

    @property
    def tokens(self) -> TokenUsage | None:
        """Tokens up to here, as the engine counted them; None where it did not."""
        own = self.finished.usage if self.finished is not None else None
        if own is None or self.counted is None:
            return own or self.counted
        return TokenUsage(
            self.counted.input_text + own.input_text, self.counted.output_text + own.output_text
        )


class McpCalls:
    """All calls of a session that are under way, and all approvals that are asked for."""

    def __init__(self, outbox: Outbox, conversation: Conversation, tools: McpTools) -> None:
        self.tools = tools
        self._outbox = outbox
        self._conversation = conversation
        self._running: dict[str, Running] = {}
        self._asked: dict[str, Approval | None] = {}
        """By the request's id; None once it was answered."""
        self._decided: deque[Decision] = deque()

    # --- calls ----------------------------------------------------------------------------------------------------------

    def begin(self, response: Response, tool: RemoteTool, arguments: str, asked: str | None = None) -> str:
        """Show a call and have it carried out; returns its item's id. `asked`: the approval request that allowed it."""
        item = McpCallItem(
            id=self._outbox.new_id("item"),
            server_label=tool.server_label,
            name=tool.remote_name,
            arguments="",
            approval_request_id=asked,
        )
        index = response.open_item(item)
        where: dict[str, Any] = {"response_id": response.id, "item_id": item.id, "output_index": index}
        self._outbox.send(se.ResponseMcpCallArgumentsDelta, **where, delta=arguments)
        self._outbox.send(se.ResponseMcpCallArgumentsDone, **where, arguments=arguments)
        item.arguments = arguments
        self._outbox.send(se.ResponseMcpCallInProgress, item_id=item.id, output_index=index)
        self._running[item.id] = Running(item, index, response)
        self._outbox.put(CallTool(item.id, self.tools.server(tool.server_label), tool.remote_name, arguments))
        return item.id

    def returned(self, signal: ToolAnswered | ToolFailed) -> None:
        """A call has come back. After its response was interrupted only the item takes note: the model sees what became of it."""
        call = self._running.pop(signal.call, None)
        if call is None:
            return
        if isinstance(signal, ToolAnswered):
            call.item.output, call.item.error = signal.output, None
        else:
            call.item.error = signal.error
        if call.response is not None:
            self._close(call, call.response)

    def abandon(self, response: Response) -> None:
        """A response ends: its calls go on without it, since what they do cannot be taken back."""
        for call in self._running.values():
            if call.response is response:
                call.item.error = McpToolExecutionError(message=INTERRUPTED)
                self._close(call, response)
                call.response = None

    def _close(self, call: Running, response: Response) -> None:
        event = se.ResponseMcpCallCompleted if call.item.error is None else se.ResponseMcpCallFailed
        self._outbox.send(event, item_id=call.item.id, output_index=call.index)
        response.close_item(call.item)

    # --- approvals ------------------------------------------------------------------------------------------------------

    def ask(
        self, response: Response, tool: RemoteTool, arguments: str, context: tuple[InputItem, ...]
    ) -> None:
        """Ask the client whether a call may be made. `context` is what the model that wants it was shown."""
        item = McpApprovalRequestItem(
            id=self._outbox.new_id("mcpr"),
            server_label=tool.server_label,
            name=tool.remote_name,
            arguments=arguments,
        )
        response.open_item(item)
        response.close_item(item)
        config = response.config
        if config.input is not None or not response.in_conversation:
            config = msgspec.structs.replace(config, input=[*context, item], preface=[])
        self._asked[item.id] = Approval(item, tool, config)

    def check(self, item: McpApprovalResponseItem) -> None:
        """Raise ClientError unless somebody waits for this answer; each request is answered once.

        Answers to requests that the client itself has told, as it does with an older conversation, are kept and mean nothing.
        """
        request_id = item.approval_request_id
        told = request_id not in self._asked and isinstance(
            self._conversation.get(request_id), McpApprovalRequestItem
        )
        if not told and self._asked.get(request_id) is None:
            raise errors.unknown_approval_request(request_id)

    def decide(self, item: McpApprovalResponseItem) -> None:
        """The client has answered; what follows from it waits until the floor is free."""
        approval = self._asked.get(item.approval_request_id)
        if approval is not None:
            self._asked[item.approval_request_id] = None
            self._decided.append(Decision(approval, item))

    def decided(self, *, floor_is_free: bool) -> list[Decision]:
        """Take decisions that one response can follow: one of outside the conversation, or all that go by the same settings."""
        taken = [one for one in self._decided if one.approval.config.conversation == "none"][:1]
        if not taken and floor_is_free and self._decided:
            first = self._decided[0].approval.config
            taken = [one for one in self._decided if one.approval.config == first]
        for one in taken:
            self._decided.remove(one)
        return taken
