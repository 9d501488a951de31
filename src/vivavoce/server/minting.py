"""Client secrets over REST: the current endpoint, its translation variant, and the two older ones (protocol reference 1.4, 1.5)."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from vivavoce.call.registry import Calls, opening_session
from vivavoce.protocol import beta, errors
from vivavoce.protocol.decode import MAX_NESTING, deeper_than, parse_object
from vivavoce.protocol.encode import to_plain
from vivavoce.protocol.errors import ClientError
from vivavoce.protocol.field_reading import expect_object, read
from vivavoce.protocol.ids import IdSource
from vivavoce.protocol.locks import EVERYTHING, Lock
from vivavoce.protocol.refusals import kind_of
from vivavoce.protocol.session_objects import (
    SessionObject,
    TranscriptionSessionObject,
    TranslationSessionObject,
)
from vivavoce.protocol.translation_sessions import read_translation
from vivavoce.server.auth import Admitted, Authority
from vivavoce.server.client_secrets import Kind, Opening, SecretsError
from vivavoce.server.refusal import Refusal, of_mistake

log = logging.getLogger("vivavoce.server")

DEFAULT_MODEL: Final = "gpt-realtime-2"
SHORTEST_S, DEFAULT_S, LONGEST_S = 10, 600, 7200
LARGEST_BODY_BYTES: Final = 1024 * 1024

Reply = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be minted: how its sessions begin, what they will look like, and for how long in seconds."""

    opening: Opening
    session: SessionObject | TranscriptionSessionObject | TranslationSessionObject
    ttl_s: int


Read = Callable[[Calls, dict[str, Any]], Order]
Answer = Callable[[Order, str, int], Reply]


def add_minting_routes(app: FastAPI, authority: Authority, calls: Calls) -> None:
    """The four endpoints."""

    def route(path: str, summary: str, read_order: Read, answer: Answer) -> None:
        async def endpoint(request: Request) -> Response:
            admitted = authority.admit(request.headers)
            if isinstance(admitted, Refusal):
                return admitted.response()
            try:
                order = read_order(calls, await _read_body(request))
                return JSONResponse(await _mint(authority, admitted, order, answer))
            except ClientError as error:
                refusal = of_mistake(error)
                if error.code == "request_too_large":
                    refusal = replace(refusal, status=413)
                return refusal.response()
            except SecretsError as error:
                log.error("no client secret can be made: %s", error)
                message = "The server cannot keep client secrets; its log says why."
                return Refusal(500, "server_error", message, type="server_error").response()

        app.add_api_route(path, endpoint, methods=["POST"], summary=summary, openapi_extra=OBJECT_BODY)

    route("/v1/realtime/client_secrets", "Create a client secret", read_order, answer_ga)
    route(
        "/v1/realtime/translations/client_secrets",
        "Create a client secret for translation",
        read_translation_order,
        answer_ga,
    )
    route("/v1/realtime/sessions", "Create a session (beta)", read_beta_order, answer_beta)
    route(
        "/v1/realtime/transcription_sessions",
        "Create a transcription session (beta)",
        read_beta_transcription_order,
        answer_beta,
    )


OBJECT_BODY: Final[dict[str, Any]] = {
    "requestBody": {"required": False, "content": {"application/json": {"schema": {"type": "object"}}}}
}


async def _read_body(request: Request) -> dict[str, Any]:
    """The body as an object; none at all is an empty one. Raises ClientError."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY_BYTES:
            message = f"The request is larger than {LARGEST_BODY_BYTES} bytes."
            raise ClientError("request_too_large", message)
    if not body.strip():
        return {}
    raw = parse_object(bytes(body))
    if deeper_than(raw, MAX_NESTING):
        raise errors.invalid_json(f"it is nested more than {MAX_NESTING} levels deep.")
    return raw


async def _mint(authority: Authority, admitted: Admitted, order: Order, answer: Answer) -> Reply:
    # Off the event loop: writing waits for the disk.
    value, expires_at = await asyncio.to_thread(
        authority.secrets.mint, admitted.owner.key_id, order.opening, order.ttl_s
    )
    log.info("%s made a client secret for %d s", admitted.owner.key_id, order.ttl_s)
    return answer(order, value, expires_at)


# --- what is asked for --------------------------------------------------------------------------------------------------


def read_order(calls: Calls, body: dict[str, Any]) -> Order:
    """`POST /v1/realtime/client_secrets`. Both fields are optional. Raises ClientError."""
    ttl_s = _ttl_s(body.get("expires_after"), "expires_after", DEFAULT_S)
    lock = _lock(body.get("vivavoce"))
    given = body.get("session")
    session = {"type": "realtime"} if given is None else expect_object(given, "session")
    return _order(calls, session, ttl_s, lock)


def read_translation_order(calls: Calls, body: dict[str, Any]) -> Order:
    """`POST /v1/realtime/translations/client_secrets`: a session with a model, and no type in it. Raises ClientError."""
    ttl_s = _ttl_s(body.get("expires_after"), "expires_after", DEFAULT_S)
    if body.get("session") is None:
        raise errors.missing_parameter("session")
    given = expect_object(body["session"], "session")
    session = read_translation(given, _new_session_id())
    opening = Opening(kind="translation", model=session.model, session=_without(given, "type", "model"))
    return Order(opening, session, ttl_s)


def read_beta_order(calls: Calls, body: dict[str, Any]) -> Order:
    """`POST /v1/realtime/sessions`: a flat session with the secret's lifetime in it. Raises ClientError."""
    ttl_s = _beta_ttl_s(body, "expires_after")
    with beta.body_is_session():
        session = beta.nested_session(_without(body, "client_secret"), "realtime")
        return _order(calls, session, ttl_s)


