"""What the agent says, on its way to the ear: plays items one after the other and knows what was heard of each.

A socket's server sends ahead of real time. When the caller interrupts, only the player knows how much of an item has left it,
and `conversation.item.truncate` must say exactly that (protocol reference 4.8).
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field

from vivavoce.audio.resample import Resampler

RATE_HZ = 24_000


@dataclass(frozen=True, slots=True)
class Heard:
    """An item that was stopped before its end, and how much of it was played."""

    item_id: str
    content_index: int
    heard_ms: int


@dataclass(slots=True)
class Track:
    """One content part: `waiting` is not played yet; `complete` once nothing more will come."""

    item_id: str
    content_index: int
    resampler: Resampler
    waiting: bytearray = field(default_factory=bytearray)
    played: int = 0
    complete: bool = False

    @property
    def over(self) -> bool:
        """Everything there will ever be was played."""
        return self.complete and not self.waiting


class Loudspeaker:
    """PCM16 at 24 kHz in, PCM16 at the device's rate out. The device's thread pulls, the event loop does the rest."""

    def __init__(self, rate_hz: int = RATE_HZ) -> None:
        self.rate_hz = rate_hz
        self._tracks: deque[Track] = deque()
        self._lock = threading.Lock()

    @property
    def playing(self) -> bool:
        """Something that has arrived is still to be played."""
        with self._lock:
            return any(track.waiting for track in self._tracks)

    def take(self, item_id: str, content_index: int, pcm: bytes) -> None:
        """More of an item's sound."""
        with self._lock:
            track = self._tracks[-1] if self._tracks else None
            if track is None or (track.item_id, track.content_index) != (item_id, content_index):
                track = Track(item_id, content_index, Resampler(RATE_HZ, self.rate_hz))
                self._tracks.append(track)
            track.waiting += track.resampler.push(pcm)

    def complete(self, item_id: str) -> None:
        """No more sound will come for an item; until then a pause in it is a pause, not its end."""
        with self._lock:
            for track in self._tracks:
                if track.item_id == item_id and not track.complete:
                    track.waiting += track.resampler.flush()
                    track.complete = True
            self._drop_ended()

    def pull(self, samples: int) -> bytes:
        """The next sound for the device, exactly so many samples; silence where there is nothing to play.

        What was handed out counts as heard: the device will play it, nothing takes it back.
        """
        wanted, out = 2 * samples, bytearray()
        with self._lock:
            while self._tracks and len(out) < wanted:
                track = self._tracks[0]
                piece = track.waiting[: wanted - len(out)]
                del track.waiting[: len(piece)]
                track.played += len(piece) // 2
                out += piece
                if not track.over:
                    break
                self._tracks.popleft()
        return bytes(out.ljust(wanted, b"\0"))

    def stop(self) -> list[Heard]:
        """Silence at once. Tells what was heard of every item that had not come to its end."""
        with self._lock:
            cut = [
                Heard(track.item_id, track.content_index, track.played * 1000 // self.rate_hz)
                for track in self._tracks
            ]
            self._tracks.clear()
        return cut

    def _drop_ended(self) -> None:
        while self._tracks and self._tracks[0].over:
            self._tracks.popleft()
