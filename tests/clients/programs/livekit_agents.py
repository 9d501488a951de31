"""livekit-agents with its OpenAI plugin: the realtime model, realtime transcription and speech.

No room: what a room would carry, the caller's sound and the agent's, goes through an input and an output of our own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from common import (
    ACCOUNT,
    BOTH,
    CHUNK_BYTES,
    INSTRUCTIONS,
    LONG,
    MEETING,
    ORDER,
    RATE_HZ,
    SHIPPED,
    both_or_either,
    check,
    chunks,
    http_url,
    key,
    main,
    question,
)
from livekit import rtc
from livekit.agents import Agent, AgentSession, RunContext, function_tool, stt
from livekit.agents.utils import http_context
from livekit.agents.voice import io
from livekit.plugins import openai


class Mouth(io.AudioInput):
    """The caller: silent until there is something to say."""

    def __init__(self) -> None:
        super().__init__(label="caller")
        self._frames: asyncio.Queue[bytes] = asyncio.Queue()

    async def __anext__(self) -> rtc.AudioFrame:
        chunk = await self._frames.get()
        return rtc.AudioFrame(chunk, RATE_HZ, 1, len(chunk) // 2)

    async def say(self, sound: bytes) -> None:
        """Speak, at the speed of sound."""
        async for chunk in chunks(sound):
            self._frames.put_nowait(chunk.ljust(CHUNK_BYTES, b"\0"))


class Ear(io.AudioOutput):
    """Plays to nobody, at the speed of sound, and tells what was played."""

    def __init__(self) -> None:
        capabilities = io.AudioOutputCapabilities(pause=False)
        super().__init__(label="caller's ear", capabilities=capabilities, sample_rate=RATE_HZ)
        self.heard_s = 0.0
        self.began = asyncio.Event()
        self.interrupted = asyncio.Event()
        self._pushed_s = 0.0
        self._since = 0.0
        self._ending: asyncio.Task[None] | None = None

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        if not self._pushed_s:
            self._since = time.monotonic()
            self.began.set()
            self.on_playback_started(created_at=time.time())
        self._pushed_s += frame.duration

    def flush(self) -> None:
        super().flush()
        if self._pushed_s and self._ending is None:
            self._ending = asyncio.create_task(self._play_out())

    async def _play_out(self) -> None:
        await asyncio.sleep(max(0.0, self._since + self._pushed_s - time.monotonic()))
        self._finish(self._pushed_s, interrupted=False)

    def clear_buffer(self) -> None:
        if self._pushed_s:
            if self._ending is not None:
                self._ending.cancel()
            self.interrupted.set()
            self._finish(min(self._pushed_s, time.monotonic() - self._since), interrupted=True)

    def _finish(self, position_s: float, *, interrupted: bool) -> None:
        self.heard_s += position_s
        self._pushed_s, self._ending = 0.0, None
        self.on_playback_finished(playback_position=position_s, interrupted=interrupted)


class Support(Agent):
    """The agent of the callers' documents."""

    def __init__(self, instructions: str = "You help with orders.", slow: str = "") -> None:
        super().__init__(instructions=instructions)
        self._slow = slow
        self.done: list[str] = []

    async def _wait(self, name: str) -> None:
        await asyncio.sleep(0.3 if name == self._slow else 0)
        self.done.append(name)

    @function_tool
    async def get_order_status(self, order_id: str) -> str:
        """Looks up where an order is."""
        await self._wait("get_order_status")
        return SHIPPED.replace("A1001", order_id)

    @function_tool
    async def check_calendar(self) -> str:
        """Looks up the next meeting in the caller's calendar."""
        await self._wait("check_calendar")
        return MEETING

    @function_tool
    async def get_crm_account(self, account: str) -> str:
        """Looks up an account in the CRM."""
        await self._wait("get_crm_account")
        return ACCOUNT


class Billing(Agent):
    """Takes over from Greeter."""

    def __init__(self) -> None:
        super().__init__(instructions="You handle billing.")


class Greeter(Agent):
    """Hands over to Billing."""

    def __init__(self) -> None:
        super().__init__(instructions="You greet callers and hand billing questions over to billing.")

    @function_tool
    async def transfer_to_billing(self, context: RunContext[Any]) -> Agent:
        """Transfers the caller to billing."""
        return Billing()


