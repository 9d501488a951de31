"""When a server says that it is ready, and what it does while it is not."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import httpx
import pytest

from tests.server.rig import server
from vivavoce.call.owner import NOBODY
from vivavoce.call.ports import Engine
from vivavoce.call.registry import Calls
from vivavoce.call.settings import load_settings
from vivavoce.engines.relay.engine import RelayEngine
from vivavoce.engines.scripted.engine import ScriptedEngine, ScriptedSettings
from vivavoce.server.listening import make_server
from vivavoce.server.readiness import GoingAway, Readiness, probe


async def test_what_was_wrong_may_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    problems: list[str | None] = ["no model", "no model", "no voice", None]
    monkeypatch.setattr("vivavoce.server.readiness.probe", lambda calls: answered(problems.pop(0)))
    told: list[tuple[str, str]] = []

    async def sleep(pause_s: float) -> None:
        told.append((readiness.state, f"{readiness.reason}, again in {pause_s:g} s"))

    monkeypatch.setattr("vivavoce.server.readiness.asyncio.sleep", sleep)
    readiness = Readiness(first_pause_s=20)
    assert readiness.state == "starting"
    await readiness.establish(Calls(load_settings({}, environ={}), ScriptedEngine(ScriptedSettings())))
    assert told == [
        ("failed", "no model, again in 20 s"),
        ("failed", "no model, again in 40 s"),
        ("failed", "no voice, again in 60 s"),
    ]
    assert (readiness.state, readiness.reason) == ("ready", "")


async def test_a_probe_that_breaks_is_one_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(calls: Calls) -> None:
        raise ZeroDivisionError("a bug")

    async def once(pause_s: float) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr("vivavoce.server.readiness.probe", broken)
    monkeypatch.setattr("vivavoce.server.readiness.asyncio.sleep", once)
    readiness = Readiness()
    with pytest.raises(asyncio.CancelledError):
        await readiness.establish(Calls(load_settings({}, environ={}), ScriptedEngine(ScriptedSettings())))
    assert (readiness.state, readiness.reason) == ("failed", "ZeroDivisionError: a bug")


async def test_a_server_that_stops_meanwhile_is_no_engine_that_fails(
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls = Calls(load_settings({}, environ={}), ScriptedEngine(ScriptedSettings(llm_delay_ms=60_000)))
    readiness = Readiness()
    establishing = asyncio.create_task(readiness.establish(calls))
    await asyncio.sleep(0)  # It dials.
    await calls.close_all("the server is shutting down")
    await establishing
    assert readiness.state == "starting"
    assert caplog.text == ""


async def answered(problem: str | None) -> str | None:
    return problem


async def test_a_tone_that_is_no_speech_does_not_keep_a_server_from_being_ready(tmp_path: Path) -> None:
    async with server(tmp_path, scripted__vad="silero") as url, httpx.AsyncClient() as client:
        async with asyncio.timeout(10):
            while (ready := await client.get(f"{url}/readyz")).status_code != 200:
                assert ready.json()["status"] == "starting"


def relay_to_nobody(stand_in: Engine | None = None) -> Calls:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"ws://127.0.0.1:{taken.getsockname()[1]}"
    given = load_settings(
        {"engine.kind": "relay", "upstream.url": url, "upstream.connect_ms": 50}, environ={}
    )
    return Calls(given, RelayEngine(given.upstream, given.relay, {}, stand_in))


async def test_a_reason_that_stays_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    calls, probed = relay_to_nobody(), 0

    async def thrice(calls: Calls) -> str | None:
        nonlocal probed
        probed += 1
        if probed > 3:
            raise GoingAway
        return await probe(calls)

    monkeypatch.setattr("vivavoce.server.readiness.probe", thrice)
    readiness = Readiness(first_pause_s=0)
    await readiness.establish(calls)
    assert readiness.state == "failed"
    (told,) = caplog.messages
    assert told.startswith("not ready: The upstream cannot be reached (")


async def test_a_relay_whose_failover_answers_is_ready_and_says_why_it_does(
    caplog: pytest.LogCaptureFixture,
) -> None:
    readiness = Readiness()
    await readiness.establish(relay_to_nobody(ScriptedEngine(ScriptedSettings())))
    assert readiness.state == "ready"
    (told,) = caplog.messages
    assert told.startswith("ready, but upstream_unreachable: ")
    assert told.endswith("scripted goes on instead of the upstream")


async def test_a_probe_keeps_no_server_from_ending() -> None:
    server = make_server(
        load_settings({}, environ={}), ScriptedEngine(ScriptedSettings()), lambda host, port: None
    )
    calls = server._calls
    probed, called = calls.open("m", 0, owner=NOBODY, watched=False), calls.open("m", 0)
    assert server.sessions() == 1
    for call in (probed, called):
        await calls.close(call)
    assert server.sessions() == 0
