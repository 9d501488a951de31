"""From a session's request to a language model's prompt, in the words of the Chat Completions API."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import UNSET

from vivavoce.call.ports import Prompt
from vivavoce.engines.cascade.server_calls import told_call
from vivavoce.protocol.items import (
    FunctionCallItem,
    FunctionCallOutputItem,
    InputAudio,
    InputImage,
    InputItem,
    InputText,
    MessageItem,
    OutputAudio,
    OutputText,
)
from vivavoce.protocol.session_objects import FunctionTool, ToolChoiceFunction
from vivavoce.session.effects import Request

STILL_RUNNING = "(still running, no result yet)"
"""Stands for the output of a call that has none yet: endpoints refuse a call without one."""

SILENT_CALLER = (
    "(The caller has said nothing for a while. Ask in one short sentence whether they are still there.)"
)
"""Stands for the words of a caller who let the idle timeout run out."""


def prompt_of(
    request: Request, heard: Mapping[str, str], instruct: Callable[[str, bool], str] | None = None
) -> Prompt:
    """The prompt for a request. `heard` has the words of audio items that the request only names; `instruct` says more than the
    instructions, where the answer will be spoken."""
    messages: list[dict[str, Any]] = []
    told = request.instructions
    if instruct is not None and request.speaks:
        told = instruct(told, any(isinstance(tool, FunctionTool) for tool in request.tools))
    if told:
        messages.append({"role": "system", "content": told})
    messages += conversation_messages(request.context, heard)
    return Prompt(
        messages=tuple(messages),
        tools=tuple(function_tools(request.tools)),
        tool_choice=_tool_choice(request.tool_choice),
        parallel_tool_calls=request.parallel_tool_calls,
        max_tokens=request.max_output_tokens,
        effort=request.effort,
    )


def function_tools(tools: tuple[Any, ...]) -> list[dict[str, Any]]:
    """The session's function tools in the nested shape of Chat Completions."""
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": "" if tool.description is UNSET else tool.description,
                "parameters": {"type": "object", "properties": {}}
                if tool.parameters is UNSET
                else tool.parameters,
            },
        }
        for tool in tools
        if isinstance(tool, FunctionTool)
    ]


def conversation_messages(context: tuple[InputItem, ...], heard: Mapping[str, str]) -> list[dict[str, Any]]:
    """The conversation, oldest first.

    A call stands right before its output, wherever in the conversation that came: endpoints demand it, and the model answers what is
    newest. Outputs that follow each other directly share one assistant message, as parallel calls do.
    """
    calls = {item.call_id: item for item in context if isinstance(item, FunctionCallItem)}
    answered = {item.call_id for item in context if isinstance(item, FunctionCallOutputItem)}
    messages: list[dict[str, Any]] = []
    for item in context:
        if isinstance(item, MessageItem):
            message = _message(item, heard)
            if message is not None:
                messages.append(message)
        elif isinstance(item, FunctionCallItem) and item.call_id not in answered:
            _add_call(messages, item, STILL_RUNNING)
        elif isinstance(item, FunctionCallOutputItem):
            call = calls.get(item.call_id)
            if call is not None:
                _add_call(messages, call, item.output)
            else:
                messages.append({"role": "user", "content": f"Result of a tool: {item.output}"})
        elif (told := told_call(item, context)) is not None:
            _add_call(messages, *told)
    return messages


def newest_words(context: tuple[InputItem, ...], heard: Mapping[str, str]) -> str | None:
    """What the caller said in the newest item, or None when the newest item is not something the caller said aloud."""
    newest = context[-1] if context else None
    if (
        isinstance(newest, MessageItem)
        and newest.role == "user"
        and all(isinstance(p, InputAudio) for p in newest.content)
    ):
        return _words(newest, heard)
    return None


def _message(item: MessageItem, heard: Mapping[str, str]) -> dict[str, Any] | None:
    images = [part for part in item.content if isinstance(part, InputImage)]
    words = _words(item, heard)
    if images:
        text = [{"type": "text", "text": words}] if words else []
        return {"role": item.role, "content": [*text, *map(_shown, images)]}
    # An assistant that was interrupted before its first word said nothing, and so did a caller in whose sound no word was recognised.
    typed = any(isinstance(part, InputText) for part in item.content)
    return {"role": item.role, "content": words} if words or typed else None


def _shown(image: InputImage) -> dict[str, Any]:
    # Here "auto" means high (protocol reference 2.3), elsewhere it means what an endpoint likes.
    detail = "high" if image.detail == "auto" else image.detail
    return {"type": "image_url", "image_url": {"url": image.image_url, "detail": detail}}


def _words(item: MessageItem, heard: Mapping[str, str]) -> str:
    words: list[str] = []
    for part in item.content:
        if isinstance(part, InputText | OutputText):
            words.append(part.text)
        elif isinstance(part, OutputAudio):
            words.append(part.transcript or "")
        elif isinstance(part, InputAudio):
            words.append(part.transcript if part.transcript is not None else heard.get(item.id, ""))
    return " ".join(word for word in words if word).strip()


def _add_call(messages: list[dict[str, Any]], call: FunctionCallItem, output: str) -> None:
    entry = {
        "id": call.call_id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments or json.dumps({})},
    }
    answer = {"role": "tool", "tool_call_id": call.call_id, "content": output}
    group = next((message for message in reversed(messages) if message["role"] != "tool"), None)
    if messages and messages[-1]["role"] == "tool" and group is not None and "tool_calls" in group:
        group["tool_calls"].append(entry)
    else:
        messages.append({"role": "assistant", "content": None, "tool_calls": [entry]})
    messages.append(answer)


def merged_turns(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages with neighbours of one role as one, for models whose template wants the roles to take turns."""
    merged: list[dict[str, Any]] = []
    for message in messages:
        before = merged[-1] if merged else None
        if (
            before is not None
            and before["role"] == message["role"]
            and {*before, *message} == {"role", "content"}
        ):
            merged[-1] = {**before, "content": _joined(before["content"], message["content"])}
        else:
            merged.append(message)
    return merged


def without_system(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages with the system's words at the head of the caller's first, for models whose template knows no system."""
    system = [message for message in messages if message["role"] == "system"]
    rest = [message for message in messages if message["role"] != "system"]
    if not system:
        return rest
    told = system[0]["content"]
    for message in system[1:]:
        told = _joined(told, message["content"])
    if rest and rest[0]["role"] == "user":
        return [{**rest[0], "content": _joined(told, rest[0]["content"])}, *rest[1:]]
    return [{"role": "user", "content": told}, *rest]


def _joined(first: Any, second: Any) -> Any:
    if isinstance(first, str) and isinstance(second, str):
        return f"{first}\n\n{second}"
    parts = (
        [{"type": "text", "text": one}] if isinstance(one, str) else list(one) for one in (first, second)
    )
    return [part for some in parts for part in some]


def _tool_choice(choice: Any) -> Any:
    if isinstance(choice, ToolChoiceFunction):
        return {"type": "function", "function": {"name": choice.name}}
    return choice if isinstance(choice, str) else "auto"
