"""The caller's microphone: a chunk every 20 ms, whether or not somebody speaks."""

from __future__ import annotations

from vivavoce.audio.clip import Clip
from vivavoce.demo.sound import RATE_HZ, bytes_of

CHUNK_MS = 20


class Microphone:
    """Hands out what is to be said in chunks, silence otherwise, and remembers all of it."""

    def __init__(self) -> None:
        self.recorded = bytearray()
        """PCM16 at RATE_HZ from the beginning of the call."""
        self._waiting = bytearray()

    @property
    def position_ms(self) -> int:
        """How much has been handed out."""
        return len(self.recorded) // 2 * 1000 // RATE_HZ

    def say(self, line: Clip) -> tuple[int, int]:
        """Start on a line with the next chunk. Returns when it begins and ends, in milliseconds of the call."""
        start_ms = (len(self.recorded) + len(self._waiting)) // 2 * 1000 // RATE_HZ
        self._waiting += line.pcm
        return start_ms, start_ms + line.samples * 1000 // RATE_HZ

    def next_chunk(self) -> bytes:
        """The next 20 ms."""
        size = bytes_of(CHUNK_MS)
        chunk = bytes(self._waiting[:size]).ljust(size, b"\0")
        del self._waiting[:size]
        self.recorded += chunk
        return chunk
