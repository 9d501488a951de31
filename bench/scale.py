"""Two processes on two cores against one on one.

Each core carries its share of the callers as well: a machine of two cores has none left for a client of its own, and the ratio is the
same as with clients elsewhere, since both sides pay alike.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bench.caller import Pattern
from bench.figures import percentile
from bench.load import Load, Report, run
from bench.place import Server, on_core
from bench.trial import Spell

STEP = 10
MOST_SESSIONS = 1500
"""A client process holds fewer than 1024 connections, which is what `select` can look at."""


@dataclass(frozen=True)
class Shared:
    """One run: a client on each core, all of them on one server."""

    sessions: int
    reports: list[Report]

    @property
    def p99_ms(self) -> float:
        """Added latency over all clients."""
        return percentile([added for report in self.reports for added in report.added_ms], 99)

    @property
    def unanswered(self) -> int:
        """Turns that were not answered."""
        return sum(report.unanswered for report in self.reports)

    @property
    def late_ms(self) -> float:
        """How late the clients were themselves, p99: they share their cores with the server."""
        return max(percentile(report.lateness_ms, 99) for report in self.reports)

    @property
    def problems(self) -> list[str]:
        """What went wrong beside that."""
        return [problem for report in self.reports for problem in report.problems]

    def holds(self, p99_ms: float) -> bool:
        """Every turn answered, callers and answers in time."""
        return not self.problems and not self.unanswered and max(self.p99_ms, self.late_ms) <= p99_ms


class Clients:
    """A client process for each core, kept for all runs."""

    def __init__(self, pool: ProcessPoolExecutor, server: Server, pattern: Pattern) -> None:
        self.cores = server.cores
        self._pool = pool
        self._server = server
        self._pattern = pattern

    def talk(self, sessions: int, spell: Spell) -> Shared:
        """So many sessions, shared out among the cores."""
        cores = self.cores
        share = -(-sessions // len(cores))
        load = Load(self._server.socket_url, share, spell.counted_s, self._pattern, spell.warm_up_s)
        waiting = [self._pool.submit(_talk, core, load) for core in cores]
        reports = [each.result() for each in waiting]
        self._server.wait_until_empty()
        return Shared(share * len(cores), reports)


def _talk(core: int, load: Load) -> Report:
    with on_core(core):
        return run(load)


def clients() -> ProcessPoolExecutor:
    """Processes for clients, as many as cores may be used."""
    usable = len(os.sched_getaffinity(0))
    return ProcessPoolExecutor(usable, mp_context=multiprocessing.get_context("spawn"))


def most(
    attempt: Callable[[int], Shared],
    start: int,
    stride: int,
    step: int,
    p99_ms: float,
    say: Callable[[str], None],
    enough: int = MOST_SESSIONS,
) -> int:
    """The most sessions that hold, to within `step`: up by strides from `start`, then halving. More than `enough` are not tried.

    A run that fails is tried once more: a neighbour's moment must not decide.
    """

    def holds(sessions: int) -> bool:
        for _ in range(2):
            tried = attempt(sessions)
            held = tried.holds(p99_ms)
            said = [
                f"  {tried.sessions} sessions: p99 {tried.p99_ms:.1f} ms, {tried.unanswered} unanswered, callers late p99 {tried.late_ms:.1f} ms"
            ]
            say("; ".join([*said, *tried.problems[:2]]))
            if held:
                return True
        return False

    low, high = 0, start
    while low < enough and holds(high):
        low, high = high, high + stride
    while low < enough and high - low > step:
        between = (low + high) // 2 // step * step
        if between <= low or between >= high:
            break
        low, high = (between, high) if holds(between) else (low, between)
    return low


def used_cores() -> Sequence[int]:
    """Two cores, or as many as there are."""
    return sorted(os.sched_getaffinity(0))[-2:]


def pin(server: Server) -> None:
    """Each process that serves gets a core of its own, so that the scheduler does not put both on one for a while."""
    serving = [
        pid for pid in server.pids() if b"vivavoce.server.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    for pid, core in zip(serving, server.cores, strict=False):
        os.sched_setaffinity(pid, {core})
