"""One call's half of the cascade: tasks that turn effects into signals.

Each generation owns its tasks, so `Cancel` stops exactly what belongs to it. A stage that fails fails its turn: the failure becomes a
signal, and the call goes on.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Any, Literal

from msgspec import UNSET

from vivavoce.audio.clip import TICKS_PER_MS, Frame, ms_to_ticks
from vivavoce.audio.frames import split
from vivavoce.call.ports import (
    Hints,
    ModelChunk,
    ModelControl,
    ModelStop,
    ModelText,
    ModelToolCall,
    ModelUsage,
    SaidSoFar,
    Scored,
    Speech,
    Stages,
    Timed,
    Utterance,
    VoiceActivity,
    Warm,
)
from vivavoce.engines.cascade.brain.quiet import command
from vivavoce.engines.cascade.messages import SILENT_CALLER, function_tools, newest_words, prompt_of
from vivavoce.engines.cascade.meter import metered
from vivavoce.engines.cascade.speakable import Speakable
from vivavoce.protocol.errors import EngineError, server_error
from vivavoce.protocol.items import InputAudio, MessageItem
from vivavoce.protocol.responses import LogProb
from vivavoce.protocol.session_objects import SessionObject, Transcription
from vivavoce.session.effects import (
    Cancel,
    Configure,
    EngineEffect,
    Forget,
    Generate,
    JudgeTurn,
    Listen,
    Prepare,
    Request,
    Speak,
    Transcribe,
)
from vivavoce.session.signals import (
    AudioOut,
    ClauseSpoken,
    EngineFailed,
    PreambleOver,
    Prepared,
    ResponseFinished,
    Signal,
    SpeechProbability,
    TextDelta,
    TokenUsage,
    ToolCall,
    TranscriptFailed,
    TranscriptFinished,
    TranscriptPartial,
    TurnCompleteness,
)

log = logging.getLogger("vivavoce.cascade")

JUDGED_SOUND = ms_to_ticks(8000)
"""How much of a turn an acoustic end-of-turn model may hear."""
SPEECH = 0.5
"""From this probability on a window counts as speech, as it does for turn detection by default."""

INTERNAL_ERROR = server_error().message

Heard = tuple[str, tuple[LogProb, ...]]
"""The words, and how likely they are where that is known."""
Reading = Callable[[], Coroutine[Any, Any, Heard]]
Work = Callable[[], Coroutine[Any, Any, None]]
"""A task that is cancelled before its first step never calls it, so that no coroutine is left that nobody awaited."""


class CascadeCall:
    """Hears, understands, thinks and speaks for one call."""

    def __init__(self, stages: Stages, emit: Callable[[Signal], None]) -> None:
        self._stages = stages
        self._vad = stages.vad.open()
        self._listener = stages.stt.open()
        self._emit = emit
        self._hints = Hints(language=stages.language)
        self._awaited: tuple[str, ...] = ()
        """Words the caller announced: "... until I say back to work". They will be said alone, with nothing around to guess from."""
        self._open: tuple[str, Utterance] | None = None
        self._transcripts: dict[str, asyncio.Task[str | EngineError]] = {}
        """What was heard in each item, or why nothing was."""
        self._work: dict[str, set[asyncio.Task[None]]] = {}
        self._timed_out: str | None = None
        """The item in which the caller let the time run out, as long as it is the newest."""
        self._sound: deque[Frame] = deque()
        """What an acoustic end-of-turn model may hear again."""

    def hear(self, frame: Frame) -> Sequence[Signal]:
        """Judge a frame; while the caller speaks it also goes to the recogniser."""
        if self._open is not None:
            self._open[1].feed(frame.clip)
            self._keep(frame)
        return [SpeechProbability(at, p) for at, p in self._vad.probabilities(frame)]

    def perform(self, effect: EngineEffect) -> None:
        """Begin what the session asked for."""
        match effect:
            case Configure(session):
                self._configure(session)
            case Listen(item_id, lead):
                self._listen(item_id, lead)
            case Forget(item_id):
                self._forget(item_id)
            case Transcribe(item_id, audio, timed_out):
                self._timed_out = item_id if timed_out else None
                self._transcribe(item_id, audio)
            case JudgeTurn(item_id, at):
                self._start(item_id, "eot", partial(self._judge, item_id, at))
            case Generate(generation, _, request):
                self._start(generation, "llm", partial(self._generate, generation, request, {}))
            case Prepare(generation, item_id, request):
                self._start(generation, "stt", partial(self._prepare, generation, item_id, request))
            case Speak():
                self._start(effect.generation, "tts", partial(self._speak, effect))
            case Cancel(generation):
                for task in self._work.pop(generation, set()):
                    task.cancel()

    async def close(self) -> None:
        """Stop everything that is under way and let the recogniser go."""
        tasks: list[asyncio.Task[Any]] = [task for tasks in self._work.values() for task in tasks]
        tasks += self._transcripts.values()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._open is not None:
            self._open[1].cancel()
            self._open = None
        self._listener.close()

    # --- hearing --------------------------------------------------------------------------------------------------------

    def _configure(self, session: SessionObject) -> None:
        wanted = session.audio.input.transcription
        named = wanted.keywords if isinstance(wanted, Transcription) and wanted.keywords is not UNSET else []
        spoken = wanted.language if isinstance(wanted, Transcription) else UNSET
        language = self._stages.language if spoken is UNSET else spoken
        tools = tuple(tool["function"] for tool in function_tools(tuple(session.tools)))
        hints = Hints(
            session.instructions,
            tools,
            (*self._stages.keywords, *named, *self._awaited),
            language,
            logprobs=bool(session.include),
        )
        if hints != self._hints:
            self._hints = hints
            self._listener.configure(hints)

    def _listen(self, item_id: str, lead: tuple[Frame, ...]) -> None:
        if self._open is not None:
            self._open[1].cancel()
        for stage in (self._stages.llm, self._stages.tts):
            if isinstance(stage, Warm):
                stage.warm()
        utterance = self._listener.begin(lambda text: self._emit(TranscriptPartial(item_id, text)))
        self._sound.clear()
        for frame in lead:
            utterance.feed(frame.clip)
            self._keep(frame)
        self._open = (item_id, utterance)

    def _keep(self, frame: Frame) -> None:
        if self._stages.end_of_turn is not None and self._stages.end_of_turn.hears:
            self._sound.append(frame)
            while self._sound[0].end < frame.end - JUDGED_SOUND:
                self._sound.popleft()

    async def _judge(self, item_id: str, at: int) -> None:
        """How complete the turn sounds. A recogniser that fails says so when the item is transcribed; here it only says nothing."""
        if self._stages.end_of_turn is None or self._open is None or self._open[0] != item_id:
            return
        try:
            text = await self._open[1].peek()
        except (EngineError, asyncio.CancelledError):
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            return
        said = SaidSoFar(text, self._hints.language, tuple(self._sound))
        self._emit(TurnCompleteness(item_id, at, await self._stages.end_of_turn.completeness(said)))

    def _forget(self, item_id: str) -> None:
        if self._open is not None and self._open[0] == item_id:
            self._open[1].cancel()
            self._open = None

    def _transcribe(self, item_id: str, audio: tuple[Frame, ...]) -> None:
        if self._open is not None and self._open[0] == item_id:
            utterance, self._open = self._open[1], None
            reading = partial(self._finish, item_id, utterance, audio)
        else:
            reading = partial(self._read, item_id, audio)
        self._transcripts[item_id] = asyncio.create_task(self._understand(item_id, reading))

    async def _understand(self, item_id: str, reading: Reading) -> str | EngineError:
        """The words of an item, told in any case: the session waits for exactly one answer to each `Transcribe`."""
        try:
            text, logprobs = await reading()
        except EngineError as error:
            self._emit(TranscriptFailed(item_id, f"{error.stage}_failed", error.message))
            return _again(error)
        except Exception:
            log.exception("stt: internal error")
            self._emit(TranscriptFailed(item_id, "server_error", INTERNAL_ERROR))
            return EngineError("stt", INTERNAL_ERROR)
        self._emit(TranscriptFinished(item_id, text, logprobs))
        self._expect(text)
        return text

    async def _read(self, item_id: str, audio: tuple[Frame, ...]) -> Heard:
        """Audio that nobody spoke into the call: an item a client made, or a commit in which no speech was noticed.

        Where there is no speech there are no words: a recogniser finds some in any noise.
        """
        if not await asyncio.to_thread(holds_speech, self._stages.vad.open(), audio):
            return "", ()
        utterance = self._listener.begin(lambda text: None)
        for frame in audio:
            utterance.feed(frame.clip)
        return await self._finish(item_id, utterance, audio)

    async def _finish(self, item_id: str, utterance: Utterance, audio: tuple[Frame, ...]) -> Heard:
        try:
            with metered(self._emit, item_id, "stt", self._stages.stt.name) as meter:
                meter.sound_ms = sum(frame.clip.ticks for frame in audio) // TICKS_PER_MS
                text = await utterance.finish()
                meter.worked_ms = utterance.read_ms if isinstance(utterance, Timed) else 0
        except asyncio.CancelledError:
            utterance.cancel()
            raise
        return text, utterance.logprobs if isinstance(utterance, Scored) else ()

    def _expect(self, text: str) -> None:
        """A caller who asks for silence may say what will end it: the recogniser should know those words."""
        quiet = command(text)
        if quiet is not None and quiet.phrase and quiet.phrase not in self._awaited:
            self._awaited = (*self._awaited, quiet.phrase)
            self._hints = replace(self._hints, keywords=(*self._hints.keywords, quiet.phrase))
            self._listener.configure(self._hints)

    # --- thinking -------------------------------------------------------------------------------------------------------

    async def _prepare(self, generation: str, item_id: str, request: Request) -> None:
        """Answer what was heard so far; the caller may still go on."""
        text = await self._so_far(item_id)
        if text is not None:
            self._emit(Prepared(generation, text))
            await self._generate(generation, request, {item_id: text})

    async def _so_far(self, item_id: str) -> str | None:
        """What was heard of an item so far, or None for one that is gone. Raises EngineError.

        The turn may be over before anybody has looked at it, and a reading of its middle out of date: then all of it counts. An answer is
        promised by then, and whoever it is promised to waits until it comes or fails.
        """
        if self._open is not None and self._open[0] == item_id:
            try:
                return await self._open[1].peek()
            except EngineError:
                if item_id not in self._transcripts:
                    raise
        if item_id not in self._transcripts:
            return None
        heard = await asyncio.shield(self._transcripts[item_id])
        if isinstance(heard, EngineError):
            raise _again(heard)
        return heard

    async def _generate(self, generation: str, request: Request, heard: dict[str, str]) -> None:
        heard = heard | await self._resolve(request, heard)
        if newest_words(request.context, heard) == "" and request.context[-1].id == self._timed_out:
            heard = heard | {self._timed_out: SILENT_CALLER}
            request = _unheard(request)
        elif newest_words(request.context, heard) == "":
            # Nothing was recognised: a cough, a door. Silence is the right answer to it.
            self._emit(ResponseFinished(generation))
            return
        answer = _Answer(generation, self._emit, speaks=request.speaks)
        prompt = prompt_of(request, heard, self._stages.instruct)
        chunks = self._stages.llm.stream(prompt)
        with metered(self._emit, generation, "llm", self._stages.llm.name, prompt) as meter:
            async with aclosing(chunks):
                async for chunk in chunks:
                    meter.took(chunk)
                    answer.take(chunk)
        answer.finish()

    async def _resolve(self, request: Request, heard: dict[str, str]) -> dict[str, str]:
        """The words of audio items that are still being transcribed.

        An earlier turn that could not be heard has failed already and must not fail this one; the newest one is what is asked.
        """
        resolved: dict[str, str] = {}
        for item in request.context:
            if not isinstance(item, MessageItem) or item.id in heard or item.id not in self._transcripts:
                continue
            if not any(isinstance(part, InputAudio) and part.transcript is None for part in item.content):
                continue
            heard_there = await asyncio.shield(self._transcripts[item.id])
            if isinstance(heard_there, str):
                resolved[item.id] = heard_there
            elif item is request.context[-1]:
                raise _again(heard_there)
        return resolved

    # --- speaking -------------------------------------------------------------------------------------------------------

    async def _speak(self, speak: Speak) -> None:
        speech = Speech(speak.text, speak.voice, speak.speed, speak.rate_hz, self._hints.language)
        pieces, ticks = self._stages.tts.speak(speech), 0
        with metered(self._emit, speak.generation, "tts", self._stages.tts.name) as meter:
            meter.characters = len(speak.text)
            async with aclosing(pieces):
                async for piece in pieces:
                    meter.gave()
                    ticks += piece.clip.ticks
                    meter.sound_ms = ticks // TICKS_PER_MS
                    self._emit(AudioOut(speak.generation, speak.clause, piece.clip, piece.marks))
        self._emit(ClauseSpoken(speak.generation, speak.clause))

    # --- work -----------------------------------------------------------------------------------------------------------

    def _start(self, generation: str, stage: str, work: Work) -> None:
        task = asyncio.create_task(self._guard(generation, stage, work))
        tasks = self._work.setdefault(generation, set())
        tasks.add(task)
        task.add_done_callback(lambda done: self._forget_task(generation, done))

    def _forget_task(self, generation: str, task: asyncio.Task[None]) -> None:
        tasks = self._work.get(generation)
        if tasks is not None:
            tasks.discard(task)
            if not tasks:
                del self._work[generation]

    async def _guard(self, generation: str, stage: str, work: Work) -> None:
        try:
            await work()
        except EngineError as error:
            log.warning("%s failed: %s", error.stage, error.message)
            self._emit(EngineFailed(generation, error.stage, f"{error.stage}_failed", error.message))
        except Exception:
            log.exception("%s: internal error", stage)
            self._emit(EngineFailed(generation, stage, "server_error", INTERNAL_ERROR))


def holds_speech(vad: VoiceActivity, audio: tuple[Frame, ...]) -> bool:
    """Whether anybody speaks in it. Takes a third of a percent of the audio's length."""
    for frame in audio:
        start = frame.start
        for clip in split(frame.clip):
            if any(p >= SPEECH for _, p in vad.probabilities(Frame(start, clip))):
                return True
            start += clip.ticks
    return False


