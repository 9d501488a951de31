"""Many callers on one server: an epoll loop that sends by an absolute schedule and knows how late it was itself.

One thread and no event loop library: a chunk costs one system call and a few microseconds, so the client is not what is measured.
"""

from __future__ import annotations

import gc
import select
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bench.caller import Caller, Pattern, Turn, session_update
from bench.figures import percentile
from bench.wire import CLOSE, NOT_NOW, PING, PONG, FrameReader, connect, frame

_READ_BYTES = 1 << 18
_SET_UP_S = 20.0
_LATEST_MS = {"alone": 5.0, "loaded": 20.0}
"""The client's own lateness (p99) above which a run is void: a tenth of the figures it is held against, or less."""


@dataclass(frozen=True)
class Load:
    """A run: `sessions` callers on `url` for `duration_s` behind `warm_up_s`, whose turns are not counted.

    They begin spread over `stagger_s`, by default about the length of a turn, so that their answers do not fall together.
    """

    url: str
    sessions: int
    duration_s: float
    pattern: Pattern
    warm_up_s: float = 0.0
    stagger_s: float = 4.0
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Report:
    """What came of a run. Lateness is how far behind its schedule a chunk was sent, in milliseconds."""

    load: Load
    turns: list[Turn]
    lateness_ms: list[float]
    chunks: int
    received: int
    elapsed_s: float
    problems: list[str]

    @property
    def added_ms(self) -> list[float]:
        """First audio behind the end of the turn, of every answered turn."""
        return [turn.added_ms for turn in self.turns if turn.answered and turn.completed_s]

    @property
    def lag_ms(self) -> list[float]:
        """Input lag, one per turn."""
        return [turn.lag_ms for turn in self.turns if turn.stopped_s]

    @property
    def void(self) -> str:
        """Why nothing may be read off this run; empty when it counts."""
        latest = _LATEST_MS["alone" if self.load.sessions == 1 else "loaded"]
        late = percentile(self.lateness_ms, 99)
        if late > latest:
            return f"the client was late itself (p99 {late:.1f} ms)"
        return "; ".join(self.problems[:3])

    @property
    def unanswered(self) -> int:
        """Turns that nothing, or not all, was heard of."""
        return sum(not turn.answered or not turn.completed_s for turn in self.turns)


class _Line:
    """A caller on its socket."""

    def __init__(self, caller: Caller, connection: socket.socket, rest: bytes, received: int = 0) -> None:
        self.caller = caller
        self.connection = connection
        self.received = received
        self.closed = ""
        self.next_s = 0.0
        self._reader = FrameReader()
        self._unsent = bytearray()
        self._take(rest, time.perf_counter())

    def send(self, made: bytes) -> None:
        """Send a frame, or keep what the socket does not take."""
        if not self._unsent:
            try:
                sent = self.connection.send(made)
            except NOT_NOW:
                sent = 0
            except OSError as error:
                self.closed = self.closed or str(error)
                return
            if sent == len(made):
                return
            made = made[sent:]
        self._unsent += made
        self._flush()

    def _flush(self) -> None:
        try:
            sent = self.connection.send(self._unsent)
        except NOT_NOW:
            return
        except OSError as error:
            self.closed = self.closed or str(error)
            return
        del self._unsent[:sent]

    def receive(self) -> None:
        """Read what is there."""
        try:
            received = self.connection.recv(_READ_BYTES)
        except NOT_NOW:
            return
        except OSError as error:
            self.closed = self.closed or str(error)
            return
        now_s = time.perf_counter()
        if not received:
            self.closed = self.closed or "the server hung up"
            return
        self._take(received, now_s)
        if isinstance(self.connection, ssl.SSLSocket) and self.connection.pending():
            # What TLS has decrypted already does not make the socket readable again.
            self.receive()

    def _take(self, received: bytes, now_s: float) -> None:
        for opcode, payload in self._reader.feed(received):
            if opcode == PING:
                self.send(frame(payload, PONG))
            elif opcode == CLOSE:
                self.closed = f"the server closed: {payload[2:].decode(errors='replace')}"
            elif opcode != PONG:
                self.received += 1
                self.caller.hear(payload, now_s)


