"""What all stages behind HTTP share: one pool of connections, kept warm, deadlines, errors that name the host and never the key.

The key is handed in. Nothing is read from the environment, and no message of an error carries the key.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from vivavoce.engines.addresses import is_loopback
from vivavoce.protocol.errors import EngineError

if TYPE_CHECKING:
    import httpx

log = logging.getLogger("vivavoce.cascade")

_RETRYABLE = frozenset({408, 409, 425, 429})
_ERROR_BODY_BYTES = 64_000
_KEPT = 100
"""So many calls at once find a connection; those beyond it make one for each request."""
_KEPT_S = 300.0
"""How long a connection may lie idle before we close it; most servers close it long before."""
FRESH_S = 4.0
"""A connection that was used so recently is still there: servers keep an idle one for five seconds at least."""
_WARM_UP_S = 5.0
CONNECT_S = 3.0
"""A host that does not even take the connection costs a caller no more than this, whatever time its answers may take."""
_NOT_THERE = frozenset({404, 405})
_PAGE_CHARS = 4000
"""What an error page has to say stands at its beginning."""
_TITLE = re.compile(r"<title[^>]*>([^<]*)</title>", re.IGNORECASE)
_TAGS = re.compile(r"<(script|style).*?</\1>|<[^>]*>", re.IGNORECASE | re.DOTALL)
_SECRET = re.compile(r"key|token|secret|signature|^sig$|^code$", re.IGNORECASE)


class Remote:
    """An endpoint of one stage.

    stage: `stt`, `llm` or `tts`. noun: what it is called in errors. url: the base address, such as http://127.0.0.1:11434/v1; without a
    path, `/v1` is tried where nothing answers at the root. What stands behind a `?` is sent with every request. key: sent as a bearer token
    when there is one.
    """

    def __init__(
        self, stage: str, noun: str, url: str, key: str | None, schemes: tuple[str, ...] = ("http", "https")
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in schemes or not parts.hostname:
            wanted = " or ".join(f"{scheme}://" for scheme in schemes)
            raise EngineError(stage, f"the address of {noun} must begin with {wanted}")
        self.stage = stage
        # Kept out of the address: httpx would put it in the place of the key, and addresses get into messages.
        userinfo, _, place = parts.netloc.rpartition("@")
        self.url = parts._replace(netloc=place, query="", fragment="").geturl().rstrip("/")
        self.query = parts.query
        self._bare = not parts.path.strip("/")
        self.host = parts.hostname + (f":{parts.port}" if parts.port else "")
        self._noun = noun
        key = (key or "").strip()  # a file that it came from ends with a line break
        if not (key.isascii() and key.isprintable()):
            raise EngineError(stage, f"the key of {noun} has a character that no key has: copy it once more")
        self._authorization, self._secrets = _credentials(key, userinfo)
        self._secrets += tuple(value for name, value in parse_qsl(parts.query) if _SECRET.search(name))
        self._loopback = is_loopback(parts.hostname)
        self._client: httpx.AsyncClient | None = None
        self._used_at = -1e9
        self._warming: asyncio.Task[None] | None = None

    @property
    def headers(self) -> dict[str, str]:
        """What authorizes a request."""
        return {"authorization": self._authorization} if self._authorization else {}

    def path(self, path: str) -> str:
        """A path behind the base address; an address that ends with it already is taken as it is."""
        whole = self.url if self.url.endswith(path) else f"{self.url}{path}"
        return f"{whole}?{self.query}" if self.query else whole

    def build(self, path: str, body: dict[str, Any] | None = None, **more: Any) -> httpx.Request:
        """A POST request: `body` as JSON, or whatever httpx takes."""
        headers = self.headers | more.pop("headers", {})
        if body is not None:
            headers["content-type"] = "application/json"
            more["content"] = msgspec.json.encode(body)
        return self.pool().build_request("POST", self.path(path), headers=headers, **more)

    async def send(self, request: httpx.Request, deadline: float, late: str) -> httpx.Response:
        """The response, its body still to come. `late` says what did not come in time. Raises EngineError."""
        response = await self._sent(request, deadline, late)
        below = request.url.path.startswith("/v1/")  # Another request may have found it meanwhile.
        if response.status_code not in _NOT_THERE or not self._bare or below:
            return response
        return await self._sent_below(request, response, deadline, late)

    async def _sent_below(
        self, request: httpx.Request, nothing: httpx.Response, deadline: float, late: str
    ) -> httpx.Response:
        """The response of `/v1`, for an address that was given without it; from then on that is the address, if anything is there."""
        import httpx

        below = request.url.copy_with(path=f"/v1{request.url.path}")
        again = httpx.Request(request.method, below, headers=request.headers, stream=request.stream)
        response = await self._sent(again, deadline, late)
        speaks = response.headers.get("content-type", "").startswith("application/json")
        if response.status_code in _NOT_THERE and not speaks:
            await response.aclose()
            return nothing
        await nothing.aclose()
        if not urlsplit(self.url).path:
            log.info("%s at %s answers below /v1", self._noun, self.host)
            self.url += "/v1"
        return response

    async def _sent(self, request: httpx.Request, deadline: float, late: str) -> httpx.Response:
        import httpx

        for attempt in (1, 2):
            try:
                async with asyncio.timeout_at(deadline):
                    response = await self.pool().send(request, stream=True)
            except httpx.ConnectTimeout as problem:
                raise self.error(f"cannot be reached within {CONNECT_S:g} s", True) from problem
            except (TimeoutError, httpx.TimeoutException) as problem:
                raise self.error(late, True) from problem
            except httpx.ConnectError as problem:
                raise self.error(f"cannot be reached: {_unreached(str(problem))}", True) from problem
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError) as problem:
                # A pooled connection that the server was just closing: nothing was answered, so it may be asked again.
                if attempt == 2:
                    raise self.error(f"broke off ({type(problem).__name__})", True) from problem
            except httpx.HTTPError as problem:
                raise self.error(f"broke off ({type(problem).__name__})", True) from problem
            else:
                self._used_at = asyncio.get_running_loop().time()
                return response
        raise AssertionError  # the second attempt returned or raised

    def pool(self) -> httpx.AsyncClient:
        """One client for all calls, made when the first one needs it: importing httpx is slow."""
        if self._client is None:
            import httpx

            self._client = httpx.AsyncClient(
                # Deadlines are kept here, per token and not per read.
                timeout=httpx.Timeout(None, connect=CONNECT_S),
                limits=httpx.Limits(
                    max_connections=None, max_keepalive_connections=_KEPT, keepalive_expiry=_KEPT_S
                ),
                trust_env=not self._loopback,
            )
        return self._client

    def warm(self) -> None:
        """Have a connection ready when it is needed. Returns at once; what goes wrong shows with the first request."""
        now = asyncio.get_running_loop().time()
        if now - self._used_at < FRESH_S or (self._warming is not None and not self._warming.done()):
            return
        self._used_at = now
        self._warming = asyncio.create_task(self._connect())

    async def _connect(self) -> None:
        import httpx

        base = self.url.partition("/chat/completions")[0].partition("/audio/")[0]
        models = f"{base}/models?{self.query}" if self.query else f"{base}/models"
        try:
            async with asyncio.timeout(_WARM_UP_S):
                await self.pool().get(models, headers=self.headers)
        except (TimeoutError, httpx.HTTPError, RuntimeError) as problem:
            log.debug("%s at %s is not warm: %s", self._noun, self.host, type(problem).__name__)

    async def close(self) -> None:
        """Close the pooled connections."""
        if self._warming is not None:
            self._warming.cancel()
            await asyncio.gather(self._warming, return_exceptions=True)
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    # --- errors -----------------------------------------------------------------------------------------------------------

    async def refusal(self, response: httpx.Response, deadline: float) -> str:
        """The text of an error body, as far as it comes in time."""
        import httpx

        if response.has_redirect_location:
            return f"it has moved to {response.headers['location']}"
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
            return _plain(body.decode(errors="replace"))

    def failed(self, status: int, refusal: str) -> EngineError:
        """For an answer that is an error."""
        detail = f": {self.safe(refusal)}" if refusal else ""
        return self.error(f"answered {status}{detail}", status in _RETRYABLE or status >= 500)

    def error(self, what: str, retryable: bool = False) -> EngineError:
        """An error that names the endpoint."""
        return EngineError(self.stage, f"{self._noun} at {self.host} {what}", retryable=retryable)

    def safe(self, text: str) -> str:
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


def _unreached(why: str) -> str:
    """Why there is no connection, where that is more than nobody listening."""
    return why if "SSL" in why or "CERTIFICATE" in why or "name" in why.lower() else "is it running?"


def _plain(page: str) -> str:
    """What a page says, for what stands between an endpoint and us answers in HTML."""
    page = page[:_PAGE_CHARS]
    title = _TITLE.search(page)
    text = title[1] if title else _TAGS.sub(" ", page) if page.lstrip().startswith("<") else page
    return " ".join(text.split())[:300]


def error_text(body: Any) -> str:
    """The message in an error body, whatever its shape, with the place that it is about where that is told apart."""
    if isinstance(body, dict) and isinstance(body.get("loc"), list) and isinstance(body.get("msg"), str):
        return " ".join(f"{'.'.join(map(str, body['loc']))}: {body['msg']}".split())[:300]
    if isinstance(body, dict):
        for key in ("error", "message", "detail", "msg"):
            if body.get(key):
                return error_text(body[key])
    if isinstance(body, list) and body:
        return error_text(body[0])
    text = body if isinstance(body, str) else msgspec.json.encode(body).decode()
    return " ".join(text.split())[:300]
