"""Uploaded sound, as PCM16 mono at one rate."""

from __future__ import annotations

import asyncio
import io
import wave

import numpy as np

from vivavoce.audio.clip import Clip
from vivavoce.audio.resample import resample
from vivavoce.engines.workers import Job, WorkerPool
from vivavoce.protocol.errors import EngineError
from vivavoce.server.rest.errors import ApiError

RATE_HZ = 16_000
"""What recognisers want."""
MOST_S = 1500
"""The longest recording taken, as by the API's own transcription models."""
DECODE_TIMEOUT_S = 90.0
_MESSAGE_BYTES = 1024 * 1024
_PLAIN_BYTES = 8 * 1024 * 1024


async def decode(codecs: WorkerPool, content: bytes, param: str) -> Clip:
    """The sound of a file at 16 kHz. Raises ApiError (400) when there is none to be read."""
    if not content:
        raise ApiError("The audio file is empty.", param=param, code="invalid_value")
    if len(content) <= _PLAIN_BYTES:
        plain = await asyncio.to_thread(_plain_wav, content)
        if plain is not None:
            return _within(plain, param)
    try:
        async with (
            asyncio.timeout(DECODE_TIMEOUT_S),
            await codecs.acquire(["decode", RATE_HZ, MOST_S]) as job,
        ):
            pcm = await _pass_through(job, content)
    except EngineError as failed:
        if failed.retryable:
            raise
        raise _unreadable(failed.message, param) from failed
    except TimeoutError:
        raise _unreadable(f"decoding took longer than {DECODE_TIMEOUT_S:.0f} s", param) from None
    return Clip(pcm, RATE_HZ)


async def _pass_through(job: Job, content: bytes) -> bytes:
    for start in range(0, len(content), _MESSAGE_BYTES):
        job.send(["more", content[start : start + _MESSAGE_BYTES]])
        await job.drained()
    job.send(["end"])
    return b"".join([piece async for piece in job])


def _plain_wav(content: bytes) -> Clip | None:
    """A WAV file of 16-bit samples needs no decoder, and most uploads are one."""
    try:
        with wave.open(io.BytesIO(content), "rb") as file:
            if file.getsampwidth() != 2 or not 1_000 <= file.getframerate() <= 384_000:
                return None
            rate_hz, channels = file.getframerate(), file.getnchannels()
            raw = file.readframes(min(file.getnframes(), len(content)))
    except (wave.Error, EOFError, RuntimeError):
        return None
    rows = np.frombuffer(raw[: len(raw) // (2 * channels) * 2 * channels], "<i2").reshape(-1, channels)
    if len(rows) > MOST_S * rate_hz:
        return Clip(bytes(2 * RATE_HZ * (MOST_S + 1)), RATE_HZ)
    mono = rows.mean(axis=1).astype("<i2") if channels > 1 else rows
    return resample(Clip(mono.tobytes(), rate_hz), RATE_HZ)


def _within(clip: Clip, param: str) -> Clip:
    if clip.samples > MOST_S * RATE_HZ:
        raise _unreadable(f"it is longer than {MOST_S} seconds", param)
    return clip


def _unreadable(why: str, param: str) -> ApiError:
    return ApiError(
        f"The audio file could not be decoded or its format is not supported: {why}.",
        param=param,
        code="invalid_value",
    )
