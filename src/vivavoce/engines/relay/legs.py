"""The upstream sessions that carry one translation, one after the other: before the time of one is up, another takes over where nobody speaks.

A translation has no turns and no items: what a session knows is its settings and what was said last. So the next one is given the settings, and
the sound from a pause on; the one before is asked to close (`session.close`), and says what it has still to say before the next one is heard.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from vivavoce.audio.clip import TICKS_PER_MS, Clip
from vivavoce.audio.codec import AudioError, decode_audio
from vivavoce.audio.levels import rms_dbfs
from vivavoce.engines.relay.handover import NEXT_SUCCESSOR_MS, QUIET_AGAIN_MS
from vivavoce.engines.relay.rules import Rules
from vivavoce.session.deadlines import Deadlines
from vivavoce.session.outbox import Outbox
from vivavoce.session.upstream import Dial, Drop, SendUp

WIRE_FORMAT = "audio/pcm"
QUIET_DBFS = -45.0
QUIET_MS = 600
"""A pause: so long nothing was louder, or nothing was sent at all. Shorter ones are between the words of a sentence."""
LONGEST_WAIT_MS = 180_000
"""For a pause. Then somebody is interrupted, rather than by the upstream's own end a minute later."""
FLUSH_MS = 10_000
"""How long a session that was asked to close may go on saying what it has heard."""

State = Literal["alone", "dialled", "ready", "relieved"]


@dataclass(slots=True)
class Leg:
    """One upstream session. `begins_ms`: the sound that others before it were given. `held`: what it says before it is its turn."""

    link: str
    begins_ms: int = 0
    session: dict[str, Any] | None = None
    held: list[bytes] = field(default_factory=list)


class _Sound(msgspec.Struct):
    audio: str


_UPDATABLE = {"input": ("transcription", "noise_reduction"), "output": ("language",)}


class Legs:
    """alone -due-> dialled -greets-> ready -a pause-> relieved -the one before has closed-> alone; dialled -fails-> alone, and later again.

    `told`: whose events clients are told now. `given`: who is given what clients send.
    """

    def __init__(self, outbox: Outbox, deadlines: Deadlines, rules: Rules, model: str) -> None:
        self._outbox = outbox
        self._deadlines = deadlines
        self._rules = rules
        self._model = model
        self.told = self.given = Leg(self._dial())
        self._next: Leg | None = None
        self._sent_ticks = 0
        self._quiet_ticks = 0
        self._appended_ms = 0
        """When sound came last."""
        self._latest_ms = 0
        """When it is not waited for a pause any more."""

    @property
    def state(self) -> State:
        """How far it is."""
        if self.told is not self.given:
            return "relieved"
        if self._next is None:
            return "alone"
        return "dialled" if self._next.session is None else "ready"

    def begun(self, now_ms: int) -> None:
        """The only session has greeted, or has taken over: its time runs."""
        if self._rules.session_ms:
            self._deadlines.set("handover", now_ms + self._rules.session_ms)

    def send(self, name: str, frame: bytes, now_ms: int) -> None:
        """A client's event goes up; between two pieces of sound another session may take over."""
        if name == "session.input_audio_buffer.append":
            self._appended_ms = now_ms
            clip = _sound_in(frame)
            if self.state == "ready" and (self._pauses(clip) or now_ms >= self._latest_ms):
                self._take_over(now_ms)
            self._sent_ticks += clip.ticks
        self._outbox.put(SendUp(self.given.link, frame))

    def greeted(self, session: dict[str, Any], now_ms: int) -> None:
        """The next one is there, and is made like the one that it is to relieve."""
        assert self._next is not None
        self._next.session = session
        self._settle(self._next.link)
        self._latest_ms = now_ms + LONGEST_WAIT_MS
        self._deadlines.set("handover", now_ms + QUIET_AGAIN_MS)

    def hold(self, frame: bytes) -> bool:
        """Keep what the next one says until it is its turn; False where it has nothing to say yet."""
        if self._next is None or self._next.session is None:
            return False
        self._next.held.append(frame)
        return True

    def is_next(self, link: str) -> bool:
        """Whether this is the one that is to take over."""
        return self._next is not None and self._next.link == link

    def due(self, now_ms: int) -> bool:
        """The deadline "handover" has come. True where it was that of a session to close, and the next one is heard from now on."""
        match self.state:
            case "alone":
                self._next = Leg(self._dial())
                self._deadlines.set("handover", now_ms + self._rules.hello_ms)
            case "dialled":
                self.failed(now_ms)
            case "ready":
                # Nobody speaks who sends nothing.
                if now_ms - self._appended_ms >= QUIET_MS or now_ms >= self._latest_ms:
                    self._take_over(now_ms)
                else:
                    self._deadlines.set("handover", now_ms + QUIET_AGAIN_MS)
            case "relieved":
                return True
        return False

    def failed(self, now_ms: int) -> None:
        """The next one did not come about; the one that there is goes on meanwhile."""
        if self._next is not None:
            self._outbox.put(Drop(self._next.link))
        self._next = None
        self._deadlines.set("handover", now_ms + NEXT_SUCCESSOR_MS)

    def changed(self, session: dict[str, Any]) -> None:
        """The session that clients are told of is this now; where another one hears them by now, that is to be the same."""
        self.told.session = session
        if self.state == "relieved":
            self._settle(self.given.link)

    def follow(self, now_ms: int) -> list[bytes]:
        """The one before has said all: what the next one has said meanwhile."""
        self._outbox.put(Drop(self.told.link))
        self.told = self.given
        held, self.told.held = self.told.held, []
        self.begun(now_ms)
        return held

    def end(self) -> None:
        """None of them is needed any more."""
        for leg in {one.link for one in (self.told, self.given, self._next) if one is not None}:
            self._outbox.put(Drop(leg))
        self._next = None
        self._deadlines.clear("handover")

    # --- inside ---------------------------------------------------------------------------------------------------------

    def _dial(self) -> str:
        link = self._outbox.new_id("link")
        self._outbox.put(Dial(link, "translation", self._model, self._rules.via))
        return link

    def _settle(self, link: str) -> None:
        """Make a session like the one whose events clients are told: all of one that an update may change (protocol reference 3.8)."""
        audio = (self.told.session or {}).get("audio")
        wanted: dict[str, Any] = {}
        for side, names in _UPDATABLE.items():
            told = audio.get(side) if isinstance(audio, dict) else None
            given = (
                {name: told[name] for name in names if told.get(name) is not None}
                if isinstance(told, dict)
                else {}
            )
            if given:
                wanted[side] = given
        if wanted:
            update = {"type": "session.update", "session": {"audio": wanted}}
            self._outbox.put(SendUp(link, msgspec.json.encode(update)))

    def _pauses(self, clip: Clip) -> bool:
        self._quiet_ticks = self._quiet_ticks + clip.ticks if rms_dbfs(clip) < QUIET_DBFS else 0
        return self._quiet_ticks >= QUIET_MS * TICKS_PER_MS

    def _take_over(self, now_ms: int) -> None:
        assert self._next is not None
        self._next.begins_ms = self._sent_ticks // TICKS_PER_MS
        self._outbox.put(SendUp(self.given.link, b'{"type":"session.close"}'))
        self.given, self._next = self._next, None
        self._quiet_ticks = 0
        self._deadlines.set("handover", now_ms + FLUSH_MS)


def _sound_in(frame: bytes) -> Clip:
    try:
        return decode_audio(msgspec.json.decode(frame, type=_Sound).audio, WIRE_FORMAT)
    except (ValueError, AudioError):
        return Clip(b"", 24_000)  # The upstream will say what is wrong with it.
