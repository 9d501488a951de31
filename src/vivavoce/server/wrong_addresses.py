"""What is answered where there is nothing: in the API's shape, and with the address that was probably meant."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exception_handlers import http_exception_handler
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from vivavoce.server.refusal import Refusal
from vivavoce.transports.websocket import Message, Receive, SendMessage

SHOWN = 200
"""Characters of an address that are repeated."""


def add_wrong_addresses(app: FastAPI) -> None:
    """Handlers for whatever no route serves."""
    app.add_exception_handler(HTTPException, _answer)

    @app.get("/v1/realtime", include_in_schema=False)
    async def not_upgraded() -> Response:
        """Somebody looks at the address with a browser, or a proxy does not hand on the upgrade."""
        message = "This address is for WebSockets, and the request has no Upgrade header (behind a proxy: let it hand the upgrade on)."
        refusal = Refusal(426, "websocket_expected", message)
        return refusal.response({"Upgrade": "websocket"})


async def _answer(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path
    if error.status_code not in (404, 405) or not path.startswith("/v1/"):
        return await http_exception_handler(request, error)
    message = f"Invalid URL ({request.method} {path[:SHOWN]})"
    refusal = Refusal(404, "unknown_url", message)
    if error.status_code == 405:
        refusal = Refusal(405, "method_not_allowed", f"Not allowed to {request.method} on {path[:SHOWN]}.")
    return refusal.response(error.headers)


class NoSocketHere:
    """Any other address: a bare 403, which is what is answered otherwise, would send people after their keys."""

    async def __call__(self, scope: Message, receive: Receive, send: SendMessage) -> None:
        """Refuse before the upgrade."""
        await receive()  # websocket.connect
        message = f"There is no WebSocket at {scope['path'][:SHOWN]}; sessions are at /v1/realtime."
        await Refusal(404, "unknown_url", message).answer_handshake(send)
