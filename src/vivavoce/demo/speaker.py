"""The caller's loudspeaker: plays the agent's audio at the speed of sound, so that "heard" means heard.

A socket's server sends ahead of real time; only the client knows what has left the loudspeaker. This one also records
its own output: that is the right channel of the recording, cut where the caller cut in.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from vivavoce.demo.sound import RATE_HZ, bytes_of, milliseconds_of


@dataclass(slots=True)
class Clause:
    """Words that arrived together, and the byte of the item's audio at which they begin."""

    text: str
    start: int


@dataclass(slots=True)
class Stretch:
    """Audio of an item that was played without a gap: byte in the item, byte in the channel, length."""

    item_start: int
    channel_start: int
    size: int


@dataclass(slots=True)
class Track:
    """One item of the agent: what arrived of it and what was played."""

    item_id: str
    response_id: str
    pcm: bytearray = field(default_factory=bytearray)
    played: int = 0
    clauses: list[Clause] = field(default_factory=list)
    stretches: list[Stretch] = field(default_factory=list)
    cut: bool = False

    @property
    def text(self) -> str:
        """All words that arrived."""
        return "".join(clause.text for clause in self.clauses)

    @property
    def started(self) -> bool:
        """Whether anything of it was heard."""
        return bool(self.stretches)

    @property
    def start_ms(self) -> int:
        """When its first sample was played; 0 before that."""
        return milliseconds_of(self.stretches[0].channel_start) if self.stretches else 0

    @property
    def end_ms(self) -> int:
        """When its last sample so far was played."""
        last = self.stretches[-1] if self.stretches else None
        return milliseconds_of(last.channel_start + last.size) if last else 0

    @property
    def heard_ms(self) -> int:
        """How much of it was played."""
        return milliseconds_of(self.played)

    @property
    def sent_ms(self) -> int:
        """How much of it arrived."""
        return milliseconds_of(len(self.pcm))

    def moment_of(self, at: int) -> int:
        """When the byte `at` of the item was, or would have been, played, in milliseconds of the call."""
        for stretch in self.stretches:
            if at < stretch.item_start + stretch.size:
                return milliseconds_of(stretch.channel_start + max(0, at - stretch.item_start))
        return self.end_ms + milliseconds_of(max(0, at - self.played))


class Speaker:
    """Plays items one after the other. `advance` is the passing of time."""

    def __init__(self) -> None:
        self.recorded = bytearray()
        """PCM16 at RATE_HZ from the beginning of the call."""
        self.tracks: dict[str, Track] = {}
        """Every item by its id, in the order they began to arrive."""
        self._queue: deque[Track] = deque()

    @property
    def drained(self) -> bool:
        """Nothing that has arrived is still to be played."""
        return not self._queue

    @property
    def playing(self) -> Track | None:
        """The item that is being played."""
        return self._queue[0] if self._queue else None

    def announce(self, item_id: str, response_id: str) -> Track:
        """The item that words or sound are about to arrive for."""
        if item_id not in self.tracks:
            self.tracks[item_id] = Track(item_id, response_id)
        return self.tracks[item_id]

    def take_words(self, track: Track, text: str) -> None:
        """Words of the item; their sound follows."""
        if not track.cut:
            track.clauses.append(Clause(text, len(track.pcm)))

    def take_sound(self, track: Track, pcm: bytes) -> None:
        """Sound of the item. What still comes for an item that was cut is dropped, as a real player must."""
        if track.cut:
            return
        track.pcm += pcm
        if track not in self._queue:
            self._queue.append(track)

    def advance(self, to_ms: int) -> None:
        """Play up to this moment of the call; silence where nothing is there to play."""
        wanted = bytes_of(to_ms) - len(self.recorded)
        while wanted > 0 and self._queue:
            track = self._queue[0]
            size = min(wanted, len(track.pcm) - track.played)
            self._note(track, size)
            self.recorded += track.pcm[track.played : track.played + size]
            track.played += size
            wanted -= size
            if track.played == len(track.pcm):
                self._queue.popleft()
        self.recorded += bytes(max(0, wanted))

    def flush(self) -> list[Track]:
        """Stop at once. Returns the items that were not played to their end, the one that was sounding first."""
        cut = list(self._queue)
        for track in cut:
            track.cut = True
        self._queue.clear()
        return cut

    def _note(self, track: Track, size: int) -> None:
        last = track.stretches[-1] if track.stretches else None
        if last is not None and last.channel_start + last.size == len(self.recorded):
            last.size += size
        else:
            track.stretches.append(Stretch(track.played, len(self.recorded), size))


assert RATE_HZ % 1000 == 0, "positions in milliseconds are whole samples"
