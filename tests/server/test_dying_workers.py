"""Several processes that serve, and one of them is killed: what it was working on, what it had counted, what it had let in."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import select
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import websockets

from tests.server.processes import PATIENCE_S, serving, until
from tests.server.rig import Talk, raw_client, socket_url
from tests.server.test_drain import closed
from tests.server.test_workers import answered
from vivavoce.call.settings import load_settings
from vivavoce.server.supervisor import _share_of

MINT = "POST /v1/realtime/client_secrets HTTP/1.1"
LOST = "The process that had this call has ended."


def lands_in(url: str) -> tuple[socket.socket, int, int]:
    """A connection that stays open, the process it was handed to, and how many sessions that one has."""
    address = urlsplit(url)
    connection = socket.create_connection((address.hostname, address.port), timeout=20)
    connection.sendall(b"GET /v1/vivavoce/load HTTP/1.1\r\nHost: h\r\n\r\n")
    received = b""
    while not received.endswith(b"}}"):
        received += connection.recv(4096)
    told = json.loads(received.partition(b"\r\n\r\n")[2])["process"]
    return connection, told["id"], told["sessions"]


async def connection_to(url: str, process: int) -> socket.socket:
    """A connection that was handed to this process, as soon as it serves; they go to one after the other."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            connection, landed, _ = await asyncio.to_thread(lands_in, url)
            if landed == process:
                return connection
            connection.close()
            await asyncio.sleep(0.01)


def ask(connection: socket.socket, head: str) -> tuple[int, dict[str, str], bytes]:
    """One more request on a connection; status, headers and body of the answer."""
    connection.sendall(f"{head}\r\nHost: h\r\n\r\n".encode())
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


def open_files(process: int) -> int:
    return len(list(Path(f"/proc/{process}/fd").iterdir()))


async def test_a_process_that_is_killed_takes_along_what_it_was_working_on_and_no_more(
    tmp_path: Path,
) -> None:
    limits = {
        "VIVAVOCE_LIMITS__MAX_REQUESTS": "10",
        "VIVAVOCE_REST__AT_ONCE": "1",
        "VIVAVOCE_LIMITS__REQUESTS_PER_MINUTE": "1",
    }
    async with serving(tmp_path, "--workers", "2", **limits) as running, contextlib.AsyncExitStack() as kept:
        await asyncio.to_thread(fill, running.url, {*running.children()}, kept)
        async with raw_client(running.url) as talk:
            created = await talk.until("session.created")
            call_id = created["session"]["vivavoce"]["call_id"]
            assert [await answered(talk), await answered(talk)] == [True, False]
            first, landed, its_sessions = await asyncio.to_thread(lands_in, running.url)
            first.close()
            (other,) = {*running.children()} - {landed}
            owner, asking = (landed, other) if its_sessions else (other, landed)
            await kill_while_asked(running.url, call_id, owner, asking, kept)
        said = running.log()
        assert said.count(LOST) == 3
        assert "Traceback" not in said
        assert " uvicorn" not in said
        # Its places are free. Whoever talked to it knows of its end a moment before the supervisor does.
        free = kept.enter_context(await connection_to(running.url, asking))
        async with asyncio.timeout(PATIENCE_S):
            while (await asyncio.to_thread(ask, free, f"{MINT}\r\nContent-Length: 0"))[0] == 503:
                pass
        await until(lambda: len(running.children()) == 2)
        (again,) = {*running.children()} - {asking}
        # What the key has used is not forgotten with the process.
        seat = await connection_to(running.url, again)
        async with websockets.connect(socket_url(running.url), sock=seat) as fresh:
            assert not await answered(Talk(fresh))


