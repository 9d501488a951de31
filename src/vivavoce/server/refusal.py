"""Requests that are not served, told in the API's shape: over HTTP, and before the upgrade of a WebSocket."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from vivavoce.call.admission import Full
from vivavoce.protocol.errors import ClientError

if TYPE_CHECKING:
    from starlette.responses import JSONResponse

    from vivavoce.transports.websocket import SendMessage


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not served: HTTP status, the body's error fields, and when to come back, where that helps."""

    status: int
    code: str | None
    message: str
    param: str | None = None
    type: str = "invalid_request_error"
    retry_after_s: int | None = None

    def body(self) -> dict[str, Any]:
        """The error in the API's shape (protocol reference 1.3)."""
        error = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return {"error": error}

    def response(self, headers: Mapping[str, str] | None = None) -> JSONResponse:
        """As the answer to a request; `headers` go with it."""
        # Imported here: the process that only starts others reads keys too, and answers nobody.
        from starlette.responses import JSONResponse

        again = {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}
        return JSONResponse(self.body(), self.status, {**(headers or {}), **again})

    async def answer(self, send: SendMessage) -> None:
        """Answer an HTTP request in ASGI's messages."""
        headers, body = self._encoded()
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def answer_handshake(self, send: SendMessage) -> None:
        """Answer a WebSocket's handshake before the upgrade, where a client's library reads the body."""
        headers, body = self._encoded()
        await send({"type": "websocket.http.response.start", "status": self.status, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": body, "more_body": False})

    def _encoded(self) -> tuple[list[tuple[bytes, bytes]], bytes]:
        body = msgspec.json.encode(self.body())
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        if self.retry_after_s is not None:
            headers.append((b"retry-after", str(self.retry_after_s).encode()))
        return headers, body


def of_mistake(error: ClientError) -> Refusal:
    """A mistake in a request, as HTTP tells it."""
    status = 500 if error.type == "server_error" else 400
    return Refusal(status, error.code, error.message, error.param, error.type)


def of_full(full: Full) -> Refusal:
    """A request for which there is no place."""
    return Refusal(full.status, full.code, full.message, None, full.type, full.retry_after_s)
