"""The machine of a relayed translation session: it hands on what it is told, both ways, and knows when it is over (protocol reference 4.14)."""

from __future__ import annotations

from typing import Any

import msgspec

from vivavoce.audio.clip import Clip
from vivavoce.engines.relay import failures
from vivavoce.engines.relay.legs import Legs
from vivavoce.engines.relay.reading import is_greeting
from vivavoce.engines.relay.rules import Rules
from vivavoce.engines.relay.showing import shown
from vivavoce.protocol import server_events as se
from vivavoce.protocol.client_events import ClientEvent, InputAudioBufferAppend
from vivavoce.protocol.errors import ClientError
from vivavoce.protocol.responses import ErrorDetail
from vivavoce.protocol.server_events import ForeignEvent
from vivavoce.protocol.session_objects import SessionObject
from vivavoce.protocol.translation_wire import CLIENT_EVENTS, TranslationEvent
from vivavoce.session.connections import Connections
from vivavoce.session.deadlines import Deadlines
from vivavoce.session.effects import Effect, Hangup, Send, Warn
from vivavoce.session.options import SessionOptions
from vivavoce.session.outbox import NewId, Outbox
from vivavoce.session.signals import Signal
from vivavoce.session.upstream import Failure, FromUpstream, LinkLost

_HIDDEN = ("object", "type")
"""What `shown` lays over of a conversation, and a translation session says for itself."""


class Head(msgspec.Struct):
    """What every event has."""

    type: str


_HEAD = msgspec.json.Decoder(Head)


