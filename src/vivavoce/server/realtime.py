"""`WS /v1/realtime`: the handshake, then the call."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any
from urllib.parse import parse_qs

import msgspec

from vivavoce.call.admission import DRAINING, Full
from vivavoce.call.registry import Calls, new_call_id
from vivavoce.protocol.dialects import Dialect, choose_dialect
from vivavoce.server.auth import Refusal, bearer, check
from vivavoce.server.gate import answer_handshake
from vivavoce.server.life import Life
from vivavoce.transports.uvicorn_socket import EXTENSION, UvicornSocket
from vivavoce.transports.websocket import Message, Receive, SendMessage, WebSocketAttachment


class RealtimeEndpoint:
    """An ASGI application for one route."""

    def __init__(self, calls: Calls, life: Life) -> None:
        self._calls = calls
        self._life = life
        self._sockets = 0

    async def __call__(self, scope: Message, receive: Receive, send: SendMessage) -> None:
        """Serve one socket from handshake to close."""
        await receive()  # websocket.connect
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        offered: list[str] = list(scope.get("subprotocols") or [])
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        key = bearer(headers.get("authorization"), offered)
        refusal = check(
            self._calls.settings.auth.keys, key, headers.get("origin"), headers.get("host")
        ) or unsupported(query)
        if refusal is not None:
            await refuse(send, refusal)
            return
        call_id = new_call_id()
        full = await self._admit(call_id, key)
        if full is not None:
            await answer_handshake(send, full)
            return
        # Exactly `realtime` is answered, never the token that holds the key; a client that offered none gets none.
        chosen = "realtime" if "realtime" in offered else None
        try:
            await send({"type": "websocket.accept", "subprotocol": chosen})
            dialect = choose_dialect(headers.get("openai-beta"), offered)
            shortcut = scope.get("extensions", {}).get(EXTENSION, {})
            await self._serve(call_id, query, dialect, receive, send, shortcut.get("socket"))
        except BaseException:
            # Whatever goes wrong before there is a call: its seat is free again.
            self._calls.admission.leave(call_id)
            raise

    async def _admit(self, call_id: str, key: str | None) -> Full | None:
        """Take a seat for the call. Asked before the upgrade, where a client's library reads the answer and waits as it is told."""
        if not self._life.serving:
            return DRAINING
        keys = self._calls.settings.auth.keys
        holder = hashlib.blake2b((key or "").encode(), digest_size=16).hexdigest() if keys else ""
        return await self._calls.admission.take(call_id, holder)

    async def _serve(
        self,
        call_id: str,
        query: dict[str, list[str]],
        dialect: Dialect,
        receive: Receive,
        send: SendMessage,
        socket: UvicornSocket | None,
    ) -> None:
        calls = self._calls
        self._sockets += 1
        model = query.get("model", ["gpt-realtime-2"])[0]
        call = calls.open(
            model, int(asyncio.get_running_loop().time() * 1000), call_id=call_id, setup=setup_of(query)
        )
        limits = calls.settings.server
        attachment = WebSocketAttachment(
            f"ws{self._sockets}",
            dialect,
            receive,
            send,
            max_frame_bytes=limits.max_frame_bytes,
            max_unsent_bytes=limits.max_unsent_bytes,
            socket=socket,
        )
        call.join(attachment)
        try:
            await attachment.run(call)
        finally:
            await calls.close(call)


def unsupported(query: dict[str, list[str]]) -> Refusal | None:
    """What this endpoint does not serve is refused before the upgrade, by name."""
    if "call_id" in query:
        return Refusal(404, "call_id_not_found", "No session found for the provided call_id")
    intent = query.get("intent", ["transcription"])
    if intent != ["transcription"]:
        return Refusal(400, "invalid_intent", f"Invalid value: '{intent[0]}'. Supported values are: 'transcription'.")
    return None


def setup_of(query: dict[str, list[str]]) -> dict[str, Any] | None:
    """What the address says about the session. A model beside the intent names what transcribes, as some clients send it."""
    if "intent" not in query:
        return None
    named = {"transcription": {"model": query["model"][0]}} if "model" in query else {}
    return {"type": "transcription", "audio": {"input": named}}


async def refuse(send: SendMessage, refusal: Refusal) -> None:
    """Answer the handshake with an HTTP error whose body is the API's."""
    body = msgspec.json.encode(refusal.body())
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "websocket.http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body, "more_body": False})
