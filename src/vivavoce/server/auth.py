"""Who may connect: API keys, and where a browser's page may come from."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
KEY_SUBPROTOCOL = "openai-insecure-api-key."
"""Browsers cannot set headers on a WebSocket, so the key travels as a sub-protocol (protocol reference 1.2)."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not served: HTTP status and the body's error fields."""

    status: int
    code: str
    message: str

    def body(self) -> dict[str, object]:
        """The error in the API's shape (protocol reference 1.3)."""
        error = {"message": self.message, "type": "invalid_request_error", "code": self.code, "param": None}
        return {"error": error}


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reachable from this machine only."""
    return host in LOOPBACK_HOSTS or host.startswith("127.")


def bearer(authorization: str | None, subprotocols: Sequence[str]) -> str | None:
    """The key a client presents, by header or sub-protocol."""
    scheme, _, value = (authorization or "").partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()
    for token in subprotocols:
        if token.startswith(KEY_SUBPROTOCOL):
            return token.removeprefix(KEY_SUBPROTOCOL)
    return None


def check(keys: Sequence[str], key: str | None, origin: str | None, host: str | None) -> Refusal | None:
    """None when the client may come in. `host` is what the request was addressed to.

    Without configured keys any bearer will do, since only this machine can connect; but then a page of some other site, open in a
    browser on this machine, must not be able to (cross-site WebSocket hijacking), so foreign origins are refused.
    """
    # With keys the server's own page may be open anywhere; without, an address that somebody's name server gave out is not proof enough.
    own_page = bool(keys) and host is not None and _place(origin) == host.lower()
    if origin is not None and not own_page and not _is_local_page(origin):
        return Refusal(403, "origin_not_allowed", f"Pages of {origin} may not connect to this server.")
    if keys and not any(hmac.compare_digest(known.encode(), (key or "").encode()) for known in keys):
        message = "Incorrect API key provided." if key else "You didn't provide an API key."
        return Refusal(401, "invalid_api_key", message)
    return None


def _place(origin: str | None) -> str | None:
    """Host and port of an origin, as a Host header has them."""
    try:
        return urlsplit(origin or "").netloc.lower() or None
    except ValueError:
        return None


def _is_local_page(origin: str) -> bool:
    try:
        return urlsplit(origin).hostname in LOOPBACK_HOSTS
    except ValueError:
        return False
