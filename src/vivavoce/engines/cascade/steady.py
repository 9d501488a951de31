"""A language model as it is, made into one that a call can rely on.

What it gets wrong is repaired, or asked again once: arguments that are no JSON, a tool that does not exist, no answer at all. Where there
is a second model, it answers when the first fails before its first word.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Literal

from vivavoce.call.ports import (
    LanguageModel,
    ModelChunk,
    ModelControl,
    ModelStop,
    ModelText,
    ModelToolCall,
    ModelUsage,
    Prompt,
    Warm,
)
from vivavoce.engines.cascade.arguments import repaired
from vivavoce.engines.cascade.call_pieces import bare_call
from vivavoce.engines.cascade.controls import SILENT
from vivavoce.engines.cascade.second_choice import Preference
from vivavoce.protocol.errors import EngineError

log = logging.getLogger("vivavoce.cascade")

UNREADABLE = (
    "(Your call of the tool {name} could not be read: its arguments must be one JSON object. "
    "Make the call again, and say nothing else.)"
)
UNKNOWN = "(There is no tool {name}. There are: {known}. Make the call again, and say nothing else.)"
_WRITTEN = ("{", "```json")
"""How a call begins that stands in the answer as JSON."""
_LONGEST_CALL = 8000
NO_ANSWER = f"(You gave no answer. Answer now, or write {SILENT} if nothing should be said.)"


class SteadyModel:
    """Calls come whole, after the text, with arguments that are JSON objects and names that exist."""

    def __init__(self, model: LanguageModel, second: LanguageModel | None = None) -> None:
        self.name = model.name
        self._models = [model] if second is None else [model, second]
        self._preference = Preference(model.name, second.name if second is not None else "")

    async def stream(self, prompt: Prompt) -> AsyncGenerator[ModelChunk, None]:
        """See `call.ports.LanguageModel`."""
        first = _Attempt(prompt)
        async with aclosing(self._ask(prompt)) as chunks:
            async for chunk in chunks:
                for passed in first.take(chunk):
                    yield passed
        wrong = first.wrong()
        if wrong is None:
            for chunk in first.rest():
                yield chunk
            return
        if first.usage is not None:
            yield first.usage  # It was paid for, however the second answer ends.
        log.warning("%s is asked again: %s", self.name, wrong)
        again = _Attempt(prompt, mute=first.said, usage=first.usage)
        asked = replace(prompt, messages=(*prompt.messages, {"role": "user", "content": wrong}))
        async with aclosing(self._ask(asked)) as chunks:
            async for chunk in chunks:
                for passed in again.take(chunk):
                    yield passed
        wrong = again.wrong()
        if wrong is not None and wrong != NO_ANSWER:
            if again.usage is not None:
                yield again.usage
            raise EngineError(
                "llm", f"{self.name} called a tool that cannot be called, twice", retryable=True
            )
        # Nothing, and nothing again: then silence is what it means.
        for chunk in again.rest():
            yield chunk

    def _ask(self, prompt: Prompt) -> AsyncGenerator[ModelChunk, None]:
        if len(self._models) == 1:
            return self._models[0].stream(prompt)
        first, second = self._models
        return self._preference.stream(lambda: first.stream(prompt), lambda: second.stream(prompt))

    def warm(self) -> None:
        """See `call.ports.Warm`."""
        for model in self._models:
            if isinstance(model, Warm):
                model.warm()

    async def close(self) -> None:
        """Close the models."""
        for model in self._models:
            await model.close()


@dataclass(slots=True)
class _Call:
    name: str = ""
    arguments: str = ""


@dataclass(slots=True)
class _Attempt:
    """One answer on its way. mute: only its calls count, for the words were said by the one before it."""

    prompt: Prompt
    mute: bool = False
    said: bool = False
    usage: ModelUsage | None = None
    reason: Literal["stop", "max_output_tokens", "content_filter"] = "stop"
    calls: dict[int, _Call] = field(default_factory=dict)
    held: str = ""
    """The text, as long as it may be a call that was written instead of made."""

    def take(self, chunk: ModelChunk) -> Iterator[ModelChunk]:
        """One chunk, in order; what is passed on now."""
        match chunk:
            case ModelText(text):
                yield from self._text(text)
            case ModelControl(kind):
                yield from self._let_go()
                self.said = self.said or kind == "silent"
                if not self.mute:
                    yield chunk
            case ModelToolCall(index, name, arguments):
                call = self.calls.setdefault(index, _Call())
                call.name += name
                call.arguments += arguments
            case ModelUsage():
                before = self.usage or ModelUsage(0, 0)
                self.usage = ModelUsage(
                    before.input_tokens + chunk.input_tokens,
                    before.output_tokens + chunk.output_tokens,
                    before.cached_tokens + chunk.cached_tokens,
                )
            case ModelStop(reason):
                self.reason = reason

    def _text(self, text: str) -> Iterator[ModelChunk]:
        self.held += text
        begun = self.held.lstrip()
        may_be_call = begun.startswith(_WRITTEN) or (begun != "" and "```json".startswith(begun))
        if self.said or not self.prompt.tools or not may_be_call or len(begun) > _LONGEST_CALL:
            yield from self._let_go()

    def _let_go(self) -> Iterator[ModelChunk]:
        text, self.held = self.held, ""
        self.said = self.said or bool(text.strip())
        if text and not self.mute:
            yield ModelText(text)

    def wrong(self) -> str | None:
        """What has to be said to the model so that it does better, or None. Repairs what can be repaired."""
        if self.reason != "stop":
            return None
        names = _names(self.prompt)
        if (bare := bare_call(self.held, names)) is not None:
            self.held = ""
            self.calls[len(self.calls)] = _Call(*bare)
        known = {_plain(one): one for one in names}
        for call in self.calls.values():
            meant = repaired(call.arguments)
            if meant is None:
                return UNREADABLE.format(name=call.name or "you meant")
            call.arguments = meant
            if call.name not in names:
                call.name = known.get(_plain(call.name), call.name)
            if names and call.name not in names:
                return UNKNOWN.format(name=call.name, known=", ".join(names))
        return None if self.said or self.held.strip() or self.calls else NO_ANSWER

    def rest(self) -> Iterator[ModelChunk]:
        """What comes behind the text. A call that was cut short is none; of several where one was allowed, the first counts."""
        yield from self._let_go()
        calls = [
            call
            for call in self.calls.values()
            if self.reason == "stop" or repaired(call.arguments) is not None
        ]
        for index, call in enumerate(calls if self.prompt.parallel_tool_calls else calls[:1]):
            yield ModelToolCall(index, call.name, call.arguments)
        if self.usage is not None:
            yield self.usage
        yield ModelStop(self.reason)


def _names(prompt: Prompt) -> list[str]:
    return [tool["function"]["name"] for tool in prompt.tools]


def _plain(name: str) -> str:
    """A tool's name as models misspell it: functions.get-Order for get_order, or with a mark of their own behind it."""
    return name.partition("<|")[0].strip().rpartition(".")[2].replace("-", "_").replace(" ", "_").lower()
