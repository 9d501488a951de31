"""A stand-in for the package sounddevice: devices with a clock that the test turns, callbacks on a thread of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

Callback = Callable[[Any, int, Any, Any], None]
TICK_MS = 20


class PortAudioError(Exception):
    """As sounddevice raises it."""


class Stream:
    """What both kinds of streams share. It runs between entering and leaving, as sounddevice's do."""

    def __init__(self, devices: Devices, **given: Any) -> None:
        assert given["channels"] == 1
        assert given["dtype"] == "int16"
        devices.refuse_rate(given["samplerate"])
        self.devices = devices
        self.rate_hz: int = given["samplerate"]
        self.callback: Callback = given["callback"]
        self.finished: Callable[[], None] | None = given["finished_callback"]
        self.running = False

    def __enter__(self) -> Stream:
        self.running = True
        return self

    def __exit__(self, *_: object) -> None:
        self.running = False
        if self.finished is not None:
            self.finished()


class Devices(ModuleType):
    """The module, and the machine's one microphone and one loudspeaker.

    `says(at_ms, played_ms)` is the level (0..1) of a 300 Hz tone at the microphone; `only_hz` is the one rate the devices know.
    """

    PortAudioError = PortAudioError

    def __init__(self, says: Callable[[int, int], float], only_hz: int | None = None) -> None:
        super().__init__("sounddevice")
        self.says = says
        self.only_hz = only_hz
        self.absent: set[str] = set()
        self.microphone: Stream | None = None
        self.loudspeaker: Stream | None = None
        self.played = bytearray()
        self.now_ms = 0
        self.ticked = asyncio.Event()

    def refuse_rate(self, rate_hz: int) -> None:
        if self.only_hz not in (None, rate_hz):
            raise PortAudioError("Invalid sample rate")

    def check_input_settings(self, *, samplerate: int, **_: Any) -> None:
        self.refuse_rate(samplerate)

    check_output_settings = check_input_settings

    def query_devices(self, kind: str) -> dict[str, Any]:
        if kind in self.absent:
            raise PortAudioError("Error querying device -1")
        return {"default_samplerate": float(self.only_hz or 48_000)}

    def RawInputStream(self, **given: Any) -> Stream:  # noqa: N802
        self.microphone = Stream(self, **given)
        return self.microphone

    def RawOutputStream(self, **given: Any) -> Stream:  # noqa: N802
        self.loudspeaker = Stream(self, **given)
        return self.loudspeaker

    def unplug(self) -> None:
        """The microphone is gone."""
        assert self.microphone is not None
        assert self.microphone.finished is not None
        self.microphone.finished()

    @property
    def sound(self) -> np.ndarray[Any, np.dtype[np.int16]]:
        """Everything the loudspeaker was given."""
        return np.frombuffer(bytes(self.played), "<i2")

    @property
    def played_ms(self) -> int:
        """How long the loudspeaker has sounded, pauses not counted."""
        assert self.loudspeaker is not None
        return int(np.count_nonzero(np.abs(self.sound) > 50)) * 1000 // self.loudspeaker.rate_hz

    def tick(self) -> None:
        """Twenty milliseconds pass."""
        if self.loudspeaker is not None and self.loudspeaker.running:
            frames = self.loudspeaker.rate_hz * TICK_MS // 1000
            out = bytearray(2 * frames)
            self.loudspeaker.callback(memoryview(out), frames, None, None)
            self.played += out
        if self.microphone is not None and self.microphone.running:
            rate_hz = self.microphone.rate_hz
            frames = rate_hz * TICK_MS // 1000
            phase = np.arange(frames) + self.now_ms * rate_hz // 1000
            level = self.says(self.now_ms, self.played_ms)
            wave = (32_000 * level * np.sin(2 * np.pi * 300 * phase / rate_hz)).astype("<i2")
            self.microphone.callback(wave.tobytes(), frames, None, None)
            self.now_ms += TICK_MS

    async def run(self, speed: int = 4) -> None:
        """Let the time pass, so many times faster than it does."""
        while True:
            await asyncio.to_thread(self.tick)
            self.ticked.set()
            self.ticked.clear()
            await asyncio.sleep(TICK_MS / 1000 / speed)
