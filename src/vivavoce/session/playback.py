"""What was sent to the caller: per item, in media positions and in words."""

from __future__ import annotations

from dataclasses import dataclass, field

from vivavoce.audio.clip import TICKS_PER_MS, Clip
from vivavoce.session.item_audio import ItemAudio
from vivavoce.session.signals import Mark


@dataclass(slots=True)
class Track:
    """One item's audio on its way out."""

    text: str = ""
    sent: int = 0
    clause_text: int = 0
    clause_start: int = 0
    marks: list[Mark] = field(default_factory=list)
    finished: bool = False


class Playback:
    """Tells where in its words an item was when the caller stopped hearing it.

    The client plays, and only `conversation.item.truncate` says what was heard (docs/adr/0008).
    """

    def __init__(self, audio: ItemAudio) -> None:
        self.anything_sent = False
        """The assistant has been heard, so its voice is fixed (protocol reference 3.2)."""
        self._audio = audio
        self._tracks: dict[str, Track] = {}
        self._plays_until = 0

    def say(self, item_id: str, text: str) -> None:
        """A clause begins: its audio follows."""
        track = self._tracks.setdefault(item_id, Track())
        if track.finished:
            return
        track.clause_text, track.clause_start = len(track.text), track.sent
        track.text += text

    def play(self, item_id: str, clip: Clip, marks: tuple[Mark, ...], now_ms: int) -> None:
        """Audio of the current clause went out; marks count from the clause's first character and first sample."""
        self.anything_sent = True
        self._plays_until = max(self._plays_until, now_ms * TICKS_PER_MS) + clip.ticks
        track = self._tracks.setdefault(item_id, Track())
        if track.finished:
            return  # Truncated while it is still being said: what comes behind the cut is not part of it.
        self._audio.add(item_id, [clip])
        track.sent += clip.ticks
        track.marks += [(track.clause_text + chars, track.clause_start + at) for chars, at in marks]

    def lead_ms(self, now_ms: int) -> int:
        """How far what was sent reaches ahead of a caller who plays it without pause."""
        return max(0, self._plays_until // TICKS_PER_MS - now_ms)

    def flush(self) -> None:
        """The caller was interrupted: nothing that was sent is still going to be heard."""
        self._plays_until = 0

    def finish(self, item_id: str) -> None:
        """No more audio will come for the item."""
        track = self._tracks.get(item_id)
        if track is not None:
            track.finished = True

    def sent(self, item_id: str) -> int:
        """Ticks of the item that went out."""
        track = self._tracks.get(item_id)
        return track.sent if track else 0

    def words_until(self, item_id: str, position: int) -> str:
        """The words of the item that were wholly heard by a position."""
        track = self._tracks.get(item_id)
        if track is None:
            return ""
        if position >= track.sent and track.finished:
            return track.text
        if track.marks:
            chars = max((chars for chars, at in track.marks if at <= position), default=0)
        else:
            # An engine that speaks by itself gives no marks: words are spread evenly over the sound.
            chars = len(track.text) * position // track.sent if track.sent else 0
            chars = len(track.text[:chars].rpartition(" ")[0])
        # A number is one word with several marks in it: "21" was not heard while only "twenty" was.
        while 0 < chars < len(track.text) and _in_word(track.text[chars - 1 : chars + 1]):
            chars -= 1
        return track.text[:chars].rstrip()

    def cut(self, item_id: str, position: int) -> None:
        """The item ends here now."""
        track = self._tracks.get(item_id)
        if track is None:
            return
        track.text = self.words_until(item_id, position)
        track.sent = min(track.sent, position)
        track.finished = True
        self._audio.cut(item_id, position)

    def drop(self, item_id: str) -> None:
        """The item was deleted."""
        self._tracks.pop(item_id, None)
        self._audio.drop(item_id)


def _in_word(around: str) -> bool:
    """Whether the place between two characters is inside a word. Scripts without spaces mark every word by itself."""
    return around.isascii() and around.isalnum()
