"""pipecat-ai: a pipeline around its OpenAI realtime service, its realtime transcription, its speech."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from common import (
    ACCOUNT,
    BOTH,
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
    ws_url,
)
from pipecat.frames.frames import (
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMRunFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.llm_service import FunctionCallParams
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from pipecat.services.openai.stt import OpenAIRealtimeSTTService
from pipecat.services.openai.tts import OpenAITTSService
from pipecat.workers.runner import WorkerRunner

slow_tools: set[str] = set()
"""Those that take 300 ms."""


async def _finish(params: FunctionCallParams, output: str) -> None:
    await asyncio.sleep(0.3 if params.function_name in slow_tools else 0)
    await params.result_callback(output)


async def get_order_status(params: FunctionCallParams, order_id: str) -> None:
    """Looks up where an order is.

    Args:
        order_id: The order's id.
    """
    await _finish(params, SHIPPED.replace("A1001", order_id))


async def check_calendar(params: FunctionCallParams) -> None:
    """Looks up the next meeting in the caller's calendar."""
    await _finish(params, MEETING)


async def get_crm_account(params: FunctionCallParams, account: str) -> None:
    """Looks up an account in the CRM.

    Args:
        account: The name of the company.
    """
    await _finish(params, ACCOUNT)


class Ear(FrameProcessor):
    """At the end of the pipeline: keeps what arrives."""

    def __init__(self) -> None:
        super().__init__()
        self.audio_bytes = 0
        self.words = ""
        self.interrupted = 0
        self.errors: list[str] = []
        self.news = asyncio.Event()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        match frame:
            case TTSAudioRawFrame():
                self.audio_bytes += len(frame.audio)
            case TranscriptionFrame():
                self.words += frame.text
            case InterruptionFrame():
                self.interrupted += 1
            case ErrorFrame():
                self.errors.append(frame.error)
        self.news.set()
        await self.push_frame(frame, direction)

    async def until(self, found: Callable[[], object]) -> None:
        """Wait for something to have arrived."""
        while not found():
            self.news.clear()
            await self.news.wait()
            check(not self.errors, f"no error, but {self.errors}")


class Answers:
    """What the agent said, turn by turn."""

    def __init__(self, aggregators: LLMContextAggregatorPair) -> None:
        self.said = ""
        self.news = asyncio.Event()

        @aggregators.assistant().event_handler("on_assistant_turn_stopped")
        async def answered(aggregator: Any, message: Any) -> None:
            self.said += f" {message.content}"
            self.news.set()

    async def until(self, *words: str) -> None:
        """Wait for an answer with these words."""
        enough = all if len(words) < 2 else both_or_either()
        while not (self.said.strip() and enough(word in self.said for word in words)):
            self.news.clear()
            await self.news.wait()


def pipeline(*processors: FrameProcessor) -> PipelineWorker:
    """A pipeline at the rate of the question."""
    rates = PipelineParams(audio_in_sample_rate=RATE_HZ, audio_out_sample_rate=RATE_HZ)
    return PipelineWorker(Pipeline(list(processors)), params=rates)


Talk = Callable[[PipelineWorker, Ear, Answers], Awaitable[None]]


async def run(talk: Talk, asked: str = "", tools: list[Any] | None = None, instructions: str = "") -> None:
    """A pipeline around the realtime service, for as long as `talk` takes."""
    settings = OpenAIRealtimeLLMService.Settings(system_instruction=instructions or "You help callers.")
    llm = OpenAIRealtimeLLMService(base_url=ws_url(), api_key=key(), settings=settings)
    messages: list[Any] = [{"role": "user", "content": asked}] if asked else []
    context = LLMContext(messages, tools=tools) if tools else LLMContext(messages)
    aggregators = LLMContextAggregatorPair(context)
    ear = Ear()
    worker = pipeline(aggregators.user(), llm, ear, aggregators.assistant())
    answers = Answers(aggregators)
    await worker.queue_frames([LLMRunFrame()])
    await run_until(worker, talk(worker, ear, answers))


