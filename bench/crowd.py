"""Callers before a full server: refused, and back after a moment, for as long as they are let.

A process of its own (`python -m bench.crowd URL CALLERS EVERY_S PHASE_S`), so that it takes nothing from the clock of those who are
inside. It comes and goes in phases, which lets the same sessions be measured with and without it.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bench.wire import Refused, WireError, connect


@dataclass(frozen=True)
class Outcome:
    """What the crowd met with. `clean`: refusals with 429 or 503, an error in the API's shape and Retry-After."""

    began_s: float
    phase_s: float
    tried: int
    clean: int
    others: dict[str, int]

    def is_there(self, at_s: float) -> bool:
        """Whether the crowd was before the door at a moment of this machine's clock (`time.perf_counter`)."""
        return at_s >= self.began_s and int((at_s - self.began_s) / self.phase_s) % 2 == 1


class Crowd:
    """Begins with the block. First a phase without anybody, then one with the crowd, and so on."""

    def __init__(self, url: str, callers: int, every_s: float, phase_s: float) -> None:
        given = (url, str(callers), str(every_s), str(phase_s))
        self._phase_s = phase_s
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.crowd", *given],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Crowd:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()

    def began(self) -> None:
        """Wait until it is ready; its first phase begins now."""
        assert self._process.stdout is not None
        self._began_s = float(self._process.stdout.readline())

    def over(self) -> Outcome:
        """Send it home."""
        told, _ = self._process.communicate()
        return Outcome(self._began_s, self._phase_s, **json.loads(told))


def besiege(url: str, callers: int, every_s: float, phase_s: float) -> dict[str, object]:
    """Until standard input is closed: in every other phase each of the callers tries once in `every_s`, one after the other."""
    tried = clean = 0
    others: Counter[str] = Counter()
    gap_s = every_s / callers
    begun_s = time.perf_counter()
    print(begun_s, flush=True)
    due_s = begun_s + phase_s
    while True:
        left_s = due_s - time.perf_counter()
        if select.select([sys.stdin], [], [], max(0.0, left_s))[0]:
            return {"tried": tried, "clean": clean, "others": others}
        tried += 1
        try:
            connection, _ = connect(url, {})
            connection.close()
            others["let in"] += 1
        except Refused as refused:
            if refused.clean:
                clean += 1
            else:
                others[str(refused)] += 1
        except (WireError, OSError) as error:
            others[str(error)] += 1
        due_s += gap_s
        if int((due_s - begun_s) / phase_s) % 2 == 0:
            due_s = begun_s + (int((due_s - begun_s) / phase_s) + 1) * phase_s


def main(arguments: Sequence[str]) -> int:
    """The process."""
    url, callers, every_s, phase_s = arguments
    # On the client's core, and never before the client itself: what it takes there would be measured as the server's.
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    with contextlib.suppress(KeyboardInterrupt):
        print(json.dumps(besiege(url, int(callers), float(every_s), float(phase_s))))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