def _again(error: EngineError) -> EngineError:
    """The same error without its traceback, which holds on to all that was at hand where it was raised: an item's audio, a prompt."""
    return EngineError(error.stage, error.message, error.retryable)


def _unheard(request: Request) -> Request:
    """The newest item as one whose words are still to be named: its transcript, which is empty, would hide them."""
    *before, newest = request.context
    return replace(
        request,
        context=(*before, MessageItem(id=newest.id, role="user", content=[InputAudio(transcript=None)])),
    )


class _Answer:
    """Chunks of a language model into signals. Calls are told at the end, since endpoints send theirs in pieces."""

    def __init__(self, generation: str, emit: Callable[[Signal], None], *, speaks: bool) -> None:
        self._generation = generation
        self._emit = emit
        self._speakable = Speakable() if speaks else None
        """What is written stays as it was written; what is said can be said (docs/adr/0036)."""
        self._said: Literal["nothing", "something", "enough"] = "nothing"
        self._names: dict[int, str] = {}
        self._arguments: dict[int, str] = {}
        self._usage: TokenUsage | None = None
        self._reason = ModelStop("stop").reason

    def take(self, chunk: ModelChunk) -> None:
        """One chunk, in order."""
        match chunk:
            case ModelText(text):
                self._say(self._speakable.feed(text) if self._speakable is not None else text)
            case ModelControl("silent"):
                self._be_silent()
            case ModelControl("preamble_end") if self._speakable is not None and self._said == "something":
                self._say(self._speakable.finish())
                self._emit(PreambleOver(self._generation))
            case ModelToolCall(index, name, arguments):
                self._names[index] = self._names.get(index, "") + name
                self._arguments[index] = self._arguments.get(index, "") + arguments
            case ModelUsage(input_tokens, output_tokens):
                self._usage = TokenUsage(input_tokens, output_tokens)
            case ModelStop(reason):
                self._reason = reason

    def finish(self) -> None:
        """The model is through. Raises EngineError when it called a tool with what is no JSON object."""
        if self._speakable is not None:
            self._say(self._speakable.finish())
        calls = [(self._names[index], self._arguments[index] or "{}") for index in sorted(self._names)]
        for name, arguments in calls:
            if not _is_object(arguments):
                raise EngineError(
                    "llm", f"the model called '{name}' with arguments that are not a JSON object"
                )
        for name, arguments in calls:
            self._emit(ToolCall(self._generation, name, arguments))
        self._emit(ResponseFinished(self._generation, self._reason, self._usage))

    def _say(self, text: str) -> None:
        if text and self._said != "enough":
            self._said = "something"
            self._emit(TextDelta(self._generation, text))

    def _be_silent(self) -> None:
        """The model wants silence. Words before that were said already; reasons that come behind it are for nobody's ears."""
        self._said = "enough"


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False
