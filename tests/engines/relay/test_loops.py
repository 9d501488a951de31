"""Relays that point at each other: a session that comes round is refused, and everybody on the way is told why."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import websockets

from tests.engines.relay.rig import relay, without_session
from tests.server.rig import openai_client, server, socket_url
from vivavoce.call import via


class Door:
    """A port that leads to another one, which is known later; as a proxy would that knows nothing of relays."""

    def __init__(self) -> None:
        self.behind = 0
        self._passing: set[asyncio.Task[None]] = set()

    async def let_through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            further = await asyncio.open_connection("127.0.0.1", self.behind)
        except OSError:
            writer.close()
            return
        ways = ((reader, further[1]), (further[0], writer))
        self._passing = {asyncio.create_task(self._pass(source, sink)) for source, sink in ways}
        await asyncio.wait(self._passing)

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await source.read(65_536):
                sink.write(piece)
        sink.close()


@contextlib.asynccontextmanager
async def ring(folder: Path, size: int) -> AsyncIterator[str]:
    """So many relays, each the upstream of the one before it, and the first one, behind a door, of the last."""
    door = Door()
    async with (
        await asyncio.start_server(door.let_through, "127.0.0.1") as listening,
        contextlib.AsyncExitStack() as stack,
    ):
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        for number in range(size):
            (folder / str(number)).mkdir()
            url = await stack.enter_async_context(relay(url, folder / str(number)))
        door.behind = int(url.rpartition(":")[2])
        yield url


async def unready(http: httpx.AsyncClient, url: str) -> str:
    """Why a server says that it is not ready, once it is about loops: its first probe came before the ring was closed."""
    async with asyncio.timeout(10):
        while "point at each other" not in (told := (await http.get(f"{url}/readyz")).text):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return told


@pytest.mark.parametrize(("size", "by"), [(1, ""), (2, " by 1 other"), (3, " by 2 others")])
async def test_what_comes_round_is_told_so_at_once(
    tmp_path: Path, size: int, by: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with ring(tmp_path, size) as url:
        begun = time.monotonic()
        error, code, reason = await without_session(url)
        assert time.monotonic() - begun < 2
        assert (error["type"], error["code"], code, reason) == (
            "server_error",
            "upstream_loop",
            1011,
            "upstream_loop",
        )
        assert error["message"].startswith(
            f"Relays point at each other: this has come back{by} to one that relays to 127.0.0.1:"
        )
        assert error["message"].endswith("Correct upstream.url (VIVAVOCE_UPSTREAM_URL) of one of them.")
        async with httpx.AsyncClient() as http:
            asked = {"model": "tts-1", "input": "hello", "voice": "marin"}
            answer = await http.post(f"{url}/v1/audio/speech", json=asked)
            assert (answer.status_code, answer.json()["error"]["code"]) == (508, "relay_loop")
            # Who runs it reads of it without a client.
            assert f"come back{by} to" in await unready(http, url)
        assert [line for line in caplog.messages if line.startswith("not ready: Relays point at each other")]


async def test_relays_in_a_row_that_end_somewhere_go_on(tmp_path: Path) -> None:
    async with (
        server(tmp_path) as far,
        relay(socket_url(far).partition("?")[0], tmp_path) as middle,
        relay(socket_url(middle).partition("?")[0], tmp_path) as near,
        openai_client(near) as talk,
    ):
        await talk.until("session.created")
        await talk.say("hello")
        assert (await talk.until("response.done"))["response"]["status"] == "completed"


async def test_one_name_for_several_machines_and_many_lines_of_one_header(tmp_path: Path) -> None:
    async with (
        server(tmp_path) as far,
        relay(socket_url(far).partition("?")[0], tmp_path, relay__name="the.pool") as url,
    ):
        passed = [("Via", "1.1 proxy.example, HTTP/1.1 vivavoce-another"), ("Via", "1.1 vivavoce-the.pool")]
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with websockets.connect(socket_url(url), additional_headers=passed):
                pass
        assert refused.value.response.status_code == 508
        assert b'"relay_loop"' in refused.value.response.body
        # What is not this one's name is nobody's business here, and the scripted engine passes nothing on.
        for there, names in ((url, "vivavoce-another"), (far, "vivavoce-the.pool")):
            async with websockets.connect(
                socket_url(there), additional_headers={"Via": f"1.1 {names}"}
            ) as line:
                assert "session.created" in str(await line.recv())


def test_what_is_read_of_the_header() -> None:
    assert via.read(["1.1 vivavoce-a (vivavoce/1.0), 1.0 fred, HTTP/2 vivavoce-b.c", "1.1\tvivavoce-d"]) == (
        "a",
        "b.c",
        "d",
    )
    assert via.read(["vivavoce-a", "1.1 xvivavoce-a", "1.1 vivavoce-", ""]) == ()
    assert via.read([via.written(("a", "b"))]) == ("a", "b")
    assert via.refusal(("a", "b"), "c", "far") is None
    assert "come back to one that relays to far." in str(via.refusal(("b", "a"), "a", "far"))
    assert "come back by 2 others to" in str(via.refusal(("a", "b", "c"), "a", "far"))