class TranslationMirror:
    """Driven by the same verbs as a conversation. Which upstream session counts when, `Legs` knows."""

    def __init__(
        self,
        opening: SessionObject,
        new_id: NewId,
        options: SessionOptions,
        now_ms: int,
        rules: Rules,
        setup: dict[str, Any],
    ) -> None:
        self.config = opening
        self.options = options
        self.deadlines = Deadlines()
        self.outbox = Outbox(new_id)
        self.connections = Connections(self.outbox, self.deadlines, options.max_duration_s, now_ms)
        self._rules = rules
        self._legs = Legs(self.outbox, self.deadlines, rules, rules.model or opening.model)
        self._unseen: list[str] = []
        self._closed = False
        """The upstream has said that everything was said."""
        self._objection: Failure | None = None
        """What it said in the place of a greeting."""
        self.deadlines.set("upstream", now_ms + rules.hello_ms)
        if setup.get("audio"):
            # Ahead of what the client asks for before the upstream has greeted: its is the later word.
            update = {"type": "session.update", "session": {"audio": setup["audio"]}}
            self._legs.send("session.update", msgspec.json.encode(update), now_ms)

    # --- verbs ----------------------------------------------------------------------------------------------------------

    def attach(self, source: str, now_ms: int, *, returning: bool = False) -> None:
        """Somebody joins, and is shown the session as soon as it is known."""
        self.connections.arrived(source, returning=returning)
        session = self._legs.told.session
        if session is None:
            self._unseen.append(source)
        else:
            self._show(session, source)

    def detached(self, source: str, now_ms: int) -> None:
        """Somebody left."""
        self._unseen = [one for one in self._unseen if one != source]
        self.connections.left(source, self.config, now_ms)

    def receive(self, event: ClientEvent, source: str, now_ms: int) -> None:
        """Hand on a client's event."""
        if isinstance(event, TranslationEvent):
            self._legs.send(event.type, event.frame, now_ms)
        else:  # A sideband over the other endpoint.
            told = f"A translation session takes only {', '.join(CLIENT_EVENTS)}."
            self.refuse(ClientError("invalid_value", told, "type", event.event_id), source)

    def refuse(self, error: ClientError, source: str) -> None:
        """Tell one attachment about its mistake."""
        self.connections.refuse(error, source)

    def read_audio(self, event: InputAudioBufferAppend) -> Clip:
        """Sound comes in an event of another name. Raises ClientError."""
        raise ClientError(
            "invalid_value", "Append with 'session.input_audio_buffer.append'.", "type", event.event_id
        )

    def receive_audio(self, clip: Clip, now_ms: int) -> None:
        """There is none by this way."""

    def signal(self, signal: Signal, now_ms: int) -> None:
        """Hand on what the upstream says."""
        match signal:
            case FromUpstream(link, frame) if link == self._legs.told.link:
                self._follow(frame, now_ms)
            case FromUpstream(link, frame) if link == self._legs.given.link:
                self._legs.given.held.append(frame)
            case FromUpstream(link, frame) if self._legs.is_next(link):
                self._prepare(frame, now_ms)
            case LinkLost(link, failure) if link == self._legs.given.link:
                self._lose(failure)
            case LinkLost(link, _) if link == self._legs.told.link:
                self._go_on(now_ms)
            case LinkLost(link, _) if self._legs.is_next(link):
                self._legs.failed(now_ms)

    def tick(self, now_ms: int) -> None:
        """Time has passed: run whatever is due."""
        for name in self.deadlines.due(now_ms):
            match name:
                case "upstream":
                    self._lose(failures.silent("greeted this server", self._rules.hello_ms))
                case "handover":
                    if self._legs.due(now_ms):
                        self._go_on(now_ms)
                case "expiry_near" | "return":
                    self.connections.due(name)
                case "expiry":
                    self.connections.expire(self.options.max_duration_s)

    def next_deadline(self) -> int | None:
        """When `tick` is wanted next, in milliseconds."""
        return self.deadlines.next()

    def drain(self) -> list[Effect]:
        """Effects since the last drain, in order."""
        return self.outbox.drain()

    # --- inside ---------------------------------------------------------------------------------------------------------

    def _follow(self, frame: bytes, now_ms: int) -> None:
        try:
            name = _HEAD.decode(frame).type
        except (ValueError, RecursionError):
            self._lose(failures.garbage("what it sends is no event"))
            return
        greeted = self._legs.told.session is not None
        match name:
            case "session.created":
                self._greeted(msgspec.json.decode(frame).get("session"), now_ms)
            case "error" if not greeted:
                self._objected(msgspec.json.decode(frame).get("error"))
            case _ if not greeted:
                self._lose(failures.garbage(f"{name[:80]} came before session.created"))
            case "session.updated":
                self._updated(msgspec.json.decode(frame).get("session"))
            case "session.closed" if self._legs.state == "relieved":
                self._go_on(now_ms)  # The session that clients know goes on.
            case _:
                self._closed = self._closed or name == "session.closed"
                self.outbox.put(Send(ForeignEvent(type=name), None, self._on_one_clock(frame)))

    def _on_one_clock(self, frame: bytes) -> bytes:
        """Each upstream session counts from zero; clients count on."""
        begins_ms = self._legs.told.begins_ms
        if not begins_ms:
            return frame
        plain = msgspec.json.decode(frame)
        if isinstance(plain.get("elapsed_ms"), int):
            plain["elapsed_ms"] += begins_ms
        return msgspec.json.encode(plain)

    def _prepare(self, frame: bytes, now_ms: int) -> None:
        """The session that is to take over says something."""
        if is_greeting(frame):
            session = msgspec.json.decode(frame).get("session")
            if isinstance(session, dict):
                self._legs.greeted(session, now_ms)
                return
        if not self._legs.hold(frame):
            self._legs.failed(now_ms)

    def _go_on(self, now_ms: int) -> None:
        """Another session is heard from now on, first with what it has said already."""
        for frame in self._legs.follow(now_ms):
            self._follow(frame, now_ms)

    def _objected(self, error: Any) -> None:
        """It does not want the session; what comes of it, the end of the link will show."""
        try:
            detail = msgspec.convert(error, ErrorDetail)
        except msgspec.ValidationError:
            self._lose(failures.garbage("an error that says nothing"))
            return
        self._objection = failures.objected(detail, self._rules.model or self.config.model)

    def _greeted(self, session: Any, now_ms: int) -> None:
        if not isinstance(session, dict) or self._legs.told.session is not None:
            self._lose(failures.garbage("a session.created that cannot be"))
            return
        self._legs.told.session = session
        self._legs.begun(now_ms)
        self.deadlines.clear("upstream")
        for source in self._unseen:
            self._show(session, source)

    def _updated(self, session: Any) -> None:
        if not isinstance(session, dict):
            self._lose(failures.garbage("session.updated without a session"))
            return
        self._legs.changed(session)
        self._show(session)

    def _show(self, session: dict[str, Any], to: str | None = None) -> None:
        """To one, for whom it is a new session, or to everybody, for whom it has changed."""
        told = shown(self.config, session) | {name: session[name] for name in _HIDDEN if name in session}
        if "object" not in session:
            told.pop("object", None)
        name = "session.updated" if to is None else "session.created"
        frame = msgspec.json.encode({"type": name, "event_id": self.outbox.new_id("event"), "session": told})
        self.outbox.put(Send(ForeignEvent(type=name), to, frame))

    def _lose(self, failure: Failure) -> None:
        failure = self._objection or failure
        self._legs.end()
        if self._closed:
            self.outbox.put(Hangup(1000, "the session is closed"))
            return
        self.outbox.put(Warn(f"{failure.code}: {failure.message}"))
        detail = ErrorDetail(type=failure.type, code=failure.code, message=failure.message)
        self.outbox.send(se.ErrorEvent, error=detail)
        self.outbox.put(Hangup(1011, failure.code))