def run(
    load: Load, at_end: Callable[[], None] | None = None, at_begin: Callable[[], None] | None = None
) -> Report:
    """Run it; `at_begin` and `at_end` are called while all callers are connected. Raises WireError or OSError when one cannot connect."""
    lines: list[_Line] = []
    poll = select.epoll()
    try:
        for number in range(load.sessions):
            connection, rest = connect(load.url, load.headers)
            lines.append(_Line(Caller(load.pattern, number), connection, rest))
            poll.register(connection.fileno(), select.EPOLLIN)
        _set_up(lines, load.pattern)
        _ = load.pattern.spoken, load.pattern.silent  # Made once, and not while the first chunk is due.
        gc.collect()
        gc.disable()  # A collection among hundreds of callers is long enough to be seen in the figures.
        try:
            if at_begin is not None:
                at_begin()
            report = _talk(load, lines, poll)
            if at_end is not None:
                at_end()
            return report
        finally:
            gc.enable()
    finally:
        poll.close()
        for line in lines:
            line.connection.close()


def _set_up(lines: list[_Line], pattern: Pattern) -> None:
    """Every caller asks for its session and is told that it has it."""
    until = time.perf_counter() + _SET_UP_S
    for line in lines:
        line.send(session_update(pattern.silence_ms))
        while not line.caller.ready:
            if line.closed or line.caller.errors or time.perf_counter() > until:
                raise OSError(f"no session: {line.closed or line.caller.errors or 'timed out'}")
            select.select([line.connection], [], [], 1.0)
            line.receive()


def _talk(load: Load, lines: list[_Line], poll: select.epoll) -> Report:
    """The run itself: one round of chunks follows the other, each caller at its own place in the round."""
    step_s = load.pattern.chunk_ms / 1000
    by_descriptor = {line.connection.fileno(): line for line in lines}
    begun_s = time.perf_counter() + 0.05
    counted_s, over_s = begun_s + load.warm_up_s, begun_s + load.warm_up_s + load.duration_s
    patient_s = over_s + (load.pattern.silence_ms + load.pattern.patience_ms) / 1000 + 10
    for number, line in enumerate(lines):
        line.next_s = begun_s + number * step_s / len(lines)
    speaks_from_s = [begun_s + number * load.stagger_s / len(lines) for number in range(len(lines))]
    lateness_ms: list[float] = []
    turn = 0
    while True:
        line = lines[turn]
        now_s = _receive_until(line.next_s, poll, by_descriptor)
        if now_s >= over_s and (now_s > patient_s or not any(other.caller.busy for other in lines)):
            break
        made = line.caller.next_frame(now_s, speaks_from_s[turn] <= now_s < over_s)
        line.send(made)
        lateness_ms.append((now_s - line.next_s) * 1000)
        line.next_s += step_s
        turn = (turn + 1) % len(lines)
    ended_s = time.perf_counter()
    problems = [line.closed for line in lines if line.closed]
    problems += [error for line in lines for error in line.caller.errors]
    turns = [turn for line in lines for turn in line.caller.turns if turn.begun_s >= counted_s]
    received = sum(line.received for line in lines)
    return Report(load, turns, lateness_ms, len(lateness_ms), received, ended_s - begun_s, problems)


def _receive_until(due_s: float, poll: select.epoll, lines: Mapping[int, _Line]) -> float:
    """Take what arrives until `due_s`; the time is then not before it.

    The wait is `select` on the epoll descriptor: epoll's own timeout is rounded to whole milliseconds.
    """
    while True:
        for descriptor, _ in poll.poll(0):
            lines[descriptor].receive()
        left_s = due_s - time.perf_counter()
        if left_s <= 0:
            return time.perf_counter()
        select.select([poll], [], [], left_s)
