"""Answers in pieces: begun before they are complete, ended when nobody reads any more."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from typing import Any, Generic, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from vivavoce.protocol.errors import EngineError, UpstreamError
from vivavoce.server.rest.errors import BROKEN, of_engine

log = logging.getLogger("vivavoce.rest")

T = TypeVar("T")
EVENT_STREAM = "text/event-stream"
DONE = b"data: [DONE]\n\n"


class ClientGone(Exception):
    """Nobody waits for the answer any more."""


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled when the client hangs up. Only after the body was read.

    Raises ClientGone, and whatever the work raises.
    """
    working = asyncio.ensure_future(work)
    watching = asyncio.ensure_future(_hung_up(request.receive))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientGone
        return working.result()
    finally:
        await _end(working, watching)


async def _end(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class Begun(Generic[T]):
    """A stream whose first piece is there: what fails before it can still be told by a status."""

    def __init__(self, first: list[T], rest: AsyncGenerator[T, None]) -> None:
        self._first = first
        self._rest = rest

    def __aiter__(self) -> Begun[T]:
        return self

    async def __anext__(self) -> T:
        return self._first.pop() if self._first else await anext(self._rest)

    async def aclose(self) -> None:
        """End it, whether it was read or not."""
        await self._rest.aclose()


async def begin(stream: AsyncGenerator[T, None]) -> Begun[T]:
    """Wait for the first piece. Raises what the stream raises before it."""
    try:
        async for piece in stream:
            return Begun([piece], stream)
    except BaseException:
        await stream.aclose()
        raise
    return Begun([], stream)


class Streamed(Response):
    """A body of unknown length. `at_end` is called exactly once, whether it was sent, broke off or was given up."""

    def __init__(
        self,
        pieces: Begun[bytes],
        media_type: str | None = None,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status_code = status
        self.media_type = media_type
        self.background = None
        self.init_headers({"Cache-Control": "no-cache", "X-Accel-Buffering": "no", **(headers or {})})
        self.at_end: Callable[[], None] = lambda: None
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the end or until the client hangs up."""
        sending = asyncio.ensure_future(self._send(send))
        watching = asyncio.ensure_future(_hung_up(receive))
        try:
            await asyncio.wait({sending, watching}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        except (EngineError, UpstreamError) as error:
            # The answer has begun; that it is cut short is all that can still be told.
            log.warning("failed in the middle of an answer: %s", error)
        finally:
            await _end(sending, watching)
            await self._pieces.aclose()
            self.at_end()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for piece in self._pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def streamed(request: Request, pieces: AsyncGenerator[bytes, None], media_type: str) -> Streamed:
    """An answer that is sent while it is made, from when its first piece is there.

    Raises ClientGone, and what `pieces` raises before that piece.
    """
    return Streamed(await unless_gone(request, begin(pieces)), media_type)


async def streamed_events(request: Request, events: AsyncGenerator[bytes, None]) -> Streamed:
    """The same of server-sent events, the last of which tells of an error in the middle."""
    return await streamed(request, telling_errors(events), EVENT_STREAM)


def event(body: dict[str, Any], *, named: bool = False) -> bytes:
    """A server-sent event; `named` repeats its type in an `event:` line, as the Responses API does."""
    data = b"data: " + msgspec.json.encode(body) + b"\n\n"
    return b"event: " + str(body["type"]).encode() + b"\n" + data if named else data


async def telling_errors(events: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """A failure in the middle becomes a last event, which clients raise as an error."""
    begun = False
    try:
        async for one in events:
            begun = True
            yield one
    except EngineError as error:
        if not begun:
            raise
        log.warning("%s failed: %s", error.stage, error.message)
        yield event(of_engine(error).refusal.body())
    except Exception:
        if not begun:
            raise
        log.exception("internal error in the middle of an answer")
        yield event(BROKEN.body())
    finally:
        await events.aclose()
