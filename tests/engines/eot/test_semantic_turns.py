"""Turns with a pause inside the sentence, over the real cascade: who is cut short, and how long the others wait (docs/adr/0018).

Speech is flite's, recognition pocketsphinx's. Audio is fed as fast as it is decoded, but never past a pause that is still to be
judged, so the answer counts as there at once: real answers come later and cut less.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.engines.eot.utterances import PAUSED
from tests.engines.speech import spoken
from tests.proofs import Proof
from vivavoce.audio.clip import Clip, ms_to_ticks, ticks_to_ms
from vivavoce.audio.frames import split
from vivavoce.call.machines import machine_of, set_up
from vivavoce.call.ports import Engine
from vivavoce.call.settings import load_settings
from vivavoce.engines.cascade.engine import make_cascade
from vivavoce.protocol import server_events as se
from vivavoce.protocol.ids import IdSource
from vivavoce.protocol.session_objects import SessionObject
from vivavoce.session.effects import EngineEffect, Hear, JudgeTurn, Send
from vivavoce.session.options import SessionOptions
from vivavoce.session.signals import Signal, TurnCompleteness

RATE_HZ = 24_000
PAUSE_MS = 700
VOICES = ("alloy", "ash", "marin")


@dataclass
class Take:
    """One utterance as it was heard: `cut` if the turn ended in the pause, `wait_ms` of silence ended it after all was said."""

    cut: bool = False
    wait_ms: int | None = None
    judged: list[float] = field(default_factory=list)


@asynccontextmanager
async def cascade() -> AsyncIterator[Engine]:
    """The whole cascade with its own settings."""
    engine = make_cascade(
        load_settings({"session.soft_pause_ms": 0, "stt.workers": 1, "tts.workers": 1}, environ={})
    )
    await engine.start()
    try:
        yield engine
    finally:
        await engine.close()


def trimmed(text: str, voice: str) -> Clip:
    """What a voice says, without the silence that it says before and behind."""
    clip, _ = spoken(text, voice, 1.0, RATE_HZ)
    pieces = list(split(clip, 10))
    loud = [n for n, piece in enumerate(pieces) if max(memoryview(piece.pcm).cast("h")) > 300]
    return Clip(b"".join(piece.pcm for piece in pieces[loud[0] : loud[-1] + 1]), RATE_HZ)


def silence(ms: int) -> Clip:
    return Clip(bytes(RATE_HZ * ms // 1000 * 2), RATE_HZ)


async def take(engine: Engine, detection: dict[str, object], first: Clip, second: Clip) -> Take:
    """Say two halves with a pause between them."""
    ids = IdSource("take")
    opening = SessionObject(id="s", model="m")
    listening = {"audio": {"input": {"turn_detection": {"create_response": False, **detection}}}}
    session = set_up(opening, {"type": "realtime", **listening}, 500)
    machine = machine_of(session, ids.new, SessionOptions(soft_pause_ms=0), 0, engine.capabilities)
    said: asyncio.Queue[Signal] = asyncio.Queue()
    call = engine.open("call", said.put_nowait)
    heard, stops, position = Take(), list[int](), 0

    async def follow(now_ms: int) -> None:
        while effects := machine.drain():
            for effect in effects:
                if isinstance(effect, Hear):
                    for signal in call.hear(effect.frame):
                        machine.signal(signal, now_ms)
                elif isinstance(effect, Send):
                    if isinstance(effect.event, se.InputAudioBufferSpeechStopped):
                        stops.append(effect.event.audio_end_ms)
                elif isinstance(effect, EngineEffect):
                    call.perform(effect)
                if isinstance(effect, JudgeTurn):
                    while not isinstance(answer := await asyncio.wait_for(said.get(), 30), TurnCompleteness):
                        pass
                    heard.judged.append(answer.p)
                    machine.signal(answer, now_ms)

    try:
        middle = ms_to_ticks(300) + first.ticks + ms_to_ticks(PAUSE_MS)
        end = middle + second.ticks
        for clip in (silence(300), first, silence(PAUSE_MS), second, silence(8300)):
            for piece in split(clip, 20):
                now_ms = ticks_to_ms(position := position + piece.ticks)
                machine.receive_audio(piece, now_ms)
                await follow(now_ms)
                if position > end and stops and stops[-1] > ticks_to_ms(end):
                    break
        heard.cut = any(stop <= ticks_to_ms(middle) for stop in stops)
        after = [stop for stop in stops if stop > ticks_to_ms(end)]
        heard.wait_ms = after[0] - ticks_to_ms(end) if after else None
    finally:
        await call.close()
    return heard


def semantic(eagerness: str) -> dict[str, object]:
    return {"type": "semantic_vad", "eagerness": eagerness}


KINDS: dict[str, dict[str, object]] = {
    "server_vad 500 ms": {"type": "server_vad", "silence_duration_ms": 500},
    "semantic high": semantic("high"),
    "semantic medium": semantic("medium"),
    "semantic low": semantic("low"),
}


async def test_pauses_inside_a_sentence(proof: Proof) -> None:
    """Of 30 utterances server_vad cuts those that pause; semantic_vad at low eagerness cuts at most a tenth."""
    count = proof.size(1, len(PAUSED))
    kinds = KINDS if proof.full else {name: KINDS[name] for name in ("server_vad 500 ms", "semantic low")}
    cuts: dict[str, int] = {}
    async with cascade() as engine:
        for name, detection in kinds.items():
            takes = []
            for n, (first, second) in enumerate(PAUSED[:count]):
                voice = VOICES[n % len(VOICES)]
                takes.append(await take(engine, detection, trimmed(first, voice), trimmed(second, voice)))
            cuts[name] = sum(one.cut for one in takes)
            waits = [one.wait_ms for one in takes if one.wait_ms is not None]
            proof.result(
                f"{name}: {cuts[name]} of {count} cut, median wait at the end {statistics.median(waits):.0f} ms"
            )
            if proof.full:
                print(name, [(PAUSED[n], one) for n, one in enumerate(takes)])
    assert cuts["server_vad 500 ms"] >= 0.9 * count
    assert cuts["semantic low"] <= 0.1 * count
