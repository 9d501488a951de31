"""How long a caller waits for an error or for an answer, whatever the upstream does; docs/relay.md has the same at full patience."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from itertools import count
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from tests.engines.relay.hostile import Hostile
from tests.engines.relay.rig import relay, without_session
from tests.engines.relay.test_going_on import Relayed, relayed
from tests.proofs import Proof
from vivavoce.call.relay_settings import UpstreamSettings
from vivavoce.engines.relay.link import CHECKS, Link, Route
from vivavoce.engines.relay.mirror import Mirror
from vivavoce.engines.relay.rules import HELLO_SLACK_MS, Rules
from vivavoce.engines.relay.upstream_socket import UpstreamSocket
from vivavoce.protocol.client_events import ResponseCreate
from vivavoce.protocol.server_events import ErrorEvent
from vivavoce.protocol.session_objects import SessionObject
from vivavoce.session.effects import Send
from vivavoce.session.options import SessionOptions
from vivavoce.session.rate_limits import RESERVED_OUTPUT_TOKENS
from vivavoce.session.signals import Signal
from vivavoce.session.upstream import FromUpstream, LinkLost
from vivavoce.testing import clock

CONNECT_MS = 400
MOST_S = (CONNECT_MS + HELLO_SLACK_MS) / 1000 + 1
"""One time to connect and to be greeted, and a second for a machine that has much to do."""


@contextlib.asynccontextmanager
async def deaf() -> AsyncIterator[str]:
    """A host that accepts connections and says nothing."""
    held: list[asyncio.StreamWriter] = []
    async with await asyncio.start_server(lambda _, writer: held.append(writer), "127.0.0.1") as listening:
        yield f"ws://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        for writer in held:
            writer.transport.abort()


async def answered(call: Relayed) -> str:
    """What a caller who has asked is told first: an error, or the sound of an answer."""
    async with asyncio.timeout(10):
        while True:
            for event in call.client.events:
                match event:
                    case {"type": "error"}:
                        return str(event["error"]["code"])
                    case {"type": "response.done", "response": {"status": "failed"} as response}:
                        return str(response["status_details"]["error"]["code"])
                    case {"type": "response.output_audio.delta"}:
                        return "sound"
            await asyncio.sleep(0.005)


REFUSALS = [
    (0, None, "upstream_unreachable"),
    (429, "0.1", "upstream_rate_limited"),
    (429, "30", "upstream_rate_limited"),
]
SITUATIONS = [(True, False), (True, True), (False, True)]
"""Whether another engine stands in, and whether the session is there already. With neither there is none: test_hostile.py."""


@pytest.mark.parametrize(("status", "after", "code"), REFUSALS)
@pytest.mark.parametrize(("stand_in", "midway"), SITUATIONS)
async def test_an_upstream_that_refuses(
    tmp_path: Path, status: int, after: str | None, code: str, stand_in: bool, midway: bool
) -> None:
    async with relayed(tmp_path, stand_in=stand_in, upstream__connect_ms=CONNECT_MS) as (call, upstream):
        refusals: list[tuple[int, bytes, dict[str, str]]]
        refusals = [(status, b"", {"Retry-After": after} if after else {})] * 50
        if midway:
            await call.until("session.created")
            upstream.refusals.extend(refusals)
            await upstream.hang_up_all()
            await upstream.until(lambda: call.mirror.up.state != "live")
        else:
            upstream.refusals.extend(refusals)
        begun = time.monotonic()
        call.say("hello")
        told = await answered(call)
        assert told == ("sound" if stand_in else code)
        assert time.monotonic() - begun < (1 if after == "30" else MOST_S)


async def test_a_host_that_accepts_and_says_nothing(tmp_path: Path) -> None:
    async with deaf() as host, relay(host, tmp_path, upstream__connect_ms=CONNECT_MS) as url:
        begun = time.monotonic()
        error, code, _ = await without_session(url)
        assert (error["code"], code) == ("upstream_unreachable", 1011)
        assert time.monotonic() - begun < MOST_S
        call = Relayed(host, tmp_path, stand_in=True, upstream__connect_ms=CONNECT_MS)
        try:
            begun = time.monotonic()
            call.say("hello")
            assert await answered(call) == "sound"
            assert time.monotonic() - begun < MOST_S
        finally:
            await call.close()


@pytest.mark.parametrize("stand_in", [False, True])
async def test_an_upstream_that_dies_in_the_middle_of_an_answer_and_does_not_come_back(
    tmp_path: Path, stand_in: bool
) -> None:
    async with relayed(tmp_path, stand_in=stand_in, upstream__connect_ms=CONNECT_MS) as (call, upstream):
        upstream.plans.append(("response.content_part.added", "abort"))
        upstream.refusals_later.extend([(503, b"", {})] * 50)
        call.say("hello")
        assert await answered(call) == "upstream_closed"
        call.client.events.clear()
        begun = time.monotonic()
        call.say("still there?")
        assert await answered(call) == ("sound" if stand_in else "upstream_unavailable")
        assert time.monotonic() - begun < MOST_S


class Mute:
    """A socket of an upstream that has just said its last word."""

    heard_anything = True
    pinged_s: float | None = None

    def ping(self) -> None:
        self.pinged_s = asyncio.get_running_loop().time()

    def abort(self) -> None:
        """Nothing to leave."""

    close = abort


@pytest.mark.parametrize("after_ms", [0, 1, 749, 750, 1499])
def test_a_link_on_which_nothing_comes_is_pinged_and_given_up_before_the_time_for_silence_is_over(
    after_ms: int,
) -> None:
    """Whenever the last word came: right before it was looked, or right after."""

    async def go() -> None:
        loop = asyncio.get_running_loop()
        lost: list[tuple[float, Signal]] = []
        route = Route("", cast(Any, None), 50, 4500, 1)
        link = Link("link_1", "ws://nowhere", route, "", lambda signal: lost.append((loop.time(), signal)))
        link._dialling.cancel()
        socket = Mute()
        link._opened(cast(UpstreamSocket, socket))
        await asyncio.sleep(after_ms / 1000)
        socket.heard_anything = True
        last_s = loop.time()
        await asyncio.sleep(10)
        ((at_s, signal),) = lost
        assert isinstance(signal, LinkLost)
        assert signal.failure.code == "upstream_silent"
        assert 4.5 * (CHECKS - 2) / CHECKS <= at_s - last_s <= 4.5
        # It has more than two seconds to answer.
        assert socket.pinged_s is not None
        assert at_s - socket.pinged_s >= 2
        await link.close()

    clock.run(go())


def test_an_answer_asked_for_while_another_goes_on_is_waited_for_from_the_end_of_that() -> None:
    """In virtual time, without a network: the upstream forgets the second of two requests."""
    numbers = count()
    rules = Rules("far", "", 4000, 4500, 30_000, 0, 0, {}, None)
    opening = SessionObject(id="sess_here", model="m")
    mirror = Mirror(opening, lambda kind: f"{kind}_{next(numbers)}", SessionOptions(), 0, rules)
    told: list[str] = []

    def says(name: str, now_ms: int, **fields: Any) -> None:
        frame = msgspec.json.encode({"type": name, "event_id": "event_far", **fields})
        mirror.signal(FromUpstream(mirror.up.link, frame), now_ms)

    def until(now_ms: int) -> list[str]:
        while (due := mirror.next_deadline()) is not None and due <= now_ms:
            mirror.tick(due)
        sent = [effect.event for effect in mirror.drain() if isinstance(effect, Send)]
        return [event.error.code or "" for event in sent if isinstance(event, ErrorEvent)]

    mirror.attach("client", 0)
    response = {"object": "realtime.response", "id": "resp_1", "status": "in_progress", "output": []}
    says("session.created", 0, session={"type": "realtime", "model": "m"})
    mirror.receive(ResponseCreate(), "client", 0)
    says("response.created", 10, response=response)
    mirror.receive(ResponseCreate(event_id="second"), "client", 20)
    told += until(9999)  # As long as one is going on, the other waits for it.
    says("response.done", 10_000, response={**response, "status": "completed"})
    told += until(14_499)
    assert not told
    assert until(14_500) == ["upstream_silent"]


async def test_what_was_set_aside_for_an_answer_that_failed_is_given_back(tmp_path: Path) -> None:
    """A client whose limits allow one answer at a time may ask again."""
    async with relayed(tmp_path, limits__tokens_per_minute=RESERVED_OUTPUT_TOKENS) as (call, upstream):
        upstream.plans.append(("response.output_audio.delta", "abort"))
        call.say("hello")
        assert (await call.until("response.done"))["response"]["status"] == "failed"
        (limit,) = (await call.until("rate_limits.updated"))["rate_limits"]
        assert (limit["name"], limit["remaining"]) == ("tokens", RESERVED_OUTPUT_TOKENS)
        call.say("and now?")
        assert (await call.until("response.done", 2))["response"]["status"] == "completed"
        assert not call.client.of_type("error")


LIMIT_S = 5
PATIENT = {
    f"upstream__{name}": getattr(UpstreamSettings(), name)
    for name in ("connect_ms", "silence_ms", "stall_ms")
}
"""The settings as they come."""
Deed = Callable[[Hostile], None]
WAYS: dict[str, Deed] = {
    "refuses": lambda upstream: upstream.refusals.extend([(0, b"", {})] * 500),
    "401": lambda upstream: upstream.refusals.append((401, b"", {})),
    "429, 1 s": lambda upstream: upstream.refusals.extend([(429, b"", {"Retry-After": "1"})] * 50),
    "429, 30 s": lambda upstream: upstream.refusals.extend([(429, b"", {"Retry-After": "30"})] * 50),
    "503": lambda upstream: upstream.refusals.extend([(503, b"", {})] * 500),
    "mute when asked": lambda upstream: upstream.plans.append(("response.created", "mute")),
}
"""What becomes of an upstream whose session has just begun; all but a mute one hang up first."""
AT_ONCE = ("401", "429, 30 s")
"""Nobody waits in these."""


async def test_nobody_waits_for_longer_than_five_seconds(proof: Proof, tmp_path: Path) -> None:
    """Rows of the table in docs/relay.md: from the asking until an error, or until the first sound of another engine."""
    ways = list(WAYS) if proof.full else list(AT_ONCE)
    proof.sizes.append(len(ways))
    for way in ways:
        waited_s = [await wait(tmp_path, way, stand_in, proof.full) for stand_in in (False, True)]
        assert max(waited_s) < (1 if way in AT_ONCE else LIMIT_S)
        proof.result(f"{way}: {waited_s[0]:.1f} s, with failover {waited_s[1]:.1f} s")


async def wait(folder: Path, way: str, stand_in: bool, full: bool) -> float:
    """How long a caller waits who asks in the moment in which that becomes of the upstream, in seconds."""
    mute = way == "mute when asked"
    async with relayed(folder, stand_in=stand_in, **(PATIENT if full else {})) as (call, upstream):
        if mute:
            WAYS[way](upstream)
            await call.until("session.created")
        else:
            await call.until("session.created")
            WAYS[way](upstream)
            await upstream.hang_up_all()
            await upstream.until(lambda: len(upstream.keys) > 1)
        begun = time.monotonic()
        call.say("hello")
        told = await answered(call)
        assert told == "sound" if stand_in and not mute else told.startswith("upstream_")
        return time.monotonic() - begun
