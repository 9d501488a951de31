"""What `POST /v1/responses` takes, and the prompt it becomes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from vivavoce.call.ports import Hints, Prompt
from vivavoce.server.rest.answers import check_choice, joined_instructions, new_id
from vivavoce.server.rest.chat_request import MAX_TOKENS
from vivavoce.server.rest.errors import ApiError, unknown_previous
from vivavoce.server.rest.office import Office
from vivavoce.server.rest.parts import Part, content_of
from vivavoce.server.rest.recordings import hints_of


class Item(BaseModel):
    """One item of the input: a message (the type may be left out), a function call, its output, or a reference.

    Reasoning items of other models are taken and passed over.
    """

    model_config = ConfigDict(extra="allow")

    type: (
        Literal["message", "function_call", "function_call_output", "item_reference", "reasoning"] | None
    ) = None
    id: str | None = None
    role: Literal["system", "developer", "user", "assistant"] | None = None
    content: str | list[Part] | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    output: str | list[Part] | None = None


class FunctionTool(BaseModel):
    """A function the model may call; tools of other types are not served."""

    model_config = ConfigDict(extra="allow")

    type: Literal["function"]
    name: Annotated[str, Field(min_length=1, max_length=64)]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class NamedFunction(BaseModel):
    """The function that has to be called."""

    type: Literal["function"]
    name: str


class TextShape(BaseModel):
    """Only `{"format": {"type": "text"}}` is served."""

    model_config = ConfigDict(extra="allow")

    format: dict[str, Any] | None = None


class ResponseRequest(BaseModel):
    """A turn to be answered. Sampling and reasoning parameters are accepted; the built-in brain has no use for them."""

    model: str
    input: str | list[Item]
    instructions: str | None = None
    previous_response_id: str | None = None
    stream: bool | None = False
    store: bool | None = True
    tools: list[FunctionTool] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedFunction | None = "auto"
    parallel_tool_calls: bool | None = True
    max_output_tokens: Annotated[int, Field(ge=1, le=MAX_TOKENS)] | None = None
    metadata: dict[str, str] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    text: TextShape | None = None
    background: bool | None = None
    truncation: Literal["auto", "disabled"] | None = "disabled"
    user: str | None = None


def refuse_unserved(body: ResponseRequest) -> None:
    """Raises ApiError for what this server cannot do, by name."""
    if body.background:
        raise ApiError("Background responses are not served.", param="background", code="unsupported_value")
    shape = (body.text.format or {}).get("type", "text") if body.text is not None else "text"
    if shape != "text":
        message = f"'text.format' of type '{shape}' is not supported by this server."
        raise ApiError(message, param="text.format", code="unsupported_value")


async def items_of(office: Office, body: ResponseRequest, owner: str) -> tuple[dict[str, Any], ...]:
    """Everything that leads to the answer, oldest first: the kept conversation, then the new input. Raises ApiError."""
    before: tuple[dict[str, Any], ...] = ()
    if body.previous_response_id is not None:
        kept = await office.kept.response(owner, body.previous_response_id)
        if kept is None:
            raise unknown_previous(body.previous_response_id)
        before = kept.items
    given = body.input
    if isinstance(given, str):
        text = [{"type": "input_text", "text": given}]
        return (*before, {"type": "message", "id": new_id("msg"), "role": "user", "content": text})
    return (*before, *[await _item(office, one, f"input[{n}]", owner) for n, one in enumerate(given)])


async def _item(office: Office, item: Item, place: str, owner: str) -> dict[str, Any]:
    kind = item.type or ("message" if item.role else "item_reference")
    needed = {
        "message": ("role", "content"),
        "function_call": ("call_id", "name", "arguments"),
        "function_call_output": ("call_id", "output"),
        "item_reference": ("id",),
    }.get(kind, ())
    for name in needed:
        if getattr(item, name) is None:
            raise ApiError(
                f"Missing required parameter: '{place}.{name}'.",
                param=f"{place}.{name}",
                code="missing_required_parameter",
            )
    if kind == "item_reference":
        found = await office.kept.item(owner, item.id or "")
        if found is None:
            message = f"Item with id '{item.id}' not found."
            raise ApiError(message, status=404, param="input", code="item_not_found")
        return found
    prefix = {"message": "msg", "function_call": "fc", "function_call_output": "fco"}.get(kind, "rs")
    return item.model_dump(exclude_none=True) | {"type": kind, "id": item.id or new_id(prefix)}


async def prompt_of(office: Office, body: ResponseRequest, items: tuple[dict[str, Any], ...]) -> Prompt:
    """The prompt for a request with all its items. Raises ApiError."""
    head = [{"role": "system", "content": body.instructions}] if body.instructions else []
    tools = tuple(_tool(tool) for tool in body.tools or ())
    choice: Any = body.tool_choice or "auto"
    if isinstance(choice, NamedFunction):
        choice = {"type": "function", "function": {"name": choice.name}}
    check_choice(choice, tools)
    hints = hints_of(office.stages, head, tools)
    return Prompt(
        messages=joined_instructions(head + await _messages(office, items, hints)),
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=body.parallel_tool_calls is not False,
        max_tokens=body.max_output_tokens,
    )


def _tool(tool: FunctionTool) -> dict[str, Any]:
    parameters = tool.parameters or {"type": "object", "properties": {}}
    function = {"name": tool.name, "description": tool.description or "", "parameters": parameters}
    return {"type": "function", "function": function}


async def _messages(office: Office, items: tuple[dict[str, Any], ...], hints: Hints) -> list[dict[str, Any]]:
    """A call stands right before its output, as endpoints demand; outputs in a row share one assistant message."""
    calls = {item["call_id"]: item for item in items if item["type"] == "function_call"}
    answered = {item["call_id"] for item in items if item["type"] == "function_call_output"}
    for call_id in calls:
        if call_id not in answered:
            raise ApiError(f"No tool output found for function call {call_id}.", param="input")
    messages: list[dict[str, Any]] = []
    for number, item in enumerate(items):
        place = f"input[{number}]"
        if item["type"] == "message":
            role = "system" if item["role"] == "developer" else item["role"]
            messages.append(
                {
                    "role": role,
                    "content": await content_of(office, _parts(item["content"]), f"{place}.content", hints),
                }
            )
        elif item["type"] == "function_call_output":
            call = calls.get(item["call_id"])
            if call is None:
                message = f"No tool call found for function call output with call_id {item['call_id']}."
                raise ApiError(message, param="input")
            output = await content_of(office, _parts(item["output"]), f"{place}.output", hints)
            _add_call(messages, call, output)
    return messages


def _parts(content: Any) -> str | list[Part]:
    return content if isinstance(content, str) else [Part.model_validate(part) for part in content]


def _add_call(
    messages: list[dict[str, Any]], call: dict[str, Any], output: str | list[dict[str, Any]]
) -> None:
    entry = {
        "id": call["call_id"],
        "type": "function",
        "function": {"name": call["name"], "arguments": call["arguments"] or "{}"},
    }
    group = next((one for one in reversed(messages) if one["role"] != "tool"), None)
    if messages and messages[-1]["role"] == "tool" and group is not None and "tool_calls" in group:
        group["tool_calls"].append(entry)
    else:
        messages.append({"role": "assistant", "content": None, "tool_calls": [entry]})
    text = output if isinstance(output, str) else str(output[0]["text"])
    messages.append({"role": "tool", "tool_call_id": call["call_id"], "content": text})
