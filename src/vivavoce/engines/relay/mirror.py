"""The machine of a relayed session: it follows the upstream, which is the authority on turns, items and responses.

It has the verbs of the sessions in session/ and keeps their house laws. A client's event goes up under an id of ours and its error comes
back to whoever sent it; what the upstream says goes to everybody, in its own words. What is kept of it here (items, what is going on in
a response, what was played) serves to bring things to an end when the upstream cannot, and to go on elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from vivavoce.audio.clip import TICKS_PER_MS, Clip, Frame
from vivavoce.audio.codec import AudioError, decode_audio
from vivavoce.call.machines import AnySession
from vivavoce.call.ports import Machine
from vivavoce.engines.relay import failures
from vivavoce.engines.relay.asked import Ask, Change
from vivavoce.engines.relay.carrying import as_created, carried
from vivavoce.engines.relay.following import Following
from vivavoce.engines.relay.front_tools import FrontTools
from vivavoce.engines.relay.known import Known
from vivavoce.engines.relay.reading import end, is_greeting, read
from vivavoce.engines.relay.rules import Rules
from vivavoce.engines.relay.showing import answered_by, as_update, follow, kind_of, shown, watched
from vivavoce.engines.relay.succeeding import succeed
from vivavoce.engines.relay.uplink import Uplink
from vivavoce.protocol import client_events as ce
from vivavoce.protocol import errors
from vivavoce.protocol import server_events as se
from vivavoce.protocol.client_events import ClientEvent
from vivavoce.protocol.encode import to_plain
from vivavoce.protocol.errors import ClientError
from vivavoce.protocol.items import McpApprovalResponseItem
from vivavoce.protocol.responses import ErrorDetail
from vivavoce.protocol.session_objects import SessionObject, Tool
from vivavoce.protocol.sessions import merge_extension
from vivavoce.session.connections import Connections
from vivavoce.session.deadlines import Deadlines
from vivavoce.session.effects import Configure, Effect, Hangup, Hear, Send, Warn
from vivavoce.session.options import SessionOptions
from vivavoce.session.outbox import NewId, Outbox
from vivavoce.session.rate_limits import RESERVED_OUTPUT_TOKENS, exceeded
from vivavoce.session.signals import Signal
from vivavoce.session.tool_calls import ListingFailed, ToolAnswered, ToolFailed, ToolsListed
from vivavoce.session.upstream import FailOver, Failure, Feed, FromUpstream, LinkLost

REPEATED = frozenset({"session.update", "conversation.item.create", "conversation.item.delete"})
"""What a client asked of an upstream that was lost before it answered, and what is simply asked of the next."""

NEXT_SUCCESSOR_MS = 30_000
"""After a successor that did not come about."""
QUIET_AGAIN_MS = 250
"""How soon it is looked again whether a successor may take over."""


@dataclass(slots=True)
class Input:
    """Audio on its way up: its media clock in ticks, its format, and the item being spoken, if the upstream hears somebody."""

    wire_format: str
    position: int = 0
    speaking: str | None = None
    uncommitted: int = 0
    """Ticks since the buffer was last emptied."""
    offset_ms: int = 0
    """Where the upstream's own clock began on ours."""


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
        self.config = opening
        self.options = options
        self.rules = rules
        self.deadlines = Deadlines()
        self.outbox = Outbox(new_id)
        self.connections = Connections(self.outbox, self.deadlines, options.max_duration_s, now_ms)
        self.up = Uplink(self.outbox, self.deadlines, rules)
        self.known = Known()
        self.front = FrontTools(self.outbox, self.known, options.mcp_servers)
        self.input = Input(opening.audio.input.format.type)
        self.limited = bool(options.rates.settle(0, 0, now_ms))
        """This server has limits for its own clients."""
        self._ends_ms = now_ms + options.max_duration_s * 1000
        self._given = {**rules.stated, **(setup or {})}
        self._unseen: list[str] = []
        """Who is there and has not been shown the session yet, since nobody knows it."""
        self._stand_in: Machine | None = None
        """What goes on once the upstream is lost for good."""
        self.up.begin(opening, now_ms)

    # --- verbs ----------------------------------------------------------------------------------------------------------

    def attach(self, source: str, now_ms: int, *, returning: bool = False) -> None:
        """Somebody joins; they are shown the session as soon as the upstream has told it."""
        if self._stand_in is not None:
            self._stand_in.attach(source, now_ms, returning=returning)
            return
        self.connections.arrived(source, returning=returning)
        if self.up.was_live:
            self._show(source)
        else:
            self._unseen.append(source)

    def detached(self, source: str, now_ms: int) -> None:
        """Somebody left."""
        if self._stand_in is not None:
            self._stand_in.detached(source, now_ms)
            return
        self._unseen = [one for one in self._unseen if one != source]
        self.connections.left(source, self.config, now_ms)

    def receive(self, event: ClientEvent, source: str, now_ms: int) -> None:
        """Send a client's event up, once it is in order here."""
        if self._stand_in is not None:
            self._stand_in.receive(event, source, now_ms)
            return
        try:
            HANDLERS[type(event)](self, event, source, now_ms)
        except ClientError as error:
            if error.event_id is None:
                error.event_id = event.event_id
            self.refuse(error, source)

    def refuse(self, error: ClientError, source: str) -> None:
        """Tell one attachment about its mistake; nothing else changes (house law 5)."""
        self.connections.refuse(error, source)

    def read_audio(self, event: ce.InputAudioBufferAppend) -> Clip:
        """The sound in an append event. Raises ClientError (param `audio`)."""
        if self._stand_in is not None:
            return self._stand_in.read_audio(event)
        try:
            return decode_audio(event.audio, self.input.wire_format)
        except AudioError as error:
            raise ClientError("invalid_value", str(error), "audio", event.event_id) from None

    def receive_audio(self, clip: Clip, now_ms: int) -> None:
        """Input audio, at most 100 ms a piece."""
        if self._stand_in is not None:
            self._stand_in.receive_audio(clip, now_ms)
        elif clip.pcm:
            self.outbox.put(Hear(Frame(self.input.position, clip)))
            self.input.position += clip.ticks
            self.input.uncommitted += clip.ticks

    def signal(self, signal: Signal, now_ms: int) -> None:
        """Take in what the upstream says."""
        match signal:
            case FromUpstream(link, frame) if link == self.up.link:
                self.up.last_ms = now_ms
                wrong = read(self, frame, now_ms)
                if wrong is not None:
                    self.lose(failures.garbage(wrong), now_ms)
            case FromUpstream(link, frame) if link == self.up.successor:
                self._successor_says(frame, now_ms)
            case LinkLost(link, failure) if link == self.up.link:
                self.lose(failure, now_ms)
            case LinkLost(link, _) if link == self.up.successor:
                self._without_successor(now_ms)
            case _ if self._stand_in is not None:
                self._stand_in.signal(signal, now_ms)
            case ToolsListed() | ListingFailed():
                self.front.listed(signal)
                self._offer(now_ms)
            case ToolAnswered() | ToolFailed():
                self._returned(signal, now_ms)

    def tick(self, now_ms: int) -> None:
        """Time has passed: run whatever is due."""
        if self._stand_in is not None:
            self._stand_in.tick(now_ms)
            return
        for name in self.deadlines.due(now_ms):
            match name:
                case "upstream":
                    owed = self.up.overdue(now_ms, responses=not self.known.running)
                    if owed is not None:
                        self.lose(failures.silent(owed, self.rules.silence_ms), now_ms)
                case "stall":
                    self._stalled(now_ms)
                case "handover":
                    self._hand_over_due(now_ms)
                case "expiry_near" | "return":
                    self.connections.due(name)
                case "expiry":
                    self.up.end()
                    self.connections.expire(self.options.max_duration_s)

    def next_deadline(self) -> int | None:
        """When `tick` is wanted next, in milliseconds."""
        return self.deadlines.next() if self._stand_in is None else self._stand_in.next_deadline()

    def drain(self) -> list[Effect]:
        """Effects since the last drain, in order."""
        effects = self.outbox.drain()
        return effects if self._stand_in is None else effects + self._stand_in.drain()

    # --- the session ----------------------------------------------------------------------------------------------------

    def greeted(self, raw: dict[str, Any], now_ms: int) -> None:
        """The upstream has shown its session: tell it what is wanted, and then the clients."""
        before = self.up.raw if self.up.was_live else {}
        self.up.state = "opening"
        wanted = as_update(self.config, before) if before else self._wanted()
        if wanted is None:
            self.updated(raw, None, now_ms)
            return
        self.up.raw = before or raw
        self.up.ask("session.update", now_ms, session=wanted)
        if before:
            self._carry_over(now_ms)

    def updated(self, raw: dict[str, Any], ask: Ask | None, now_ms: int) -> None:
        """The session is now this. Whoever waits for it is shown it as a new one, the others as one that has changed."""
        self.up.raw = raw
        self.config = follow(self.config, raw, ask.change if ask is not None else Change())
        self._hear_in(self.config.audio.input.format.type)
        self.outbox.put(Configure(watched(self.config)))
        first, opened = not self.up.was_live, self.up.state != "live"
        if opened:
            self.up.live(now_ms)
        unseen, self._unseen = self._unseen, []
        for source in unseen:
            self._show(source)
        if not first and (opened or ask is None or ask.source is not None):
            self._tell(se.SessionUpdated, "session.updated")
        if isinstance(self.config, SessionObject):
            self.front.follow(self.config)

    def refused(self, detail: ErrorDetail, now_ms: int) -> None:
        """The upstream does not like something: whoever has asked for it is told so, in its words."""
        ask = self.up.asked.refused(detail.event_id)
        if ask is None:
            if detail.code != "session_expired":  # How long a session lasts is said here.
                self.outbox.send(se.ErrorEvent, error=msgspec.structs.replace(detail, event_id=None))
            return
        if ask.kind == "response.create":
            self._settle(RESERVED_OUTPUT_TOKENS, 0, now_ms)
        if ask.kind == "session.update":
            self._hear_in(self.config.audio.input.format.type)
        if ask.source is not None:
            told = msgspec.structs.replace(detail, event_id=ask.event_id)
            self.outbox.send(se.ErrorEvent, to=ask.source, error=told)
            return
        self.outbox.put(
            Warn(f"the upstream refuses what the relay asks of it: {detail.code} {detail.message}")
        )
        if ask.kind == "session.update" and self.up.state == "opening":
            self.updated(self.up.raw, None, now_ms)
            self.outbox.send(se.ErrorEvent, error=msgspec.structs.replace(detail, event_id=None))

    def _wanted(self) -> dict[str, Any] | None:
        """What the session begins with, where that is anything: the operator's settings and the client's own."""
        given = {name: one for name, one in self._given.items() if name not in ("type", "vivavoce", "model")}
        if isinstance(self.config, SessionObject) and "tools" in given:
            given["tools"] = self.front.functions(self.config.tools)
        kind = kind_of(self.config)
        return {"type": kind, **given} if given or kind == "transcription" else None

    def _carry_over(self, now_ms: int) -> None:
        """Another upstream session: tell it the conversation, and what was asked of the one before."""
        self.input.offset_ms = self.input.position // TICKS_PER_MS
        for item in carried(self.known.conversation):
            self.up.carried.add(item.id)
            self.up.ask("conversation.item.create", now_ms, item=as_created(to_plain(item)))
        asks, self.up.repeat = self.up.repeat, []
        for ask in asks:
            if ask.event is not None and ask.source is not None:
                self.receive(ask.event, ask.source, now_ms)

    def _show(self, source: str) -> None:
        self._tell(se.SessionCreated, "session.created", source)

    def _tell(self, event: type[Any], name: str, to: str | None = None) -> None:
        event_id = self.outbox.new_id("event")
        told = {"type": name, "event_id": event_id, "session": shown(self.config, self.up.raw)}
        self.outbox.put(Send(event(event_id=event_id, session=self.config), to, msgspec.json.encode(told)))

    def _hear_in(self, wire_format: str) -> None:
        if wire_format != self.input.wire_format:
            self.input.wire_format = wire_format
            self.outbox.put(Feed(self.up.link, wire_format))

    # --- what clients ask for -------------------------------------------------------------------------------------------

    def _update_session(self, event: ce.SessionUpdate, source: str, now_ms: int) -> None:
        extension = None
        if "vivavoce" in event.session:
            extension = merge_extension(self.config.vivavoce, event.session["vivavoce"])
            if extension.preambles is not None:
                raise errors.invalid_because(
                    "session.vivavoce.preambles", "the upstream speaks, and finds its own preambles"
                )
        session = {name: one for name, one in event.session.items() if name != "vivavoce"}
        if extension is not None and not session.keys() - {"type"}:
            self.config = msgspec.structs.replace(self.config, vivavoce=extension)
            self._tell(se.SessionUpdated, "session.updated")
            return
        tools = self._read_tools(session, "session")
        if tools is not None:
            session["tools"] = self.front.functions(tools)
        change = Change(tools, extension)
        self.up.ask("session.update", now_ms, source=source, event=event, change=change, session=session)
        self._expect_format(session)

    def _read_tools(self, fields: dict[str, Any], path: str) -> list[Tool] | None:
        known = self.config.tools if isinstance(self.config, SessionObject) else []
        return self.front.read(fields, path, known)

    def _expect_format(self, session: dict[str, Any]) -> None:
        """Sound that comes right behind a new format is in that format already."""
        try:
            wanted = session["audio"]["input"]["format"]["type"]
        except (KeyError, TypeError):
            return
        if wanted in ("audio/pcm", "audio/pcmu", "audio/pcma"):
            self._hear_in(wanted)

    def _append(self, event: ce.InputAudioBufferAppend, source: str, now_ms: int) -> None:
        self.receive_audio(self.read_audio(event), now_ms)

    def _forward(self, event: ClientEvent, source: str, now_ms: int) -> None:
        """Send it up as it is."""
        plain = to_plain(event)
        kind = plain.pop("type")
        del plain["event_id"]
        if "item" in plain:
            plain["item"] = as_created(plain["item"])
        self.up.ask(kind, now_ms, source=source, event=event, **plain)

    def _create_response(self, event: ce.ResponseCreate, source: str, now_ms: int) -> None:
        if self.options.rates.reserve(RESERVED_OUTPUT_TOKENS, now_ms) is None:
            error = exceeded()
            raise ClientError(error.code or "", error.message or "", type=error.type)
        self.front.rounds = 0
        tools = self._read_tools(event.response or {}, "response")
        if tools is None:
            self._forward(event, source, now_ms)
            return
        self.front.tools.follow(tools)
        response = {**(event.response or {}), "tools": self.front.functions(tools)}
        self.up.ask("response.create", now_ms, source=source, event=event, response=response)

    def _create_item(self, event: ce.ConversationItemCreate, source: str, now_ms: int) -> None:
        if isinstance(event.item, McpApprovalResponseItem) and self.front.asked_for(event.item):
            self.front.decide(event.item)
            self._follow_decisions(now_ms)
        else:
            self._forward(event, source, now_ms)

    def _clear_output(self, event: ce.OutputAudioBufferClear, source: str, now_ms: int) -> None:
        message = "'output_audio_buffer.clear' is for WebRTC and SIP; on a WebSocket the client plays and clears by itself."
        raise ClientError("invalid_value", message, "type")

    # --- responses ------------------------------------------------------------------------------------------------------

    def speech_started(self, item_id: str, now_ms: int) -> None:
        """The upstream hears somebody speak."""
        self.input.speaking = item_id
        self.known.playback.flush()

    def begin_response(self, response: Following, now_ms: int, *, asked: bool) -> None:
        """The upstream begins to answer. Where no client asked for it, it is counted against the client's limits now."""
        response.reserved = RESERVED_OUTPUT_TOKENS
        self.known.begin(response)
        self.deadlines.set("stall", now_ms + self.rules.stall_ms)
        if not asked and self.options.rates.reserve(RESERVED_OUTPUT_TOKENS, now_ms) is None:
            response.reserved = 0
            self.up.ask("response.cancel", now_ms, response_id=response.object.id)

    def end_response(self, response: Following, tokens: int, now_ms: int) -> None:
        """It has answered, or cannot."""
        self._settle(response.reserved, tokens, now_ms)
        if not self.known.running:
            self.deadlines.clear("stall")
            if self.up.asked.outstanding(responses=True):
                self.up.wait(now_ms)
            self._follow_decisions(now_ms)

    def _settle(self, reserved: int, used: int, now_ms: int) -> None:
        limits = self.options.rates.settle(reserved, used, now_ms)
        if self.limited:
            self.outbox.send(se.RateLimitsUpdated, rate_limits=limits)

    def _stalled(self, now_ms: int) -> None:
        due_ms = self.up.last_ms + self.rules.stall_ms
        if any(map(self.front.waits, self.known.running)):
            self.deadlines.set("stall", now_ms + self.rules.stall_ms)  # It is tools that are waited for.
        elif now_ms >= due_ms:
            self.lose(failures.silent("gone on with its response", self.rules.stall_ms), now_ms)
        else:
            self.deadlines.set("stall", due_ms)

    # --- tools of MCP servers -------------------------------------------------------------------------------------------

    def _offer(self, now_ms: int) -> None:
        """A list has come: the upstream is offered what is in it."""
        if isinstance(self.config, SessionObject) and self.up.was_live:
            offered = {"type": "realtime", "tools": self.front.functions(self.config.tools)}
            self.up.ask("session.update", now_ms, session=offered)

    def _returned(self, signal: ToolAnswered | ToolFailed, now_ms: int) -> None:
        response_id = self.front.returned(signal)
        if response_id is None or self.front.waits(response_id):
            return
        response = self.known.running.get(response_id)
        if response is None:
            self.tell_results(response_id, now_ms)
        elif response.held is not None:
            end(self, response.held, now_ms)

    def _follow_decisions(self, now_ms: int) -> None:
        for ready in self.front.decided():
            self.tell_results(ready, now_ms)

    def tell_results(self, response_id: str, now_ms: int, *, completed: bool = True) -> None:
        """The upstream hears what its calls returned, and is asked to go on, where nobody else has the next word."""
        results = self.front.results(response_id)
        if results is None:
            return
        for call_id, output in results.outputs:
            item_id = self.outbox.new_id("item")
            self.front.unseen.add(item_id)
            item = {"id": item_id, "type": "function_call_output", "call_id": call_id, "output": output}
            self.up.ask("conversation.item.create", now_ms, item=item)
        if results.outputs and results.goes_on and completed and self.front.may_go_on():
            self.up.ask("response.create", now_ms)

    # --- when the upstream cannot ---------------------------------------------------------------------------------------

    def lose(self, failure: Failure, now_ms: int) -> None:
        """The link is of no use any more: end what was going on, say why, and go on with another if there is hope."""
        again = self.up.lost(now_ms) and self.up.was_live and failure.passing
        goes_on = again or self.rules.stand_in is not None
        self.outbox.put(Warn(f"{failure.code}: {failure.message}"))
        self.front.abandon()
        told = self._end_responses(failure, now_ms)
        self.up.repeat = [ask for ask in self.up.repeat if goes_on]
        for ask in self.up.asked.take_all():
            if goes_on and ask.kind in REPEATED:
                self.up.repeat.append(ask)
            elif ask.source is not None:
                self._blame(failure, ask.source, ask.event_id)
                told = True
        unheard = self.input.speaking is not None or self._pushed_to_talk()
        self.input.speaking, self.input.uncommitted = None, 0
        if not goes_on:
            self._give_up(failure)
            return
        if unheard and not told:
            self._blame(failure)
        if again:
            self.up.begin(self.config, now_ms)
        else:
            self._fail_over(now_ms)

    def _end_responses(self, failure: Failure, now_ms: int) -> bool:
        failed = self.known.fail(self.outbox, failure)
        for response in failed:
            self._settle(response.reserved, 0, now_ms)
            if not self.limited:
                self.outbox.send(se.RateLimitsUpdated, rate_limits=[])
        return bool(failed)

    def _pushed_to_talk(self) -> bool:
        """Audio went up that only a commit would have made a turn of."""
        return self.config.audio.input.turn_detection is None and self.input.uncommitted > 0

    def _blame(self, failure: Failure, source: str | None = None, event_id: str | None = None) -> None:
        detail = ErrorDetail(type=failure.type, code=failure.code, message=failure.message, event_id=event_id)
        self.outbox.send(se.ErrorEvent, to=source, error=detail)

    def _give_up(self, failure: Failure) -> None:
        self.up.end()
        self._blame(failure)
        self.outbox.put(Hangup(1011, failure.code))

    def _fail_over(self, now_ms: int) -> None:
        """Another engine goes on with the conversation; clients see that the session has changed, and by what it is answered."""
        engine = self.rules.stand_in
        assert engine is not None
        self.up.end()
        self.outbox.put(FailOver())
        self.outbox.put(Warn(f"{engine.names.engine} goes on instead of the upstream"))
        self.config = answered_by(self.config, engine.names)
        self._stand_in = succeed(self, engine.capabilities, max(1, (self._ends_ms - now_ms) // 1000), now_ms)
        for source in self._unseen:
            self._stand_in.attach(source, now_ms)
        if self.up.was_live:
            self.outbox.send(se.SessionUpdated, session=self.config)
        for ask in self.up.repeat:
            if ask.event is not None and ask.source is not None:
                self._stand_in.receive(ask.event, ask.source, now_ms)

    # --- before the upstream's time is up -------------------------------------------------------------------------------

    def _hand_over_due(self, now_ms: int) -> None:
        if not self.up.successor:
            self.up.prepare_successor(self.config, now_ms)
        elif self.up.successor_greeted:
            self._hand_over(now_ms)
        else:
            self._without_successor(now_ms)

    def _successor_says(self, frame: bytes, now_ms: int) -> None:
        """A greeting; until it takes over it has nothing else to say."""
        if is_greeting(frame):
            self.up.successor_greeted = True
            self._hand_over(now_ms)
        elif not self.up.successor_greeted:
            self._without_successor(now_ms)

    def _without_successor(self, now_ms: int) -> None:
        """It did not come about; the upstream session that there is goes on meanwhile."""
        self.up.drop_successor()
        self.deadlines.set("handover", now_ms + NEXT_SUCCESSOR_MS)

    def _hand_over(self, now_ms: int) -> None:
        """The successor has greeted: it takes over as soon as nobody speaks and nothing is owed."""
        if not self._quiet(now_ms):
            self.deadlines.set("handover", now_ms + QUIET_AGAIN_MS)
            return
        self.up.take_over(self.config, now_ms)
        self.up.ask("session.update", now_ms, session=as_update(self.config, self.up.raw))
        self._carry_over(now_ms)

    def _quiet(self, now_ms: int) -> bool:
        return not (
            self.known.running
            or self.up.asked.outstanding(responses=True)
            or self.input.speaking is not None
            or self._pushed_to_talk()
            or self.known.playback.lead_ms(now_ms)
        )


Handler = Callable[[Mirror, Any, str, int], None]

HANDLERS: dict[type, Handler] = {
    ce.SessionUpdate: Mirror._update_session,
    ce.InputAudioBufferAppend: Mirror._append,
    ce.InputAudioBufferCommit: Mirror._forward,
    ce.InputAudioBufferClear: Mirror._forward,
    ce.OutputAudioBufferClear: Mirror._clear_output,
    ce.ConversationItemCreate: Mirror._create_item,
    ce.ConversationItemRetrieve: Mirror._forward,
    ce.ConversationItemTruncate: Mirror._forward,
    ce.ConversationItemDelete: Mirror._forward,
    ce.ResponseCreate: Mirror._create_response,
    ce.ResponseCancel: Mirror._forward,
}
"""Every client event of the GA dialect; a test holds the table against the protocol."""
