"""The machine of a relayed translation session: it hands on what it is told, both ways, and knows when it is over (protocol reference 4.14)."""

from __future__ import annotations

from typing import Any

import msgspec

from vivavoce.audio.clip import Clip
from vivavoce.engines.relay import failures
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
from vivavoce.session.upstream import Dial, Drop, Failure, FromUpstream, LinkLost, SendUp

_HIDDEN = ("object", "type")
"""What `shown` lays over of a conversation, and a translation session says for itself."""


class Head(msgspec.Struct):
    """What every event has."""

    type: str


_HEAD = msgspec.json.Decoder(Head)


class TranslationMirror:
    """Driven by the same verbs as a conversation. Its upstream session is never replaced: what was being said would be lost in between."""

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
        self._link = new_id("link")
        self._session: dict[str, Any] | None = None
        self._unseen: list[str] = []
        self._closed = False
        """The upstream has said that everything was said."""
        self._objection: Failure | None = None
        """What it said in the place of a greeting."""
        self.outbox.put(Dial(self._link, "translation", rules.model or opening.model, rules.via))
        self.deadlines.set("upstream", now_ms + rules.hello_ms)
        if setup.get("audio"):
            # Ahead of what the client asks for before the upstream has greeted: its is the later word.
            update = {"type": "session.update", "session": {"audio": setup["audio"]}}
            self.outbox.put(SendUp(self._link, msgspec.json.encode(update)))

    # --- verbs ----------------------------------------------------------------------------------------------------------

    def attach(self, source: str, now_ms: int, *, returning: bool = False) -> None:
        """Somebody joins, and is shown the session as soon as it is known."""
        self.connections.arrived(source, returning=returning)
        if self._session is None:
            self._unseen.append(source)
        else:
            self._show(source, self._session)

    def detached(self, source: str, now_ms: int) -> None:
        """Somebody left."""
        self._unseen = [one for one in self._unseen if one != source]
        self.connections.left(source, self.config, now_ms)

    def receive(self, event: ClientEvent, source: str, now_ms: int) -> None:
        """Hand on a client's event."""
        if isinstance(event, TranslationEvent):
            self.outbox.put(SendUp(self._link, event.frame))
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
            case FromUpstream(link, frame) if link == self._link:
                self._follow(frame)
            case LinkLost(link, failure) if link == self._link:
                self._lose(failure)

    def tick(self, now_ms: int) -> None:
        """Time has passed: run whatever is due."""
        for name in self.deadlines.due(now_ms):
            match name:
                case "upstream":
                    self._lose(failures.silent("greeted this server", self._rules.hello_ms))
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

    def _follow(self, frame: bytes) -> None:
        try:
            name = _HEAD.decode(frame).type
        except (ValueError, RecursionError):
            self._lose(failures.garbage("what it sends is no event"))
            return
        if name == "session.created":
            self._greeted(msgspec.json.decode(frame).get("session"))
        elif self._session is None and name == "error":
            self._objected(msgspec.json.decode(frame).get("error"))
        elif self._session is None:
            self._lose(failures.garbage(f"{name[:80]} came before session.created"))
        else:
            self._closed = self._closed or name == "session.closed"
            self.outbox.put(Send(ForeignEvent(type=name), None, frame))

    def _objected(self, error: Any) -> None:
        """It does not want the session; what comes of it, the end of the link will show."""
        try:
            detail = msgspec.convert(error, ErrorDetail)
        except msgspec.ValidationError:
            self._lose(failures.garbage("an error that says nothing"))
            return
        self._objection = failures.objected(detail, self._rules.model or self.config.model)

    def _greeted(self, session: Any) -> None:
        if not isinstance(session, dict) or self._session is not None:
            self._lose(failures.garbage("a session.created that cannot be"))
            return
        self._session = session
        self.deadlines.clear("upstream")
        for source in self._unseen:
            self._show(source, session)
        self._unseen = []

    def _show(self, source: str, session: dict[str, Any]) -> None:
        told = shown(self.config, session) | {name: session[name] for name in _HIDDEN if name in session}
        if "object" not in session:
            told.pop("object", None)
        event_id = self.outbox.new_id("event")
        frame = msgspec.json.encode({"type": "session.created", "event_id": event_id, "session": told})
        self.outbox.put(Send(ForeignEvent(type="session.created"), source, frame))

    def _lose(self, failure: Failure) -> None:
        failure = self._objection or failure
        self.outbox.put(Drop(self._link))
        if self._closed:
            self.outbox.put(Hangup(1000, "the session is closed"))
            return
        self.outbox.put(Warn(f"{failure.code}: {failure.message}"))
        detail = ErrorDetail(type=failure.type, code=failure.code, message=failure.message)
        self.outbox.send(se.ErrorEvent, error=detail)
        self.outbox.put(Hangup(1011, failure.code))