def fill(url: str, processes: set[int], kept: contextlib.AsyncExitStack) -> None:
    """Take every place that there is for requests, in both processes: one works, eight wait, and one more has nothing to do with these."""
    dialled = [lands_in(url) for _ in range(15)]
    for connection, _, _ in dialled:
        kept.enter_context(connection)
    assert {process for _, process, _ in dialled[:10]} == processes
    assert {process for _, process, _ in dialled[11:]} == processes
    for connection, _, _ in dialled[:10]:
        # The place comes before the body, which never does.
        hold(connection, "POST /v1/responses HTTP/1.1")
    told = [heard for connection, _, _ in dialled[:10] if (heard := hear(connection, 0.0))]
    while len(told) < 2:
        told += [heard for connection, _, _ in dialled[:10] if (heard := hear(connection, 0.1))]
    going_on, refused = sorted(told)
    assert going_on.startswith(b"HTTP/1.1 100 ")
    head, _, body = refused.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 429 ")
    assert b"retry-after: 1\r\n" in head.lower() + b"\r\n"
    assert json.loads(body)["error"]["code"] == "rate_limit_exceeded"
    hold(dialled[10][0], MINT)
    assert dialled[10][0].recv(4096).startswith(b"HTTP/1.1 100 ")
    for connection, _, _ in dialled[11:]:
        status, headers, body = ask(connection, f"{MINT}\r\nContent-Length: 0")
        assert (status, headers["retry-after"]) == (503, "5")
        assert json.loads(body)["error"]["code"] == "server_overloaded"


def hold(connection: socket.socket, head: str) -> None:
    """Begin a request, and wait to be told to go on with it."""
    connection.sendall(f"{head}\r\nContent-Length: 9\r\nExpect: 100-continue\r\nHost: h\r\n\r\n".encode())


def hear(connection: socket.socket, wait_s: float) -> bytes:
    """What has come on a connection; nothing after a while."""
    readable, _, _ = select.select([connection], [], [], wait_s)
    return connection.recv(4096) if readable else b""


async def kill_while_asked(
    url: str, call_id: str, owner: int, asking: int, kept: contextlib.AsyncExitStack
) -> None:
    """A sideband is open, a request and a handshake are under way, all about a call of a process that is then killed."""
    uri = socket_url(url, f"call_id={call_id}")
    sockets = [kept.enter_context(await connection_to(url, asking)) for _ in range(3)]
    async with websockets.connect(uri, sock=sockets[0]) as side:
        await Talk(side, beta=True).until("session.created")
        # It stands still, so that what is passed on to it stays unanswered until it is gone.
        os.kill(owner, signal.SIGSTOP)
        before = open_files(asking)
        hang_up = f"POST /v1/realtime/calls/{call_id}/hangup HTTP/1.1\r\nContent-Length: 0"
        asked = asyncio.create_task(asyncio.to_thread(ask, sockets[1], hang_up))
        await until(lambda: open_files(asking) == before + 1)
        shaken = asyncio.create_task(_refusal(uri, sockets[2]))
        await until(lambda: open_files(asking) == before + 2)
        os.kill(owner, signal.SIGKILL)
        _shows_the_loss(*await asked)
        _shows_the_loss(*await shaken)
        assert await closed(side) == (1011, LOST)


async def _refusal(uri: str, connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with websockets.connect(uri, sock=connection):
            pass
    response = refused.value.response
    return response.status_code, {k.lower(): v for k, v in response.headers.raw_items()}, response.body


def _shows_the_loss(status: int, headers: dict[str, str], body: bytes) -> None:
    error = {"message": LOST, "type": "server_error", "code": "call_lost", "param": None}
    assert (status, headers["retry-after"], json.loads(body)) == (503, "1", {"error": error})


def shares(waiting: int, workers: int) -> Iterator[int]:
    settings = load_settings({"limits.max_waiting": waiting}, environ={})
    return (_share_of(settings, number, workers).limits.max_waiting for number in range(workers))


def test_silent_connections_are_shared_out() -> None:
    assert list(shares(512, 2)) == [256, 256]
    assert list(shares(7, 3)) == [3, 2, 2]
    assert list(shares(1, 2)) == [1, 1]  # Each must be able to take one.
