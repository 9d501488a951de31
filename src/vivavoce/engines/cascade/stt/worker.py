"""The recogniser's worker process: what arrives, and in which words.

Jobs: `["build", topic]` answers with a packed session model. `["listen", model or None, mean or None]` takes messages
`["model", packed]` (when the worker does not hold it), `["audio", rate_hz, pcm]`, `["peek"]` and `["finish"]`, and answers
`["partial", text]`, `["peek", text]` and at last `["final", text]` and `["mean", mean]`. A model's name is its label.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import msgspec
import numpy as np
import soxr

from vivavoce.engines.cascade.stt.recogniser import Reading, Recogniser
from vivavoce.engines.cascade.stt.session_model import SessionModel, Topic, build
from vivavoce.engines.cascade.stt.voicing import RATE_HZ
from vivavoce.engines.workers import Worker, WorkerJob

MODELS_HELD = 4
_PIECE_BYTES = RATE_HZ * 2 // 50
"""20 ms of audio, decoded in about 3 ms: how long a cancel may have to wait."""

_PARTIAL_BYTES = RATE_HZ * 2 // 4
_AFTERWARDS_BYTES = RATE_HZ * 2 // 10
_MEAN_BYTES = RATE_HZ * 2 * 12 // 10
"""How much of a session's first utterance is heard before its cepstral mean is settled, and decoding begins:

1.2 s.
"""


class Desk:
    """Serves one job after the other with one recogniser."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._recogniser = Recogniser()
        self._held: OrderedDict[str, None] = OrderedDict()

    def __call__(self, job: WorkerJob) -> None:
        match job.request:
            case ["build", topic]:
                job.send(build(msgspec.convert(topic, Topic), self._recogniser.words).packed())
            case ["listen", model, mean]:
                listening = Listening(job, self._recogniser, self, model, mean)
                try:
                    listening.run()
                finally:
                    self._recogniser.end()

    def hold(self, name: str, packed: bytes) -> None:
        """Load a session model, and forget the one that was longest unused when there are too many."""
        if name not in self._held:
            self._recogniser.load(name, SessionModel.unpacked(packed))
            if len(self._held) == MODELS_HELD:
                oldest, _ = self._held.popitem(last=False)
                self._recogniser.forget(oldest)
        self._held[name] = None
        self._label()

    def holds(self, name: str | None) -> bool:
        """Whether a model can be used; makes it the most recently used."""
        if name is not None and name in self._held:
            self._held.move_to_end(name)
            self._label()
        return name in self._held

    def _label(self) -> None:
        self._worker.labels = list(self._held)


class Listening:
    """One utterance."""

    def __init__(
        self, job: WorkerJob, recogniser: Recogniser, desk: Desk, model: str | None, mean: str | None
    ) -> None:
        self._job = job
        self._recogniser = recogniser
        self._desk = desk
        self._model = model
        self._mean = mean
        self._resampler: tuple[int, soxr.ResampleStream] | None = None
        self._waiting = bytearray()
        self._since_partial = 0
        self._shown = ""
        self._begun = False

    def run(self) -> None:
        """Take messages until the utterance is over."""
        while True:
            match self._job.receive():
                case ["model", packed] if self._model is not None:
                    self._desk.hold(self._model, packed)
                case ["audio", rate_hz, pcm]:
                    self._waiting += self._at_16k(rate_hz, pcm)
                    self._decode(at_least=_PIECE_BYTES)
                case ["peek"]:
                    self._decode(at_least=2, settle=True)
                    self._job.send(["peek", self._recogniser.reading().text if self._begun else ""])
                case ["finish"]:
                    self._finish()
                    return

    def _finish(self) -> None:
        if self._resampler is not None:
            self._waiting += self._resampler[1].resample_chunk(np.zeros(0, np.int16), last=True).tobytes()
        self._decode(at_least=2, settle=True)
        reading = self._recogniser.reading() if self._begun else Reading(settled=True)
        if not reading.settled:
            # Cut off at the last word, as by a button that is let go: the word needs something to end against.
            self._recogniser.hear(bytes(_AFTERWARDS_BYTES))
            reading = self._recogniser.end()
        # Ending takes some milliseconds and changes no settled words, so the answer goes first.
        self._job.send(["final", reading.text])
        self._recogniser.end()
        # What was no speech must not shift the mean of the speaker.
        if reading.text:
            self._job.send(["mean", self._recogniser.mean_after()])

    def _decode(self, at_least: int, settle: bool = False) -> None:
        """Decode what waits in pieces, each at least so many bytes, looking for a cancel in between."""
        if not self._begun and not self._start(settle):
            return
        while len(self._waiting) >= at_least and self._waiting:
            piece = bytes(self._waiting[:_PIECE_BYTES])
            del self._waiting[:_PIECE_BYTES]
            self._recogniser.hear(piece)
            self._job.check()
            self._since_partial += len(piece)
            if self._since_partial >= _PARTIAL_BYTES:
                self._show()

    def _start(self, settle: bool) -> bool:
        if self._mean is None:
            if len(self._waiting) < (2 if settle else _MEAN_BYTES):
                return False
            self._mean = self._recogniser.measured_mean(bytes(self._waiting))
        self._recogniser.begin(self._model if self._desk.holds(self._model) else None, self._mean)
        self._begun = True
        return True

    def _show(self) -> None:
        self._since_partial = 0
        text = self._recogniser.reading().text
        if text != self._shown:
            self._shown = text
            self._job.send(["partial", text])

    def _at_16k(self, rate_hz: int, pcm: bytes) -> bytes:
        if rate_hz == RATE_HZ:
            return pcm
        if self._resampler is None or self._resampler[0] != rate_hz:
            stream = soxr.ResampleStream(rate_hz, RATE_HZ, 1, dtype="int16", quality="MQ")
            self._resampler = rate_hz, stream
        resampled: Any = self._resampler[1].resample_chunk(np.frombuffer(pcm, np.int16))
        converted: bytes = resampled.tobytes()
        return converted


def start(worker: Worker) -> Desk:
    """The factory that the pool names."""
    return Desk(worker)
