"""Transcripts with times, as SubRip and WebVTT."""

from __future__ import annotations

from collections.abc import Sequence

from vivavoce.server.rest.transcript import Segment


def srt(heard: Sequence[Segment]) -> str:
    """SubRip: numbered, comma before the milliseconds."""
    return "".join(
        f"{number}\n{_clock(one.stretch.start_ms, ',')} --> {_clock(one.stretch.end_ms, ',')}\n{one.text}\n\n"
        for number, one in enumerate(heard, 1)
    )


def vtt(heard: Sequence[Segment]) -> str:
    """WebVTT."""
    return "WEBVTT\n\n" + "".join(
        f"{_clock(one.stretch.start_ms, '.')} --> {_clock(one.stretch.end_ms, '.')}\n{one.text}\n\n"
        for one in heard
    )


def _clock(ms: int, point: str) -> str:
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}{point}{ms % 1000:03}"
