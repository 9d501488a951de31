"""One of several processes that serve: `python -m vivavoce.server.worker FD PARENT`, started by the supervisor only.

It listens nowhere. Connections are handed to it, seats for sessions are asked for, and it ends with the line to the supervisor.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from types import FrameType

from vivavoce.call.admission import Full, Taken
from vivavoce.call.rates import Rates
from vivavoce.call.settings import Settings, SettingsError
from vivavoce.engines.workers.main import die_with_parent
from vivavoce.server import tls
from vivavoce.server.app import create_app
from vivavoce.server.elsewhere import Elsewhere
from vivavoce.server.engines import make_engine
from vivavoce.server.life import Life
from vivavoce.server.line import (
    Begin,
    Connection,
    Downward,
    Drain,
    Enter,
    Exit,
    Leave,
    Line,
    Look,
    OnShelf,
    Reach,
    Reply,
    Spent,
    Started,
    Stop,
    Take,
    Unable,
    downward_decoder,
)
from vivavoce.server.listening import Server, make_config
from vivavoce.server.rest.kept import ShelfRequest
from vivavoce.server.run import set_up_logging
from vivavoce.server.shared import Shared
from vivavoce.server.turnstile import Entrance, Tell, Which

log = logging.getLogger("vivavoce.server")


class Supervised:
    """What several processes share, as one of them sees it: the supervisor has the table of seats and the shelf."""

    def __init__(self, line: Line[Downward]) -> None:
        self._line = line
        self._waiting: dict[int, Callable[[Reply], None]] = {}
        self._numbers = itertools.count(1)

    async def look(self) -> Taken:
        """Ask how full it is."""
        taken = (await self._ask(lambda number: self._line.send(Look(number)))).taken
        assert taken is not None
        return taken

    async def take(self, call_id: str, holder: str) -> Full | None:
        """Ask, and wait for the answer."""
        return (await self._ask(lambda number: self._line.send(Take(number, call_id, holder)))).full

    def leave(self, call_id: str) -> None:
        """Say so."""
        self._line.send(Leave(call_id))

    async def reach(self, call_id: str) -> socket.socket | None:
        """A connection to the process that has a call; None where no other has it."""
        ours, theirs = socket.socketpair()
        try:
            reply = await self._ask(lambda number: self._line.send(Reach(number, call_id), theirs))
        except BaseException:
            ours.close()
            raise
        if reply.found:
            ours.setblocking(False)
            return ours
        ours.close()
        return None

    async def ask(self, request: ShelfRequest) -> bytes | None:
        """Put on the shelf or look there; the answer says that it is done."""
        return (await self._ask(lambda number: self._line.send(OnShelf(number, request)))).body

    def entrance(self, turnstile: Which) -> Entrance:
        """A turnstile of the supervisor's."""

        def ask(number: int, holder: str, tell: Tell) -> None:
            self._waiting[number] = lambda reply: tell(reply.full)
            self._line.send(Enter(number, turnstile, holder))

        def leave(number: int) -> None:
            self._waiting.pop(number, None)
            self._line.send(Exit(number, turnstile))

        return Entrance(ask, leave, self._numbers)

    def spent(self, key_id: str, requests: int, tokens: int) -> None:
        """Tell the other processes what was taken out of a key's limits."""
        self._line.send(Spent(key_id, requests, tokens))

    def answered(self, reply: Reply) -> None:
        """The supervisor's answer."""
        waiting = self._waiting.pop(reply.number, None)
        if waiting is not None:
            waiting(reply)

    async def _ask(self, send: Callable[[int], None]) -> Reply:
        number = next(self._numbers)
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[number] = lambda reply: None if answer.done() else answer.set_result(reply)
        send(number)
        return await answer


