"""Upstreams that fail, at every phase of a session and of a response: the client is told what happened, and the next session works."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from tests.engines.relay.hostile import CALL_PHASES, CODES, FAULTS, PHASES, SPEECH, Fault, Hostile, hostile
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


async def typing(talk: Talk) -> None:
    await talk.say("hello")


async def calling(talk: Talk) -> None:
    await talk.say("call them")


async def pushing_to_talk(talk: Talk) -> None:
    for _ in range(3):
        await talk.send("input_audio_buffer.append", audio=SPEECH)
    await talk.send("input_audio_buffer.commit")


async def speaking(talk: Talk) -> None:
    hearing = {"turn_detection": {"type": "server_vad"}}
    await talk.send("session.update", session={"type": "realtime", "audio": {"input": hearing}})
    for _ in range(3):
        await talk.send("input_audio_buffer.append", audio=SPEECH)


async def having_spoken(talk: Talk) -> None:
    await speaking(talk)


async def truncating(talk: Talk) -> None:
    await talk.say("hello")
    (item,) = (await talk.until("response.done"))["response"]["output"]
    await talk.send("conversation.item.truncate", item_id=item["id"], content_index=0, audio_end_ms=40)


async def listening(talk: Talk) -> None:
    await talk.say("hello")
    await talk.until("response.done")


Drive = Callable[[Talk], Awaitable[None]]
SITUATIONS: tuple[tuple[Drive, tuple[str, ...]], ...] = (
    (typing, PHASES),
    (calling, CALL_PHASES),
    (pushing_to_talk, ("append.1", "append.3", "input_audio_buffer.committed")),
    (speaking, ("append.2", "input_audio_buffer.speech_stopped", "turn committed")),
    (having_spoken, ("turn item", "conversation.item.added", "conversation.item.done", "turn answered")),
    (truncating, ("conversation.item.truncated",)),
    (listening, ("idle",)),
)
"""What a client does, and when meanwhile its upstream fails. Without a greeting there is no session yet: that is below."""
MOMENTS = [(drive, phase) for drive, phases in SITUATIONS for phase in phases]


async def test_whatever_fails_whenever(upstream: Hostile, front: str, proof: Proof) -> None:
    await each(upstream, front, [fault for fault in FAULTS if fault != "mute"], proof)


async def test_a_mute_whenever(upstream: Hostile, front: str, proof: Proof) -> None:
    await each(upstream, front, ["mute"], proof)


async def each(upstream: Hostile, front: str, faults: list[Fault], proof: Proof) -> None:
    """Every fault at every moment. At reduced size each fault has other moments, and all of them together have most."""
    tasks = len(asyncio.all_tasks())
    took: list[float] = []
    cases: list[tuple[Fault, Drive, str]] = []
    for number, fault in enumerate(faults):
        chosen = MOMENTS if proof.full else MOMENTS[number % 9 :: 9]
        cases += [(fault, drive, phase) for drive, phase in chosen]
    proof.sizes.append(len(cases))
    for fault, drive, phase in cases:
        upstream.plans.append((phase, fault))
        case = (fault, drive.__name__, phase)
        async with raw_client(front) as talk:
            await talk.until("session.created")
            await talk.send("session.update", session={"type": "realtime", "instructions": "Be brief."})
            begun = time.monotonic()
            await drive(talk)
            if drive is listening:
                await another_session(talk)  # Nothing is lost, so nothing is said.
            elif drive is having_spoken:
                await answered_elsewhere(talk, case)
            else:
                error = await told(talk)
                assert error["code"] == CODES[fault], (case, error)
                assert drive is not speaking or talk.of_type("input_audio_buffer.cleared"), case
                assert KEY not in error["message"]
            took.append(time.monotonic() - begun)
            assert took[-1] < LONGEST_S, case
            # It goes on: another upstream session knows what was said, and answers.
            await talk.say("and now?")
            done = await talk.until("response.done")
            assert done["response"]["status"] == "completed", (case, done)
            assert KEY not in str(talk.events)
        made = upstream.seen[-1]
        texts = [
            event["item"]["content"][0].get("text")
            for event in made
            if event["type"] == "conversation.item.create" and "content" in event["item"]
        ]
        assert texts[-1] == "and now?", (case, texts)
        assert len(texts) == 1 or texts[0] in ("hello", "call them", None), (case, texts)
        assert (drive in (pushing_to_talk, speaking, having_spoken)) or len(texts) > 1, case
        assert all(event["item"].get("id", "?") for event in made if "item" in event), made
        updates = [event["session"] for event in made if event["type"] == "session.update"]
        assert updates[-1]["instructions"] == "Be brief.", (case, updates)
    await gone(upstream, tasks)
    proof.result(
        f"each told by its name, at the latest after {1000 * max(took):.0f} ms; conversations go on, nothing is left"
    )


async def answered_elsewhere(talk: Talk, case: object) -> None:
    """What was said is an item as if nothing had happened, and another upstream session answers it."""
    done = (await talk.until("response.done"))["response"]
    assert done["status"] == "completed", (case, done)
    (turn,) = {event["item_id"] for event in talk.of_type("input_audio_buffer.committed")}
    for kind in ("added", "done"):
        items = [event["item"]["id"] for event in talk.of_type(f"conversation.item.{kind}")]
        assert items[0] == turn, (case, kind, items)
        assert items.count(turn) == 1, (case, kind, items)
    assert not talk.of_type("error"), case


async def another_session(talk: Talk) -> None:
    """Wait until the conversation has another upstream session; that is all that is seen of it."""
    seen = len(talk.events)
    await talk.until("session.updated")
    assert {event["type"] for event in talk.events[seen:]} <= {"rate_limits.updated", "session.updated"}


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
        (0, 20, "upstream_unreachable"),
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
    upstream.refusals.extend([(429, b"", {"Retry-After": "0.05"}), (503, b"not json", {}), (0, b"", {})])
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
