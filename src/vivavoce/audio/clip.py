"""Audio as the session knows it: a length, and bytes it never looks into."""

from __future__ import annotations

import msgspec

TICKS_PER_SECOND = 48_000
"""Media positions are counted in ticks of 1/48000 s: 8, 16, 24 and 48 kHz all divide it, so no position is ever rounded."""

TICKS_PER_MS = TICKS_PER_SECOND // 1000


def ticks_to_ms(ticks: int) -> int:
    """Whole milliseconds in `ticks`, rounded down."""
    return ticks // TICKS_PER_MS


def ms_to_ticks(milliseconds: int) -> int:
    """Ticks in `milliseconds`."""
    return milliseconds * TICKS_PER_MS


# Frozen structs without garbage collection: hundreds of calls hold tens of thousands of these, and a collector that walks them all
# stops every call for longer than a frame lasts (docs/adr/0015-measuring.md).
class Clip(msgspec.Struct, frozen=True, gc=False):
    """A stretch of mono audio: signed 16-bit little-endian samples at `rate_hz` (8000, 16000, 24000 or 48000)."""

    pcm: bytes
    rate_hz: int

    @property
    def samples(self) -> int:
        """Length in samples."""
        return len(self.pcm) // 2

    @property
    def ticks(self) -> int:
        """Length in ticks of 1/48000 s."""
        return len(self.pcm) // 2 * (TICKS_PER_SECOND // self.rate_hz)

    def cut(self, start: int, end: int) -> Clip:
        """The part between two positions in ticks, counted from the clip's start, rounded down to whole samples."""
        step = TICKS_PER_SECOND // self.rate_hz
        if start <= 0 and end >= self.ticks:
            return self
        return Clip(self.pcm[max(0, start) // step * 2 : max(0, end) // step * 2], self.rate_hz)


class Frame(msgspec.Struct, frozen=True, gc=False):
    """A clip with its place on a media clock: `start` is the position of its first sample, in ticks."""

    start: int
    clip: Clip

    @property
    def end(self) -> int:
        """Position just behind the last sample, in ticks."""
        return self.start + self.clip.ticks
