"""The machine of a relayed session: it follows the upstream, which is the authority on turns, items and responses.

It has the verbs of the sessions in session/ and keeps their house laws. A client's event goes up under an id of ours and its error comes
back to whoever sent it; what the upstream says goes to everybody, in its own words. What is kept of it here (items, what is going on in
a response, what was played) serves to bring things to an end when the upstream cannot, and to go on elsewhere.

It is made of small machines: `Uplink` (which link counts, what was asked of it), `SessionView`, `Input`, `Known` (the conversation, with `Turns`), `Answering`
(responses), `FrontTools` and `ToolRounds` (MCP), `Handover`. Clients' events are read by asking.py, the upstream's by reading.py and reading_responses.py.
"""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec

from vivavoce.audio.clip import Clip
from vivavoce.audio.codec import AudioError, decode_audio, encode_audio, wire_rate_hz
from vivavoce.call.machines import AnySession
from vivavoce.call.ports import Machine
from vivavoce.engines.relay import failures
from vivavoce.engines.relay.answering import Answering
from vivavoce.engines.relay.asked import Ask, Change
from vivavoce.engines.relay.asking import HANDLERS
from vivavoce.engines.relay.front_tools import FrontTools
from vivavoce.engines.relay.going_on import go_on, lose
from vivavoce.engines.relay.handover import Handover
from vivavoce.engines.relay.input import Input
from vivavoce.engines.relay.known import Known
from vivavoce.engines.relay.losing import give_words_up
from vivavoce.engines.relay.reading import read
from vivavoce.engines.relay.reading_responses import end
from vivavoce.engines.relay.rules import Rules
from vivavoce.engines.relay.session_view import SessionView
from vivavoce.engines.relay.showing import kind_of
from vivavoce.engines.relay.tool_rounds import ToolRounds
from vivavoce.engines.relay.uplink import Uplink
from vivavoce.protocol import client_events as ce
from vivavoce.protocol import server_events as se
from vivavoce.protocol.client_events import ClientEvent
from vivavoce.protocol.errors import ClientError
from vivavoce.protocol.items import InputAudio, InputImage, Item, MessageItem
from vivavoce.protocol.responses import ErrorDetail
from vivavoce.protocol.session_objects import SessionObject
from vivavoce.session.connections import Connections
from vivavoce.session.deadlines import Deadlines
from vivavoce.session.effects import Effect, Warn
from vivavoce.session.options import SessionOptions
from vivavoce.session.outbox import NewId, Outbox
from vivavoce.session.signals import Signal
from vivavoce.session.tool_calls import ListingFailed, ToolAnswered, ToolFailed, ToolsListed
from vivavoce.session.upstream import FromUpstream, LinkLost


