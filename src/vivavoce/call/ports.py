"""The ports everything plugs into: Engine and its stages, Transport, and what they declare about themselves."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from vivavoce.audio.clip import Clip, Frame
from vivavoce.call.via import Names
from vivavoce.protocol.client_events import ClientEvent, InputAudioBufferAppend
from vivavoce.protocol.errors import ClientError
from vivavoce.protocol.responses import LogProb
from vivavoce.protocol.session_objects import SessionObject, TranscriptionSessionObject
from vivavoce.session.effects import Effect, EngineEffect
from vivavoce.session.options import SessionOptions
from vivavoce.session.outbox import NewId
from vivavoce.session.signals import Mark, Signal


class Machine(Protocol):
    """What the driver knows of a session: its verbs (see session/session.py)."""

    @property
    def config(self) -> SessionObject | TranscriptionSessionObject: ...

    def attach(self, source: str, now_ms: int, *, returning: bool = False) -> None: ...
    def detached(self, source: str, now_ms: int) -> None: ...
    def receive(self, event: ClientEvent, source: str, now_ms: int) -> None: ...
    def refuse(self, error: ClientError, source: str) -> None: ...
    def read_audio(self, event: InputAudioBufferAppend) -> Clip: ...
    def receive_audio(self, clip: Clip, now_ms: int) -> None: ...
    def signal(self, signal: Signal, now_ms: int) -> None: ...
    def tick(self, now_ms: int) -> None: ...
    def next_deadline(self) -> int | None: ...
    def drain(self) -> list[Effect]: ...


class MakeMachine(Protocol):
    """Makes the machine for a session that begins like `opening`; `setup` is what somebody chose of it, `via` who has passed it on."""

    def __call__(
        self,
        opening: SessionObject | TranscriptionSessionObject,
        new_id: NewId,
        options: SessionOptions,
        now_ms: int,
        setup: dict[str, Any] | None,
        via: Names,
    ) -> Machine: ...


@dataclass(frozen=True, slots=True)
class RestQuestion:
    """A request that is no call, for another server. path: behind the API's `/v1`, with its query. headers: in lower case, no credential.

    via: servers like this one that it has come through.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    via: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RestAnswer:
    """What the other server says. `pieces`: its body as it comes; closing it ends the request. Raises UpstreamError where that breaks off."""

    status: int
    headers: Mapping[str, str]
    pieces: AsyncGenerator[bytes, None]


class RestUpstream(Protocol):
    """Another server that speaks the API's REST endpoints."""

    host: str

    async def ask(self, question: RestQuestion) -> RestAnswer:
        """Hand a request on. Whatever it answers is an answer, but for a refusal of our own key. Raises UpstreamError."""


# --- engine -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine does by itself.

    speaks: it sends audio with its transcript, so the session neither cuts clauses nor asks for `Speak`.
    prepares: it understands `Prepare` (speculation at a soft pause).
    judges_turns: it answers `JudgeTurn`, so that `semantic_vad` can go by what was said.
    voiced: its own voice activity model takes its voice for speech, so that it can be asked to hear itself.
    metered: each answer costs whoever runs the server money, so nothing is asked of it that no client asked.
    translates: it has translation sessions, and `machine` makes theirs too.
    machine: makes the machine of its calls, where what it reaches is the authority on turns and responses; None: a session of
        session/ is.
    rest: answers requests that are no call, where what it reaches does that as well.
    """

    speaks: bool = False
    prepares: bool = False
    judges_turns: bool = False
    voiced: bool = True
    metered: bool = False
    translates: bool = False
    machine: MakeMachine | None = None
    rest: RestUpstream | None = None


@dataclass(frozen=True, slots=True)
class EngineNames:
    """What answers, shown to every client so that nobody mistakes a modest stage for a large one."""

    engine: str
    llm: str
    stt: str
    tts: str
    vad: str

    @property
    def alone(self) -> str | None:
        """The one thing that hears, thinks and speaks, where it is one."""
        return self.llm if self.llm == self.stt == self.tts == self.vad else None


class EngineCall(Protocol):
    """An engine's half of one call. Every method returns at once; work goes on in tasks that `close` ends."""

    def hear(self, frame: Frame) -> Sequence[Signal]:
        """Judge one frame of input; the probabilities come back now, before anything else is applied."""

    def perform(self, effect: EngineEffect) -> None:
        """Begin what the session asked for."""

    async def close(self) -> None:
        """Stop all work of this call and free what it held."""


