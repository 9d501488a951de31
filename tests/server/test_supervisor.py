"""The process that hands connections out, where the system or a worker fails it."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import AsyncIterator
from typing import cast

import pytest

from vivavoce.call.ports import EngineNames
from vivavoce.call.settings import load_settings
from vivavoce.server.line import Connection, Line, Started, downward_decoder, upward_decoder
from vivavoce.server.supervisor import Supervisor, WorkerProcess, open_sockets

NAMES = EngineNames("scripted", "script", "constant", "tone", "energy")


@pytest.fixture
async def handing_out() -> AsyncIterator[tuple[Supervisor, socket.socket]]:
    """A supervisor of one worker that serves, and the worker's end of the line."""
    supervisor = Supervisor(load_settings({"server.port": 0}, environ={}), 1, lambda *_: None)
    ours, theirs = socket.socketpair()
    silent = asyncio.Event()
    line = Line(
        ours,
        upward_decoder,
        lambda frame, passed: supervisor._hear(0, frame, passed),
        lambda: supervisor._fell_silent(silent),
    )
    supervisor._workers[0] = WorkerProcess(0, line, cast(asyncio.subprocess.Process, None), silent)
    supervisor._listening = open_sockets("127.0.0.1", 0)
    supervisor._hear(0, Started(NAMES), None)
    try:
        yield supervisor, theirs
    finally:
        supervisor._life.stop()
        supervisor._accept_or_wait()
        line.close()
        theirs.close()
        for listening in supervisor._listening:
            listening.close()


class Exhausted:
    """A listening socket of a process that may open no more files."""

    def __init__(self) -> None:
        self.asked = 0

    def accept(self) -> None:
        self.asked += 1
        raise OSError(errno.EMFILE, "Too many open files")


async def test_without_descriptors_it_waits_instead_of_turning_round(
    handing_out: tuple[Supervisor, socket.socket],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    supervisor, theirs = handing_out
    monkeypatch.setattr("vivavoce.server.supervisor._BREATHER_S", 0.05)
    exhausted = Exhausted()
    with caplog.at_level(logging.WARNING, "vivavoce.server"):
        supervisor._accept(cast(socket.socket, exhausted))
        assert not supervisor._accepting
        supervisor._accept(cast(socket.socket, exhausted))
    assert exhausted.asked == 1
    assert len(caplog.records) == 1
    handed: asyncio.Future[socket.socket | None] = asyncio.get_running_loop().create_future()
    there = Line(theirs, downward_decoder, lambda frame, passed: handed.set_result(passed), lambda: None)
    client = socket.create_connection(supervisor._listening[0].getsockname()[:2])
    try:
        async with asyncio.timeout(10):
            connection = await handed  # It accepts again by itself.
        assert connection is not None
        connection.close()
    finally:
        client.close()
        there.close()


async def test_nothing_is_handed_to_a_worker_that_is_gone(
    handing_out: tuple[Supervisor, socket.socket],
) -> None:
    supervisor, theirs = handing_out
    worker = supervisor._workers[0]
    assert supervisor._accepting
    theirs.close()
    async with asyncio.timeout(10):
        await worker.silent.wait()
    # Its end is not known yet, and connections wait with the kernel for the one that follows it.
    assert not supervisor._accepting
    assert supervisor._choose() is None
    one, other = socket.socketpair()
    with other:
        worker.line.send(Connection(), one)
        assert one.fileno() == -1


async def test_a_worker_that_cannot_be_started_again_does_not_end_the_others(
    handing_out: tuple[Supervisor, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor, _ = handing_out
    tried: list[int] = []

    async def fails(number: int) -> WorkerProcess:
        tried.append(number)
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    pauses: list[float] = []

    async def pause(pause_s: float) -> None:
        pauses.append(pause_s)
        if len(pauses) == 3:
            supervisor._life.stop()

    monkeypatch.setattr(supervisor, "_start", fails)
    monkeypatch.setattr("vivavoce.server.supervisor.asyncio.sleep", pause)
    await supervisor._keep(1)
    assert tried == [1, 1, 1]
    assert pauses == [1, 2, 4]
    assert supervisor.exit_code == 0
