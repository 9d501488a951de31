"""Conversation items and their content parts (protocol reference 2.3).

Items are mutable, because the conversation changes their status and content while they live; everything else
on the wire is frozen. `id` and `call_id` are empty until somebody gave them. A field of type `UnsetType` is
left out of the wire when it is `UNSET`; a field that may be `None` is sent as null.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

ItemId = Annotated[str, Meta(max_length=512)]
ItemStatus = Literal["in_progress", "completed", "incomplete"]
Role = Literal["user", "assistant", "system"]
Phase = Literal["commentary", "final_answer"]
ObjectTag = Literal["realtime.item"]

# ---------------------------------------------------------------------------------------------- content parts


class InputText(Struct, tag_field="type", tag="input_text", kw_only=True):
    """Text of a user or system message."""

    text: str


class InputAudio(Struct, tag_field="type", tag="input_audio", kw_only=True):
    """Audio of a user message. `audio`: base64 in the session's input format, sent only when retrieved."""

    audio: str | UnsetType = UNSET
    transcript: str | None = None


class InputImage(Struct, tag_field="type", tag="input_image", kw_only=True):
    """An image of a user message, as a data URI; left out where it would be too large for a client's frame."""

    image_url: str | UnsetType
    detail: Literal["auto", "low", "high"] = "auto"


class OutputText(Struct, tag_field="type", tag="output_text", kw_only=True):
    """Text of an assistant message."""

    text: str


class OutputAudio(Struct, tag_field="type", tag="output_audio", kw_only=True):
    """Speech of an assistant message; `audio` as in `InputAudio`, in the session's output format."""

    audio: str | UnsetType = UNSET
    transcript: str | None = None


ContentPart = InputText | InputAudio | InputImage | OutputText | OutputAudio

PARTS_OF_ROLE: dict[Role, tuple[str, ...]] = {
    "user": ("input_text", "input_audio", "input_image"),
    "system": ("input_text",),
    "assistant": ("output_text", "output_audio"),
}
"""Which content types a role's message may hold, by their names on the wire."""

# ------------------------------------------------------------------------------------------------------ items


class MessageItem(Struct, tag_field="type", tag="message", kw_only=True):
    """A message. `phase` (assistant only) tells a preamble from the answer (protocol reference 4.5)."""

    id: ItemId = ""
    object: ObjectTag = "realtime.item"
    status: ItemStatus | UnsetType = UNSET
    role: Role
    phase: Phase | UnsetType = UNSET
    content: list[ContentPart]


class FunctionCallItem(Struct, tag_field="type", tag="function_call", kw_only=True):
    """The agent calls a function; `arguments` is JSON text. A client's own may come without `call_id`."""

    id: ItemId = ""
    object: ObjectTag = "realtime.item"
    status: ItemStatus | UnsetType = UNSET
    name: str
    call_id: ItemId = ""
    arguments: str


class FunctionCallOutputItem(Struct, tag_field="type", tag="function_call_output", kw_only=True):
    """What a function returned, as text (JSON by convention)."""

    id: ItemId = ""
    object: ObjectTag = "realtime.item"
    status: ItemStatus | UnsetType = UNSET
    call_id: ItemId
    output: str


class McpToolInfo(Struct, kw_only=True):
    """One tool of an MCP server."""

    name: str
    input_schema: Any
    description: str | UnsetType | None = UNSET
    annotations: Any = UNSET


class McpListToolsItem(Struct, tag_field="type", tag="mcp_list_tools", kw_only=True):
    """The tools an MCP server offers. `error`: why there are none, as the item of the same name in the Responses API has it."""

    id: ItemId = ""
    object: ObjectTag = "realtime.item"
    server_label: str
    tools: list[McpToolInfo]
    error: str | UnsetType | None = UNSET


class McpProtocolError(Struct, tag_field="type", tag="protocol_error", kw_only=True):
    code: int
    message: str


class McpToolExecutionError(Struct, tag_field="type", tag="tool_execution_error", kw_only=True):
    message: str


class McpHttpError(Struct, tag_field="type", tag="http_error", kw_only=True):
    code: int
    message: str


McpError = McpProtocolError | McpToolExecutionError | McpHttpError


class McpCallItem(Struct, tag_field="type", tag="mcp_call", kw_only=True):
    """A call of an MCP tool, which the server itself carries out."""

    id: ItemId = ""
    object: ObjectTag = "realtime.item"
    server_label: str
    name: str
    arguments: str
    approval_request_id: str | None = None
    output: str | None = None
    error: McpError | None = None


class McpApprovalRequestItem(Struct, tag_field="type", tag="mcp_approval_request", kw_only=True):
    """The server asks the client whether an MCP tool may be called."""

    id: ItemId = ""
    object: ObjectTag = "realtime.item"
    server_label: str
    name: str
    arguments: str


class McpApprovalResponseItem(Struct, tag_field="type", tag="mcp_approval_response", kw_only=True):
    """The client's answer to an approval request."""

    id: ItemId = ""
    object: ObjectTag = "realtime.item"
    approval_request_id: str
    approve: bool
    reason: str | None = None


class ItemReference(Struct, tag_field="type", tag="item_reference", kw_only=True):
    """Stands for an item of the conversation; only inside `response.create.response.input`."""

    id: ItemId


Item = (
    MessageItem
    | FunctionCallItem
    | FunctionCallOutputItem
    | McpListToolsItem
    | McpCallItem
    | McpApprovalRequestItem
    | McpApprovalResponseItem
)
"""Anything a conversation can hold."""

InputItem = Item | ItemReference
"""Anything a response can be given as input."""
