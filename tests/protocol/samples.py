"""One representative of everything the server sends."""

from typing import Any

from vivavoce.protocol import server_events as ev
from vivavoce.protocol.items import (
    FunctionCallItem,
    FunctionCallOutputItem,
    InputAudio,
    InputImage,
    InputText,
    Item,
    McpApprovalRequestItem,
    McpApprovalResponseItem,
    McpCallItem,
    McpHttpError,
    McpListToolsItem,
    McpProtocolError,
    McpToolExecutionError,
    McpToolInfo,
    MessageItem,
    OutputAudio,
    OutputText,
)
from vivavoce.protocol.responses import (
    CachedTokensDetails,
    ContentPartObject,
    ConversationObject,
    DurationUsage,
    ErrorDetail,
    InputTokenDetails,
    LogProb,
    OutputTokenDetails,
    RateLimit,
    ResponseError,
    ResponseObject,
    StatusDetails,
    TokensUsage,
    TranscriptionErrorDetail,
    TranscriptionLanguage,
    TranscriptionTokenDetails,
    Usage,
)
from vivavoce.protocol.session_objects import (
    AudioConfig,
    AudioFormat,
    AudioInputConfig,
    AudioOutputConfig,
    FunctionTool,
    McpTool,
    NoiseReduction,
    Preambles,
    Prompt,
    Reasoning,
    ResponseAudio,
    ResponseAudioOutput,
    RetentionRatio,
    Secret,
    SemanticVad,
    SessionObject,
    TokenLimits,
    ToolChoiceFunction,
    ToolChoiceMcp,
    TracingConfig,
    Transcription,
    TranscriptionSessionObject,
    VivavoceExtension,
    VoiceId,
)

PLAIN_SESSION = SessionObject(id="sess_1", model="gpt-realtime-2", expires_at=1_756_324_625)
FULL_SESSION = SessionObject(
    id="sess_2",
    model="our-own",
    output_modalities=["text"],
    instructions="Be brief.",
    tools=[
        FunctionTool(name="look_up", description="An order", parameters={"type": "object", "properties": {}}),
        FunctionTool(name="bare"),
        McpTool(
            server_label="docs",
            server_url="https://mcp.example/sse",
            authorization=Secret("do-not-tell"),
            headers=Secret({"x-key": "do-not-tell"}),
            allowed_tools=["search"],
            require_approval="never",
        ),
    ],
    tool_choice=ToolChoiceFunction(name="look_up"),
    parallel_tool_calls=True,
    reasoning=Reasoning(effort="high"),
    max_output_tokens=400,
    tracing=TracingConfig(workflow_name="w", group_id="g", metadata={"a": 1}),
    truncation=RetentionRatio(retention_ratio=0.8, token_limits=TokenLimits(post_instructions=8000)),
    prompt=Prompt(id="pmpt_1", version="2", variables={"city": "Ulm"}),
    audio=AudioConfig(
        input=AudioInputConfig(
            format=AudioFormat(type="audio/pcmu"),
            transcription=Transcription(model="whisper-1", language="en", prompt="order ids", delay="low"),
            noise_reduction=NoiseReduction(type="far_field", strength=0.5),
            turn_detection=SemanticVad(eagerness="high"),
        ),
        output=AudioOutputConfig(format=AudioFormat(type="audio/pcma"), voice="cedar", speed=1.25),
    ),
    include=["item.input_audio_transcription.logprobs"],
    vivavoce=VivavoceExtension(engine="cascade", llm="built-in", stt="s", tts="t", preambles="auto"),
)
MANUAL_SESSION = SessionObject(
    id="sess_3",
    model="m",
    tool_choice=ToolChoiceMcp(server_label="docs", name="search"),
    audio=AudioConfig(
        input=AudioInputConfig(turn_detection=None), output=AudioOutputConfig(voice=VoiceId("voice_1"))
    ),
    vivavoce=VivavoceExtension(preambles=Preambles(phrases=["One moment."], repeat_after_ms=4000)),
)
TRANSCRIPTION_SESSION = TranscriptionSessionObject(id="sess_4", expires_at=1)

