"""Who may come in when there are many: before the upgrade, in the API's words, with a time to come back."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest
import websockets
from openai import AsyncOpenAI

from tests.server.processes import get
from tests.server.rig import Talk, raw_client, server, socket_url
from tests.server.test_drain import refused_with
from vivavoce.call.admission import PAST_CALLS, Refused, Seats
from vivavoce.call.settings import load_settings
from vivavoce.server.gate import Gate
from vivavoce.server.life import Life
from vivavoce.server.turnstile import of_requests, own_entrance


async def free_again(url: str) -> None:
    """A session that was over a moment ago may still hold its seat."""
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(websockets.InvalidStatus):
                async with raw_client(url) as talk:
                    assert (await talk.next())["type"] == "session.created"
                    return


async def test_one_session_too_many_is_refused_and_the_others_notice_nothing(tmp_path: Path) -> None:
    async with server(tmp_path, limits__max_sessions=2) as url:
        async with raw_client(url) as one, raw_client(url) as two:
            await one.until("session.created")
            await two.until("session.created")
            status, error, retry = await refused_with(url)
            assert (status, error["type"], error["code"]) == (503, "server_error", "server_overloaded")
            assert error["message"] == "All 2 sessions of this server are taken. Try again later."
            assert retry == "5"
            told = (await get(f"{url}/v1/vivavoce/load")).json()
            assert (told["sessions"], told["max_sessions"]) == (2, 2)
            assert told["refused"] == {"server_overloaded": 1}
            assert told["process"]["sessions"] == 2
            for talk in (one, two):
                await talk.say("hello")
                assert (await talk.until("response.done"))["response"]["status"] == "completed"
        await free_again(url)


async def test_a_key_has_a_limit_of_its_own(tmp_path: Path) -> None:
    async with (
        server(tmp_path, auth__keys="vv_one,vv_two", limits__max_sessions_per_key=1) as url,
        websockets.connect(socket_url(url), additional_headers={"Authorization": "Bearer vv_one"}) as socket,
    ):
        assert (await Talk(socket).next())["type"] == "session.created"
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with websockets.connect(
                socket_url(url), additional_headers={"Authorization": "Bearer vv_one"}
            ):
                pass
        response = refused.value.response
        error = msgspec.json.decode(response.body)["error"]
        assert (response.status_code, error["code"], error["type"]) == (
            429,
            "rate_limit_exceeded",
            "rate_limit_error",
        )
        assert response.headers["retry-after"] == "5"
        assert "vv_" not in error["message"]
        async with websockets.connect(
            socket_url(url), additional_headers={"Authorization": "Bearer vv_two"}
        ) as other:
            assert (await Talk(other).next())["type"] == "session.created"


async def test_a_refused_handshake_takes_no_seat(tmp_path: Path) -> None:
    async with server(tmp_path, limits__max_sessions=1) as url:
        for _ in range(3):
            with pytest.raises(websockets.InvalidStatus):
                async with raw_client(url, "call_id=rtc_unknown"):
                    pass
        await free_again(url)


async def test_the_openai_client_is_told_when_the_server_is_full(tmp_path: Path) -> None:
    async with server(tmp_path, limits__max_sessions=1) as url, raw_client(url) as talk:
        await talk.until("session.created")
        async with AsyncOpenAI(base_url=f"{url}/v1", api_key="local") as client:
            with pytest.raises(Exception, match="503"):
                async with client.realtime.connect(model="gpt-realtime-2"):
                    pass


# --- the table ----------------------------------------------------------------------------------------------------------


def test_seats_are_counted_for_all_processes_and_dropped_with_one() -> None:
    seats = Seats(max_sessions=3, max_sessions_per_key=2)
    assert seats.take("a", "one", 0) is None
    assert seats.take("b", "one", 1) is None
    full = seats.take("c", "one", 1)
    assert full is not None
    assert full.status == 429
    assert seats.take("c", "two", 1) is None
    full = seats.take("d", "three", 0)
    assert full is not None
    assert full.status == 503
    assert (seats.owner("b"), seats.owner("d"), seats.count(1)) == (1, None, 2)
    seats.drop(1)
    assert (len(seats), seats.owner("b"), seats.count(1)) == (1, None, 0)
    assert seats.take("e", "one", 0) is None
    seats.leave("e")
    seats.leave("e")
    seats.leave("never there")
    assert len(seats) == 1


def test_calls_that_are_over_are_still_known_to_have_been_somewhere() -> None:
    seats = Seats()
    for number in range(PAST_CALLS + 2):
        seats.take(f"call{number}", "", number % 2)
        seats.leave(f"call{number}")
    assert [seats.owner(f"call{number}") for number in (1, 2, PAST_CALLS + 1)] == [None, 0, 1]
    seats.drop(1)
    assert [seats.owner(f"call{number}") for number in (2, PAST_CALLS + 1)] == [0, None]


def test_who_is_refused_is_counted_and_the_log_is_not_filled(caplog: pytest.LogCaptureFixture) -> None:
    now = [100.0]
    seats = Seats(max_sessions=1)
    seats.refused = Refused("session", lambda: now[0])
    assert seats.take("a", "") is None
    for _ in range(1000):
        full = seats.take("b", "")
        assert full is not None
        assert full.retry_after_s == 5
    now[0] += 10
    seats.draining = True
    assert seats.take("b", "") is not None
    assert [record.getMessage() for record in caplog.records] == [
        "refused a session: All 1 sessions of this server are taken. Try again later. (since the start: 1 server_overloaded)",
        "refused a session: The server is about to stop. Try again. (since the start: 1 server_draining, 1000 server_overloaded)",
    ]
    assert seats.refused.counts.total() == 1001


def test_without_keys_there_is_no_limit_for_each() -> None:
    seats = Seats(max_sessions_per_key=1)
    assert [seats.take(str(n), "") for n in range(5)] == [None] * 5


# --- REST ---------------------------------------------------------------------------------------------------------------


class Slow:
    """An application that answers when it is let."""

    def __init__(self) -> None:
        self.let = asyncio.Event()
        self.asked = asyncio.Semaphore(0)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked.release()
        await self.let.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})


@contextlib.asynccontextmanager
async def asking(app: Any) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
        yield client


async def test_requests_are_limited_together_and_for_each_key() -> None:
    slow = Slow()
    settings = load_settings({"limits.max_requests": 2, "limits.max_requests_per_key": 1}, environ={})
    entrance = own_entrance(of_requests(settings))
    async with asking(Gate(slow, entrance, Life(0))) as client:

        def ask(key: str) -> asyncio.Task[httpx.Response]:
            headers = {"Authorization": f"Bearer {key}"}
            return asyncio.create_task(client.post("/v1/responses", headers=headers))

        first = ask("one")
        await slow.asked.acquire()
        again = await ask("one")
        assert (again.status_code, again.headers["retry-after"]) == (429, "5")
        assert again.json()["error"]["code"] == "rate_limit_exceeded"
        second = ask("two")
        await slow.asked.acquire()
        third = await ask("three")
        assert (third.status_code, third.json()["error"]["type"]) == (503, "server_error")
        slow.let.set()
        assert [answer.status_code for answer in (await first, await second)] == [200, 200]
        assert (await ask("one")).status_code == 200
        # Looking costs nothing and is never refused.
        assert (await client.get("/v1/models")).status_code == 200


# --- connections that say nothing ---------------------------------------------------------------------------------------


def dial(url: str) -> socket.socket:
    connection = socket.create_connection((urlsplit(url).hostname, urlsplit(url).port))
    connection.settimeout(20)
    return connection


@pytest.mark.parametrize("said", [b"", b"GET /healthz HTTP/1.1\r\nHost: a\r\n"])
async def test_a_connection_that_does_not_finish_its_request_is_closed(tmp_path: Path, said: bytes) -> None:
    async with server(tmp_path, limits__handshake_s=0.3) as url, raw_client(url) as talk:

        def wait() -> bytes:
            with dial(url) as connection:
                connection.sendall(said)
                with contextlib.suppress(ConnectionResetError):
                    return connection.recv(4096)
            return b""

        assert await asyncio.to_thread(wait) == b""
        # Sessions are not counted among those that have not spoken yet.
        await talk.say("hello")
        assert (await talk.until("response.done"))["response"]["status"] == "completed"


async def test_nor_its_second_one(tmp_path: Path) -> None:
    def wait(url: str) -> bytes:
        with dial(url) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            assert b"200 OK" in connection.recv(4096)
            connection.sendall(b"GET /healthz")
            with contextlib.suppress(ConnectionResetError):
                while connection.recv(4096).endswith(b'{"status":"ok"}'):
                    pass
            return b""

    async with server(tmp_path, limits__handshake_s=0.3) as url:
        assert await asyncio.to_thread(wait, url) == b""


async def test_of_too_many_silent_connections_the_oldest_goes(tmp_path: Path) -> None:
    async with server(tmp_path, limits__max_waiting=5, limits__handshake_s=60) as url:
        silent = [dial(url) for _ in range(20)]
        try:
            async with raw_client(url) as talk:
                await talk.say("hello")
                assert (await talk.until("response.done"))["response"]["status"] == "completed"

            def gone(connection: socket.socket) -> bool:
                connection.setblocking(False)
                try:
                    return connection.recv(1) == b""
                except BlockingIOError:
                    return False
                except ConnectionResetError:
                    return True

            assert [gone(connection) for connection in silent] == [True] * 16 + [False] * 4
        finally:
            for connection in silent:
                connection.close()
