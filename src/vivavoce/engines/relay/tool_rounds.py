"""What the upstream hears of tools that are called in front of it: their lists, what calls returned, and that it is to go on."""

from __future__ import annotations

from vivavoce.call.machines import AnySession
from vivavoce.engines.relay.answering import Answering
from vivavoce.engines.relay.front_tools import FrontTools
from vivavoce.engines.relay.known import Known
from vivavoce.engines.relay.uplink import Uplink
from vivavoce.protocol.responses import ResponseObject
from vivavoce.protocol.session_objects import SessionObject
from vivavoce.session.outbox import Outbox
from vivavoce.session.tool_calls import ListingFailed, ToolAnswered, ToolFailed, ToolsListed


class ToolRounds:
    """One session's; the calls themselves are in front_tools.py."""

    def __init__(
        self, outbox: Outbox, up: Uplink, known: Known, front: FrontTools, answering: Answering
    ) -> None:
        self._outbox = outbox
        self._up = up
        self._known = known
        self._front = front
        self._answering = answering
        self._said_since = False
        """A client has added something to the conversation since the upstream was asked to go on."""

    def listed(self, signal: ToolsListed | ListingFailed, config: AnySession, now_ms: int) -> None:
        """A list has come, or cannot: the upstream is offered what there is."""
        self._front.listed(signal)
        if isinstance(config, SessionObject) and self._up.was_live:
            offered = {"type": "realtime", "tools": self._front.functions(config.tools)}
            self._up.ask("session.update", now_ms, session=offered)

    def returned(self, signal: ToolAnswered | ToolFailed, now_ms: int) -> ResponseObject | None:
        """A call has returned; the response that only waited for this, as the upstream has ended it."""
        response_id = self._front.returned(signal)
        if response_id is None or self._front.waits(response_id):
            return None
        response = self._known.running.get(response_id)
        if response is None:
            self.tell_results(response_id, now_ms)
            return None
        return response.held

    def follow_decisions(self, now_ms: int) -> None:
        """Calls that a client has allowed begin, as soon as nobody else speaks; that others were not, the upstream hears."""
        for ready in self._front.decided():
            self.tell_results(ready, now_ms)

    def tell_results(self, response_id: str, now_ms: int, *, completed: bool = True) -> None:
        """The upstream hears what its calls returned, and is asked to go on, where nobody else has the next word."""
        results = self._front.results(response_id)
        if results is None:
            return
        for call_id, output in results.outputs:
            self._up.ask("conversation.item.create", now_ms, item=self._front.told(call_id, output))
        if results.outputs and results.goes_on and completed and self._front.may_go_on():
            self._said_since = False
            self._answering.owe(None, now_ms)
            self._up.ask("response.create", now_ms)

    def said(self) -> None:
        """A client adds to the conversation: what it asks for now is more than what the upstream was asked for."""
        self._said_since = True

    def merges(self, source: str, event_id: str | None) -> bool:
        """Whether the upstream answers, or is about to, with what the tools have returned and nothing newer.

        Some clients ask for this themselves when they see a call completed; their request and ours are one, and what comes of ours they are told.
        """
        if self._said_since:
            return False
        owed = self._answering.owed
        if owed is not None and self._up.asked.ours("response.created"):
            owed.merged.append((source, event_id))
            return True
        return any(response.ours for response in self._known.running.values())
