"""Preambles: a tool call must never mean dead air.

One sentence, never a guess at the result, and in other words each time. The session says them only where the model said
nothing itself, and only where a session asked for them (`session.vivavoce.preambles`).
"""

from __future__ import annotations

from msgspec import UNSET

from vivavoce.protocol.session_objects import Preambles, VivavoceExtension

DEFAULT_REPEAT_AFTER_MS = 4000
DEFAULT_PHRASES = (
    "Let me check that for you.",
    "One moment, please.",
    "I am still working on it.",
    "Thank you for waiting, this takes a little longer.",
    "Almost there, just a moment.",
)


class PreambleWords:
    """Hands out phrases in turn, so that no two in a row are alike."""

    def __init__(self) -> None:
        self._spoken = 0

    def next(self, wanted: Preambles | str) -> str:
        """The next phrase."""
        phrases = wanted.phrases if isinstance(wanted, Preambles) else DEFAULT_PHRASES
        phrase = phrases[self._spoken % len(phrases)]
        self._spoken += 1
        return phrase


def wanted_preambles(extension: object) -> Preambles | str | None:
    """What the session asked for: its own phrases, "auto" for ours, None for none."""
    return extension.preambles if isinstance(extension, VivavoceExtension) else None


def repeat_after_ms(wanted: Preambles | str) -> int:
    """How long the caller may wait in silence before the next one."""
    if isinstance(wanted, Preambles) and wanted.repeat_after_ms is not UNSET:
        return int(wanted.repeat_after_ms)
    return DEFAULT_REPEAT_AFTER_MS
