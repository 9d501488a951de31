"""The worker's side: one process, one thread, one job at a time.

A handler reads the socket itself, through its job, so that a computation that holds the GIL needs no second
thread: it
looks for a cancel between two pieces of work (`check`, and every `send`), which costs one system call.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable
from typing import Any

from vivavoce.engines.workers.frames import (
    Cancel,
    Done,
    FrameReader,
    Message,
    Open,
    Setup,
    ToWorker,
    WorkerFrame,
    encode,
    to_worker_decoder,
)

BACKLOG_BYTES = 4 * 1024 * 1024
"""How much unread input `check` piles up in the worker before it leaves the rest in the socket, where it
slows the sender.
"""

_READ_BYTES = 256 * 1024


class JobCancelled(Exception):
    """Nobody waits for the job any more.

    Let it pass through the handler; the worker takes care of the rest.
    """


class JobFailed(Exception):
    """The job cannot be done, and the caller should read why. The worker itself is well."""

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


class ServerGone(Exception):
    """The other end of the socket closed: there is nothing left to live for."""


class Channel:
    """A blocking socket that speaks frames."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._reader = FrameReader(to_worker_decoder)
        self._backlog: deque[tuple[ToWorker, int]] = deque()
        self._backlog_bytes = 0

    def send(self, frame: WorkerFrame) -> None:
        """Blocks while the server does not read. Raises ServerGone."""
        try:
            self._socket.sendall(encode(frame))
        except OSError as gone:
            raise ServerGone from gone

    def receive(self) -> ToWorker:
        """The next frame, waiting for it. Raises ServerGone."""
        while not self._backlog:
            self._read(0)
        frame, size = self._backlog.popleft()
        self._backlog_bytes -= size
        return frame

    def cancels(self, job: int) -> bool:
        """Whether a cancel of `job` has arrived, without waiting. Raises ServerGone."""
        while self._backlog_bytes < BACKLOG_BYTES and self._read(socket.MSG_DONTWAIT):
            pass
        return any(isinstance(frame, Cancel) and frame.job == job for frame, _ in self._backlog)

    def _read(self, flags: int) -> bool:
        try:
            received = self._socket.recv(_READ_BYTES, flags)
        except BlockingIOError:
            return False
        except OSError as gone:
            raise ServerGone from gone
        if not received:
            raise ServerGone
        frames = self._reader.feed(received)
        # A frame's own size is not kept by the reader; what arrived together is shared out evenly,
        # which is near enough.
        size = len(received) // len(frames) if frames else 0
        self._backlog.extend((frame, size) for frame in frames)
        self._backlog_bytes += size * len(frames)
        return True


class Worker:
    """What a factory gets: its options, and the labels a check-out may prefer this worker by."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self.labels: list[str] = []


class WorkerJob:
    """One job, as its handler sees it. `request` is what the job was opened with."""

    def __init__(self, number: int, request: Any, channel: Channel) -> None:
        self.number = number
        self.request = request
        self._channel = channel

    def receive(self) -> Any:
        """The next message for this job, waiting for it. Raises JobCancelled."""
        while True:
            frame = self._channel.receive()
            if isinstance(frame, Message) and frame.job == self.number:
                return frame.body
            if isinstance(frame, Cancel) and frame.job == self.number:
                raise JobCancelled

    def check(self) -> None:
        """Between two pieces of work:

        raises JobCancelled when the job is. Do not let more than 20 ms pass without it.
        """
        if self._channel.cancels(self.number):
            raise JobCancelled

    def send(self, body: Any) -> None:
        """A message to the server. Raises JobCancelled when nobody would read it."""
        self.check()
        self._channel.send(Message(self.number, body))


Handler = Callable[[WorkerJob], None]
Factory = Callable[[Worker], Handler]


def serve(
    channel: Channel, build: Callable[[Setup], tuple[Worker, Handler]], report: Callable[[], None]
) -> None:
    """Work until the server goes away, which raises ServerGone.

    `build` makes the handler of a set-up; `report` is called inside the handling of an unforeseen exception.
    """
    setup = channel.receive()
    if not isinstance(setup, Setup):
        raise ServerGone
    worker, handle = build(setup)
    while True:
        frame = channel.receive()
        # Late messages and cancels of a job that has just ended may still be in the pipe: they
        # concern nobody.
        if isinstance(frame, Open):
            channel.send(_work(handle, WorkerJob(frame.job, frame.body, channel), worker, report))


def _work(handle: Handler, job: WorkerJob, worker: Worker, report: Callable[[], None]) -> Done:
    error: str | None = None
    retryable = False
    try:
        handle(job)
    except JobCancelled:
        pass
    except ServerGone:
        raise
    except JobFailed as failed:
        error, retryable = str(failed), failed.retryable
    except Exception as wrong:
        report()
        error = f"{type(wrong).__name__}: {wrong}"
    return Done(job.number, list(worker.labels), error, retryable)
