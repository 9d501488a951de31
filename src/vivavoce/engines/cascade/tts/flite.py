"""flite in this process, through ctypes. One thread at a time: settings and the streaming hook belong to the
voice.

What flite plans for an utterance (its relations of tokens, words and segments) is complete when the first
samples arrive, so the end of every word is known exactly from the start, and so is where the silence around
the speech begins and ends.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vivavoce.engines.cascade.native_libraries import FliteLibraries
from vivavoce.engines.cascade.tts.delivery import PartSink
from vivavoce.engines.cascade.tts.voices import FliteVoice

_CALLBACK_SAMPLES = 320
_STOP, _GO_ON = -1, 0
_DECAY_MS = 40


@dataclass(frozen=True, slots=True)
class _Tuning:
    """gain brings a voice to about -18 dBFS RMS over a sentence (bench/tts.py prints the levels).

    lead_ms: sound kept before the planned start of speech. awb is early: without it "the" is lost, and
    recognition shows it.
    """

    gain: float
    lead_ms: int


_TUNINGS = {
    "slt": _Tuning(0.7, 20),
    "rms": _Tuning(1.2, 12),
    "awb": _Tuning(1.05, 40),
    "kal16": _Tuning(2.6, 12),
    "kal": _Tuning(0.9, 12),
}


class _Wave(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_char_p),
        ("sample_rate", ctypes.c_int),
        ("num_samples", ctypes.c_int),
        ("num_channels", ctypes.c_int),
        ("samples", ctypes.POINTER(ctypes.c_short)),
    )


class _StreamingInfo(ctypes.Structure):
    pass


_StreamingCallback = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.POINTER(_Wave),
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.POINTER(_StreamingInfo),
)
_StreamingInfo._fields_ = (
    ("min_buffsize", ctypes.c_int),
    ("asc", _StreamingCallback),
    ("utt", ctypes.c_void_p),
    ("item", ctypes.c_void_p),
    ("userdata", ctypes.c_void_p),
)


class _Voice(ctypes.Structure):
    """The beginning of flite's voice: all that is needed of it."""

    _fields_ = (("name", ctypes.c_char_p), ("features", ctypes.c_void_p))


@dataclass(frozen=True, slots=True)
class _Plan:
    """Samples: where speech starts and ends within the wave, and where each word ends."""

    start: int
    end: int
    word_ends: list[int]


class Flite:
    """All voices of one set of libraries."""

    def __init__(self, libraries: FliteLibraries) -> None:
        """Raises OSError when a library cannot be opened."""
        opened = libraries.open()
        self._core = _declare(opened.pop("core"))
        self._core.flite_init()
        # flite's noise comes from the C library: starting it alike for every part makes the same text sound
        # the same.
        self._seed = ctypes.CDLL(None).srand
        self._callback = _StreamingCallback(self._take)
        self._voices = {name: self._register(name, library) for name, library in opened.items()}
        self._part: _Part | None = None

    def speak(self, chosen: FliteVoice, words: Sequence[str], speed: float, sink: PartSink) -> None:
        """Say the words of one part. They must be what `text.read_aloud` gives for English, at least one.

        Whatever `sink` raises ends the synthesis and is raised from here.
        """
        name = self._nearest(chosen.voice)
        voice = self._voices[name]
        features = voice.contents.features
        self._core.flite_feat_set_float(features, b"duration_stretch", chosen.size / speed)
        self._core.flite_feat_set_float(features, b"f0_shift", chosen.pitch)
        self._seed(1)
        self._part = part = _Part(sink, len(words), _TUNINGS[name], chosen.size)
        try:
            utterance = self._core.flite_synth_text(" ".join(map(_token, words)).encode("ascii"), voice)
            if utterance:
                self._core.delete_utterance(utterance)
        finally:
            self._part = None
        if part.error is not None:
            raise part.error

    def _nearest(self, name: str) -> str:
        for candidate in ("kal16", "kal") if name == "kal" else (name,):
            if candidate in self._voices:
                return candidate
        return next(iter(self._voices))

    def _register(self, name: str, library: ctypes.CDLL) -> ctypes._Pointer[_Voice]:
        register = getattr(library, f"register_cmu_us_{name}")
        register.restype, register.argtypes = ctypes.POINTER(_Voice), [ctypes.c_char_p]
        voice: ctypes._Pointer[_Voice] = register(None)
        info = self._core.new_audio_streaming_info()
        info.contents.min_buffsize = _CALLBACK_SAMPLES
        info.contents.asc = self._callback
        self._core.flite_feat_set(
            voice.contents.features, b"streaming_info", self._core.audio_streaming_info_val(info)
        )
        return voice

    def _take(
        self,
        wave: ctypes._Pointer[_Wave],
        start: int,
        size: int,
        last: int,
        info: ctypes._Pointer[_StreamingInfo],
    ) -> int:
        part = self._part
        if part is None or part.error is not None:
            return _STOP
        try:
            rate_hz = wave.contents.sample_rate
            if part.plan is None:
                part.begin(rate_hz, self._read_plan(info.contents.utt, part, rate_hz))
            samples = ctypes.addressof(wave.contents.samples.contents)
            return part.take(samples, start, start + size)
        except BaseException as error:  # must not unwind through flite's frames
            part.error = error
            return _STOP

    def _read_plan(self, utterance: int, part: _Part, rate_hz: int) -> _Plan:
        core, words = self._core, part.words
        segments = [
            (core.item_feat_string(item, b"name"), core.flite_ffeature_float(item, b"end"))
            for item in self._items(utterance, b"Segment")
        ]
        spoken = [at for at, (name, _) in enumerate(segments) if name != b"pau"]
        if not spoken:
            return _Plan(0, 0, [0] * words)
        start = segments[spoken[0] - 1][1] if spoken[0] else 0.0
        end = segments[spoken[-1]][1]
        ends: list[float] = []
        for token in self._items(utterance, b"Token"):
            word = core.item_last_daughter(token)
            path = b"R:SylStructure.daughtern.daughtern.R:Segment.end"
            said = core.flite_ffeature_float(word, path) if word else 0.0
            # A token that says nothing ends where the one before it did.
            ends.append(max(said, ends[-1] if ends else start))
        if len(ends) != words:
            ends = [start + (end - start) * count / words for count in range(1, words + 1)]
        lead, decay = part.tuning.lead_ms / 1000, _DECAY_MS / 1000
        first = round(max(0.0, start - lead) * rate_hz)
        return _Plan(first, round((end + decay) * rate_hz), [round(at * rate_hz) - first for at in ends])

    def _items(self, utterance: int, relation: bytes) -> Iterator[int]:
        item = self._core.relation_head(self._core.utt_relation(utterance, relation))
        while item:
            yield item
            item = self._core.item_next(item)


