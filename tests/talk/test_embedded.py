"""The server inside a running program."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable

import httpx
import pytest

from tests.talk.rig import scripted
from vivavoce.call.ports import EngineCall
from vivavoce.call.settings import Settings
from vivavoce.engines.scripted.engine import ScriptedEngine, ScriptedSettings
from vivavoce.server import embedded
from vivavoce.server.embedded import ServerFailed, running_server
from vivavoce.session.signals import Signal


class Watched(ScriptedEngine):
    """A scripted engine that remembers its life, and may fail to start."""

    def __init__(self, failure: Exception | None = None, *, hangs: bool = False) -> None:
        super().__init__(ScriptedSettings())
        self.failure = failure
        self.hangs = hangs
        self.starting = asyncio.Event()
        self.life: list[str] = []

    async def start(self) -> None:
        self.life.append("start")
        self.starting.set()
        if self.hangs:
            await asyncio.Event().wait()
        if self.failure is not None:
            raise self.failure

    async def close(self) -> None:
        self.life.append("close")

    def open(self, call_id: str, emit: Callable[[Signal], None]) -> EngineCall:
        return super().open(call_id, emit)


def use(monkeypatch: pytest.MonkeyPatch, engine: Watched) -> None:
    def make(_settings: Settings) -> Watched:
        return engine

    monkeypatch.setattr(embedded, "make_engine", make)


async def test_serves_inside_the_block_only_and_leaves_signals_alone() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    level = logging.getLogger("uvicorn").level
    async with httpx.AsyncClient() as client:
        async with running_server(scripted()) as url:
            assert url.startswith("http://127.0.0.1:")
            assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
            assert (await client.get(f"{url}/healthz")).json() == {"status": "ok"}
        with pytest.raises(httpx.ConnectError):
            await client.get(f"{url}/healthz")
    assert logging.getLogger("uvicorn").level == level


async def test_several_stand_side_by_side_whatever_port_the_settings_name() -> None:
    async with (
        running_server(scripted(server__port=9)) as one,
        running_server(scripted(server__port=9)) as two,
        httpx.AsyncClient() as client,
    ):
        assert one != two
        assert [(await client.get(f"{url}/healthz")).status_code for url in (one, two)] == [200, 200]


async def test_an_engine_that_does_not_start_is_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    engine = Watched(RuntimeError("libflite is missing\nTraceback: and much more"))
    use(monkeypatch, engine)
    with pytest.raises(ServerFailed) as caught:
        async with running_server(scripted()):
            pytest.fail("it runs")
    assert str(caught.value) == "libflite is missing"
    assert engine.life == ["start", "close"]
    assert not caplog.records


async def test_an_engine_that_cannot_be_made_is_one_line() -> None:
    with pytest.raises(ServerFailed, match=r"no-such\.toml"):
        async with running_server(scripted(scripted__script="no-such.toml")):
            pytest.fail("it runs")


@pytest.mark.parametrize("failure", [asyncio.CancelledError(), ValueError("the program's own trouble")])
async def test_the_engine_is_closed_however_the_block_is_left(
    monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    engine = Watched()
    use(monkeypatch, engine)
    with pytest.raises(type(failure)):
        async with running_server(scripted()):
            raise failure
    assert engine.life == ["start", "close"]


async def test_giving_up_does_not_wait_for_models_that_load(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Watched(hangs=True)
    use(monkeypatch, engine)

    async def serve() -> None:
        async with running_server(scripted()):
            pytest.fail("it runs")

    serving = asyncio.create_task(serve())
    await engine.starting.wait()
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert engine.life == ["start", "close"]
