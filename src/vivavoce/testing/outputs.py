"""What comes out of a call, as behaviours name it: wire events, sound, and what the engine is asked to do."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from vivavoce.audio.clip import ticks_to_ms
from vivavoce.protocol.encode import to_plain
from vivavoce.protocol.items import (
    FunctionCallItem,
    FunctionCallOutputItem,
    InputAudio,
    InputItem,
    InputText,
    McpApprovalRequestItem,
    McpApprovalResponseItem,
    McpCallItem,
    MessageItem,
    OutputAudio,
    OutputText,
)
from vivavoce.session.effects import (
    Cancel,
    Configure,
    Effect,
    Forget,
    Generate,
    Hangup,
    Hear,
    JudgeTurn,
    Listen,
    Play,
    Prepare,
    Request,
    Send,
    Speak,
    Transcribe,
)
from vivavoce.session.tool_calls import CallTool, ListTools
from vivavoce.testing.words import Names, find, missing, split_words

SHORT = {"delta", "text", "transcript", "message", "heard"}
"""A quoted word without a key is compared with the first of these fields that an output has."""

MESSAGE_OPENS = ("response.output_item.added", "conversation.item.added", "response.content_part.added")
ITEM_ENDS = ("response.content_part.done", "conversation.item.done", "response.output_item.done")
GROUPS: dict[str, tuple[str, ...]] = {
    "message opens": MESSAGE_OPENS,
    "spoken message closes": (
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        *ITEM_ENDS,
    ),
    "text message closes": ("response.output_text.done", *ITEM_ENDS),
    "function call": (
        "response.output_item.added",
        "conversation.item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "conversation.item.done",
        "response.output_item.done",
    ),
    "mcp list opens": ("conversation.item.added", "mcp_list_tools.in_progress"),
    "mcp list closes": ("conversation.item.done", "mcp_list_tools.completed"),
    "mcp list fails": ("conversation.item.done", "mcp_list_tools.failed"),
    "mcp call opens": (
        "response.output_item.added",
        "conversation.item.added",
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.mcp_call.in_progress",
    ),
    "mcp call closes": ("response.mcp_call.completed", "conversation.item.done", "response.output_item.done"),
    "mcp call fails": ("response.mcp_call.failed", "conversation.item.done", "response.output_item.done"),
    "approval asked": (
        "response.output_item.added",
        "conversation.item.added",
        "conversation.item.done",
        "response.output_item.done",
    ),
    "item added": ("conversation.item.added", "conversation.item.done"),
    "response ends": ("response.done", "rate_limits.updated"),
}
"""Short names for events that always come in this order; a field named on such a line is that of the last event that has it."""


@dataclass(slots=True)
class Output:
    """One thing that came out. `to` is an attachment's name, or "all"."""

    name: str
    fields: dict[str, Any]
    at_ms: int
    to: str = "all"


class Recorder:
    """Turns effects into outputs. Generations are numbered 1, 2, ... as they come."""

    def __init__(self) -> None:
        self.outputs: list[Output] = []
        self.generations: list[str] = []

    def take(self) -> list[Output]:
        """What came out since the last time."""
        taken, self.outputs = self.outputs, []
        return taken

    def record(self, effect: Effect, at_ms: int) -> None:
        """Take in an effect. `Hear` leaves no trace."""
        match effect:
            case Send():
                plain = to_plain(effect.event)
                self.outputs.append(Output(plain["type"], plain, at_ms, effect.to or "all"))
            case Play():
                self._sound(effect, at_ms)
            case Hear():
                pass
            case Hangup():
                self._add("hangup", at_ms, code=effect.code, reason=effect.reason)
            case ListTools(_, server):
                self._add("mcp list", at_ms, label=server.server_label)
            case CallTool(_, server, name, arguments):
                self._add("mcp call", at_ms, label=server.server_label, tool=name, arguments=arguments)
            case _:
                self._engine(effect, at_ms)

    def _sound(self, effect: Play, at_ms: int) -> None:
        last = self.outputs[-1] if self.outputs else None
        length = ticks_to_ms(effect.clip.ticks)
        if last is not None and last.name == "audio" and last.fields["item_id"] == effect.part.item_id:
            last.fields["ms"] += length
        else:
            part = effect.part
            where = {
                "response_id": part.response_id,
                "item_id": part.item_id,
                "output_index": part.output_index,
            }
            self._add("audio", at_ms, ms=length, format=effect.wire_format, **where)

    def _engine(self, effect: Effect, at_ms: int) -> None:
        match effect:
            case Configure():
                self._add("engine configure", at_ms)
            case Listen(item_id, lead):
                self._add("engine listen", at_ms, item_id=item_id, lead_ms=_length_ms(lead))
            case Forget(item_id):
                self._add("engine forget", at_ms, item_id=item_id)
            case Transcribe(item_id, audio, timed_out):
                length_ms = _length_ms(audio)
                self._add("engine transcribe", at_ms, item_id=item_id, ms=length_ms, timed_out=timed_out)
            case JudgeTurn(item_id):
                self._add("engine judge", at_ms, item_id=item_id)
            case Generate(generation, response_id, request):
                self._add(
                    "engine generate",
                    at_ms,
                    generation=self._number(generation),
                    response_id=response_id,
                    **_request(request),
                )
            case Prepare(generation, item_id, request):
                self._add(
                    "engine prepare",
                    at_ms,
                    generation=self._number(generation),
                    item_id=item_id,
                    **_request(request),
                )
            case Speak(generation, clause, text, voice, speed, rate_hz):
                number = self._number(generation)
                said = {"clause": clause, "text": text, "voice": voice, "speed": speed, "rate_hz": rate_hz}
                self._add("engine speak", at_ms, generation=number, **said)
            case Cancel(generation):
                self._add("engine cancel", at_ms, generation=self._number(generation))

    def _number(self, generation: str) -> int:
        if generation not in self.generations:
            self.generations.append(generation)
        return self.generations.index(generation) + 1

    def _add(self, name: str, at_ms: int, **fields: Any) -> None:
        self.outputs.append(Output(name, fields, at_ms))