ITEMS: list[Item] = [
    MessageItem(
        id="item_1",
        status="completed",
        role="user",
        content=[
            InputText(text="hello"),
            InputAudio(transcript=None),
            InputAudio(audio="AAAA", transcript="hello"),
            InputImage(image_url="data:image/png;base64,AAAA", detail="low"),
        ],
    ),
    MessageItem(id="item_2", role="system", content=[InputText(text="be kind")]),
    MessageItem(
        id="item_3",
        status="incomplete",
        role="assistant",
        phase="commentary",
        content=[
            OutputText(text="yes"),
            OutputAudio(transcript="yes"),
            OutputAudio(audio="AAAA", transcript=None),
        ],
    ),
    FunctionCallItem(id="item_4", status="completed", name="look_up", call_id="call_1", arguments='{"a":1}'),
    FunctionCallOutputItem(id="item_5", status="completed", call_id="call_1", output='{"ok":true}'),
    McpListToolsItem(
        id="item_6",
        server_label="docs",
        tools=[McpToolInfo(name="search", input_schema={"type": "object"}, description="d", annotations={})],
    ),
    McpCallItem(id="item_7", server_label="docs", name="search", arguments="{}", output="found"),
    McpCallItem(
        id="item_8",
        server_label="d",
        name="n",
        arguments="{}",
        error=McpHttpError(code=502, message="gateway"),
    ),
    McpCallItem(
        id="item_9",
        server_label="d",
        name="n",
        arguments="{}",
        error=McpProtocolError(code=-32600, message="no"),
    ),
    McpCallItem(
        id="item_10",
        server_label="d",
        name="n",
        arguments="{}",
        error=McpToolExecutionError(message="tool broke"),
    ),
    McpApprovalRequestItem(id="item_11", server_label="docs", name="search", arguments="{}"),
    McpApprovalResponseItem(id="item_12", approval_request_id="item_11", approve=False, reason="no"),
]
USER, ASSISTANT, CALL = ITEMS[0], ITEMS[2], ITEMS[3]

USAGE = Usage(
    total_tokens=253,
    input_tokens=132,
    output_tokens=121,
    input_token_details=InputTokenDetails(
        text_tokens=119,
        audio_tokens=13,
        cached_tokens=64,
        cached_tokens_details=CachedTokensDetails(text_tokens=64),
    ),
    output_token_details=OutputTokenDetails(text_tokens=30, audio_tokens=91),
)
STARTED = ResponseObject(
    id="resp_1", status="in_progress", output=[], output_modalities=["audio"], conversation_id="conv_1"
)
RESPONSES: list[ResponseObject] = [
    STARTED,
    ResponseObject(
        id="resp_1",
        status="completed",
        output=ITEMS,
        conversation_id="conv_1",
        output_modalities=["audio"],
        max_output_tokens=200,
        audio=ResponseAudio(output=ResponseAudioOutput(format=AudioFormat(type="audio/pcmu"), voice="ash")),
        usage=USAGE,
        metadata={"client_event_id": "x"},
    ),
    ResponseObject(
        id="resp_2",
        status="cancelled",
        status_details=StatusDetails(type="cancelled", reason="turn_detected"),
        output=[],
        output_modalities=["text"],
    ),
    ResponseObject(
        id="resp_3",
        status="failed",
        status_details=StatusDetails(
            type="failed",
            error=ResponseError(type="server_error", code="engine", message="the voice is gone"),
        ),
        output=[],
        output_modalities=["audio"],
    ),
    ResponseObject(
        id="resp_4",
        status="incomplete",
        status_details=StatusDetails(type="incomplete", reason="max_output_tokens"),
        output=[],
        output_modalities=["audio"],
    ),
]


HEAD: dict[str, Any] = {"event_id": "event_1"}
WHERE: dict[str, Any] = {"item_id": "item_1", "content_index": 0}
OUT: dict[str, Any] = {"response_id": "resp_1", "item_id": "item_3", "output_index": 0}
PART: dict[str, Any] = {**OUT, "content_index": 0}


def server_events() -> list[ev.ServerEvent]:
    """At least one event of every type."""
    return [
        *_about_the_session(),
        *_about_transcripts(),
        *_about_sound(),
        *_about_responses(),
        *_about_mcp(),
    ]


def _about_the_session() -> list[ev.ServerEvent]:
    error = ErrorDetail(type="invalid_request_error", message="no")
    full_error = ErrorDetail(
        type="invalid_request_error",
        code="invalid_value",
        message="no",
        param="session.audio.output.voice",
        event_id="c",
    )
    return [
        ev.ErrorEvent(**HEAD, error=error),
        ev.ErrorEvent(**HEAD, error=full_error),
        ev.SessionCreated(**HEAD, session=PLAIN_SESSION),
        ev.SessionCreated(**HEAD, session=TRANSCRIPTION_SESSION),
        ev.SessionUpdated(**HEAD, session=FULL_SESSION),
        ev.SessionUpdated(**HEAD, session=MANUAL_SESSION),
        ev.ConversationCreated(**HEAD, conversation=ConversationObject(id="conv_1")),
        *[ev.ConversationItemAdded(**HEAD, item=item) for item in ITEMS],
        ev.ConversationItemDone(**HEAD, previous_item_id="item_0", item=USER),
        ev.ConversationItemCreated(**HEAD, item=ASSISTANT),
        *[ev.ConversationItemRetrieved(**HEAD, item=item) for item in ITEMS],
        ev.ConversationItemTruncated(**HEAD, **WHERE, audio_end_ms=400),
        ev.ConversationItemDeleted(**HEAD, item_id="item_1"),
        ev.RateLimitsUpdated(
            **HEAD, rate_limits=[RateLimit(name="tokens", limit=40_000, remaining=39_000, reset_seconds=1.5)]
        ),
    ]


