"""The turn clock: when each stage of a turn was reached, in milliseconds of the call's clock."""

from __future__ import annotations

from typing import Any, Literal

Stage = Literal[
    "speech_end",
    "vad_stop",
    "stt_final",
    "created",
    "llm_first_token",
    "first_clause",
    "tts_first_byte",
    "first_audio",
    "done",
]


class TurnClock:
    """First times only: a stage that comes again does not move. Shown in `response.done` as `vivavoce.clock`."""

    def __init__(self) -> None:
        self.at_ms: dict[str, int] = {}
        self.adopted = False
        """The answer had been prepared at a soft pause, and held."""
        self.discarded = 0
        """Answers that were prepared for this turn and thrown away."""

    def mark(self, stage: Stage, now_ms: int) -> None:
        """The stage was reached."""
        self.at_ms.setdefault(stage, now_ms)

    def discard(self) -> None:
        """What was prepared is thrown away; its times are not this turn's."""
        self.discarded += 1
        for stage in ("llm_first_token", "first_clause", "tts_first_byte"):
            self.at_ms.pop(stage, None)

    def shown(self) -> dict[str, Any]:
        """All stages relative to the end of speech (to the response's creation where nobody spoke), and what speculation did."""
        origin = self.at_ms.get("speech_end", self.at_ms.get("created", 0))
        stages = {stage: at - origin for stage, at in self.at_ms.items()}
        return {"clock": stages, "prepared": {"adopted": self.adopted, "discarded": self.discarded}}
