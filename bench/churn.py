"""Callers who come and go: whether memory, descriptors, threads and tasks of the server come back to where they were. Linux: from /proc.

Half an hour of it runs beside the other measurements: on the client's core and behind everybody, since nothing here is a latency.
"""

from __future__ import annotations

import contextlib
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from bench.caller import Pattern
from bench.load import Load, run
from bench.place import Server, behind_everybody, cores, on_core, served
from bench.sound import voice

SESSIONS = 60
ENGINE = {"VIVAVOCE_SCRIPTED__ANSWER": "hello there, what can I do for you?"}
ONE_TURN = Pattern((voice(1000),), pause_ms=60_000)
_WARM_UP = 1 / 3
"""The share of the run that is not looked at: what is allocated once, and what the allocator keeps."""


@dataclass(frozen=True)
class Sample:
    """The server between two rounds, when nobody is connected."""

    at_s: float
    rss_mb: float
    descriptors: int
    threads: int
    tasks: int


@dataclass(frozen=True)
class Churn:
    """A run of rounds in which everybody connects, has a turn, and leaves."""

    samples: list[Sample]
    calls: int
    problems: list[str]

    @property
    def minutes(self) -> float:
        """From the first sample to the last."""
        return (self.samples[-1].at_s - self.samples[0].at_s) / 60

    @property
    def slope_mb_h(self) -> float:
        """Growth of resident memory behind the warm-up, MB an hour; NaN of fewer than three samples."""
        warm = self.samples[int(len(self.samples) * _WARM_UP) :]
        return slope([sample.at_s / 3600 for sample in warm], [sample.rss_mb for sample in warm])

    @property
    def descriptors_left(self) -> int:
        """More file descriptors at the end than behind the first round."""
        return self.samples[-1].descriptors - self.samples[0].descriptors

    @property
    def tasks_left(self) -> int:
        """More tasks of the event loop at the end than behind the first round."""
        return self.samples[-1].tasks - self.samples[0].tasks

    @property
    def threads_left(self) -> int:
        """More threads at the end than behind the first round."""
        return self.samples[-1].threads - self.samples[0].threads


def slope(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Least squares; NaN of fewer than three points."""
    if len(xs) < 3:
        return math.nan
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - mean_x) ** 2 for x in xs)
    return sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / spread


def measure_churn(
    server: Server,
    minutes: float,
    say: Callable[[str], None] = lambda line: None,
    pattern: Pattern = ONE_TURN,
    round_s: float = 2.5,
) -> Churn:
    """Round after round of callers for so long, at least three rounds."""
    began_s = time.perf_counter()
    samples: list[Sample] = []
    problems: list[str] = []
    calls = 0
    while len(samples) < 3 or time.perf_counter() - began_s < minutes * 60:
        report = run(Load(server.socket_url, SESSIONS, round_s, pattern, stagger_s=round_s / 2))
        calls += SESSIONS
        problems += report.problems
        problems += [f"{report.unanswered} turns unanswered"] if report.unanswered else []
        samples.append(_settled(server, began_s))
        if len(samples) % 20 == 0:
            last = samples[-1]
            say(
                f"  {calls} calls, {last.rss_mb:.1f} MB, {last.descriptors} descriptors, {last.threads} threads, {last.tasks} tasks"
            )
    return Churn(samples, calls, problems)


def _settled(server: Server, began_s: float) -> Sample:
    """What is left when the last connection is closed, for which a server that comes behind everybody has some seconds."""
    server.wait_until_empty(10.0)
    tasks = server.load()["process"]["tasks"]
    # Asking took a connection, which may be open for a moment yet.
    seen = []
    for _ in range(5):
        time.sleep(0.05)
        seen.append(server.handles())
    return Sample(time.perf_counter() - began_s, server.rss_mb(), *min(seen), tasks)


class Beside:
    """The same in a process of its own, while something else is measured."""

    def __init__(self, minutes: float) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.churn", str(minutes)], stdout=subprocess.PIPE
        )

    def __enter__(self) -> Beside:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()

    def result(self) -> Churn:
        """Wait for its end. Raises RuntimeError when nothing came of it."""
        told, _ = self._process.communicate()
        if self._process.returncode:
            raise RuntimeError("the run of callers who come and go failed; see above")
        return msgspec.json.decode(told, type=Churn)


def main(arguments: Sequence[str]) -> int:
    """`python -m bench.churn MINUTES`: the result as JSON."""
    parent = os.getppid()

    def say(line: str) -> None:
        if os.getppid() != parent:
            raise SystemExit("nobody waits for this any more")
        print(line, file=sys.stderr, flush=True)

    server_core, client_core = cores()
    core = server_core if client_core is None else client_core
    behind_everybody()
    with contextlib.suppress(KeyboardInterrupt), served("scripted", core, ENGINE) as server, on_core(core):
        found = measure_churn(server, float(arguments[0]), say)
        sys.stdout.buffer.write(msgspec.json.encode(found))
        return 0
    return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
