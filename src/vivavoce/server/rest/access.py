"""Who may ask: the one place where these endpoints meet the rules of `server.auth`."""

from __future__ import annotations

from starlette.requests import Request

from vivavoce.call.owner import Owner
from vivavoce.server.auth import Authority
from vivavoce.server.refusal import Refusal


def refusal(request: Request) -> Refusal | None:
    """None when the request may come in. Reads headers only: nobody uploads anything before being let in."""
    authority: Authority = request.app.state.authority
    admitted = authority.admit(request.headers)
    if isinstance(admitted, Refusal):
        return admitted
    # In the scope, which a request that is wrapped anew still has.
    request.state.owner = admitted.owner
    return None


def owner(request: Request) -> str:
    """Whose kept responses a request may see: those made with the same key. The key's name, not the key; known once it was let in."""
    who: Owner = request.state.owner
    return who.key_id
