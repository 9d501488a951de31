"""The session objects as they stand on the wire, with every default filled in (protocol reference section 3).

The whole object is always sent: clients read `interrupt_response` and the audio formats out of the echo and
behave differently when they are missing (real-clients rule 2). All structs are frozen; an update makes a new
object.
"""

from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field
from msgspec.structs import force_setattr

Modality = Literal["audio", "text"]
MAX_OUTPUT_TOKENS: Final = 32_000
MaxOutputTokens = Annotated[int, Meta(ge=1, le=MAX_OUTPUT_TOKENS)] | Literal["inf"]
Effort = Literal["minimal", "low", "medium", "high", "xhigh"]
NonEmpty = Annotated[str, Meta(min_length=1, max_length=512)]


class Secret:
    """A client's credential for somebody else (an MCP server). Held, but null on the wire."""

    __slots__ = ("_value",)

    def __init__(self, value: str | dict[str, str]) -> None:
        self._value = value

    def reveal(self) -> str | dict[str, str]:
        return self._value

    def __repr__(self) -> str:
        return "Secret(...)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    __hash__ = None  # type: ignore[assignment]


# ------------------------------------------------------------------------------------------------------ audio


class AudioFormat(Struct, frozen=True):
    """PCM is 16-bit little endian mono and names its 24 kHz; the G.711 formats are 8 kHz and name no rate."""

    type: Literal["audio/pcm", "audio/pcmu", "audio/pcma"] = "audio/pcm"
    rate: Literal[24000] | UnsetType = 24000

    def __post_init__(self) -> None:
        if self.type != "audio/pcm" and self.rate is not UNSET:
            force_setattr(self, "rate", UNSET)

    @property
    def rate_hz(self) -> int:
        return 24_000 if self.type == "audio/pcm" else 8_000


class ServerVad(Struct, tag_field="type", tag="server_vad", frozen=True, kw_only=True):
    """Turn ends after a stretch of silence. `threshold` is a speech probability; times in milliseconds."""

    threshold: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.5
    prefix_padding_ms: Annotated[int, Meta(ge=0, le=60_000)] = 300
    silence_duration_ms: Annotated[int, Meta(ge=0, le=60_000)] = 500
    idle_timeout_ms: Annotated[int, Meta(ge=5_000, le=30_000)] | None = None
    create_response: bool = True
    interrupt_response: bool = True


class SemanticVad(Struct, tag_field="type", tag="semantic_vad", frozen=True, kw_only=True):
    """Turn ends when what was said sounds complete; `eagerness` low, medium, high waits 8, 4, 2 s at most."""

    eagerness: Literal["low", "medium", "high", "auto"] = "auto"
    create_response: bool = True
    interrupt_response: bool = True


TurnDetection = ServerVad | SemanticVad


class Transcription(Struct, frozen=True, kw_only=True):
    """Whether and how the caller's audio is transcribed for the client (protocol reference 3.4)."""

    model: str | UnsetType = UNSET
    language: str | UnsetType = UNSET
    languages: list[str] | UnsetType = UNSET
    keywords: list[str] | UnsetType = UNSET
    prompt: str | UnsetType = UNSET
    delay: Effort | UnsetType = UNSET


class NoiseReduction(Struct, frozen=True, kw_only=True):
    """`strength` 0 to 1, 1 when first enabled, kept by an update that leaves it out."""

    type: Literal["near_field", "far_field"]
    strength: Annotated[float, Meta(ge=0.0, le=1.0)] = 1.0


class VoiceId(Struct, frozen=True):
    """A custom voice."""

    id: NonEmpty


Voice = NonEmpty | VoiceId


class AudioInputConfig(Struct, frozen=True, kw_only=True):
    format: AudioFormat = AudioFormat()
    transcription: Transcription | None = None
    noise_reduction: NoiseReduction | None = None
    turn_detection: TurnDetection | None = ServerVad()


class AudioOutputConfig(Struct, frozen=True, kw_only=True):
    """`speed` 1.0 is the voice's own pace."""

    format: AudioFormat = AudioFormat()
    voice: Voice = "marin"
    speed: Annotated[float, Meta(ge=0.25, le=1.5)] = 1.0


class AudioConfig(Struct, frozen=True, kw_only=True):
    input: AudioInputConfig = AudioInputConfig()
    output: AudioOutputConfig = AudioOutputConfig()


class ResponseAudioOutput(Struct, frozen=True, kw_only=True):
    format: AudioFormat = AudioFormat()
    voice: Voice = "marin"


class ResponseAudio(Struct, frozen=True, kw_only=True):
    """The audio half of a response object; it has no speed of its own."""

    output: ResponseAudioOutput = ResponseAudioOutput()


# ------------------------------------------------------------------------------------------------------ tools


class FunctionTool(Struct, tag_field="type", tag="function", frozen=True, kw_only=True):
    """A function the client runs; `parameters` is a JSON schema of an object."""

    name: NonEmpty
    description: str | UnsetType = UNSET
    parameters: dict[str, Any] | UnsetType = UNSET


class McpToolFilter(Struct, frozen=True, kw_only=True):
    tool_names: list[str] | UnsetType = UNSET
    read_only: bool | UnsetType = UNSET


class McpApprovalFilter(Struct, frozen=True, kw_only=True):
    always: McpToolFilter | UnsetType = UNSET
    never: McpToolFilter | UnsetType = UNSET


