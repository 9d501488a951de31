"""The application: routes, and the engine's life."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response

import vivavoce
from vivavoce.call.ports import Engine
from vivavoce.call.registry import Calls
from vivavoce.call.settings import Settings
from vivavoce.mcp.tools import McpServers
from vivavoce.server.auth import Authority
from vivavoce.server.calls import add_call_routes, add_load_route
from vivavoce.server.cors import Cors
from vivavoce.server.gate import Gate
from vivavoce.server.life import GOODBYE, Life
from vivavoce.server.minting import add_minting_routes
from vivavoce.server.readiness import Readiness
from vivavoce.server.realtime import RealtimeEndpoint, TranslationEndpoint
from vivavoce.server.refusal import Refusal
from vivavoce.server.rest.mount import mount_rest
from vivavoce.server.shared import Shared
from vivavoce.server.sockets import Sockets
from vivavoce.server.turnstile import of_requests, own_entrance
from vivavoce.server.wrong_addresses import NoSocketHere, add_wrong_addresses

PAGE = Path(__file__).parent / "page"
PAGE_HEADERS = {
    # Nothing from elsewhere, and nothing old after an update.
    "Content-Security-Policy": "default-src 'self'; connect-src 'self' ws: wss:; frame-ancestors 'none'",
    "Cache-Control": "no-cache",
}

MODELS = (
    "gpt-realtime-2",
    "gpt-realtime-2.1",
    "gpt-realtime-2.1-mini",
    "gpt-realtime-1.5",
    "gpt-realtime",
    "gpt-realtime-mini",
    "gpt-4o-realtime-preview",
)
"""Names clients ask for. Any other is accepted as well, and all are answered by the configured engine."""
CREATED = 1_778_112_000
"""2026-05-07, when the models of this list were introduced."""


def create_app(
    settings: Settings, engine: Engine, life: Life | None = None, shared: Shared | None = None
) -> FastAPI:
    """The server as an ASGI application. The engine is started and closed with it.

    `life`: tells when nobody may come in any more. `shared`: what is common with others, where several processes serve.
    """
    life = life or Life(settings.server.drain_s)
    shared = shared or Shared()
    calls = Calls(settings, engine, shared.admission, McpServers(settings.mcp), shared.rates)
    readiness = Readiness()
    authority = Authority(settings)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await engine.start()
        first_turn = asyncio.create_task(readiness.establish(calls))
        try:
            yield
        finally:
            first_turn.cancel()
            await asyncio.gather(first_turn, return_exceptions=True)
            await calls.close_all(GOODBYE)
            await engine.close()

    app = FastAPI(title="vivavoce", version=vivavoce.__version__, lifespan=lifespan)
    app.state.calls = calls
    app.state.readiness = readiness
    app.state.authority = authority
    app.state.sockets = {
        "/v1/realtime": RealtimeEndpoint(calls, life, authority),
        "/v1/realtime/translations": TranslationEndpoint(calls, life, authority),
    }
    add_wrong_addresses(app)
    app.add_middleware(Gate, entrance=shared.requests or own_entrance(of_requests(settings)), life=life)
    app.add_middleware(Cors, authority=authority)
    # The outermost, so that nothing that is for REST stands before a handshake.
    app.add_middleware(Sockets, endpoints=app.state.sockets, elsewhere=NoSocketHere())
    _add_routes(app, authority, readiness, life)
    add_minting_routes(app, authority, calls)
    add_call_routes(app, authority, calls)
    add_load_route(app, authority, calls)
    mount_rest(app, settings, engine, shared.shelf, shared.work)
    return app


def _add_routes(app: FastAPI, authority: Authority, readiness: Readiness, life: Life) -> None:
    def refused(request: Request) -> Response | None:
        admitted = authority.admit(request.headers)
        return admitted.response() if isinstance(admitted, Refusal) else None

    @app.get("/v1/models")
    async def list_models(request: Request) -> Response:
        """The names that clients ask for."""
        return refused(request) or JSONResponse({"object": "list", "data": [model(name) for name in MODELS]})

    @app.get("/v1/models/{name}")
    async def get_model(name: str, request: Request) -> Response:
        """One model; any name is answered."""
        return refused(request) or JSONResponse(model(name))

    @app.get("/healthz")
    async def healthz() -> Response:
        """The process is alive."""
        return JSONResponse({"status": "ok"})

    @app.get("/readyz")
    async def readyz() -> Response:
        """A turn has gone through the engine, and new sessions are let in."""
        if not life.serving:
            return JSONResponse({"status": "draining", "reason": "the server is about to stop"}, 503)
        status = 200 if readiness.state == "ready" else 503
        return JSONResponse({"status": readiness.state, "reason": readiness.reason}, status)

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        """Talk to the server from a browser."""
        return FileResponse(PAGE / "index.html", headers=PAGE_HEADERS)

    @app.get("/page/{name}", include_in_schema=False)
    async def page_file(name: str) -> Response:
        """What the page is made of."""
        path = PAGE / name
        if "/" in name or not path.is_file():
            return JSONResponse({"detail": "Not Found"}, 404)
        return FileResponse(path, headers=PAGE_HEADERS)


def model(name: str) -> dict[str, object]:
    """A model as the API describes one."""
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "vivavoce", "shutdown_date": None}