def _length_ms(frames: Iterable[Any]) -> int:
    return ticks_to_ms(sum(frame.clip.ticks for frame in frames))


def _request(request: Request) -> dict[str, Any]:
    choice = request.tool_choice
    return {
        "instructions": request.instructions,
        "context": [described(item) for item in request.context],
        "tools": [tool.name for tool in request.tools],
        "tool_choice": choice if isinstance(choice, str) else choice.name,
        "parallel_tool_calls": request.parallel_tool_calls,
        "max_output_tokens": request.max_output_tokens,
        "speaks": request.speaks,
        "voice": request.voice,
        "rate_hz": request.rate_hz,
    }


def described(item: InputItem) -> str:
    """An item in a few words: `user: hello`, `call look_up {"id": 1}`, `output {"state": "shipped"}`."""
    match item:
        case MessageItem():
            return f"{item.role}: {' '.join(_part_words(part) for part in item.content)}"
        case FunctionCallItem():
            return f"call {item.name} {item.arguments}"
        case FunctionCallOutputItem():
            return f"output {item.output}"
        case McpCallItem():
            became = item.output if item.error is None else f"! {item.error.message}"
            return f"tool {item.name} {item.arguments} -> {became}"
        case McpApprovalRequestItem():
            return f"asked {item.name} {item.arguments}"
        case McpApprovalResponseItem():
            return "allowed" if item.approve else f"denied {item.reason}"
        case _:
            return type(item).__name__


def _part_words(part: Any) -> str:
    match part:
        case InputText() | OutputText():
            return part.text
        case InputAudio() | OutputAudio():
            return part.transcript if part.transcript is not None else "(audio)"
        case _:
            return "(image)"


# --- comparing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Expected:
    """An output line as it is to be compared: the outputs it stands for, in order, and what must be in them."""

    names: tuple[str, ...]
    shorts: tuple[str, ...]
    pairs: dict[str, Any]


def read_expected(text: str) -> Expected:
    """Read what stands behind `->`."""
    words = split_words(text)
    pairs = dict(words.pairs)
    bare = [str(word) for word in words.plain if word not in words.quoted]
    if bare[:1] == ["audio"] and len(bare) == 2 and bare[1].endswith("ms"):
        pairs["ms"] = int(bare.pop().removesuffix("ms"))
    name = " ".join(bare)
    return Expected(GROUPS.get(name, (name,)), tuple(words.quoted), pairs)


def differs(expected: Expected, outputs: list[Output], names: Names) -> str | None:
    """What is wrong with `outputs`, one for each of `expected.names`; None when nothing is."""
    for name, output in zip(expected.names, outputs, strict=True):
        if output.name != name:
            return f"expected {name}, got {output.name}"
    for short in expected.shorts:
        found = [output.fields[key] for output in outputs for key in SHORT if key in output.fields]
        if short not in found:
            return f"expected {short!r}, got {found}"
    for path, value in expected.pairs.items():
        wrong = _field_differs(path, value, outputs, names)
        if wrong is not None:
            return wrong
    return None


def _field_differs(path: str, expected: Any, outputs: list[Output], names: Names) -> str | None:
    found = [value for output in outputs if not missing(value := _field(output, path))]
    if expected == "absent":
        return f"{path} should be absent, got {found[0]!r}" if found else None
    if not found:
        return f"there is no {path}"
    if expected != "present" and not names.meets(expected, found[-1]):
        return f"{path}: expected {expected!r}, got {found[-1]!r}"
    return None


def _field(output: Output, path: str) -> Any:
    if path == "at":
        return f"{output.at_ms / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    if path == "to":
        return output.to
    return find(output.fields, path)


# --- showing ------------------------------------------------------------------------------------------------------------

SHOWN = (
    "code",
    "status",
    "reason",
    "name",
    "arguments",
    "item_id",
    "audio_start_ms",
    "audio_end_ms",
    "context",
)


def show(outputs: list[Output]) -> list[str]:
    """Outputs as lines of a behaviour, short names where they fit."""
    lines = []
    at = 0
    while at < len(outputs):
        for group, names in GROUPS.items():
            if tuple(output.name for output in outputs[at : at + len(names)]) == names:
                lines.append(_show_one(group, outputs[at : at + len(names)]))
                at += len(names)
                break
        else:
            lines.append(_show_one(outputs[at].name, outputs[at : at + 1]))
            at += 1
    return lines


def _show_one(name: str, outputs: list[Output]) -> str:
    words = [name]
    fields = outputs[-1].fields if len(outputs) == 1 or name != "response ends" else outputs[0].fields
    if name == "audio":
        words.append(f"{fields['ms']}ms")
    words += [
        json.dumps(fields[key], ensure_ascii=False) for key in SHORT if isinstance(fields.get(key), str)
    ]
    for key in SHOWN:
        value = find(fields, key)
        if not missing(value) and not isinstance(value, dict):
            words.append(f"{key}={json.dumps(value, ensure_ascii=False)}")
    return f"    -> {' '.join(words)}"
