"""A response of the upstream as far as it has come, so that it can be brought to an end when the upstream cannot do that any more."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from vivavoce.audio.clip import TICKS_PER_MS
from vivavoce.protocol import server_events as se
from vivavoce.protocol.items import (
    FunctionCallItem,
    Item,
    McpCallItem,
    MessageItem,
    OutputAudio,
    OutputText,
)
from vivavoce.protocol.responses import (
    ContentPartObject,
    InputTokenDetails,
    OutputTokenDetails,
    ResponseError,
    ResponseObject,
    StatusDetails,
    Usage,
)
from vivavoce.session.conversation import Conversation, snapshot
from vivavoce.session.outbox import Outbox
from vivavoce.session.signals import StageUsed
from vivavoce.session.upstream import Failure
from vivavoce.session.usage import ASSISTANT_TOKEN


@dataclass(slots=True)
class OpenPart:
    """A content part: what was sent of it, and which of its endings."""

    kind: str
    text: str = ""
    ended: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Output:
    """An item of the response. `done`: it was said to be, there; `settled`: in the conversation."""

    index: int
    item: Item
    parts: dict[int, OpenPart] = field(default_factory=dict)
    arguments: str = ""
    done: bool = False
    settled: bool = False


class Following:
    """One response between `response.created` and `response.done`."""

    def __init__(self, made: ResponseObject, reserved: int = 0, *, ours: bool = False) -> None:
        self.object = made
        self.ours = ours
        """It goes on after a tool that was called in front of the upstream; no client asked for it."""
        self.reserved = reserved
        """Tokens set aside for it."""
        self.held: ResponseObject | None = None
        """How the upstream has ended it, while calls of tools are still waited for."""
        self.outputs: dict[str, Output] = {}
        self.asked_ms = 0
        self.first_ms: int | None = None
        """When it was asked for, and when its first sound or word came."""
        self._audio_ticks = 0

    def said(self, now_ms: int) -> None:
        """Sound or words of it have come."""
        if self.first_ms is None:
            self.first_ms = now_ms

    def follow(self, event: se.ServerEvent) -> str | None:
        """Take in an event of this response; says what is wrong with it, if anything is."""
        match event:
            case se.ResponseOutputItemAdded():
                self.outputs[event.item.id] = Output(event.output_index, snapshot(event.item))
                return None
            case se.ResponseOutputItemDone():
                output = self.outputs.get(event.item.id)
                if output is not None:
                    output.item, output.done = snapshot(event.item), True
            case _:
                output = self.outputs.get(getattr(event, "item_id", ""))
                if output is not None:
                    return _take(output, event)
        return None if output is not None else "of an item that the response does not have"

    def played(self, item_id: str, ticks: int) -> bool:
        """Sound of an item was handed on; False where the response has no such item."""
        self._audio_ticks += ticks
        return item_id in self.outputs

    def used(self, name: str, now_ms: int, ended: ResponseObject | None) -> StageUsed:
        """What it took; as `ended` says, or None where the upstream cannot say."""
        usage = ended.usage if ended is not None and ended.usage is not None else Usage()
        outcome: Literal["done", "cancelled", "failed"] = "failed"
        if ended is not None and ended.status != "failed":
            outcome = "cancelled" if ended.status == "cancelled" else "done"
        read, said = usage.input_token_details, usage.output_token_details
        return StageUsed(
            of=self.object.id,
            stage="upstream",
            name=name,
            outcome=outcome,
            first_ms=None if self.first_ms is None else self.first_ms - self.asked_ms,
            took_ms=now_ms - self.asked_ms,
            input_tokens=usage.input_tokens,
            cached_tokens=read.cached_tokens,
            output_tokens=usage.output_tokens,
            audio_input_tokens=read.audio_tokens,
            audio_cached_tokens=read.cached_tokens_details.audio_tokens,
            audio_output_tokens=said.audio_tokens,
            image_input_tokens=read.image_tokens,
            image_cached_tokens=read.cached_tokens_details.image_tokens,
            sound_ms=self._audio_ticks // TICKS_PER_MS,
        )

    def fail(self, outbox: Outbox, conversation: Conversation, failure: Failure) -> None:
        """Close whatever is open, then the response, as it would be if it were one of our own that failed."""
        for output in self.outputs.values():
            if not output.done:
                self._close(outbox, conversation, output)
        error = ResponseError(type=failure.type, code=failure.code, message=failure.message)
        spoken = self._audio_ticks // ASSISTANT_TOKEN
        ended = msgspec.structs.replace(
            self.object,
            status="failed",
            status_details=StatusDetails(type="failed", error=error),
            output=[output.item for output in sorted(self.outputs.values(), key=lambda one: one.index)],
            usage=Usage(
                total_tokens=spoken,
                output_tokens=spoken,
                input_token_details=InputTokenDetails(),
                output_token_details=OutputTokenDetails(audio_tokens=spoken),
            ),
        )
        outbox.send(se.ResponseDone, response=ended)

    def _close(self, outbox: Outbox, conversation: Conversation, output: Output) -> None:
        item = output.item
        for place, part in output.parts.items():
            self._close_part(outbox, output, place, part)
        match item:
            case _ if output.settled:
                pass  # It is what the conversation has.
            case MessageItem():
                item.status = "incomplete"
                item.content = [_content(part) for _, part in sorted(output.parts.items())]
            case FunctionCallItem():
                # Without an `arguments.done`: half of a call must not be carried out.
                item.status, item.arguments = "incomplete", output.arguments
            case McpCallItem():
                item.arguments = output.arguments
        shown = snapshot(item)
        if item.id in conversation and not output.settled:
            previous = conversation.predecessor(item.id)
            outbox.send(se.ConversationItemDone, previous_item_id=previous, item=shown)
        outbox.send(
            se.ResponseOutputItemDone, response_id=self.object.id, output_index=output.index, item=shown
        )

    def _close_part(self, outbox: Outbox, output: Output, place: int, part: OpenPart) -> None:
        where: dict[str, Any] = {
            "response_id": self.object.id,
            "item_id": output.item.id,
            "output_index": output.index,
            "content_index": place,
        }
        spoken = part.kind == "audio"
        if spoken and "audio" not in part.ended:
            outbox.send(se.ResponseOutputAudioDone, **where)
        if "text" not in part.ended:
            if spoken:
                outbox.send(se.ResponseOutputAudioTranscriptDone, **where, transcript=part.text)
            else:
                outbox.send(se.ResponseOutputTextDone, **where, text=part.text)
        if "part" not in part.ended:
            shown = ContentPartObject(type="audio", transcript=part.text) if spoken else None
            shown = shown or ContentPartObject(type="text", text=part.text)
            outbox.send(se.ResponseContentPartDone, **where, part=shown)


def _content(part: OpenPart) -> OutputAudio | OutputText:
    return OutputAudio(transcript=part.text) if part.kind == "audio" else OutputText(text=part.text)


def _take(output: Output, event: se.ServerEvent) -> str | None:
    match event:
        case se.ResponseFunctionCallArgumentsDelta():
            output.arguments += event.delta
            return None
        case se.ResponseContentPartAdded():
            output.parts[event.content_index] = OpenPart(event.part.type)
            return None
        case (
            se.ResponseOutputTextDelta()
            | se.ResponseOutputAudioTranscriptDelta()
            | se.ResponseOutputTextDone()
            | se.ResponseOutputAudioTranscriptDone()
            | se.ResponseOutputAudioDone()
            | se.ResponseContentPartDone()
        ):
            part = output.parts.get(event.content_index)
            if part is None:
                return "of a content part that the item does not have"
            _take_part(part, event)
    return None


def _take_part(part: OpenPart, event: se.ServerEvent) -> None:
    match event:
        case se.ResponseOutputTextDelta() | se.ResponseOutputAudioTranscriptDelta():
            part.text += event.delta
        case se.ResponseOutputTextDone() | se.ResponseOutputAudioTranscriptDone():
            part.ended.add("text")
        case se.ResponseOutputAudioDone():
            part.ended.add("audio")
        case se.ResponseContentPartDone():
            part.ended.add("part")
