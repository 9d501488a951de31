"""What every REST request goes through: the door, a seat, a bounded body, errors in the API's shape."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from vivavoce.call.admission import Full
from vivavoce.protocol.errors import EngineError, UpstreamError
from vivavoce.server.refusal import Refusal, of_full
from vivavoce.server.rest.access import refusal
from vivavoce.server.rest.errors import BROKEN, ApiError, of_engine, of_upstream, of_validation
from vivavoce.server.rest.office import Office
from vivavoce.server.rest.streaming import ClientGone, Streamed

log = logging.getLogger("vivavoce.rest")

MAX_JSON_BYTES = 36 * 1024 * 1024
"""Room for the largest upload as base64 inside JSON."""
MAX_UPLOAD_BYTES = 25 * 1024 * 1024
"""What the API takes as one file."""
_FORM_ROOM_BYTES = 512 * 1024
UPLOAD_TIMEOUT_S = 120.0
"""Whoever needs longer than this for a body gives up the seat."""

T = TypeVar("T")
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class RestRoute(APIRoute):
    """A route of this room."""

    def get_route_handler(self) -> Handler:
        """The handler, with everything around it."""
        inner = super().get_route_handler()

        async def handler(request: Request) -> Response:
            response = await _answered(request, inner)
            response.headers.setdefault("x-request-id", f"req_{secrets.token_hex(16)}")
            return response

        return handler


async def _answered(request: Request, inner: Handler) -> Response:
    office: Office = request.app.state.office
    refused = refusal(request)
    if refused is not None:
        return refused.response()
    bounded = Request(request.scope, _Bounded(request).receive)
    if office.forwarding is not None:
        # Without a seat: those are for work on this machine.
        elsewhere = await _caught(bounded, office.forwarding.answer)
        if elsewhere is not None:
            return elsewhere
    return await _seated(office, bounded, inner)


async def _seated(office: Office, request: Request, inner: Handler) -> Response:
    """Answered here, once there is a seat; it is given back when the answer is complete."""
    entered = await office.seats.enter()
    if isinstance(entered, Full):
        return of_full(entered).response()
    response: Response | None = None
    try:
        response = await _caught(request, inner)
        return response
    finally:
        if isinstance(response, Streamed):
            response.at_end = entered
        else:
            entered()


async def _caught(request: Request, inner: Callable[[Request], Coroutine[Any, Any, T]]) -> T | Response:
    """What the handler answers, or the error it ends with."""
    try:
        return await inner(request)
    except ClientGone:
        return Response(status_code=499)
    except ApiError as error:
        return error.refusal.response()
    except RequestValidationError as error:
        return of_validation(error.errors()).refusal.response()
    except EngineError as error:
        log.warning("%s failed: %s", error.stage, error.message)
        return of_engine(error).refusal.response()
    except UpstreamError as error:
        log.warning("%s: %s", error.code, error.message)
        return of_upstream(error).refusal.response()
    except HTTPException as error:
        return Refusal(error.status_code, None, str(error.detail)).response()
    except Exception:
        log.exception("internal error")
        return BROKEN.response()


class _Bounded:
    """Counts the bytes of a body, and how long they take. Raises ApiError."""

    def __init__(self, request: Request) -> None:
        self._receive: Callable[[], Awaitable[Message]] = request.receive
        form = request.headers.get("content-type", "").startswith("multipart/")
        self._told_limit = MAX_UPLOAD_BYTES if form else MAX_JSON_BYTES
        self._limit = self._told_limit + (_FORM_ROOM_BYTES if form else 0)
        self._received = 0
        self._whole = False
        self._until = asyncio.get_running_loop().time() + UPLOAD_TIMEOUT_S

    async def receive(self) -> Message:
        """The next part of the body, and afterwards the client's hanging up."""
        if self._whole:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            raise ApiError("The request body did not arrive in time.", status=408) from None
        self._whole = not message.get("more_body", False)
        self._received += len(message.get("body", b""))
        if self._received > self._limit:
            raise ApiError(
                f"Maximum content size limit ({self._told_limit}) exceeded ({self._received} bytes read)",
                status=413,
            )
        return message