class Engine(Protocol):
    """What answers: shared by all calls of a server."""

    capabilities: Capabilities
    names: EngineNames

    async def start(self) -> None:
        """Load models and start workers. Raises EngineError with a message that says what to do."""

    def open(self, call_id: str, emit: Callable[[Signal], None]) -> EngineCall:
        """Join a call; `emit` may be called from the event loop at any time until `close` returns."""

    def stages(self) -> Stages | None:
        """The stages by themselves, for requests that are no call; None when the engine is not made of stages."""

    async def close(self) -> None:
        """End workers and free models."""


# --- stages of the cascade ----------------------------------------------------------------------------------------------


class VoiceActivity(Protocol):
    """Speech probability of one call's input. Synchronous and fast: it runs in the call's own task."""

    def probabilities(self, frame: Frame) -> list[tuple[int, float]]:
        """(end position in ticks, probability 0..1) for each model window completed by this frame, in order."""


class VoiceActivityModel(Protocol):
    """A loaded voice activity model: one half per call."""

    name: str

    def open(self) -> VoiceActivity:
        """Join a call."""


@dataclass(frozen=True, slots=True)
class Hints:
    """What a call is likely to be about, for stages that can be biased: words from instructions and tools.

    patient: nobody waits at the other end of a line, so what is made of these may take its time. logprobs: somebody wants to know how
    likely the words are.
    """

    instructions: str = ""
    tools: tuple[dict[str, Any], ...] = ()
    keywords: tuple[str, ...] = ()
    language: str = "en"
    patient: bool = False
    logprobs: bool = False


class Utterance(Protocol):
    """One stretch of speech on its way to text."""

    def feed(self, clip: Clip) -> None:
        """More audio, in order. Never blocks; resamples as needed."""

    async def peek(self) -> str:
        """The best reading of what was fed so far, without ending the utterance."""

    async def finish(self) -> str:
        """The final text, empty when nothing was recognised. Raises EngineError("stt", ...)."""

    def cancel(self) -> None:
        """Give up; frees the decoder. Harmless after `finish`."""


@runtime_checkable
class Scored(Protocol):
    """An utterance of a recogniser that knows how likely its words are."""

    @property
    def logprobs(self) -> tuple[LogProb, ...]:
        """Of the tokens of the text that `finish` returned; empty where they were not asked for (`Hints.logprobs`) or not given."""


@runtime_checkable
class Timed(Protocol):
    """An utterance that may have been read before it was finished."""

    @property
    def read_ms(self) -> int:
        """How long the reading took whose words `finish` returned."""


class Listener(Protocol):
    """A transcriber's half of one call: keeps what adapts to the speaker."""

    def configure(self, hints: Hints) -> None:
        """Bias recognition towards what this session talks about. Returns at once; takes effect when it is ready."""

    def begin(self, on_partial: Callable[[str], None]) -> Utterance:
        """Start an utterance. `on_partial` gets the best reading so far whenever it changes."""

    def close(self) -> None:
        """The call is over."""


class Transcriber(Protocol):
    """Speech to text, shared by all calls. `languages`: those it understands (ISO 639-1), empty when it takes any."""

    name: str
    languages: tuple[str, ...]

    async def start(self) -> None: ...

    def open(self) -> Listener: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class SaidSoFar:
    """A turn up to a pause: the best reading of it, and its sound (the last 8 s, for a stage that `hears`, otherwise empty)."""

    text: str
    language: str = "en"
    sound: tuple[Frame, ...] = ()


