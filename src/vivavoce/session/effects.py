"""Effects: what the session asks the world to do. The driver performs them in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from vivavoce.audio.clip import Clip, Frame
from vivavoce.protocol.items import InputItem
from vivavoce.protocol.server_events import ForeignEvent, ServerEvent
from vivavoce.protocol.session_objects import SessionObject
from vivavoce.session.signals import StageUsed
from vivavoce.session.tool_calls import McpEffect
from vivavoce.session.upstream import UpstreamEffect


class Send(msgspec.Struct, frozen=True, gc=False):
    """Send an event to every attachment, or to one (errors and replies to `retrieve` go to their source only).

    `frame`: the event as an upstream wrote it, for connections of the current dialect, which thereby get all that is in it.
    """

    event: ServerEvent | ForeignEvent
    to: str | None = None
    frame: bytes | None = None


class Part(msgspec.Struct, frozen=True, gc=False):
    """Where a piece of output belongs on the wire: one content part of one item of one response."""

    response_id: str
    item_id: str
    output_index: int
    content_index: int


class Play(msgspec.Struct, frozen=True, gc=False):
    """Audio for the caller, at most 100 ms: a `response.output_audio.delta` on a socket.

    `wire_format` is what the response promised (`audio/pcm`, ...), whatever the session says by now.
    """

    part: Part
    clip: Clip
    event_id: str
    wire_format: str


class Configure(msgspec.Struct, frozen=True, gc=False):
    """The session's configuration is now this; engines build what depends on it (language models, voices)."""

    session: SessionObject


class Hear(msgspec.Struct, frozen=True, gc=False):
    """One frame of input audio, in order. Answered at once by the engine's voice activity stage."""

    frame: Frame


class Listen(msgspec.Struct, frozen=True, gc=False):
    """The caller began to speak: `lead` is the audio from the padded start up to now; `Hear` carries the rest."""

    item_id: str
    lead: tuple[Frame, ...]


class Forget(msgspec.Struct, frozen=True, gc=False):
    """The audio being listened to is not going to become an item."""

    item_id: str


class Transcribe(msgspec.Struct, frozen=True, gc=False):
    """This audio is now an item: say what was heard in it. Exactly one TranscriptFinished or TranscriptFailed answers.

    timed_out: nobody has spoken in it; the caller let the time run out, and whoever answers the item asks after them.
    """

    item_id: str
    audio: tuple[Frame, ...]
    timed_out: bool = False


class JudgeTurn(msgspec.Struct, frozen=True, gc=False):
    """The caller pauses at media position `at` (ticks): say by TurnCompleteness how complete their turn sounds so far."""

    item_id: str
    at: int


@dataclass(frozen=True, slots=True)
class Request:
    """What an answer is to be made of: a snapshot, not a view.

    `context` holds the items the model may see, oldest first. An `InputAudio` part whose transcript is not known yet names its
    item; the engine resolves it from the `Transcribe` of the same id. `effort` is how much a model shall reason, if anybody said.
    """

    instructions: str
    context: tuple[InputItem, ...]
    tools: tuple[Any, ...]
    tool_choice: Any
    parallel_tool_calls: bool
    max_output_tokens: int | None
    speaks: bool
    voice: str
    speed: float
    rate_hz: int
    effort: str | None = None


class Generate(msgspec.Struct, frozen=True, gc=False):
    """Answer. Signals that belong to it carry `generation`."""

    generation: str
    response_id: str
    request: Request


class Prepare(msgspec.Struct, frozen=True, gc=False):
    """Answer on the strength of what was heard of `item_id` so far, which may be withdrawn by `Cancel`.

    The engine first says `Prepared` with the words it took the caller to have said.
    """

    generation: str
    item_id: str
    request: Request


class Speak(msgspec.Struct, frozen=True, gc=False):
    """Say one clause. Answered by AudioOut (in order) and ClauseSpoken, or EngineFailed."""

    generation: str
    clause: int
    text: str
    voice: str
    speed: float
    rate_hz: int


class Cancel(msgspec.Struct, frozen=True, gc=False):
    """Stop work on a generation; nothing it still says is waited for."""

    generation: str


class Hangup(msgspec.Struct, frozen=True, gc=False):
    """Close every attachment and end the call. `code` is a WebSocket close code."""

    code: int
    reason: str


class Warn(msgspec.Struct, frozen=True, gc=False):
    """Tell whoever runs the server; no client hears of it."""

    message: str


class Metered(msgspec.Struct, frozen=True, gc=False):
    """What a response that is not made here took, told right before its end, for whoever counts and pays. Nothing is to be done."""

    used: StageUsed


Effect = (
    Send
    | Play
    | Configure
    | Hear
    | Listen
    | Forget
    | Transcribe
    | JudgeTurn
    | Generate
    | Prepare
    | Speak
    | Cancel
    | Hangup
    | Warn
    | Metered
    | McpEffect
    | UpstreamEffect
)
EngineEffect = (
    Configure
    | Listen
    | Forget
    | Transcribe
    | JudgeTurn
    | Generate
    | Prepare
    | Speak
    | Cancel
    | McpEffect
    | UpstreamEffect
)