def model() -> openai.realtime.RealtimeModel:
    """The realtime model, at our address."""
    return openai.realtime.RealtimeModel(base_url=http_url(), api_key=key())


@asynccontextmanager
async def talking(agent: Agent) -> AsyncIterator[tuple[AgentSession[Any], Mouth, Ear]]:
    """A started session with a caller on the line. Without the warm-up, during which what the caller says is replaced by silence."""
    async with AgentSession(llm=model(), vad=None, aec_warmup_duration=None) as session:
        mouth, ear = Mouth(), Ear()
        session.input.audio, session.output.audio = mouth, ear
        await session.start(agent, record=False)
        yield session, mouth, ear


async def _answer(agent: Agent, asked: str) -> str:
    async with AgentSession(llm=model(), vad=None) as session:
        await session.start(agent, record=False)
        run = await session.run(user_input=asked)
        return " ".join(event.item.text_content or "" for event in run.events if event.type == "message")


async def text() -> None:
    """A typed message is answered."""
    check((await _answer(Support(), "Hello!")).strip(), "words")


async def audio() -> None:
    """A spoken question is transcribed and answered, and the answer is played."""
    async with talking(Support("Be brief.")) as (session, mouth, ear):
        heard: list[str] = []
        session.on("user_input_transcribed", lambda event: heard.append(event.transcript))
        speaking = asyncio.create_task(mouth.say(question()))
        await ear.began.wait()
        await speaking
        for _ in range(100):
            if heard and ear.heard_s > 0.5:
                return
            await asyncio.sleep(0.1)
        check(False, f"a transcript and half a second of sound, not {heard} and {ear.heard_s:.1f} s")


async def tool() -> None:
    """The framework runs the tool."""
    agent = Support()
    answer = await _answer(agent, ORDER)
    check("shipped" in answer, f"the tool's answer, not {answer!r}")
    check(agent.done == ["get_order_status"], f"one call, not {agent.done}")


async def parallel() -> None:
    """Two tools at once, of 0 and 300 ms in either order."""
    for slow in ("check_calendar", "get_crm_account"):
        agent = Support(slow=slow)
        answer = await _answer(agent, BOTH)
        told = both_or_either()(word in answer for word in ("12 minutes", "blocker"))
        check(told, f"both answers, not {answer!r}")
        check(agent.done[-1] == slow and len(agent.done) == 2, f"two calls, not {agent.done}")


async def interruption() -> None:
    """Speaking over an answer stops it; what follows is answered."""
    async with talking(Support(INSTRUCTIONS)) as (session, mouth, ear):
        session.generate_reply(user_input=LONG)
        await ear.began.wait()
        speaking = asyncio.create_task(mouth.say(question()))
        await ear.interrupted.wait()
        ear.began.clear()
        await ear.began.wait()
        await speaking


async def handoff() -> None:
    """Another agent takes over inside the call."""
    async with AgentSession(llm=model(), vad=None) as session:
        await session.start(Greeter(), record=False)
        await session.run(user_input="I have a billing question, please transfer me to billing.")
        check(isinstance(session.current_agent, Billing), f"billing, not {session.current_agent}")


async def transcription() -> None:
    """Its realtime transcription."""
    async with http_context.open():
        recogniser = openai.STT(base_url=http_url(), api_key=key(), use_realtime=True)
        stream = recogniser.stream()

        async def say() -> None:
            async for chunk in chunks(question()):
                stream.push_frame(rtc.AudioFrame(chunk, RATE_HZ, 1, len(chunk) // 2))

        speaking = asyncio.create_task(say())
        async for event in stream:
            if event.type == stt.SpeechEventType.FINAL_TRANSCRIPT:
                check(event.alternatives[0].text.strip(), "words")
                break
        await speaking
        await stream.aclose()


async def rest() -> None:
    """Its speech, over HTTP."""
    async with http_context.open():
        voice = openai.TTS(base_url=http_url(), api_key=key())
        frame = await voice.synthesize("Good morning.").collect()
        check(frame.duration > 0.4, f"sound, not {frame.duration:.2f} s")


if __name__ == "__main__":
    cases = (text, audio, tool, parallel, interruption, handoff, transcription, rest)
    main({case.__name__: case for case in cases})
