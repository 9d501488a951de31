"""espeak-ng in this process, through ctypes. Worker processes only: its licence is the GPL, the server's is
not.

Nothing but a worker imports this module's library; a test looks. One synthesis at a time: the library keeps
its state in global variables.
"""

from __future__ import annotations

import bisect
import ctypes
import itertools
from collections.abc import Sequence

from vivavoce.engines.cascade.tts.delivery import PartSink

_SYNCHRONOUS = 2
_BUFFER_MS = 20
_CHARACTERS = 1
_UTF8 = 1
_RATE_PARAMETER, _SLOWEST_WPM, _NORMAL_WPM, _FASTEST_WPM = 1, 80, 175, 450
_WORD = 1
_GO_ON, _STOP = 0, 1


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


_SynthCallback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class Espeak:
    """The library with the words and rules of all its languages."""

    def __init__(self) -> None:
        """Raises OSError when the library cannot be opened or does not find its rules."""
        import espeakng_loader

        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        self._callback = _SynthCallback(self._take)
        data_path: str = espeakng_loader.get_data_path()
        self.rate_hz: int = self._library.espeak_Initialize(_SYNCHRONOUS, _BUFFER_MS, data_path.encode(), 0)
        if self.rate_hz <= 0:
            raise OSError(f"espeak-ng cannot be initialised with the rules in {data_path}")
        self._library.espeak_SetSynthCallback(self._callback)
        self._language = ""
        self._part: _Part | None = None

    def choose(self, language: str, speaker: str) -> str:
        """Speak `language` (a tag such as de or pt-BR; its first part if the whole is unknown, else English)
        from now on.

        Returns the language that was found.
        """
        tag = language.lower().replace("_", "-")
        for candidate in (tag, _NAMES.get(tag), tag.split("-")[0], _NAMES.get(tag.split("-")[0]), "en-us"):
            if candidate and self._library.espeak_SetVoiceByName(f"{candidate}+{speaker}".encode()) == 0:
                return candidate
        raise OSError("espeak-ng knows no English")

    def speak(self, words: Sequence[str], speed: float, sink: PartSink) -> None:
        """Say the words of one part, at least one, in the chosen language.

        speed: 1 is 175 words a minute; below 0.46 it speaks no slower. Whatever `sink` raises ends the
        synthesis and is raised from here.
        """
        words_per_minute = min(_FASTEST_WPM, max(_SLOWEST_WPM, round(_NORMAL_WPM * speed)))
        self._library.espeak_SetParameter(_RATE_PARAMETER, words_per_minute, 0)
        sink.begin(self.rate_hz)
        self._part = part = _Part(sink, words)
        text = " ".join(words).encode()
        try:
            self._library.espeak_Synth(text, len(text) + 1, 0, _CHARACTERS, 0, _UTF8, None, None)
        finally:
            self._part = None
        if part.error is not None:
            raise part.error
        sink.said(len(words), part.taken)

    def _take(
        self, samples: ctypes._Pointer[ctypes.c_short], count: int, events: ctypes._Pointer[_Event]
    ) -> int:
        part = self._part
        if part is None or part.error is not None:
            return _STOP
        try:
            for event in itertools.takewhile(
                lambda event: event.type, map(events.__getitem__, itertools.count())
            ):
                if event.type == _WORD:
                    part.word_starts(event.text_position - 1, event.sample)
            if samples and count:
                part.take(ctypes.string_at(samples, 2 * count))
        except BaseException as error:  # must not unwind through espeak's frames
            part.error = error
            return _STOP
        return _GO_ON


class _Part:
    """One part while it is being spoken."""

    def __init__(self, sink: PartSink, words: Sequence[str]) -> None:
        self.sink = sink
        self.words = words
        self.starts = [0, *itertools.accumulate(len(word) + 1 for word in words)]
        self.taken = 0
        self.error: BaseException | None = None

    def word_starts(self, character: int, sample: int) -> None:
        """What stands before `character` of the part has been said at `sample`."""
        index = bisect.bisect_right(self.starts, character) - 1
        if index < len(self.words):
            self.sink.said(index + (character - self.starts[index]) / len(self.words[index]), sample)

    def take(self, pcm: bytes) -> None:
        self.taken += len(pcm) // 2
        self.sink.audio(pcm)


# Where the usual tag of a language is not espeak's name of it.
_NAMES = {"zh": "cmn", "zh-cn": "cmn", "zh-tw": "cmn", "en": "en-us", "no": "nb", "iw": "he", "tl": "fil"}
