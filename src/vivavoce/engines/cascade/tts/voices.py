"""Which voice speaks when a session asks for one by name: the only place where voices are mapped."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FliteVoice:
    """voice: flite's short name. pitch: factor on its fundamental frequency, which rms does not follow.

    size: above 1 a smaller speaker with a higher voice, below 1 a bigger one; the tempo stays.
    """

    voice: str
    pitch: float = 1.0
    size: float = 1.0


@dataclass(frozen=True, slots=True)
class VoiceChoice:
    """What stands for one name: a flite voice, and for other languages one of espeak-ng's speakers ("f2", "m3", ...)."""

    flite: FliteVoice
    espeak_speaker: str


DEFAULT_VOICE = "alloy"

VOICES: dict[str, VoiceChoice] = {
    "alloy": VoiceChoice(FliteVoice("slt"), "f2"),
    "ash": VoiceChoice(FliteVoice("rms"), "m3"),
    "ballad": VoiceChoice(FliteVoice("awb"), "m1"),
    "cedar": VoiceChoice(FliteVoice("rms", size=0.94), "m7"),
    "coral": VoiceChoice(FliteVoice("slt", 1.08, 1.04), "f1"),
    "echo": VoiceChoice(FliteVoice("kal"), "m2"),
    "fable": VoiceChoice(FliteVoice("awb", 1.08, 1.04), "m4"),
    "marin": VoiceChoice(FliteVoice("slt", 0.94, 0.97), "f4"),
    "nova": VoiceChoice(FliteVoice("slt", 1.1, 1.08), "f5"),
    "onyx": VoiceChoice(FliteVoice("rms", size=0.88), "m5"),
    "sage": VoiceChoice(FliteVoice("slt", 0.86), "f3"),
    "shimmer": VoiceChoice(FliteVoice("slt", 1.14), "f2"),
    "verse": VoiceChoice(FliteVoice("rms", size=1.08), "m6"),
    # flite's own names, for those who know them.
    "slt": VoiceChoice(FliteVoice("slt"), "f2"),
    "rms": VoiceChoice(FliteVoice("rms"), "m3"),
    "awb": VoiceChoice(FliteVoice("awb"), "m1"),
    "kal": VoiceChoice(FliteVoice("kal"), "m2"),
}
"""The API's voice names. The sounds are this project's own; only the names are shared."""


def choose(name: str) -> VoiceChoice:
    """The voice of that name in any case, the default for a name nobody knows."""
    return VOICES.get(name.strip().lower(), VOICES[DEFAULT_VOICE])
