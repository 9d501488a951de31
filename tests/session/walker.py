"""A random walk over a session: clients, callers, engines and time, all at once, all from one seed.

Half of the client events are valid and fit the session's state, half are spoilt. Whatever happens, nothing but ClientError may be
raised, every frame must be one that a strict client reads, and the stream must keep to `Invariants`. In the end the engine does all
that it was asked for, and then nothing may be left open.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.session.random_events import Known, RandomEvents
from tests.session.rig import clip
from vivavoce.call.driver import audio_delta
from vivavoce.protocol.dialects import BETA, GA
from vivavoce.protocol.errors import ClientError
from vivavoce.protocol.ids import IdSource
from vivavoce.protocol.items import McpToolExecutionError, McpToolInfo
from vivavoce.protocol.session_objects import McpTool, SessionObject, Tool
from vivavoce.session.effects import (
    Cancel,
    Effect,
    Generate,
    Hangup,
    Hear,
    Play,
    Prepare,
    Send,
    Speak,
    Transcribe,
)
from vivavoce.session.options import SessionOptions
from vivavoce.session.session import RealtimeSession
from vivavoce.session.signals import (
    AudioOut,
    ClauseSpoken,
    EngineFailed,
    Prepared,
    ResponseFinished,
    Signal,
    SpeechProbability,
    TextDelta,
    TokenUsage,
    ToolCall,
    TranscriptFailed,
    TranscriptFinished,
    TranscriptPartial,
)
from vivavoce.session.tool_calls import (
    CallTool,
    ListingFailed,
    ListTools,
    ToolAnswered,
    ToolFailed,
    ToolsListed,
)
from vivavoce.testing.invariants import Invariants
from vivavoce.testing.strict import read_frame

CLIENT = "client"
WORDS = (
    "",
    "Yes. ",
    "One moment, ",
    "let me see. And then: ",
    "A long clause that goes on and on, for quite a while, ",
    "ü\n",
)
TOOLS = (
    McpToolInfo(name="hours", input_schema={"type": "object"}, annotations={"readOnlyHint": True}),
    McpToolInfo(name="book", input_schema={"type": "object"}),
)
HEARD = ("", "hello", "where is my order")
_SOUND = re.compile(r"pcm=b'[^']*'")
ACTORS = ("client", "caller", "engine", "time", "stranger")
SETTLING = 400
"""Rounds in which everything that was begun must come to its end."""


@dataclass(slots=True)
class Work:
    """What the engine was asked for and has not done."""

    rates: dict[str, int] = field(default_factory=dict)
    clauses: dict[str, list[int]] = field(default_factory=dict)
    unheard: list[str] = field(default_factory=list)
    listings: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    def take(self, effect: Effect) -> None:
        """Note an effect."""
        match effect:
            case Generate(generation, _, request) | Prepare(generation, _, request):
                self.rates[generation] = request.rate_hz
            case Speak(generation, clause, _, _, _, rate_hz):
                self.rates.setdefault(generation, rate_hz)
                self.clauses.setdefault(generation, []).append(clause)
            case Transcribe(item_id):
                self.unheard.append(item_id)
            case Cancel(generation):
                self.clauses.pop(generation, None)
            case ListTools():
                self.listings.append(effect.listing)
            case CallTool():
                self.calls.append(effect.call)


class Walk:
    """One run. `digest` tells two runs apart by everything that came out."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.now_ms = 0
        self.over = False
        self.count = Counter[str]()
        self.trace: list[str] = []
        self.digest = hashlib.sha256()
        self._work = Work()
        self._known = Known()
        self._random = RandomEvents(self.rng, self._known)
        self._invariants: Invariants
        self._machine = self._make()
        self._step("attach", self._machine.attach, CLIENT, 0)

    def run(self, steps: int) -> None:
        """Walk, then let everything come to its end."""
        for _ in range(steps):
            self.act(self.rng.choices(ACTORS, (8, 4, 10, 2, 1))[0])
        self.settle()

    def act(self, actor: str) -> None:
        """One of ACTORS does something, unless the session is over."""
        if not self.over:
            getattr(self, f"_{actor}")()

    # --- who acts -------------------------------------------------------------------------------------------------------

    def _client(self) -> None:
        spoilt = self.rng.random() < 0.5
        frame = self._random.spoilt() if spoilt else self._random.valid()
        self.count["spoilt" if spoilt else "valid"] += 1
        dialect = BETA if self.rng.random() < 0.1 else GA
        self.trace.append(f"{self.now_ms} {dialect.name} {frame[:400]!r}")
        try:
            event = dialect.from_wire(frame)
        except ClientError as error:
            self._step("refuse", self._machine.refuse, error, CLIENT)
        else:
            self._step("receive", self._machine.receive, event, CLIENT, self.now_ms)

    def _caller(self) -> None:
        p = self.rng.choice((0.0, 0.0, 0.4, 1.0))
        for _ in range(self.rng.choice((1, 5, 12, 30))):
            self.now_ms += 20
            sound = clip(20, self.rng.choice((24_000, 24_000, 8_000)))
            self._step("audio", self._machine.receive_audio, sound, self.now_ms, p=p)
            if self.over:
                return

    def _engine(self) -> None:
        generations = list(self._work.rates)[-4:] or ["gen_never"]
        generation = self.rng.choice(generations)
        self._signal(self._something(generation))

    def _time(self) -> None:
        due = self._machine.next_deadline()
        assert due is not None
        # Mostly to the next deadline, sometimes past it, seldom to the end of the session.
        soon = min(due, self.now_ms + 5000)
        self.now_ms = max(self.now_ms, self.rng.choice((soon - 1, soon, soon, soon + 1000)))
        self._step("tick", self._machine.tick, self.now_ms)

    def _stranger(self) -> None:
        if self.rng.random() < 0.5:
            self._step("attach", self._machine.attach, "sideband", self.now_ms)
        else:
            self._step("detached", self._machine.detached, "sideband", self.now_ms)

    def _something(self, generation: str) -> Signal:
        choose = self.rng.choice
        clauses = self._work.clauses.get(generation, [0])
        rate_hz = self._work.rates.get(generation, 24_000)
        sound = clip(choose((1, 20, 100)), rate_hz)
        unheard = self._work.unheard[-2:] or ["item_never"]
        listing = choose(self._work.listings[-2:] or ["item_never"])
        call = choose(self._work.calls[-3:] or ["item_never"])
        broken = McpToolExecutionError(message="it is broken")
        usage = choose((None, TokenUsage(7, 3)))
        return choose(
            (
                TextDelta(generation, choose(WORDS)),
                TextDelta(generation, choose(WORDS)),
                ToolCall(generation, "look_up", '{"id": "A1"}'),
                ToolCall(generation, choose(("hours", "book")), '{"day": "Monday"}'),
                ToolCall(generation, choose(("docs__hours", "shop__book")), "{}"),
                choose(
                    (ToolsListed(listing, TOOLS), ToolsListed(listing, TOOLS), ListingFailed(listing, "down"))
                ),
                choose((ToolAnswered(call, "nine to five"), ToolFailed(call, broken))),
                AudioOut(generation, choose((*clauses[-1:], 0, 99)), sound, choose(((), ((1, 48),)))),
                AudioOut(generation, clauses[-1] if clauses else 0, sound),
                ClauseSpoken(generation, clauses[-1] if clauses else 0),
                ClauseSpoken(generation, choose((0, 1, 99))),
                Prepared(generation, choose(HEARD)),
                ResponseFinished(generation, choose(("stop", "stop", "max_output_tokens")), usage),
                EngineFailed(generation, choose(("llm", "tts")), "down", "it is down"),
                TranscriptFinished(choose(unheard), choose(HEARD)),
                TranscriptPartial(choose(unheard), "hel"),
                TranscriptFailed(choose(unheard), "noise", "only noise"),
            )
        )

    def _signal(self, signal: Signal) -> None:
        self.trace.append(f"{self.now_ms} {_SOUND.sub('pcm', repr(signal))}")
        self.count["signals"] += 1
        self._step("signal", self._machine.signal, signal, self.now_ms)

    def settle(self) -> None:
        """The engine does all it was asked for and time passes; then nobody may still be waiting for anything."""
        for _ in range(SETTLING):
            work = self._work
            if self.over or not (self._invariants.live or work.unheard or work.listings or work.calls):
                break
            while work.listings and not self.over:
                self._signal(ToolsListed(work.listings.pop(0), TOOLS))
            while work.calls and not self.over:
                self._signal(ToolAnswered(work.calls.pop(0), "nine to five"))
            while self._work.unheard and not self.over:
                self._signal(TranscriptFinished(self._work.unheard.pop(0), "hello"))
            for generation in list(self._work.rates):
                for clause in self._work.clauses.pop(generation, []):
                    self._signal(ClauseSpoken(generation, clause))
                self._signal(ResponseFinished(generation))
            self.now_ms += 100
            self._step("tick", self._machine.tick, self.now_ms)
        if not self.over:
            self._invariants.finish()

    # --- what comes of it -----------------------------------------------------------------------------------------------

    def _make(self) -> RealtimeSession:
        choose = self.rng.choice
        options = SessionOptions(
            soft_pause_ms=choose((0, 200)),
            output_lead_ms=choose((0, 300, 3000)),
            item_audio_s=choose((1, 60)),
            call_audio_bytes=choose((50_000, 16_000_000)),
            retrieved_audio_bytes=choose((1000, 512_000)),
            keep_response_create=choose((True, True, False)),
            refuse_unknown_fields=choose((True, False, False)),
            max_duration_s=choose((20, 3600)),
            mcp_servers=("shop",),
        )
        ids = IdSource(str(self.rng.random()))
        speaks, prepares = choose((True, False)), choose((True, False))
        self._invariants = Invariants(text_first=not speaks)
        free = McpTool(server_label="docs", server_url="http://127.0.0.1:9", require_approval="never")
        asking = McpTool(server_label="shop", server_url="vivavoce:shop")
        kinds: tuple[list[Tool], ...] = ([], [free], [asking], [free, asking])
        servers = choose(kinds)
        opening = SessionObject(id=ids.new("sess"), model="m", tools=servers)
        return RealtimeSession(opening, ids.new, options, 0, engine_speaks=speaks, engine_prepares=prepares)

    def _step(self, name: str, verb: Any, *arguments: Any, p: float = 0.0) -> None:
        """One input, then drain to empty (house law 2)."""
        self.count[name] += 1
        verb(*arguments)
        while effects := self._machine.drain():
            for effect in effects:
                self._take(effect, p)

    def _take(self, effect: Effect, p: float) -> None:
        self._work.take(effect)
        match effect:
            case Send(event, to):
                frame = b"".join(GA.to_wire(event))
                BETA.to_wire(event)
                self._read(frame, to)
            case Play():
                self._read(b"".join(GA.to_wire(audio_delta(effect))), None)
            case Hear(frame):
                self._machine.signal(SpeechProbability(frame.end, p), self.now_ms)
            case Hangup():
                self.over = True

    def _read(self, frame: bytes, to: str | None) -> None:
        self.digest.update(frame)
        event = read_frame(frame)
        self.count["events"] += 1
        self.count[event["type"]] += 1
        self.trace.append(f"        -> {frame[:300]!r}")
        if to in (None, CLIENT):
            self._invariants.feed(event)
        self._learn(event)

    def _learn(self, event: dict[str, Any]) -> None:
        known = self._known
        item = event.get("item", {})
        if "id" in item and item["id"] not in known.items:
            known.items.append(item["id"])
        if "item_id" in event and event["item_id"] not in known.items:
            known.items.append(event["item_id"])
        if "call_id" in item:
            known.calls.append(item["call_id"])
        if item.get("type") == "mcp_approval_request":
            known.approvals.append(item["id"])
        if event["type"] == "response.created":
            known.responses.append(event["response"]["id"])
