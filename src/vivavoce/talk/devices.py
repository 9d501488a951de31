"""The sound devices of this machine, by sounddevice (PortAudio)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from types import ModuleType
from typing import Any

from vivavoce.audio.resample import Resampler
from vivavoce.talk.loudspeaker import RATE_HZ, Loudspeaker
from vivavoce.talk.outcome import Exit, TalkError

CHUNK_MS = 20
OTHER_WAYS = (
    "Other ways: `vivavoce talk --text` types, `--in FILE --out FILE` uses WAV files, "
    "and `vivavoce serve` has a page for the browser"
)


class Devices:
    """Microphone and loudspeaker at 24 kHz, or at the devices' own rate where they insist on it.

    Raises TalkError when the extra, PortAudio or a device is missing.
    """

    def __init__(self) -> None:
        self._sound = _sounddevice()
        self.input_hz = self._rate("input", self._sound.check_input_settings)
        self.output_hz = self._rate("output", self._sound.check_output_settings)

    def _rate(self, kind: str, check: Any) -> int:
        name = "microphone" if kind == "input" else "loudspeaker"
        try:
            device = self._sound.query_devices(kind=kind)
        except (self._sound.PortAudioError, ValueError):
            raise unavailable(f"no {name} was found") from None
        try:
            check(samplerate=RATE_HZ, channels=1, dtype="int16")
        except (self._sound.PortAudioError, ValueError):
            return int(device["default_samplerate"])
        return RATE_HZ

    @contextlib.contextmanager
    def playing(self, speaker: Loudspeaker) -> Iterator[None]:
        """The loudspeaker is on."""

        def fill(out: Any, frames: int, _time: Any, _status: Any) -> None:
            out[:] = speaker.pull(frames)

        blocksize = self.output_hz * CHUNK_MS // 1000
        with self._open(self._sound.RawOutputStream, self.output_hz, blocksize, fill, None):
            yield

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[AsyncIterator[bytes]]:
        """The microphone is on; gives its sound as PCM16 at 24 kHz."""
        loop = asyncio.get_running_loop()
        heard: asyncio.Queue[bytes | None] = asyncio.Queue()

        def take(data: Any, _frames: int, _time: Any, _status: Any) -> None:
            loop.call_soon_threadsafe(heard.put_nowait, bytes(data))

        def ended() -> None:
            # When the call is over the loop may be, too.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(heard.put_nowait, None)

        blocksize = self.input_hz * CHUNK_MS // 1000
        with self._open(self._sound.RawInputStream, self.input_hz, blocksize, take, ended):
            yield self._pieces(heard)

    async def _pieces(self, heard: asyncio.Queue[bytes | None]) -> AsyncIterator[bytes]:
        resampler = Resampler(self.input_hz, RATE_HZ)
        while (piece := await heard.get()) is not None:
            if pcm := resampler.push(piece):
                yield pcm
        raise TalkError(Exit.NOT_POSSIBLE, "the microphone went away")

    def _open(self, stream: Any, rate_hz: int, blocksize: int, callback: Any, ended: Any) -> Any:
        try:
            return stream(
                samplerate=rate_hz,
                blocksize=blocksize,
                channels=1,
                dtype="int16",
                # What was handed to the device cannot be taken back, so as little as possible.
                latency="low",
                callback=callback,
                finished_callback=ended,
            )
        except self._sound.PortAudioError as error:
            raise unavailable(f"a sound device cannot be used ({error})") from None


def unavailable(reason: str) -> TalkError:
    """No sound on this machine."""
    return TalkError(Exit.NOT_POSSIBLE, f"{reason}. {OTHER_WAYS}")


def _sounddevice() -> ModuleType:
    try:
        import sounddevice
    except ImportError:
        raise unavailable(
            "microphone and loudspeaker need the extra 'mic' (pip install 'vivavoce[mic]')"
        ) from None
    except OSError:
        raise unavailable(
            "the PortAudio library is missing (Debian: apt-get install libportaudio2)"
        ) from None
    found: ModuleType = sounddevice
    return found
