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

Fault = Literal["close", "abort", "garbage", "wrong order", "not json", "mute"]
FAULTS: tuple[Fault, ...] = ("close", "abort", "garbage", "wrong order", "not json", "mute")
CODES: dict[Fault, str] = {
    "close": "upstream_closed",
    "abort": "upstream_closed",
    "garbage": "upstream_protocol_error",
    "wrong order": "upstream_protocol_error",
    "not json": "upstream_protocol_error",
    "mute": "upstream_silent",
}
SPEECH = pybase64.b64encode_as_string(bytes(4800))
"""100 ms."""
PHASES = (
    "greeting",
    "session.updated",
    "conversation.item.added",
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
"""Every moment at which an upstream may fail: before it would have sent this."""


class Hostile:
    """The upstream. `plans`: what each connection, in their order, does wrong and when; nothing once they are used up."""

    def __init__(self) -> None:
        self.url = ""
        self.plans: deque[tuple[str, Fault]] = deque()
        self.refusals: deque[tuple[int, bytes, dict[str, str]]] = deque()
        self.seen: list[list[dict[str, Any]]] = []
        """What each connection was sent."""
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
        response = connection.respond(HTTPStatus(status), "")
        for name, value in headers.items():
            response.headers[name] = value
        del response.headers["Content-Length"]
        response.headers["Content-Length"] = str(len(body))
        response.body = body
        return response

    async def talk(self, connection: ServerConnection) -> None:
        """Serve one connection."""
        phase, fault = self.plans.popleft() if self.plans else ("", "close")
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
            event = json.loads(frame)
            self._hostile.seen[self._number].append(event)
            await self._answer(event)

    async def _answer(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "session.update":
                merge(self._session, event["session"])
                await self.send("session.updated", "session.updated", session=self._session)
            case "conversation.item.create":
                given = {name: one for name, one in event["item"].items() if one}
                item = {"id": f"item_up{self._number}_{self._sent}", "status": "completed", **given}
                for kind in ("added", "done"):
                    name = f"conversation.item.{kind}"
                    await self.send(name, name, previous_item_id=self._last, item=item)
                self._last = item["id"]
            case "input_audio_buffer.commit":
                await self._commit(f"item_up{self._number}_{self._sent}")
            case "response.create":
                await self._respond()

    async def _commit(self, item_id: str) -> None:
        """What was said is an item, of which nobody says the words."""
        name = "input_audio_buffer.committed"
        await self.send(name, name, previous_item_id=self._last, item_id=item_id)
        content = [{"type": "input_audio", "transcript": None}]
        item = {"id": item_id, "type": "message", "role": "user", "status": "completed", "content": content}
        for kind in ("added", "done"):
            name = f"conversation.item.{kind}"
            await self.send(name, name, previous_item_id=self._last, item=item)
        self._last = item_id

    async def _respond(self) -> None:
        response: dict[str, Any] = {
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
        item_id = f"item_out{self._number}_{self._sent}"
        item = {"id": item_id, "object": "realtime.item", "type": "message", "role": "assistant"}
        opened = {**item, "status": "in_progress", "content": []}
        where = {"response_id": response["id"], "item_id": item_id, "output_index": 0, "content_index": 0}
        said = {"type": "output_audio", "transcript": "Good morning."}
        ended = {**item, "status": "completed", "content": [said]}
        at = {"response_id": response["id"], "output_index": 0}
        part = {"type": "audio", "transcript": "Good morning."}
        used = {
            "total_tokens": 2,
            "input_tokens": 0,
            "output_tokens": 2,
            "input_token_details": {
                "text_tokens": 0,
                "audio_tokens": 0,
                "image_tokens": 0,
                "cached_tokens": 0,
            }
            | {"cached_tokens_details": {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0}},
            "output_token_details": {"text_tokens": 0, "audio_tokens": 2},
        }
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
                {"response": {**response, "status": "completed", "output": [ended], "usage": used}},
            ),
            ("rate_limits.updated", {"rate_limits": []}),
        ):
            phase = "conversation.item.added.2" if name == "conversation.item.added" else name
            await self.send(phase, name, **fields)
        self._last = item_id

    async def send(self, phase: str, name: str, **fields: Any) -> None:
        """Send an event, unless this is the moment to do something else."""
        self._sent += 1
        if phase == self._phase:
            await self._misbehave()
        event_id = f"event_up{self._number}_{self._sent}"
        await self._connection.send(json.dumps({"type": name, "event_id": event_id, **fields}))

    async def _misbehave(self) -> None:
        match self._fault:
            case "close":
                await self._connection.close(1011, f"overloaded, said {KEY}")
            case "abort":
                self._connection.transport.abort()
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
        yield made
