"""The audio of a call's items: bytes kept only so that a client can ask for them back, within caps."""

from __future__ import annotations

from collections.abc import Iterable

from vivavoce.audio.clip import TICKS_PER_SECOND, Clip


class ItemAudio:
    """Audio by item id. Beyond `item_s` seconds an item keeps only its beginning; beyond `call_bytes` the oldest item loses its
    audio first. Lengths are remembered either way, since tokens are counted by them."""

    def __init__(self, item_s: int, call_bytes: int) -> None:
        self._item_ticks = item_s * TICKS_PER_SECOND
        self._call_bytes = call_bytes
        self._clips: dict[str, list[Clip]] = {}
        self._ticks: dict[str, int] = {}
        self._bytes = 0

    def add(self, item_id: str, clips: Iterable[Clip]) -> None:
        """Append audio to an item."""
        kept = self._clips.setdefault(item_id, [])
        for clip in clips:
            length = self._ticks.get(item_id, 0)
            self._ticks[item_id] = length + clip.ticks
            if length < self._item_ticks:
                kept.append(clip)
                self._bytes += len(clip.pcm)
        self._shed(item_id)

    def measure(self, item_id: str, ticks: int) -> None:
        """Remember the length of audio that nobody can ask back."""
        self._ticks[item_id] = ticks

    def ticks(self, item_id: str) -> int:
        """Length of the item's audio in ticks, whether or not its bytes are still held."""
        return self._ticks.get(item_id, 0)

    def recall(self, item_id: str) -> Clip | None:
        """The item's audio as one clip, or None when it was never there, was dropped, is no longer whole, or changed its rate."""
        clips = self._clips.get(item_id)
        if not clips or sum(clip.ticks for clip in clips) < self._ticks[item_id]:
            return None
        if any(clip.rate_hz != clips[0].rate_hz for clip in clips):
            return None
        return Clip(b"".join(clip.pcm for clip in clips), clips[0].rate_hz)

    def cut(self, item_id: str, ticks: int) -> None:
        """Forget everything behind a position."""
        whole = self.recall(item_id)
        self.drop(item_id)
        if whole is not None:
            self.add(item_id, [whole.cut(0, ticks)])
        else:
            self._ticks[item_id] = ticks

    def drop(self, item_id: str) -> None:
        """Forget an item."""
        self._bytes -= sum(len(clip.pcm) for clip in self._clips.pop(item_id, []))
        self._ticks.pop(item_id, None)

    def _shed(self, newest: str) -> None:
        while self._bytes > self._call_bytes and self._clips:
            oldest = next(iter(self._clips))
            self._bytes -= sum(len(clip.pcm) for clip in self._clips.pop(oldest))
            if oldest == newest:
                return
