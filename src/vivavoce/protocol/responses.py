"""The response object and what hangs on it: status, usage, rate limits, errors (protocol reference 2.4)."""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from vivavoce.protocol.items import Item
from vivavoce.protocol.session_objects import MaxOutputTokens, Modality, ResponseAudio

ResponseStatus = Literal["in_progress", "completed", "cancelled", "failed", "incomplete"]
StatusReason = Literal["turn_detected", "client_cancelled", "max_output_tokens", "content_filter"]


class ResponseError(Struct, frozen=True, kw_only=True):
    """Why a response failed."""

    type: str
    code: str | None = None
    message: str | None = None


class StatusDetails(Struct, frozen=True, kw_only=True):
    """Why a response ended as it did: cancelled and incomplete carry a `reason`, failed an `error`."""

    type: Literal["completed", "cancelled", "incomplete", "failed"]
    reason: StatusReason | UnsetType = UNSET
    error: ResponseError | UnsetType = UNSET


class CachedTokensDetails(Struct, frozen=True, kw_only=True):
    text_tokens: int = 0
    audio_tokens: int = 0
    image_tokens: int = 0


class InputTokenDetails(Struct, frozen=True, kw_only=True):
    """`cached_tokens` is a subset of the input, not an addition to it."""

    text_tokens: int = 0
    audio_tokens: int = 0
    image_tokens: int = 0
    cached_tokens: int = 0
    cached_tokens_details: CachedTokensDetails = CachedTokensDetails()


class OutputTokenDetails(Struct, frozen=True, kw_only=True):
    text_tokens: int = 0
    audio_tokens: int = 0


class Usage(Struct, frozen=True, kw_only=True):
    """What a response took in and gave out, in tokens."""

    total_tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    input_token_details: InputTokenDetails = InputTokenDetails()
    output_token_details: OutputTokenDetails = OutputTokenDetails()


class TranscriptionTokenDetails(Struct, frozen=True, kw_only=True):
    text_tokens: int = 0
    audio_tokens: int = 0


class TokensUsage(Struct, tag_field="type", tag="tokens", frozen=True, kw_only=True):
    """Usage of a transcription billed by tokens."""

    total_tokens: int
    input_tokens: int
    output_tokens: int
    input_token_details: TranscriptionTokenDetails | UnsetType = UNSET


class DurationUsage(Struct, tag_field="type", tag="duration", frozen=True, kw_only=True):
    """Usage of a transcription billed by the length of the audio."""

    seconds: float


TranscriptionUsage = TokensUsage | DurationUsage


class ResponseObject(Struct, kw_only=True):
    """A response as it stands in `response.created` and `response.done`.

    `conversation_id` is null for an out-of-band response; `output` holds items without their audio.
    """

    object: Literal["realtime.response"] = "realtime.response"
    id: str
    status: ResponseStatus
    status_details: StatusDetails | None = None
    output: list[Item]
    conversation_id: str | None = None
    output_modalities: list[Modality]
    max_output_tokens: MaxOutputTokens = "inf"
    audio: ResponseAudio = ResponseAudio()
    usage: Usage | None = None
    metadata: dict[str, str] | None = None
    vivavoce: dict[str, Any] | UnsetType = UNSET


class RateLimit(Struct, frozen=True, kw_only=True):
    name: Literal["requests", "tokens"]
    limit: int
    remaining: int
    reset_seconds: float


class ContentPartObject(Struct, frozen=True, kw_only=True):
    """The part in `response.content_part.*`: `audio` or `text`, where items say `output_audio`."""

    type: Literal["audio", "text"]
    text: str | UnsetType = UNSET
    transcript: str | UnsetType = UNSET


class ErrorDetail(Struct, frozen=True, kw_only=True):
    """The body of an `error` event; `event_id` is the client's own, of the event at fault."""

    type: str
    code: str | None = None
    message: str
    param: str | None = None
    event_id: str | None = None


class TranscriptionErrorDetail(Struct, frozen=True, kw_only=True):
    type: str
    code: str | None = None
    message: str
    param: str | None = None


class LogProb(Struct, frozen=True, kw_only=True):
    token: str
    logprob: float
    bytes: list[int]


class TranscriptionLanguage(Struct, frozen=True, kw_only=True):
    code: str


class ConversationObject(Struct, frozen=True, kw_only=True):
    id: str
    object: Literal["realtime.conversation"] = "realtime.conversation"
