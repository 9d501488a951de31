"""Runs behaviours: the session machine in its driver, a puppet for an engine, one connection, virtual time.

Audio comes in frames of 20 ms, as from a microphone: a frame is sent when it is over, and holds what the caller did when it began.
A scripted input at some time comes before frames and deadlines that are due at that time.
"""

from __future__ import annotations

import json
import logging
from typing import Any

import pybase64

from vivavoce.call.driver import Call
from vivavoce.call.machines import AnySession, machine_of, set_up
from vivavoce.call.ports import Capabilities
from vivavoce.protocol.ids import IdSource
from vivavoce.protocol.session_objects import (
    AudioConfig,
    AudioInputConfig,
    ServerVad,
    SessionObject,
    VivavoceExtension,
)
from vivavoce.session.effects import Effect
from vivavoce.testing.attachments import Listening
from vivavoce.testing.clock import VirtualLoop
from vivavoce.testing.grammar import Behaviour, EngineKind, GrammarError, Step
from vivavoce.testing.mcp_lines import ServerLines
from vivavoce.testing.outputs import Output, Recorder, differs, read_expected, show
from vivavoce.testing.puppet import PuppetCall
from vivavoce.testing.script import ClientLines, EngineLines, ScriptError
from vivavoce.testing.words import Names

FRAME_MS = 20
AFTERWARDS_MS = 1000
"""A block goes on for this long after its last input, so that what comes too late or too often is seen."""
CLIENT = "client"

_VOICE = pybase64.b64encode_as_string(b"\x00\x10" * 24 * FRAME_MS)
_SILENCE = pybase64.b64encode_as_string(bytes(48 * FRAME_MS))


class Differs(AssertionError):
    """A behaviour is not what its block says."""


