"""What a demo leaves behind: the recording, the transcript, the page."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from vivavoce.audio.clip import Clip
from vivavoce.audio.resample import resample
from vivavoce.audio.wav import interleave, write_wav
from vivavoce.demo.caller import Caller
from vivavoce.demo.page import build_page
from vivavoce.demo.record import Recording
from vivavoce.demo.sound import RATE_HZ, levels
from vivavoce.server.keeping import try_writing


class CannotKeep(Exception):
    """The recording has no place; the message says which and why."""


PAGE_RATE_HZ = 16_000
"""The page carries its sound: 16 kHz keeps all of speech and a minute below a megabyte."""
BUCKETS = 1400


def check_folder(folder: Path) -> None:
    """Find out before the call whether its recording has a place. Raises CannotKeep."""
    with keeping_in(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try_writing(folder)


@contextlib.contextmanager
def keeping_in(folder: Path) -> Iterator[None]:
    """Turns a disk that does not take it into CannotKeep."""
    try:
        yield
    except OSError as error:
        raise CannotKeep(
            f"nothing can be kept in {folder} ({error.strerror or error}): make room, or name another folder with --out"
        ) from None


def write_call(folder: Path, caller: Caller, recording: Recording) -> None:
    """call.wav (stereo, caller left), transcript.json and call.html in `folder`, which is made where it is missing. Raises CannotKeep."""
    left, right = channels(caller)
    drawn = {"caller": levels(left.pcm, BUCKETS), "agent": levels(right.pcm, BUCKETS)}
    page = build_page(recording, caller.wire.events, drawn, as_flac(left, right))
    with keeping_in(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_wav(folder / "call.wav", left, right)
        keep_record(recording, folder / "transcript.json")
        (folder / "call.html").write_text(page, "utf-8")


def keep_record(recording: Recording, path: Path) -> None:
    """The record as JSON. Raises CannotKeep."""
    with keeping_in(path.parent):
        path.write_bytes(msgspec.json.format(msgspec.json.encode(recording), indent=2) + b"\n")


def channels(caller: Caller) -> tuple[Clip, Clip]:
    """The caller's side and the agent's, of one length."""
    left, right = bytes(caller.microphone.recorded), bytes(caller.ear.speaker.recorded)
    size = max(len(left), len(right))
    return Clip(left.ljust(size, b"\0"), RATE_HZ), Clip(right.ljust(size, b"\0"), RATE_HZ)


def as_flac(left: Clip, right: Clip) -> bytes:
    """Both sides as one stereo FLAC, which every browser plays."""
    import soundfile

    mixed = interleave(resample(left, PAGE_RATE_HZ), resample(right, PAGE_RATE_HZ))
    samples = np.frombuffer(mixed, "<i2").reshape(-1, 2)
    file = io.BytesIO()
    soundfile.write(file, samples, PAGE_RATE_HZ, subtype="PCM_16", format="FLAC")
    return file.getvalue()
