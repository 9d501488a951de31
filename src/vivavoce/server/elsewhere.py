"""Requests about a call that another process of this server has: passed on to it, whole.

A sideband socket (`?call_id=`) or a REST request may be handed to any process. This one asks for a connection to the right one and
stands between: the other answers as if it had been asked itself, keys and origins included.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import socket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import h11

from vivavoce.server.gate import Application
from vivavoce.server.refusal import Refusal
from vivavoce.transports.websocket import Message, Receive, SendMessage

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

log = logging.getLogger("vivavoce.server")

IsHere = Callable[[str], bool]
ReachFor = Callable[[str], Awaitable[socket.socket | None]]

_ABOUT_A_CALL = re.compile(r"/calls/([^/]+)")
_HOP_BY_HOP = frozenset({b"connection", b"keep-alive", b"te", b"trailer", b"upgrade", b"proxy-connection"})
_SAID_HERE_TOO = frozenset({b"transfer-encoding", b"date", b"server"})
"""What this process puts into its own answer."""
_READ_BYTES = 65_536
_GONE = Refusal(
    503, "call_lost", "The process that had this call has ended.", type="server_error", retry_after_s=1
)
"""The call went with it. Asked again, the server says that it knows of no such call."""
_WHOLE: dict[str, Any] = {"max_size": None, "compression": None, "ping_interval": None, "max_queue": 16}
"""The processes trust each other, and the client's own keep-alive shows whether it is there."""


class Elsewhere:
    """An ASGI application around another. `is_here`: whether this process has a call; `reach`: a connection to the one that has."""

    def __init__(self, app: Application, is_here: IsHere, reach: ReachFor) -> None:
        self._app = app
        self._is_here = is_here
        self._reach = reach

    async def __call__(self, scope: Message, receive: Receive, send: SendMessage) -> None:
        """Serve here or pass on."""
        call_id = call_in_question(scope)
        if call_id is None or self._is_here(call_id):
            await self._app(scope, receive, send)
            return
        connection = await self._reach(call_id)
        if connection is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await _pass_socket(connection, scope, receive, send)
        else:
            await _pass_request(connection, scope, receive, send)


def call_in_question(scope: Message) -> str | None:
    """The call that a request is about, if it is about one."""
    if scope["type"] == "websocket":
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        return query["call_id"][0] if "call_id" in query else None
    if scope["type"] == "http":
        found = _ABOUT_A_CALL.search(scope["path"])
        return found[1] if found else None
    return None


def _is_of_this_hop(name: bytes) -> bool:
    """A header of an answer that is not for the client: it is about the connection between the two processes."""
    return name in _HOP_BY_HOP or name in _SAID_HERE_TOO or name.startswith(b"sec-websocket-")


def _target(scope: Message) -> bytes:
    query: bytes = scope.get("query_string", b"")
    path: bytes = scope["raw_path"]
    return path + (b"?" + query if query else b"")


# --- HTTP ---------------------------------------------------------------------------------------------------------------


async def _pass_request(
    connection: socket.socket, scope: Message, receive: Receive, send: SendMessage
) -> None:
    reader, writer = await asyncio.open_unix_connection(sock=connection)
    talk = h11.Connection(h11.CLIENT)
    begun = False

    async def send_on(message: Message) -> None:
        nonlocal begun
        begun = True
        await send(message)

    try:
        if await _ask(talk, writer, scope, receive):
            await _pass_answer(talk, reader, send_on)
    except (OSError, h11.RemoteProtocolError):
        log.warning("%s: %s", scope["path"], _GONE.message)
        # What has begun cannot be taken back: it is cut off by the server, which is how a client knows that it is not whole.
        if not begun:
            await _GONE.answer(send)
    finally:
        writer.close()


async def _ask(talk: h11.Connection, writer: asyncio.StreamWriter, scope: Message, receive: Receive) -> bool:
    """Pass the request on. False: the client hung up before it had sent all of it. Raises OSError."""
    headers = [(name, value) for name, value in scope["headers"] if name not in _HOP_BY_HOP]
    request = h11.Request(
        method=scope["method"], target=_target(scope), headers=[*headers, (b"connection", b"close")]
    )
    writer.write(talk.send(request) or b"")
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return False
        more = message.get("more_body", False)
        # Without a length or chunks announced there is no body, only its empty end.
        if chunk := message.get("body", b""):
            writer.write(talk.send(h11.Data(data=chunk)) or b"")
            await writer.drain()
    writer.write(talk.send(h11.EndOfMessage()) or b"")
    return True


