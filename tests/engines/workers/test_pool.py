"""Worker processes, with real processes: jobs, labels, waiting, cancels, and every way to die."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from vivavoce.engines.workers import Blueprint, PoolSize, WorkerPool
from vivavoce.engines.workers.frames import MAX_FRAME_BYTES
from vivavoce.engines.workers.process import WorkerProcess
from vivavoce.engines.workers.vital_signs import Patience
from vivavoce.protocol.errors import EngineError

TARGET = "worker_handlers:echo"


@asynccontextmanager
async def pool_of(most: int = 1, warm: int = 1, **blueprint: Any) -> AsyncIterator[WorkerPool]:
    pool = WorkerPool(Blueprint(blueprint.pop("target", TARGET), "test", **blueprint), PoolSize(most, warm))
    await pool.start()
    try:
        yield pool
    finally:
        await pool.close()


async def ask(pool: WorkerPool, *request: Any, **how: Any) -> list[Any]:
    async with await pool.acquire(list(request), **how) as job:
        return [message async for message in job]


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not Path(f"/proc/{pid}/stat").exists() or Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


async def until(condition: Callable[[], bool], limit_s: float = 10) -> None:
    """For conditions outside this process, which announce themselves to nobody."""
    async with asyncio.timeout(limit_s):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_messages_flow_both_ways_within_a_job() -> None:
    async with pool_of() as pool, await pool.acquire(["echo", 3]) as job:
        received = []
        for body in ("text", b"\x00\xff" * 4000, {"n": [1, None, 2.5]}):
            job.send(body)
            received.append(await anext(job))
        assert received == ["text", b"\x00\xff" * 4000, {"n": [1, None, 2.5]}]
        assert [message async for message in job] == []
        assert job.over


async def test_workers_start_lazily_up_to_the_size() -> None:
    async with pool_of(most=2, warm=1) as pool:
        assert pool.alive == 1
        first = await pool.acquire(["compute"])
        second = await pool.acquire(["compute"])
        assert pool.alive == 2
        with pytest.raises(EngineError, match=r"no worker was free within 0\.05 s") as failed:
            await pool.acquire(timeout_ms=50)
        assert failed.value.stage == "test"
        assert failed.value.retryable
        first.cancel()
        second.cancel()
        assert len(await ask(pool, "pid")) == 1
        assert pool.alive == 2


async def test_waiting_jobs_are_served_in_order() -> None:
    async with pool_of() as pool:
        busy = await pool.acquire(["compute"])
        order: list[int] = []

        async def wait(number: int) -> None:
            await ask(pool, "pid")
            order.append(number)

        waiting = [asyncio.create_task(wait(number)) for number in range(5)]
        await asyncio.sleep(0)
        waiting[2].cancel()
        busy.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert order == [0, 1, 3, 4]
        assert pool.idle == 1


async def test_a_check_out_that_is_called_off_at_the_hand_over_gives_the_worker_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with pool_of() as pool:
        busy = await pool.acquire(["echo", 1])
        waiting = asyncio.create_task(pool.acquire(["compute"]))
        await asyncio.sleep(0)
        hand_over = pool._hand_over

        def hand_over_and_call_off(worker: WorkerProcess) -> None:
            hand_over(worker)
            waiting.cancel()

        with monkeypatch.context() as patch:
            patch.setattr(pool, "_hand_over", hand_over_and_call_off)
            busy.send("end")
            await asyncio.wait([waiting])
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert len(await ask(pool, "pid", timeout_ms=2000)) == 1


async def test_check_out_prefers_the_earliest_label() -> None:
    async with pool_of(most=3, warm=3) as pool:
        jobs = [await pool.acquire(["echo", 1]) for _ in range(3)]
        for job in jobs:
            job.send("end")
            assert [message async for message in job] == ["end"]
        for label in ("a", "b"):
            async with await pool.acquire(["label", label], prefer=["-none-"]) as job:
                [message async for message in job]
            # Occupy it so that the next label goes to another worker.
        labels = sorted(sorted(worker.labels) for worker in pool._workers)
        assert labels in ([[], [], ["b"]], [[], ["a"], ["b"]])
        pids = set(await ask(pool, "pid", prefer=["x", "b"]))
        holder = next(worker.pid for worker in pool._workers if "b" in worker.labels)
        assert pids == {holder}


async def test_cancel_frees_the_worker_within_20_ms() -> None:
    async with pool_of() as pool:
        took: list[float] = []
        for _ in range(10):
            job = await pool.acquire(["compute"])
            assert await anext(job) == "computing"
            start = time.perf_counter()
            job.cancel()
            assert [message async for message in job] == []
            await ask(pool, "pid")
            took.append((time.perf_counter() - start) * 1000)
        # Where other work is done as well, a few are as quick as the pool is, and the others as slow as the machine.
        assert sorted(took)[1] < 20, took
        assert pool.alive == 1


async def test_nothing_of_a_cancelled_job_arrives_any_more() -> None:
    async with pool_of() as pool:
        pouring = await pool.acquire(["pour", 100_000, 1000])
        assert (await anext(pouring))[0] == 0
        pouring.cancel()
        assert [message async for message in pouring] == []
        async with await pool.acquire(["echo", 1]) as job:
            job.send("mine")
            assert [message async for message in job] == ["mine"]


async def test_a_worker_that_does_not_heed_a_cancel_is_killed_and_replaced() -> None:
    async with pool_of(cancel_limit_ms=50) as pool:
        (pid,) = pool.pids
        job = await pool.acquire(["deaf"])
        assert await anext(job) == "deaf"
        job.cancel()
        (other,) = await ask(pool, "pid")
        assert other != pid


async def test_a_worker_that_uses_its_time_and_does_not_look_up_is_killed() -> None:
    async with pool_of(cancel_limit_ms=50) as pool:
        (pid,) = pool.pids
        job = await pool.acquire(["spin"])
        assert await anext(job) == "spinning"
        job.cancel()
        (other,) = await ask(pool, "pid")
        assert other != pid


@pytest.mark.skipif(sys.platform != "linux", reason="how much time a process was given is read from /proc")
async def test_a_worker_that_was_given_no_time_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = asyncio.Semaphore(0)
    is_over = Patience.is_over

    def look(patience: Patience) -> bool:
        looks.release()
        return is_over(patience)

    monkeypatch.setattr(Patience, "is_over", look)
    async with pool_of(cancel_limit_ms=200) as pool:
        (pid,) = pool.pids
        job = await pool.acquire(["compute"])
        assert await anext(job) == "computing"
        os.kill(pid, signal.SIGSTOP)  # as a machine with too much to do
        job.cancel()
        for _ in range(3):
            await looks.acquire()
        os.kill(pid, signal.SIGCONT)
        assert await ask(pool, "pid") == [pid]


@pytest.mark.skipif(sys.platform != "linux", reason="how much time a process was given is read from /proc")
async def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vivavoce.engines.workers.vital_signs.LONGEST_WAITS", 3)
    async with pool_of(cancel_limit_ms=20) as pool:
        (pid,) = pool.pids
        job = await pool.acquire(["compute"])
        assert await anext(job) == "computing"
        os.kill(pid, signal.SIGSTOP)
        job.cancel()
        (other,) = await ask(pool, "pid")
        assert other != pid


async def test_who_waits_for_a_worker_that_is_starting_is_served_late() -> None:
    """Also who asks before there even is a process."""
    async with pool_of(warm=0, target="worker_handlers:slow", options={"seconds": 0.3}) as pool:
        assert len(await ask(pool, "pid", timeout_ms=50)) == 1


async def test_a_reader_that_rests_makes_the_worker_wait() -> None:
    async with pool_of() as pool, await pool.acquire(["pour", 3000, 10_000]) as job:
        assert (await anext(job))[0] == 0
        await until(lambda: len(job._unread) >= 64)
        await asyncio.sleep(0.1)
        assert len(job._unread) < 400, "30 MB were read ahead of a reader that rests"
        numbers = [message[0] async for message in job]
        assert numbers == list(range(1, 3000))


async def test_a_sender_is_told_when_the_worker_is_too_far_behind() -> None:
    async with pool_of() as pool, await pool.acquire(["deaf"]) as job:

        def send_all() -> None:
            for _ in range(100):
                job.send(bytes(200_000))

        with pytest.raises(EngineError, match="too far behind"):
            send_all()


async def test_a_patient_sender_is_slowed_down_and_loses_nothing() -> None:
    async with pool_of() as pool, await pool.acquire(["echo", 400]) as job:

        async def send_all() -> None:
            for number in range(400):
                job.send(number.to_bytes(2, "big") * 50_000)
                await job.drained()

        sending = asyncio.create_task(send_all())
        numbers = [int.from_bytes(message[:2], "big") async for message in job]
        await sending
        assert numbers == list(range(400))


@pytest.mark.parametrize("how", ["itself", "from outside"])
async def test_a_dead_worker_fails_its_job_at_once_and_is_replaced(how: str) -> None:
    async with pool_of() as pool:
        (pid,) = pool.pids
        job = await pool.acquire(["die" if how == "itself" else "deaf"])
        assert await anext(job) in ("dying", "deaf")
        if how == "from outside":
            os.kill(pid, signal.SIGKILL)
        start = time.perf_counter()
        with pytest.raises(EngineError) as failed:
            await anext(job)
        assert time.perf_counter() - start < 1
        assert (failed.value.stage, failed.value.retryable) == ("test", True)
        with pytest.raises(EngineError):
            job.send("more")
        assert (await ask(pool, "pid"))[0] != pid


async def test_an_idle_worker_that_dies_is_replaced_without_being_asked() -> None:
    async with pool_of() as pool:
        (pid,) = pool.pids
        os.kill(pid, signal.SIGKILL)
        await until(lambda: pool.idle == 1 and pool.pids != [pid])


@pytest.mark.parametrize(
    "content",
    [
        b"\xff" * 64,
        struct.pack("<I", MAX_FRAME_BYTES + 1),
        struct.pack("<I", 3) + b"\xc1\xc1\xc1",
        struct.pack("<I", 6) + b"\x92\xa4done\x01"[:6],
    ],
)
async def test_nonsense_on_the_socket_ends_the_worker_and_fails_the_job(content: bytes) -> None:
    async with pool_of() as pool:
        job = await pool.acquire(["garbage", content])
        with pytest.raises(EngineError):
            await anext(job)
        assert len(await ask(pool, "pid")) == 1


async def test_a_handler_that_raises_fails_the_job_and_lives_on(caplog: pytest.LogCaptureFixture) -> None:
    async with pool_of() as pool:
        before = pool.pids
        with pytest.raises(EngineError, match="LookupError: nothing there") as failed:
            await ask(pool, "raise")
        assert not failed.value.retryable
        with pytest.raises(EngineError, match="try again") as failed:
            await ask(pool, "fail")
        assert failed.value.retryable
        await ask(pool, "pid")
        assert pool.pids == before
        await until(lambda: "nothing there" in caplog.text)


async def test_what_a_worker_prints_goes_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "vivavoce.engines.workers")
    async with pool_of() as pool:
        await ask(pool, "print")
        await until(lambda: "plain words" in caplog.text and "a complaint" in caplog.text)
    levels = {record.getMessage().rpartition(": ")[2]: record.levelname for record in caplog.records}
    assert levels["plain words"] == "INFO"
    assert levels["a complaint"] == "WARNING"


async def test_options_and_niceness_reach_the_worker() -> None:
    async with pool_of(options={"voice": "low"}, niceness=3) as pool:
        assert await ask(pool, "option", "voice") == ["low"]
        assert await ask(pool, "niceness") == [min(19, os.nice(0) + 3)]


async def test_a_factory_that_fails_is_reported_by_start() -> None:
    pool = WorkerPool(Blueprint("worker_handlers:broken", "test"), PoolSize(2, 2))
    with pytest.raises(EngineError, match="FileNotFoundError: the model is not here"):
        await pool.start()
    assert pool.alive == 0


async def test_a_worker_that_cannot_start_is_tried_again_for_who_waits(tmp_path: Path) -> None:
    options = {"file": str(tmp_path / "model")}
    async with pool_of(warm=0, target="worker_handlers:stubborn", options=options) as pool:
        with pytest.raises(EngineError, match=r"no worker was free within 1 s .*not yet"):
            await pool.acquire(timeout_ms=1000)
        (tmp_path / "model").touch()
        assert len(await ask(pool, "pid", timeout_ms=10_000)) == 1


async def test_close_leaves_no_process_and_fails_what_runs_and_waits() -> None:
    async with pool_of() as pool:
        pids = pool.pids
        running = await pool.acquire(["compute"])
        waiting = asyncio.create_task(pool.acquire(["pid"]))
        await asyncio.sleep(0)
        await pool.close()
        with pytest.raises(EngineError):
            [message async for message in running]
        with pytest.raises(EngineError, match="shut down"):
            await waiting
        with pytest.raises(EngineError, match="shut down"):
            await pool.acquire()
        assert not any(exists(pid) for pid in pids)


async def test_ctrl_c_does_not_reach_workers() -> None:
    async with pool_of() as pool:
        (pid,) = pool.pids
        os.kill(pid, signal.SIGINT)
        assert await ask(pool, "pid") == [pid]


def test_no_worker_outlives_a_killed_server() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "worker_server", TARGET]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as server:
        assert server.stdout is not None
        pids = [int(word) for word in server.stdout.readline().split()]
        assert len(pids) == 2
        assert all(exists(pid) for pid in pids)
        server.kill()
    asyncio.run(until(lambda: not any(exists(pid) for pid in pids), limit_s=2))
