"""The 46 events of the server, GA dialect (protocol reference 2.2).

One frozen struct per event, named after its type (`error` is `ErrorEvent`). Every event has an `event_id`:
strict clients refuse one without, even on `error`. What the wire leaves out is `UNSET`, what it sends as null
is `None`.
"""

from msgspec import UNSET, Struct, UnsetType

from vivavoce.protocol.items import Item
from vivavoce.protocol.responses import (
    ContentPartObject,
    ConversationObject,
    ErrorDetail,
    LogProb,
    RateLimit,
    ResponseObject,
    TranscriptionErrorDetail,
    TranscriptionLanguage,
    TranscriptionUsage,
)
from vivavoce.protocol.session_objects import SessionObject, TranscriptionSessionObject

AnySession = SessionObject | TranscriptionSessionObject


class ErrorEvent(Struct, tag_field="type", tag="error", frozen=True, kw_only=True):
    event_id: str
    error: ErrorDetail


class SessionCreated(Struct, tag_field="type", tag="session.created", frozen=True, kw_only=True):
    event_id: str
    session: AnySession


class SessionUpdated(Struct, tag_field="type", tag="session.updated", frozen=True, kw_only=True):
    event_id: str
    session: AnySession


class ConversationCreated(Struct, tag_field="type", tag="conversation.created", frozen=True, kw_only=True):
    event_id: str
    conversation: ConversationObject


class ConversationItemAdded(
    Struct, tag_field="type", tag="conversation.item.added", frozen=True, kw_only=True
):
    event_id: str
    previous_item_id: str | None = None
    item: Item


class ConversationItemDone(Struct, tag_field="type", tag="conversation.item.done", frozen=True, kw_only=True):
    event_id: str
    previous_item_id: str | None = None
    item: Item


class ConversationItemCreated(
    Struct, tag_field="type", tag="conversation.item.created", frozen=True, kw_only=True
):
    """On the wire in the beta dialect only."""

    event_id: str
    previous_item_id: str | None = None
    item: Item


class ConversationItemRetrieved(
    Struct, tag_field="type", tag="conversation.item.retrieved", frozen=True, kw_only=True
):
    event_id: str
    item: Item


class ConversationItemTruncated(
    Struct, tag_field="type", tag="conversation.item.truncated", frozen=True, kw_only=True, gc=False
):
    event_id: str
    item_id: str
    content_index: int
    audio_end_ms: int


class ConversationItemDeleted(
    Struct, tag_field="type", tag="conversation.item.deleted", frozen=True, kw_only=True, gc=False
):
    event_id: str
    item_id: str


class ConversationItemInputAudioTranscriptionDelta(
    Struct,
    tag_field="type",
    tag="conversation.item.input_audio_transcription.delta",
    frozen=True,
    kw_only=True,
):
    event_id: str
    item_id: str
    content_index: int = 0
    delta: str
    logprobs: list[LogProb] | UnsetType = UNSET


class ConversationItemInputAudioTranscriptionCompleted(
    Struct,
    tag_field="type",
    tag="conversation.item.input_audio_transcription.completed",
    frozen=True,
    kw_only=True,
):
    event_id: str
    item_id: str
    content_index: int = 0
    transcript: str
    usage: TranscriptionUsage
    logprobs: list[LogProb] | UnsetType = UNSET
    languages: list[TranscriptionLanguage] | UnsetType = UNSET


class ConversationItemInputAudioTranscriptionFailed(
    Struct,
    tag_field="type",
    tag="conversation.item.input_audio_transcription.failed",
    frozen=True,
    kw_only=True,
):
    event_id: str
    item_id: str
    content_index: int = 0
    error: TranscriptionErrorDetail


class ConversationItemInputAudioTranscriptionSegment(
    Struct,
    tag_field="type",
    tag="conversation.item.input_audio_transcription.segment",
    frozen=True,
    kw_only=True,
    gc=False,
):
    """`start` and `end` in seconds."""

    event_id: str
    item_id: str
    content_index: int = 0
    id: str
    text: str
    speaker: str
    start: float
    end: float