class McpTool(Struct, tag_field="type", tag="mcp", frozen=True, kw_only=True):
    """An MCP server whose tools this server calls itself (protocol reference 3.5)."""

    server_label: NonEmpty
    server_url: str | UnsetType = UNSET
    connector_id: str | UnsetType = UNSET
    tunnel_id: str | UnsetType = UNSET
    server_description: str | UnsetType = UNSET
    authorization: Secret | None = None
    headers: Secret | None = None
    allowed_tools: list[str] | McpToolFilter | UnsetType = UNSET
    require_approval: Literal["always", "never"] | McpApprovalFilter | UnsetType = UNSET
    defer_loading: bool | UnsetType = UNSET
    allowed_callers: list[Literal["direct", "programmatic"]] | UnsetType = UNSET


Tool = FunctionTool | McpTool


class ToolChoiceFunction(Struct, tag_field="type", tag="function", frozen=True, kw_only=True):
    name: NonEmpty


class ToolChoiceMcp(Struct, tag_field="type", tag="mcp", frozen=True, kw_only=True):
    server_label: NonEmpty
    name: str | UnsetType = UNSET


ToolChoice = Literal["auto", "none", "required"] | ToolChoiceFunction | ToolChoiceMcp

# --------------------------------------------------------------------------------------------------- the rest


class Reasoning(Struct, frozen=True, kw_only=True):
    effort: Effort = "low"


class TokenLimits(Struct, frozen=True, kw_only=True):
    post_instructions: Annotated[int, Meta(ge=0)] | UnsetType = UNSET


class RetentionRatio(Struct, tag_field="type", tag="retention_ratio", frozen=True, kw_only=True):
    """When the context is full, drop the oldest messages until this share of the limit remains."""

    retention_ratio: Annotated[float, Meta(ge=0.0, le=1.0)]
    token_limits: TokenLimits | UnsetType = UNSET


Truncation = Literal["auto", "disabled"] | RetentionRatio


class TracingConfig(Struct, frozen=True, kw_only=True):
    workflow_name: str | UnsetType = UNSET
    group_id: str | UnsetType = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET


Tracing = Literal["auto"] | TracingConfig


class Prompt(Struct, frozen=True, kw_only=True):
    """A stored prompt; the session's own fields win over the prompt's."""

    id: NonEmpty
    version: str | UnsetType = UNSET
    variables: dict[str, Any] | UnsetType = UNSET


Include = Literal["item.input_audio_transcription.logprobs"]


class Preambles(Struct, frozen=True, kw_only=True):
    """Phrases spoken while a tool runs; repeated in other words every `repeat_after_ms`."""

    phrases: Annotated[list[NonEmpty], Meta(min_length=1, max_length=64)]
    repeat_after_ms: Annotated[int, Meta(ge=500, le=60_000)] | UnsetType = UNSET


ReattachSeconds = Annotated[int, Meta(ge=0, le=600)]


class VivavoceExtension(Struct, frozen=True, kw_only=True):
    """Our own corner of the session object; foreign clients skip it.

    `engine`, `llm`, `stt` and `tts` say what answers here and cannot be set by a client. `preambles` opts in
    to speech while a client runs its own tools: `auto` lets the engine find the words. `call_id` is what a
    sideband connects to. `reattach_s` opts in to coming back: for so many seconds a call outlives its primary
    connection (docs/adr/0024).
    """

    call_id: str | UnsetType = UNSET

    engine: str | UnsetType = UNSET
    vad: str | UnsetType = UNSET
    llm: str | UnsetType = UNSET
    stt: str | UnsetType = UNSET
    tts: str | UnsetType = UNSET
    preambles: Preambles | Literal["auto"] | None = None
    reattach_s: ReattachSeconds | UnsetType = UNSET


class SessionObject(Struct, tag_field="type", tag="realtime", frozen=True, kw_only=True):
    """An effective conversation session (protocol reference 3.1). `expires_at` in seconds since 1970."""

    object: Literal["realtime.session"] = "realtime.session"
    id: str
    model: str
    output_modalities: list[Modality] = field(default_factory=lambda: ["audio"])
    instructions: str = ""
    tools: list[Tool] = []
    tool_choice: ToolChoice = "auto"
    parallel_tool_calls: bool | UnsetType = UNSET
    reasoning: Reasoning | UnsetType = UNSET
    max_output_tokens: MaxOutputTokens = "inf"
    tracing: Tracing | None = None
    truncation: Truncation = "auto"
    prompt: Prompt | None = None
    expires_at: int = 0
    audio: AudioConfig = AudioConfig()
    include: list[Include] | None = None
    vivavoce: VivavoceExtension | UnsetType = UNSET


class TranscriptionAudio(Struct, frozen=True, kw_only=True):
    input: AudioInputConfig = AudioInputConfig()


class TranscriptionSessionObject(Struct, tag_field="type", tag="transcription", frozen=True, kw_only=True):
    """A session that only writes down what it hears (protocol reference 3.7)."""

    object: Literal["realtime.transcription_session"] = "realtime.transcription_session"
    id: str
    expires_at: int = 0
    audio: TranscriptionAudio = TranscriptionAudio()
    include: list[Include] | None = None
    vivavoce: VivavoceExtension | UnsetType = UNSET


class TranslationInputTranscription(Struct, frozen=True, kw_only=True):
    model: str


class TranslationInput(Struct, frozen=True, kw_only=True):
    transcription: TranslationInputTranscription | None = None
    noise_reduction: NoiseReduction | None = None


class TranslationOutput(Struct, frozen=True, kw_only=True):
    language: str


class TranslationAudio(Struct, frozen=True, kw_only=True):
    input: TranslationInput = TranslationInput()
    output: TranslationOutput


class TranslationSessionObject(Struct, tag_field="type", tag="translation", frozen=True, kw_only=True):
    """A session that speaks what it hears in another language (protocol reference 3.8)."""

    id: str
    model: str
    expires_at: int = 0
    audio: TranslationAudio
    vivavoce: VivavoceExtension | UnsetType = UNSET
