"""Several processes that serve: sessions in one of them for life, limits and calls known to all, deaths of one its own affair."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import websockets

from tests.server.processes import ServeProcess, alive, children_of, get, serving, until
from tests.server.rig import Talk, raw_client, socket_url
from tests.server.test_drain import closed, refused_with
from vivavoce.call.registry import Calls
from vivavoce.call.settings import Settings
from vivavoce.engines.scripted.engine import ScriptedEngine, ScriptedSettings
from vivavoce.server.calls import HUNG_UP
from vivavoce.server.elsewhere import Elsewhere
from vivavoce.server.life import GOODBYE, Life
from vivavoce.server.listening import make_config
from vivavoce.server.worker import HandedServer

SESSIONS = 4


@contextlib.asynccontextmanager
async def sessions(running: ServeProcess, number: int = SESSIONS) -> AsyncIterator[list[Talk]]:
    """So many clients whose session has begun."""
    async with contextlib.AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(raw_client(running.url)) for _ in range(number)]
        for talk in opened:
            await talk.until("session.created")
        yield opened


async def answered(talk: Talk) -> bool:
    """Whether a session answers a typed turn."""
    try:
        await talk.say("hello")
        return bool((await talk.until("response.done"))["response"]["status"] == "completed")
    except websockets.ConnectionClosed:
        return False


async def told(talk: Talk) -> tuple[int, str] | None:
    """Read to the end; the close frame that came."""
    with pytest.raises(websockets.ConnectionClosed) as over:
        await talk.until("nothing of the kind")
    frame = over.value.rcvd
    return (frame.code, frame.reason) if frame else None


async def test_two_processes_share_limits_and_the_death_of_one_costs_its_own_sessions(tmp_path: Path) -> None:
    async with serving(tmp_path, "--workers", "2", "--max-sessions", str(SESSIONS)) as running:
        assert ", 2 processes" in running.printed
        first, second = running.children()
        async with sessions(running) as opened:
            # The limit is the server's, not each process's.
            status, error, _ = await refused_with(running.url)
            assert (status, error["code"]) == (503, "server_overloaded")
            told_here = (await get(f"{running.url}/v1/vivavoce/load")).json()
            assert (told_here["sessions"], told_here["refused"]) == (SESSIONS, {"server_overloaded": 1})
            assert told_here["process"]["sessions"] == SESSIONS // 2
            os.kill(first, signal.SIGKILL)
            await until(lambda: not alive(first))
            lost = [not await answered(talk) for talk in opened]
            # They had been shared out evenly; each lives in one process and goes with it.
            assert sum(lost) == SESSIONS // 2
            # Another process takes the place of the dead one, and its seats are free again.
            await until(lambda: len(running.children()) == 2 and running.children() != [second])
            async with sessions(running, 2) as more:
                assert [await answered(talk) for talk in more] == [True, True]
            assert [await answered(talk) for talk in opened] == [not gone for gone in lost]
            running.signal(signal.SIGTERM)
            running.signal(signal.SIGINT)
            left = [await told(talk) for talk, gone in zip(opened, lost, strict=True) if not gone]
            assert left == [(1001, GOODBYE)] * (SESSIONS // 2)
        assert await running.ended() == 0
        assert "its sessions are lost, it is started again" in running.log()


async def test_nothing_is_left_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    async with serving(tmp_path, "--workers", "2") as running:
        started = running.children()
        everybody = [*started, *(child for each in started for child in children_of(each))]
        async with sessions(running, 2):
            running.signal(signal.SIGKILL)
            await running.ended()
            await until(lambda: not any(alive(pid) for pid in everybody))
        address = urlsplit(running.url)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address.hostname, address.port))


async def test_a_drain_of_several_processes(tmp_path: Path) -> None:
    async with serving(tmp_path, "--workers", "2", VIVAVOCE_SERVER__DRAIN_S="0.5") as running:
        async with sessions(running, 2) as opened:
            running.signal(signal.SIGTERM)
            await until(lambda: "draining: 2 sessions" in running.log())
            status, error, _ = await refused_with(running.url)
            assert (status, error["code"]) == (503, "server_draining")
            assert [await told(talk) for talk in opened] == [(1001, GOODBYE)] * 2
        assert await running.ended() == 0


async def test_what_cannot_be_served_is_said_once(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="did not start"):
        async with serving(
            tmp_path, "--workers", "2", "--engine", "scripted", "--script", "/nonexistent.toml"
        ):
            pass
    (line,) = (tmp_path / "log").read_text().splitlines()
    assert line.startswith("vivavoce: ")
    assert "/nonexistent.toml" in line


# --- what the processes share -------------------------------------------------------------------------------------------


async def comes_back(url: str) -> None:
    """A client that drops out of its call, and is let in again whichever process it reaches."""
    async with raw_client(url) as talk:
        shown = (await talk.until("session.created"))["session"]
        session = {"type": "realtime", "vivavoce": {"reattach_s": 60}}
        await talk.send("session.update", session=session)
        await talk.until("session.updated")
    for _ in range(3):
        async with raw_client(url, f"call_id={shown['vivavoce']['call_id']}&reattach=1", beta=True) as again:
            assert (await again.until("session.created"))["session"]["id"] == shown["id"]
            assert await answered(again)


async def test_a_call_is_reached_from_every_process(tmp_path: Path) -> None:
    """Two calls, one in each process; connections go to them in turn, so that of several requests about a call some land elsewhere."""
    async with (
        serving(tmp_path, "--workers", "2") as running,
        sessions(running, 2) as opened,
        httpx.AsyncClient(base_url=running.url, headers={"Connection": "close"}) as http,
    ):
        ids = [talk.events[0]["session"]["vivavoce"]["call_id"] for talk in opened]
        for talk, call_id in zip(opened, ids, strict=True):
            for _ in range(3):
                async with websockets.connect(socket_url(running.url, f"call_id={call_id}")) as socket:
                    assert socket.response is not None
                    assert socket.response.headers["x-vivavoce-call-id"] == call_id
                    side = Talk(socket, beta=True)  # It has not seen how the conversation began.
                    shown = await side.until("session.created")
                    assert shown["session"]["id"] == talk.events[0]["session"]["id"]
                    # Each hears what the other does.
                    assert await answered(side)
                    await talk.until("response.done")
            hints = [await http.get(f"/v1/vivavoce/calls/{call_id}/hints") for _ in range(3)]
            assert [answer.status_code for answer in hints] == [200] * 3
        await comes_back(running.url)
        for talk, call_id in zip(opened, ids, strict=True):
            assert (await http.post(f"/v1/realtime/calls/{call_id}/hangup")).status_code == 200
            assert await told(talk) == (1000, HUNG_UP)
            # It is over, and its hints may still be read.
            hints = [await http.get(f"/v1/vivavoce/calls/{call_id}/hints") for _ in range(3)]
            assert [answer.status_code for answer in hints] == [200] * 3
            assert (await http.post(f"/v1/realtime/calls/{call_id}/hangup")).status_code == 404


async def test_what_one_process_keeps_and_counts_the_others_know(tmp_path: Path) -> None:
    async with (
        serving(tmp_path, "--workers", "2", VIVAVOCE_LIMITS__REQUESTS_PER_MINUTE="2") as running,
        sessions(running, 2) as (one, other),  # One in each process.
        httpx.AsyncClient(base_url=running.url, headers={"Connection": "close"}) as http,
    ):
        # Longer than what a socket takes at once.
        asked = {"model": "m", "input": "hello " * 200_000}
        first = (await http.post("/v1/responses", json=asked)).json()
        path = f"/v1/responses/{first['id']}"
        assert [(await http.get(path)).json() for _ in range(4)] == [first] * 4
        for _ in range(2):
            more = {"model": "m", "input": "and?", "previous_response_id": first["id"]}
            answer = await http.post("/v1/responses", json=more)
            assert (answer.status_code, answer.json()["previous_response_id"]) == (200, first["id"])
        assert (await http.delete(path)).json()["deleted"]
        assert [(await http.get(path)).status_code for _ in range(2)] == [404] * 2
        assert [await answered(one), await answered(one)] == [True, True]
        # The word may be on its way yet when the other session asks; with limits of its own it would be answered twice.
        assert False in [await answered(other), await answered(other)]


# --- calls that another process has -------------------------------------------------------------------------------------


class Other:
    """What the process with the call answers."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        if scope["type"] == "http":
            body, more = b"", True
            while more:
                message = await receive()
                body, more = body + message.get("body", b""), message.get("more_body", False)
            if scope["path"].endswith("/cut"):
                await send({"type": "http.response.start", "status": 201, "headers": []})
                await send({"type": "http.response.body", "body": b"the beginning", "more_body": True})
                raise ConnectionError("killed")
            told = f"{scope['method']} {scope['path']}?{scope['query_string'].decode()} {len(body)}".encode()
            await send({"type": "http.response.start", "status": 201, "headers": [(b"x-its", b"own")]})
            await send({"type": "http.response.body", "body": told})
        elif scope["type"] == "websocket":
            await self._talk(scope, receive, send)

    async def _talk(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if b"refuse" in scope["query_string"]:
            await send({"type": "websocket.http.response.start", "status": 404, "headers": []})
            await send({"type": "websocket.http.response.body", "body": b'{"error":{}}'})
            return
        headers = [(b"x-vivavoce-call-id", b"rtc_there")]
        await send({"type": "websocket.accept", "subprotocol": scope["subprotocols"][0], "headers": headers})
        while (message := await receive())["type"] != "websocket.disconnect":
            if message["text"] == "enough":
                await send({"type": "websocket.close", "code": 4000, "reason": "said so"})
                return
            await send({"type": "websocket.send", "text": message["text"].upper()})


class Pair:
    """Two processes in one: a server that is reached from outside, and one that has the call `rtc_there`."""

    def __init__(self) -> None:
        self.other = Other()
        self.started: list[asyncio.Event] = []
        inner = self._server(self.other)
        self.inner = inner

        async def reach(call_id: str) -> socket.socket | None:
            if call_id != "rtc_there":
                return None
            ours, theirs = socket.socketpair()
            theirs.setblocking(False)
            ours.setblocking(False)
            await inner.take(theirs, inside=True)
            return ours

        async def here(scope: Any, receive: Any, send: Any) -> None:
            assert scope["type"] == "http"
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"here"})

        self.outer = self._server(Elsewhere(here, lambda call_id: call_id == "rtc_here", reach))

    def _server(self, app: Any) -> HandedServer:
        settings = Settings()
        calls = Calls(settings, ScriptedEngine(ScriptedSettings()))
        config = make_config(app, settings, None)
        config.lifespan = "off"
        started = asyncio.Event()
        self.started.append(started)
        return HandedServer(config, calls, Life(0), lambda host, port: started.set())

    async def dialled(self) -> socket.socket:
        """A connection from outside."""
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        ours.setblocking(False)
        await self.outer.take(theirs, inside=True)
        return ours


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    made = Pair()
    running = [asyncio.create_task(server._serve()) for server in (made.inner, made.outer)]
    for started in made.started:
        await started.wait()
    yield made
    for server in (made.inner, made.outer):
        server.should_exit = True
    await asyncio.gather(*running)


