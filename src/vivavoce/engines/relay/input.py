"""Audio on its way up: its media clock, its format, and whether the upstream still has something in its buffer."""

from __future__ import annotations

from vivavoce.audio.clip import TICKS_PER_MS, Clip, Frame
from vivavoce.audio.codec import AudioError, decode_audio
from vivavoce.call.machines import AnySession
from vivavoce.protocol import client_events as ce
from vivavoce.protocol.errors import ClientError
from vivavoce.session.effects import Hear
from vivavoce.session.outbox import Outbox
from vivavoce.session.upstream import Feed


class Input:
    """One session's. `speaking`: the item being spoken, if the upstream hears somebody. `offset_ms`: where the upstream's own clock began on ours."""

    def __init__(self, outbox: Outbox, wire_format: str) -> None:
        self.wire_format = wire_format
        self.speaking: str | None = None
        self.offset_ms = 0
        self._outbox = outbox
        self._position = 0
        self._uncommitted = 0
        """Ticks since the buffer was last emptied."""

    def read(self, event: ce.InputAudioBufferAppend) -> Clip:
        """The sound in an append event. Raises ClientError (param `audio`)."""
        try:
            return decode_audio(event.audio, self.wire_format)
        except AudioError as error:
            raise ClientError("invalid_value", str(error), "audio", event.event_id) from None

    def take(self, clip: Clip) -> None:
        """Send it up."""
        if clip.pcm:
            self._outbox.put(Hear(Frame(self._position, clip)))
            self._position += clip.ticks
            self._uncommitted += clip.ticks

    def hear_in(self, link: str, wire_format: str) -> None:
        """What comes from now on is in this format."""
        if wire_format != self.wire_format:
            self.wire_format = wire_format
            self._outbox.put(Feed(link, wire_format))

    def emptied(self) -> None:
        """The upstream's buffer is empty: committed, cleared, or gone with the upstream."""
        self.speaking, self._uncommitted = None, 0

    def begin_again(self) -> None:
        """Another upstream session counts from zero."""
        self.offset_ms = self._position // TICKS_PER_MS

    def pushed_to_talk(self, config: AnySession) -> bool:
        """Audio went up that only a commit would make a turn of."""
        return config.audio.input.turn_detection is None and self._uncommitted > 0

    def unheard(self, config: AnySession) -> bool:
        """Somebody has begun to say something that is no item yet."""
        return self.speaking is not None or self.pushed_to_talk(config)