class InputAudioBufferCommitted(
    Struct, tag_field="type", tag="input_audio_buffer.committed", frozen=True, kw_only=True, gc=False
):
    event_id: str
    previous_item_id: str | None = None
    item_id: str


class InputAudioBufferCleared(
    Struct, tag_field="type", tag="input_audio_buffer.cleared", frozen=True, kw_only=True, gc=False
):
    event_id: str


class InputAudioBufferSpeechStarted(
    Struct, tag_field="type", tag="input_audio_buffer.speech_started", frozen=True, kw_only=True, gc=False
):
    """`audio_start_ms` counts audio written since the session began and includes the prefix padding."""

    event_id: str
    audio_start_ms: int
    item_id: str


class InputAudioBufferSpeechStopped(
    Struct, tag_field="type", tag="input_audio_buffer.speech_stopped", frozen=True, kw_only=True, gc=False
):
    """`audio_end_ms` counts audio written since the session began and includes the silence window."""

    event_id: str
    audio_end_ms: int
    item_id: str


class InputAudioBufferTimeoutTriggered(
    Struct, tag_field="type", tag="input_audio_buffer.timeout_triggered", frozen=True, kw_only=True, gc=False
):
    event_id: str
    audio_start_ms: int
    audio_end_ms: int
    item_id: str


class InputAudioBufferDtmfEventReceived(
    Struct,
    tag_field="type",
    tag="input_audio_buffer.dtmf_event_received",
    frozen=True,
    kw_only=True,
    gc=False,
):
    """`received_at` in seconds since 1970."""

    event_id: str
    event: str
    received_at: int


class OutputAudioBufferStarted(
    Struct, tag_field="type", tag="output_audio_buffer.started", frozen=True, kw_only=True, gc=False
):
    event_id: str
    response_id: str


class OutputAudioBufferStopped(
    Struct, tag_field="type", tag="output_audio_buffer.stopped", frozen=True, kw_only=True, gc=False
):
    event_id: str
    response_id: str


class OutputAudioBufferCleared(
    Struct, tag_field="type", tag="output_audio_buffer.cleared", frozen=True, kw_only=True, gc=False
):
    event_id: str
    response_id: str


class ResponseCreated(Struct, tag_field="type", tag="response.created", frozen=True, kw_only=True):
    event_id: str
    response: ResponseObject


class ResponseDone(Struct, tag_field="type", tag="response.done", frozen=True, kw_only=True):
    event_id: str
    response: ResponseObject


class ResponseOutputItemAdded(
    Struct, tag_field="type", tag="response.output_item.added", frozen=True, kw_only=True
):
    event_id: str
    response_id: str
    output_index: int
    item: Item


class ResponseOutputItemDone(
    Struct, tag_field="type", tag="response.output_item.done", frozen=True, kw_only=True
):
    event_id: str
    response_id: str
    output_index: int
    item: Item


class ResponseContentPartAdded(
    Struct, tag_field="type", tag="response.content_part.added", frozen=True, kw_only=True
):
    event_id: str
    response_id: str
    item_id: str
    output_index: int
    content_index: int
    part: ContentPartObject


class ResponseContentPartDone(
    Struct, tag_field="type", tag="response.content_part.done", frozen=True, kw_only=True
):
    event_id: str
    response_id: str
    item_id: str
    output_index: int
    content_index: int
    part: ContentPartObject


class ResponseOutputTextDelta(
    Struct, tag_field="type", tag="response.output_text.delta", frozen=True, kw_only=True, gc=False
):
    event_id: str
    response_id: str
    item_id: str
    output_index: int
    content_index: int
    delta: str


class ResponseOutputTextDone(
    Struct, tag_field="type", tag="response.output_text.done", frozen=True, kw_only=True, gc=False
):
    event_id: str
    response_id: str
    item_id: str
    output_index: int
    content_index: int
    text: str


