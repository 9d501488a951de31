"""The whole cascade behind a real server: spoken turns, and what happens when parts of it die."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any

import pytest
from openai import AsyncOpenAI

from tests.engines.speech import spoken
from tests.server.processes import alive
from tests.server.sounds import pieces
from vivavoce.engines.cascade.native_libraries import find_flite
from vivavoce.testing.leash import Leash

pytestmark = pytest.mark.skipif(find_flite() is None, reason="needs libflite for the caller's voice")

ORDER_TOOL = {
    "type": "function",
    "name": "get_order_status",
    "description": "Look up the status of an order by its id.",
    "parameters": {
        "type": "object",
        "properties": {
            "order_id": {
                "type": "string",
                "description": "The order id, a letter and four digits, e.g. K7310",
            }
        },
        "required": ["order_id"],
    },
}


ONE_VOICE = {"VIVAVOCE_TTS__WORKERS": "1"}
"""One call at a time is all there is here, and each process costs a second to start."""
ONE_OF_EACH = ONE_VOICE | {"VIVAVOCE_STT__WORKERS": "1"}


class Served:
    """A server process of its own, so that it and its children can be killed."""

    def __init__(self, tmp_path: Path, **environ: str) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
        self.log = tmp_path / "server.log"
        self._leash = Leash()
        with self.log.open("w") as log:
            self.process = self._start(self._leash, log, tmp_path, inherited | ONE_VOICE | environ)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().split()[-1]
        self.banner = [self.process.stdout.readline() for _ in range(8)]

    @staticmethod
    def _start(leash: Leash, log: IO[str], folder: Path, environ: dict[str, str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            leash.hold([sys.executable, "-m", "vivavoce", "serve", "--port", "0"]),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=folder,
            env=environ,
            **leash.options,
        )

    def children(self, naming: str = "") -> list[int]:
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(stat.read_text().rpartition(")")[2].split()[1])
                command = (stat.parent / "cmdline").read_text().replace("\0", " ")
            except OSError:
                continue  # It ended while we looked.
            if parent == self.process.pid and naming in command:
                found.append(int(stat.parent.name))
        return found

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        self.close()
        self._leash.close()

    def close(self) -> None:
        if self.process.stdout is not None:
            self.process.stdout.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    server = Served(tmp_path_factory.mktemp("served"))
    yield server
    server.stop()


class Caller:
    """An unmodified client that speaks and listens."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    async def configure(self, **session: Any) -> None:
        transcription = {"input": {"transcription": {"model": "whisper-1"}}}
        await self.connection.session.update(session={"type": "realtime", "audio": transcription, **session})
        await self.until("session.updated")

    async def say(self, text: str) -> None:
        sound, _ = spoken(text, "rms", 1.0, 24_000)
        for start in range(0, len(sound.pcm), 4800):
            await self.append(sound.pcm[start : start + 4800])
        await self.append(bytes(24_000 * 2 * 700 // 1000))

    async def append(self, pcm: bytes) -> None:
        await self.connection.input_audio_buffer.append(audio=base64.b64encode(pcm).decode())

    async def type(self, text: str) -> None:
        content = [{"type": "input_text", "text": text}]
        await self.connection.conversation.item.create(
            item={"type": "message", "role": "user", "content": content}
        )
        await self.connection.response.create()

    async def until(self, kind: str) -> list[Any]:
        """Every event up to the first of a kind."""
        events: list[Any] = []
        async with asyncio.timeout(20):
            while not events or events[-1].type != kind:
                events.append(await self.connection.recv())
        return events


@asynccontextmanager
async def calling(server: Served) -> AsyncIterator[Caller]:
    client = AsyncOpenAI(base_url=f"{server.url}/v1", api_key="local")
    async with client.realtime.connect(model="gpt-realtime-2") as connection:
        caller = Caller(connection)
        await caller.until("session.created")
        yield caller


def of(events: list[Any], kind: str) -> list[Any]:
    return [event for event in events if event.type == kind]


async def test_a_spoken_question_calls_the_tool_and_its_result_is_spoken(served: Served) -> None:
    async with calling(served) as caller:
        await caller.configure(tools=[ORDER_TOOL])
        # Speech comes faster here than anybody speaks; the session's own words are learnt during the first turn.
        await caller.say("hello")
        await caller.until("response.done")
        await caller.say("where is my order k seven three one zero")
        events = await caller.until("response.done")
        (call,) = of(events, "response.function_call_arguments.done")
        assert (call.name, call.arguments) == ("get_order_status", '{"order_id":"K7310"}')
        output = {
            "type": "function_call_output",
            "call_id": call.call_id,
            "output": "packed, leaving on Friday",
        }
        await caller.connection.conversation.item.create(item=output)
        await caller.connection.response.create()
        events = await caller.until("response.done")
        transcript = "".join(event.delta for event in of(events, "response.output_audio_transcript.delta"))
        assert "Friday" in transcript
        sound = b"".join(base64.b64decode(event.delta) for event in of(events, "response.output_audio.delta"))
        assert len(sound) > 24_000 * 2
        assert all(
            len(base64.b64decode(event.delta)) <= 4800 for event in of(events, "response.output_audio.delta")
        )


async def test_a_noise_that_is_no_word_is_answered_by_silence(served: Served) -> None:
    async with calling(served) as caller:
        await caller.configure(audio={"input": {"turn_detection": None}})
        await caller.append(os.urandom(24_000) * 2)
        await caller.connection.input_audio_buffer.commit()
        await caller.connection.response.create()
        (done,) = of(await caller.until("response.done"), "response.done")
        assert (done.response.status, done.response.output) == ("completed", [])


@pytest.mark.parametrize(
    ("wire", "detection", "model"),
    [
        ("audio/pcm", {"type": "server_vad"}, "gpt-4o-transcribe"),
        ("audio/pcmu", {"type": "semantic_vad", "eagerness": "high"}, "whisper-1"),
        ("audio/pcma", None, "gpt-realtime-whisper"),
    ],
    ids=["server_vad", "semantic_vad", "by hand"],
)
async def test_a_transcription_session_writes_down_what_is_said(
    served: Served, wire: str, detection: dict[str, Any] | None, model: str
) -> None:
    """Real words in each format and by each way of ending a turn; what the client says about its audio is expected."""
    client = AsyncOpenAI(base_url=f"{served.url}/v1", api_key="local")
    async with client.realtime.connect(extra_query={"intent": "transcription"}) as connection:
        caller = Caller(connection)
        await caller.until("session.created")
        about = {"model": model} | (
            {} if model == "gpt-realtime-whisper" else {"prompt": "Orders by id: K7310."}
        )
        form = {"type": wire, "rate": 24_000} if wire == "audio/pcm" else {"type": wire}
        heard = {"format": form, "transcription": about, "turn_detection": detection}
        session: Any = {"type": "transcription", "audio": {"input": heard}}
        await connection.session.update(session=session)
        await caller.until("session.updated")
        said, _ = spoken("where is my order", "rms", 1.0, 24_000)
        silence_ms = 0 if detection is None else 2400
        for piece in pieces(said.pcm + bytes(48 * silence_ms), wire):
            await connection.input_audio_buffer.append(audio=piece)
        if detection is None:
            await connection.input_audio_buffer.commit()
        events = await caller.until("conversation.item.input_audio_transcription.completed")
        deltas = [event.delta for event in of(events, "conversation.item.input_audio_transcription.delta")]
        assert events[-1].transcript == "where is my order"
        assert "".join(deltas) == events[-1].transcript
        assert model != "whisper-1" or len(deltas) == 1
        assert len(of(events, "input_audio_buffer.speech_started")) == (detection is not None)
        assert not [event for event in events if event.type.startswith("response.")]


@pytest.mark.parametrize("stage", ["stt", "tts"])
async def test_killed_workers_cost_at_most_a_turn_and_the_next_one_works(served: Served, stage: str) -> None:
    async with calling(served) as caller:
        await caller.say("hello")
        await caller.until("response.done")
        workers = served.children()
        assert workers
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        if stage == "stt":
            await caller.say("hello")
        else:
            await caller.type("hello")
        (done,) = of(await caller.until("response.done"), "response.done")
        assert done.response.status in ("failed", "completed")
        for _ in range(3):
            await caller.say("hello")
            (done,) = of(await caller.until("response.done"), "response.done")
            if done.response.status == "completed" and done.response.output:
                break
        assert done.response.status == "completed", done.response.status_details
        assert done.response.output


def test_the_banner_is_short_and_says_what_answers(served: Served) -> None:
    text = "".join(served.banner)
    assert "silero" in text
    assert "flite" in text
    assert "OPENAI_BASE_URL" in text


@pytest.fixture(scope="module")
def without_a_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server whose language model is an address where nobody listens."""
    endpoint = ONE_OF_EACH | {
        "VIVAVOCE_LLM_URL": "http://127.0.0.1:9/v1",
        "VIVAVOCE_LLM_MODEL": "none",
        "VIVAVOCE_LLM_KEY": "sk-canary",
    }
    server = Served(tmp_path_factory.mktemp("without_a_model"), **endpoint)
    yield server
    server.stop()


async def test_a_model_endpoint_that_is_down_fails_the_turn_and_names_itself(without_a_model: Served) -> None:
    async with calling(without_a_model) as caller:
        for _ in range(2):
            await caller.type("hello")
            (done,) = of(await caller.until("response.done"), "response.done")
            assert done.response.status == "failed"
            assert "127.0.0.1:9" in done.response.status_details.error.message


def test_after_kill_9_no_child_is_left(without_a_model: Served) -> None:
    server = without_a_model
    children = server.children()
    assert children
    server.process.kill()
    server.process.wait(5)
    server.close()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and any(alive(pid) for pid in children):
        time.sleep(0.02)
    assert not [pid for pid in children if alive(pid)]
    assert "sk-canary" not in server.log.read_text()
