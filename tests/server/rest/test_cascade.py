"""The endpoints over the cascade: real voices, a real recogniser, the built-in brain, and a voice pipeline of openai-agents."""

from __future__ import annotations

import asyncio
import base64
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from openai import AsyncOpenAI, OpenAI

from tests.engines.speech import spoken
from tests.server.rest.rig import wav
from vivavoce.call.settings import load_settings
from vivavoce.engines.cascade.native_libraries import find_flite
from vivavoce.server.embedded import running_server
from vivavoce.server.rest.answers import NOTHING_HEARD

pytestmark = [
    pytest.mark.skipif(find_flite() is None, reason="needs libflite for the caller's voice"),
    pytest.mark.asyncio(loop_scope="module"),
]

WEATHER: dict[str, Any] = {
    "type": "function",
    "name": "get_weather",
    "description": "Get the weather for a given city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
QUESTION = "What is the weather in London?"
PROGRAM = """
import asyncio, sys, wave
import numpy as np
from agents import Agent, function_tool
from agents.voice import AudioInput, SingleAgentVoiceWorkflow, VoicePipeline

@function_tool
def get_weather(city: str) -> str:
    "Get the weather for a given city."
    print("called with", city)
    return f"The weather in {city} is sunny."

async def main():
    agent = Agent(name="Guide", instructions="You tell callers about the weather.", tools=[get_weather])
    if len(sys.argv) > 1:
        with wave.open(sys.argv[1]) as file:
            sound = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    else:
        sound = np.zeros(48_000, np.int16)
    result = await VoicePipeline(workflow=SingleAgentVoiceWorkflow(agent)).run(AudioInput(buffer=sound))
    received = 0
    async for event in result.stream():
        if event.type == "voice_stream_event_audio":
            received += len(event.data)
    print("received", received)

asyncio.run(main())
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url() -> AsyncIterator[str]:
    async with running_server(
        load_settings(
            {"stt.workers": 1, "tts.workers": 1},
            environ={"VIVAVOCE_DATA_DIR": os.environ["VIVAVOCE_DATA_DIR"]},
        )
    ) as url:
        yield url


async def run(url: str, folder: Path, *arguments: str) -> str:
    """What the program prints; it ends well."""
    program = folder / "program.py"
    program.write_text(PROGRAM)
    environ = os.environ | {
        "OPENAI_BASE_URL": f"{url}/v1",
        "OPENAI_API_KEY": "local",
        # Traces would go to the service itself.
        "OPENAI_AGENTS_DISABLE_TRACING": "1",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(program), *arguments, env=environ, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0
    return printed.decode()


async def test_a_voice_pipeline_that_hears_silence_says_so(url: str, tmp_path: Path) -> None:
    printed = await run(url, tmp_path)
    assert "called" not in printed
    assert int(printed.split("received ")[1]) > 24_000


async def test_a_voice_pipeline_that_hears_a_question_calls_the_tool(url: str, tmp_path: Path) -> None:
    question = tmp_path / "question.wav"
    # Before it knows of any tools the recogniser takes this voice for "what is delivered in London" (docs/adr/0022).
    question.write_bytes(wav(spoken(QUESTION, "rms")[0].pcm, 24_000))
    printed = await run(url, tmp_path, str(question))
    assert "called with London" in printed
    assert int(printed.split("received ")[1]) > 24_000


async def test_what_is_said_is_heard_and_answered(url: str) -> None:
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="local", max_retries=0) as openai:
        said = await openai.audio.speech.create(model="tts-1", voice="ash", input=QUESTION)
        heard = await openai.audio.transcriptions.create(
            model="gpt-4o-transcribe", file=("question.mp3", said.content), language="en"
        )
        assert "weather" in heard.text
        with pytest.raises(Exception, match="understands 'en' only"):
            await openai.audio.transcriptions.create(model="m", file=("a.mp3", said.content), language="de")
        asked = await openai.responses.create(model="gpt-5.5", input=QUESTION, tools=[WEATHER])  # type: ignore[list-item]
        assert [(item.name, item.arguments) for item in asked.output if item.type == "function_call"] == [
            ("get_weather", '{"city":"London"}')
        ]
        silence: dict[str, Any] = {"data": base64.b64encode(wav(bytes(32_000))).decode(), "format": "wav"}
        create: Any = openai.chat.completions.create
        answered = await create(
            model="gpt-audio",
            messages=[{"role": "user", "content": [{"type": "input_audio", "input_audio": silence}]}],
            modalities=["text", "audio"],
            audio={"voice": "alloy", "format": "wav"},
        )
        assert answered.choices[0].message.audio.transcript == NOTHING_HEARD


async def test_the_synchronous_client(url: str) -> None:
    def ask() -> str:
        with OpenAI(base_url=f"{url}/v1", api_key="local", max_retries=0) as openai:
            made = openai.chat.completions.create(model="m", messages=[{"role": "user", "content": "hello"}])
            return made.choices[0].message.content or ""

    assert await asyncio.to_thread(ask)
