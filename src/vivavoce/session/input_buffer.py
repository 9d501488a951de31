"""The input audio buffer: a media clock, and the audio that may still become an item."""

from __future__ import annotations

from collections import deque

from vivavoce.audio.clip import Clip, Frame, ms_to_ticks

MINIMUM_COMMIT_MS = 100
"""A commit of less is refused (protocol reference 4.4)."""


class InputBuffer:
    """Positions count audio written since the session began, not wall time (protocol reference 4.3)."""

    def __init__(self, cap_s: int) -> None:
        self.position = 0
        self._frames: deque[Frame] = deque()
        self._open_from = 0
        self._cap = ms_to_ticks(cap_s * 1000)

    def append(self, clip: Clip) -> Frame:
        """Write audio; returns it with its place on the media clock."""
        frame = Frame(self.position, clip)
        self.position = frame.end
        self._frames.append(frame)
        # Manual mode has no turn detector to trim the buffer; oldest first, as everywhere (house law 7).
        self.trim(self.position - self._cap)
        return frame

    @property
    def open_from(self) -> int:
        """Where the audio begins that no item holds yet."""
        return self._open_from

    @property
    def buffered(self) -> int:
        """Ticks written since the last commit or clear."""
        return self.position - self._open_from

    def trim(self, before: int) -> None:
        """Let go of frames that end at or before a position."""
        while self._frames and self._frames[0].end <= before:
            self._frames.popleft()

    def since(self, start: int) -> tuple[Frame, ...]:
        """What is held from a position on; the first frame is cut to fit."""
        frames = [frame for frame in self._frames if frame.end > start]
        if frames and frames[0].start < start:
            first = frames[0]
            frames[0] = Frame(start, first.clip.cut(start - first.start, first.clip.ticks))
        return tuple(frames)

    def commit(self, start: int) -> tuple[Frame, ...]:
        """Everything from `start` on leaves the buffer and is an item's audio now."""
        frames = self.since(start)
        self.clear()
        return frames

    def clear(self) -> None:
        """Everything held is let go; the media clock runs on."""
        self._frames.clear()
        self._open_from = self.position