async def test_a_sideband_to_another_process(pair: Pair) -> None:
    async with websockets.unix_connect(
        uri="ws://host.example/v1/realtime?call_id=rtc_there",
        sock=await pair.dialled(),
        subprotocols=["realtime"],
        additional_headers={"Authorization": "Bearer key", "Origin": "https://page.example"},
    ) as connection:
        assert connection.subprotocol == "realtime"
        assert connection.response is not None
        assert connection.response.headers.get_all("x-vivavoce-call-id") == ["rtc_there"]
        assert len(connection.response.headers.get_all("date")) == 1
        for word in ("one", "two", "ü" * 100_000):
            await connection.send(word)
            assert await connection.recv() == word.upper()
        await connection.send("enough")
        assert await closed(connection) == (4000, "said so")
    # The other one checks keys and origins as if it had been asked itself.
    assert pair.other.headers["authorization"] == "Bearer key"
    assert pair.other.headers["origin"] == "https://page.example"
    assert pair.other.headers["host"] == "host.example"


async def test_a_refusal_of_the_other_process_is_passed_on(pair: Pair) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with websockets.unix_connect(
            uri="ws://h/v1/realtime?call_id=rtc_there&refuse", sock=await pair.dialled()
        ):
            pass
    assert (refused.value.response.status_code, refused.value.response.body) == (404, b'{"error":{}}')


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/v1/realtime/calls/rtc_there/hangup?a=b", "POST /v1/realtime/calls/rtc_there/hangup?a=b 70000"),
        ("/v1/realtime/calls/rtc_here/hangup", "here"),
        ("/v1/realtime/calls/rtc_nowhere/hangup", "here"),
        ("/v1/models", "here"),
    ],
)
async def test_a_request_about_a_call_goes_where_the_call_is(pair: Pair, path: str, answer: str) -> None:
    reader, writer = await asyncio.open_unix_connection(sock=await pair.dialled())
    head = f"POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 70000\r\nConnection: close\r\n\r\n"
    writer.write(head.encode() + bytes(70_000))
    async with asyncio.timeout(10):
        received = await reader.read()
    writer.close()
    head, _, body = received.decode().partition("\r\n\r\n")
    chunked = "transfer-encoding: chunked" in head.lower()
    assert answer in body if chunked else body == answer
    assert head.startswith("HTTP/1.1 201" if "rtc_there" in path else "HTTP/1.1 200")
    assert httpx.codes.is_success(int(head.split()[1]))


async def test_an_answer_that_is_cut_off_is_not_made_whole(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await asyncio.open_unix_connection(sock=await pair.dialled())
    writer.write(b"GET /v1/realtime/calls/rtc_there/cut HTTP/1.1\r\nHost: h\r\n\r\n")
    async with asyncio.timeout(10):
        received = await reader.read()
    writer.close()
    assert b"the beginning" in received
    assert not received.endswith(b"0\r\n\r\n")
    assert "/v1/realtime/calls/rtc_there/cut: The process that had this call has ended." in caplog.messages


async def test_a_client_that_hangs_up_in_the_middle_of_a_request_is_no_defect(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    _, writer = await asyncio.open_unix_connection(sock=await pair.dialled())
    writer.write(
        b"POST /v1/realtime/calls/rtc_there/hangup HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf"
    )
    await until(lambda: pair.other.headers)
    writer.close()
    await until(lambda: not pair.outer.server_state.connections and not pair.outer.server_state.tasks)
    assert not caplog.messages
