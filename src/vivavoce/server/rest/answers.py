"""Asking the language model: a prompt in, chunks out, counted; and what to say when nobody said anything."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import msgspec

from vivavoce.call.ports import (
    LanguageModel,
    ModelChunk,
    ModelControl,
    ModelStop,
    ModelText,
    ModelToolCall,
    ModelUsage,
    Prompt,
)
from vivavoce.engines.cascade.controls import PREAMBLE, PREAMBLE_END, SILENT
from vivavoce.server.rest.errors import ApiError

NOTHING_HEARD = "I did not hear anything. Could you say that again, please?"
TAGS = {"silent": SILENT, "preamble": PREAMBLE, "preamble_end": PREAMBLE_END}
_BYTES_PER_TOKEN = 4


def new_id(kind: str) -> str:
    """`resp_...`: an id that nobody can guess."""
    return f"{kind}_{secrets.token_hex(24)}"


async def answer(model: LanguageModel, prompt: Prompt) -> AsyncGenerator[ModelChunk, None]:
    """The model's answer. An empty user message (a recording of silence, mostly) is answered without asking it."""
    if says_nothing(prompt):
        yield ModelText(NOTHING_HEARD)
        yield ModelStop("stop")
        return
    async with aclosing(model.stream(prompt)) as chunks:
        async for chunk in chunks:
            # A client that told the model of these wants to read them.
            yield ModelText(TAGS[chunk.kind]) if isinstance(chunk, ModelControl) else chunk


def says_nothing(prompt: Prompt) -> bool:
    """Whether the newest message is the user's and holds neither words nor pictures."""
    newest = prompt.messages[-1] if prompt.messages else {"role": "user", "content": ""}
    content = newest.get("content")
    return newest.get("role") == "user" and isinstance(content, str) and not content.strip()


@dataclass(slots=True)
class Call:
    """A tool call in the making."""

    id: str
    name: str
    arguments: str = ""


@dataclass(slots=True)
class Tally:
    """An answer so far: text, calls by their index, why it ended, tokens (estimated from bytes where the model did not count)."""

    prompt: Prompt
    text: str = ""
    calls: dict[int, Call] = field(default_factory=dict)
    reason: str = "stop"
    counted: ModelUsage | None = None

    def take(self, chunk: ModelChunk) -> None:
        """One chunk, in order."""
        match chunk:
            case ModelText(text):
                self.text += text
            case ModelToolCall(index, name, arguments):
                call = self.calls.setdefault(index, Call(new_id("call"), ""))
                call.name += name
                call.arguments += arguments
            case ModelStop(reason):
                self.reason = reason
            case ModelUsage():
                self.counted = chunk

    @property
    def usage(self) -> ModelUsage:
        """Tokens in and out."""
        if self.counted is not None:
            return self.counted
        read = len(msgspec.json.encode((self.prompt.messages, self.prompt.tools)))
        written = len(self.text.encode()) + sum(
            len(call.name) + len(call.arguments) for call in self.calls.values()
        )
        return ModelUsage(-(-read // _BYTES_PER_TOKEN), -(-written // _BYTES_PER_TOKEN))


def joined_instructions(messages: list[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """System messages at the beginning as one, since many models look at the first only."""
    leading: list[str] = []
    for message in messages:
        if message["role"] != "system" or not isinstance(message["content"], str):
            break
        leading.append(message["content"])
    rest = messages[len(leading) :]
    head = [{"role": "system", "content": "\n\n".join(leading)}] if any(leading) else []
    return (*head, *rest)


def check_choice(choice: Any, tools: tuple[dict[str, Any], ...]) -> None:
    """Raises ApiError for a choice among tools that are not there."""
    names = {tool["function"]["name"] for tool in tools}
    if choice == "required" and not names:
        raise ApiError(
            "Invalid value: 'tool_choice' is 'required', but no tools are given.",
            param="tool_choice",
            code="invalid_value",
        )
    if isinstance(choice, dict) and choice["function"]["name"] not in names:
        raise ApiError(
            f"Tool choice '{choice['function']['name']}' not found in 'tools' parameter.",
            param="tool_choice",
            code="invalid_value",
        )
