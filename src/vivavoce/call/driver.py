"""The driver of a call: one inbox, one writer, no thread of its own.

Whoever has something for the call (a socket's reader, an engine, a timer) puts it into the inbox; whoever finds the call idle runs
it. Each entry is applied to the machine, the machine is drained, the effects are performed in order, then comes the next entry
(house laws 1 and 2). Nothing here awaits, so nothing can interleave.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import msgspec

from vivavoce.audio.clip import Clip
from vivavoce.audio.codec import encode_audio
from vivavoce.audio.frames import split
from vivavoce.call.attachments import Attachment, Attachments
from vivavoce.call.owner import LOCAL, NOBODY, Owner
from vivavoce.call.ports import EngineCall, Machine
from vivavoce.protocol import errors
from vivavoce.protocol.client_events import InputAudioBufferAppend
from vivavoce.protocol.errors import ClientError
from vivavoce.protocol.responses import ErrorDetail
from vivavoce.protocol.server_events import ErrorEvent, ResponseOutputAudioDelta
from vivavoce.session.effects import Effect, Hangup, Hear, Metered, Play, Send, Warn
from vivavoce.session.signals import Signal, StageUsed

log = logging.getLogger("vivavoce.call")

FRAME_MS = 100
"""Input audio is applied in frames of at most this length; between them others get their turn."""
BACKLOG = 64
"""Entries in the inbox above which a socket is no longer read: on a WebSocket nothing is dropped, the sender waits."""
LARGEST_APPEND_BYTES = 15 * 1024 * 1024
"""Audio in one append, in the session's wire format (protocol reference 4.20)."""


class Observer(Protocol):
    """Sees every input before it is applied and every effect after: journals, traces and logs hang here."""

    def __call__(self, what: object, now_ms: int) -> None: ...


class Received(msgspec.Struct, frozen=True, gc=False):
    """A frame from an attachment, as it came."""

    source: str
    data: bytes | str


@dataclass(frozen=True, slots=True)
class Arriving:
    """Audio that is applied frame by frame."""

    clip: Clip
    rest: Iterator[Clip]


class Joined(msgspec.Struct, frozen=True, gc=False):
    """An attachment is there. `returning`: the primary connection has dropped, and this is its client again."""

    source: str
    returning: bool = False


class Left(msgspec.Struct, frozen=True, gc=False):
    """An attachment is gone."""

    source: str


class Tick:
    """A deadline may be due."""


TICK = Tick()
Entry = Received | Arriving | Joined | Left | Tick | Signal


