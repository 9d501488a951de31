"""uvicorn as this server runs it: where it listens, whom it waits for, how it stops."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.config import STARTUP_FAILURE

from vivavoce.call.owner import NOBODY
from vivavoce.call.ports import Engine
from vivavoce.call.registry import Calls
from vivavoce.call.settings import Settings
from vivavoce.server.app import create_app
from vivavoce.server.life import GOODBYE, Life, Stage
from vivavoce.server.tls import Certificate
from vivavoce.transports.front_door import FrontDoor, Porch
from vivavoce.transports.uvicorn_socket import UvicornSocket

log = logging.getLogger("vivavoce.server")

LARGEST_MESSAGE_BYTES = 64 * 1024 * 1024
"""Above this a socket is closed with 1009; between `max_frame_bytes` and this a message is refused and the session goes on."""
BACKLOG = 2048
PING_EVERY_S = 30.0
"""Proxies hang up on connections that were still for a minute; a client that is gone is noticed after this and uvicorn's patience of 20 s."""
TOLD_S = 2.0
"""How long clients may take to answer the close frame before the connection is cut."""
FORCED_S = 0.3
"""The same where nobody wants to wait: time to write it."""
TICK_S = 0.1
TICKS_A_DAY = 864_000
_REFRESH_TICKS = 600
"""A minute."""

OnStarted = Callable[[str, int], None]


class Server(uvicorn.Server):
    """One process that serves."""

    def __init__(
        self,
        config: uvicorn.Config,
        calls: Calls,
        life: Life,
        on_started: OnStarted,
        certificate: Certificate | None = None,
    ) -> None:
        super().__init__(config)
        self.life = life
        self.certificate = certificate
        self._calls = calls
        limits = calls.settings.limits
        self._handshake_s = limits.handshake_s
        self._porch = Porch(limits.max_waiting, limits.handshake_s)
        self._on_started = on_started
        self._nap: asyncio.Future[None] | None = None

    def leave(self) -> None:
        """End now rather than at the next tick; for whoever runs the server inside a program of their own."""
        self.should_exit = True
        _wake(self._nap)

    async def main_loop(self) -> None:
        """Tick until it is time to end: uvicorn's loop, but for a nap that `leave` breaks off."""
        loop, counter = asyncio.get_running_loop(), 0
        while not await self.on_tick(counter):
            counter = (counter + 1) % TICKS_A_DAY
            self._nap = loop.create_future()
            timer = loop.call_later(TICK_S, _wake, self._nap)
            try:
                await self._nap
            finally:
                timer.cancel()

    def sessions(self) -> int:
        """Sessions that a drain waits for: not for the probe of readiness, which is nobody's."""
        return sum(call.owner is not NOBODY for call in self._calls)

    def protocol(self) -> FrontDoor:
        """For one connection."""
        return FrontDoor(
            self._porch,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )

    def tls(self) -> dict[str, Any]:
        """How a connection from outside is wrapped; empty: it is not."""
        if self.certificate is None:
            return {}
        return {"ssl": self.certificate.context, "ssl_handshake_timeout": self._handshake_s}

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the engine, then listen, then say so."""
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(STARTUP_FAILURE)
        try:
            self.servers = await self.listen()
        except OSError as error:
            log.error("cannot listen: %s", error)
            await self.lifespan.shutdown()
            sys.exit(STARTUP_FAILURE)
        self.started = True
        if not self.should_exit:
            self._on_started(*self._address())

    async def listen(self) -> list[asyncio.base_events.Server]:
        """Open the port."""
        loop = asyncio.get_running_loop()
        host, port = self.config.host, self.config.port
        return [await loop.create_server(self.protocol, host, port, backlog=BACKLOG, **self.tls())]

    def _address(self) -> tuple[str, int]:
        for server in self.servers:
            for listening in server.sockets:
                host, port = listening.getsockname()[:2]
                return host, port
        return self.config.host, self.config.port

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second."""
        if self.certificate is not None and counter % _REFRESH_TICKS == _REFRESH_TICKS - 1:
            self.certificate.refresh()
        if self.life.look(self.sessions()):
            self.should_exit = True
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal. It is not raised again at the end: to stop when told to is success."""
        if sig == signal.SIGINT:
            self.life.broken_off()
        else:
            self.life.interrupted(self.sessions())
        if self.life.stage is Stage.FORCED:
            self.force_exit = self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Say goodbye to every client (1001, with the reason), wait for their answers, end the engine."""
        self.life.stop()
        for server in self.servers:
            server.close()
        await self._calls.close_all(GOODBYE)
        await self._until_told()
        if self.server_state.connections or self.server_state.tasks:
            await super().shutdown(sockets)
        elif not self.force_exit:
            # uvicorn gives connections a moment to close, also where there are none.
            await self.lifespan.shutdown()
        if self.force_exit:
            await self._end_at_once()

    async def _end_at_once(self) -> None:
        """Nobody wants to wait. uvicorn then leaves the application as it is, and logs a traceback of how it was cut off."""
        try:
            async with asyncio.timeout(FORCED_S):
                await self.lifespan.shutdown()
        except TimeoutError:
            logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)

    async def _until_told(self) -> None:
        """uvicorn cuts what is open with a close frame of its own, without a word; so nothing should be open then."""
        begun_s = asyncio.get_running_loop().time()
        while any(isinstance(each, UvicornSocket) for each in self.server_state.connections):
            waited_s = asyncio.get_running_loop().time() - begun_s
            if waited_s > (FORCED_S if self.force_exit else TOLD_S):
                return
            await asyncio.sleep(0.02)


def _wake(sleeper: asyncio.Future[None] | None) -> None:
    if sleeper is not None and not sleeper.done():
        sleeper.set_result(None)


def make_config(app: FastAPI, settings: Settings, certificate: Certificate | None) -> uvicorn.Config:
    """uvicorn's settings for an application."""
    return uvicorn.Config(
        app,
        host=settings.server.host,
        port=settings.server.port,
        ws=UvicornSocket,
        ws_max_size=LARGEST_MESSAGE_BYTES,
        ws_per_message_deflate=False,
        ws_ping_interval=PING_EVERY_S,
        log_config=None,
        access_log=False,
        lifespan="on",
        ssl_context_factory=None if certificate is None else lambda _config, _default: certificate.context,
        timeout_graceful_shutdown=3,
    )


def make_server(
    settings: Settings,
    engine: Engine,
    on_started: OnStarted,
    certificate: Certificate | None = None,
) -> Server:
    """A server ready to `serve()` or `run()`."""
    life = Life(settings.server.drain_s)
    app = create_app(settings, engine, life)
    return Server(make_config(app, settings, certificate), app.state.calls, life, on_started, certificate)
