"""Upstreams that fail, at every phase of a session and of a response: the client is told what happened, and the next session works."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from tests.engines.relay.hostile import CODES, FAULTS, PHASES, Fault, Hostile, hostile
from tests.engines.relay.rig import KEY, relay, without_session
from tests.proofs import Proof
from tests.server.rig import Talk, raw_client

PATIENT = {
    "upstream__silence_ms": 3000,
    "upstream__stall_ms": 3000,
    "upstream__connect_ms": 900,
    "upstream__key": KEY,
}
"""For faults that show at once: on a busy machine nothing is to be taken for silence."""
HASTY = PATIENT | {"upstream__silence_ms": 600, "upstream__stall_ms": 600, "upstream__connect_ms": 600}
"""For silence."""
LONGEST_S = 5.0


@pytest.fixture
async def upstream() -> AsyncIterator[Hostile]:
    async with hostile() as made:
        yield made


@pytest.fixture
async def front(upstream: Hostile, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    settings = HASTY if "mute" in request.node.name else PATIENT
    async with relay(upstream.url, tmp_path, **settings) as url:
        # The probe of readiness has been there and is gone.
        await upstream.until(lambda: bool(upstream.seen) and not upstream.open)
        yield url


async def told(talk: Talk) -> dict[str, Any]:
    """The first thing that says what went wrong."""
    while True:
        event = await talk.next()
        if event["type"] == "error":
            return dict(event["error"])
        if event["type"] == "response.done" and event["response"]["status"] == "failed":
            return dict(event["response"]["status_details"]["error"])


async def test_whatever_fails_whenever(upstream: Hostile, front: str, proof: Proof) -> None:
    await each(upstream, front, [fault for fault in FAULTS if fault != "mute"], proof)


async def test_a_mute_whenever(upstream: Hostile, front: str, proof: Proof) -> None:
    await each(upstream, front, ["mute"], proof)


async def each(upstream: Hostile, front: str, faults: list[Fault], proof: Proof) -> None:
    """Every fault at every phase. Without a greeting there is no session yet: that is below. At reduced size each fault has other phases."""
    tasks = len(asyncio.all_tasks())
    took: list[float] = []
    cases: list[tuple[Fault, str]] = []
    for number, fault in enumerate(faults, 2):
        step = 5 if not proof.full else 1
        cases += [(fault, phase) for phase in PHASES[1 + number % step :: step]]
    proof.sizes.append(len(cases))
    for fault, phase in cases:
        upstream.plans.append((phase, fault))
        async with raw_client(front) as talk:
            await talk.until("session.created")
            await talk.send("session.update", session={"type": "realtime", "instructions": "Be brief."})
            begun = time.monotonic()
            await talk.say("hello")
            error = await told(talk)
            assert error["code"] == CODES[fault], (phase, error)
            took.append(time.monotonic() - begun)
            assert took[-1] < LONGEST_S
            assert KEY not in error["message"]
            # It goes on: another upstream session knows what was said, and answers.
            await talk.send("response.create")
            done = await talk.until("response.done")
            assert done["response"]["status"] == "completed", (phase, done)
            assert KEY not in str(talk.events)
        made = upstream.seen[-1]
        texts = [
            event["item"]["content"][0]["text"]
            for event in made
            if event["type"] == "conversation.item.create"
        ]
        assert texts[0] == "hello", (phase, texts)
        assert all(event["item"].get("id", "?") for event in made if "item" in event), made
        updates = [event["session"] for event in made if event["type"] == "session.update"]
        assert updates[-1]["instructions"] == "Be brief.", (phase, updates)
    await gone(upstream, tasks)
    proof.result(
        f"each told by its name, at the latest after {1000 * max(took):.0f} ms; conversations go on, nothing is left"
    )


async def gone(upstream: Hostile, tasks: int) -> None:
    """Nothing is left of any of it."""
    upstream.enough.set()
    await upstream.until(lambda: not upstream.open and len(asyncio.all_tasks()) <= tasks)


async def test_no_greeting_that_is_one(upstream: Hostile, front: str) -> None:
    await no_greeting(upstream, front, [fault for fault in FAULTS if fault != "mute"])


async def test_no_greeting_of_a_mute(upstream: Hostile, front: str) -> None:
    await no_greeting(upstream, front, ["mute"])


async def no_greeting(upstream: Hostile, front: str, faults: list[Fault]) -> None:
    tasks = len(asyncio.all_tasks())
    for fault in faults:
        upstream.plans.append(("greeting", fault))
        error, code, reason = await without_session(front)
        assert (error["code"], code, reason) == (CODES[fault], 1011, CODES[fault])
        assert KEY not in error["message"]
        async with raw_client(front) as talk:
            await talk.until("session.created")
            await talk.say("hello")
            assert (await talk.until("response.done"))["response"]["status"] == "completed"
    await gone(upstream, tasks)


BODY = f'{{"error": {{"message": "Incorrect key {KEY} and sk-abc***xyz", "code": "x"}}}}'.encode()


async def test_refused_handshakes(upstream: Hostile, front: str) -> None:
    for status, times, code in (
        (401, 1, "upstream_unauthorized"),
        (403, 1, "upstream_unauthorized"),
        (404, 1, "upstream_refused"),
        (400, 1, "upstream_refused"),
        (429, 20, "upstream_rate_limited"),
        (503, 20, "upstream_unavailable"),
    ):
        upstream.refusals.extend([(status, BODY, {})] * times)
        begun = time.monotonic()
        error, _, _ = await without_session(front)
        assert (error["code"], time.monotonic() - begun < LONGEST_S) == (code, True)
        assert KEY not in error["message"]
        assert "sk-" not in error["message"]
        # What would be the same again is not asked again; what may pass is.
        assert not upstream.refusals if times == 1 else 0 < len(upstream.refusals) < times
        upstream.refusals.clear()
        async with raw_client(front) as talk:
            await talk.until("session.created")


async def test_a_model_that_the_upstream_does_not_have(upstream: Hostile, front: str) -> None:
    said = "The model `gpt-realtime-2` does not exist or you do not have access to it."
    upstream.objection = {"type": "invalid_request_error", "code": "model_not_found", "message": said}
    error, code, _ = await without_session(front)
    assert (error["code"], code) == ("upstream_refused", 1011)
    assert "of the model gpt-realtime-2: model_not_found" in error["message"]
    assert said.rstrip(".") in error["message"]
    upstream.objection = None
    upstream.refusals.append((404, b'{"error": {"message": "no model gpt-realtime-2 here"}}', {}))
    error, code, _ = await without_session(front)
    assert (error["code"], code) == ("upstream_refused", 1011)
    assert "(404): no model gpt-realtime-2 here" in error["message"]


async def test_what_passes_is_tried_again_when_the_upstream_says(upstream: Hostile, front: str) -> None:
    upstream.refusals.extend([(429, b"", {"Retry-After": "0.05"}), (503, b"not json", {})])
    async with raw_client(front) as talk:
        await talk.until("session.created")
    assert upstream.keys[-1] == f"Bearer {KEY}"
    assert not upstream.refusals


async def test_nobody_there(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with relay(f"ws://127.0.0.1:{port}", tmp_path, **HASTY) as url:
        error, code, _ = await without_session(url)
        assert (error["type"], error["code"], code) == ("server_error", "upstream_unreachable", 1011)


async def test_a_connection_that_never_lasts_is_given_up(
    upstream: Hostile, front: str, caplog: pytest.LogCaptureFixture
) -> None:
    upstream.plans.append(("response.created", "abort"))
    for _ in range(5):
        upstream.plans.append(("greeting", "abort"))
    async with raw_client(front) as talk:
        await talk.until("session.created")
        await talk.say("hello")
        with pytest.raises(ConnectionClosed) as closed:
            await talk.until("nothing more")
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1011, "upstream_closed")
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
