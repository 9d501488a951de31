"""Any OpenAI-compatible chat endpoint as the language model: vLLM, Ollama, llama-server, LM Studio, OpenAI.

The key is handed in. Nothing is read from the environment, and no message of an error carries the key.
"""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import logging
import re
import socket
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import msgspec

from vivavoce.call.ports import ModelChunk, Prompt
from vivavoce.engines.cascade.chat_chunks import (
    BodyReader,
    ChunkReader,
    ErrorInStream,
    EventReader,
    Nonsense,
    error_text,
)
from vivavoce.engines.cascade.seeing import has_images, without_images
from vivavoce.protocol.errors import EngineError

if TYPE_CHECKING:
    import httpx

log = logging.getLogger("vivavoce.cascade")

_STAGE = "llm"
_RETRYABLE = frozenset({408, 409, 425, 429})
# Fields that some servers refuse with 400 or 422. The answer is the same without them, so they are dropped and not sent again.
_OPTIONAL = ("stream_options", "parallel_tool_calls", "reasoning_effort")
_IMAGES = "images"
_BLIND = re.compile(r"image|vision|multi-?modal|mmproj", re.IGNORECASE)
_ERROR_BODY_BYTES = 64_000


class ChatModel:
    """A language model behind `{url}/chat/completions`.

    url: the base address, such as http://127.0.0.1:11434/v1. key: sent as a bearer token when there is one.
    first_token_s: from sending the request to the first token. between_tokens_s: between two tokens after that. Comments that
    only keep the connection alive do not count as tokens. sees_images: whether it is shown images, or told that there was one; an
    endpoint that refuses images is not sent any again.
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
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise EngineError(_STAGE, "the address of the language model must begin with http:// or https://")
        # Kept out of the address: httpx would put it in the place of the key, and addresses get into messages.
        userinfo, _, place = parts.netloc.rpartition("@")
        base = parts._replace(netloc=place).geturl().rstrip("/")
        self._url = base if base.endswith("/chat/completions") else f"{base}/chat/completions"
        self._host = parts.hostname + (f":{parts.port}" if parts.port else "")
        self._model = model
        self._authorization, self._secrets = _credentials(key, userinfo)
        self._first_token_s = first_token_s
        self._between_tokens_s = between_tokens_s
        self._refused: set[str] = set() if sees_images else {_IMAGES}
        self._client: httpx.AsyncClient | None = None
        self.name = f"{model} at {self._host}"

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

    async def close(self) -> None:
        """Close the pooled connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

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
        return list(without_images(messages) if _IMAGES in self._refused else messages)

    async def _open(self, prompt: Prompt, deadline: float) -> httpx.Response:
        """The response whose body is the stream; asked again without a field that the server refuses."""
        for _ in range(len(_OPTIONAL) + 3):
            response = await self._send(self._body(prompt), deadline)
            if response.status_code == 200:
                return response
            try:
                refusal = await self._refusal(response, deadline)
            finally:
                await response.aclose()
            if not self._learn(response.status_code, refusal, prompt):
                raise self._failed(response.status_code, refusal)
        raise self._error("keeps refusing the request")

    async def _send(self, body: dict[str, Any], deadline: float) -> httpx.Response:
        import httpx

        headers = {"content-type": "application/json", "accept": "text/event-stream"}
        if self._authorization:
            headers["authorization"] = self._authorization
        client = self._pool()
        request = client.build_request("POST", self._url, content=msgspec.json.encode(body), headers=headers)
        try:
            async with asyncio.timeout_at(deadline):
                return await client.send(request, stream=True)
        except (TimeoutError, httpx.TimeoutException) as problem:
            raise self._error(f"sent no token within {self._first_token_s:g} s", True) from problem
        except httpx.ConnectError as problem:
            raise self._error("cannot be reached: is it running?", True) from problem
        except httpx.HTTPError as problem:
            raise self._error(f"broke off ({type(problem).__name__})", True) from problem

    def _pool(self) -> httpx.AsyncClient:
        """One client for all calls, made when the first one needs it: importing httpx is slow."""
        if self._client is None:
            import httpx

            self._client = httpx.AsyncClient(
                timeout=None,  # deadlines are kept here, per token and not per read
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
                trust_env=not _is_loopback(urlsplit(self._url).hostname or ""),
            )
        return self._client

    async def _refusal(self, response: httpx.Response, deadline: float) -> str:
        """The text of an error body, as far as it comes in time."""
        import httpx

        body = b""
        try:
            async with asyncio.timeout_at(deadline):
                async for block in response.aiter_bytes():
                    body += block
                    if len(body) > _ERROR_BODY_BYTES:
                        break
        except (TimeoutError, httpx.HTTPError):
            pass  # the status alone says enough
        try:
            return error_text(msgspec.json.decode(body))
        except msgspec.DecodeError:
            return " ".join(body.decode(errors="replace").split())[:300]

    def _learn(self, status: int, refusal: str, prompt: Prompt) -> bool:
        """Whether the refusal was about something that can be left out; it is, from now on."""
        if _IMAGES not in self._refused and _BLIND.search(refusal) and has_images(prompt.messages):
            # Said with any status: a server whose model has no eyes calls it an error of its own.
            log.warning("%s takes no images; from now on it is told that there was one", self.name)
            self._refused.add(_IMAGES)
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
        reader, fresh = ChunkReader(), True
        loop = asyncio.get_running_loop()
        blocks = response.aiter_bytes()
        try:
            while True:
                async with asyncio.timeout_at(deadline):
                    block = await anext(blocks, None)
                if fresh and block and block.strip():
                    events, fresh = (BodyReader() if block.lstrip()[:1] == b"{" else events), False
                found = list(events.finish() if block is None else events.feed(block))
                for data in found:
                    for chunk in reader.read(data):
                        yield chunk
                if found:
                    deadline = loop.time() + self._between_tokens_s
                if block is None or (reader.finished and found[-1:] == [b"[DONE]"]):
                    break
        except TimeoutError as problem:
            if not reader.finished:  # after the end only the usage could still have come
                raise self._late(reader) from problem
        except Nonsense as problem:
            raise self._error(
                f"does not answer like a chat endpoint ({self._safe(str(problem))})"
            ) from problem
        except ErrorInStream as problem:
            raise self._error(f"reported an error: {self._safe(str(problem))}", True) from problem
        except httpx.HTTPError as problem:
            raise self._error(f"broke off in the middle ({type(problem).__name__})", True) from problem
        for chunk in self._ending(reader):
            yield chunk

    def _ending(self, reader: ChunkReader) -> list[ModelChunk]:
        try:
            return list(reader.end())
        except Nonsense as problem:
            raise self._error(f"does not answer like a chat endpoint ({problem})", True) from problem

    # --- errors -----------------------------------------------------------------------------------------------------------

    def _late(self, reader: ChunkReader) -> EngineError:
        if reader.answered:
            return self._error(f"sent nothing more for {self._between_tokens_s:g} s", True)
        return self._error(f"sent no token within {self._first_token_s:g} s", True)

    def _failed(self, status: int, refusal: str) -> EngineError:
        detail = f": {self._safe(refusal)}" if refusal else ""
        return self._error(f"answered {status}{detail}", status in _RETRYABLE or status >= 500)

    def _error(self, what: str, retryable: bool = False) -> EngineError:
        return EngineError(_STAGE, f"the language model at {self._host} {what}", retryable=retryable)

    def _safe(self, text: str) -> str:
        """A server may echo the key back; it does not get any further."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def _credentials(key: str | None, userinfo: str) -> tuple[str | None, tuple[str, ...]]:
    """The header for a key, or else for what the address says before its `@`; and what must not be repeated."""
    name, _, password = (unquote(part) for part in userinfo.partition(":"))
    basic = base64.b64encode(f"{name}:{password}".encode()).decode() if userinfo else ""
    header = f"Bearer {key}" if key else f"Basic {basic}" if basic else None
    return header, tuple(secret for secret in (key, basic, password) if secret)


# --- is it this server itself? --------------------------------------------------------------------------------------------


def same_address(url: str, host: str, port: int) -> bool:
    """Whether `url` leads back to a server that listens on `host` and `port`, so that it would ask itself.

    Names are looked up only when the port is the same.
    """
    try:
        parts = urlsplit(url)
        wanted = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return False
    if wanted != port or not parts.hostname:
        return False
    name, mine = parts.hostname.lower().rstrip("."), host.lower().strip("[]")
    if name == mine:
        return True
    theirs, ours = _addresses(name), _addresses(mine or "0.0.0.0")
    if theirs & ours:
        return True
    everywhere = any(ipaddress.ip_address(one).is_unspecified for one in ours)
    return any(ipaddress.ip_address(one).is_unspecified or (everywhere and _is_local(one)) for one in theirs)


def _addresses(name: str) -> set[str]:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return set()
    return {str(entry[4][0]).split("%")[0] for entry in found}


def _is_local(address: str) -> bool:
    """Whether an address is one of this machine: only such a one can be bound."""
    ip = ipaddress.ip_address(address)
    if ip.is_loopback:
        return True
    family = socket.AF_INET6 if ip.version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
