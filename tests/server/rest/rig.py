"""Servers and clients for the REST endpoints: the scripted engine, unmodified openai-python."""

from __future__ import annotations

import contextlib
import io
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
from openai import AsyncOpenAI

from tests.server.rig import server

TONE = (np.sin(np.arange(16_000) * 0.3) * 9000).astype("<i2").tobytes()


@contextlib.asynccontextmanager
async def client(folder: Path, **flags: Any) -> AsyncIterator[AsyncOpenAI]:
    """openai-python at a server that follows the script of `tests/server/rig.py`."""
    async with (
        server(folder, **flags) as url,
        AsyncOpenAI(base_url=f"{url}/v1", api_key="local", max_retries=0) as made,
    ):
        yield made


def wav(pcm: bytes = TONE, rate_hz: int = 16_000, channels: int = 1) -> bytes:
    """A WAV file; by default a second of a tone, which the scripted engine takes for speech."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(pcm)
    return out.getvalue()
