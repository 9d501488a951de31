"""The process that starts those that serve: it listens, hands connections out, keeps the seats, restarts the dead (docs/adr/0026-workers-of-the-server.md).

It knows no web framework and no model; a call never passes through it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence

import msgspec

from vivavoce.call.admission import Seats
from vivavoce.call.own_processes import command_for, environment
from vivavoce.call.ports import EngineNames
from vivavoce.call.rates import Rates
from vivavoce.call.settings import Settings
from vivavoce.server.life import Life, Stage
from vivavoce.server.line import (
    Begin,
    Connection,
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
    Upward,
    upward_decoder,
)
from vivavoce.server.rest.kept import Shelf
from vivavoce.server.turnstile import turnstiles

log = logging.getLogger("vivavoce.server")

BACKLOG = 2048
_ACCEPTED_AT_ONCE = 64
_UNDECIDED_S = 2.0
"""How long a connection that was handed out counts as a session to come."""
_STEADY_S = 5.0
"""A process that served for so long is restarted at once; one that did not, after a pause that doubles."""
_LONGEST_PAUSE_S = 30.0
_BREATHER_S = 1.0
"""How long no connection is accepted when the system has no descriptor left for one."""
_GOODBYE_S = 8.0
_FORCED_S = 1.0

_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

Announce = Callable[[EngineNames, str, int], None]


class WorkerProcess:
    """One process that serves, as the supervisor sees it."""

    def __init__(
        self, number: int, line: Line[Upward], process: asyncio.subprocess.Process, silent: asyncio.Event
    ) -> None:
        self.number = number
        self.line = line
        self.process = process
        self.silent = silent
        self.names: EngineNames | None = None
        self.problem = ""
        self.started_s = 0.0
        self._handed_s: deque[float] = deque()

    def handed(self) -> None:
        """A connection is on its way there."""
        self._handed_s.append(time.monotonic())

    def decided(self) -> None:
        """One of them has asked for its seat."""
        if self._handed_s:
            self._handed_s.popleft()

    def undecided(self) -> int:
        """Connections that may become sessions yet."""
        while self._handed_s and self._handed_s[0] < time.monotonic() - _UNDECIDED_S:
            self._handed_s.popleft()
        return len(self._handed_s)


class Supervisor:
    """Runs until the last process has ended."""

    def __init__(self, settings: Settings, workers: int, announce: Announce) -> None:
        limits = settings.limits
        self.exit_code = 0
        self._settings = settings
        self._life = Life(settings.server.drain_s)
        self._seats = Seats(limits.max_sessions, limits.max_sessions_per_key)
        self._shelf = Shelf(settings.rest.kept_responses, settings.rest.kept_bytes)
        self._turnstiles = turnstiles(settings)
        self._rates = Rates(limits.requests_per_minute, limits.tokens_per_minute)
        self._announce: Announce | None = announce
        self._workers: dict[int, WorkerProcess] = {}
        self._wanted = range(workers)
        self._listening: list[socket.socket] = []
        self._accepting = False
        self._breathing = False
        self._turn = 0

    async def run(self) -> int:
        """Serve; returns the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled, number)
        self._listening = open_sockets(self._settings.server.host, self._settings.server.port)
        keeping = [asyncio.create_task(self._keep(number)) for number in self._wanted]
        try:
            await self._until_over(keeping)
        finally:
            await self._end(keeping)
        return self.exit_code

    # --- processes ------------------------------------------------------------------------------------------------------

    async def _keep(self, number: int) -> None:
        """See to it that one process serves under this number, until the server ends."""
        pause_s = 0.5
        while self._life.stage in (Stage.SERVING, Stage.DRAINING):
            try:
                worker = await self._start(number)
            except OSError as error:
                log.error("worker %d could not be started: %s", number, error)
                if self._announce is not None:
                    self._give_up(3)
                    return
                # The others have sessions. What the system lacks now (memory, processes) it may have again.
                pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)
                await asyncio.sleep(pause_s)
                continue
            code = await worker.process.wait()
            # What it said last may still be on the line.
            await worker.silent.wait()
            self._ended(worker)
            if not self._life.serving:
                return
            if self._announce is not None or worker.problem:
                # None of them has served yet: another try would end the same way.
                if worker.problem and not self.exit_code:
                    print(f"vivavoce: {worker.problem}", file=sys.stderr)
                self._give_up(2 if worker.problem else 3)
                return
            log.error(
                "worker %d ended (%s); its sessions are lost, it is started again", number, _shown(code)
            )
            steady = worker.names is not None and time.monotonic() - worker.started_s > _STEADY_S
            pause_s = 0.5 if steady else min(_LONGEST_PAUSE_S, pause_s * 2)
            if not steady:
                await asyncio.sleep(pause_s)

    async def _start(self, number: int) -> WorkerProcess:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = await asyncio.create_subprocess_exec(
                    *command_for("vivavoce.server.worker"),
                    *(str(theirs.fileno()), str(os.getpid())),
                    pass_fds=(theirs.fileno(),),
                    env=environment(),
                    stdin=asyncio.subprocess.DEVNULL,
                    # What the terminal sends to everybody (Ctrl-C) is for this process to judge, also while that one is loading.
                    start_new_session=True,
                )
            except BaseException:
                ours.close()
                raise
        silent = asyncio.Event()
        line: Line[Upward] = Line(
            ours,
            upward_decoder,
            lambda frame, passed: self._hear(number, frame, passed),
            lambda: self._fell_silent(silent),
        )
        worker = self._workers[number] = WorkerProcess(number, line, process, silent)
        line.send(Begin(_share_of(self._settings, number, len(self._wanted)), number))
        return worker

    def _fell_silent(self, silent: asyncio.Event) -> None:
        silent.set()
        self._accept_or_wait()

    def _ended(self, worker: WorkerProcess) -> None:
        worker.line.close()
        self._seats.drop(worker.number)
        for turnstile in self._turnstiles.values():
            turnstile.drop(worker.number)
        if self._workers.get(worker.number) is worker:
            del self._workers[worker.number]
        self._accept_or_wait()

    def _give_up(self, code: int) -> None:
        self.exit_code = self.exit_code or code
        self._life.force()

    def _hear(self, number: int, frame: Upward, passed: socket.socket | None) -> None:
        worker = self._workers.get(number)
        if worker is None:
            return
        match frame:
            case Started(names=names):
                worker.names, worker.started_s = names, time.monotonic()
                # From here on it hears what the others take; before, it had no session that could take anything.
                for missing in self._rates.missing(_now_ms()):
                    worker.line.send(Spent(*missing))
                if not self._life.serving:
                    worker.line.send(Drain())
                self._accept_or_wait()
            case Unable(message=message):
                worker.problem = message
            case Take(number=asked, call_id=call_id, holder=holder):
                worker.decided()
                worker.line.send(Reply(asked, self._seats.take(call_id, holder, number)))
            case Leave(call_id=call_id):
                self._seats.leave(call_id)
            case Reach(number=asked, call_id=call_id):
                assert passed is not None
                worker.line.send(Reply(asked, found=self._reach(number, call_id, passed)))
            case Look(number=asked):
                worker.line.send(Reply(asked, taken=self._seats.look()))
            case OnShelf(number=asked, request=request):
                worker.line.send(Reply(asked, body=self._shelf.do(request)))
            case Enter(number=asked, turnstile=which, holder=holder):
                line = worker.line
                self._turnstiles[which].ask(
                    (number, asked), holder, lambda full: line.send(Reply(asked, full))
                )
            case Exit(number=asked, turnstile=which):
                self._turnstiles[which].leave((number, asked))
            case Spent(key_id=key_id, requests=requests, tokens=tokens):
                self._rates.spent(key_id, requests, tokens, _now_ms())
                for other in self._ready():
                    if other is not worker:
                        other.line.send(frame)

    def _reach(self, asking: int, call_id: str, passed: socket.socket) -> bool:
        """Hand a connection from one process to the one that has a call."""
        owner = self._seats.owner(call_id)
        worker = None if owner is None or owner == asking else self._workers.get(owner)
        if worker is None:
            passed.close()
            return False
        worker.line.send(Connection(inside=True), passed)
        return True

    # --- connections ----------------------------------------------------------------------------------------------------

    def _ready(self) -> list[WorkerProcess]:
        """Those that serve. One that is silent is gone, also while its end is not known yet."""
        return [
            worker
            for worker in self._workers.values()
            if worker.names is not None and not worker.silent.is_set()
        ]

    def _accept_or_wait(self) -> None:
        """Accept while there is somebody to hand a connection to; until then the kernel keeps them."""
        ready = self._ready()
        if self._announce is not None and len(ready) == len(self._wanted):
            announce, self._announce = self._announce, None
            announce(_names(ready), *self._listening[0].getsockname()[:2])
        loop = asyncio.get_running_loop()
        accepting = (
            bool(ready)
            and not self._breathing
            and self._announce is None
            and self._life.stage in (Stage.SERVING, Stage.DRAINING)
        )
        if accepting is self._accepting:
            return
        self._accepting = accepting
        for listening in self._listening:
            if accepting:
                loop.add_reader(listening.fileno(), self._accept, listening)
            else:
                loop.remove_reader(listening.fileno())

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            if not self._accepting:
                return  # Whoever was handed the last one turned out to be gone.
            try:
                connection, _ = listening.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _NO_ROOM:
                    self._breathe(error)
                return
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            worker = self._choose()
            if worker is None:
                connection.close()
                return
            worker.handed()
            worker.line.send(Connection(), connection)

    def _breathe(self, error: OSError) -> None:
        """Accept nothing for a moment: the connection stays where it is, and would be offered again at once, for ever."""
        log.warning("cannot accept a connection, trying again in %g s: %s", _BREATHER_S, error.strerror)
        self._breathing = True
        self._accept_or_wait()
        asyncio.get_running_loop().call_later(_BREATHER_S, self._breathed)

    def _breathed(self) -> None:
        self._breathing = False
        self._accept_or_wait()

    def _choose(self) -> WorkerProcess | None:
        """The process with the fewest sessions, those to come included; among equals one after the other. None: they are all gone."""
        self._turn += 1
        return min(
            self._ready(),
            default=None,
            key=lambda worker: (
                self._seats.count(worker.number) + worker.undecided(),
                (worker.number - self._turn) % len(self._wanted),
            ),
        )

    # --- the end --------------------------------------------------------------------------------------------------------

    def _signalled(self, number: signal.Signals) -> None:
        if number is signal.SIGINT:
            self._life.broken_off()
        else:
            self._life.interrupted(len(self._seats))
        self._seats.draining = True
        for worker in self._workers.values():
            worker.line.send(Drain())

    async def _until_over(self, keeping: Sequence[asyncio.Task[None]]) -> None:
        while not self._life.look(len(self._seats)):
            await asyncio.sleep(0.1)
            for task in keeping:
                if task.done():
                    task.result()

    async def _end(self, keeping: Sequence[asyncio.Task[None]]) -> None:
        """Every client is told, every process ends; those that do not are ended."""
        self._life.stop()
        self._accept_or_wait()
        for listening in self._listening:
            listening.close()
        running = list(self._workers.values())
        forced = self._life.stage is Stage.FORCED
        for worker in running:
            worker.line.send(Stop(forced))
            if worker.names is None:
                # It is loading still and would hear of it seconds later; nobody was ever handed to it.
                with contextlib.suppress(ProcessLookupError):
                    worker.process.kill()
        until_s = time.monotonic() + (_FORCED_S if forced else _GOODBYE_S)
        while self._workers and time.monotonic() < until_s:
            if self._life.stage is Stage.FORCED and not forced:
                forced, until_s = True, time.monotonic() + _FORCED_S
                for worker in running:
                    worker.line.send(Stop(forced))
            await asyncio.sleep(0.02)
        for worker in list(self._workers.values()):
            with contextlib.suppress(ProcessLookupError):
                worker.process.kill()
            await worker.process.wait()
        for task in keeping:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)