class Call:
    """One live call. Made on the event loop that it lives on; `closed` is done when it is over."""

    def __init__(
        self,
        call_id: str,
        machine: Machine,
        open_engine: Callable[[Callable[[Signal], None]], EngineCall],
        new_event_id: Callable[[], str],
        observe: Observer | None = None,
        owner: Owner = LOCAL,
    ) -> None:
        self.id = call_id
        self.owner = owner
        self.machine = machine
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.attachments = Attachments()
        self._inbox: deque[Entry] = deque()
        self._running = False
        self._room: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ms: int | None = None
        self._new_event_id = new_event_id
        self._observe = observe
        self._loop = asyncio.get_running_loop()
        self._engine = open_engine(self.emit)
        self._put(TICK)

    # --- what the world says --------------------------------------------------------------------------------------------

    def join(self, attachment: Attachment, *, returning: bool = False) -> None:
        """Attach a connection: the first one is the call's own (primary), later ones are sidebands.

        `returning`: it takes the place of the primary connection, which dropped; one that only seems to be there still is closed.
        """
        self.attachments.expect(attachment)
        self._put(Joined(attachment.id, returning))

    def receive(self, source: str, data: bytes | str) -> None:
        """Take a frame from an attachment."""
        self._put(Received(source, data))

    def leave(self, source: str) -> None:
        """A connection was closed by the other side."""
        if self.attachments.remove(source):
            self._put(Left(source))

    def emit(self, signal: Signal) -> None:
        """Take a signal from the engine."""
        self._put(signal)

    @property
    def crowded(self) -> bool:
        """More waits in the inbox than should; a reader reads on only after `room`."""
        return len(self._inbox) > BACKLOG and not self.closed.done()

    async def room(self) -> None:
        """Wait until the inbox has room. A reader awaits this before it reads on."""
        while self.crowded:
            if self._room is None:
                self._room = self._loop.create_future()
            # Several readers wait on it; one that is cancelled must not take it along.
            await asyncio.shield(self._room)

    def hang_up(self, code: int, reason: str) -> None:
        """End the call from outside (the server shuts down)."""
        if not self.closed.done():
            self._hang_up(Hangup(code, reason))

    async def finish(self) -> None:
        """Free what the engine held. To be awaited once, after `closed`."""
        await self._engine.close()
        # The engine holds `emit` and thereby us: without this the call's audio stays until the collector happens to look.
        del self._engine

    # --- the loop -------------------------------------------------------------------------------------------------------

    def _put(self, entry: Entry) -> None:
        if self.closed.done():
            # An engine may go on for a moment; nobody is left to hear it. What it used is counted all the same.
            if type(entry) is StageUsed and self._observe is not None:
                self._observe(entry, self._now_ms())
            return
        self._inbox.append(entry)
        if not self._running:
            self._run()

    def _run(self) -> None:
        """Apply what is in the inbox, unless a long piece of audio asks to let others have their turn."""
        self._running = True
        more = False
        try:
            while self._inbox and not more and not self.closed.done():
                more = self._apply(self._inbox.popleft())
        except Exception:
            log.exception("call %s: internal error", self.id)
            self._fail()
        # Still running until the others had their turn: whatever comes meanwhile queues up and starts no second round.
        self._running = more
        if more:
            self._loop.call_soon(self._continue)
        self._arm()
        if len(self._inbox) <= BACKLOG:
            self._make_room()

    def _continue(self) -> None:
        self._running = False
        self._run()

    def _apply(self, entry: Entry) -> bool:
        """Apply one entry and perform what follows from it; True when it has more to come."""
        now_ms = self._now_ms()
        if self._observe is not None:
            self._observe(entry, now_ms)
        more = False
        match entry:
            case Received():
                more = self._read(entry, now_ms)
            case Arriving():
                more = self._hear(entry, now_ms)
            case Joined():
                self._admit(entry, now_ms)
            case Left():
                self.machine.detached(entry.source, now_ms)
            case Tick():
                self.machine.tick(now_ms)
            case _:
                self.machine.signal(entry, now_ms)
        self._perform_all(now_ms)
        return more

    def _admit(self, joined: Joined, now_ms: int) -> None:
        """Show the session to whoever joined, then, to one who returns, what it missed."""
        self.attachments.admit(joined.source, returning=joined.returning)
        self.machine.attach(joined.source, now_ms, returning=joined.returning)
        if joined.returning:
            self._perform_all(now_ms)
            self.attachments.retell(self.id)

    def _read(self, received: Received, now_ms: int) -> bool:
        """Decode a frame and apply it; True when it has more to come. A client's mistake is answered and changes nothing (house law 5)."""
        dialect = self.attachments.dialect_of(received.source)
        if dialect is None:
            return False
        try:
            event = dialect.from_wire(received.data)
            if type(event) is not InputAudioBufferAppend:
                self.machine.receive(event, received.source, now_ms)
                return False
            # Before it is decoded: telephone formats are twice as long as PCM, and what is too long is not worth the work.
            if len(event.audio) * 3 // 4 - event.audio[-2:].count("=") > LARGEST_APPEND_BYTES:
                error = errors.append_too_large(LARGEST_APPEND_BYTES)
                error.event_id = event.event_id
                raise error
            clip = self.machine.read_audio(event)
        except ClientError as error:
            self.machine.refuse(error, received.source)
            return False
        if len(clip.pcm) <= clip.rate_hz * FRAME_MS // 1000 * 2:
            self.machine.receive_audio(clip, now_ms)
            return False
        pieces = split(clip, FRAME_MS)
        return self._hear(Arriving(next(pieces), pieces), now_ms)

    def _hear(self, arriving: Arriving, now_ms: int) -> bool:
        """Apply one frame of audio; what is left goes back to the head of the inbox, before anything that came later."""
        self.machine.receive_audio(arriving.clip, now_ms)
        following = next(arriving.rest, None)
        if following is None:
            return False
        self._inbox.appendleft(Arriving(following, arriving.rest))
        return True

    def _perform_all(self, now_ms: int) -> None:
        observe = self._observe
        while effects := self.machine.drain():
            heard: list[Signal] = []
            for effect in effects:
                if type(effect) is Hear:
                    heard += self._engine.hear(effect.frame)
                else:
                    self._perform(effect)
                if observe is not None:
                    observe(effect, now_ms)
            # Voice activity answers before the next entry, so that a commit right behind the audio sees the true state.
            for signal in heard:
                if observe is not None:
                    observe(signal, now_ms)
                self.machine.signal(signal, now_ms)

    def _perform(self, effect: Effect) -> None:
        match effect:
            case Send():
                self.attachments.send(effect.event, effect.to, frame=effect.frame)
            case Play():
                self._play(effect)
            case Hangup():
                self._hang_up(effect)
            case Warn():
                if self.owner is not NOBODY:  # Troubles of a probe are told by whoever probes.
                    log.warning("call %s: %s", self.id, effect.message)
            case Hear():
                pass  # `_perform_all` has given it to the engine, which answers at once.
            case Metered():
                pass  # For observers.
            case _:
                self._engine.perform(effect)

    def _play(self, effect: Play) -> None:
        self.attachments.send(audio_delta(effect), lasting=False)

    def _hang_up(self, effect: Hangup) -> None:
        try:
            self.attachments.hang_up(effect.code, effect.reason)
        finally:
            self._end()

    def _fail(self) -> None:
        """A bug of ours: the call ends with `server_error`, and it alone."""
        failure = errors.server_error()
        detail = ErrorDetail(type=failure.type, code=failure.code, message=failure.message)
        try:
            self.attachments.send(ErrorEvent(event_id=self._new_event_id(), error=detail))
        except Exception:
            # What is broken may be the very thing that writes; the call ends all the same, and its clients see that.
            log.exception("call %s: its clients are not told", self.id)
        self._hang_up(Hangup(1011, "server_error"))

    def _end(self) -> None:
        self._inbox.clear()
        self._make_room()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self.closed.done():
            self.closed.set_result(None)

    def _make_room(self) -> None:
        """Readers that waited may go on."""
        if self._room is not None:
            self._room.set_result(None)
            self._room = None

    # --- time -----------------------------------------------------------------------------------------------------------

    def _now_ms(self) -> int:
        # 0.57 s times 1000 is 569.99...: cut off, a timer that fires on time would find nothing due yet.
        return int(self._loop.time() * 1000 + 0.001)

    def _arm(self) -> None:
        """One timer, for the machine's next deadline; touched only when that has moved."""
        if self.closed.done():
            return
        due = self.machine.next_deadline()
        if due == self._timer_ms and self._timer is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_ms = due
        if due is not None:
            self._timer = self._loop.call_at(due / 1000, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._put(TICK)


def audio_delta(effect: Play) -> ResponseOutputAudioDelta:
    """A piece of output audio as it is sent, in the format that was agreed upon."""
    part = effect.part
    return ResponseOutputAudioDelta(
        event_id=effect.event_id,
        response_id=part.response_id,
        item_id=part.item_id,
        output_index=part.output_index,
        content_index=part.content_index,
        delta=encode_audio(effect.clip, effect.wire_format),
    )