class Mirror:
    """A relayed session of type "realtime" or "transcription"."""

    def __init__(
        self,
        opening: AnySession,
        new_id: NewId,
        options: SessionOptions,
        now_ms: int,
        rules: Rules,
        setup: dict[str, Any] | None = None,
    ) -> None:
        self.options = options
        self.rules = rules
        self.outbox = Outbox(new_id)
        self.deadlines = Deadlines()
        self.connections = Connections(self.outbox, self.deadlines, options.max_duration_s, now_ms)
        self.up = Uplink(self.outbox, self.deadlines, rules)
        self.known = Known(rules.speech_s, options.call_image_bytes)
        self.front = FrontTools(self.outbox, self.known, options.mcp_servers)
        self.answering = Answering(
            self.outbox, self.deadlines, self.up, self.known, self.front, options.rates, rules, now_ms
        )
        self.rounds = ToolRounds(self.outbox, self.up, self.known, self.front, self.answering)
        self.input = Input(self.outbox, opening.audio.input.format.type, rules.speech_s)
        self.view = SessionView(self.outbox, self.up, opening, {**rules.stated, **(setup or {})})
        self._handover = Handover(self.deadlines, self.up, self._quiet)
        self.ends_ms = now_ms + options.max_duration_s * 1000
        self.stand_in: Machine | None = None
        """What goes on once the upstream is lost for good."""
        self.up.begin(opening, now_ms)
        wanted = self._wanted()
        if wanted is not None:
            # Ahead of what clients ask for before the upstream has greeted: theirs is the later word, and gets an answer of its own.
            self.up.ask("session.update", now_ms, session=wanted)

    @property
    def config(self) -> AnySession:
        """The session as it is in force."""
        return self.view.config

    @property
    def model(self) -> str:
        """The upstream's name of what answers."""
        return self.config.model if isinstance(self.config, SessionObject) else self.rules.model

    # --- verbs ----------------------------------------------------------------------------------------------------------

    def attach(self, source: str, now_ms: int, *, returning: bool = False) -> None:
        """Somebody joins; they are shown the session as soon as the upstream has told it."""
        if self.stand_in is not None:
            self.stand_in.attach(source, now_ms, returning=returning)
            return
        self.connections.arrived(source, returning=returning)
        self.view.arrived(source)

    def detached(self, source: str, now_ms: int) -> None:
        """Somebody left."""
        if self.stand_in is not None:
            self.stand_in.detached(source, now_ms)
            return
        self.view.left(source)
        self.connections.left(source, self.config, now_ms)

    def receive(self, event: ClientEvent, source: str, now_ms: int) -> None:
        """Send a client's event up, once it is in order here."""
        if self.stand_in is not None:
            self.stand_in.receive(event, source, now_ms)
            return
        try:
            HANDLERS[type(event)](self, event, source, now_ms)
        except ClientError as error:
            self.connections.refuse(error, source, event.event_id)

    def refuse(self, error: ClientError, source: str) -> None:
        """Tell one attachment about its mistake; nothing else changes (house law 5)."""
        self.connections.refuse(error, source)

    def read_audio(self, event: ce.InputAudioBufferAppend) -> Clip:
        """The sound in an append event. Raises ClientError (param `audio`)."""
        return self.input.read(event) if self.stand_in is None else self.stand_in.read_audio(event)

    def receive_audio(self, clip: Clip, now_ms: int) -> None:
        """Input audio, at most 100 ms a piece."""
        if self.stand_in is not None:
            self.stand_in.receive_audio(clip, now_ms)
        else:
            self.input.take(clip, self.config)

    def signal(self, signal: Signal, now_ms: int) -> None:
        """Take in what the upstream says."""
        match signal:
            case FromUpstream(link, frame) if link == self.up.link:
                self.up.last_ms = now_ms
                wrong = read(self, frame, now_ms)
                if wrong is not None:
                    lose(self, failures.garbage(wrong), now_ms)
            case FromUpstream(link, frame) if link == self.up.successor:
                if self._handover.said(frame, self.config, now_ms):
                    go_on(self, now_ms)
            case LinkLost(link, failure) if link == self.up.link:
                lose(self, failure, now_ms)
            case LinkLost(link, _) if link == self.up.successor:
                self._handover.failed(now_ms)
            case _ if self.stand_in is not None:
                self.stand_in.signal(signal, now_ms)
            case ToolsListed() | ListingFailed():
                self.rounds.listed(signal, self.config, now_ms)
            case ToolAnswered() | ToolFailed():
                over = self.rounds.returned(signal, now_ms)
                if over is not None:
                    end(self, over, now_ms)

    def tick(self, now_ms: int) -> None:
        """Time has passed: run whatever is due."""
        if self.stand_in is not None:
            self.stand_in.tick(now_ms)
            return
        for name in self.deadlines.due(now_ms):
            match name:
                case "upstream":
                    owed = self.up.overdue(now_ms, responses=not self.known.running)
                    if owed is not None:
                        lose(self, failures.silent(owed, self.rules.silence_ms), now_ms)
                case "stall":
                    failure = self.answering.stalled(now_ms)
                    if failure is not None:
                        lose(self, failure, now_ms)
                case "handover":
                    if self._handover.due(self.config, now_ms):
                        go_on(self, now_ms)
                case "expiry_near" | "return":
                    self.connections.due(name)
                case "expiry":
                    self.up.end()
                    self.connections.expire(self.options.max_duration_s)

    def next_deadline(self) -> int | None:
        """When `tick` is wanted next, in milliseconds."""
        return self.deadlines.next() if self.stand_in is None else self.stand_in.next_deadline()

    def drain(self) -> list[Effect]:
        """Effects since the last drain, in order."""
        effects = self.outbox.drain()
        return effects if self.stand_in is None else effects + self.stand_in.drain()

    # --- what the upstream makes of the session -------------------------------------------------------------------------

    def greeted(self, raw: dict[str, Any], now_ms: int) -> None:
        """The upstream has shown its session; where that is to be another one, it has been told so already."""
        self.up.objection = None
        self.up.state = "opening"
        if self.up.asked.ours("session.updated"):
            self.up.raw = self.up.raw or raw
        else:
            self.updated(raw, None, now_ms)

    def _wanted(self) -> dict[str, Any] | None:
        """What the session begins with, where that is anything: the operator's settings and the client's own."""
        given = self.view.wanted()
        if isinstance(self.config, SessionObject) and "tools" in given:
            given["tools"] = self.front.functions(self.config.tools)
        kind = kind_of(self.config)
        return {"type": kind, **given} if given or kind == "transcription" else None

    def updated(self, raw: dict[str, Any], ask: Ask | None, now_ms: int) -> None:
        """The session is now this. Whoever waits for it is shown it as a new one, the others as one that has changed."""
        self.view.follow(raw, ask.change if ask is not None else Change())
        self.input.hear_in(self.up.link, self.config.audio.input.format.type)
        first, opened = not self.up.was_live, self.up.state != "live"
        if opened:
            self.up.live(now_ms)
            give_words_up(self)
        self.view.show_unseen()
        if not first and (opened or ask is None or ask.source is not None):
            self.view.tell_updated()
        if isinstance(self.config, SessionObject):
            self.front.follow(self.config)

    def refused(self, detail: ErrorDetail, now_ms: int) -> None:
        """The upstream does not like something: whoever has asked for it is told so, in its words."""
        ask = self.up.asked.refused(detail.event_id)
        if self.up.state == "dialling":
            named = self.config.model if isinstance(self.config, SessionObject) else ""
            self.up.objection = failures.objected(detail, self.rules.model or named)
            return  # What comes of it, the end of the link will show.
        if ask is None:
            if detail.code != "session_expired":  # How long a session lasts is said here.
                self.answering.settled()  # Where an answer was owed, this is what comes of it.
                self.outbox.send(se.ErrorEvent, error=msgspec.structs.replace(detail, event_id=None))
            return
        if ask.kind == "response.create" and ask.source is not None:
            self.answering.refused(now_ms)
        if ask.kind == "session.update":
            self.input.hear_in(self.up.link, self.config.audio.input.format.type)
        if ask.source is not None:
            told = msgspec.structs.replace(detail, event_id=ask.event_id)
            self.outbox.send(se.ErrorEvent, to=ask.source, error=told)
            return
        self.outbox.put(
            Warn(f"the upstream refuses what the relay asks of it: {detail.code} {detail.message}")
        )
        if ask.kind == "response.create":
            self._refused_what_is_owed(detail)
        if ask.kind == "session.update" and self.up.state == "opening":
            self.updated(self.up.raw, None, now_ms)
            self.outbox.send(se.ErrorEvent, error=msgspec.structs.replace(detail, event_id=None))

    def _refused_what_is_owed(self, detail: ErrorDetail) -> None:
        """Clients whose own request became one with ours are told under their own ids; where there are none, everybody waits for the answer."""
        merged = self.answering.settled().merged
        for source, event_id in merged:
            told = msgspec.structs.replace(detail, event_id=event_id)
            self.outbox.send(se.ErrorEvent, to=source, error=told)
        if not merged:
            self.outbox.send(se.ErrorEvent, error=msgspec.structs.replace(detail, event_id=None))

    def keep_given(self, item: Item, ask: Ask | None) -> None:
        """An item that a client has asked for is there: the sound and the images in it may have to be told to another upstream session."""
        given = (
            ask.event.item if ask is not None and isinstance(ask.event, ce.ConversationItemCreate) else None
        )
        if not isinstance(given, MessageItem) or item.id in self.known.conversation:
            return
        for place, part in enumerate(given.content):
            if isinstance(part, InputAudio) and isinstance(part.audio, str):
                # What cannot be read here the upstream has taken all the same; nobody knows what as.
                with contextlib.suppress(AudioError):
                    self.known.given(item.id, place, decode_audio(part.audio, self.input.wire_format))
            elif isinstance(part, InputImage) and isinstance(part.image_url, str):
                shown = (
                    item.content[place]
                    if isinstance(item, MessageItem) and place < len(item.content)
                    else None
                )
                if not (isinstance(shown, InputImage) and shown.image_url):
                    self.known.kept.add_image(item.id, place, part.image_url)

    def kept(self, item_id: str, place: int) -> str | None:
        """What stands at a place of an item and has to be said again: sound in the session's input format, or an image."""
        sound = self.known.kept.sound(item_id, place)
        wire = self.input.wire_format
        if sound is not None and sound.rate_hz == wire_rate_hz(wire):
            return encode_audio(sound, wire)
        return self.known.kept.image(item_id, place)

    def _quiet(self, now_ms: int) -> bool:
        """Nobody speaks, nothing is owed, and nothing that was said is still to be played."""
        return not (
            self.known.running
            or self.known.turns
            or self.front.calling
            or self.answering.owed is not None
            or self.up.asked.outstanding(responses=True)
            or self.input.unheard(self.config)
            or self.known.playback.lead_ms(now_ms)
        )
