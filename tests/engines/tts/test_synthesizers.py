import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from vivavoce.audio.clip import Clip
from vivavoce.audio.levels import rms_dbfs
from vivavoce.call.ports import Speech, Synthesizer
from vivavoce.engines.cascade.native_libraries import find_flite
from vivavoce.engines.cascade.tts import (
    EspeakSynthesizer,
    FliteSynthesizer,
    SynthesizerSettings,
    open_synthesizer,
)
from vivavoce.engines.cascade.tts.synthesizer import WorkerSynthesizer
from vivavoce.engines.workers import WorkerPool
from vivavoce.protocol.errors import EngineError
from vivavoce.session.signals import Mark

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXT = "Your order A1001 is shipped, arriving Tuesday."
LONG = "I could tell you a very long story about the people who live in this old house. " * 30


def make(kind: str, workers: int) -> WorkerSynthesizer:
    if kind == "espeak":
        return EspeakSynthesizer(workers, warm=workers)
    if find_flite() is None:
        pytest.skip("libflite is not installed")
    return FliteSynthesizer(workers)


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=["flite", "espeak"])
async def synthesizer(request: pytest.FixtureRequest) -> AsyncIterator[WorkerSynthesizer]:
    made = make(request.param, workers=2)
    await made.start()
    yield made
    await made.close()


def clause(text: str, language: str = "en", voice: str = "alloy", speed: float = 1.0) -> Speech:
    return Speech(text, voice, speed, 24_000, language)


async def say(synthesizer: Synthesizer, speech: Speech) -> tuple[Clip, list[Mark], list[Clip]]:
    pieces: list[Clip] = []
    marks: list[Mark] = []
    async for piece in synthesizer.speak(speech):
        pieces.append(piece.clip)
        marks.extend(piece.marks)
    return Clip(b"".join(piece.pcm for piece in pieces), speech.rate_hz), marks, pieces


async def idle(pool: WorkerPool, count: int) -> None:
    """Wait until exactly so many workers are idle: the pool tells nobody, so it is asked at every turn of the loop."""
    async with asyncio.timeout(5):
        while pool.idle != count:  # noqa: ASYNC110
            await asyncio.sleep(0)


def same_speech(
    synthesizer: WorkerSynthesizer, one: tuple[Clip, list[Mark]], other: tuple[Clip, list[Mark]]
) -> bool:
    """flite repeats itself to the bit; espeak-ng's last word varies by up to 60 ms."""
    if isinstance(synthesizer, FliteSynthesizer):
        return one == other
    return abs(one[0].ticks - other[0].ticks) < 4_800 and [end for end, _ in one[1]] == [
        end for end, _ in other[1]
    ]


async def test_a_clause_comes_in_short_pieces_with_rising_marks(synthesizer: WorkerSynthesizer) -> None:
    clip, marks, pieces = await say(synthesizer, clause(TEXT))
    assert 2.5 < clip.samples / 24_000 < 5
    assert rms_dbfs(clip) > -24
    assert all(0 < piece.ticks <= 4_800 and piece.rate_hz == 24_000 for piece in pieces)
    assert marks == sorted(marks)
    assert marks[-1][0] == len(TEXT)
    assert len(marks) >= 10
    assert marks[-1][1] < clip.ticks
    assert synthesizer.exact_marks


async def test_first_sound_is_early(synthesizer: WorkerSynthesizer) -> None:
    async def took_s(text: str, *, all_of_it: bool) -> float:
        begun = time.perf_counter()
        pieces = synthesizer.speak(clause(text))
        await anext(pieces)
        if all_of_it:
            async for _ in pieces:
                pass
        took = time.perf_counter() - begun
        await pieces.aclose()
        return took

    # Against its own whole work, so that a busy machine slows down both; how many milliseconds it is, `make bench` says.
    first = min([await took_s(LONG[:480], all_of_it=False) for _ in range(5)])
    whole = min([await took_s(LONG[:480], all_of_it=True) for _ in range(3)])
    assert first < whole / 4


@pytest.mark.parametrize("text", ["", " \n", "...", "😀🎉", "**", "\x00\x01"])
async def test_what_cannot_be_said_is_nothing_and_no_error(synthesizer: WorkerSynthesizer, text: str) -> None:
    clip, marks, pieces = await say(synthesizer, clause(text))
    assert (clip.pcm, marks, pieces) == (b"", [], [])


async def test_closing_the_iterator_frees_the_voice_within_20_ms(synthesizer: WorkerSynthesizer) -> None:
    pool = synthesizer._pool
    taken = []
    for _ in range(5):
        pieces = synthesizer.speak(clause(LONG))
        await anext(pieces)
        assert pool.idle == 1
        begun = time.perf_counter()
        await pieces.aclose()
        assert time.perf_counter() - begun < 0.01
        await idle(pool, 2)
        taken.append((time.perf_counter() - begun) * 1000)
    assert min(taken) < 20, taken


