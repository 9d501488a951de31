"""Whether a process that does not answer is stuck, or only starved by a busy machine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

LONGEST_WAITS = 10
"""After so many limits a worker is given up whatever it seems to be doing."""


@dataclass(frozen=True, slots=True)
class VitalSigns:
    """cpu_ms: processor time used so far. asleep: it waits for something instead of wanting to run."""

    cpu_ms: int
    asleep: bool


def vital_signs(pid: int) -> VitalSigns | None:
    """Read from /proc. None where there is none (macOS), or no such process."""
    try:
        # The name stands in brackets and may hold blanks and brackets itself.
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])
        return VitalSigns(ticks * 1000 // os.sysconf("SC_CLK_TCK"), fields[0] == "S")
    except (OSError, ValueError, IndexError):
        return None


class Patience:
    """Judges a worker that was told to leave its job, once every `limit_ms` of the clock.

    What counts is what it did with the time: one that slept through, or that was given a whole limit of processor time and
    still did not look up, is stuck. One that got no processor time is on a slow machine, and killing it would cost that
    machine another start.
    """

    def __init__(self, pid: int, limit_ms: int) -> None:
        self._pid = pid
        self._limit_ms = limit_ms
        self._waits = 0
        self._first: VitalSigns | None = None

    def is_over(self) -> bool:
        """A limit has passed: whether to give up."""
        self._waits += 1
        now = vital_signs(self._pid)
        if now is None or self._waits >= LONGEST_WAITS:
            return True
        before, self._first = self._first, self._first or now
        if before is None:
            return False
        # A whole tick of the kernel's account may be missing on either side.
        return now.asleep or now.cpu_ms - before.cpu_ms >= max(20, self._limit_ms)
