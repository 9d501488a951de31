"""HTTP to MCP servers: connections only to judged addresses, bodies within bounds, nothing of it in the log."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable
from contextvars import ContextVar
from dataclasses import dataclass

import httpcore2
import httpx2

from vivavoce.mcp.addresses import AddressPolicy, AddressRefused

LARGEST_BODY_BYTES = 4 * 1024 * 1024
"""One JSON answer. Event streams are bounded event by event, by the library."""


@dataclass(slots=True)
class Trouble:
    """What a request met on its way; the library tells of it only in part. `reason` holds no address and no credential."""

    status: int | None = None
    reason: str | None = None

    def forget(self) -> None:
        """It came right in the end."""
        self.status = self.reason = None


TROUBLE: ContextVar[Trouble | None] = ContextVar("trouble", default=None)
"""Where whoever makes a request wants its trouble noted. The library's tasks inherit it."""

for name in ("httpx2", "httpcore2"):
    # Their lines hold whole addresses, and an address may hold a key.
    logging.getLogger(name).setLevel(logging.WARNING)
# What goes wrong reaches the client in an item; the library would add the traceback, messages included.
logging.getLogger("mcp").setLevel(logging.CRITICAL)


class JudgedNetwork(httpcore2.AsyncNetworkBackend):
    """Connects to the addresses that the policy has found and judged, never to a name."""

    def __init__(self, policy: AddressPolicy) -> None:
        self._policy = policy
        self._inner = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """The first of the host's addresses that answers."""
        try:
            addresses = await self._policy.addresses(host, port)
        except OSError as error:
            raise httpcore2.ConnectError(f"{host} is not known") from error
        refused: Exception = httpcore2.ConnectError(f"{host} has no address")
        for address in addresses:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                refused = error
        raise refused

    async def sleep(self, seconds: float) -> None:
        """Wait between retries."""
        await self._inner.sleep(seconds)


class JudgedTransport(httpx2.AsyncHTTPTransport):
    """httpx's own transport on a network that judges addresses; no proxy of the environment is asked."""

    def __init__(self, policy: AddressPolicy) -> None:
        super().__init__(trust_env=False)
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=httpx2.create_ssl_context(),
            max_connections=8,
            max_keepalive_connections=2,
            keepalive_expiry=30,
            network_backend=JudgedNetwork(policy),
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """One request; its body is read within bounds."""
        trouble = TROUBLE.get() or Trouble()
        try:
            response = await super().handle_async_request(request)
        except AddressRefused as error:
            trouble.reason = str(error)
            raise httpx2.ConnectError(str(error), request=request) from None
        except httpx2.ConnectError:
            trouble.reason = f"{request.url.host} could not be reached"
            raise
        if response.status_code >= 400:
            trouble.status = response.status_code
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            trouble.reason = "the answer is compressed, which was not asked for"
            raise httpx2.ReadError(trouble.reason, request=request)
        if not response.headers.get("content-type", "").startswith("text/event-stream"):
            assert isinstance(response.stream, httpx2.AsyncByteStream)
            response.stream = Bounded(response.stream, trouble)
        return response


class Bounded(httpx2.AsyncByteStream):
    """A body that ends with an error where it gets too long."""

    def __init__(self, inner: httpx2.AsyncByteStream, trouble: Trouble) -> None:
        self._inner = inner
        self._trouble = trouble

    async def __aiter__(self) -> AsyncIterator[bytes]:
        length = 0
        async for piece in self._inner:
            length += len(piece)
            if length > LARGEST_BODY_BYTES:
                self._trouble.reason = f"the answer has more than {LARGEST_BODY_BYTES} bytes"
                raise httpx2.ReadError(self._trouble.reason)
            yield piece

    async def aclose(self) -> None:
        """Close what is read."""
        await self._inner.aclose()


def http_client(policy: AddressPolicy, headers: dict[str, str], timeout_s: float) -> httpx2.AsyncClient:
    """A client for one server. Redirects are the library's affair, which follows them within the server's origin only."""
    return httpx2.AsyncClient(
        headers={"Accept-Encoding": "identity", **headers},
        timeout=httpx2.Timeout(timeout_s, read=None),
        transport=JudgedTransport(policy),
        trust_env=False,
        follow_redirects=False,
    )
