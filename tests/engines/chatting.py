"""Asking a chat endpoint that plays: what it sends, and what the client makes of it."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from tests.engines.played import event, head
from vivavoce.call.ports import (
    ModelChunk,
    Prompt,
)
from vivavoce.engines.cascade.chat import ChatModel
from vivavoce.protocol.errors import EngineError

KEY = "sk-very-secret-0123456789"
PROMPT = Prompt(({"role": "user", "content": "hello"},))
TOOLS = (
    {"type": "function", "function": {"name": "find", "description": "", "parameters": {"type": "object"}}},
)


def delta(content: dict[str, Any], reason: str | None = None, **more: Any) -> bytes:
    body = {
        "id": "c1",
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": content, "finish_reason": reason}],
    }
    return event(body | more)


def call(index: int | None, **function: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "function", "function": function}
    return entry if index is None else entry | {"index": index}


DONE = b"data: [DONE]\n\n"
USAGE = event({"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 4, "total_tokens": 15}})


def answer_and_stay() -> list[bytes | asyncio.Event]:
    """An answer after which the connection serves again."""
    body = delta({"content": "Hi"}, "stop") + DONE
    top = f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {len(body)}\r\n\r\n"
    return [top.encode() + body]


async def all_of(model: ChatModel) -> list[ModelChunk]:
    return [chunk async for chunk in model.stream(PROMPT)]


async def chunks(url: str, prompt: Prompt = PROMPT, **settings: Any) -> list[ModelChunk]:
    model = ChatModel(url, "small", settings.pop("key", None), **settings)
    try:
        return [chunk async for chunk in model.stream(prompt)]
    finally:
        await model.close()


async def failure(url: str, **settings: Any) -> EngineError:
    with pytest.raises(EngineError) as caught:
        await chunks(url, **settings)
    assert caught.value.stage == "llm"
    return caught.value


def refusal(message: str, status: str = "400 Bad Request") -> list[bytes | asyncio.Event]:
    body = msgspec.json.encode({"error": {"message": message, "type": "invalid_request_error"}})
    kind = "application/json"
    return [
        f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
    ]


GOOD: list[bytes | asyncio.Event] = [head(), delta({"content": "Hi"}, "stop"), DONE]
