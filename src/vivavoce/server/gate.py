"""Limits on REST: so many POST requests at the same time, so many for each key, none while the server drains.

Around the whole application, before a body is read. WebSockets pass: they are admitted by seats (call/admission.py).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from vivavoce.call.admission import DRAINING, FULL_RETRY_S, Full, Refused
from vivavoce.call.settings import LimitSettings
from vivavoce.server.auth import bearer
from vivavoce.server.life import Life

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
SendMessage = Callable[[Message], Awaitable[None]]
KEY_HEADERS = (b"authorization", b"api-key")
Application = Callable[[Message, Receive, SendMessage], Awaitable[None]]


class Gate:
    """An ASGI application around another."""

    def __init__(self, app: Application, limits: LimitSettings, life: Life) -> None:
        self._app = app
        self._limits = limits
        self._life = life
        self._running: Counter[bytes] = Counter()
        self._refused = Refused("request")

    async def __call__(self, scope: Message, receive: Receive, send: SendMessage) -> None:
        """Pass a request on, or answer it here."""
        if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
            return
        key = _fingerprint(scope["headers"])
        full = self._full(key)
        if full is not None:
            await answer(send, self._refused.count(full))
            return
        self._running[key] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._running[key] -= 1
            if not self._running[key]:
                del self._running[key]

    def _full(self, key: bytes) -> Full | None:
        limits = self._limits
        if not self._life.serving:
            return DRAINING
        if limits.max_requests and self._running.total() >= limits.max_requests:
            message = f"{limits.max_requests} requests are being worked on. Try again later."
            return Full(503, "server_error", "server_overloaded", message)
        if limits.max_requests_per_key and key and self._running[key] >= limits.max_requests_per_key:
            most = limits.max_requests_per_key
            message = f"This API key has reached its limit of {most} requests at the same time."
            return Full(429, "rate_limit_error", "rate_limit_exceeded", message, FULL_RETRY_S)
        return None


def body_of(full: Full) -> bytes:
    """The error in the API's shape (protocol reference 1.3)."""
    error = {"message": full.message, "type": full.type, "code": full.code, "param": None}
    return msgspec.json.encode({"error": error})


def headers_of(full: Full, body: bytes) -> list[tuple[bytes, bytes]]:
    """What goes with it."""
    return [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"retry-after", str(full.retry_after_s).encode()),
    ]


async def answer(send: SendMessage, full: Full) -> None:
    """Refuse an HTTP request."""
    body = body_of(full)
    await send({"type": "http.response.start", "status": full.status, "headers": headers_of(full, body)})
    await send({"type": "http.response.body", "body": body})


async def answer_handshake(send: SendMessage, full: Full) -> None:
    """Refuse a WebSocket before the upgrade."""
    body = body_of(full)
    await send(
        {"type": "websocket.http.response.start", "status": full.status, "headers": headers_of(full, body)}
    )
    await send({"type": "websocket.http.response.body", "body": body, "more_body": False})


def _fingerprint(headers: list[tuple[bytes, bytes]]) -> bytes:
    """Which key it is, by whichever header it comes, without keeping it."""
    given = {name: value.decode("latin-1") for name, value in headers if name in KEY_HEADERS}
    key = bearer(given.get(b"authorization"), (), given.get(b"api-key"))
    return hashlib.blake2b(key.encode(), digest_size=16).digest() if key else b""
