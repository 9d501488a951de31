"""Connecting to a server with the unmodified openai-python client, and one whole call over that connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from vivavoce.demo.caller import Caller
from vivavoce.demo.clock import CallClock
from vivavoce.demo.lines import SpokenLine
from vivavoce.demo.server import Address, ServerFailed
from vivavoce.demo.story import Story
from vivavoce.server.auth import is_loopback

if TYPE_CHECKING:
    from openai.types.websocket_connection_options import WebSocketConnectionOptions

MODEL = "gpt-realtime-2"


async def make_call(
    address: Address,
    story: Story,
    lines: Mapping[str, SpokenLine],
    speed: float = 1.0,
    watch: Callable[[Caller], None] = lambda caller: None,
) -> Caller:
    """Dial, tell the story, hang up. `watch` is called with the caller every 20 ms of the call. Raises ServerFailed.

    The environment decides nothing here: neither OPENAI_BASE_URL nor OPENAI_API_KEY is looked at.
    """
    from openai import AsyncOpenAI
    from websockets.exceptions import InvalidHandshake

    async with AsyncOpenAI(api_key=address.key, base_url=f"{address.url}/v1") as client:
        try:
            connection = await client.realtime.connect(
                model=MODEL, websocket_connection_options=_options(address)
            ).enter()
        except (OSError, InvalidHandshake) as error:
            raise ServerFailed(f"{address.url} did not take the call: {error}") from None
        caller = Caller(connection, story, lines, CallClock(speed), lambda: watch(caller))
        try:
            await caller.run()
        finally:
            await connection.close()
    return caller


def _options(address: Address) -> WebSocketConnectionOptions:
    """A proxy of the environment is for the world outside; on this machine it would only be in the way."""
    host = urlsplit(address.url).hostname or ""
    return cast("WebSocketConnectionOptions", {"proxy": None} if is_loopback(host) else {})
