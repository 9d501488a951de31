"""The embedded models, one caller: how soon the first sound follows the end of a turn, with and without speculation."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass

from bench.caller import Pattern, Turn
from bench.figures import middle, percentile
from bench.place import cores, served
from bench.sound import RATE_HZ, silence
from bench.trial import Conditions, Spell, Trial, attempt
from vivavoce.call.ports import Speech
from vivavoce.protocol.errors import EngineError

HESITATION = "..."
SENTENCES = (
    "hello",
    "yes please",
    "could you please tell me ... who you are",
    "no thank you",
    "good morning",
    "i would like to know ... what you can do",
)
"""Said in turn; at a hesitation the caller is silent long enough for an answer to be prepared, and then goes on."""
_LISTENS_MS = 2200


@dataclass(frozen=True)
class Setting:
    """A silence window, the pause at which an answer is prepared (0: never), and how long callers hesitate; milliseconds.

    What voice activity sees of a hesitation is some 40 ms shorter than it is.
    """

    silence_ms: int
    soft_pause_ms: int
    hesitation_ms: int


SETTINGS = (Setting(500, 200, 320), Setting(500, 0, 320), Setting(200, 100, 60), Setting(200, 0, 60))


@dataclass(frozen=True)
class Outcome:
    """One setting's run. `cpu_s`: of the server and its workers, per turn."""

    setting: Setting
    trial: Trial

    @property
    def turns(self) -> list[Turn]:
        """Answered turns."""
        return [turn for report in self.trial.reports for turn in report.turns if turn.answered]

    def first_audio(self, percent: float) -> float:
        """First audio behind the chunk that completes the window, ms."""
        return percentile([turn.added_ms for turn in self.turns if turn.completed_s], percent)

    @property
    def cpu_s(self) -> float:
        """CPU of server and workers per turn."""
        pairs = zip(self.trial.usages, self.trial.reports, strict=True)
        return middle([usage.server_s / max(1, len(report.turns)) for usage, report in pairs])

    @property
    def adopted(self) -> int:
        """Turns answered with what had been prepared."""
        return sum(_prepared(turn, "adopted") for turn in self.turns)

    @property
    def discarded(self) -> int:
        """Answers prepared in vain."""
        return sum(_prepared(turn, "discarded") for turn in self.turns)

    @property
    def discarded_share(self) -> float:
        """Of all that were prepared; NaN when none was."""
        prepared = self.adopted + self.discarded
        return self.discarded / prepared if prepared else math.nan

    def stage(self, name: str, since: str) -> float:
        """Median milliseconds between two stages of the server's turn clock."""
        clocks = [_clock(turn) for turn in self.turns]
        return middle([clock[name] - clock[since] for clock in clocks if name in clock and since in clock])


def _prepared(turn: Turn, what: str) -> int:
    told = turn.extra.get("prepared")
    return int(told.get(what, 0)) if isinstance(told, dict) else 0


def _clock(turn: Turn) -> dict[str, int]:
    clock = turn.extra.get("clock")
    return clock if isinstance(clock, dict) else {}


def measure(settings: Sequence[Setting], spell: Spell, conditions: Conditions) -> list[Outcome]:
    """Every setting. Raises EngineError or RuntimeError when the models or the voice are not there."""
    spoken = asyncio.run(_say(SENTENCES))
    return [Outcome(setting, _measure(setting, spoken, spell, conditions)) for setting in settings]


def _measure(
    setting: Setting, spoken: Sequence[Sequence[bytes]], spell: Spell, conditions: Conditions
) -> Trial:
    variables = {"VIVAVOCE_SESSION__SOFT_PAUSE_MS": str(setting.soft_pause_ms)}
    hesitation = silence(setting.hesitation_ms)
    pattern = Pattern(
        tuple(hesitation.join(parts) for parts in spoken),
        silence_ms=setting.silence_ms,
        listens_ms=_LISTENS_MS,
        end_of_turn="reported",
    )
    with served("cascade", cores()[0], variables, conditions.first) as server:
        return attempt(server, 1, pattern, spell, conditions, 1)


async def _say(sentences: Sequence[str]) -> list[list[bytes]]:
    """The sentences as this project's own voice says them, cut where somebody hesitates."""
    try:
        from vivavoce.engines.cascade.tts import open_synthesizer
    except ImportError as missing:
        raise EngineError("tts", str(missing)) from missing
    synthesizer = open_synthesizer()
    await synthesizer.start()
    try:
        said = []
        for sentence in sentences:
            parts = []
            for part in sentence.split(HESITATION):
                speech = Speech(part.strip(), "ash", 1.0, RATE_HZ)
                parts.append(b"".join([spoken.clip.pcm async for spoken in synthesizer.speak(speech)]))
            said.append(parts)
        return said
    finally:
        await synthesizer.close()
