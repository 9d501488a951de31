"""Speech in the formats that are asked for, piece by piece."""

from __future__ import annotations

import asyncio
import importlib.util
import io
import struct
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from typing import Any, Literal, Protocol

import numpy as np

from vivavoce.call.ports import Spoken
from vivavoce.engines.workers import Job, WorkerPool
from vivavoce.server.rest.errors import ApiError

RATE_HZ = 24_000
Format = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]
MEDIA_TYPES: dict[Format, str] = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
_FILES = {"mp3": ("MP3", "MPEG_LAYER_III"), "opus": ("OGG", "OPUS"), "flac": ("FLAC", "PCM_16")}
_UNKNOWN_LENGTH = 0xFFFFFFFF


class Encoder(Protocol):
    """One sound on its way out. Every method may give nothing yet."""

    async def push(self, pcm: bytes) -> bytes:
        """What the next PCM16 samples (24 kHz, mono) complete."""

    async def finish(self) -> bytes:
        """The rest."""

    def close(self) -> None:
        """Free what it holds, finished or not."""


class PlainEncoder:
    """Samples as they are, after a header or none."""

    def __init__(self, header: bytes = b"") -> None:
        self._header = header

    async def push(self, pcm: bytes) -> bytes:
        """The samples."""
        header, self._header = self._header, b""
        return header + pcm

    async def finish(self) -> bytes:
        """The header of a sound without samples."""
        return await self.push(b"")

    def close(self) -> None:
        """There is nothing to free."""


class _Tape:
    """A file that is only appended to: what a format would correct in its beginning at the end has been sent by then."""

    def __init__(self) -> None:
        self._new = bytearray()
        self._at = self._end = 0

    def take(self) -> bytes:
        """What has come since the last time."""
        taken = bytes(self._new)
        self._new.clear()
        return taken

    def write(self, chunk: Any) -> int:
        """Keep what lies behind the end."""
        added = bytes(chunk)[max(0, self._end - self._at) :]
        self._new += added
        self._at += len(bytes(chunk))
        self._end = max(self._end, self._at)
        return len(bytes(chunk))

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go where the format wants to be."""
        self._at = offset + (0, self._at, self._end)[whence]
        return self._at

    def tell(self) -> int:
        """Where it is."""
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Nothing is read from a tape."""
        return b""

    def flush(self) -> None:
        """It is flushed by being sent."""


class FileEncoder:
    """MP3, Ogg Opus and FLAC by libsndfile, in the loop: 1 to 6 ms of work for a piece of speech, which is 100 ms long."""

    def __init__(self, container: str, subtype: str) -> None:
        import soundfile

        self._tape = _Tape()
        # FLAC says in its header how long it is, and not every reader makes do without: it is sent when it is complete.
        self._whole = io.BytesIO() if container == "FLAC" else None
        target = self._tape if self._whole is None else self._whole
        # At a varying bit rate an MP3 would need its length in the first frame, which has been sent by the time it is known.
        rate = {"bitrate_mode": "CONSTANT", "compression_level": 0.6} if container == "MP3" else {}
        self._file = soundfile.SoundFile(target, "w", RATE_HZ, 1, subtype=subtype, format=container, **rate)

    async def push(self, pcm: bytes) -> bytes:
        """Full packets."""
        self._file.write(np.frombuffer(pcm, "<i2"))
        return self._tape.take()

    async def finish(self) -> bytes:
        """The last packets."""
        self._file.close()
        return self._tape.take() if self._whole is None else self._whole.getvalue()

    def close(self) -> None:
        """End the encoder; harmless after `finish`."""
        self._file.close()


class AacEncoder:
    """ADTS from a process of its own."""

    def __init__(self, job: Job) -> None:
        self._job = job

    async def push(self, pcm: bytes) -> bytes:
        """Full packets."""
        self._job.send(["more", pcm])
        packets: bytes = await anext(self._job)
        return packets

    async def finish(self) -> bytes:
        """The last packets."""
        self._job.send(["end"])
        return b"".join([piece async for piece in self._job])

    def close(self) -> None:
        """Let the process go."""
        self._job.cancel()


async def open_encoder(format_: Format, codecs: WorkerPool) -> Encoder:
    """Raises ApiError where the format needs a library that is not there, EngineError when its process cannot start."""
    match format_:
        case "pcm":
            return PlainEncoder()
        case "wav":
            return PlainEncoder(wav_header())
        case "aac":
            if importlib.util.find_spec("av") is None:
                raise _missing("aac", "pip install 'vivavoce[codecs]'")
            return AacEncoder(await codecs.acquire(["encode", "aac", RATE_HZ]))
    return await asyncio.to_thread(_open_file, format_)


def _open_file(format_: str) -> FileEncoder:
    try:
        import soundfile
    except (ImportError, OSError):
        raise _missing(format_, "pip install soundfile (and libsndfile 1.1 or newer)") from None
    container, subtype = _FILES[format_]
    if subtype not in soundfile.available_subtypes(container):
        raise _missing(format_, "libsndfile 1.1 or newer")
    return FileEncoder(container, subtype)


def _missing(format_: str, remedy: str) -> ApiError:
    return ApiError(
        f"This server cannot write '{format_}' as it is installed; it needs: {remedy}. "
        "'wav' and 'pcm' work without.",
        param="response_format",
        code="unsupported_format",
    )


def wav_header(samples: int | None = None) -> bytes:
    """The 44 bytes before PCM16 mono at 24 kHz; of unknown length unless `samples` says it."""
    size = _UNKNOWN_LENGTH if samples is None else samples * 2
    riff = _UNKNOWN_LENGTH if samples is None else size + 36
    form = struct.pack("<IHHIIHH", 16, 1, 1, RATE_HZ, RATE_HZ * 2, 2, 16)
    return b"RIFF" + struct.pack("<I", riff) + b"WAVEfmt " + form + b"data" + struct.pack("<I", size)


async def encoded(
    pieces: AsyncGenerator[Spoken, None], format_: Format, codecs: WorkerPool
) -> AsyncGenerator[bytes, None]:
    """The sound of `pieces` as bytes of the format, as soon as there are some. Raises as `open_encoder` does."""
    encoder = await open_encoder(format_, codecs)
    try:
        async with aclosing(pieces):
            async for piece in pieces:
                if out := await encoder.push(piece.clip.pcm):
                    yield out
                # A synthesizer may be far faster than speech; others share the loop with it.
                await asyncio.sleep(0)
        if out := await encoder.finish():
            yield out
    finally:
        encoder.close()


async def joined(pieces: AsyncIterable[bytes]) -> bytes:
    """All of it."""
    return b"".join([piece async for piece in pieces])
