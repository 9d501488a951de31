"""Audio on its way up: its media clock, its format, and whether the upstream still has something in its buffer."""

from __future__ import annotations

from collections import deque

from vivavoce.audio.clip import TICKS_PER_MS, TICKS_PER_SECOND, Clip, Frame, ms_to_ticks
from vivavoce.audio.codec import AudioError, decode_audio
from vivavoce.call.machines import AnySession
from vivavoce.protocol import client_events as ce
from vivavoce.protocol.errors import ClientError
from vivavoce.session.effects import Hear
from vivavoce.session.outbox import Outbox
from vivavoce.session.upstream import Feed

LOOK_BACK_MS = 3000
"""How long what was sent up is kept while nobody is heard: the upstream tells of speech late, and from before it began."""


class Input:
    """One session's. `speaking`: the item being spoken, if the upstream hears somebody. `offset_ms`: where the upstream's own clock began on ours."""

    def __init__(self, outbox: Outbox, wire_format: str, kept_s: int) -> None:
        self.wire_format = wire_format
        self.speaking: str | None = None
        self.offset_ms = 0
        self._outbox = outbox
        self._position = 0
        self._uncommitted = 0
        """Ticks since the buffer was last emptied."""
        self._kept_ticks = kept_s * TICKS_PER_SECOND
        self._recent: deque[Frame] = deque()
        self._spoken: tuple[int, int | None] | None = None
        """Where speech began and ended, as the upstream hears it."""

    def read(self, event: ce.InputAudioBufferAppend) -> Clip:
        """The sound in an append event. Raises ClientError (param `audio`)."""
        try:
            return decode_audio(event.audio, self.wire_format)
        except AudioError as error:
            raise ClientError("invalid_value", str(error), "audio", event.event_id) from None

    def take(self, clip: Clip, config: AnySession) -> None:
        """Send it up, and keep the end of it for a while, in case it has to be said to another upstream once more."""
        if not clip.pcm:
            return
        frame = Frame(self._position, clip)
        self._outbox.put(Hear(frame))
        self._position += clip.ticks
        self._uncommitted += clip.ticks
        if self._kept_ticks:
            self._recent.append(frame)
            wanted = self._kept_ticks
            if self._spoken is None and config.audio.input.turn_detection is not None:
                wanted = min(wanted, ms_to_ticks(LOOK_BACK_MS))
            while self._recent[0].end <= self._position - wanted:
                self._recent.popleft()

    def hear_in(self, link: str, wire_format: str) -> None:
        """What comes from now on is in this format."""
        if wire_format != self.wire_format:
            self.wire_format = wire_format
            self._outbox.put(Feed(link, wire_format))

    def started(self, item_id: str, audio_start_ms: int) -> None:
        """The upstream hears somebody, from this place on its own clock."""
        self.speaking = item_id
        self._spoken = (ms_to_ticks(audio_start_ms + self.offset_ms), None)

    def stopped(self, audio_end_ms: int) -> None:
        """It hears nobody any more."""
        self.speaking = None
        if self._spoken is not None:
            self._spoken = (self._spoken[0], ms_to_ticks(audio_end_ms + self.offset_ms))

    def committed(self) -> list[Clip]:
        """The buffer has become an item: its sound, as far as it is kept."""
        start, end = self._spoken or (self._position - self._uncommitted, None)
        end = self._position if end is None else end
        start = max(start, end - self._kept_ticks)
        spoken = [frame for frame in self._recent if frame.end > start and frame.start < end]
        self.emptied()
        return [frame.clip.cut(start - frame.start, end - frame.start) for frame in spoken]

    def emptied(self) -> None:
        """The upstream's buffer is empty: committed, cleared, or gone with the upstream."""
        self.speaking, self._spoken, self._uncommitted = None, None, 0

    def begin_again(self) -> None:
        """Another upstream session counts from zero."""
        self.offset_ms = self._position // TICKS_PER_MS

    @property
    def in_a_turn(self) -> bool:
        """The upstream has heard somebody begin, and that is no item yet."""
        return self._spoken is not None

    def pushed_to_talk(self, config: AnySession) -> bool:
        """Audio went up that only a commit would make a turn of."""
        return config.audio.input.turn_detection is None and self._uncommitted > 0

    def unheard(self, config: AnySession) -> bool:
        """Somebody has begun to say something that is no item yet."""
        return self.speaking is not None or self.pushed_to_talk(config)