class _Part:
    """One part while it is being spoken."""

    def __init__(self, sink: PartSink, words: int, tuning: _Tuning, size: float) -> None:
        self.sink = sink
        self.size = size
        self.words = words
        self.tuning = tuning
        self.plan: _Plan | None = None
        self.error: BaseException | None = None

    def begin(self, rate_hz: int, plan: _Plan) -> None:
        self.plan = plan
        # Played faster than it was made, speech sounds higher and smaller; `duration_stretch` has made it
        # longer before.
        self.sink.begin(round(rate_hz * self.size))
        for count, sample in enumerate(plan.word_ends, 1):
            self.sink.said(count, sample)

    def take(self, samples: int, start: int, end: int) -> int:
        """The samples from `start` to `end` of the wave at address `samples` are ready."""
        assert self.plan is not None
        first, last = max(start, self.plan.start), min(end, self.plan.end)
        if first < last:
            self.sink.audio(ctypes.string_at(samples + 2 * first, 2 * (last - first)), self.tuning.gain)
        # Nothing but silence follows: not computing it frees the voice earlier.
        return _STOP if end >= self.plan.end else _GO_ON


def _token(word: str) -> str:
    # Alone or before a pause flite says "A" as the letter, elsewhere as the article.
    return "ay" + word[1:] if word[0] == "A" and not word[1:].isalpha() else word


def _declare(core: ctypes.CDLL) -> ctypes.CDLL:
    """Without these, ctypes would cut every pointer to 32 bits."""
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_float
    voice, info = ctypes.POINTER(_Voice), ctypes.POINTER(_StreamingInfo)
    for name, result, arguments in (
        ("flite_init", ctypes.c_int, ()),
        ("flite_synth_text", pointer, (text, voice)),
        ("delete_utterance", None, (pointer,)),
        ("flite_feat_set_float", None, (pointer, text, number)),
        ("flite_feat_set", None, (pointer, text, pointer)),
        ("flite_ffeature_float", number, (pointer, text)),
        ("new_audio_streaming_info", info, ()),
        ("audio_streaming_info_val", pointer, (info,)),
        ("utt_relation", pointer, (pointer, text)),
        ("relation_head", pointer, (pointer,)),
        ("item_next", pointer, (pointer,)),
        ("item_last_daughter", pointer, (pointer,)),
        ("item_feat_string", text, (pointer, text)),
    ):
        function = getattr(core, name)
        function.restype, function.argtypes = result, list(arguments)
    return core
