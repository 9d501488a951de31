"""Turns from a WAV file, the call into another one.

The call has a media time of its own, the samples that were sent. The loudspeaker plays by it, so the recording is what a caller
would have heard, whether the sound was sent at its own speed or as fast as the server takes it.
"""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

from vivavoce.audio.clip import Clip
from vivavoce.audio.resample import resample
from vivavoce.audio.wav import write_wav
from vivavoce.talk.captions import Captions
from vivavoce.talk.connection import Connection
from vivavoce.talk.dialogue import Dialogue
from vivavoce.talk.loudspeaker import RATE_HZ, Loudspeaker
from vivavoce.talk.options import Options
from vivavoce.talk.outcome import Exit, TalkError

CHUNK_MS = 20
CHUNK_SAMPLES = RATE_HZ * CHUNK_MS // 1000
CHUNK_BYTES = 2 * CHUNK_SAMPLES
FAST_CHUNKS = 5
"""As fast as possible means: these many chunks, then wait until the server has judged them."""
AFTER_SILENCE_MS = 400
"""Silence sent behind the file, beyond what ends a turn."""
STALLED_S = 60.0


class Recorded:
    """The caller is a file. Reads it at once; raises TalkError when it cannot be used."""

    def __init__(self, options: Options, speaker: Loudspeaker, captions: Captions) -> None:
        assert options.source is not None, "the recorded way has a file"
        self._caller = read_caller(options.source)
        self._source, self._target = options.source, options.target
        self._fast = options.fast
        self._speaker = speaker
        self._captions = captions
        self._left = bytearray()
        self._right = bytearray()
        if self._target is not None:
            check_target(self._source, self._target)

    async def converse(self, dialogue: Dialogue, connection: Connection) -> Exit:
        """Send the file, wait for the answers, write the recording; what there is of it is written in any case."""
        try:
            await self._stream(dialogue, connection)
        except TimeoutError:
            raise TalkError(Exit.UNANSWERED, f"no answer within {STALLED_S:.0f} s") from None
        finally:
            self._write()
        if not dialogue.floor.speech_seen:
            raise TalkError(Exit.UNANSWERED, f"no speech was heard in {self._source}")
        tally = dialogue.tally
        return Exit.UNANSWERED if tally.failed or tally.problems or not tally.answered else Exit.ENDED

    async def _stream(self, dialogue: Dialogue, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        began, sent, silent_ms = loop.time(), 0, 0
        position = 0
        while position < len(self._caller) or not self._over(dialogue, silent_ms):
            chunk = self._caller[position : position + CHUNK_BYTES].ljust(CHUNK_BYTES, b"\0")
            silent_ms = 0 if position < len(self._caller) else silent_ms + CHUNK_MS
            position += CHUNK_BYTES
            audio = base64.b64encode(chunk).decode()
            await connection.send({"type": "input_audio_buffer.append", "audio": audio})
            self._left += chunk
            self._right += self._speaker.pull(CHUNK_SAMPLES)
            sent += 1
            if silent_ms > STALLED_S * 1000 and not self._speaker.playing:
                raise TimeoutError
            if not self._fast:
                await asyncio.sleep(began + sent * CHUNK_MS / 1000 - loop.time())
            elif sent % FAST_CHUNKS == 0:
                async with asyncio.timeout(STALLED_S):
                    await dialogue.settle()

    def _over(self, dialogue: Dialogue, silent_ms: int) -> bool:
        detection = dialogue.detection()
        enough_ms = (detection.get("silence_duration_ms") or 500) + AFTER_SILENCE_MS
        return silent_ms >= enough_ms and dialogue.floor.idle and not self._speaker.playing

    def _write(self) -> None:
        if self._target is None or not self._left:
            return
        try:
            write_wav(self._target, Clip(bytes(self._left), RATE_HZ), Clip(bytes(self._right), RATE_HZ))
        except OSError as error:
            raise TalkError(
                Exit.NOT_POSSIBLE, f"cannot write {self._target}: {error.strerror or error}"
            ) from None
        seconds = len(self._left) / 2 / RATE_HZ
        self._captions.note(f"wrote {self._target}: {seconds:.1f} s, caller left, agent right")


def read_caller(path: Path) -> bytes:
    """A sound file as PCM16 mono at 24 kHz: any rate, channels mixed. Raises TalkError."""
    import numpy as np
    import soundfile

    if not path.is_file():
        raise TalkError(Exit.NOT_POSSIBLE, f"there is no file {path}")
    try:
        samples, rate_hz = soundfile.read(str(path), dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise TalkError(Exit.NOT_POSSIBLE, f"cannot read {path}: {error}") from None
    if not len(samples):
        raise TalkError(Exit.NOT_POSSIBLE, f"{path} holds no sound")
    mono = np.clip(np.rint(samples.mean(axis=1) * 32768), -32768, 32767).astype("<i2")
    return resample(Clip(mono.tobytes(), rate_hz), RATE_HZ).pcm


def check_target(source: Path, target: Path) -> None:
    """Find out before the call whether its recording has a place. Raises TalkError."""
    if not target.resolve().parent.is_dir():
        raise TalkError(Exit.NOT_POSSIBLE, f"there is no folder {target.parent} to write {target.name} to")
    if target.is_dir():
        raise TalkError(Exit.NOT_POSSIBLE, f"{target} is a folder")
    if target.exists() and target.samefile(source):
        raise TalkError(Exit.NOT_POSSIBLE, f"--out would overwrite the file of --in, {source}")