async def _pass_answer(talk: h11.Connection, reader: asyncio.StreamReader, send: SendMessage) -> None:
    while True:
        event = talk.next_event()
        if event is h11.NEED_DATA:
            talk.receive_data(await reader.read(_READ_BYTES))
        elif isinstance(event, h11.Response):
            headers = [pair for pair in event.headers if not _is_of_this_hop(pair[0])]
            await send({"type": "http.response.start", "status": event.status_code, "headers": headers})
        elif isinstance(event, h11.Data):
            await send({"type": "http.response.body", "body": bytes(event.data), "more_body": True})
        elif isinstance(event, h11.EndOfMessage):
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        elif isinstance(event, h11.ConnectionClosed):
            return


# --- WebSocket ----------------------------------------------------------------------------------------------------------


async def _pass_socket(
    connection: socket.socket, scope: Message, receive: Receive, send: SendMessage
) -> None:
    from websockets.asyncio.client import unix_connect
    from websockets.exceptions import InvalidHandshake, InvalidStatus

    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    host = next((value for name, value in headers if name == "host"), "localhost")
    passed = [
        (name, value)
        for name, value in headers
        if name != "host" and name.encode() not in _HOP_BY_HOP and not name.startswith("sec-websocket-")
    ]
    await receive()  # websocket.connect
    try:
        other = await unix_connect(
            uri=f"ws://{host}{_target(scope).decode('ascii')}",
            sock=connection,
            additional_headers=passed,
            user_agent_header=None,
            subprotocols=scope.get("subprotocols") or None,
            **_WHOLE,
        )
    except InvalidStatus as refused:
        response = refused.response
        answer = [(name.lower().encode(), value.encode()) for name, value in response.headers.raw_items()]
        answer = [pair for pair in answer if not _is_of_this_hop(pair[0])]
        await send(
            {"type": "websocket.http.response.start", "status": response.status_code, "headers": answer}
        )
        await send({"type": "websocket.http.response.body", "body": response.body or b"", "more_body": False})
        return
    except (OSError, EOFError, InvalidHandshake):
        log.warning("%s: %s", scope["path"], _GONE.message)
        await _GONE.answer_handshake(send)
        return
    async with other:
        assert other.response is not None
        headers = [
            (name.lower().encode(), value.encode()) for name, value in other.response.headers.raw_items()
        ]
        headers = [pair for pair in headers if not _is_of_this_hop(pair[0])]
        await send({"type": "websocket.accept", "subprotocol": other.subprotocol, "headers": headers})
        await _both_ways(other, receive, send)


async def _both_ways(other: ClientConnection, receive: Receive, send: SendMessage) -> None:
    out = asyncio.create_task(_outward(other, send))
    inward = asyncio.create_task(_inward(other, receive))
    try:
        await asyncio.wait({out, inward}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (out, inward):
            task.cancel()
        await asyncio.gather(out, inward, return_exceptions=True)


async def _outward(other: ClientConnection, send: SendMessage) -> None:
    from websockets.exceptions import ConnectionClosed

    with contextlib.suppress(ConnectionClosed):
        async for frame in other:
            kind = "text" if isinstance(frame, str) else "bytes"
            await send({"type": "websocket.send", kind: frame})
    code, reason = other.close_code or 1006, other.close_reason or ""
    # 1005 and 1006 say that there was no close frame; nobody may send them.
    if code == 1006:
        log.warning("a sideband is cut off: %s", _GONE.message)
        code, reason = 1011, _GONE.message
    await send({"type": "websocket.close", "code": 1000 if code == 1005 else code, "reason": reason})


async def _inward(other: ClientConnection, receive: Receive) -> None:
    from websockets.exceptions import ConnectionClosed

    with contextlib.suppress(ConnectionClosed):
        while (message := await receive())["type"] != "websocket.disconnect":
            text = message.get("text")
            await other.send(text if text is not None else message.get("bytes") or b"")
        await other.close()
