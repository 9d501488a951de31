"""A response on its way: the object, and the events that build it up (each with its `sequence_number`)."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing
from typing import Any

from vivavoce.call.ports import LanguageModel, ModelText, ModelToolCall, Prompt
from vivavoce.protocol.errors import EngineError
from vivavoce.server.rest.answers import Tally, answer, new_id
from vivavoce.server.rest.response_request import ResponseRequest

log = logging.getLogger("vivavoce.rest")

Event = dict[str, Any]
ITEM_ENDS = {"stop": "completed"}


class Answering:
    """One response. `keep` is called with the object when it is over, however it ended."""

    def __init__(
        self,
        model: LanguageModel,
        body: ResponseRequest,
        prompt: Prompt,
        keep: Callable[[Event], Awaitable[None]],
    ) -> None:
        self._model = model
        self._body = body
        self._tally = Tally(prompt)
        self._keep = keep
        self._id = new_id("resp")
        self._created = int(time.time())
        self._number = 0
        self._output: list[Event] = []
        self._message: Event | None = None
        self._call: tuple[int, Event] | None = None

    async def whole(self) -> Event:
        """The response object. Raises EngineError."""
        async with aclosing(answer(self._model, self._tally.prompt)) as chunks:
            async for chunk in chunks:
                for _ in self._take(chunk):
                    """Nobody reads the events."""
        for _ in self._close():
            """Nor these."""
        return await self._over()

    async def events(self) -> AsyncGenerator[Event, None]:
        """The events, in the documented order. A failing model ends them with `response.failed`."""
        yield self._event("response.created", response=self._object("in_progress"))
        yield self._event("response.in_progress", response=self._object("in_progress"))
        try:
            async with aclosing(answer(self._model, self._tally.prompt)) as chunks:
                async for chunk in chunks:
                    for one in self._take(chunk):
                        yield one
        except EngineError as error:
            log.warning("%s failed: %s", error.stage, error.message)
            failed = self._object("failed") | {"error": {"code": "server_error", "message": error.message}}
            await self._keep(failed)
            yield self._event("response.failed", response=failed)
            return
        for one in self._close():
            yield one
        over = await self._over()
        yield self._event(f"response.{over['status']}", response=over)

    # --- pieces -------------------------------------------------------------------------------------

    def _take(self, chunk: Any) -> Iterator[Event]:
        self._tally.take(chunk)
        if isinstance(chunk, ModelText) and chunk.text:
            yield from self._text(chunk.text)
        elif isinstance(chunk, ModelToolCall):
            yield from self._call_piece(chunk)

    def _text(self, delta: str) -> Iterator[Event]:
        if self._message is None:
            yield from self._close_call()
            self._message = {"type": "message", "id": new_id("msg"), "status": "in_progress"}
            self._message |= {"role": "assistant", "content": []}
            self._output.append(self._message)
            added = dict(self._message)
            yield self._event("response.output_item.added", output_index=self._index(), item=added)
            self._message["content"] = [_part("")]
            yield self._part_event("response.content_part.added", part=_part(""))
        part = self._message["content"][0]
        part["text"] += delta
        yield self._part_event("response.output_text.delta", delta=delta, logprobs=[])

    def _call_piece(self, chunk: ModelToolCall) -> Iterator[Event]:
        if self._call is None or self._call[0] != chunk.index:
            yield from self._close_message("completed")
            yield from self._close_call()
            made = self._tally.calls[chunk.index]
            item = {"type": "function_call", "id": new_id("fc"), "call_id": made.id, "name": made.name}
            item |= {"arguments": "", "status": "in_progress"}
            self._call = chunk.index, item
            self._output.append(item)
            yield self._event("response.output_item.added", output_index=self._index(), item=dict(item))
        item = self._call[1]
        item["name"] = self._tally.calls[chunk.index].name
        item["arguments"] += chunk.arguments
        if chunk.arguments:
            yield self._event(
                "response.function_call_arguments.delta",
                item_id=item["id"],
                output_index=self._index(),
                delta=chunk.arguments,
            )

    def _close(self) -> Iterator[Event]:
        ended = "completed" if self._tally.reason == "stop" else "incomplete"
        yield from self._close_message(ended)
        yield from self._close_call()

    def _close_message(self, status: str) -> Iterator[Event]:
        if self._message is None:
            return
        part = self._message["content"][0]
        yield self._part_event("response.output_text.done", text=part["text"], logprobs=[])
        yield self._part_event("response.content_part.done", part=dict(part))
        self._message["status"] = status
        item, self._message = self._message, None
        yield self._event("response.output_item.done", output_index=self._index(), item=item)

    def _close_call(self) -> Iterator[Event]:
        if self._call is None:
            return
        item = self._call[1]
        item["arguments"] = item["arguments"] or "{}"
        item["status"] = "completed"
        self._call = None
        yield self._event(
            "response.function_call_arguments.done",
            item_id=item["id"],
            output_index=self._index(),
            name=item["name"],
            arguments=item["arguments"],
        )
        yield self._event("response.output_item.done", output_index=self._index(), item=item)

    # --- the object ---------------------------------------------------------------------------------

    def _index(self) -> int:
        """Items are made one after the other: what is open is the last."""
        return len(self._output) - 1

    def _event(self, kind: str, **fields: Any) -> Event:
        number, self._number = self._number, self._number + 1
        return {"type": kind, "sequence_number": number} | fields

    def _part_event(self, kind: str, **fields: Any) -> Event:
        place = {"item_id": self._output[-1]["id"], "output_index": self._index(), "content_index": 0}
        return self._event(kind, **place, **fields)

    async def _over(self) -> Event:
        if self._tally.reason == "stop":
            over = self._object("completed") | {"completed_at": int(time.time())}
        else:
            over = self._object("incomplete") | {"incomplete_details": {"reason": self._tally.reason}}
        over["usage"] = self._usage()
        await self._keep(over)
        return over

    def _usage(self) -> Event:
        usage = self._tally.usage
        return {
            "input_tokens": usage.input_tokens,
            "input_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": 0},
            "output_tokens": usage.output_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": usage.input_tokens + usage.output_tokens,
        }

    def _object(self, status: str) -> Event:
        body = self._body
        choice = body.tool_choice or "auto"
        return {
            "id": self._id,
            "object": "response",
            "created_at": self._created,
            "status": status,
            "background": False,
            "error": None,
            "incomplete_details": None,
            "instructions": body.instructions,
            "max_output_tokens": body.max_output_tokens,
            "model": body.model,
            "output": list(self._output),
            "parallel_tool_calls": body.parallel_tool_calls is not False,
            "previous_response_id": body.previous_response_id,
            "reasoning": {"effort": None, "summary": None},
            "service_tier": "default",
            "store": body.store is not False,
            "temperature": 1.0 if body.temperature is None else body.temperature,
            "text": {"format": {"type": "text"}},
            "tool_choice": choice if isinstance(choice, str) else choice.model_dump(),
            "tools": [_described(tool.model_dump()) for tool in body.tools or ()],
            "top_p": 1.0 if body.top_p is None else body.top_p,
            "truncation": body.truncation or "disabled",
            "usage": None,
            "user": body.user,
            "metadata": body.metadata or {},
        }


def _part(text: str) -> Event:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _described(tool: Event) -> Event:
    """A tool as responses show it."""
    return tool | {"strict": bool(tool.get("strict")), "parameters": tool.get("parameters") or {}}
