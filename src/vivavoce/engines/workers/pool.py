"""A pool of worker processes:

grows when asked, replaces the dead, and lets a job wait for a free worker up to a limit.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vivavoce.engines.workers.job import Job
from vivavoce.engines.workers.process import Blueprint, WorkerProcess, WorkerState
from vivavoce.protocol.errors import EngineError

log = logging.getLogger("vivavoce.engines.workers")

FIRST_BACKOFF_MS = 100
LONGEST_BACKOFF_MS = 30_000


@dataclass(frozen=True, slots=True)
class PoolSize:
    """most: workers at the same time, at least 1. warm: how many stand ready from the start and are
    replaced when they die.
    """

    most: int
    warm: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.warm <= self.most or self.most < 1:
            raise ValueError(f"a pool of {self.warm} to {self.most} workers makes no sense")


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    job: asyncio.Future[Job]
    request: Any


class WorkerPool:
    """Workers of one kind. `start` before use, `close` after; nothing of it outlives the server's process."""

    def __init__(self, blueprint: Blueprint, size: PoolSize, wait_ms: int = 5_000) -> None:
        """wait_ms: how long `acquire` waits for a free worker unless told otherwise."""
        self.blueprint = blueprint
        self.size = size
        self.wait_ms = wait_ms
        self._workers: set[WorkerProcess] = set()
        self._dying: set[WorkerProcess] = set()
        self._waiters: deque[_Waiter] = deque()
        self._numbers = itertools.count(1)
        self._starts: set[asyncio.Task[EngineError | None]] = set()
        self._backoff_ms = 0
        self._last_failure = ""
        self._closing = asyncio.Event()

    # --- life -------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the warm workers and wait for them.

        Raises EngineError when one cannot start; none is then left.
        """
        starts = [self._begin_start() for _ in range(self.size.warm)]
        if not starts:
            return
        # Waited for, not gathered: a start that is cancelled half-way would leave a process behind.
        await asyncio.wait(starts)
        failed = [error for task in starts if (error := task.result()) is not None]
        if failed:
            await self.close()
            raise failed[0]

    async def close(self) -> None:
        """End all workers at once; running and waiting jobs fail. Returns when no process is left."""
        self._closing.set()
        for worker in list(self._workers):
            worker.kill()
        for waiter in self._waiters:
            if not waiter.job.done():
                waiter.job.set_exception(self._failure("the workers were shut down"))
        await asyncio.gather(*self._starts)
        await asyncio.gather(*(worker.wait_ended() for worker in self._dying))
        self._dying.clear()

    @property
    def alive(self) -> int:
        """Workers that are not dead, starting ones counted."""
        return len(self._workers)

    @property
    def idle(self) -> int:
        """Workers that wait for a job."""
        return sum(worker.state is WorkerState.IDLE for worker in self._workers)

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers, for those who account for memory and time."""
        return sorted(worker.pid for worker in self._workers if worker.pid)

    # --- check-out --------------------------------------------------------------------------------

    async def acquire(
        self, request: Any = None, *, prefer: Sequence[str] = (), timeout_ms: int | None = None
    ) -> Job:
        """Check a worker out and open a job on it with `request`: `async with await pool.acquire(...) as
        job`.

        prefer: among idle workers, take one that carries the earliest possible of these labels.
        timeout_ms: how long to wait for a free one (default: the pool's `wait_ms`); longer while one is just starting.
        Raises EngineError, retryable, when none became free in time.
        """
        if self._closing.is_set():
            raise self._failure("the workers were shut down")
        worker = self._pick(prefer) if not self._waiters else None
        if worker is not None:
            return worker.open(next(self._numbers), request)
        return await self._wait(request, self.wait_ms if timeout_ms is None else timeout_ms)

    def _pick(self, prefer: Sequence[str]) -> WorkerProcess | None:
        idle = [worker for worker in self._workers if worker.state is WorkerState.IDLE]
        ranks = {label: rank for rank, label in enumerate(prefer)}
        last = len(ranks)
        return min(
            idle,
            # The lowest pid breaks ties, so that rarely used workers stay unused and small.
            key=lambda worker: (
                min((ranks.get(label, last) for label in worker.labels), default=last),
                worker.pid,
            ),
            default=None,
        )

    async def _wait(self, request: Any, timeout_ms: int) -> Job:
        loop = asyncio.get_running_loop()
        waiter = _Waiter(loop.create_future(), request)
        limit = loop.call_later(timeout_ms / 1000, self._expire, waiter, timeout_ms)
        self._waiters.append(waiter)
        self._balance()
        try:
            return await waiter.job
        except asyncio.CancelledError:
            # The job may have been handed over in the same turn of the loop in which the
            # waiting was called off.
            if waiter.job.done() and not waiter.job.cancelled() and waiter.job.exception() is None:
                waiter.job.result().cancel()
            raise
        finally:
            limit.cancel()
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def _expire(self, waiter: _Waiter, timeout_ms: int) -> None:
        if waiter.job.done():
            return
        if self._one_is_coming():
            # A worker has its own limit for starting, and a busy machine needs most of it: who waits for one is served late
            # rather than sent away right before.
            asyncio.get_running_loop().call_later(timeout_ms / 1000, self._expire, waiter, timeout_ms)
            return
        reason = f" ({self._last_failure})" if self._last_failure else ""
        waiter.job.set_exception(
            self._failure(f"no {self.blueprint.noun} was free within {timeout_ms / 1000:g} s{reason}")
        )

    def _one_is_coming(self) -> bool:
        """A process is being spawned or is starting, and the last one that tried did not fail."""
        starting = any(worker.state is WorkerState.STARTING for worker in self._workers)
        return starting and not self._last_failure

    def _failure(self, message: str) -> EngineError:
        return EngineError(self.blueprint.stage, message, retryable=True)

    # --- growing and mending ----------------------------------------------------------------------

    def _worker_changed(self, worker: WorkerProcess) -> None:
        if worker.state is WorkerState.IDLE:
            if worker.proven:
                self._backoff_ms = 0
            self._hand_over(worker)
        elif worker.state is WorkerState.DEAD:
            # One that has done work is replaced at once; one that never did may well never do any.
            if not worker.proven:
                self._backoff_ms = min(max(FIRST_BACKOFF_MS, 2 * self._backoff_ms), LONGEST_BACKOFF_MS)
            self._workers.discard(worker)
            # Kept until collected, so that `close` can wait for it.
            self._dying = {other for other in self._dying if not other.collected} | {worker}
            self._balance()

    def _hand_over(self, worker: WorkerProcess) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.job.done():
                waiter.job.set_result(worker.open(next(self._numbers), waiter.request))
                return

    def _balance(self) -> None:
        """Start as many workers as are missing:

        the warm ones, and one for each job that waits, up to the size.
        """
        if self._closing.is_set():
            return
        standing = sum(worker.state is not WorkerState.STARTING for worker in self._workers)
        coming = len(self._starts)
        missing = max(self.size.warm - standing, len(self._waiters)) - coming
        for _ in range(min(missing, self.size.most - standing - coming)):
            self._begin_start()

    def _begin_start(self) -> asyncio.Task[EngineError | None]:
        task = asyncio.create_task(self._start_one(self._backoff_ms))
        self._starts.add(task)
        task.add_done_callback(self._start_ended)
        return task

    def _start_ended(self, task: asyncio.Task[EngineError | None]) -> None:
        self._starts.discard(task)
        self._balance()

    async def _start_one(self, delay_ms: int) -> EngineError | None:
        """One attempt.

        Failing doubles the pause before the next one; a worker that stands ends the series.
        """
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), delay_ms / 1000)
            return self._failure("the workers were shut down")
        worker = WorkerProcess(self.blueprint, self._worker_changed)
        self._workers.add(worker)
        try:
            await worker.start()
        except EngineError as failed:
            self._last_failure = failed.message
            await worker.wait_ended()
            if not self._closing.is_set():
                log.error("%s; next attempt in %d ms", failed.message, self._backoff_ms)
            return failed
        self._last_failure = ""
        return None
