"""Cutting long clips, so that nobody holds the loop for long."""

from __future__ import annotations

from collections.abc import Iterator

from vivavoce.audio.clip import Clip


def split(clip: Clip, max_ms: int = 100) -> Iterator[Clip]:
    """`clip` in pieces of at most `max_ms`, in order, nothing lost; an empty clip gives none."""
    size = 2 * (clip.rate_hz * max_ms // 1000)
    if len(clip.pcm) <= size:
        if clip.pcm:
            yield clip
        return
    for start in range(0, len(clip.pcm), size):
        yield Clip(clip.pcm[start : start + size], clip.rate_hz)
