"""The door of REST: so many POST requests at the same time, so many for each key, none while the server drains.

Around the whole application, before a body is read. WebSockets pass: they are admitted by seats (call/admission.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable

from vivavoce.call.admission import DRAINING, Full, Refused
from vivavoce.server.auth import bearer
from vivavoce.server.life import Life
from vivavoce.server.refusal import of_full
from vivavoce.server.turnstile import Entrance
from vivavoce.transports.websocket import Message, Receive, SendMessage

KEY_HEADERS = (b"authorization", b"api-key")
Application = Callable[[Message, Receive, SendMessage], Awaitable[None]]


class Gate:
    """An ASGI application around another. `entrance`: where requests are counted."""

    def __init__(self, app: Application, entrance: Entrance, life: Life) -> None:
        self._app = app
        self._entrance = entrance
        self._life = life
        self._refused = Refused("request")

    async def __call__(self, scope: Message, receive: Receive, send: SendMessage) -> None:
        """Pass a request on, or answer it here."""
        if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
            return
        entered = (
            await self._entrance.enter(_fingerprint(scope["headers"])) if self._life.serving else DRAINING
        )
        if isinstance(entered, Full):
            await of_full(self._refused.count(entered)).answer(send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            entered()


def _fingerprint(headers: list[tuple[bytes, bytes]]) -> str:
    """Which key it is, by whichever header it comes, without keeping it; empty without one."""
    given = {name: value.decode("latin-1") for name, value in headers if name in KEY_HEADERS}
    key = bearer(given.get(b"authorization"), (), given.get(b"api-key"))
    return hashlib.blake2b(key.encode(), digest_size=16).hexdigest() if key else ""
