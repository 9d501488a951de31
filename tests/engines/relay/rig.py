"""Two servers on loopback: one that answers, and in front of it one that relays to it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import websockets

from tests.server.rig import WHOLE, server, socket_url
from vivavoce.call.settings import Settings, load_settings
from vivavoce.server.embedded import running_server

KEY = "sk-upstream-0123456789abcdefghij"


def relay_settings(url: str, folder: Path, **flags: Any) -> Settings:
    """Settings of a relay to `url`; `upstream__silence_ms=300` sets a key."""
    given = {key.replace("__", "."): value for key, value in flags.items()}
    return load_settings(
        {"engine.kind": "relay", "upstream.url": url, "data_dir": str(folder), **given},
        environ={"OPENAI_API_KEY": "sk-must-not-leave-for-another-host"},
    )


@contextlib.asynccontextmanager
async def relay(url: str, folder: Path, **flags: Any) -> AsyncIterator[str]:
    """A server that relays to `url`."""
    async with running_server(relay_settings(url, folder, **flags)) as front:
        yield front


async def without_session(url: str) -> tuple[dict[str, Any], int, str]:
    """What a client is told whose session never begins: the error, and how its connection is closed."""
    async with websockets.connect(socket_url(url), **WHOLE) as connection:
        event = json.loads(await connection.recv())
        assert event["type"] == "error", event
        with contextlib.suppress(websockets.ConnectionClosed):
            raise AssertionError(await connection.recv())
        return event["error"], connection.close_code or 0, connection.close_reason or ""


@contextlib.asynccontextmanager
async def two_hops(folder: Path, **flags: Any) -> AsyncIterator[str]:
    """A server that relays to one with the scripted engine. Keys of the latter begin with `behind__`."""
    behind = {key.removeprefix("behind__"): one for key, one in flags.items() if key.startswith("behind__")}
    front = {key: one for key, one in flags.items() if not key.startswith("behind__")}
    for name in ("behind", "front"):
        (folder / name).mkdir(exist_ok=True)
    async with (
        server(folder / "behind", **behind) as far,
        relay(socket_url(far).partition("?")[0], folder / "front", **front) as near,
    ):
        yield near
