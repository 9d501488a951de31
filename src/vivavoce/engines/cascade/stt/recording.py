"""What was heard of an utterance so far, at one rate, and whether anything was said since."""

from __future__ import annotations

import io
import wave

import numpy as np

from vivavoce.audio.clip import Clip
from vivavoce.audio.resample import Resampler

_WINDOW_MS = 20
_QUIET = 0.1
"""A window is silence where it has less than this share of the loud windows' level (20 dB below them)."""
_LOUD = 90
"""The percentile of the windows' levels that counts as loud."""


LONGEST_MS = 300_000
"""What is kept of an utterance, oldest dropped first: a microphone that is left open, or a television beside it, has no pauses."""


class Recording:
    """Audio in whatever rate it comes, the last `LONGEST_MS` of it kept at `rate_hz`. Positions count from its first sample."""

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self._pcm = bytearray()
        self._dropped = 0
        self._most_bytes = 2 * rate_hz * LONGEST_MS // 1000
        self._resampler: Resampler | None = None

    @property
    def samples(self) -> int:
        """How much was heard."""
        return self._dropped + len(self._pcm) // 2

    @property
    def duration_ms(self) -> int:
        """How long it is."""
        return self.samples * 1000 // self.rate_hz

    def add(self, clip: Clip) -> bytes:
        """More audio; returns it at `rate_hz`, as far as it is ready."""
        before = b""
        if self._resampler is None or self._resampler.from_hz != clip.rate_hz:
            before = self._rest()
            self._resampler = Resampler(clip.rate_hz, self.rate_hz)
        ready = before + self._resampler.push(clip.pcm)
        self._pcm += ready
        # A tenth more than is kept, so that what is kept is moved seldom.
        if len(self._pcm) > self._most_bytes + self._most_bytes // 10:
            surplus = len(self._pcm) - self._most_bytes
            del self._pcm[:surplus]
            self._dropped += surplus // 2
        return ready

    def end(self) -> bytes:
        """Nothing more comes; returns what was still on its way. A caller who lets go of the button has said their last word in it."""
        rest = self._rest()
        self._pcm += rest
        return rest

    def _rest(self) -> bytes:
        """A resampler works in blocks: up to a tenth of a second is still in it."""
        return self._resampler.flush() if self._resampler is not None else b""

    def pcm(self, start: int, end: int) -> bytes:
        """What is kept of the audio between two samples."""
        first, last = (2 * max(0, sample - self._dropped) for sample in (start, end))
        return bytes(self._pcm[first:last])

    def wav(self) -> bytes:
        """What is kept, as a file."""
        out = io.BytesIO()
        with wave.open(out, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(self.rate_hz)
            file.writeframes(bytes(self._pcm))
        return out.getvalue()

    def quiet_since(self, sample: int) -> bool:
        """Whether nothing was said behind a sample, judged by how loud it was before."""
        window = self.rate_hz * _WINDOW_MS // 1000
        before, after = self._levels(0, sample, window), self._levels(sample, self.samples, window)
        if not len(after):
            return True
        return bool(len(before) and after.max() < _QUIET * np.percentile(before, _LOUD))

    def _levels(self, start: int, end: int, window: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        heard = np.frombuffer(self.pcm(start, end), "<i2").astype(np.float32)
        windows = heard[: len(heard) // window * window].reshape(-1, window)
        levels: np.ndarray[tuple[int], np.dtype[np.float32]] = np.sqrt((windows**2).mean(axis=1))
        return levels
