"""Which WebSocket is served by what. What stands around REST (limits, CORS, errors, routes) has nothing to do with one, and a crowd before
a full server pays for nothing that is not needed to refuse it.
"""

from __future__ import annotations

from collections.abc import Mapping

from vivavoce.server.gate import Application
from vivavoce.transports.websocket import Message, Receive, SendMessage


class Sockets:
    """An ASGI application around another: handshakes go to the endpoint of their address, everything else passes."""

    def __init__(
        self, app: Application, endpoints: Mapping[str, Application], elsewhere: Application
    ) -> None:
        """`elsewhere`: answers at any other address."""
        self._app = app
        self._endpoints = endpoints
        self._elsewhere = elsewhere

    async def __call__(self, scope: Message, receive: Receive, send: SendMessage) -> None:
        """Hand it on."""
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        await self._endpoints.get(scope["path"], self._elsewhere)(scope, receive, send)
