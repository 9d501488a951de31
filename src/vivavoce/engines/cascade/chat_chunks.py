"""Streamed Chat Completions, read: bytes to server-sent events, events to model chunks.

Pure. The shapes are those of OpenAI, vLLM, llama-server and Ollama, which agree on the main points and differ in what they
leave out: the index of a tool call, `[DONE]`, a usage chunk, a finish reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from vivavoce.call.ports import ModelChunk, ModelStop, ModelText, ModelToolCall, ModelUsage

_LONGEST_LINE = 4_000_000
_FIELDS = (b"event", b"id", b"retry")
_STOPS: dict[str, Literal["stop", "max_output_tokens", "content_filter"]] = {
    "length": "max_output_tokens",
    "content_filter": "content_filter",
}


class Nonsense(Exception):
    """The endpoint answered with something that is not a stream of chat completion chunks."""


class ErrorInStream(Exception):
    """The endpoint reported an error instead of going on."""


class EventReader:
    """Cuts bytes into the data of server-sent events; LF, CRLF and comments as the specification has them."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, block: bytes) -> Iterator[bytes]:
        """The data of every event that `block` completes. Raises Nonsense for a line that no event stream has."""
        self._rest += block
        *lines, self._rest = self._rest.split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            raise Nonsense("a line without end")
        for line in lines:
            yield from self._line(line.removesuffix(b"\r"))

    def finish(self) -> Iterator[bytes]:
        """What is left when the body ends without a blank line."""
        if self._rest.strip():
            yield from self._line(self._rest.removesuffix(b"\r"))
        self._rest = b""
        yield from self._line(b"")

    def _line(self, line: bytes) -> Iterator[bytes]:
        if not line.strip():
            if self._data:
                yield b"\n".join(self._data)
                self._data = []
            return
        name, colon, value = line.partition(b":")
        if name == b"data" and colon:
            self._data.append(value.removeprefix(b" "))
        elif name and name not in _FIELDS:
            raise Nonsense(f"not an event stream: {line[:60].decode(errors='replace')!r}")


class BodyReader:
    """A JSON body as one event: from a server that ignores `stream`, or that reports an error with status 200."""

    def __init__(self) -> None:
        self._body = b""

    def feed(self, block: bytes) -> Iterator[bytes]:
        """Nothing yet; raises Nonsense when the body has no end."""
        self._body += block
        if len(self._body) > _LONGEST_LINE:
            raise Nonsense("a body without end")
        return iter(())

    def finish(self) -> Iterator[bytes]:
        """The body."""
        yield self._body


@dataclass
class _Call:
    """A tool call while it arrives."""

    index: int
    id: str
    name: str = ""
    held: str = ""
    length: int = 0