async def test_a_cancelled_task_frees_the_voice(synthesizer: WorkerSynthesizer) -> None:
    task = asyncio.create_task(say(synthesizer, clause(LONG)))
    await idle(synthesizer._pool, 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await idle(synthesizer._pool, 2)


async def test_clauses_are_spoken_side_by_side_and_wait_for_a_voice(synthesizer: WorkerSynthesizer) -> None:
    alone = (await say(synthesizer, clause(TEXT)))[:2]
    both = synthesizer.speak(clause(LONG)), synthesizer.speak(clause(LONG, voice="ash"))
    for pieces in both:
        await anext(pieces)
    assert synthesizer._pool.idle == 0
    for pieces in both:
        await pieces.aclose()
    together = await asyncio.gather(*(say(synthesizer, clause(TEXT)) for _ in range(5)))
    assert all(same_speech(synthesizer, result[:2], alone) for result in together)


async def test_a_dead_worker_fails_its_clause_and_no_other(synthesizer: WorkerSynthesizer) -> None:
    before = (await say(synthesizer, clause(TEXT)))[:2]
    pieces = synthesizer.speak(clause(LONG))
    await anext(pieces)
    pids = synthesizer._pool.pids
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(EngineError) as caught:
        async for _ in pieces:
            pass
    assert caught.value.stage == "tts"
    assert caught.value.retryable
    assert same_speech(synthesizer, (await say(synthesizer, clause(TEXT)))[:2], before)
    assert not set(pids) & set(synthesizer._pool.pids)


async def test_bytes_and_texts_of_all_kinds_are_survived(synthesizer: WorkerSynthesizer) -> None:
    rng = random.Random(7)
    await idle(synthesizer._pool, 2)
    pids = synthesizer._pool.pids
    for number in range(60):
        raw = bytes(rng.choices(range(256), k=rng.randrange(1, 60)))
        text = raw.decode("latin-1") if number % 2 else raw.decode("utf-8", "replace")
        clip, marks, _ = await say(synthesizer, clause(text, speed=1.5))
        assert bool(clip.pcm) == bool(marks)
        assert not marks or marks[-1][0] == len(text)
    for text in (
        "x" * 300,
        "qwrtz " * 12,
        "a" * 40,
        "'" * 50 + "b",
        "A" * 60,
        "%s%n%d" * 4,
        "\ud800x".encode("utf-8", "replace").decode(),
    ):
        await say(synthesizer, clause(text, speed=1.5))
    assert synthesizer._pool.pids == pids


@pytest.mark.parametrize(
    ("language", "text"),
    [("de", "Größe drei kostet 12,50 €."), ("zh", "你好，世界。"), ("es-MX", "¿Cómo estás?"), ("hi", "नमस्ते दुनिया"), ("xx", "hello there")],
)  # fmt: skip
async def test_espeak_speaks_other_languages(language: str, text: str) -> None:
    synthesizer = make("espeak", workers=1)
    await synthesizer.start()
    try:
        clip, marks, _ = await say(synthesizer, clause(text, language))
    finally:
        await synthesizer.close()
    assert 0.4 < clip.samples / 24_000 < 6
    assert rms_dbfs(clip) > -25
    assert marks == sorted(marks)
    assert marks[-1][0] == len(text)


async def test_the_synthesizer_follows_the_machine_and_the_language() -> None:
    chosen = open_synthesizer(SynthesizerSettings(workers=1))
    await chosen.start()
    try:
        english, german = (
            await say(chosen, clause("Good morning.")),
            await say(chosen, clause("Guten Morgen.", "de")),
        )
    finally:
        await chosen.close()
    assert english[0].pcm
    assert german[0].pcm
    assert chosen.name == ("espeak-ng" if find_flite() is None else "flite (slt, rms, awb, kal)")
    assert open_synthesizer(SynthesizerSettings(engine="espeak")).name == "espeak-ng"


def mapped(pid: str) -> str:
    """The files a process has mapped, where the system tells."""
    path = Path("/proc") / pid / "maps"
    return path.read_text() if path.exists() else ""


async def test_espeak_never_enters_this_process() -> None:
    """Its licence is the GPL: only worker processes may load it."""
    synthesizer = make("espeak", workers=1)
    await synthesizer.start()
    try:
        assert (await say(synthesizer, clause("Hello.")))[0].pcm
        maps = {pid: mapped(pid) for pid in ("self", *map(str, synthesizer._pool.pids))}
    finally:
        await synthesizer.close()
    assert "espeakng_loader" not in sys.modules
    assert {pid: "libespeak" in libraries for pid, libraries in maps.items() if libraries} == {
        pid: pid != "self" for pid, libraries in maps.items() if libraries
    }


async def test_a_missing_flite_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vivavoce.engines.cascade.tts.synthesizer.find_flite", lambda: None)
    with pytest.raises(EngineError, match="libflite1"):
        open_synthesizer(SynthesizerSettings(engine="flite"))
    assert open_synthesizer().name == "espeak-ng"