def _about_transcripts() -> list[ev.ServerEvent]:
    logprobs = [LogProb(token="hel", logprob=-0.25, bytes=[104, 101, 108])]
    tokens = TokensUsage(
        total_tokens=20,
        input_tokens=12,
        output_tokens=8,
        input_token_details=TranscriptionTokenDetails(text_tokens=2, audio_tokens=10),
    )
    return [
        ev.ConversationItemInputAudioTranscriptionDelta(**HEAD, **WHERE, delta="hel", logprobs=logprobs),
        ev.ConversationItemInputAudioTranscriptionCompleted(
            **HEAD, **WHERE, transcript="hello", usage=DurationUsage(seconds=1.5)
        ),
        ev.ConversationItemInputAudioTranscriptionCompleted(
            **HEAD,
            **WHERE,
            transcript="hello",
            usage=tokens,
            logprobs=logprobs,
            languages=[TranscriptionLanguage(code="en")],
        ),
        ev.ConversationItemInputAudioTranscriptionFailed(
            **HEAD, **WHERE, error=TranscriptionErrorDetail(type="transcription_error", message="too quiet")
        ),
        ev.ConversationItemInputAudioTranscriptionSegment(
            **HEAD, **WHERE, id="seg_1", text="hello", speaker="A", start=0.0, end=1.5
        ),
    ]


def _about_sound() -> list[ev.ServerEvent]:
    return [
        ev.InputAudioBufferCommitted(**HEAD, previous_item_id=None, item_id="item_1"),
        ev.InputAudioBufferCleared(**HEAD),
        ev.InputAudioBufferSpeechStarted(**HEAD, audio_start_ms=700, item_id="item_1"),
        ev.InputAudioBufferSpeechStopped(**HEAD, audio_end_ms=2500, item_id="item_1"),
        ev.InputAudioBufferTimeoutTriggered(
            **HEAD, audio_start_ms=13216, audio_end_ms=19232, item_id="item_1"
        ),
        ev.InputAudioBufferDtmfEventReceived(**HEAD, event="#", received_at=1_763_605_109),
        ev.OutputAudioBufferStarted(**HEAD, response_id="resp_1"),
        ev.OutputAudioBufferStopped(**HEAD, response_id="resp_1"),
        ev.OutputAudioBufferCleared(**HEAD, response_id="resp_1"),
    ]


def _about_responses() -> list[ev.ServerEvent]:
    say = ContentPartObject(type="audio", transcript="")
    return [
        ev.ResponseCreated(**HEAD, response=STARTED),
        *[ev.ResponseDone(**HEAD, response=response) for response in RESPONSES],
        ev.ResponseOutputItemAdded(**HEAD, response_id="resp_1", output_index=0, item=ASSISTANT),
        ev.ResponseOutputItemDone(**HEAD, response_id="resp_1", output_index=1, item=CALL),
        ev.ResponseContentPartAdded(**HEAD, **PART, part=say),
        ev.ResponseContentPartDone(**HEAD, **PART, part=ContentPartObject(type="text", text="yes")),
        ev.ResponseOutputTextDelta(**HEAD, **PART, delta="ye"),
        ev.ResponseOutputTextDone(**HEAD, **PART, text="yes"),
        ev.ResponseOutputAudioTranscriptDelta(**HEAD, **PART, delta="ye"),
        ev.ResponseOutputAudioTranscriptDone(**HEAD, **PART, transcript="yes"),
        ev.ResponseOutputAudioDelta(**HEAD, **PART, delta="AAAA"),
        ev.ResponseOutputAudioDone(**HEAD, **PART),
        ev.ResponseFunctionCallArgumentsDelta(**HEAD, **OUT, call_id="call_1", delta="{"),
        ev.ResponseFunctionCallArgumentsDone(**HEAD, **OUT, call_id="call_1", name="look_up", arguments="{}"),
    ]


def _about_mcp() -> list[ev.ServerEvent]:
    return [
        ev.ResponseMcpCallArgumentsDelta(**HEAD, **OUT, delta="{"),
        ev.ResponseMcpCallArgumentsDone(**HEAD, **OUT, arguments="{}"),
        ev.ResponseMcpCallInProgress(**HEAD, item_id="item_7", output_index=0),
        ev.ResponseMcpCallCompleted(**HEAD, item_id="item_7", output_index=0),
        ev.ResponseMcpCallFailed(**HEAD, item_id="item_7", output_index=0),
        ev.McpListToolsInProgress(**HEAD, item_id="item_6"),
        ev.McpListToolsCompleted(**HEAD, item_id="item_6"),
        ev.McpListToolsFailed(**HEAD, item_id="item_6"),
    ]
