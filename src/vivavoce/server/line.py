"""What the supervisor and the processes that serve say to each other, and the line they say it on.

A stream of frames (length, msgpack) on an inherited socket pair, with open sockets beside them: a connection is handed over by passing
its descriptor. Its end is seen by the other side at once, however a process ended.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

from vivavoce.call.admission import Full, Taken
from vivavoce.call.ports import EngineNames
from vivavoce.call.settings import Settings
from vivavoce.server.rest.kept import ShelfRequest
from vivavoce.server.turnstile import Which

_LENGTH = struct.Struct("!I")
_READ_BYTES = 65_536
_FDS = 16
"""Descriptors taken with one read; the kernel never joins what was sent with descriptors to what was sent later."""


class Begin(msgspec.Struct, tag=True, frozen=True):
    """To a process: what it is to serve."""

    settings: Settings
    worker: int


class Connection(msgspec.Struct, tag=True, frozen=True):
    """To a process, with a socket: serve it. `inside`: it comes from another process of this server, and is never TLS."""

    inside: bool = False


class Reply(msgspec.Struct, tag=True, frozen=True):
    """To a process: the answer to its `Take`, `Reach`, `Look`, `OnShelf` or `Enter`."""

    number: int
    full: Full | None = None
    found: bool = False
    body: bytes | None = None
    taken: Taken | None = None


class Drain(msgspec.Struct, tag=True, frozen=True):
    """To a process: nobody new is let in any more."""


class Stop(msgspec.Struct, tag=True, frozen=True):
    """To a process: say goodbye to every client and end; `forced`: without waiting."""

    forced: bool = False


class Started(msgspec.Struct, tag=True, frozen=True):
    """From a process: it serves, and this is what answers."""

    names: EngineNames


class Unable(msgspec.Struct, tag=True, frozen=True):
    """From a process: the settings cannot be; in words for whoever started the server."""

    message: str


class Take(msgspec.Struct, tag=True, frozen=True):
    """From a process: may this session come in?"""

    number: int
    call_id: str
    holder: str


class Leave(msgspec.Struct, tag=True, frozen=True):
    """From a process: this session is over."""

    call_id: str


class Reach(msgspec.Struct, tag=True, frozen=True):
    """From a process, with a socket: hand it to the process that has this call."""

    number: int
    call_id: str


class Look(msgspec.Struct, tag=True, frozen=True):
    """From a process: how full is the server?"""

    number: int


class OnShelf(msgspec.Struct, tag=True, frozen=True):
    """From a process: keep something that clients may come back to, or look for it."""

    number: int
    request: ShelfRequest


class Enter(msgspec.Struct, tag=True, frozen=True):
    """From a process: may this request be worked on? The answer may wait for its turn."""

    number: int
    turnstile: Which
    holder: str


class Exit(msgspec.Struct, tag=True, frozen=True):
    """From a process: the request that entered with this number is done, or given up."""

    number: int
    turnstile: Which


class Spent(msgspec.Struct, tag=True, frozen=True):
    """From a process, and on to all others: a session took so much out of its key's limits. To one that has just started: what is missing."""

    key_id: str
    requests: int
    tokens: int


Downward = Begin | Connection | Reply | Drain | Stop | Spent
Upward = Started | Unable | Take | Leave | Reach | Look | OnShelf | Enter | Exit | Spent
Incoming = TypeVar("Incoming")


class Line(Generic[Incoming]):
    """One end. Sends without waiting; what the other side does not take at once is kept."""

    def __init__(
        self,
        end: socket.socket,
        decoder: msgspec.msgpack.Decoder[Incoming],
        on_frame: Callable[[Incoming, socket.socket | None], None],
        on_end: Callable[[], None],
    ) -> None:
        """`on_frame`: gets each frame, with the socket that came with it. `on_end`: the other side is gone; called once."""
        end.setblocking(False)
        self._end = end
        self._decoder = decoder
        self._on_frame = on_frame
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._read = bytearray()
        self._sockets: deque[socket.socket] = deque()
        self._unsent: deque[tuple[memoryview, socket.socket | None]] = deque()
        self._open = True
        self._loop.add_reader(end.fileno(), self._receive)

    def send(self, frame: Downward | Upward, passed: socket.socket | None = None) -> None:
        """Send a frame, with a socket if there is one; ours is closed when it is on its way, or when nobody is there any more."""
        if not self._open:
            if passed is not None:
                passed.close()
            return
        body = msgspec.msgpack.encode(frame)
        # A view, because what is left of a long frame is cut off again and again.
        self._unsent.append((memoryview(_LENGTH.pack(len(body)) + body), passed))
        if len(self._unsent) == 1:
            self._flush()

    def close(self) -> None:
        """Hang up."""
        if self._open:
            self._open = False
            self._loop.remove_reader(self._end.fileno())
            self._loop.remove_writer(self._end.fileno())
            self._end.close()
            for kept in (*self._sockets, *(passed for _, passed in self._unsent if passed)):
                kept.close()
            self._unsent.clear()
            self._sockets.clear()

    def _flush(self) -> None:
        while self._open and self._unsent:
            data, passed = self._unsent[0]
            try:
                sent = (
                    socket.send_fds(self._end, [data], [passed.fileno()]) if passed else self._end.send(data)
                )
            except BlockingIOError:
                self._loop.add_writer(self._end.fileno(), self._flush)
                return
            except OSError:
                self._gone()
                return
            if passed is not None:
                # The first byte takes the descriptor along; what is left of the frame goes without.
                passed.close()
            if sent < len(data):
                self._unsent[0] = data[sent:], None
            else:
                self._unsent.popleft()
        if self._open:
            self._loop.remove_writer(self._end.fileno())

    def _receive(self) -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._end, _READ_BYTES, _FDS)
        except BlockingIOError:
            return
        except OSError:
            data, descriptors = b"", []
        self._sockets.extend(socket.socket(fileno=descriptor) for descriptor in descriptors)
        if not data:
            self._gone()
            return
        self._read += data
        while self._open and (body := self._next()) is not None:
            frame = self._decoder.decode(body)
            passed = isinstance(frame, Connection | Reach)
            self._on_frame(frame, self._sockets.popleft() if passed else None)

    def _next(self) -> bytes | None:
        if len(self._read) < _LENGTH.size:
            return None
        end = _LENGTH.size + _LENGTH.unpack_from(self._read)[0]
        if len(self._read) < end:
            return None
        body = bytes(self._read[_LENGTH.size : end])
        del self._read[:end]
        return body

    def _gone(self) -> None:
        if self._open:
            self.close()
            self._on_end()


downward_decoder: msgspec.msgpack.Decoder[Downward] = msgspec.msgpack.Decoder(Downward)
upward_decoder: msgspec.msgpack.Decoder[Upward] = msgspec.msgpack.Decoder(Upward)
