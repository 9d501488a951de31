"""`WS /v1/realtime`: the handshake, then the call."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs

from vivavoce.call import via
from vivavoce.call.admission import DRAINING, Full
from vivavoce.call.driver import Call
from vivavoce.call.owner import LOCAL, Owner
from vivavoce.call.registry import Calls, new_call_id
from vivavoce.protocol.dialects import Dialect, choose_dialect
from vivavoce.protocol.errors import ClientError
from vivavoce.protocol.locks import Lock, hold
from vivavoce.protocol.translation_wire import TRANSLATION
from vivavoce.server.auth import Admitted, Authority
from vivavoce.server.life import Life
from vivavoce.server.refusal import Refusal, of_full, of_mistake
from vivavoce.session.connections import reattach_s
from vivavoce.transports.uvicorn_socket import EXTENSION, UvicornSocket
from vivavoce.transports.websocket import Message, Receive, SendMessage, WebSocketAttachment

DEFAULT_MODEL = "gpt-realtime-2"
DEFAULT_TRANSLATOR = "gpt-realtime-translate"
MOST_SIDEBANDS = 8
SIDEBAND_UNSENT_BYTES = 4 * 1024 * 1024
"""What a sideband may be behind (more than a minute of speech); then it is closed, and the call does not notice."""
CALL_ID_HEADER = b"x-vivavoce-call-id"
"""In the answer to the handshake: what sidebands connect to. Also `session.vivavoce.call_id`."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The call that a connection opens. `setup`: what its session begins with; `lock`: what the client may not widen; `via`: who has passed it on."""

    owner: Owner
    model: str
    setup: dict[str, Any] | None
    lock: Lock = ()
    via: via.Names = ()


@dataclass(frozen=True, slots=True)
class Joining:
    """A place in a call that lives. `returning`: as its primary connection, which dropped; otherwise as a sideband."""

    call: Call
    returning: bool
    lock: Lock


@dataclass(frozen=True, slots=True)
class Line:
    """A handshake that is let in: what was offered, and the ASGI connection."""

    headers: dict[str, str]
    offered: list[str]
    receive: Receive
    send: SendMessage
    socket: UvicornSocket | None

    @property
    def dialect(self) -> Dialect:
        """Chosen by header or sub-protocol, never by model."""
        return choose_dialect(self.headers.get("openai-beta"), self.offered)

    async def accept(self, call_id: str) -> None:
        """Answer the handshake, and say which call it is."""
        # Exactly `realtime` is answered, never the token that holds the key; a client that offered none gets none.
        chosen = "realtime" if "realtime" in self.offered else None
        headers = [(CALL_ID_HEADER, call_id.encode())]
        await self.send({"type": "websocket.accept", "subprotocol": chosen, "headers": headers})


class RealtimeEndpoint:
    """An ASGI application for one route."""

    def __init__(self, calls: Calls, life: Life, authority: Authority) -> None:
        self._calls = calls
        self._authority = authority
        self._life = life
        self._sockets = 0

    async def __call__(self, scope: Message, receive: Receive, send: SendMessage) -> None:
        """Serve one socket from handshake to close."""
        await receive()  # websocket.connect
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        offered: list[str] = list(scope.get("subprotocols") or [])
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        came_by = via.read(value.decode("latin-1") for name, value in scope["headers"] if name == b"via")
        admitted = self._authority.admit(headers, offered, secrets=True)
        plan = admitted if isinstance(admitted, Refusal) else self._plan(query, admitted)
        if isinstance(plan, Plan):
            plan = going_round(self._calls, came_by) or replace(plan, via=came_by)
        if isinstance(plan, Refusal):
            await plan.answer_handshake(send)
            return
        line = Line(
            headers, offered, receive, send, scope.get("extensions", {}).get(EXTENSION, {}).get("socket")
        )
        if isinstance(plan, Joining):
            await self._join(plan, line)
            return
        call_id = new_call_id()
        try:
            full = await self._admit(call_id, plan.owner)
            if full is not None:
                await of_full(full).answer_handshake(send)
                return
            await self._serve(call_id, plan, line)
        except BaseException:
            # Whatever goes wrong before there is a call: its seat is free again.
            self._calls.admission.leave(call_id)
            raise

    async def _admit(self, call_id: str, owner: Owner) -> Full | None:
        """Take a seat for the call. Asked before the upgrade, where a client's library reads the answer and waits as it is told."""
        if not self._life.serving:
            return DRAINING
        holder = owner.key_id if owner != LOCAL else ""
        return await self._calls.admission.take(call_id, holder)

    def _plan(self, query: dict[str, list[str]], admitted: Admitted) -> Plan | Joining | Refusal:
        """A call of its own, or a place in one that lives."""
        if "call_id" not in query:
            return unsupported(query) or plan_of(query, admitted)
        if query.keys() & {"model", "intent"}:
            message = "'call_id' names a session that is there; 'model' and 'intent' are for new ones."
            return Refusal(400, "mutually_exclusive_parameters", message, "call_id")
        call = self._calls.get(query["call_id"][0])
        if call is None or call.closed.done() or not admitted.owner.may_join(call.owner):
            # Whoever may not join it is not told that there is one.
            return Refusal(404, "call_id_not_found", "No session found for the provided call_id", "")
        returning = query.get("reattach", ["0"])[0] in ("1", "true")
        if returning and not reattach_s(call.machine.config):
            message = "This session does not wait for a client that dropped; set session.vivavoce.reattach_s."
            return Refusal(400, "reattach_not_enabled", message, "reattach")
        if len(call.attachments) > MOST_SIDEBANDS and not returning:
            return Refusal(429, "too_many_sidebands", f"This session has {MOST_SIDEBANDS} sidebands already.")
        lock = admitted.opening.lock if admitted.opening is not None else ()
        return Joining(call, returning, lock)

    async def _join(self, plan: Joining, line: Line) -> None:
        """A sideband, or the client of a call that dropped and is here again; the call's end is not this connection's matter."""
        await line.accept(plan.call.id)
        limits = self._calls.settings.server
        most = (
            limits.max_unsent_bytes if plan.returning else min(SIDEBAND_UNSENT_BYTES, limits.max_unsent_bytes)
        )
        attachment = self._attachment(plan.call, plan.lock, line, most)
        plan.call.join(attachment, returning=plan.returning)
        if plan.call.closed.done():  # It ended during the handshake.
            attachment.hang_up(1000, "the call is over")
        await attachment.run(plan.call)

    def _attachment(self, call: Call, lock: Lock, line: Line, max_unsent_bytes: int) -> WebSocketAttachment:
        self._sockets += 1
        dialect = self._dialect(line)
        if lock:
            dialect = hold(dialect, lock, lambda: call.machine.config)
        return WebSocketAttachment(
            f"ws{self._sockets}",
            dialect,
            line.receive,
            line.send,
            max_frame_bytes=self._calls.settings.server.max_frame_bytes,
            max_unsent_bytes=max_unsent_bytes,
            socket=line.socket,
        )

    def _dialect(self, line: Line) -> Dialect:
        return line.dialect

    async def _serve(self, call_id: str, plan: Plan, line: Line) -> None:
        calls = self._calls
        try:
            call = calls.open(
                plan.model,
                int(asyncio.get_running_loop().time() * 1000),
                call_id=call_id,
                owner=plan.owner,
                setup=plan.setup,
                via=plan.via,
            )
        except ClientError as error:
            # A client secret may be older than what it names: a stored prompt that is gone by now.
            calls.admission.leave(call_id)
            await of_mistake(error).answer_handshake(line.send)
            return
        try:
            await line.accept(call_id)
            attachment = self._attachment(call, plan.lock, line, calls.settings.server.max_unsent_bytes)
            call.join(attachment)
            await attachment.run(call)
            # A call whose client may come back outlives its connection.
            await call.closed
        finally:
            await calls.close(call)


