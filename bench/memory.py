"""What sessions keep: one that idles after a turn, and one that spoke for ten minutes. Linux: from /proc."""

from __future__ import annotations

import select
import time
from dataclasses import dataclass
from typing import Self

from bench.caller import Pattern, append_frame, session_update
from bench.load import Load, run
from bench.place import Meter, Server
from bench.sound import chunks, silence, voice
from bench.wire import CLOSE, FrameReader, connect

TEN_MINUTES_MS = 600_000
_QUIET_S = 2.0


@dataclass(frozen=True)
class Idle:
    """Sessions that had one turn each and then send nothing. Memory in MB, CPU as a share of a core.

    cpu: what they add to `cpu_alone`, what the server uses when nobody is there.
    """

    sessions: int
    mb_each: float
    rss_before_mb: float
    rss_mb: float
    cpu: float
    cpu_alone: float
    problem: str


def measure_idle(server: Server, sessions: int, answer_ms: int, idle_s: float) -> Idle:
    """Let all of them have their turn, then be still."""
    pattern = Pattern((voice(1000),), pause_ms=60_000)
    # The first callers leave behind what is allocated once.
    run(Load(server.socket_url, 4, 4.2, pattern))
    before_mb = server.rss_mb()
    meter = Meter(server)
    time.sleep(idle_s)
    alone = meter.read().core_share
    after: list[float] = []

    def look() -> None:
        time.sleep(answer_ms / 1000)
        after.append(server.rss_mb())
        meter = Meter(server)
        time.sleep(idle_s)
        after.append(meter.read().core_share)

    report = run(Load(server.socket_url, sessions, 4.2, pattern), look)
    problem = report.void or (f"{report.unanswered} turns unanswered" if report.unanswered else "")
    if len(report.turns) != sessions:
        problem = problem or f"{len(report.turns)} turns of {sessions} sessions"
    return Idle(
        sessions,
        (after[0] - before_mb) / sessions,
        before_mb,
        after[0],
        max(0.0, after[1] - alone),
        alone,
        problem,
    )


@dataclass(frozen=True)
class Long:
    """One session that spoke for ten minutes, sent as fast as the server takes it: growth in MB."""

    grown_mb: float
    seconds: float
    answers: int
    closed: str


def measure_long(server: Server, utterance_ms: int, pause_ms: int) -> Long:
    """Ten minutes of utterances and pauses through one session."""
    before_mb = server.rss_mb()
    cycle = chunks(voice(2000) * (utterance_ms // 2000) + silence(pause_ms), 100)
    frames = [append_frame(chunk) for chunk in cycle]
    started = time.perf_counter()
    with _Pour(server.socket_url) as pour:
        for frame in [session_update(500), *frames * max(1, TEN_MINUTES_MS // (len(cycle) * 100))]:
            pour.send(frame)
        pour.listen(_QUIET_S)
        return Long(server.rss_mb() - before_mb, time.perf_counter() - started, pour.answers, pour.closed)


class _Pour:
    """A client that sends as fast as it may and reads what comes meanwhile."""

    def __init__(self, url: str) -> None:
        self.answers = 0
        self.closed = ""
        self._connection, rest = connect(url, {})
        self._reader = FrameReader()
        self._take(rest)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def send(self, frame: bytes) -> None:
        """Send all of it, reading while the server does not take it."""
        left = memoryview(frame)
        while left and not self.closed:
            _, writable, _ = select.select([], [self._connection], [], 0)
            if not writable:
                self.listen(0.05)
                continue
            left = left[self._connection.send(left) :]
        self.listen(0)

    def listen(self, for_s: float) -> None:
        """Read for so long, and whatever is there in any case."""
        until = time.perf_counter() + for_s
        while not self.closed:
            left_s = max(0.0, until - time.perf_counter())
            readable, _, _ = select.select([self._connection], [], [], left_s)
            if not readable:
                return
            received = self._connection.recv(1 << 18)
            self.closed = "" if received else "the server hung up"
            self._take(received)

    def _take(self, received: bytes) -> None:
        for opcode, payload in self._reader.feed(received):
            if opcode == CLOSE:
                self.closed = payload[2:].decode(errors="replace")
            self.answers += b'"type":"response.done"' in payload[:40]
