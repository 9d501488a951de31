"""Voice activity: how likely it is that a window of input audio holds speech.

Models give numbers; whether speech has started or stopped is the session's policy. Both implementations run
in the call's own task and judge a frame before anything else is applied, so they keep no more than one
unfinished window.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vivavoce.audio.clip import TICKS_PER_SECOND, Frame
from vivavoce.audio.levels import FLOOR_DBFS
from vivavoce.audio.resample import QuickResampler
from vivavoce.engines.model_files import VOICE_ACTIVITY_MODEL, ModelFileMissing, find_model
from vivavoce.protocol.errors import EngineError

if TYPE_CHECKING:
    import onnxruntime

MODEL_RATE_HZ = 16_000
_TICKS_PER_SAMPLE = TICKS_PER_SECOND // MODEL_RATE_HZ
_CONTEXT = 64
_WINDOW = 512

_CERTAIN = 0.05
"""Below this the model has no doubt that nobody speaks."""
_SETTLED = 8
"""So many windows in a row without a doubt (a quarter of a second) before any is passed over."""
_PASSED_OVER = 3
"""At most so many windows in a row are passed over."""
_LOUDER = 2.0
"""A window of this times the background's power (3 dB) is something new."""
_CREEP = 1.02
"""By how much the background may rise from one window to the next: 3 dB in a second."""
_FAINT = _WINDOW * 10 ** (-76 / 10)
"""Power of a window at -76 dBFS: fainter than this is the silence of a muted microphone."""


class SileroModel:
    """One loaded Silero model, shared by all calls of a process. Runs may come from any thread."""

    name = "silero v6"

    def __init__(self, path: Path | None = None) -> None:
        """Loads onnxruntime (some 20 MB) and the model at `path`, by default the one that set-up fetched.

        Raises EngineError("vad", ...) that says what is missing.
        """
        try:
            import onnxruntime

            chosen = path or find_model(VOICE_ACTIVITY_MODEL)
        except (ImportError, ModelFileMissing) as missing:
            raise EngineError("vad", str(missing)) from missing
        options = onnxruntime.SessionOptions()
        # A window takes 0.1 ms: a second thread would only steal from other calls, and spin while it waits.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        # Calls are judged one window at a time; a graph that knows its shapes beforehand is a sixth faster.
        options.add_free_dimension_override_by_name("batch", 1)
        options.add_free_dimension_override_by_name("sequence", _CONTEXT + _WINDOW)
        try:
            self.session = onnxruntime.InferenceSession(
                str(chosen), options, providers=["CPUExecutionProvider"]
            )
        except Exception as broken:  # onnxruntime raises a dozen classes of its own without a common base
            raise EngineError("vad", f"{chosen} cannot be loaded: {broken}") from broken

    def open(self) -> SileroVoiceActivity:
        """The model's half of one call."""
        return SileroVoiceActivity(self.session)


class SileroVoiceActivity:
    """Silero over one call's input at any rate: a probability for each 32 ms, available with the frame that
    completes them.

    Frames are expected without gaps; where one does not continue the last, or changes the rate, the
    unfinished window is dropped and counting starts anew at the frame.
    """

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        self._window = np.zeros((1, _CONTEXT + _WINDOW), np.float32)
        self._states = (np.zeros((2, 1, 128), np.float32), np.zeros((2, 1, 128), np.float32))
        self._probability = np.zeros((1, 1), np.float32)
        # Two bindings over the same arrays, used in turn: each reads the state that the other one wrote,
        # nothing is copied.
        self._bindings = [self._bind(*self._states), self._bind(*reversed(self._states))]
        self._rate_hz = 0
        self._resampler: QuickResampler
        self._next_start = 0
        self._filled = 0
        self._window_start = 0
        self._background = Background()
        self._last = 0.0

    def probabilities(self, frame: Frame) -> list[tuple[int, float]]:
        if frame.start != self._next_start or frame.clip.rate_hz != self._rate_hz:
            self._begin_at(frame)
        self._next_start = frame.end
        samples = self._resampler.push(frame.clip.pcm)
        judged: list[tuple[int, float]] = []
        taken = 0
        while (missing := _WINDOW - self._filled) <= len(samples) - taken:
            at = _CONTEXT + self._filled
            self._window[0, at : at + missing] = samples[taken : taken + missing]
            taken += missing
            self._filled = 0
            self._window_start += _WINDOW * _TICKS_PER_SAMPLE
            judged.append((self._window_start, self._judge()))
        rest = len(samples) - taken
        if rest:
            at = _CONTEXT + self._filled
            self._window[0, at : at + rest] = samples[taken:]
            self._filled += rest
        return judged

    def _begin_at(self, frame: Frame) -> None:
        self._rate_hz = frame.clip.rate_hz
        self._resampler = QuickResampler(self._rate_hz, MODEL_RATE_HZ)
        self._filled = 0
        # What the resampler answers lies a little behind what it was given, and so do the windows cut from
        # it.
        self._window_start = frame.start - self._resampler.delay_ticks

    def _judge(self) -> float:
        window = self._window[0]
        fresh = window[_CONTEXT:]
        if not self._background.covers(float(fresh.dot(fresh))):
            binding, other = self._bindings
            self._bindings = [other, binding]
            self._session.run_with_iobinding(binding)
            self._last = float(self._probability[0, 0])
            self._background.judged(self._last)
        window[:_CONTEXT] = window[_WINDOW:]
        return self._last

    def _bind(
        self,
        state: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
        after: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
    ) -> onnxruntime.IOBinding:
        binding = self._session.io_binding()
        binding.bind_input("input", "cpu", 0, np.float32, self._window.shape, self._window.ctypes.data)
        binding.bind_input("state", "cpu", 0, np.float32, state.shape, state.ctypes.data)
        binding.bind_output("output", "cpu", 0, np.float32, (1, 1), self._probability.ctypes.data)
        binding.bind_output("stateN", "cpu", 0, np.float32, after.shape, after.ctypes.data)
        return binding


