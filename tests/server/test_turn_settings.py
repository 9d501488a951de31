"""Formats, interruption and the idle timeout of a conversation, over a real socket by the unmodified client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pybase64
import pytest
import pytest_asyncio

from tests.server.rig import ANSWER, Talk, openai_client, server
from tests.server.sounds import FORMATS, hum, pieces
from vivavoce.audio.clip import Clip
from vivavoce.audio.codec import decode_audio

pytestmark = pytest.mark.asyncio(loop_scope="module")

Jump = Callable[[float], None]
TURN = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
]
SPOKEN_MS = 60 * len(ANSWER.replace(". ", "."))
"""The tone is as long as the characters of each sentence."""
INTERRUPTION_OFF = {"type": "server_vad", "interrupt_response": False}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with server(tmp_path_factory.mktemp("server")) as url:
        yield url


@pytest_asyncio.fixture(loop_scope="module")
async def talk(url: str) -> AsyncIterator[Talk]:
    async with openai_client(url) as talk:
        assert (await talk.next())["type"] == "session.created"
        yield talk


@pytest_asyncio.fixture(loop_scope="module")
async def jump(monkeypatch: pytest.MonkeyPatch) -> Jump:
    """Sets the clock ahead that the server's calls go by: whatever falls due is due at once. Not while a timeout is running."""
    loop = asyncio.get_running_loop()
    real, ahead = loop.time, [0.0]
    monkeypatch.setattr(loop, "time", lambda: real() + ahead[0])

    def by(seconds: float) -> None:
        ahead[0] += seconds

    return by


async def configure(talk: Talk, **audio: Any) -> dict[str, Any]:
    await talk.send("session.update", session={"type": "realtime", "audio": audio})
    session: dict[str, Any] = (await talk.until("session.updated"))["session"]
    return session


async def speak(talk: Talk, pcm: bytes, wire: str = "audio/pcm") -> None:
    for piece in pieces(pcm, wire):
        await talk.send("input_audio_buffer.append", audio=piece)


def form(wire: str) -> dict[str, Any]:
    return {"type": wire, "rate": 24_000} if wire == "audio/pcm" else {"type": wire}


@pytest.mark.parametrize(
    ("heard", "said"),
    [*zip(FORMATS, FORMATS, strict=True), ("audio/pcm", "audio/pcma"), ("audio/pcmu", "audio/pcm")],
)
async def test_every_format_both_ways(talk: Talk, heard: str, said: str) -> None:
    """What is asked for is echoed, heard at its own rate, spoken in its own bytes, and given back as it came."""
    session = await configure(talk, input={"format": form(heard)}, output={"format": form(said)})
    assert session["audio"]["input"]["format"] == form(heard)
    assert session["audio"]["output"]["format"] == form(said)
    await speak(talk, hum(600) + bytes(48 * 600), heard)
    done = (await talk.until("response.done"))["response"]
    assert done["audio"]["output"]["format"] == form(said)
    assert done["output"][0]["content"][0]["transcript"] == ANSWER
    deltas = [event["delta"] for event in talk.of_type("response.output_audio.delta")]
    spoken = Clip(
        b"".join(decode_audio(delta, said).pcm for delta in deltas), decode_audio(deltas[0], said).rate_hz
    )
    assert spoken.ticks // 48 == SPOKEN_MS
    assert max(memoryview(spoken.pcm).cast("h")) > 1000
    asked = talk.of_type("input_audio_buffer.committed")[0]["item_id"]
    answered = done["output"][0]["id"]
    for item_id, wire, ms in ((asked, heard, (1100, 1120)), (answered, said, (SPOKEN_MS,))):
        await talk.send("conversation.item.retrieve", item_id=item_id)
        part = (await talk.until("conversation.item.retrieved"))["item"]["content"][0]
        assert decode_audio(part["audio"], wire).ticks // 48 in ms


