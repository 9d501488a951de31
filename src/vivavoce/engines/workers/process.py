"""One worker process: started, spoken to, watched, and ended by the server."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from vivavoce.call.own_processes import command_for, environment
from vivavoce.engines.workers.frames import (
    BadFrame,
    Cancel,
    Done,
    FrameReader,
    FromWorker,
    Message,
    Open,
    Ready,
    Setup,
    encode,
    from_worker_decoder,
)
from vivavoce.engines.workers.job import Job
from vivavoce.engines.workers.vital_signs import Patience
from vivavoce.protocol.errors import EngineError

log = logging.getLogger("vivavoce.engines.workers")

WRITE_LIMIT_BYTES = 4 * 1024 * 1024
"""How far a worker may fall behind what it was sent before sending fails."""


@dataclass(frozen=True, slots=True)
class Blueprint:
    """How to start a worker.

    target: "module:function", the factory of its handler. stage: the name its errors carry. niceness: 0..19.
    noun: what its errors call it ("no recogniser was free ...").
    cancel_limit_ms: a worker that has not ended a cancelled job by then is looked at, and killed when it is stuck rather than
    starved (`Patience`).
    """

    target: str
    stage: str
    options: dict[str, Any] = field(default_factory=dict)
    niceness: int = 0
    noun: str = "worker"
    start_limit_ms: int = 30_000
    cancel_limit_ms: int = 2_000


class WorkerState(enum.Enum):
    """starting -> idle <-> busy -> draining -> idle; dead from anywhere."""

    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    DRAINING = "draining"
    DEAD = "dead"


class WorkerProcess(asyncio.Protocol):
    """The server's end of one worker. Also the job's `Line`: a worker has one job at a time."""

    def __init__(self, blueprint: Blueprint, changed: Callable[[WorkerProcess], None]) -> None:
        """`changed` is called after every change of `state` but the first, from the event loop."""
        self.blueprint = blueprint
        self.state = WorkerState.STARTING
        self.labels: frozenset[str] = frozenset()
        self.pid = 0
        self.proven = False  # whether it has brought a job to an end
        self._changed = changed
        self._reader: FrameReader[FromWorker] = FrameReader(from_worker_decoder)
        self._transport: asyncio.Transport | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._job: Job | None = None
        self._stuck: asyncio.TimerHandle | None = None

    # --- life -------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Spawn the process and wait until its handler stands.

        Raises EngineError; the worker is then dead.
        """
        try:
            async with asyncio.timeout(self.blueprint.start_limit_ms / 1000):
                await self._spawn()
                self._write(encode(Setup(self.blueprint.target, self.blueprint.options)))
                await self._ready
        except TimeoutError:
            raise self._failure(
                f"a {self.blueprint.noun} did not start within {self.blueprint.start_limit_ms / 1000:g} s"
            ) from None
        except OSError as wrong:
            raise self._failure(f"a {self.blueprint.noun} could not be started: {wrong}") from wrong
        finally:
            if self.state is WorkerState.STARTING:
                self.kill()

    async def _spawn(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            command = command_for("vivavoce.engines.workers.main")
            arguments = (theirs.fileno(), os.getpid(), self.blueprint.niceness)
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *command,
                    *(str(word) for word in arguments),
                    pass_fds=(theirs.fileno(),),
                    env=environment(),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.PIPE,
                    # Ctrl-C goes to the whole terminal: the server decides what it means, also while a worker is loading.
                    start_new_session=True,
                )
            except BaseException:
                ours.close()
                raise
        self.pid = self._process.pid
        self._watch = asyncio.create_task(self._watch_process(self._process))
        if self.state is WorkerState.DEAD:  # killed while the process was coming to be
            ours.close()
            self._process.kill()
            await self._ready
        ours.setblocking(False)
        transport, _ = await asyncio.get_running_loop().create_connection(lambda: self, sock=ours)
        transport.set_write_buffer_limits(high=256 * 1024)

    async def _watch_process(self, process: asyncio.subprocess.Process) -> None:
        """Pass on what the worker prints, and collect its end so that it leaves no zombie."""
        await asyncio.gather(
            _log_lines(process.stdout, logging.INFO, self.blueprint.stage, process.pid),
            _log_lines(process.stderr, logging.WARNING, self.blueprint.stage, process.pid),
        )
        code = await process.wait()
        self._die(f"the {self.blueprint.noun} ended with status {code}")

    def kill(self) -> None:
        """End the process now. Its job, if any, fails."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        self._die(f"the {self.blueprint.noun} was ended")

    @property
    def collected(self) -> bool:
        """Whether nothing is left of the process, or it never came to be."""
        return self._watch is None or self._watch.done()

    async def wait_ended(self) -> None:
        """Wait until the process is gone and collected."""
        if self._watch is not None:
            await self._watch

    def _die(self, reason: str) -> None:
        if self.state is WorkerState.DEAD:
            return
        if self._transport is not None:
            self._transport.abort()
        error = self._failure(reason)
        if not self._ready.done():
            self._ready.set_exception(error)
            # start() may have given up already: an exception that nobody reads would be reported as lost.
            self._ready.exception()
        self._writable.set()
        self._leave_job(error)
        self._enter(WorkerState.DEAD)

    def _enter(self, state: WorkerState) -> None:
        self.state = state
        self._changed(self)

    def _failure(self, message: str) -> EngineError:
        return EngineError(self.blueprint.stage, message, retryable=True)

    # --- jobs -------------------------------------------------------------------------------------

    def open(self, number: int, request: Any) -> Job:
        """Begin a job on an idle worker."""
        assert self.state is WorkerState.IDLE, self.state
        job = Job(number, self.blueprint.stage, self, self.labels)
        self._job = job
        self._write(encode(Open(number, request)))
        self._enter(WorkerState.BUSY)
        return job

    def send(self, job: int, body: Any) -> None:
        if self._transport is not None and self._transport.get_write_buffer_size() > WRITE_LIMIT_BYTES:
            raise self._failure(f"the {self.blueprint.noun} is too far behind")
        self._write(encode(Message(job, body)))

    async def drained(self) -> None:
        await self._writable.wait()

    def hold(self, wait: bool) -> None:
        transport = self._transport
        if transport is None or transport.is_closing() or transport.is_reading() is not wait:
            return
        if wait:
            transport.pause_reading()
        else:
            transport.resume_reading()

    def cancel(self, job: int) -> None:
        self._job = None
        if self.state is not WorkerState.BUSY:
            return
        self._write(encode(Cancel(job)))
        self._look_later(job, Patience(self.pid, self.blueprint.cancel_limit_ms))
        self._enter(WorkerState.DRAINING)

    def _look_later(self, job: int, patience: Patience) -> None:
        limit = self.blueprint.cancel_limit_ms / 1000
        self._stuck = asyncio.get_running_loop().call_later(limit, self._look, job, patience)

    def _look(self, job: int, patience: Patience) -> None:
        if not patience.is_over():
            self._look_later(job, patience)
            return
        log.warning(
            "%s worker %d did not leave job %d when told to: killed", self.blueprint.stage, self.pid, job
        )
        self.kill()

    def _leave_job(self, error: EngineError | None) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None
        job, self._job = self._job, None
        if job is not None:
            job.finish(error)

    def _write(self, frame: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame)

    # --- asyncio.Protocol -------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is no subclass of asyncio's

    def data_received(self, received: bytes) -> None:
        try:
            for frame in self._reader.feed(received):
                self._apply(frame)
        except BadFrame as wrong:
            log.error("%s worker %d sent nonsense: %s", self.blueprint.stage, self.pid, wrong)
            self.kill()

    def _apply(self, frame: FromWorker) -> None:
        match frame:
            case Message(job=number, body=body):
                # The job may have been cancelled while this was under way: then nobody
                # holds that number any more.
                if self._job is not None and self._job.number == number:
                    self._job.deliver(body)
            case Done():
                self._end_job(frame)
            case Ready(labels=labels, error=None):
                if not self._ready.done():
                    self.labels = frozenset(labels)
                    self._ready.set_result(None)
                    self._enter(WorkerState.IDLE)
            case Ready(error=error):
                self._die(f"the {self.blueprint.noun} cannot start: {error}")

    def _end_job(self, frame: Done) -> None:
        if self.state not in (WorkerState.BUSY, WorkerState.DRAINING):
            raise BadFrame(f"the end of job {frame.job} while {self.state.value}")
        self.proven = True
        self.labels = frozenset(frame.labels)
        self.hold(False)
        error = None
        if frame.error is not None:
            error = EngineError(self.blueprint.stage, frame.error, retryable=frame.retryable)
        self._leave_job(error)
        self._enter(WorkerState.IDLE)

    def connection_lost(self, error: Exception | None) -> None:
        # Seen before the process is collected, and often the first sign of its death.
        if self.state is not WorkerState.DEAD:
            self._transport = None
            self._die(f"the {self.blueprint.noun} died")
            if self._process is not None and self._process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    self._process.kill()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()


async def _log_lines(stream: asyncio.StreamReader | None, level: int, stage: str, pid: int) -> None:
    """Lines longer than the stream's limit are passed on in pieces rather than ending the worker's voice."""
    while stream is not None:
        try:
            line = await stream.readline()
        except ValueError:
            continue
        if not line:
            return
        log.log(level, "%s worker %d: %s", stage, pid, line.decode(errors="replace").rstrip())
