"""Streamed Chat Completions, read: bytes to server-sent events, events to model chunks.

Pure. The shapes are those of OpenAI, vLLM, llama-server and Ollama, which agree on the main points and differ in what they
leave out: the index of a tool call, `[DONE]`, a usage chunk, a finish reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import InitVar, dataclass, field
from typing import Any, Literal

import msgspec

from vivavoce.call.ports import ModelChunk, ModelControl, ModelStop, ModelText, ModelUsage
from vivavoce.engines.cascade.call_pieces import CallPiece, CallReader, index_of, written_calls
from vivavoce.engines.cascade.controls import Control, Piece, TagReader, Words
from vivavoce.engines.cascade.remote import error_text

_LONGEST_LINE = 4_000_000
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_FIELDS = (b"id", b"retry")
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
        self._is_error = False
        """The event that is read is an error, whatever its data looks like."""
        self._fresh = True

    def feed(self, block: bytes) -> Iterator[bytes]:
        """The data of every event that `block` completes. Raises Nonsense for a line that no event stream has."""
        self._rest += block
        if self._fresh and b"\n" in self._rest:
            self._rest, self._fresh = self._rest.removeprefix(_BYTE_ORDER_MARK), False
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
                data = b"\n".join(self._data)
                yield _as_error(data) if self._is_error else data
            self._data, self._is_error = [], False
            return
        name, colon, value = line.partition(b":")
        if name == b"data" and colon:
            self._data.append(value.removeprefix(b" "))
        elif name == b"event":
            self._is_error = value.strip() == b"error"
        elif name == b"error" and colon:  # llama-server reports an error in a line of its own
            yield b'{"error":' + (value.strip() or b"{}") + b"}"
        elif name and name not in _FIELDS:
            raise Nonsense(f"not an event stream: {line[:60].decode(errors='replace')!r}")


def _as_error(data: bytes) -> bytes:
    """The data of an event named `error`, in the shape that errors have without that name."""
    try:
        told = msgspec.json.decode(data)
    except msgspec.DecodeError:
        told = data.decode(errors="replace")
    whole = isinstance(told, dict) and bool(told.get("error"))
    return data if whole else msgspec.json.encode({"error": told or "no more than that"})


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
class ChunkReader:
    """Turns the events of one answer into model chunks. `finished` once the end was announced.

    thinking: the answer begins inside a thought. lost_thought: it did, and nobody had said so.
    """

    thinking: InitVar[bool] = False
    finished: bool = False
    answered: bool = False
    lost_thought: bool = False
    _reason: Literal["stop", "max_output_tokens", "content_filter"] = "stop"
    _usage: ModelUsage | None = None
    _calls: CallReader = field(default_factory=CallReader)
    _tags: TagReader = field(default_factory=TagReader)

    def __post_init__(self, thinking: bool) -> None:
        self._tags = TagReader(thinking=thinking)

    def read(self, data: bytes) -> Iterator[ModelChunk]:
        """The chunks of one event. Raises Nonsense, ErrorInStream."""
        if data.strip() == b"[DONE]":
            self.finished = True
            return
        try:
            event = msgspec.json.decode(data)
        except msgspec.DecodeError as problem:
            raise Nonsense(f"not JSON: {data[:60].decode(errors='replace')!r}") from problem
        if isinstance(event, list) and event:  # an error's body in some servers is a list of one
            event = event[0]
        if not isinstance(event, dict):
            raise Nonsense("not a completion chunk")
        if event.get("error") or event.get("object") == "error":
            raise ErrorInStream(error_text(event))
        groq = event.get("x_groq")
        if isinstance(groq, dict):  # where Groq says why it stopped early, and what was used
            if groq.get("error"):
                raise ErrorInStream(error_text(groq))
            self._note_usage(groq.get("usage"))
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
        yield from self._said(self._tags.finish())
        yield from self._calls.end()
        if self._usage is not None:
            yield self._usage
        yield ModelStop(self._reason)

    def _choice(self, choice: dict[str, Any]) -> Iterator[ModelChunk]:
        # A server that ignores `stream` sends the whole message at once.
        delta = choice.get("delta") or choice.get("message")
        if isinstance(delta, dict):
            self.answered = True
            for text in (_text(delta.get("content")), _text(delta.get("refusal"))):
                yield from self._said(self._tags.feed(text))
            entries = [entry for entry in _calls(delta) if isinstance(entry, dict)]
            for place, entry in enumerate(entries):
                yield from self._tool_call(entry, place, len(entries) == 1)
        reason = choice.get("finish_reason")
        if reason == "error":
            raise ErrorInStream(error_text(choice.get("error") or "no more than that"))
        if isinstance(reason, str) and reason:  # some servers say "" as long as there is none
            self._reason = _STOPS.get(reason, "stop")
            self.finished = self.answered = True

    def _said(self, pieces: Iterator[Piece]) -> Iterator[ModelChunk]:
        for piece in pieces:
            if isinstance(piece, Words):
                yield ModelText(piece.text)
            elif isinstance(piece, Control):
                if piece.kind == "lost_thought":
                    self.lost_thought = True
                else:
                    yield ModelControl(piece.kind)
            else:
                for name, arguments in written_calls(piece.text):
                    yield self._calls.written(name, arguments)

    def _tool_call(self, entry: dict[str, Any], place: int, alone: bool) -> Iterator[ModelChunk]:
        function = entry["function"] if isinstance(entry.get("function"), dict) else entry
        name = function.get("name")
        arguments = function.get("arguments") or ""
        if not isinstance(arguments, str):  # an object where the API has a string of JSON
            arguments = msgspec.json.encode(arguments).decode()
        piece = CallPiece(
            index_of(entry), str(entry.get("id") or ""), name if isinstance(name, str) else "", arguments
        )
        yield from self._calls.take(piece, place, alone)

    def _note_usage(self, usage: Any) -> None:
        if isinstance(usage, dict):
            read, written = usage.get("prompt_tokens"), usage.get("completion_tokens")
            if isinstance(read, int) and isinstance(written, int):
                details = usage.get("prompt_tokens_details")
                cached = details.get("cached_tokens") if isinstance(details, dict) else None
                self._usage = ModelUsage(read, written, cached if isinstance(cached, int) else 0)


def _calls(delta: dict[str, Any]) -> list[Any]:
    """The pieces of tool calls in a delta; `function_call` is their older form."""
    calls = delta.get("tool_calls")
    if isinstance(calls, list):
        return calls
    older = delta.get("function_call")
    return [{"function": older}] if isinstance(older, dict) else []


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(
            part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)
        )
    return ""
