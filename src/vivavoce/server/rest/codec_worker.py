"""A process that reads and writes compressed sound, so that a file made to break a decoder breaks nothing else.

Jobs: `["decode", rate_hz, most_s]` takes `["more", bytes]` messages and `["end"]`, answers with PCM16 mono pieces.
`["encode", "aac", rate_hz]` takes PCM the same way and answers with pieces of ADTS. libsndfile reads WAV, MP3, FLAC and Ogg;
everything else (WebM, MP4) and AAC need PyAV, whose builds carry GPL libraries and are loaded here only.
"""

from __future__ import annotations

import io
import resource
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from vivavoce.engines.workers import JobFailed, Worker, WorkerJob

_MEMORY_BYTES = 3 * 1024**3
_PIECE_FRAMES = 24_000
_EXTRA = "pip install 'vivavoce[codecs]'"
Sound = Iterator[tuple[int, NDArray[np.float32]]]
"""Rate in Hz and samples, one row per frame, one column per channel."""


def start(worker: Worker) -> Callable[[WorkerJob], None]:
    """The factory that the pool names."""
    if sys.platform == "linux":
        # A header that promises a terabyte ends this process at worst.
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    return handle


def handle(job: WorkerJob) -> None:
    """One file, in or out."""
    match job.request:
        case ["decode", int(rate_hz), int(most_s)]:
            _decode(job, rate_hz, most_s)
        case ["encode", "aac", int(rate_hz)]:
            _encode_aac(job, rate_hz)


def _decode(job: WorkerJob, rate_hz: int, most_s: int) -> None:
    whole = b"".join(_messages(job))
    stream: Any = None
    from_hz = seconds = 0.0
    for hz, frames in _sound(whole):
        if stream is None:
            from_hz = hz
            stream = soxr.ResampleStream(hz, rate_hz, 1, dtype="float32", quality="MQ")
        elif hz != from_hz:
            raise JobFailed("its sample rate changes in the middle")
        seconds += len(frames) / hz
        if seconds > most_s:
            raise JobFailed(f"it is longer than {most_s} seconds")
        _send(job, stream.resample_chunk(frames.mean(axis=1, dtype=np.float32)))
    if stream is not None:
        _send(job, stream.resample_chunk(np.zeros(0, np.float32), last=True))


def _send(job: WorkerJob, samples: NDArray[np.float32]) -> None:
    pcm = np.clip(np.rint(samples * 32767), -32768, 32767).astype("<i2").tobytes()
    job.check()
    if pcm:
        job.send(pcm)


def _messages(job: WorkerJob) -> Iterator[bytes]:
    while True:
        match job.receive():
            case ["more", bytes(piece)]:
                yield piece
            case ["end"]:
                return


def _sound(whole: bytes) -> Sound:
    if _is_mp3(whole) and _av() is not None:
        # libsndfile guesses how long an MP3 of varying bit rate is, and stops there.
        yield from _with_av(whole)
        return
    try:
        file = soundfile.SoundFile(io.BytesIO(whole))
    except (soundfile.LibsndfileError, TypeError, ValueError):
        yield from _with_av(whole)
        return
    with file:
        try:
            while len(frames := file.read(_PIECE_FRAMES, dtype="float32", always_2d=True)):
                yield file.samplerate, np.nan_to_num(frames)
        except soundfile.LibsndfileError as broken:
            raise JobFailed("it is corrupted") from broken


def _is_mp3(whole: bytes) -> bool:
    return whole.startswith(b"ID3") or (whole[:1] == b"\xff" and len(whole) > 1 and whole[1] & 0xE6 == 0xE2)


def _with_av(whole: bytes) -> Sound:
    av = _av()
    if av is None:
        raise JobFailed(f"it is no WAV, MP3, FLAC or Ogg file; for WebM and MP4 the server needs: {_EXTRA}")
    try:
        with av.open(io.BytesIO(whole), metadata_errors="ignore") as container:
            if not container.streams.audio:
                raise JobFailed("there is no sound in it")
            resampler = av.AudioResampler(format="flt", layout="mono")
            for frame in container.decode(audio=0):
                for plain in resampler.resample(frame):
                    yield plain.sample_rate, plain.to_ndarray().reshape(-1, 1)
    except (av.FFmpegError, ValueError) as broken:
        raise JobFailed("it is in no format known here, or corrupted") from broken


def _encode_aac(job: WorkerJob, rate_hz: int) -> None:
    av = _av()
    if av is None:
        raise JobFailed(f"AAC needs FFmpeg: {_EXTRA}")
    out = io.BytesIO()
    container = av.open(out, "w", format="adts")
    stream = container.add_stream("aac", rate=rate_hz, layout="mono", bit_rate=64_000)
    sent = 0
    for pcm in _messages(job):
        frame = av.AudioFrame.from_ndarray(
            np.frombuffer(pcm, "<i2").reshape(1, -1), format="s16", layout="mono"
        )
        frame.sample_rate = rate_hz
        container.mux(stream.encode(frame))
        sent = _forward(job, out, sent)
    container.mux(stream.encode(None))
    container.close()
    _forward(job, out, sent)


def _forward(job: WorkerJob, out: io.BytesIO, sent: int) -> int:
    """One answer to each message, empty where the encoder has nothing to give yet."""
    job.send(bytes(out.getbuffer()[sent:]))
    return len(out.getbuffer())


def _av() -> Any:
    try:
        import av
    except ImportError:
        return None
    av.logging.set_level(av.logging.PANIC)
    return av