def read_beta_transcription_order(calls: Calls, body: dict[str, Any]) -> Order:
    """`POST /v1/realtime/transcription_sessions`: the same, with `expires_at` for the lifetime. Raises ClientError."""
    ttl_s = _beta_ttl_s(body, "expires_at")
    with beta.body_is_session():
        session = beta.nested_session(_without(body, "client_secret"), "transcription")
        return _order(calls, session, ttl_s)


def _order(calls: Calls, session: dict[str, Any], ttl_s: int, lock: Lock = ()) -> Order:
    """An order for a session in the words of `session.update`, whose type makes the kind."""
    kind: Kind = "transcription" if session.get("type") == "transcription" else "realtime"
    if session.get("type") == "translation":
        raise errors.unsupported_value("session.type", "translation", ("realtime", "transcription"))
    model = read(session.get("model"), str | None, "session.model") if kind == "realtime" else None
    opened = opening_session(
        calls.settings, calls.engine, _new_session_id(), model or DEFAULT_MODEL, time.time()
    )
    merged = msgspec.structs.replace(calls.set_up(opened, session), expires_at=0)
    opening = Opening(kind=kind, model=model or None, session=_without(session, "model"), lock=lock)
    return Order(opening, merged, ttl_s)


def _new_session_id() -> str:
    return IdSource(secrets.token_hex(16)).new("sess")


def _without(given: dict[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in given.items() if key not in names}


def _beta_ttl_s(body: dict[str, Any], name: str) -> int:
    given = body.get("client_secret")
    if given is None:
        return DEFAULT_S
    return _ttl_s(expect_object(given, "client_secret").get(name), f"client_secret.{name}", DEFAULT_S)


def _ttl_s(given: Any, path: str, default_s: int) -> int:
    """A lifetime: `{"anchor": "created_at", "seconds": 10 to 7200}`, both optional."""
    if given is None:
        return default_s
    given = expect_object(given, path)
    anchor = given.get("anchor")
    if anchor not in (None, "created_at"):
        if not isinstance(anchor, str):
            raise errors.invalid_type(f"{path}.anchor", "a string", kind_of(anchor))
        raise errors.unsupported_value(f"{path}.anchor", anchor, ("created_at",))
    seconds = given.get("seconds")
    if seconds is None:
        return default_s
    if isinstance(seconds, float) and seconds.is_integer():
        seconds = int(seconds)
    if isinstance(seconds, bool) or not isinstance(seconds, int):
        raise errors.invalid_type(f"{path}.seconds", "an integer", kind_of(seconds))
    if not SHORTEST_S <= seconds <= LONGEST_S:
        expected = f"an integer between {SHORTEST_S} and {LONGEST_S}"
        raise errors.invalid_value(f"{path}.seconds", seconds, expected)
    return seconds


def _lock(given: Any) -> Lock:
    """Our own field: `{"lock": true}`, or a list of what is locked."""
    if given is None:
        return ()
    lock = expect_object(given, "vivavoce").get("lock")
    if isinstance(lock, bool) or lock is None:
        return EVERYTHING if lock else ()
    chosen: Lock = read(lock, Lock, "vivavoce.lock")
    return tuple(one for one in EVERYTHING if one in chosen)


# --- what is answered ---------------------------------------------------------------------------------------------------


def answer_ga(order: Order, value: str, expires_at: int) -> Reply:
    """`{value, expires_at, session}`, and what is locked where something is."""
    reply: Reply = {"value": value, "expires_at": expires_at, "session": to_plain(order.session)}
    if order.opening.lock:
        reply["vivavoce"] = {"lock": list(order.opening.lock)}
    return reply


def answer_beta(order: Order, value: str, expires_at: int) -> Reply:
    """The flat session with the secret in it."""
    session = beta.flat_session(to_plain(order.session))
    return session | {"client_secret": {"value": value, "expires_at": expires_at}}