async def test_bytes_that_are_no_samples_are_refused_and_change_nothing(talk: Talk) -> None:
    await talk.send("input_audio_buffer.append", audio=pybase64.b64encode_as_string(bytes(3)), event_id="odd")
    refused = (await talk.until("error"))["error"]
    assert (refused["param"], refused["event_id"]) == ("audio", "odd")
    await configure(talk, input={"format": form("audio/pcmu")})
    await talk.send("input_audio_buffer.append", audio=pybase64.b64encode_as_string(bytes(3)))
    await talk.send("input_audio_buffer.clear")
    assert (await talk.next())["type"] == "input_audio_buffer.cleared"


async def test_with_interruption_off_the_answer_is_heard_to_its_end_and_the_turn_answered_then(
    talk: Talk, jump: Jump
) -> None:
    session = await configure(talk, input={"turn_detection": INTERRUPTION_OFF})
    assert session["audio"]["input"]["turn_detection"]["interrupt_response"] is False
    await talk.say("tell me a story")
    await talk.until("response.output_audio.delta")
    await speak(talk, hum(600) + bytes(48 * 600))
    await talk.until("input_audio_buffer.committed")
    await talk.until("conversation.item.done")
    assert [kind for kind in talk.types() if kind in TURN][-5:] == TURN
    assert talk.of_type("response.done") == []
    heard = "response.output_audio_transcript.delta"
    while not (over := talk.of_type("response.done")):
        # The next sentence waits until the caller has heard enough of what was sent; the caller has.
        jump(2)
        while (await talk.next())["type"] not in (heard, "response.done"):
            pass
    assert over[0]["response"]["status"] == "completed"
    answer = (await talk.until("response.done"))["response"]
    assert answer["output"][0]["content"][0]["transcript"] == ANSWER
    assert len(talk.of_type("response.created")) == 2


async def test_with_interruption_off_a_client_may_still_cut_in_itself(talk: Talk) -> None:
    await configure(talk, input={"turn_detection": INTERRUPTION_OFF})
    await talk.say("tell me a story")
    await talk.until("response.output_audio.delta")
    await speak(talk, hum(300))
    await talk.until("input_audio_buffer.speech_started")
    await talk.send("response.cancel")
    done = (await talk.until("response.done"))["response"]
    assert (done["status"], done["status_details"]["reason"]) == ("cancelled", "client_cancelled")


async def test_with_both_off_turns_are_only_told(talk: Talk) -> None:
    """The client runs the conversation; turns are found for it (protocol reference 3.3)."""
    await configure(talk, input={"turn_detection": INTERRUPTION_OFF | {"create_response": False}})
    for _ in range(2):
        await speak(talk, hum(600) + bytes(48 * 600))
    await talk.until("conversation.item.done")
    await talk.until("conversation.item.done")
    assert talk.types()[2:] == TURN * 2
    await talk.send("response.create")
    assert (await talk.until("response.done"))["response"]["status"] == "completed"


async def test_a_caller_who_says_nothing_is_asked_after(talk: Talk, jump: Jump) -> None:
    """Triggered, committed, an item of silence, an answer (protocol reference 4.12)."""
    detection = {"type": "server_vad", "idle_timeout_ms": 5000}
    session = await configure(talk, input={"turn_detection": detection})
    assert session["audio"]["input"]["turn_detection"]["idle_timeout_ms"] == 5000
    await speak(talk, bytes(48 * 200))
    await talk.send("response.create", response={"output_modalities": ["text"]})
    await talk.until("rate_limits.updated")
    await speak(talk, bytes(48 * 300))
    await configure(talk)  # Whatever was sent before has arrived.
    seen = len(talk.types())
    jump(5.0)
    triggered = await talk.until("input_audio_buffer.timeout_triggered")
    await talk.until("rate_limits.updated")
    assert talk.types()[seen : seen + 5] == [
        "input_audio_buffer.timeout_triggered",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
    ]
    assert (triggered["audio_start_ms"], triggered["audio_end_ms"]) == (0, 500)
    committed = talk.of_type("input_audio_buffer.committed")[-1]
    assert committed["item_id"] == triggered["item_id"]
    added = next(
        event["item"]
        for event in talk.of_type("conversation.item.added")
        if event["item"]["id"] == triggered["item_id"]
    )
    assert (added["role"], added["content"]) == ("user", [{"type": "input_audio", "transcript": None}])
