"""An upstream that keeps to the protocol until it is told to stop: whatever can be wrong with one, at whatever moment."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import Any, Literal

import pybase64
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests.engines.relay.rig import KEY

Fault = Literal[
    "close",
    "abort",
    "half a frame",
    "garbage",
    "not json",
    "binary",
    "no frame",
    "too large",
    "wrong order",
    "mute",
    "idle",
]
CODES: dict[Fault, str] = {
    "close": "upstream_closed",
    "abort": "upstream_closed",
    "half a frame": "upstream_closed",
    "garbage": "upstream_protocol_error",
    "not json": "upstream_protocol_error",
    "binary": "upstream_protocol_error",
    "no frame": "upstream_protocol_error",
    "too large": "upstream_protocol_error",
    "wrong order": "upstream_protocol_error",
    "mute": "upstream_silent",
}
"""What each fault is called by the relay."""
FAULTS: tuple[Fault, ...] = tuple(CODES)
"""All that break a link. An upstream that is "idle" lives, and says nothing more by itself."""
LOGPROBS = [
    {"token": "Hi", "logprob": -0.1, "bytes": [72, 105]},
    {"token": ".", "logprob": -0.5, "bytes": [46]},
]
USED = {
    "total_tokens": 2,
    "input_tokens": 0,
    "output_tokens": 2,
    "input_token_details": {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0, "cached_tokens": 0}
    | {"cached_tokens_details": {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0}},
    "output_token_details": {"text_tokens": 0, "audio_tokens": 2},
}
SPEECH = pybase64.b64encode_as_string(bytes(4800))
"""100 ms."""
PHASES = (
    "session.updated",
    "conversation.item.added",
    "conversation.item.done",
    "response.created",
    "response.output_item.added",
    "conversation.item.added.2",
    "response.content_part.added",
    "response.output_audio_transcript.delta",
    "response.output_audio.delta",
    "response.output_audio.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.done",
)
"""Every moment of a spoken answer at which an upstream may fail: before it would have sent this."""
CALL_PHASES = (
    "response.output_item.added",
    "conversation.item.added.2",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.delta.2",
    "response.function_call_arguments.done",
    "response.output_item.done",
    "response.done",
)
"""The same of an answer that is a call of a function: a client who says "call" gets one."""


class Hostile:
    """The upstream. `plans`: what each connection, in their order, does wrong and when; nothing once they are used up."""

    def __init__(self) -> None:
        self.url = ""
        self.plans: deque[tuple[str, Fault]] = deque()
        self.refusals: deque[tuple[int, bytes, dict[str, str]]] = deque()
        """What handshakes are answered with; status 0 breaks the connection."""
        self.refusals_later: list[tuple[int, bytes, dict[str, str]]] = []
        """Handshakes that are refused once the next fault is committed."""
        self.faults_at: dict[str, Fault] = {}
        """What goes wrong once when an event of this type comes, on whichever connection."""
        self.seen: list[list[dict[str, Any]]] = []
        """What each connection was sent."""
        self.used = dict(USED)
        """What it says that an answer took."""
        self.refused: set[str] = set()
        """Types of events that are answered with an error."""
        self.objection: dict[str, Any] | None = None
        """The body of an error that everybody is sent in the place of a greeting."""
        self.keys: list[str | None] = []
        self.asked: list[str] = []
        self.enough = asyncio.Event()
        """Upstreams that say nothing any more may go."""
        self.open = 0
        self._connections: set[ServerConnection] = set()

    async def hang_up_all(self) -> None:
        """Break every connection."""
        for connection in self._connections:
            connection.transport.abort()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for something that happens by itself."""
        async with asyncio.timeout(5):
            while not holds():  # noqa: ASYNC110 (of tasks that end nobody is told)
                await asyncio.sleep(0.005)

    def refuse(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer the handshake with an error, where one is planned."""
        self.keys.append(request.headers.get("Authorization"))
        self.asked.append(request.path)
        if not self.refusals:
            return None
        status, body, headers = self.refusals.popleft()
        if not status:
            connection.transport.abort()
            status = 500
        response = connection.respond(HTTPStatus(status), "")
        for name, value in headers.items():
            response.headers[name] = value
        del response.headers["Content-Length"]
        response.headers["Content-Length"] = str(len(body))
        response.body = body
        return response

    async def talk(self, connection: ServerConnection) -> None:
        """Serve one connection."""
        phase, fault = self.plans.popleft() if self.plans else ("never", "close")
        self.open += 1
        self._connections.add(connection)
        self.seen.append([])
        try:
            await Session(self, connection, len(self.seen) - 1, phase, fault).run()
        except (ConnectionClosed, Done):
            pass
        finally:
            self.open -= 1
            self._connections.discard(connection)


class Done(Exception):
    """The fault has been committed."""


class Session:
    """One connection's session: a model that says "Good morning." to everything."""

    def __init__(
        self, hostile: Hostile, connection: ServerConnection, number: int, phase: str, fault: Fault
    ) -> None:
        self._hostile = hostile
        self._connection = connection
        self._number = number
        self._phase = phase
        self._fault = fault
        self._sent = 0
        self._last: str | None = None
        """The newest item."""
        self._appended = 0
        """Pieces of sound since the last turn."""
        self._calls = False
        """The next answer is a call of a function."""
        self._session: dict[str, Any] = {
            "type": "realtime",
            "object": "realtime.session",
            "id": f"sess_up{number}",
            "model": "gpt-realtime-2",
            "output_modalities": ["audio"],
            "instructions": "",
            "tools": [],
            "audio": {
                "input": {"format": {"type": "audio/pcm", "rate": 24000}, "turn_detection": None},
                "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "marin", "speed": 1.0},
            },
        }

    async def run(self) -> None:
        """Greet, then answer what comes."""
        if self._hostile.objection is not None:
            await self._connection.send(json.dumps({"type": "error", "error": self._hostile.objection}))
            await self._connection.close(4000, f"{self._hostile.objection['type']}.")
            raise Done
        await self.send("greeting", "session.created", session=self._session)
        async for frame in self._connection:
            self._hostile.seen[self._number].append(json.loads(frame))
            await self._answer(json.loads(frame))

    async def _answer(self, event: dict[str, Any]) -> None:
        fault = self._hostile.faults_at.pop(event["type"], None)
        if fault is not None:
            self._fault = fault
            await self._misbehave()
        if event["type"] in self._hostile.refused:
            error = {"type": "invalid_request_error", "code": "not_now", "message": "Not now."}
            await self.send("", "error", error={**error, "event_id": event["event_id"]})
            return
        match event["type"]:
            case "session.update":
                merge(self._session, event["session"])
                await self.send("session.updated", "session.updated", session=self._session)
            case "conversation.item.create":
                self._calls = "call them" in str(event["item"].get("content"))
                given = {name: one for name, one in event["item"].items() if one}
                for part in given.get("content", ()):
                    part.pop("audio", None)
                    part.pop("image_url", None)
                item = {"id": f"item_up{self._number}_{self._sent}", "status": "completed", **given}
                behind = event.get("previous_item_id") or self._last
                for kind in ("added", "done"):
                    name = f"conversation.item.{kind}"
                    await self.send(name, name, previous_item_id=behind, item=item)
                self._last = item["id"] if behind == self._last else self._last
            case "conversation.item.delete":
                await self.send("", "conversation.item.deleted", item_id=event["item_id"])
            case "conversation.item.truncate":
                where = {name: event[name] for name in ("item_id", "content_index", "audio_end_ms")}
                await self.send("conversation.item.truncated", "conversation.item.truncated", **where)
            case "input_audio_buffer.append":
                await self._append()
            case "input_audio_buffer.commit":
                await self.send("input_audio_buffer.committed")
                await self._commit(f"item_up{self._number}_{self._sent}")
            case "response.create":
                await (self._call() if self._calls else self._respond())
                await self.send("idle")

    async def _append(self) -> None:
        """With turn detection the first piece of sound begins a turn, and the third ends it."""
        self._appended += 1
        await self.send(f"append.{self._appended}")
        if self._session["audio"]["input"]["turn_detection"] is None:
            return
        item_id = f"item_turn{self._number}"
        began, ended = "input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped"
        if self._appended == 1:
            await self.send(began, began, item_id=item_id, audio_start_ms=0)
        elif self._appended == 3:
            await self.send(ended, ended, item_id=item_id, audio_end_ms=300)
            await self.send("turn committed")
            await self._commit(item_id)
            await self.send("turn answered")
            await self._respond()

    async def _commit(self, item_id: str) -> None:
        """What was said is an item; its words are told only to a session that wants them with their log probabilities."""
        name = "input_audio_buffer.committed"
        self._appended = 0
        await self.send("", name, previous_item_id=self._last, item_id=item_id)
        content = [{"type": "input_audio", "transcript": None}]
        item = {"id": item_id, "type": "message", "role": "user", "status": "completed", "content": content}
        await self.send("turn item")
        for kind in ("added", "done"):
            name = f"conversation.item.{kind}"
            await self.send(name, name, previous_item_id=self._last, item=item)
        self._last = item_id
        await self.send("turn words")
        if self._session.get("include"):
            where = {"item_id": item_id, "content_index": 0, "logprobs": LOGPROBS}
            name = "conversation.item.input_audio_transcription"
            await self.send("", f"{name}.delta", delta="Hi.", **where)
            used = {"type": "duration", "seconds": 1}
            await self.send("", f"{name}.completed", transcript="Hi.", usage=used, **where)

    def _response(self) -> dict[str, Any]:
        return {
            "object": "realtime.response",
            "id": f"resp_up{self._number}_{self._sent}",
            "status": "in_progress",
            "status_details": None,
            "output": [],
            "conversation_id": f"conv_up{self._number}",
            "output_modalities": ["audio"],
            "max_output_tokens": "inf",
            "audio": {"output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "marin"}},
            "usage": None,
            "metadata": None,
        }

    async def _call(self) -> None:
        response = self._response()
        call = {
            "id": f"item_call{self._number}_{self._sent}",
            "object": "realtime.item",
            "type": "function_call",
        }
        call |= {"name": "book", "call_id": f"call_{self._number}_{self._sent}"}
        opened = {**call, "status": "in_progress", "arguments": ""}
        ended = {**call, "status": "completed", "arguments": '{"seat": 4}'}
        at = {"response_id": response["id"], "output_index": 0}
        where = {**at, "item_id": call["id"], "call_id": call["call_id"]}
        delta = "response.function_call_arguments.delta"
        await self.send("response.created", "response.created", response=response)
        await self.send("response.output_item.added", "response.output_item.added", **at, item=opened)
        added = {"previous_item_id": self._last, "item": opened}
        await self.send("conversation.item.added.2", "conversation.item.added", **added)
        await self.send(delta, delta, **where, delta='{"sea')
        await self.send(f"{delta}.2", delta, **where, delta='t": 4}')
        done = "response.function_call_arguments.done"
        await self.send(done, done, **where, name="book", arguments='{"seat": 4}')
        await self.send("", "conversation.item.done", previous_item_id=self._last, item=ended)
        await self.send("response.output_item.done", "response.output_item.done", **at, item=ended)
        self._last, self._calls = call["id"], False
        used = USED | {"output_token_details": {"text_tokens": 2, "audio_tokens": 0}}
        ended_response = {**response, "status": "completed", "output": [ended], "usage": used}
        await self.send("response.done", "response.done", response=ended_response)
        await self.send("", "rate_limits.updated", rate_limits=[])

    async def _respond(self) -> None:
        response = self._response()
        item_id = f"item_out{self._number}_{self._sent}"
        item = {"id": item_id, "object": "realtime.item", "type": "message", "role": "assistant"}
        opened = {**item, "status": "in_progress", "content": []}
        where = {"response_id": response["id"], "item_id": item_id, "output_index": 0, "content_index": 0}
        said = {"type": "output_audio", "transcript": "Good morning."}
        ended = {**item, "status": "completed", "content": [said]}
        at = {"response_id": response["id"], "output_index": 0}
        part = {"type": "audio", "transcript": "Good morning."}
        for name, fields in (
            ("response.created", {"response": response}),
            ("response.output_item.added", {**at, "item": opened}),
            ("conversation.item.added", {"previous_item_id": self._last, "item": opened}),
            ("response.content_part.added", {**where, "part": {"type": "audio", "transcript": ""}}),
            ("response.output_audio_transcript.delta", {**where, "delta": "Good morning."}),
            ("response.output_audio.delta", {**where, "delta": SPEECH}),
            ("response.output_audio.done", where),
            ("response.output_audio_transcript.done", {**where, "transcript": "Good morning."}),
            ("response.content_part.done", {**where, "part": part}),
            ("conversation.item.done", {"previous_item_id": self._last, "item": ended}),
            ("response.output_item.done", {**at, "item": ended}),
            (
                "response.done",
                {
                    "response": {
                        **response,
                        "status": "completed",
                        "output": [ended],
                        "usage": self._hostile.used,
                    }
                },
            ),
            ("rate_limits.updated", {"rate_limits": []}),
        ):
            phase = "conversation.item.added.2" if name == "conversation.item.added" else name
            await self.send(phase, name, **fields)
        self._last = item_id

    async def send(self, phase: str, name: str = "", /, **fields: Any) -> None:
        """Send an event, if it has a name, unless this is the moment to do something else."""
        self._sent += 1
        if phase == self._phase:
            await self._misbehave()
        if not name:
            return
        event_id = f"event_up{self._number}_{self._sent}"
        await self._connection.send(json.dumps({"type": name, "event_id": event_id, **fields}))

    async def _misbehave(self) -> None:
        self._hostile.refusals.extend(self._hostile.refusals_later)
        self._hostile.refusals_later.clear()
        match self._fault:
            case "close":
                await self._connection.close(1011, f"overloaded, said {KEY}")
            case "abort":
                self._connection.transport.abort()
            case "half a frame":
                # A frame of 1000 bytes, of which ten come.
                self._connection.transport.write(b"\x81\x7e\x03\xe8" + b"{" * 10)
                self._connection.transport.close()
            case "no frame":
                # An opcode that there is not.
                self._connection.transport.write(b"\x83\x00")
                await self._connection.wait_closed()
            case "too large":
                # A frame that is announced to have 1 TB.
                self._connection.transport.write(b"\x81\x7f\x00\x00\x01\x00\x00\x00\x00\x00")
                await self._connection.wait_closed()
            case "binary":
                await self._connection.send(bytes(range(256)))
            case "garbage":
                await self._connection.send(json.dumps({"no": "type"}))
            case "not json":
                await self._connection.send(f"<html>{KEY}</html>")
            case "wrong order":
                gone = {"response_id": "resp_gone", "item_id": "item_gone", "output_index": 0}
                late = {"type": "response.output_text.delta", "event_id": "event_wrong", **gone}
                await self._connection.send(json.dumps({**late, "content_index": 0, "delta": "?"}))
            case "mute":
                # Nothing is read any more either: no pong comes.
                self._connection.transport.pause_reading()
                await self._hostile.enough.wait()
                self._connection.transport.abort()
            case "idle":
                await self._connection.wait_closed()
        raise Done


def merge(session: dict[str, Any], update: dict[str, Any]) -> None:
    """Lay an update over a session, object by object."""
    for name, value in update.items():
        if isinstance(value, dict) and isinstance(session.get(name), dict):
            merge(session[name], value)
        else:
            session[name] = value


@contextlib.asynccontextmanager
async def hostile() -> AsyncIterator[Hostile]:
    """One upstream, on loopback."""
    made = Hostile()
    async with serve(
        made.talk, "127.0.0.1", 0, process_request=made.refuse, ping_interval=None, close_timeout=0.1
    ) as server:
        host, port = next(iter(server.sockets)).getsockname()[:2]
        made.url = f"ws://{host}:{port}/v1/realtime"
        try:
            yield made
        finally:
            made.enough.set()
