"""An answer on its way to a client that goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from vivavoce.server.rest.streaming import Streamed, begin


async def test_what_makes_an_answer_ends_with_a_client_that_does_not_read_and_hangs_up() -> None:
    ended: list[str] = []
    stuck = asyncio.Event()

    async def pieces() -> AsyncGenerator[bytes, None]:
        try:
            while True:
                yield b"piece"
        finally:
            ended.append("the pieces")

    async def receive() -> dict[str, Any]:
        await stuck.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            stuck.set()
            await asyncio.Event().wait()  # nobody reads any more

    answer = Streamed(await begin(pieces()), "text/plain")
    answer.at_end = lambda: ended.append("the seat")
    async with asyncio.timeout(10):
        await answer({}, receive, send)
    assert ended == ["the pieces", "the seat"]