async def run_until(worker: PipelineWorker, talk: Awaitable[None]) -> None:
    """Run a worker until the talk is over."""
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    talking = asyncio.ensure_future(talk)
    await asyncio.wait({running, talking}, return_when=asyncio.FIRST_COMPLETED)
    check(talking.done(), "the pipeline runs until the talk is over")
    await talking
    await worker.cancel()
    await running


async def say(worker: PipelineWorker) -> None:
    """The spoken question, at the speed of sound."""
    async for chunk in chunks(question()):
        await worker.queue_frame(InputAudioRawFrame(chunk, RATE_HZ, 1))


async def text() -> None:
    """A typed message is answered in words and sound."""

    async def talk(worker: PipelineWorker, ear: Ear, answers: Answers) -> None:
        await answers.until()
        check(ear.audio_bytes > 10_000, "sound")

    await run(talk, "Hello!")


async def audio() -> None:
    """A spoken question is answered unasked."""

    async def talk(worker: PipelineWorker, ear: Ear, answers: Answers) -> None:
        await answers.until()
        before = ear.audio_bytes
        speaking = asyncio.create_task(say(worker))
        await ear.until(lambda: ear.audio_bytes > before + 10_000)
        await speaking

    await run(talk, "Hello!")


async def tool() -> None:
    """The framework runs the tool."""

    async def talk(worker: PipelineWorker, ear: Ear, answers: Answers) -> None:
        await answers.until("shipped")

    await run(talk, ORDER, [get_order_status])


async def parallel() -> None:
    """Two tools at once, of 0 and 300 ms in either order."""

    async def talk(worker: PipelineWorker, ear: Ear, answers: Answers) -> None:
        await answers.until("12 minutes", "blocker")

    for slow in ("check_calendar", "get_crm_account"):
        slow_tools.clear()
        slow_tools.add(slow)
        await run(talk, BOTH, [check_calendar, get_crm_account])


async def interruption() -> None:
    """Speaking over an answer interrupts it; what follows is answered."""

    async def talk(worker: PipelineWorker, ear: Ear, answers: Answers) -> None:
        await ear.until(lambda: ear.audio_bytes)
        speaking = asyncio.create_task(say(worker))
        await ear.until(lambda: ear.interrupted)
        before = ear.audio_bytes
        await ear.until(lambda: ear.audio_bytes > before + 10_000)
        await speaking

    await run(talk, LONG, instructions=INSTRUCTIONS)


async def _transcribed(recogniser: OpenAIRealtimeSTTService, *after: Frame) -> None:
    ear = Ear()
    worker = pipeline(recogniser, ear)

    async def talk() -> None:
        await say(worker)
        await worker.queue_frames(after)
        await ear.until(lambda: ear.words.strip())

    await run_until(worker, talk())


async def transcription() -> None:
    """Its realtime transcription, turns found by the server."""
    settings = OpenAIRealtimeSTTService.Settings(model="gpt-transcribe")
    detection = {"type": "server_vad"}
    await _transcribed(
        OpenAIRealtimeSTTService(
            base_url=ws_url(), api_key=key(), turn_detection=detection, settings=settings
        )
    )


async def transcription_committed() -> None:
    """The same with its defaults: turns are found in the pipeline, and committed."""
    await _transcribed(
        OpenAIRealtimeSTTService(base_url=ws_url(), api_key=key()), VADUserStoppedSpeakingFrame()
    )


async def rest() -> None:
    """Its speech, over HTTP."""
    voice = OpenAITTSService(base_url=http_url(), api_key=key())
    ear = Ear()
    worker = pipeline(voice, ear)

    async def talk() -> None:
        await worker.queue_frame(TTSSpeakFrame("Good morning."))
        await ear.until(lambda: ear.audio_bytes > 20_000)

    await run_until(worker, talk())


if __name__ == "__main__":
    cases = (text, audio, tool, parallel, interruption, transcription, transcription_committed, rest)
    main({case.__name__: case for case in cases})
