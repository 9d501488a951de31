"""Puts the REST endpoints onto the application."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI

from vivavoce.call.ports import Engine
from vivavoce.call.settings import Settings
from vivavoce.server.rest import chat, responses, speech, transcriptions
from vivavoce.server.rest.kept import AskShelf
from vivavoce.server.rest.office import Office
from vivavoce.server.turnstile import Entrance


def mount_rest(
    app: FastAPI,
    settings: Settings,
    engine: Engine,
    shelf: AskShelf | None = None,
    seats: Entrance | None = None,
) -> None:
    """Add the routes. What they share is `app.state.office`; its processes start when first needed and end with the server.

    `shelf`: where is kept what clients come back to, `seats`: where those are counted who work; if not in this process.
    """
    office = Office(settings, engine, shelf, seats)
    app.state.office = office
    for room in (speech, transcriptions, responses, chat):
        app.include_router(room.router)
    life_before = app.router.lifespan_context

    @contextlib.asynccontextmanager
    async def life(served: FastAPI) -> AsyncIterator[Any]:
        async with life_before(served) as state:
            try:
                yield state
            finally:
                await office.close()

    app.router.lifespan_context = life
