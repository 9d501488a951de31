"""The WebSocket transport over bare ASGI, as any server offers it: both directions at once, limits, and the end."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.call.rig import scripted, settings_of, sound
from vivavoce.call.driver import BACKLOG, Call
from vivavoce.call.registry import Calls
from vivavoce.protocol.dialects import BETA, GA, Dialect
from vivavoce.testing.clock import run
from vivavoce.testing.puppet import PuppetEngine
from vivavoce.testing.strict import read_frame
from vivavoce.transports.websocket import WebSocketAttachment

CLOSED = {"type": "websocket.disconnect", "code": 1000}


class Peer:
    """The other end of an ASGI socket. `reads` off: nothing that is sent to it goes through."""

    def __init__(self, dialect: Dialect = GA, engine: Any = None, **limits: int) -> None:
        self.sent: list[dict[str, Any]] = []
        self.reads = asyncio.Event()
        self.reads.set()
        self.taken = 0
        self._inbound: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.attachment = WebSocketAttachment(
            "ws1",
            dialect,
            self._receive,
            self._send,
            max_frame_bytes=limits.get("max_frame_bytes", 100_000),
            max_unsent_bytes=limits.get("max_unsent_bytes", 1_000_000),
        )
        self.calls = Calls(settings_of(), engine or scripted())
        self.call: Call = self.calls.open("m", 0)
        self.call.join(self.attachment)
        self.running = asyncio.create_task(self.attachment.run(self.call))

    async def _receive(self) -> dict[str, Any]:
        message = await self._inbound.get()
        self.taken += 1
        return message

    async def _send(self, message: Any) -> None:
        await self.reads.wait()
        self.sent.append(message)

    def say(self, frame: str | bytes | dict[str, Any]) -> None:
        """Send a frame."""
        if isinstance(frame, dict):
            frame = json.dumps(frame)
        key = "text" if isinstance(frame, str) else "bytes"
        self._inbound.put_nowait({"type": "websocket.receive", key: frame})

    def hang_up(self) -> None:
        """Close from this end."""
        self._inbound.put_nowait(CLOSED)

    @property
    def events(self) -> list[dict[str, Any]]:
        """What came, as events."""
        return [read_frame(message["text"]) for message in self.sent if message["type"] == "websocket.send"]

    async def until(self, type_: str) -> dict[str, Any]:
        """Wait for an event."""
        for _ in range(10_000):
            for event in self.events:
                if event["type"] == type_:
                    return event
            await asyncio.sleep(0.01)
        raise TimeoutError(type_)

    async def end(self) -> None:
        """Close and wait until everything is freed."""
        self.hang_up()
        await asyncio.wait_for(self.running, 5)
        await self.calls.close(self.call)


@pytest.mark.parametrize("binary", [False, True])
def test_a_turn(binary: bool) -> None:
    async def main() -> None:
        peer = Peer()
        frame = json.dumps({"type": "response.create"})
        peer.say(frame.encode() if binary else frame)
        done = await peer.until("response.done")
        assert done["response"]["status"] == "completed"
        await peer.end()
        assert peer.call.closed.done()

    run(main())


def test_the_beta_dialect() -> None:
    async def main() -> None:
        peer = Peer(BETA)
        await asyncio.sleep(0.01)
        assert json.loads(peer.sent[0]["text"])["session"]["modalities"] == ["audio", "text"]
        await peer.end()

    run(main())


@pytest.mark.parametrize("where", ["first", "last", "nowhere"])
def test_a_frame_over_the_limit_is_refused_with_its_id(where: str) -> None:
    async def main() -> None:
        peer = Peer()
        padding = "A" * 100_000
        ids = {
            "first": ('"event_id": "big", ', ""),
            "last": ("", ', "event_id" : "big"'),
            "nowhere": ("", ""),
        }
        head, tail = ids[where]
        peer.say(f'{{{head}"type": "input_audio_buffer.append", "audio": "{padding}"{tail}}}')
        error = (await peer.until("error"))["error"]
        assert error["code"] == "invalid_event"
        assert error["event_id"] == (None if where == "nowhere" else "big")
        peer.say({"type": "response.create"})
        await peer.until("response.done")
        await peer.end()

    run(main())


def test_what_was_queued_is_written_before_the_close() -> None:
    async def main() -> None:
        peer = Peer(engine=PuppetEngine())
        await asyncio.sleep(0.01)
        peer.reads.clear()
        peer.say({"type": "response.cancel", "event_id": "last"})
        await asyncio.sleep(0.01)
        peer.call.hang_up(1001, "über" * 100)
        peer.call.hang_up(1000, "again")
        peer.reads.set()
        await asyncio.wait_for(peer.running, 5)
        assert peer.events[-1]["error"]["event_id"] == "last"
        close = peer.sent[-1]
        assert (close["type"], close["code"]) == ("websocket.close", 1001)
        # A close frame holds 123 bytes of reason, and no half of a character.
        assert close["reason"] == ("über" * 100)[: len(close["reason"])]
        assert 118 < len(close["reason"].encode()) <= 123
        await peer.calls.close(peer.call)

    run(main())


def test_a_peer_that_does_not_read_is_bounded() -> None:
    async def main() -> None:
        peer = Peer(engine=PuppetEngine(), max_unsent_bytes=65_536)
        await asyncio.sleep(0.01)
        peer.reads.clear()
        for n in range(2000):
            peer.say({"type": "response.cancel", "event_id": f"e{n}"})
        await asyncio.sleep(1)
        before = len(peer.sent)
        peer.reads.set()
        await asyncio.wait_for(peer.running, 5)
        assert peer.sent[-1] == {
            "type": "websocket.close",
            "code": 1008,
            "reason": "the client does not read what it is sent",
        }
        # Little more than one batch was still on its way; the rest was dropped.
        assert len(peer.sent) - before < 600
        await peer.calls.close(peer.call)

    run(main())


def test_reading_stops_while_the_inbox_is_full() -> None:
    async def main() -> None:
        peer = Peer(engine=PuppetEngine(), max_frame_bytes=10_000_000)
        peer.say({"type": "input_audio_buffer.append", "audio": sound(60_000, loud=False)})
        for n in range(4 * BACKLOG):
            peer.say({"type": "response.cancel", "event_id": f"e{n}"})
        most = 0
        for _ in range(500):
            await asyncio.sleep(0)
            most = max(most, peer.taken)
        assert BACKLOG <= most <= BACKLOG + 4
        await asyncio.sleep(10)
        answered = [event["error"]["event_id"] for event in peer.events if event["type"] == "error"]
        assert answered == [f"e{n}" for n in range(4 * BACKLOG)]
        await peer.end()

    run(main())


def test_a_bug_in_a_connection_is_told_and_ends_it(caplog: pytest.LogCaptureFixture) -> None:
    async def calls() -> None:
        peer = Peer()

        async def broken(message: Any) -> None:
            raise ValueError("our own")

        peer.attachment._send = broken
        await peer.running
        await asyncio.wait_for(peer.call.closed, 5)

    run(calls())
    assert [record.exc_info is not None for record in caplog.records] == [True]
    assert "our own" in caplog.text


def test_a_peer_that_leaves_ends_its_call() -> None:
    async def main() -> None:
        peer = Peer(engine=PuppetEngine())
        peer.hang_up()
        await asyncio.wait_for(peer.running, 5)
        assert peer.call.closed.done()
        peer.attachment.write(b"late")
        await peer.calls.close(peer.call)
        assert len(peer.calls) == 0

    run(main())