class HandedServer(Server):
    """A server that is handed its connections, and whose end others decide."""

    async def listen(self) -> list[asyncio.base_events.Server]:
        """Nowhere."""
        return []

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Ctrl-C goes to the whole terminal, some stop whole groups: the supervisor knows what it means."""

    def sessions(self) -> int:
        """A drain is over when the supervisor says so."""
        return 1

    async def take(self, connection: socket.socket, inside: bool) -> None:
        """Serve a connection."""
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(self.protocol, connection, **({} if inside else self.tls()))
        except (OSError, asyncio.CancelledError):
            # A TLS handshake that failed, or a client that is gone.
            connection.close()


class Worker:
    """The process: from the first frame on its line to the last."""

    def __init__(self, end: socket.socket) -> None:
        self._line: Line[Downward] = Line(end, downward_decoder, self._hear, lambda: os._exit(1))
        self._supervised = Supervised(self._line)
        self._rates: Rates | None = None
        self._begin: asyncio.Future[Begin] = asyncio.get_running_loop().create_future()
        self._server: HandedServer | None = None
        self._taking: set[asyncio.Task[None]] = set()

    async def run(self) -> int:
        """Serve until told to stop; the exit code."""
        begin = await self._begin
        set_up_logging(begin.settings)
        try:
            self._server = self._make(begin.settings)
        except SettingsError as error:
            self._line.send(Unable(str(error)))
            return 2
        await self._server.serve()
        return 0 if self._server.started else 3

    def _make(self, settings: Settings) -> HandedServer:
        engine = make_engine(settings)
        certificate = tls.Certificate(settings) if tls.wanted(settings) else None
        life = Life(float("inf"))
        limits, supervised = settings.limits, self._supervised
        self._rates = Rates(limits.requests_per_minute, limits.tokens_per_minute, supervised.spent)
        shared = Shared(
            admission=supervised,
            rates=self._rates,
            shelf=supervised,
            requests=supervised.entrance("requests"),
            work=supervised.entrance("work"),
        )
        app = create_app(settings, engine, life, shared)
        calls = app.state.calls

        def is_here(call_id: str) -> bool:
            # Hints can still be read when a call is over.
            return calls.get(call_id) is not None or calls.hints(call_id) is not None

        app.add_middleware(Elsewhere, is_here=is_here, reach=supervised.reach)

        def on_started(host: str, port: int) -> None:
            # What is loaded by now stays for good: a collector that need not walk it keeps no call waiting.
            gc.collect()
            gc.freeze()
            self._line.send(Started(engine.names))

        return HandedServer(make_config(app, settings, certificate), calls, life, on_started, certificate)

    def _hear(self, frame: Downward, passed: socket.socket | None) -> None:
        match frame:
            case Begin():
                self._begin.set_result(frame)
            case Reply():
                self._supervised.answered(frame)
            case Connection(inside=inside):
                assert passed is not None
                self._serve(passed, inside)
            case Spent(key_id=key_id, requests=requests, tokens=tokens):
                if self._rates is not None:
                    now_ms = int(asyncio.get_running_loop().time() * 1000)
                    self._rates.spent(key_id, requests, tokens, now_ms)
            case Drain():
                if self._server is not None:
                    self._server.life.drain(self._server.sessions())
            case Stop(forced=forced):
                self._stop(forced)

    def _serve(self, passed: socket.socket, inside: bool) -> None:
        if self._server is None:
            passed.close()
            return
        passed.setblocking(False)
        task = asyncio.create_task(self._server.take(passed, inside))
        self._taking.add(task)
        task.add_done_callback(self._taking.discard)

    def _stop(self, forced: bool) -> None:
        if self._server is None:
            os._exit(0)
        if forced:
            self._server.life.force()
            self._server.force_exit = True
        self._server.should_exit = True


async def _run(descriptor: int) -> int:
    return await Worker(socket.socket(fileno=descriptor)).run()


def main(arguments: list[str]) -> int:
    """Run one process that serves."""
    descriptor, parent = (int(word) for word in arguments)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    die_with_parent(parent)
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(descriptor))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