class ResponseOutputAudioTranscriptDelta(
    Struct,
    tag_field="type",
    tag="response.output_audio_transcript.delta",
    frozen=True,
    kw_only=True,
    gc=False,
):
    event_id: str
    response_id: str
    item_id: str
    output_index: int
    content_index: int
    delta: str


class ResponseOutputAudioTranscriptDone(
    Struct, tag_field="type", tag="response.output_audio_transcript.done", frozen=True, kw_only=True, gc=False
):
    event_id: str
    response_id: str
    item_id: str
    output_index: int
    content_index: int
    transcript: str


class ResponseOutputAudioDelta(
    Struct, tag_field="type", tag="response.output_audio.delta", frozen=True, kw_only=True, gc=False
):
    """`delta` is base64 in the session's output format, whole samples."""

    event_id: str
    response_id: str
    item_id: str
    output_index: int
    content_index: int
    delta: str


class ResponseOutputAudioDone(
    Struct, tag_field="type", tag="response.output_audio.done", frozen=True, kw_only=True, gc=False
):
    event_id: str
    response_id: str
    item_id: str
    output_index: int
    content_index: int


class ResponseFunctionCallArgumentsDelta(
    Struct,
    tag_field="type",
    tag="response.function_call_arguments.delta",
    frozen=True,
    kw_only=True,
    gc=False,
):
    event_id: str
    response_id: str
    item_id: str
    output_index: int
    call_id: str
    delta: str


class ResponseFunctionCallArgumentsDone(
    Struct, tag_field="type", tag="response.function_call_arguments.done", frozen=True, kw_only=True, gc=False
):
    event_id: str
    response_id: str
    item_id: str
    output_index: int
    call_id: str
    name: str
    arguments: str


class ResponseMcpCallArgumentsDelta(
    Struct, tag_field="type", tag="response.mcp_call_arguments.delta", frozen=True, kw_only=True, gc=False
):
    event_id: str
    response_id: str
    item_id: str
    output_index: int
    delta: str


class ResponseMcpCallArgumentsDone(
    Struct, tag_field="type", tag="response.mcp_call_arguments.done", frozen=True, kw_only=True, gc=False
):
    event_id: str
    response_id: str
    item_id: str
    output_index: int
    arguments: str


class ResponseMcpCallInProgress(
    Struct, tag_field="type", tag="response.mcp_call.in_progress", frozen=True, kw_only=True, gc=False
):
    event_id: str
    item_id: str
    output_index: int


class ResponseMcpCallCompleted(
    Struct, tag_field="type", tag="response.mcp_call.completed", frozen=True, kw_only=True, gc=False
):
    event_id: str
    item_id: str
    output_index: int


class ResponseMcpCallFailed(
    Struct, tag_field="type", tag="response.mcp_call.failed", frozen=True, kw_only=True, gc=False
):
    event_id: str
    item_id: str
    output_index: int


class McpListToolsInProgress(
    Struct, tag_field="type", tag="mcp_list_tools.in_progress", frozen=True, kw_only=True, gc=False
):
    event_id: str
    item_id: str


class McpListToolsCompleted(
    Struct, tag_field="type", tag="mcp_list_tools.completed", frozen=True, kw_only=True, gc=False
):
    event_id: str
    item_id: str


class McpListToolsFailed(
    Struct, tag_field="type", tag="mcp_list_tools.failed", frozen=True, kw_only=True, gc=False
):
    event_id: str
    item_id: str


class RateLimitsUpdated(Struct, tag_field="type", tag="rate_limits.updated", frozen=True, kw_only=True):
    event_id: str
    rate_limits: list[RateLimit]


class ForeignEvent(Struct, frozen=True, kw_only=True):
    """An event of an upstream that this version does not know, or not in this shape. It is handed on as it came, in the current dialect."""

    type: str
    event_id: str = ""


