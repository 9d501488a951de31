"""A server inside a running program: for commands that need one for as long as they run."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator

import msgspec

from vivavoce.call.ports import Engine, EngineCall, Stages
from vivavoce.call.settings import Settings, SettingsError
from vivavoce.server.engines import make_engine
from vivavoce.server.listening import Server, make_server
from vivavoce.session.signals import Signal


class ServerFailed(Exception):
    """The server could not be started; the message is one line that says why."""


class WatchedEngine:
    """An engine whose failure to start is kept: the web server would only log it, as a traceback."""

    def __init__(self, engine: Engine) -> None:
        self.failure: BaseException | None = None
        self.capabilities = engine.capabilities
        self.names = engine.names
        self._engine = engine
        self._starting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the engine; what a start that failed or was given up has begun is ended."""
        self._starting = asyncio.create_task(self._engine.start())
        await asyncio.wait({self._starting})
        if self._starting.cancelled():
            self.failure = ServerFailed("the start was given up")
        else:
            self.failure = self._starting.exception()
        if self.failure is not None:
            await self._engine.close()
            raise self.failure
        # What answers may be known better now than before.
        self.capabilities, self.names = self._engine.capabilities, self._engine.names

    def give_up(self) -> None:
        """Nobody waits for the start any more: loading models may take long."""
        if self._starting is not None:
            self._starting.cancel()

    def open(self, call_id: str, emit: Callable[[Signal], None]) -> EngineCall:
        """Join a call."""
        return self._engine.open(call_id, emit)

    def stages(self) -> Stages | None:
        """What the engine is made of."""
        return self._engine.stages()

    async def close(self) -> None:
        """End the engine."""
        await self._engine.close()


@contextlib.asynccontextmanager
async def running_server(settings: Settings) -> AsyncIterator[str]:
    """Serve on a free loopback port in the running event loop; gives the address, `http://127.0.0.1:PORT`.

    Host and port of the settings do not count, its keys do. Signals stay with the program: it ends the server by leaving the
    block. Raises ServerFailed when the engine cannot be made or started.
    """
    try:
        engine = WatchedEngine(make_engine(settings))
    except (SettingsError, ImportError, OSError) as error:
        raise ServerFailed(_one_line(error)) from error
    listening = asyncio.get_running_loop().create_future()
    place = msgspec.structs.replace(settings.server, host="127.0.0.1", port=0)
    server = make_server(
        msgspec.structs.replace(settings, server=place),
        engine,
        lambda host, port: listening.set_result(f"http://{host}:{port}"),
    )
    with _quiet():
        serving = asyncio.create_task(_serve(server), name="embedded server")
        try:
            await asyncio.wait({serving, listening}, return_when=asyncio.FIRST_COMPLETED)
            if not listening.done():
                raise ServerFailed(_reason(engine, serving))
            yield listening.result()
        finally:
            engine.give_up()
            await _stop(server, serving)


async def _serve(server: Server) -> str | None:
    """Run the server; returns what kept it from running."""
    try:
        # `serve` is this with signal handlers around it, and those belong to the program.
        await server._serve()
    except SystemExit:
        # uvicorn's way to say that start-up failed; it must not end the program that the server is a part of.
        return "the server could not start"
    return None


async def _stop(server: Server, serving: asyncio.Task[str | None]) -> None:
    server.leave()
    cancelled: asyncio.CancelledError | None = None
    while not serving.done():
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError as error:
            # Whoever waits was cancelled while the engine ends its processes: be quick, but do end them.
            server.force_exit, cancelled = True, error
    if cancelled is not None:
        raise cancelled


def _reason(engine: WatchedEngine, serving: asyncio.Task[str | None]) -> str:
    failure = engine.failure or serving.exception()
    return serving.result() or "the server stopped at once" if failure is None else _one_line(failure)


def _one_line(error: BaseException) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """uvicorn logs what is raised here anyway."""
    log = logging.getLogger("uvicorn")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)
