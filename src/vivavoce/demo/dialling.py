"""Connecting to a server with the unmodified openai-python client, and one whole call over that connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from vivavoce.demo.caller import Caller
from vivavoce.demo.clock import CallClock
from vivavoce.demo.lines import SpokenLine
from vivavoce.demo.server import Address
from vivavoce.demo.story import Story

MODEL = "gpt-realtime-2"


async def make_call(
    address: Address,
    story: Story,
    lines: Mapping[str, SpokenLine],
    speed: float = 1.0,
    watch: Callable[[Caller], None] = lambda caller: None,
) -> Caller:
    """Dial, tell the story, hang up. `watch` is called with the caller every 20 ms of the call.

    The environment decides nothing here: neither OPENAI_BASE_URL nor OPENAI_API_KEY is looked at.
    """
    from openai import AsyncOpenAI

    client = AsyncOpenAI(api_key=address.key, base_url=f"{address.url}/v1")
    async with client, client.realtime.connect(model=MODEL) as connection:
        caller = Caller(connection, story, lines, CallClock(speed), lambda: watch(caller))
        await caller.run()
    return caller