ServerEvent = (
    ErrorEvent
    | SessionCreated
    | SessionUpdated
    | ConversationCreated
    | ConversationItemAdded
    | ConversationItemDone
    | ConversationItemCreated
    | ConversationItemRetrieved
    | ConversationItemTruncated
    | ConversationItemDeleted
    | ConversationItemInputAudioTranscriptionDelta
    | ConversationItemInputAudioTranscriptionCompleted
    | ConversationItemInputAudioTranscriptionFailed
    | ConversationItemInputAudioTranscriptionSegment
    | InputAudioBufferCommitted
    | InputAudioBufferCleared
    | InputAudioBufferSpeechStarted
    | InputAudioBufferSpeechStopped
    | InputAudioBufferTimeoutTriggered
    | InputAudioBufferDtmfEventReceived
    | OutputAudioBufferStarted
    | OutputAudioBufferStopped
    | OutputAudioBufferCleared
    | ResponseCreated
    | ResponseDone
    | ResponseOutputItemAdded
    | ResponseOutputItemDone
    | ResponseContentPartAdded
    | ResponseContentPartDone
    | ResponseOutputTextDelta
    | ResponseOutputTextDone
    | ResponseOutputAudioTranscriptDelta
    | ResponseOutputAudioTranscriptDone
    | ResponseOutputAudioDelta
    | ResponseOutputAudioDone
    | ResponseFunctionCallArgumentsDelta
    | ResponseFunctionCallArgumentsDone
    | ResponseMcpCallArgumentsDelta
    | ResponseMcpCallArgumentsDone
    | ResponseMcpCallInProgress
    | ResponseMcpCallCompleted
    | ResponseMcpCallFailed
    | McpListToolsInProgress
    | McpListToolsCompleted
    | McpListToolsFailed
    | RateLimitsUpdated
)

SERVER_EVENT_TYPES: dict[str, type[ServerEvent]] = {
    str(cls.__struct_config__.tag): cls
    for cls in (
        ErrorEvent,
        SessionCreated,
        SessionUpdated,
        ConversationCreated,
        ConversationItemAdded,
        ConversationItemDone,
        ConversationItemCreated,
        ConversationItemRetrieved,
        ConversationItemTruncated,
        ConversationItemDeleted,
        ConversationItemInputAudioTranscriptionDelta,
        ConversationItemInputAudioTranscriptionCompleted,
        ConversationItemInputAudioTranscriptionFailed,
        ConversationItemInputAudioTranscriptionSegment,
        InputAudioBufferCommitted,
        InputAudioBufferCleared,
        InputAudioBufferSpeechStarted,
        InputAudioBufferSpeechStopped,
        InputAudioBufferTimeoutTriggered,
        InputAudioBufferDtmfEventReceived,
        OutputAudioBufferStarted,
        OutputAudioBufferStopped,
        OutputAudioBufferCleared,
        ResponseCreated,
        ResponseDone,
        ResponseOutputItemAdded,
        ResponseOutputItemDone,
        ResponseContentPartAdded,
        ResponseContentPartDone,
        ResponseOutputTextDelta,
        ResponseOutputTextDone,
        ResponseOutputAudioTranscriptDelta,
        ResponseOutputAudioTranscriptDone,
        ResponseOutputAudioDelta,
        ResponseOutputAudioDone,
        ResponseFunctionCallArgumentsDelta,
        ResponseFunctionCallArgumentsDone,
        ResponseMcpCallArgumentsDelta,
        ResponseMcpCallArgumentsDone,
        ResponseMcpCallInProgress,
        ResponseMcpCallCompleted,
        ResponseMcpCallFailed,
        McpListToolsInProgress,
        McpListToolsCompleted,
        McpListToolsFailed,
        RateLimitsUpdated,
    )
}
"""Type on the wire -> struct."""


def event_type(event: ServerEvent) -> str:
    """The event's type on the wire, e.g. `response.done`."""
    return str(event.__struct_config__.tag)
