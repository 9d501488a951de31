"""What browsers are told about pages of other origins (CORS), by the same rules that decide who is let in (auth.py).

A preflight carries no key, so it says what a request could do at best: where client secrets are taken, every origin; elsewhere those
that may come with a key, or without one where none is asked for.
"""

from __future__ import annotations

from typing import Any, Final

from vivavoce.server.auth import Authority
from vivavoce.server.refusal import Refusal
from vivavoce.transports.websocket import Message, Receive, SendMessage

FOR_SECRETS: Final = ("/v1/realtime/calls", "/v1/realtime/translations/calls", "/v1/realtime")
"""Where a client secret is taken over HTTP."""
EXPOSED: Final = b"location, retry-after, x-request-id"
"""`Location`: where a WebRTC client reads its call's id (real-clients rule 12)."""
MAX_AGE_S: Final = b"600"
METHODS: Final = b"GET, POST, DELETE, OPTIONS"


class Cors:
    """An ASGI application around another."""

    def __init__(self, app: Any, authority: Authority) -> None:
        self._app = app
        self._authority = authority

    async def __call__(self, scope: Message, receive: Receive, send: SendMessage) -> None:
        """Answer a preflight; let anything else through and name the origin in its answer."""
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope.get("headers", ())
        }
        origin = headers.get("origin")
        if scope["type"] != "http" or origin is None or not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
            return
        allowed = scope["path"] in FOR_SECRETS or self._authority.allows(origin, headers.get("host"))
        added = _named(origin) if allowed else [(b"vary", b"Origin")]

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *added]
            await send(message)

        if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            if allowed:
                await _preflight(answer, headers.get("access-control-request-headers", ""))
            else:
                await _NOT_ALLOWED.answer(answer)
            return
        await self._app(scope, receive, answer)


def _named(origin: str) -> list[tuple[bytes, bytes]]:
    return [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-expose-headers", EXPOSED),
        (b"vary", b"Origin"),
    ]


_NOT_ALLOWED = Refusal(403, "origin_not_allowed", "Pages of this origin may not connect to this server.")


async def _preflight(send: SendMessage, asked: str) -> None:
    # Clients bring headers of their own (x-openai-agents-sdk, openai-safety-identifier, x-stainless-...): none is a danger here.
    headers = [
        (b"access-control-allow-methods", METHODS),
        (b"access-control-allow-headers", asked.encode("latin-1") or b"authorization, content-type"),
        (b"access-control-max-age", MAX_AGE_S),
        (b"content-length", b"0"),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