class EndOfTurn(Protocol):
    """How complete a turn is, by its words or by its sound; shared by all calls.

    hears: it wants the sound. An acoustic end-of-turn model sets this, and its answer may take as long as the shortest pause that
    could end a turn (some 200 ms).
    """

    name: str
    hears: bool

    async def completeness(self, said: SaidSoFar) -> float:
        """The probability (0..1) that the caller has said all they want to say. Policy is not its concern: it waits for nothing."""


@dataclass(frozen=True, slots=True)
class ModelText:
    """More text of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ModelToolCall:
    """A piece of a tool call: the first piece of an `index` carries the name, later ones more of `arguments`."""

    index: int
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ModelUsage:
    """Tokens as the model counted them. `cached_tokens`: how many of the input it had seen before, and asks less for."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class ModelControl:
    """A hidden control (docs/adr/0036). silent: the model wants nothing to be said. preamble: what it says now goes ahead of its
    answer; preamble_end: up to here."""

    kind: Literal["silent", "preamble", "preamble_end"]


@dataclass(frozen=True, slots=True)
class ModelStop:
    """Why the model stopped."""

    reason: Literal["stop", "max_output_tokens", "content_filter"]


ModelChunk = ModelText | ModelToolCall | ModelControl | ModelUsage | ModelStop


@dataclass(frozen=True, slots=True)
class Prompt:
    """A turn for a language model, in the words of the Chat Completions API.

    messages: {"role": "system"|"user"|"assistant"|"tool", "content": ..., "tool_calls"?, "tool_call_id"?} dicts, oldest first;
        the first is the system message when there are instructions.
    tools: {"type": "function", "function": {"name", "description", "parameters"}} dicts.
    tool_choice: "auto" | "none" | "required" | {"type": "function", "function": {"name": ...}}.
    effort: how much a model that reasons shall do so ("minimal" to "xhigh"); None leaves it to the model.

    The content of a user's message may be a list of {"type": "text"} and {"type": "image_url"} parts.
    """

    messages: tuple[dict[str, Any], ...]
    tools: tuple[dict[str, Any], ...] = ()
    tool_choice: Any = "auto"
    parallel_tool_calls: bool = True
    max_tokens: int | None = None
    effort: str | None = None


class LanguageModel(Protocol):
    """Text in, text and tool calls out."""

    name: str

    def stream(self, prompt: Prompt) -> AsyncGenerator[ModelChunk, None]:
        """Chunks of the answer. Closing the iterator cancels the request. Raises EngineError("llm", ...)."""

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Speech:
    """One clause to be spoken: speed 0.25..4 (a session allows up to 1.5), audio wanted as PCM16 at rate_hz."""

    text: str
    voice: str
    speed: float
    rate_hz: int
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Spoken:
    """A piece of speech, at most 100 ms, with the marks that fall into it (positions from the clause's first sample)."""

    clip: Clip
    marks: tuple[Mark, ...] = field(default=())


class Synthesizer(Protocol):
    """Text to speech, shared by all calls."""

    name: str

    async def start(self) -> None: ...

    def speak(self, speech: Speech) -> AsyncGenerator[Spoken, None]:
        """Pieces of speech in order. Closing the iterator cancels at once and frees the voice within 20 ms.

        Raises EngineError("tts", ...).
        """

    async def close(self) -> None: ...


@runtime_checkable
class Warm(Protocol):
    """What a stage may be besides: one that keeps a connection to somewhere else."""

    def warm(self) -> None:
        """It will be needed soon: at the start, and when a caller begins to speak. Returns at once and never fails."""


@dataclass(frozen=True, slots=True)
class Stages:
    """What an engine is made of.

    keywords: words that the operator wants to be expected. language: what callers speak where no session says so; empty where the
    recogniser finds out. instruct: what the language model is told, from a session's instructions and whether there are tools.
    """

    vad: VoiceActivityModel
    stt: Transcriber
    llm: LanguageModel
    tts: Synthesizer
    keywords: tuple[str, ...] = ()
    end_of_turn: EndOfTurn | None = None
    language: str = "en"
    instruct: Callable[[str, bool], str] | None = None