class _Errors(logging.Handler):
    """Keeps the driver's internal errors: in a test they are failures, not log lines."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.errors: list[BaseException] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            self.errors.append(record.exc_info[1])


class Stage:
    """One call, set up for a behaviour."""

    def __init__(self, behaviour: Behaviour, kind: EngineKind) -> None:
        self.behaviour = behaviour
        self.kind = kind
        self.loop = VirtualLoop()
        self.recorder = Recorder()
        self.names = Names()
        self.connections: dict[str, Listening] = {}
        self._mouth: str | None = None
        self._next_frame_ms = 0
        self._errors = _Errors()
        self._call, self._puppet = self.loop.run_until_complete(self._open())
        self._client = ClientLines(self._call, self.connections, self.names)
        self._engine = EngineLines(self._puppet, self.names)
        self._servers = ServerLines(self._puppet)

    def run(self) -> list[list[Output]]:
        """Play the whole block; returns what came out after each input, by the step."""
        log = logging.getLogger("vivavoce.call")
        log.addHandler(self._errors)
        propagates, log.propagate = log.propagate, False
        try:
            return [self._play(step, until) for step, until in self._spans()]
        finally:
            log.removeHandler(self._errors)
            log.propagate = propagates
            self._close()

    def check(self, step: Step, outputs: list[Output], *, exact: bool) -> None:
        """Hold what came out after a step against its lines. Raises Differs."""
        rest = list(outputs)
        for line in step.outputs:
            expected = read_expected(line.text)
            if self.kind == "speaks" and expected.names == ("engine speak",):
                continue
            count = len(expected.names)
            found, rest = rest[:count], rest[count:]
            wrong = "nothing came" if len(found) < count else differs(expected, found, self.names)
            if wrong is not None:
                raise Differs(f"line {line.number}: {line.text}\n    {wrong}\n{_listing(step, outputs)}")
        if rest and exact:
            raise Differs(
                f"line {step.line.number}: more came than is listed: {rest[0].name}\n{_listing(step, outputs)}"
            )

    def _spans(self) -> list[tuple[Step, int]]:
        steps = self.behaviour.steps
        ends = [step.at_ms for step in steps[1:]] + [steps[-1].at_ms + AFTERWARDS_MS]
        return list(zip(steps, ends, strict=True))

    def _play(self, step: Step, until_ms: int) -> list[Output]:
        self._advance(step.at_ms)
        try:
            self._act(step)
        except (ValueError, LookupError) as error:
            raise GrammarError(f"line {step.line.number}: {step.words}: {error}") from error
        self._advance(until_ms)
        if self._errors.errors:
            raise self._errors.errors[0]
        outputs = self.recorder.take()
        last = step is self.behaviour.steps[-1]
        self.check(step, outputs, exact=not (last and self.behaviour.open_ended))
        return outputs

    def _act(self, step: Step) -> None:
        actor, _, what = step.words.partition(" ")
        if actor == "caller":
            self._caller(what)
        elif actor.partition("@")[0] in ("stt", "eot", "llm", "tts"):
            self._engine.say(actor, what)
        elif actor.partition("@")[0] == "mcp":
            self._servers.say(actor, what)
        elif actor == "time" and what == "passes":
            pass
        else:
            self._client.act(actor, what)

    def _caller(self, what: str) -> None:
        """`speaks`, `silent` (still sending), or `stops` (sends nothing any more)."""
        if what not in ("speaks", "silent", "stops"):
            raise ScriptError(f"the caller cannot '{what}'")
        if self._mouth is None:
            self._next_frame_ms = self.loop.now_ms
        self._mouth = None if what == "stops" else _VOICE if what == "speaks" else _SILENCE

    def _advance(self, until_ms: int) -> None:
        """Let time pass up to a moment; what is due at that very moment is still to come."""
        while self._mouth is not None and self._next_frame_ms + FRAME_MS <= until_ms:
            frame = self._mouth
            self._next_frame_ms += FRAME_MS
            if self._next_frame_ms == until_ms:
                # Recorded, but not before this moment; it is sent once the input of the moment was applied.
                self.loop.call_at(until_ms / 1000, self._send_frame, frame)
                break
            self.loop.advance_to(self._next_frame_ms)
            self._send_frame(frame)
        self.loop.advance_to(until_ms)

    def _send_frame(self, audio: str) -> None:
        event = {"type": "input_audio_buffer.append", "audio": audio}
        self._call.receive(CLIENT, json.dumps(event))

    async def _open(self) -> tuple[Call, PuppetCall]:
        behaviour, ids = self.behaviour, IdSource(self.behaviour.name)
        can = Capabilities(
            speaks=self.kind == "speaks", prepares=behaviour.prepares, judges_turns=behaviour.judges
        )
        machine = machine_of(opening(behaviour, ids), ids.new, behaviour.options, 0, can)
        puppets: list[PuppetCall] = []

        def open_engine(emit: Any) -> PuppetCall:
            puppets.append(PuppetCall(emit, speaks=self.kind == "speaks"))
            return puppets[0]

        call = Call("rtc_behaviour", machine, open_engine, lambda: ids.new("event"), self._observe)
        self.connections[CLIENT] = Listening(CLIENT)
        call.join(self.connections[CLIENT])
        self.recorder.take()  # Connecting is the same in every behaviour.
        return call, puppets[0]

    def _observe(self, what: object, now_ms: int) -> None:
        if isinstance(what, Effect):
            self.recorder.record(what, now_ms)

    def _close(self) -> None:
        self._call.hang_up(1000, "the behaviour is over")
        self.loop.run_until_complete(self._call.finish())
        self.loop.close()


def opening(behaviour: Behaviour, ids: IdSource) -> AnySession:
    """The session a behaviour starts with: every default, and what its `session` header says."""
    silence_ms = behaviour.options.silence_duration_ms
    plain = SessionObject(
        id=ids.new("sess"),
        model="gpt-realtime-2",
        audio=AudioConfig(input=AudioInputConfig(turn_detection=ServerVad(silence_duration_ms=silence_ms))),
        vivavoce=VivavoceExtension(engine="puppet"),
    )
    patch = {"type": "realtime", **behaviour.session}
    return set_up(plain, patch, silence_ms)


def play(behaviour: Behaviour, kind: EngineKind) -> None:
    """Run a behaviour over one kind of engine. Raises Differs, Broken, or whatever the session itself raises."""
    Stage(behaviour, kind).run()


def _listing(step: Step, outputs: list[Output]) -> str:
    return "\n".join([f"What came after '{step.line.text.strip()}':", *show(outputs)])
