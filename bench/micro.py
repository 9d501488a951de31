"""What one event costs inside the process, part by part: the same minute of a call, driven through ever more of the server.

Nothing here waits: frames come one behind the other, so these are the costs of a busy server. An event is one chunk of input; what
an answer costs is spread over the chunks of its turn.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pybase64

from bench.figures import middle
from bench.sound import BYTES_PER_MS, RATE_HZ, chunks, silence, voice
from vivavoce.audio.clip import TICKS_PER_MS, Clip, Frame
from vivavoce.call.driver import Call
from vivavoce.call.ports import EngineCall, VoiceActivity
from vivavoce.call.registry import opening_session, session_options
from vivavoce.call.settings import SessionSettings, Settings
from vivavoce.engines.scripted.engine import ScriptedEngine, ScriptedSettings
from vivavoce.engines.scripted.script import Script, Step
from vivavoce.engines.vad import EnergyVoiceActivity, SileroModel
from vivavoce.protocol.client_events import InputAudioBufferAppend
from vivavoce.protocol.dialects import GA, Dialect
from vivavoce.protocol.errors import EngineError
from vivavoce.protocol.ids import IdSource
from vivavoce.session.effects import Effect, Hangup, Hear, Metered, Play, Send, Warn
from vivavoce.session.session import RealtimeSession
from vivavoce.session.signals import Signal

ANSWER = "An answer of more than two seconds."
"""At 60 ms a character, the scripted engine's pace."""
TURN_MS = 1000 + 500 + len(ANSWER) * 60 + 600

# Without a bound on the lead an answer goes out at once, as it does when a call runs in real time.
_SETTINGS = Settings(session=SessionSettings(output_lead_ms=0))
_TURNS = 12


@dataclass(frozen=True)
class Split:
    """Microseconds per event.

    tick: the machine's share of a chunk in which nothing happens but listening.
    inside: everything but the socket: from a received text to written frames, with the energy VAD.
    """

    decode: float
    energy: float
    silero: float
    machine: float
    tick: float
    inside: float

    @property
    def driver(self) -> float:
        """Inbox, effects, encoding: what is left of `inside`."""
        return self.inside - self.decode - self.energy - self.machine


def split(chunk_ms: int = 20, rounds: int = 3) -> Split:
    """Measure each part `rounds` times; medians."""
    pieces = chunks(voice(1000) + silence(TURN_MS - 1000), chunk_ms) * _TURNS
    texts = [
        f'{{"type":"input_audio_buffer.append","audio":"{pybase64.b64encode_as_string(piece)}"}}'
        for piece in pieces
    ]

    def per_event(measure: Callable[[], float]) -> float:
        return middle([measure() / len(pieces) * 1e6 for _ in range(rounds)])

    model = _silero()
    driven = [asyncio.run(_drive(pieces)) for _ in range(rounds)]
    return Split(
        decode=per_event(lambda: _decode(texts)),
        energy=per_event(lambda: _judge(EnergyVoiceActivity(), pieces)),
        silero=per_event(lambda: _judge(model.open(), pieces)) if model else float("nan"),
        machine=middle([whole_s / len(pieces) * 1e6 for whole_s, _ in driven]),
        tick=middle([tick_s * 1e6 for _, tick_s in driven]),
        inside=per_event(lambda: asyncio.run(_whole(texts))),
    )


def _silero() -> SileroModel | None:
    try:
        return SileroModel()
    except EngineError:
        return None


def _decode(texts: Sequence[str]) -> float:
    machine = _session(lambda name: name)
    started = time.perf_counter()
    for text in texts:
        event = GA.from_wire(text)
        assert isinstance(event, InputAudioBufferAppend)
        machine.read_audio(event)
    return time.perf_counter() - started


def _judge(vad: VoiceActivity, pieces: Sequence[bytes]) -> float:
    length = len(pieces[0]) // BYTES_PER_MS * TICKS_PER_MS
    frames = [Frame(number * length, Clip(piece, RATE_HZ)) for number, piece in enumerate(pieces)]
    started = time.perf_counter()
    for frame in frames:
        vad.probabilities(frame)
    return time.perf_counter() - started


def _session(new_id: Callable[[str], str], now_ms: int = 0) -> RealtimeSession:
    opening = opening_session(_SETTINGS, ScriptedEngine(ScriptedSettings()), "sess_bench", "bench", 0.0)
    return RealtimeSession(opening, new_id, session_options(_SETTINGS), now_ms)


def _scripted(emit: Callable[[Signal], None]) -> EngineCall:
    return ScriptedEngine(ScriptedSettings(script=Script(Step(ANSWER)))).open("bench", emit)


async def _drive(pieces: Sequence[bytes]) -> tuple[float, float]:
    """Seconds spent in the machine; seconds for one chunk in which nothing but listening happens."""
    said: list[Signal] = []
    engine = _scripted(said.append)
    machine = _session(IdSource("bench").new)
    machine.attach("bench", 0)
    machine.drain()
    total_s = 0.0
    ticks_s: list[float] = []
    clock = time.perf_counter
    for number, piece in enumerate(pieces):
        now_ms = number * len(piece) // BYTES_PER_MS
        clip = Clip(piece, RATE_HZ)
        started = clock()
        machine.receive_audio(clip, now_ms)
        effects = machine.drain()
        spent_s = clock() - started
        rounds = 0
        while effects:
            signals = [signal for effect in effects for signal in _answers(engine, effect, said)]
            started = clock()
            for signal in signals:
                machine.signal(signal, now_ms)
            effects = machine.drain()
            spent_s += clock() - started
            rounds += 1
        total_s += spent_s
        if rounds == 1:
            ticks_s.append(spent_s)
    await engine.close()
    return total_s, sum(ticks_s) / len(ticks_s)


def _answers(engine: EngineCall, effect: Effect, said: list[Signal]) -> Sequence[Signal]:
    if isinstance(effect, Hear):
        return engine.hear(effect.frame)
    if not isinstance(effect, Send | Play | Hangup | Warn | Metered):
        engine.perform(effect)
    answers = said.copy()
    said.clear()
    return answers


class _Sink:
    """An attachment that keeps nothing."""

    id = "bench"
    dialect: Dialect = GA

    def __init__(self) -> None:
        self.frames = 0

    def write(self, frame: bytes) -> None:
        """Count it."""
        self.frames += 1

    def hang_up(self, code: int, reason: str) -> None:
        """Nobody is there."""


async def _whole(texts: Sequence[str]) -> float:
    """Seconds for the whole way from text to frames, through a call of its own."""
    ids = IdSource(secrets.token_hex(16))
    sink = _Sink()
    # The call goes by the loop's clock, which did not start today: a session begun at 0 would have expired.
    now_ms = int(asyncio.get_running_loop().time() * 1000)
    call = Call("bench", _session(ids.new, now_ms), _scripted, lambda: ids.new("event"))
    call.join(sink)
    started = time.perf_counter()
    for text in texts:
        call.receive(sink.id, text)
    spent_s = time.perf_counter() - started
    call.hang_up(1000, "")
    await call.finish()
    if sink.frames < _TURNS * 20:
        raise RuntimeError(f"the call did not answer: {sink.frames} events for {_TURNS} turns")
    return spent_s
