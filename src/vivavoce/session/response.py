"""A response as clients see it: its states, its items and parts, and the exact order of its events.

Orders are those of protocol reference 4.2 (text), 4.3 (audio), 4.6 (calls) and 4.8 (interruption). What it says comes from an
`Answer`; it knows nothing of engines.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from vivavoce.audio.clip import Clip
from vivavoce.protocol import server_events as se
from vivavoce.protocol.items import FunctionCallItem, Item, MessageItem, OutputAudio, OutputText, Phase
from vivavoce.protocol.response_overrides import ResponseConfig
from vivavoce.protocol.responses import (
    ContentPartObject,
    RateLimit,
    ResponseError,
    ResponseObject,
    ResponseStatus,
    StatusDetails,
    Usage,
)
from vivavoce.session.clock import TurnClock
from vivavoce.session.conversation import Conversation, snapshot
from vivavoce.session.effects import Part, Play
from vivavoce.session.outbox import Outbox

Ending = Literal["finish", "cancel", "fail", "limit"]

TRANSITIONS: dict[tuple[ResponseStatus, Ending], ResponseStatus] = {
    ("in_progress", "finish"): "completed",
    ("in_progress", "cancel"): "cancelled",
    ("in_progress", "fail"): "failed",
    ("in_progress", "limit"): "incomplete",
}
"""A response ends once; whatever else is said of it afterwards is not a row, and a bug."""


class Response:
    """One response on the wire, from `response.created` to `response.done`.

    `conversation` is None for an out-of-band response: its items are never added to one (protocol reference 4.10). `config` is what
    it was asked to be.
    """

    def __init__(
        self, outbox: Outbox, conversation: Conversation | None, made: ResponseObject, config: ResponseConfig
    ) -> None:
        self.object = made
        self.config = config
        self._outbox = outbox
        self._conversation = conversation
        self._speaks = made.output_modalities == ["audio"]
        self._message: MessageItem | None = None
        self._said = ""
        self._kept_text = True
        self.reserved = 0
        self.rate_limits: list[RateLimit] = []
        outbox.send(se.ResponseCreated, response=self._snapshot())

    @property
    def id(self) -> str:
        """The response's id."""
        return self.object.id

    @property
    def message_id(self) -> str | None:
        """The id of the message being said, if one is open."""
        return self._message.id if self._message else None

    @property
    def in_conversation(self) -> bool:
        """Whether its items join the conversation."""
        return self._conversation is not None

    def begin_message(self, phase: Phase | msgspec.UnsetType = msgspec.UNSET) -> str:
        """Open a message item with its one content part; returns the item's id."""
        item = MessageItem(
            id=self._outbox.new_id("item"), status="in_progress", role="assistant", content=[], phase=phase
        )
        self._add(item)
        part = OutputAudio(transcript="") if self._speaks else OutputText(text="")
        self._message, self._said, self._kept_text = item, "", True
        self._outbox.send(se.ResponseContentPartAdded, **self._address(), part=self._part(""))
        item.content.append(part)
        return item.id

    def say(self, text: str) -> None:
        """More text (or transcript) of the open message."""
        self._said += text
        assert self._message is not None
        part = self._message.content[0]
        if isinstance(part, OutputAudio):
            if self._kept_text:
                part.transcript = (part.transcript or "") + text
            self._outbox.send(se.ResponseOutputAudioTranscriptDelta, **self._address(), delta=text)
        else:
            assert isinstance(part, OutputText)
            part.text += text
            self._outbox.send(se.ResponseOutputTextDelta, **self._address(), delta=text)

    def play(self, clip: Clip) -> None:
        """More sound of the open message."""
        where = self._address()
        part = Part(where["response_id"], where["item_id"], where["output_index"], where["content_index"])
        wire_format = self.object.audio.output.format.type
        self._outbox.put(Play(part, clip, self._outbox.new_id("event"), wire_format))

    def cut_short(self) -> None:
        """The open message was truncated while it was being said: what still comes is not part of what was heard."""
        self._kept_text = False

    def end_message(self, status: Literal["completed", "incomplete"], phase: Phase) -> None:
        """Close the open message: every delta has its done (protocol reference 4.3)."""
        item = self._message
        assert item is not None
        where = self._address()
        if self._speaks:
            self._outbox.send(se.ResponseOutputAudioDone, **where)
            self._outbox.send(se.ResponseOutputAudioTranscriptDone, **where, transcript=self._said)
        else:
            self._outbox.send(se.ResponseOutputTextDone, **where, text=self._said)
        self._outbox.send(se.ResponseContentPartDone, **where, part=self._part(self._said))
        item.status = status
        if item.phase is msgspec.UNSET:
            item.phase = phase
        self._message = None
        self._done(item)

    def call(self, name: str, arguments: str) -> None:
        """One whole function call. The wire response never waits for its output (protocol reference 4.6)."""
        item = FunctionCallItem(
            id=self._outbox.new_id("item"),
            status="in_progress",
            name=name,
            call_id=self._outbox.new_id("call"),
            arguments="",
        )
        self._add(item)
        where: dict[str, Any] = {
            "response_id": self.id,
            "item_id": item.id,
            "output_index": len(self.object.output) - 1,
            "call_id": item.call_id,
        }
        self._outbox.send(se.ResponseFunctionCallArgumentsDelta, **where, delta=arguments)
        self._outbox.send(se.ResponseFunctionCallArgumentsDone, **where, name=name, arguments=arguments)
        item.arguments, item.status = arguments, "completed"
        self._done(item)

    def open_item(self, item: Item) -> int:
        """Add an item that is done later, or at once; returns its index. Other items may come before it is done."""
        self._add(item)
        return len(self.object.output) - 1

    def close_item(self, item: Item) -> None:
        """The item is what it is going to be."""
        self._done(item)

    def end(
        self,
        ending: Ending,
        usage: Usage,
        *,
        reason: str | None = None,
        error: ResponseError | None = None,
        clock: TurnClock | None = None,
    ) -> None:
        """Close whatever is open, then the response itself. `response.done` is always sent (protocol checklist 38)."""
        if self._message is not None:
            whole = ending == "finish"
            self.end_message("completed" if whole else "incomplete", "final_answer")
        made = self.object
        made.status = TRANSITIONS[made.status, ending]
        made.usage = usage
        if made.status != "completed":
            details: dict[str, Any] = {"type": made.status}
            if reason is not None:
                details["reason"] = reason
            if error is not None:
                details["error"] = error
            made.status_details = StatusDetails(**details)
        if clock is not None:
            made.vivavoce = clock.shown()
        self._outbox.send(se.ResponseDone, response=self._snapshot())
        self._outbox.send(se.RateLimitsUpdated, rate_limits=self.rate_limits)

    def _add(self, item: Item) -> None:
        self.object.output.append(item)
        index = len(self.object.output) - 1
        shown = snapshot(item)
        self._outbox.send(se.ResponseOutputItemAdded, response_id=self.id, output_index=index, item=shown)
        if self._conversation is not None:
            previous = self._conversation.insert(item)
            self._outbox.send(se.ConversationItemAdded, previous_item_id=previous, item=shown)

    def _done(self, item: Item) -> None:
        index = self.object.output.index(item)
        shown = snapshot(item)
        # A client may have deleted the item while it was being said, and even told another of the same id; this one is then
        # done in the response alone.
        if self._conversation is not None and self._conversation.get(item.id) is item:
            previous = self._conversation.predecessor(item.id)
            self._outbox.send(se.ConversationItemDone, previous_item_id=previous, item=shown)
        self._outbox.send(se.ResponseOutputItemDone, response_id=self.id, output_index=index, item=shown)

    def _address(self) -> dict[str, Any]:
        assert self._message is not None
        return {
            "response_id": self.id,
            "item_id": self._message.id,
            "output_index": len(self.object.output) - 1,
            "content_index": 0,
        }

    def _part(self, text: str) -> ContentPartObject:
        if self._speaks:
            return ContentPartObject(type="audio", transcript=text)
        return ContentPartObject(type="text", text=text)

    def _snapshot(self) -> ResponseObject:
        return msgspec.structs.replace(self.object, output=[snapshot(item) for item in self.object.output])