class TranslationEndpoint(RealtimeEndpoint):
    """`WS /v1/realtime/translations`: served where the engine translates; otherwise who comes in with a good credential is told so."""

    def _plan(self, query: dict[str, list[str]], admitted: Admitted) -> Plan | Joining | Refusal:
        """A session of its own; there are no sidebands here."""
        if not self._calls.engine.capabilities.translates:
            message = "Translation sessions are not served yet. A conversation with instructions to translate is, at /v1/realtime."
            return Refusal(400, "translation_not_supported", message)
        opening = admitted.opening
        if opening is not None and opening.kind != "translation":
            message = "This client secret is not for translation sessions; they need one of their own."
            return Refusal(400, "invalid_session_type", message)
        given = opening.session if opening is not None else {}
        named = query.get("model", [None])[0] or (opening.model if opening is not None else None)
        setup = {**given, "type": "translation"}
        return Plan(admitted.owner, named or DEFAULT_TRANSLATOR, setup)

    def _dialect(self, line: Line) -> Dialect:
        return TRANSLATION


def plan_of(query: dict[str, list[str]], admitted: Admitted) -> Plan | Refusal:
    """What the address and the client secret say together. Where the secret says nothing, the address decides."""
    asked = query.get("model", [None])[0]
    opening = admitted.opening
    if opening is None:
        if asked is None and "intent" not in query:
            message = "Missing required parameter: 'model'. Connect with ?model=NAME, ?intent=transcription or ?call_id=ID."
            return Refusal(400, "missing_required_parameter", message, "model")
        return Plan(admitted.owner, asked or DEFAULT_MODEL, setup_of(query))
    if opening.kind == "translation":
        message = "This client secret is for translation sessions, which begin at /v1/realtime/translations."
        return Refusal(400, "invalid_session_type", message)
    if "intent" in query and opening.kind != "transcription":
        message = "This client secret is for conversations; transcription sessions need one of their own."
        return Refusal(400, "invalid_session_type", message, "intent")
    named = opening.model or DEFAULT_MODEL
    if "model" in opening.lock and asked not in (None, named):
        return Refusal(
            403, "locked_parameter", "The client secret of this connection locks the model.", "model"
        )
    return Plan(admitted.owner, asked or named, opening.session, opening.lock)


def going_round(calls: Calls, came_by: via.Names) -> Refusal | None:
    """A session that this server has relayed already is not relayed once more: it would never end."""
    upstream = calls.engine.capabilities.rest
    why = via.refusal(came_by, calls.settings.relay.name, upstream.host) if upstream is not None else None
    return None if why is None else Refusal(via.STATUS, via.CODE, why, type="server_error")


def unsupported(query: dict[str, list[str]]) -> Refusal | None:
    """What this endpoint does not serve is refused before the upgrade, by name."""
    intent = query.get("intent", ["transcription"])
    if intent != ["transcription"]:
        return Refusal(
            400, "invalid_intent", f"Invalid value: '{intent[0]}'. Supported values are: 'transcription'."
        )
    return None


def setup_of(query: dict[str, list[str]]) -> dict[str, Any] | None:
    """What the address says about the session. A model beside the intent names what transcribes, as some clients send it."""
    if "intent" not in query:
        return None
    named = {"transcription": {"model": query["model"][0]}} if "model" in query else {}
    return {"type": "transcription", "audio": {"input": named}}