def open_sockets(host: str, port: int) -> list[socket.socket]:
    """Listen on every address that `host` stands for, on one port. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    opened: list[socket.socket] = []
    for family, kind, protocol, _, address in dict.fromkeys(found):
        listening = socket.socket(family, kind, protocol)
        opened.append(listening)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if port == 0 and len(opened) > 1:
            address = (address[0], opened[0].getsockname()[1], *address[2:])
        listening.bind(address)
        listening.listen(BACKLOG)
        listening.setblocking(False)
    return opened


def supervise(settings: Settings, workers: int, announce: Announce) -> int:
    """Serve with so many processes until stopped; the exit code. `announce` is called when all of them serve."""

    async def run() -> int:
        return await Supervisor(settings, workers, announce).run()

    return asyncio.run(run())


def _share_of(settings: Settings, number: int, workers: int) -> Settings:
    """What one of several processes is to do: recognisers and voices that fit the machine are shared out among them, and so are
    the connections that may stand and say nothing; each has to have room for one."""
    cores = os.cpu_count() or 1
    share = max(1, -(-cores // workers))
    stt = settings.stt if settings.stt.workers else msgspec.structs.replace(settings.stt, workers=share)
    tts = settings.tts if settings.tts.workers else msgspec.structs.replace(settings.tts, workers=share)
    waiting = settings.limits.max_waiting
    here = max(1, waiting // workers + (number < waiting % workers))
    limits = msgspec.structs.replace(settings.limits, max_waiting=here)
    return msgspec.structs.replace(settings, stt=stt, tts=tts, limits=limits)


def _now_ms() -> int:
    return int(time.monotonic() * 1000)


def _names(workers: Sequence[WorkerProcess]) -> EngineNames:
    return next(worker.names for worker in workers if worker.names is not None)


def _shown(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
