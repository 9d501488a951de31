"""The transcriber with real recogniser processes."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import pytest_asyncio

from tests.engines.speech import loud_range_ms, spoken
from vivavoce.audio.clip import Clip, ms_to_ticks
from vivavoce.call.ports import Hints, Transcriber, Utterance
from vivavoce.engines.cascade.stt import PocketsphinxSettings, PocketsphinxTranscriber
from vivavoce.engines.cascade.stt.transcriber import PocketsphinxListener
from vivavoce.protocol.errors import EngineError

from .sessions import LIBRARY_INSTRUCTIONS, LIBRARY_TOOLS, noises, padded, silence

HINTS = Hints(LIBRARY_INSTRUCTIONS, tuple(LIBRARY_TOOLS))
SMALL = PocketsphinxSettings(workers=1, warm=1, wait_ms=60_000)
"""One recogniser, for which the tests wait as long as a machine with other work needs."""

pytestmark = pytest.mark.asyncio(loop_scope="module")


@asynccontextmanager
async def started(settings: PocketsphinxSettings = SMALL) -> AsyncIterator[PocketsphinxTranscriber]:
    transcriber = PocketsphinxTranscriber(settings)
    port: Transcriber = transcriber
    await port.start()
    try:
        yield transcriber
    finally:
        await transcriber.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def transcriber() -> AsyncIterator[PocketsphinxTranscriber]:
    async with started() as made:
        yield made


async def biased(transcriber: PocketsphinxTranscriber) -> PocketsphinxListener:
    """A call whose session model is ready."""
    listener = transcriber.open()
    listener.configure(HINTS)
    assert listener.language is not None
    assert listener.language.building is not None
    await listener.language.building
    return listener


def feed(utterance: Utterance, clip: Clip, chunk_ms: int = 20) -> None:
    for start in range(0, clip.ticks, ms_to_ticks(chunk_ms)):
        utterance.feed(clip.cut(start, start + ms_to_ticks(chunk_ms)))


def ended() -> asyncio.Future[None]:
    """The caller has said all."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.set_result(None)
    return future


def ignore(partial: str) -> None:
    """For those who want the end only."""


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 24_000, 48_000])
async def test_speech_at_any_rate(transcriber: PocketsphinxTranscriber, rate_hz: int) -> None:
    listener = await biased(transcriber)
    utterance = listener.begin(ignore)
    feed(utterance, padded(spoken("renew loan K 5 5 0 3 please", "ash", rate_hz=rate_hz)[0]))
    assert "five five zero three please" in await utterance.finish()
    assert await listener.begin(ignore).finish() == ""
    assert listener.mean is not None, "the next utterance starts from what is known of the speaker"
    listener.close()


async def test_partials_grow_and_a_peek_says_what_the_end_says(transcriber: PocketsphinxTranscriber) -> None:
    listener = await biased(transcriber)
    partials: list[str] = []
    utterance = listener.begin(partials.append)
    feed(utterance, padded(spoken("where is the old mill branch", "ash")[0], after_ms=200))
    peeked = await utterance.peek()
    feed(utterance, silence(300, 24_000))
    assert peeked == await utterance.finish() == "where is the old mill branch"
    assert len(partials) >= 2
    assert all(one != other for one, other in pairwise(partials))
    assert partials[-1] in ("where is the old mill", "where is the old mill branch")
    assert await utterance.peek() == "where is the old mill branch", "a peek after the end"
    assert await utterance.finish() == "where is the old mill branch", "and a second end"
    listener.close()


async def test_a_session_without_hints_is_heard_with_the_general_model(
    transcriber: PocketsphinxTranscriber,
) -> None:
    listener = transcriber.open()
    listener.configure(Hints())
    assert listener.language is None
    utterance = listener.begin(ignore)
    feed(utterance, padded(spoken("good morning what can you do", "ash")[0]))
    assert "what can you do" in await utterance.finish()
    listener.close()


async def test_a_turn_cut_off_at_its_last_word_keeps_it(transcriber: PocketsphinxTranscriber) -> None:
    listener = await biased(transcriber)
    speech = spoken("my loan number is K 5 5 0 3", "ash")[0]
    _, end_ms = loud_range_ms(speech)
    utterance = listener.begin(ignore)
    feed(utterance, padded(speech.cut(0, ms_to_ticks(round(end_ms))), after_ms=0))
    assert await utterance.finish() == "my loan number is k five five zero three"
    listener.close()


async def test_noise_and_nothing_are_empty_and_leave_the_mean_alone(
    transcriber: PocketsphinxTranscriber,
) -> None:
    listener = await biased(transcriber)
    listener.mean = before = "50,1,1,1,1,1,1,1,1,1,1,1,1"
    for sound in (noises(1.0, 2000)["white"], silence(50), Clip(b"", 16_000)):
        utterance = listener.begin(ignore)
        feed(utterance, sound)
        assert await utterance.finish() == ""
        assert listener.mean == before
    listener.close()


async def test_the_same_hints_are_built_once_and_let_go_with_the_last_call(
    transcriber: PocketsphinxTranscriber,
) -> None:
    first, second = await biased(transcriber), await biased(transcriber)
    assert first.language is second.language is not None
    first.close()
    assert second.language.users == 1
    second.configure(replace(HINTS, instructions="Something else."))
    assert second.language is not first.language
    second.close()
    assert first.language is None
    assert all(known.users == 0 for known in transcriber._topics._known.values())


