"""Requests for an engine whose upstream has REST endpoints of its own: handed on as they are, answered in the upstream's words.

What stays here is who may ask, how much, and whose responses are whose: everybody here shares one account there, so a response is found
by those alone who made it (docs/adr/0047-rest-through-the-relay.md).
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import AsyncGenerator

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from vivavoce.call import via
from vivavoce.call.ports import RestAnswer, RestQuestion, RestUpstream
from vivavoce.protocol.errors import UpstreamError
from vivavoce.server.rest.access import owner
from vivavoce.server.rest.errors import ApiError, unknown_previous, unknown_response
from vivavoce.server.rest.kept import Kept
from vivavoce.server.rest.streaming import Streamed, begin, unless_gone

log = logging.getLogger("vivavoce.rest")

ASKED = ("accept", "content-type", "idempotency-key", "openai-beta")
"""What of a request's headers goes up. The rest is about the connection, or about an account that is not the client's."""
TOLD = (
    "content-type",
    "content-encoding",
    "content-disposition",
    "retry-after",
    "retry-after-ms",
    "x-request-id",
)
"""What of an answer's headers comes down. Limits are told by this server, or not at all."""
_ID_WITHIN_BYTES = 16 * 1024
"""An answer begins with its id, or with the event that tells it."""
_RESPONSE_ID = re.compile(rb'"id"\s*:\s*"(resp_[\w-]+)"')
_RESPONSES = "/v1/responses"


class _Follows(msgspec.Struct):
    previous_response_id: str | None = None


class Forwarding:
    """What stands between a request and the upstream.

    `name`: this server's own in `Via`. `stands_in`: whether it can answer where the upstream cannot.
    """

    def __init__(self, upstream: RestUpstream, kept: Kept, name: str, *, stands_in: bool) -> None:
        self._upstream = upstream
        self._name = name
        self._kept = kept
        self._stands_in = stands_in

    async def answer(self, request: Request) -> Response | None:
        """The upstream's answer; None where this server is to answer instead. Raises ApiError, UpstreamError, ClientGone."""
        body = await request.body()
        whose = owner(request)
        question = _question(request, body)
        if (why := via.refusal(question.via, self._name, self._upstream.host)) is not None:
            raise ApiError(why, status=via.STATUS, code=via.CODE, kind="server_error")
        before = _named(request, body)
        if before is not None and not await self._is_there(request, whose, before):
            return None
        begun = time.monotonic()
        try:
            answer = await unless_gone(request, self._upstream.ask(question))
        except UpstreamError as error:
            if self._instead(before, error.retryable):
                log.warning("%s is answered here: %s", request.url.path, error.message)
                return None
            raise
        took_ms = (time.monotonic() - begun) * 1000
        log.info(
            "%s %s: %s answered %d after %d ms",
            request.method,
            request.url.path,
            self._upstream.host,
            answer.status,
            took_ms,
        )
        if self._instead(before, answer.status == 429 or answer.status >= 500):
            await answer.pieces.aclose()
            return None
        if request.method == "DELETE" and before is not None and answer.status < 300:
            await self._kept.forget_elsewhere(whose, before)
        headers = {name: answer.headers[name] for name in TOLD if name in answer.headers}
        pieces = answer.pieces
        if request.method == "POST" and request.url.path == _RESPONSES and answer.status < 300:
            pieces = self._remembering(whose, answer)
        return Streamed(await unless_gone(request, begin(pieces)), status=answer.status, headers=headers)

    def _instead(self, before: str | None, passing: bool) -> bool:
        """Whether this server answers. What goes on from something that only the upstream knows cannot be answered here."""
        return self._stands_in and passing and before is None

    async def _is_there(self, request: Request, whose: str, response_id: str) -> bool:
        """Whether it is the upstream's; False: it was made here. Raises ApiError where it is nobody's, or somebody else's."""
        if await self._kept.is_elsewhere(whose, response_id):
            return True
        if await self._kept.response(whose, response_id) is not None:
            return False
        raise unknown_previous(response_id) if request.method == "POST" else unknown_response(response_id)

    async def _remembering(self, whose: str, answer: RestAnswer) -> AsyncGenerator[bytes, None]:
        """The pieces; whose response it is, is known before anybody has its id."""
        head: bytes | None = b""
        try:
            async for piece in answer.pieces:
                if head is not None:
                    head += piece
                    if found := _RESPONSE_ID.search(head):
                        await self._kept.keep_elsewhere(whose, found[1].decode())
                        head = None
                    elif len(head) > _ID_WITHIN_BYTES:
                        head = None
                yield piece
        finally:
            await answer.pieces.aclose()


def _question(request: Request, body: bytes) -> RestQuestion:
    query = request.url.query
    headers = {name: request.headers[name] for name in ASKED if name in request.headers}
    # As it is read here as well: by its id.
    headers["accept-encoding"] = "identity"
    path = request.url.path.removeprefix("/v1") + (f"?{query}" if query else "")
    return RestQuestion(request.method, path, headers, body, via.read(request.headers.getlist("via")))


def _named(request: Request, body: bytes) -> str | None:
    """The response that a request is about, or goes on from."""
    if not request.url.path.startswith(_RESPONSES):
        return None
    if request.method != "POST":
        return str(request.path_params["response_id"])
    try:
        return msgspec.json.decode(body, type=_Follows).previous_response_id
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None  # What is wrong with it the upstream will say.
