"""What a call came to, for the line at its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median


@dataclass(slots=True)
class Tally:
    """Counts of the call. `latencies_ms`: from the end of each turn to the first sound or word of the answer."""

    turns: int = 0
    answered: int = 0
    tools: int = 0
    cut: int = 0
    failed: int = 0
    problems: int = 0
    latencies_ms: list[int] = field(default_factory=list)

    def line(self, duration_s: float) -> str:
        """In one line."""
        parts = [f"{duration_s:.0f} s", _count(self.turns, "turn")]
        if self.tools:
            parts.append(_count(self.tools, "tool call"))
        if self.cut:
            parts.append(_count(self.cut, "answer") + " cut off")
        if self.failed:
            parts.append(f"{self.failed} failed")
        if self.latencies_ms:
            parts.append(f"answered after {median(self.latencies_ms):.0f} ms (median)")
        return "call ended: " + ", ".join(parts)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