@dataclass
class ChunkReader:
    """Turns the events of one answer into model chunks. `finished` once the end was announced."""

    finished: bool = False
    answered: bool = False
    _reason: Literal["stop", "max_output_tokens", "content_filter"] = "stop"
    _usage: ModelUsage | None = None
    _calls: dict[int, _Call] = field(default_factory=dict)
    _count: int = 0
    _thoughts: ThoughtFilter = field(default_factory=lambda: ThoughtFilter())

    def read(self, data: bytes) -> Iterator[ModelChunk]:
        """The chunks of one event. Raises Nonsense, ErrorInStream."""
        if data.strip() == b"[DONE]":
            self.finished = True
            return
        try:
            event = msgspec.json.decode(data)
        except msgspec.DecodeError as problem:
            raise Nonsense(f"not JSON: {data[:60].decode(errors='replace')!r}") from problem
        if not isinstance(event, dict):
            raise Nonsense("not a completion chunk")
        if event.get("error"):
            raise ErrorInStream(error_text(event))
        self._note_usage(event.get("usage"))
        choices = event.get("choices")
        if isinstance(choices, list) and choices and isinstance(choices[0], dict):
            yield from self._choice(choices[0])
        elif "choices" not in event and "usage" not in event:
            raise Nonsense("not a completion chunk")

    def end(self) -> Iterator[ModelChunk]:
        """What closes the answer: held text, arguments for calls without any, usage, the reason. Raises Nonsense when
        nothing was ever said."""
        if not self.answered and not self.finished and self._usage is None:
            raise Nonsense("an empty answer")
        rest = self._thoughts.rest()
        if rest:
            yield ModelText(rest)
        for call in self._calls.values():
            if not call.length and call.name:
                yield ModelToolCall(call.index, "", "{}")
        if self._usage is not None:
            yield self._usage
        yield ModelStop(self._reason)

    def _choice(self, choice: dict[str, Any]) -> Iterator[ModelChunk]:
        # A server that ignores `stream` sends the whole message at once.
        delta = choice.get("delta") or choice.get("message") or {}
        if isinstance(delta, dict):
            self.answered = True
            for text in (_text(delta.get("content")), _text(delta.get("refusal"))):
                spoken = self._thoughts.feed(text)
                if spoken:
                    yield ModelText(spoken)
            for place, entry in enumerate(delta.get("tool_calls") or ()):
                if isinstance(entry, dict):
                    yield from self._tool_call(entry, place)
        reason = choice.get("finish_reason")
        if isinstance(reason, str):
            self._reason = _STOPS.get(reason, "stop")
            self.finished = self.answered = True

    def _tool_call(self, entry: dict[str, Any], place: int) -> Iterator[ModelChunk]:
        function = entry.get("function") if isinstance(entry.get("function"), dict) else {}
        assert isinstance(function, dict)
        call = self._call_of(entry, place, bool(function.get("name")))
        arguments = function.get("arguments") or ""
        if not isinstance(arguments, str):  # an object where the API has a string of JSON
            arguments = msgspec.json.encode(arguments).decode()
        call.length += len(arguments)
        if call.name:
            if arguments:
                yield ModelToolCall(call.index, "", arguments)
            return
        call.name, call.held = str(function.get("name") or ""), call.held + arguments
        if call.name:
            yield ModelToolCall(call.index, call.name, call.held)

    def _call_of(self, entry: dict[str, Any], place: int, named: bool) -> _Call:
        """The call a piece belongs to. Some servers give every call index 0, or no index, and tell them apart by id."""
        key = entry["index"] if isinstance(entry.get("index"), int) else place
        known, given = self._calls.get(key), str(entry.get("id") or "")
        if known is None or (named and known.name and given and given != known.id):
            if known is not None:
                self._calls[-1 - known.index] = known
            known = self._calls[key] = _Call(self._count, given)
            self._count += 1
        return known

    def _note_usage(self, usage: Any) -> None:
        if isinstance(usage, dict):
            read, written = usage.get("prompt_tokens"), usage.get("completion_tokens")
            if isinstance(read, int) and isinstance(written, int):
                self._usage = ModelUsage(read, written)


class ThoughtFilter:
    """Leaves out a leading <think> ... </think>, which some servers pass through as if it were the answer."""

    def __init__(self) -> None:
        self._state: Literal["start", "thinking", "answer"] = "start"
        self._held = ""

    def feed(self, text: str) -> str:
        """What of the text may be spoken now."""
        if self._state == "answer" or not text:
            return text
        self._held += text
        if self._state == "start":
            opening = self._held.lstrip()
            if "<think>".startswith(opening[:7]) and len(opening) < 7:
                return ""
            self._state = "thinking" if opening.startswith("<think>") else "answer"
            if self._state == "answer":
                said, self._held = self._held, ""
                return said
        _, closed, answer = self._held.partition("</think>")
        if not closed:
            return ""
        self._state, self._held = "answer", ""
        return answer.lstrip()

    def rest(self) -> str:
        """Text still held back that turned out to be no thought."""
        return self._held if self._state == "start" else ""


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(
            part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)
        )
    return ""


def error_text(body: Any) -> str:
    """The message in an error body, whatever its shape."""
    if isinstance(body, dict):
        for key in ("error", "message", "detail", "msg"):
            if body.get(key):
                return error_text(body[key])
    if isinstance(body, list) and body:
        return error_text(body[0])
    text = body if isinstance(body, str) else msgspec.json.encode(body).decode()
    return " ".join(text.split())[:300]