class Background:
    """Which windows need no model: those of a caller who has long been quiet, no louder than the room has been all along.

    Whoever begins to speak is louder than what was there before, so the model is asked at once; of steady background it is asked
    about each fourth window (docs/adr/0014-vad.md).
    """

    def __init__(self) -> None:
        self._floor = float("inf")
        self._quiet = 0
        self._passed_over = 0

    def covers(self, power: float) -> bool:
        """Whether a window of this power (sum of squares, full scale 1) may be taken for more of the same."""
        alike = power < self._floor * _LOUDER
        # A dip is taken over at once, a louder room within seconds.
        self._floor = max(_FAINT, min(power, self._floor * _CREEP))
        if alike and self._quiet >= _SETTLED and self._passed_over < _PASSED_OVER:
            self._passed_over += 1
            return True
        self._passed_over = 0
        return False

    def judged(self, p: float) -> None:
        """What the model said of a window that was not covered."""
        self._quiet = self._quiet + 1 if p < _CERTAIN else 0


class EnergyVoiceActivity:
    """The floor that needs no model: 1.0 for each 20 ms louder than a threshold, 0.0 for the others.

    Any sound is speech to it. For the scripted engine, and for machines without onnxruntime.
    """

    name = "energy"

    def __init__(self, threshold_dbfs: float = -45.0) -> None:
        """threshold_dbfs: RMS level (0 = full scale) from which on a window counts as speech; above -120."""
        if not FLOOR_DBFS < threshold_dbfs <= 0:
            raise ValueError(
                f"threshold_dbfs must be above {FLOOR_DBFS:g} and at most 0, got {threshold_dbfs:g}"
            )
        self._threshold_power = (32768.0 * 10 ** (threshold_dbfs / 20)) ** 2
        self._next_start = 0
        self._rest = b""
        self._rate_hz = 0

    def probabilities(self, frame: Frame) -> list[tuple[int, float]]:
        pcm, rate_hz = frame.clip.pcm, frame.clip.rate_hz
        if frame.start != self._next_start or rate_hz != self._rate_hz:
            self._rest = b""
            self._rate_hz = rate_hz
        self._next_start = frame.end
        if self._rest:
            pcm = self._rest + pcm
        size = rate_hz // 50
        windows = len(pcm) // (2 * size)
        self._rest = pcm[windows * size * 2 :]
        if not windows:
            return []
        samples = np.frombuffer(pcm, "<i2", windows * size).astype(np.float32)
        ticks = TICKS_PER_SECOND // 50
        end = frame.end - len(self._rest) // 2 * (TICKS_PER_SECOND // rate_hz) - (windows - 1) * ticks
        limit = self._threshold_power * size
        if windows == 1:
            return [(end, 1.0 if float(np.dot(samples, samples)) >= limit else 0.0)]
        rows = samples.reshape(windows, size)
        powers = np.einsum("ij,ij->i", rows, rows)
        return [(end + n * ticks, 1.0 if power >= limit else 0.0) for n, power in enumerate(powers.tolist())]
