"""Requests that are no call (speech, transcripts, answers): the upstream has them too, and answers them in its own words."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

import vivavoce
from vivavoce.call import via
from vivavoce.call.ports import RestAnswer, RestQuestion
from vivavoce.call.relay_settings import UpstreamSettings
from vivavoce.engines.relay import failures
from vivavoce.engines.relay.address import Address
from vivavoce.protocol.errors import UpstreamError
from vivavoce.session.upstream import Failure

if TYPE_CHECKING:
    import httpx

LARGEST_ERROR_BYTES = 64 * 1024
ATTEMPTS = 2
"""An idle connection may be closed by the other side just as it is used again; then nothing was read, and another one is tried."""
_IDLE_S = 60.0
_SIGNS_OF_LIFE = (("TCP_KEEPIDLE", 2), ("TCP_KEEPINTVL", 1), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 5000))
"""A model may be silent for minutes, its machine not: the system asks that one, and ends the connection to one that is gone."""


class UpstreamRest:
    """The upstream's REST endpoints, over one pool of connections."""

    def __init__(self, settings: UpstreamSettings, tls: ssl.SSLContext, name: str) -> None:
        self._address = Address(settings.url)
        self.host = self._address.host
        self._settings = settings
        self._tls = tls
        self._name = name
        self._client: httpx.AsyncClient | None = None

    def start(self) -> None:
        """Make the pool. Importing httpx takes a tenth of a second, for which no call is to wait later."""
        import httpx

        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=_IDLE_S)
        self._client = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(
                verify=self._tls, limits=limits, socket_options=_socket_options()
            ),
            # How long an answer may take is counted here: by the whole of it, not by each read.
            timeout=httpx.Timeout(None, connect=self._settings.connect_ms / 1000),
            trust_env=False,
        )

    async def ask(self, question: RestQuestion) -> RestAnswer:
        """Send a request up, under our key. Raises UpstreamError."""
        response = await self._sent(question)
        headers = dict(response.headers)
        if response.status_code < 400:
            return RestAnswer(response.status_code, headers, self._pieces(response))
        body = await self._whole(response)
        if response.status_code in (401, 403):
            # About our key, and not the client's, who would be sent to look for a mistake of their own.
            raise _error(failures.refused(response.status_code, body, self._settings.key))
        return RestAnswer(response.status_code, headers, _one(body))

    async def close(self) -> None:
        """Close the pool."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _sent(self, question: RestQuestion) -> httpx.Response:
        """The answer, its body still to come."""
        import httpx

        client = self._client
        assert client is not None, "not started"
        for attempt in range(1, ATTEMPTS + 1):
            request = client.build_request(
                question.method,
                self._address.rest(question.path),
                headers=self._headers(question),
                content=question.body,
            )
            try:
                async with asyncio.timeout(self._settings.answer_ms / 1000):
                    return await client.send(request, stream=True)
            except TimeoutError:
                raise _error(failures.silent("answered", self._settings.answer_ms)) from None
            except (httpx.ConnectError, httpx.ConnectTimeout) as problem:
                raise _error(_unreachable(problem)) from problem
            except httpx.HTTPError as problem:
                if attempt == ATTEMPTS:
                    raise _error(failures.closed(1006, "")) from problem
        raise AssertionError  # The last attempt has returned or raised.

    def _headers(self, question: RestQuestion) -> dict[str, str]:
        headers = {**question.headers, "user-agent": f"vivavoce/{vivavoce.__version__}"}
        headers[via.HEADER] = via.written((*question.via, self._name))
        if self._settings.key:
            headers["authorization"] = f"Bearer {self._settings.key}"
        return headers

    async def _pieces(self, response: httpx.Response) -> AsyncGenerator[bytes, None]:
        import httpx

        pieces = response.aiter_raw()
        try:
            while True:
                async with asyncio.timeout(self._settings.answer_ms / 1000):
                    piece = await anext(pieces, None)
                if piece is None:
                    return
                yield piece
        except TimeoutError:
            raise _error(failures.silent("gone on", self._settings.answer_ms)) from None
        except httpx.HTTPError as problem:
            raise _error(failures.closed(1006, "")) from problem
        finally:
            await response.aclose()

    async def _whole(self, response: httpx.Response) -> bytes:
        """The body of an error; our key does not leave in it."""
        body = b""
        async for piece in self._pieces(response):
            body += piece
            if len(body) > LARGEST_ERROR_BYTES:
                await response.aclose()
                break
        key = self._settings.key.encode()
        return body.replace(key, b"[key]") if key else body


def _socket_options() -> list[tuple[int, int, int]]:
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, value in _SIGNS_OF_LIFE:
        option = getattr(socket, name, None)  # Not every system has each of them.
        if option is not None:
            options.append((socket.IPPROTO_TCP, option, value))
    return options


async def _one(body: bytes) -> AsyncGenerator[bytes, None]:
    yield body


def _unreachable(problem: BaseException) -> Failure:
    """By what lies at the bottom of the library's own errors, which say less."""
    beneath = problem.__cause__ or problem.__context__
    if isinstance(problem, BaseExceptionGroup):
        beneath = problem.exceptions[0]
    if isinstance(problem, ssl.SSLCertVerificationError):
        return failures.untrusted(problem)
    return failures.unreachable(problem) if beneath is None else _unreachable(beneath)


def _error(failure: Failure) -> UpstreamError:
    return UpstreamError(failure.code, failure.message, failure.passing)
