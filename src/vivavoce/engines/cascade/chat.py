"""Any OpenAI-compatible chat endpoint as the language model: vLLM, Ollama, llama-server, LM Studio, OpenAI."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from vivavoce.call.ports import ModelChunk, Prompt
from vivavoce.engines.cascade.chat_chunks import (
    BodyReader,
    ChunkReader,
    ErrorInStream,
    EventReader,
    Nonsense,
)
from vivavoce.engines.cascade.messages import merged_turns, without_system
from vivavoce.engines.cascade.remote import Remote
from vivavoce.engines.cascade.seeing import has_images, without_images
from vivavoce.protocol.errors import EngineError

if TYPE_CHECKING:
    import httpx

log = logging.getLogger("vivavoce.cascade")

# Fields that some servers refuse with 400 or 422. The answer is the same without them, so they are dropped and not sent again.
_OPTIONAL = ("stream_options", "parallel_tool_calls", "reasoning_effort")
_IMAGES, _TURNS, _SYSTEM = "images", "turns", "system"
_BLIND = re.compile(r"image|vision|multi-?modal|mmproj", re.IGNORECASE)
_END_OF_BODY_S = 0.05
"""The end of a stream comes with its last event or not at all."""
_USAGE_S = 1.0
"""So long after the end was announced the usage may still come; calls wait for it."""
_ALTERNATE = re.compile(r"roles? must alternate|alternate user|alternating", re.IGNORECASE)
_NO_SYSTEM = re.compile(
    r"system (?:role|message)s? (?:is |are )?not supported|does not support system", re.IGNORECASE
)


class ChatModel:
    """A language model behind `{url}/chat/completions`.

    url: the base address, such as http://127.0.0.1:11434/v1. key: sent as a bearer token when there is one.
    first_token_s: from sending the request to the first token. between_tokens_s: between two tokens after that. Comments that
    only keep the connection alive do not count as tokens. sees_images: whether it is shown images, or told that there was one; an
    endpoint that refuses images is not sent any again.

    What the endpoint refuses and the answer can do without (a field, a system message, two messages of one role in a row) is left out
    from then on.
    """

    def __init__(
        self,
        url: str,
        model: str,
        key: str | None = None,
        *,
        first_token_s: float = 10.0,
        between_tokens_s: float = 10.0,
        sees_images: bool = True,
    ) -> None:
        self._remote = Remote("llm", "the language model", url, key)
        self._model = model
        self._first_token_s = first_token_s
        self._between_tokens_s = between_tokens_s
        self._refused: set[str] = set() if sees_images else {_IMAGES}
        self._thinks_first = False
        """Its server opens a thought for it, and passes only the end through."""
        self.name = f"{model} at {self._remote.host}"

    async def stream(self, prompt: Prompt) -> AsyncGenerator[ModelChunk, None]:
        """Chunks of the answer. Closing the iterator closes the HTTP stream. Raises EngineError("llm", ...)."""
        deadline = asyncio.get_running_loop().time() + self._first_token_s
        response = await self._open(prompt, deadline)
        try:
            async with aclosing(self._chunks(response, deadline)) as chunks:
                async for chunk in chunks:
                    yield chunk
        finally:
            await response.aclose()

    def warm(self) -> None:
        """See `call.ports.Warm`."""
        self._remote.warm()

    async def close(self) -> None:
        """Close the pooled connections."""
        await self._remote.close()

    # --- the request ------------------------------------------------------------------------------------------------------

    def _body(self, prompt: Prompt) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._model,
            "messages": self._shown(prompt.messages),
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if prompt.tools:
            body |= {"tools": list(prompt.tools), "tool_choice": prompt.tool_choice}
            if not prompt.parallel_tool_calls:
                body["parallel_tool_calls"] = False
        if prompt.effort is not None:
            body["reasoning_effort"] = prompt.effort
        if prompt.max_tokens is not None:
            # Newer models of OpenAI know only the longer name, everyone else the shorter one.
            longer = "max_tokens" in self._refused
            body["max_completion_tokens" if longer else "max_tokens"] = prompt.max_tokens
        return {key: value for key, value in body.items() if key not in self._refused}

    def _shown(self, messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        for what, change in _CHANGES.items():
            if what in self._refused:
                messages = change(messages)
        return list(messages)

    async def _open(self, prompt: Prompt, deadline: float) -> httpx.Response:
        """The response whose body is the stream; asked again without a field that the server refuses."""
        for _ in range(len(_OPTIONAL) + 5):
            request = self._remote.build(
                "/chat/completions", self._body(prompt), headers={"accept": "text/event-stream"}
            )
            response = await self._remote.send(request, deadline, self._no_token)
            if response.status_code == 200:
                return response
            try:
                refusal = await self._remote.refusal(response, deadline)
            finally:
                await response.aclose()
            if not self._learn(response.status_code, refusal, prompt):
                raise self._remote.failed(response.status_code, refusal)
        raise self._remote.error("keeps refusing the request")

    @property
    def _no_token(self) -> str:
        return f"sent no token within {self._first_token_s:g} s"

    def _learn(self, status: int, refusal: str, prompt: Prompt) -> bool:
        """Whether the refusal was about something that can be left out; it is, from now on."""
        if _IMAGES not in self._refused and _BLIND.search(refusal) and has_images(prompt.messages):
            # Said with any status: a server whose model has no eyes calls it an error of its own.
            log.warning("%s takes no images; from now on it is told that there was one", self.name)
            self._refused.add(_IMAGES)
            return True
        # A chat template that gives up is an error of the server's in some servers' words.
        for what, said in ((_TURNS, _ALTERNATE), (_SYSTEM, _NO_SYSTEM)):
            if what not in self._refused and said.search(refusal):
                self._refused.add(what)
                return True
        if status not in (400, 422):
            return False
        for name in _OPTIONAL:
            if name in refusal and name not in self._refused:
                self._refused.add(name)
                return True
        if "max_completion_tokens" in refusal and "max_tokens" not in self._refused:
            self._refused.add("max_tokens")
            return True
        return False

    # --- the answer -------------------------------------------------------------------------------------------------------

    async def _chunks(self, response: httpx.Response, deadline: float) -> AsyncGenerator[ModelChunk, None]:
        import httpx

        events: EventReader | BodyReader = EventReader()
        reader, fresh = ChunkReader(thinking=self._thinks_first), True
        loop = asyncio.get_running_loop()
        blocks = response.aiter_bytes()
        try:
            while True:
                async with asyncio.timeout_at(deadline):
                    block = await anext(blocks, None)
                if fresh and block and block.strip():
                    events, fresh = (BodyReader() if block.lstrip()[:1] in (b"{", b"[") else events), False
                found = list(events.finish() if block is None else events.feed(block))
                for data in found:
                    for chunk in reader.read(data):
                        yield chunk
                if found:
                    more_s = (
                        min(self._between_tokens_s, _USAGE_S) if reader.finished else self._between_tokens_s
                    )
                    deadline = loop.time() + more_s
                if block is None or (reader.finished and found[-1:] == [b"[DONE]"]):
                    break
        except TimeoutError as problem:
            if not reader.finished:  # after the end only the usage could still have come
                raise self._late(reader) from problem
        except Nonsense as problem:
            raise self._remote.error(
                f"does not answer like a chat endpoint ({self._remote.safe(str(problem))})"
            ) from problem
        except ErrorInStream as problem:
            raise self._remote.error(
                f"reported an error: {self._remote.safe(str(problem))}", True
            ) from problem
        except httpx.HTTPError as problem:
            raise self._remote.error(f"broke off in the middle ({type(problem).__name__})", True) from problem
        await _read_out(blocks)
        for chunk in self._ending(reader):
            yield chunk
        self._thinks_first = self._thinks_first or reader.lost_thought

    def _ending(self, reader: ChunkReader) -> list[ModelChunk]:
        try:
            return list(reader.end())
        except Nonsense as problem:
            raise self._remote.error(f"does not answer like a chat endpoint ({problem})", True) from problem

    def _late(self, reader: ChunkReader) -> EngineError:
        if reader.answered:
            return self._remote.error(f"sent nothing more for {self._between_tokens_s:g} s", True)
        return self._remote.error(self._no_token, True)


async def _read_out(blocks: AsyncIterator[bytes]) -> None:
    """Take the end of a body that has said all it has to say: a connection serves again only when its answer was read to the end."""
    import httpx

    try:
        async with asyncio.timeout(_END_OF_BODY_S):
            async for _ in blocks:
                pass
    except (TimeoutError, httpx.HTTPError):
        pass  # then the next request gets a new one


_CHANGES: dict[str, Callable[[Sequence[dict[str, Any]]], Sequence[dict[str, Any]]]] = {
    _IMAGES: without_images,
    _SYSTEM: without_system,
    _TURNS: merged_turns,
}
"""What is done to the messages of an endpoint that refuses something, in this order."""
