"""Turn detection: the model gives probabilities, the policy is here.

The machine is a table (`TRANSITIONS`). Speech start, stop and silence count media time (house law 6), so a client that sends
faster than real time is judged exactly as one that does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from vivavoce.audio.clip import ms_to_ticks
from vivavoce.protocol.session_objects import SemanticVad, ServerVad

State = Literal["quiet", "speaking", "pausing"]
Input = Literal["voice", "pause", "silence", "reset"]

TRANSITIONS: dict[tuple[State, Input], State] = {
    ("quiet", "voice"): "speaking",
    ("speaking", "voice"): "speaking",
    ("speaking", "pause"): "pausing",
    ("speaking", "silence"): "quiet",
    ("pausing", "voice"): "speaking",
    ("pausing", "silence"): "quiet",
    ("quiet", "reset"): "quiet",
    ("speaking", "reset"): "quiet",
    ("pausing", "reset"): "quiet",
}
"""What is not here does not happen: silence in `quiet` and a second pause are no inputs at all."""

HYSTERESIS = 0.15
"""Speech goes on until the probability falls this far below the threshold, so that a wavering voice is not cut."""

SEMANTIC_SILENCE_MS = {"low": 1600, "medium": 800, "high": 500, "auto": 800}
"""Where an engine cannot judge whether a turn is complete, eagerness is a silence window (docs/adr/0018)."""

JUDGED_AFTER_MS = 200
"""The pause after which the engine is asked, where no other soft pause is set: most pauses between words are shorter."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long silence may last before the turn is over: from a complete turn's to the longest wait, both in milliseconds."""

    shortest_ms: int
    longest_ms: int

    def silence(self, completeness: float) -> int:
        """Ticks of silence that end a turn that is complete with this probability (0..1).

        The square keeps the wait near its shortest while a turn is probably complete: half a chance costs a quarter of the range.
        """
        doubt = (1.0 - completeness) ** 2
        return ms_to_ticks(self.shortest_ms + int((self.longest_ms - self.shortest_ms) * doubt))


PATIENCE = {
    "low": Patience(600, 8000),
    "medium": Patience(400, 4000),
    "high": Patience(250, 2000),
    "auto": Patience(400, 4000),
}
"""By eagerness; the longest waits are the protocol's (protocol reference 3.3)."""


class Turn(Enum):
    """What a probability can bring about."""

    STARTED = "started"
    PAUSED = "paused"
    RESUMED = "resumed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Policy:
    """Turn detection in ticks and probabilities, out of the session's `turn_detection`."""

    threshold: float
    prefix: int
    silence: int
    soft_pause: int
    patience: Patience | None = None

    @staticmethod
    def of(detection: ServerVad | SemanticVad, soft_pause_ms: int, *, judged: bool = False) -> Policy:
        """Read the wire object; a soft pause is only of use when it is shorter than the silence that ends the turn.

        judged: the engine says how complete a turn sounds. Until it has said so, a semantic turn waits as long as it may.
        """
        if isinstance(detection, ServerVad):
            threshold, prefix, silence = (
                detection.threshold,
                ms_to_ticks(detection.prefix_padding_ms),
                ms_to_ticks(detection.silence_duration_ms),
            )
            return Policy(threshold, prefix, silence, ms_to_ticks(soft_pause_ms))
        prefix = ms_to_ticks(300)
        if not judged:
            silence = ms_to_ticks(SEMANTIC_SILENCE_MS[detection.eagerness])
            return Policy(0.5, prefix, silence, ms_to_ticks(soft_pause_ms))
        patience = PATIENCE[detection.eagerness]
        soft_pause = ms_to_ticks(soft_pause_ms or JUDGED_AFTER_MS)
        return Policy(0.5, prefix, ms_to_ticks(patience.longest_ms), soft_pause, patience)


class TurnDetector:
    """Decides when the caller's turn starts, pauses, goes on and stops."""

    def __init__(self, policy: Policy) -> None:
        self.state: State = "quiet"
        self.policy = policy
        self.started_at = 0
        """Media position of the first voice of the turn, before padding."""
        self.voiced_until = 0
        """Media position behind the last voice."""
        self.completeness: float | None = None
        """How complete the turn sounded at the pause that lasts; None until the engine has said so."""
        self._judged = 0

    def judge(self, at: int, p: float) -> Turn | None:
        """Take in one window of audio that ends at `at`."""
        window_start, self._judged = self._judged, at
        bar = self.policy.threshold if self.state == "quiet" else self.policy.threshold - HYSTERESIS
        if p >= max(bar, 0.01):
            return self._voice(window_start, at)
        if self.state == "quiet":
            return None
        silence = at - self.voiced_until
        if silence >= self._enough_silence():
            return self._step("silence")
        if self.state == "speaking" and silence >= self.policy.soft_pause:
            return self._step("pause")
        return None

    def give_up(self) -> Turn | None:
        """The longest wait is over, whether or not audio still comes."""
        return self._step("silence") if self.state != "quiet" else None

    def reset(self) -> None:
        """The buffer was cleared or committed by hand: whatever was being said is over."""
        self._step("reset")

    def _voice(self, window_start: int, at: int) -> Turn | None:
        if self.state == "quiet":
            self.started_at = window_start
        self.voiced_until = at
        self.completeness = None
        return self._step("voice")

    def _enough_silence(self) -> int:
        patience = self.policy.patience
        if patience is None or self.completeness is None:
            return self.policy.silence
        return patience.silence(self.completeness)

    def _step(self, event: Input) -> Turn | None:
        before, self.state = self.state, TRANSITIONS[self.state, event]
        match before, event:
            case "quiet", "voice":
                return Turn.STARTED
            case "pausing", "voice":
                return Turn.RESUMED
            case _, "pause":
                return Turn.PAUSED
            case _, "silence":
                return Turn.STOPPED
        return None