async def test_the_first_words_wait_for_the_session_s_model(transcriber: PocketsphinxTranscriber) -> None:
    listener = transcriber.open()
    listener.configure(replace(HINTS, instructions=f"{LIBRARY_INSTRUCTIONS} First words matter."))
    listener.settings = replace(listener.settings, model_wait_ms=60_000)
    assert listener.language is not None
    assert listener.language.packed is None, "it is being made"
    utterance = listener.begin(ignore)
    feed(utterance, padded(spoken("renew loan K 5 5 0 3 please", "ash")[0]))
    assert await utterance.finish() == "renew loan k five five zero three please"
    assert listener.language.packed is not None
    listener.close()


async def test_what_takes_too_long_is_not_waited_for(transcriber: PocketsphinxTranscriber) -> None:
    listener = await biased(transcriber)
    listener.settings = replace(listener.settings, model_wait_ms=50)
    had = listener.language
    assert had is not None
    listener.configure(replace(HINTS, keywords=("anchors up",)))
    assert listener.language is not had
    assert await listener.model_known(ended()) == (had.name, had.packed), "the one before serves meanwhile"
    listener.configure(Hints())
    assert await listener.model_known(ended()) is None, (
        "and nothing of it stays when a session says nothing of itself"
    )
    listener.close()


async def test_where_nobody_waits_on_a_line_the_model_is_waited_for(
    transcriber: PocketsphinxTranscriber,
) -> None:
    listener = transcriber.open()
    listener.settings = replace(listener.settings, model_wait_ms=0)
    listener.configure(replace(HINTS, keywords=("Timbuktu",), patient=True))
    wanted = listener.language
    assert wanted is not None
    assert wanted.in_the_making
    known = await listener.model_known(ended())
    assert known is not None
    assert known[0] == wanted.name
    listener.close()


async def test_a_model_that_will_never_come_is_not_waited_for(transcriber: PocketsphinxTranscriber) -> None:
    listener = transcriber.open()
    listener.configure(replace(HINTS, instructions="Nobody will ever hear of this."))
    waiting = asyncio.create_task(listener.model_known(asyncio.Future()))
    await asyncio.sleep(0)
    await transcriber._topics.close()
    async with asyncio.timeout(10):
        assert await waiting is None
    listener.close()


def computed_s(pid: int) -> float:
    """What a process has computed so far, in seconds; unlike time it does not depend on what else the machine does."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def test_a_cancel_frees_the_recogniser(transcriber: PocketsphinxTranscriber) -> None:
    listener = transcriber.open()
    speech = padded(spoken("good morning what can you do", "ash")[0])

    async def hear() -> float:
        before_s = computed_s(transcriber.pids[0])
        utterance = listener.begin(ignore)
        feed(utterance, speech)
        assert "what can you do" in await utterance.finish()
        utterance.cancel()
        return computed_s(transcriber.pids[0]) - before_s

    once_s = await hear()
    given_up = listener.begin(ignore)
    for _ in range(20):
        feed(given_up, speech)
    peeking = asyncio.create_task(given_up.peek())
    await asyncio.sleep(0)
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await peeking
    given_up.feed(speech)
    given_up.cancel()
    assert await hear() < 6 * once_s, "what was given up is not decoded"
    listener.close()


async def test_when_no_recogniser_is_free_the_turn_fails_in_time(
    transcriber: PocketsphinxTranscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = transcriber.open()
    holding = listener.begin(ignore)
    assert await holding.peek() == ""
    monkeypatch.setattr(transcriber._pool, "wait_ms", 100)
    waiting = listener.begin(ignore)
    waiting.feed(silence(100))
    with pytest.raises(EngineError, match=r"no recogniser was free within 0\.1 s") as failed:
        await waiting.finish()
    assert (failed.value.stage, failed.value.retryable) == ("stt", True)
    with pytest.raises(EngineError):
        await waiting.peek()
    assert await holding.finish() == ""
    listener.close()


async def test_audio_waits_for_a_recogniser_up_to_a_limit(transcriber: PocketsphinxTranscriber) -> None:
    listener = transcriber.open()
    listener.settings = replace(listener.settings, backlog_ms=1500)
    speech = padded(spoken("good morning", "ash")[0], 200, 200)
    holding, waiting, overfed = (listener.begin(ignore) for _ in range(3))
    feed(waiting, speech)
    feed(overfed, Clip(speech.pcm * 3, speech.rate_hz))
    with pytest.raises(EngineError, match="too much audio"):
        await overfed.finish()
    holding.cancel()
    assert await waiting.finish() == "good morning"
    listener.close()


async def test_a_killed_recogniser_fails_the_turn_and_the_next_one_works(
    transcriber: PocketsphinxTranscriber,
) -> None:
    listener = await biased(transcriber)
    speech = padded(spoken("renew loan K 5 5 0 3 please", "ash")[0])
    utterance = listener.begin(ignore)
    feed(utterance, speech)
    await utterance.peek()
    os.kill(transcriber.pids[0], signal.SIGKILL)
    with pytest.raises(EngineError) as failed:
        await utterance.finish()
    assert (failed.value.stage, failed.value.retryable) == ("stt", True)
    utterance = listener.begin(ignore)
    feed(utterance, speech)
    # The new process has not seen the session's model: it is handed over with the job.
    assert await utterance.finish() == "renew loan k five five zero three please"
    listener.close()
