"""Live calls over REST: hanging up (protocol reference 1.7), and hints about what is likely wrong with a client."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from vivavoce.call.owner import Owner
from vivavoce.call.registry import Calls
from vivavoce.server.auth import Authority
from vivavoce.server.refusal import Refusal

NOT_FOUND = Refusal(404, "call_id_not_found", "No session found for the provided call_id", "")
"""Whoever may not know of a call is answered as if there were none."""

HUNG_UP = "hung up by request"
"""The reason of the close frame (1000)."""


def add_call_routes(app: FastAPI, authority: Authority, calls: Calls) -> None:
    """The endpoints; both take API keys, not client secrets."""

    def refusal(request: Request, owner: Owner | None) -> Response | None:
        admitted = authority.admit(request.headers)
        if isinstance(admitted, Refusal):
            return admitted.response()
        return None if owner is not None and admitted.owner.may_join(owner) else NOT_FOUND.response()

    @app.post("/v1/realtime/calls/{call_id}/hangup", responses=REFUSALS)
    async def hang_up(call_id: str, request: Request) -> Response:
        """End a call, whatever carries it."""
        call = calls.get(call_id)
        refused = refusal(request, call.owner if call is not None else None)
        if refused is None and call is not None:
            call.hang_up(1000, HUNG_UP)
        return refused or Response()

    @app.get("/v1/vivavoce/calls/{call_id}/hints", responses=REFUSALS)
    async def list_hints(call_id: str, request: Request) -> Response:
        """What is likely wrong with a call's client, oldest first; also of calls that ended not long ago."""
        known = calls.hints(call_id)
        refused = refusal(request, known[0] if known is not None else None)
        if refused is not None or known is None:
            return refused or NOT_FOUND.response()
        found = known[1].look(int(asyncio.get_running_loop().time() * 1000))
        listed = [{"code": hint.code, "message": hint.message, "at_ms": hint.at_ms} for hint in found]
        return JSONResponse({"object": "list", "data": listed})


def add_load_route(app: FastAPI, authority: Authority, calls: Calls) -> None:
    """How busy the server is, for whoever runs it."""

    @app.get("/v1/vivavoce/load", responses=REFUSALS)
    async def show_load(request: Request) -> Response:
        """Sessions of all processes, and who was refused; sessions and tasks of the process that answers."""
        admitted = authority.admit(request.headers)
        if isinstance(admitted, Refusal):
            return admitted.response()
        taken = await calls.admission.look()
        return JSONResponse(
            {
                "object": "load",
                "sessions": taken.sessions,
                "max_sessions": calls.settings.limits.max_sessions,
                "refused": taken.refused,
                "process": {"id": os.getpid(), "sessions": len(calls), "tasks": len(asyncio.all_tasks())},
            }
        )


REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {"description": "No API key, or a wrong one."},
    403: {"description": "A page that may not connect."},
    404: {"description": "No such call of this key."},
}
