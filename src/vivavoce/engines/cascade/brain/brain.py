"""The built-in brain as a language model: the decision for a prompt, streamed in pieces."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterator
from dataclasses import replace

import msgspec

from vivavoce.call.ports import (
    ModelChunk,
    ModelControl,
    ModelStop,
    ModelText,
    ModelToolCall,
    ModelUsage,
    Prompt,
)
from vivavoce.engines.cascade.brain.turn import Answer, decide
from vivavoce.engines.cascade.messages import SILENT_CALLER
from vivavoce.engines.cascade.prompting import without_rules
from vivavoce.engines.cascade.seeing import has_images, without_images

_PIECE = re.compile(r".{1,48}?(?:[,.;:!?](?=\s|$)\s*|$)|.{1,48}(?:\s+|$)|.{48}", re.S)
_BYTES_PER_TOKEN = 4
_STILL_THERE = "Are you still there?"
_UNSEEN = "I am sorry, I cannot see images."


class Brain:
    """Answers by rules, without any model: see ADR 10 for what it can do and what it cannot.

    It keeps nothing between prompts. The same prompt always gets the same answer.
    """

    name = "built-in brain"

    async def stream(self, prompt: Prompt) -> AsyncGenerator[ModelChunk, None]:
        """Text a clause at a time, then calls, usage (UTF-8 bytes / 4, an estimate) and the reason it stopped."""
        prompt, ruled = _unruled(prompt)
        prompt, unseen = _blind(prompt)
        silent = bool(prompt.messages) and prompt.messages[-1].get("content") == SILENT_CALLER
        answer = Answer(_STILL_THERE) if silent else decide(prompt)
        if unseen:
            answer = Answer(f"{_UNSEEN} {answer.text}".strip(), answer.calls)
        if ruled and not answer.text and not answer.calls:
            yield ModelControl("silent")
        text, cut = _within(answer.text, prompt.max_tokens)
        for piece in _PIECE.findall(text):
            yield ModelText(piece)
        arguments = [msgspec.json.encode(made).decode() for _, made in answer.calls] if not cut else []
        for index, made in enumerate(arguments):
            for chunk in _call_pieces(index, answer.calls[index][0], made):
                yield chunk
        yield _usage(prompt, text, answer, arguments)
        yield ModelStop("max_output_tokens" if cut else "stop")

    async def close(self) -> None:
        """Nothing to free."""


def _unruled(prompt: Prompt) -> tuple[Prompt, bool]:
    """The prompt without rules of speaking, which are for models that do not know how, and whether there were any."""
    first = prompt.messages[0] if prompt.messages else {}
    if first.get("role") != "system" or not isinstance(first.get("content"), str):
        return prompt, False
    told, ruled = without_rules(first["content"])
    if not ruled:
        return prompt, False
    rest = prompt.messages[1:]
    return replace(prompt, messages=({**first, "content": told}, *rest) if told else rest), True


def _blind(prompt: Prompt) -> tuple[Prompt, bool]:
    """The prompt without its images, and whether the newest message had one."""
    unseen = has_images(prompt.messages[-1:])
    return replace(prompt, messages=without_images(prompt.messages, "")), unseen


def _within(text: str, max_tokens: int | None) -> tuple[str, bool]:
    """The text within a budget of tokens, cut at a word, and whether it was cut."""
    encoded = text.encode()
    if max_tokens is None or len(encoded) <= max_tokens * _BYTES_PER_TOKEN:
        return text, False
    kept = encoded[: max_tokens * _BYTES_PER_TOKEN].decode(errors="ignore")
    return (kept.rsplit(" ", 1)[0] if " " in kept else kept), True


def _call_pieces(index: int, name: str, arguments: str) -> Iterator[ModelToolCall]:
    """The name with the first piece of the arguments, the rest without it."""
    yield ModelToolCall(index, name, arguments[:32])
    for at in range(32, len(arguments), 32):
        yield ModelToolCall(index, "", arguments[at : at + 32])


def _usage(prompt: Prompt, text: str, answer: Answer, arguments: list[str]) -> ModelUsage:
    read = len(msgspec.json.encode(prompt.messages)) + len(msgspec.json.encode(prompt.tools))
    written = len(text.encode()) + sum(len(made.encode()) for made in arguments)
    written += sum(len(name) for name, _ in answer.calls) if arguments else 0
    return ModelUsage(-(-read // _BYTES_PER_TOKEN), -(-written // _BYTES_PER_TOKEN))
