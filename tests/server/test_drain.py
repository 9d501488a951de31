"""How a server ends: gently, in time, or at once; and what its clients are told."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from pathlib import Path

import httpx
import msgspec
import pytest
import websockets

from tests.server.processes import get, serving
from tests.server.rig import Talk, raw_client, server, socket_url
from vivavoce.server.life import GOODBYE, Life, Stage


async def refused_with(url: str) -> tuple[int, dict[str, str], str | None]:
    """Status and error of a handshake that is refused, and when to come back."""
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with websockets.connect(socket_url(url)):
            pass
    response = refused.value.response
    error = msgspec.json.decode(response.body)["error"]
    return response.status_code, error, response.headers.get("retry-after")


async def closed(talk_socket: websockets.ClientConnection) -> tuple[int | None, str | None]:
    """Read to the end; close code and reason as they came over the wire."""
    with contextlib.suppress(websockets.ConnectionClosed):
        async with asyncio.timeout(20):
            async for _ in talk_socket:
                pass
    return talk_socket.close_code, talk_socket.close_reason


async def test_a_drain_lets_nobody_in_and_running_sessions_go_on(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        async with raw_client(running.url) as talk:
            await talk.until("session.created")
            running.signal(signal.SIGTERM)
            async with asyncio.timeout(20):
                while (ready := await get(f"{running.url}/readyz")).json()["status"] != "draining":
                    pass
            assert ready.status_code == 503
            assert (await get(f"{running.url}/healthz")).status_code == 200
            status, error, retry = await refused_with(running.url)
            assert (status, error["code"], error["type"]) == (503, "server_draining", "server_error")
            assert retry is not None
            assert int(retry) > 0
            async with httpx.AsyncClient() as client:
                answer = await client.post(f"{running.url}/v1/chat/completions", json={})
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "server_draining")
            await talk.say("hello")
            assert (await talk.until("response.done"))["response"]["status"] == "completed"
        # The last one has left: nothing is waited for any longer.
        assert await running.ended(10) == 0


async def test_what_is_still_there_when_the_drain_is_over_is_told_and_closed(tmp_path: Path) -> None:
    async with (
        serving(tmp_path, VIVAVOCE_SERVER__DRAIN_S="0.3") as running,
        websockets.connect(socket_url(running.url)) as one,
        raw_client(running.url) as other,
    ):
        assert (await Talk(one).next())["type"] == "session.created"
        await other.say("Tell me a story.")
        await other.until("response.output_audio.delta")
        running.signal(signal.SIGTERM)
        assert await closed(one) == (1001, GOODBYE)
        with pytest.raises(websockets.ConnectionClosed) as told:
            await other.until("nothing of the kind")
        assert told.value.rcvd is not None
        assert (told.value.rcvd.code, told.value.rcvd.reason) == (1001, GOODBYE)
        assert await running.ended(10) == 0


@pytest.mark.parametrize(
    "signals",
    [(signal.SIGTERM, signal.SIGTERM), (signal.SIGHUP, signal.SIGTERM), (signal.SIGINT,)],
    ids=["a second SIGTERM", "SIGTERM after the terminal was closed", "Ctrl-C"],
)
async def test_at_once(tmp_path: Path, signals: tuple[signal.Signals, ...]) -> None:
    async with (
        serving(tmp_path, VIVAVOCE_SERVER__DRAIN_S="600") as running,
        websockets.connect(socket_url(running.url)) as socket,
    ):
        assert (await Talk(socket).next())["type"] == "session.created"
        for number in signals:
            running.signal(number)
            await asyncio.sleep(0.3)  # Two signals of a kind that come together are one.
        assert await closed(socket) == (1001, GOODBYE)
        assert await running.ended(10) == 0
        assert "Traceback" not in running.log()


async def test_the_end_of_an_embedded_server_has_a_reason_too(tmp_path: Path) -> None:
    running = server(tmp_path)
    url = await running.__aenter__()
    async with websockets.connect(socket_url(url)) as socket:
        assert (await Talk(socket).next())["type"] == "session.created"
        stopping = asyncio.create_task(running.__aexit__(None, None, None))
        assert await closed(socket) == (1001, GOODBYE)
        await stopping


# --- the machine --------------------------------------------------------------------------------------------------------


class Clock:
    """Time that passes when told."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_serving_drain_draining_and_over_in_time() -> None:
    clock = Clock()
    life = Life(30, clock)
    assert not life.look(0)
    life.interrupted(2)
    assert (life.stage, life.serving) == (Stage.DRAINING, False)
    clock.now_s += 29.9
    assert not life.look(2)
    clock.now_s += 0.1
    assert life.look(2)
    assert life.stage is Stage.STOPPING


def test_draining_is_over_with_the_last_session() -> None:
    life = Life(30, Clock())
    life.drain(1)
    assert not life.look(1)
    assert life.look(0)


@pytest.mark.parametrize("first", ["interrupted", "broken_off"])
def test_the_second_signal_forces(first: str) -> None:
    life = Life(30, Clock())
    life.interrupted(1) if first == "interrupted" else life.broken_off()
    life.interrupted(1)
    assert life.stage is Stage.FORCED
    life.stop()
    assert life.stage is Stage.FORCED
