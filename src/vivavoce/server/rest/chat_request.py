"""What `POST /v1/chat/completions` takes, and the prompt it becomes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from vivavoce.call.ports import Hints, Prompt
from vivavoce.server.rest.answers import check_choice, joined_instructions
from vivavoce.server.rest.errors import ApiError
from vivavoce.server.rest.office import Office
from vivavoce.server.rest.parts import Part, content_of
from vivavoce.server.rest.recordings import hints_of

AudioFormat = Literal["wav", "mp3", "flac", "opus", "aac", "pcm16"]
MAX_TOKENS = 1_000_000


class CalledFunction(BaseModel):
    """Name and arguments (a JSON object as text)."""

    name: str
    arguments: str


class ToolCallIn(BaseModel):
    """A call that the assistant made earlier."""

    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


class AudioReference(BaseModel):
    """An earlier spoken answer, by its id."""

    id: str


class Message(BaseModel):
    """One message of the conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[Part] | None = None
    tool_calls: list[ToolCallIn] | None = None
    tool_call_id: str | None = None
    audio: AudioReference | None = None


class FunctionDefinition(BaseModel):
    """A function the model may call."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    description: str | None = None
    parameters: dict[str, Any] | None = None


class Tool(BaseModel):
    """A tool; only functions are served."""

    type: Literal["function"]
    function: FunctionDefinition


class FunctionName(BaseModel):
    """A function by its name."""

    name: str


class NamedChoice(BaseModel):
    """The function that has to be called."""

    type: Literal["function"]
    function: FunctionName


class AudioWanted(BaseModel):
    """How the answer is to be spoken."""

    voice: str
    format: AudioFormat


class StreamOptions(BaseModel):
    """`include_usage`: a last chunk with the tokens of the whole request."""

    include_usage: bool | None = None


class TextFormat(BaseModel):
    """The shape of the text; only `text` is served."""

    type: str = "text"


class ChatRequest(BaseModel):
    """A conversation to be answered. Sampling parameters are accepted and have no effect on the built-in brain."""

    model: str
    messages: Annotated[list[Message], Field(min_length=1)]
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    tools: list[Tool] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedChoice | None = None
    parallel_tool_calls: bool | None = True
    max_completion_tokens: Annotated[int, Field(ge=1, le=MAX_TOKENS)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=MAX_TOKENS)] | None = None
    n: Annotated[int, Field(ge=1, le=128)] | None = 1
    modalities: list[Literal["text", "audio"]] | None = None
    audio: AudioWanted | None = None
    response_format: TextFormat | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    store: bool | None = None
    metadata: dict[str, str] | None = None
    user: str | None = None

    @property
    def speaks(self) -> bool:
        """Whether the answer is wanted as sound."""
        return "audio" in (self.modalities or ())


async def prompt_of(office: Office, body: ChatRequest, owner: str) -> Prompt:
    """The prompt for a request. Raises ApiError for what this server cannot do, by name."""
    _refuse(body)
    tools = tuple(_tool(tool) for tool in body.tools or ())
    leading = [
        {"role": "system", "content": message.content}
        for message in body.messages
        if message.role in ("system", "developer")
    ]
    hints = hints_of(office.stages, leading, tools)
    messages = [
        await _message(office, message, f"messages[{number}]", owner, hints)
        for number, message in enumerate(body.messages)
    ]
    choice: Any = body.tool_choice or "auto"
    if isinstance(choice, NamedChoice):
        choice = choice.model_dump()
    check_choice(choice, tools)
    return Prompt(
        messages=joined_instructions(messages),
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=body.parallel_tool_calls is not False,
        max_tokens=body.max_completion_tokens or body.max_tokens,
    )


def _refuse(body: ChatRequest) -> None:
    if body.n not in (None, 1):
        raise ApiError("This server gives one answer: 'n' must be 1.", param="n", code="unsupported_value")
    if body.response_format is not None and body.response_format.type != "text":
        message = f"'response_format' of type '{body.response_format.type}' is not supported by this server."
        raise ApiError(message, param="response_format", code="unsupported_value")
    if body.speaks and body.audio is None:
        message = "Missing required parameter: 'audio', since 'modalities' has 'audio'."
        raise ApiError(message, param="audio", code="missing_required_parameter")
    if body.speaks and body.stream and body.audio is not None and body.audio.format != "pcm16":
        message = (
            f"'{body.audio.format}' audio cannot be streamed. Supported value when 'stream' is true: 'pcm16'."
        )
        raise ApiError(message, param="audio.format", code="unsupported_value")


def _tool(tool: Tool) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {
            "name": tool.function.name,
            "description": tool.function.description or "",
            "parameters": tool.function.parameters or {"type": "object", "properties": {}},
        },
    }


async def _message(office: Office, message: Message, place: str, owner: str, hints: Hints) -> dict[str, Any]:
    content = await content_of(office, message.content, f"{place}.content", hints)
    match message.role:
        case "tool":
            if not message.tool_call_id:
                path = f"{place}.tool_call_id"
                raise ApiError(
                    f"Missing required parameter: '{path}'.", param=path, code="missing_required_parameter"
                )
            return {"role": "tool", "tool_call_id": message.tool_call_id, "content": content}
        case "assistant":
            return await _assistant(office, message, content, place, owner)
        case "user":
            return {"role": "user", "content": content}
    return {"role": "system", "content": content}


async def _assistant(
    office: Office, message: Message, content: str | list[dict[str, Any]], place: str, owner: str
) -> dict[str, Any]:
    if message.audio is not None:
        said = await office.kept.words(owner, message.audio.id)
        if said is None:
            path = f"{place}.audio.id"
            raise ApiError(
                f"Audio '{message.audio.id}' not found or expired.", param=path, code="invalid_value"
            )
        content = said
    if not message.tool_calls:
        return {"role": "assistant", "content": content}
    calls = [call.model_dump() for call in message.tool_calls]
    return {"role": "assistant", "content": content or None, "tool_calls": calls}
