"""Who may ask: the one place where these endpoints meet the rules of `server.auth`."""

from __future__ import annotations

import hashlib

from starlette.requests import Request

from vivavoce.server.auth import Authority, Refusal, bearer


def refusal(request: Request) -> Refusal | None:
    """None when the request may come in. Reads headers only: nobody uploads anything before being let in."""
    authority: Authority = request.app.state.authority
    admitted = authority.admit(request.headers)
    return admitted if isinstance(admitted, Refusal) else None


def owner(request: Request) -> str:
    """Whose kept responses a request may see: those made with the same key. Not the key itself."""
    headers = request.headers
    key = bearer(headers.get("authorization"), (), headers.get("api-key")) or ""
    return hashlib.sha256(key.encode()).hexdigest()
