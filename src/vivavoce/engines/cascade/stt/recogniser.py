"""Two pocketsphinx decoders over the same audio: one with the general language model, one with the session's.

The better path score wins: both use the same acoustic model and weights, so the scores are the same kind of
number, and the
comparison is the choice a single search over both models would make between its two best paths.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vivavoce.engines.cascade.stt.session_model import SessionModel
from vivavoce.engines.cascade.stt.shapes import pronunciations, written
from vivavoce.engines.cascade.stt.spelling import DIGIT, SPOKEN_DIGITS, TEEN_WORDS, TENS_WORDS
from vivavoce.engines.cascade.stt.voicing import Voice

if TYPE_CHECKING:
    import pocketsphinx

# fwdflat off: it costs 120 ms at the end of an utterance and wins nothing. The two caps bound the work per
# frame.
_SEARCH = {"fwdflat": False, "bestpath": False, "maxhmmpf": 3000, "maxwpf": 20, "loglevel": "FATAL"}

_COMMON_WORDS = 10_000
_CONTEXT_WORDS = 500
_LIKELIER = 2.0
"""A follower counts when it is this much likelier after its word than anywhere."""

_CLASS_WORDS = frozenset((*SPOKEN_DIGITS, *TEEN_WORDS, *TENS_WORDS))

_TYPICAL_DIGITS = ("three", "four", "five", "seven", "eight", "nine")
"""Digits that are little else."""

TYPICAL_MEAN = (52.0, 0.5, 3.0, 14.5, -6.0, 2.4, -1.5, -4.7, -2.9, -1.8, 2.5, 0.3, 1.4)
"""The cepstral mean of ordinary speech at an ordinary level: halfway between recorded readers and synthetic
voices. The
decoder's own start value is that of quieter audio, and a wrong start costs half as much again in word errors."""

_MEAN_FRAMES = 50
"""How many frames of speech the typical mean counts for against what is measured."""

_LONGEST_FRAMES, _LONGEST_FRAMES_PER_PHONE = 60, 12
"""Nobody says a word longer than this, in frames of 10 ms: 0.84 s for "so", 1.2 s for "Tuesday"."""

_SETTLED_FRAMES = 15

_DECODER_FRAMES = 500
"""How many frames the decoder lets a mean count for that was set from outside (CMN_WIN)."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was heard: words as one string, and the path score, comparable between decoders of one utterance.

    settled: silence has followed long enough for the words to stay what they are.
    """

    text: str = ""
    score: float = 0.0
    settled: bool = False


class GeneralWords:
    """The general decoder's dictionary and language model as `session_model.GeneralModel`."""

    def __init__(self, decoder: pocketsphinx.Decoder) -> None:
        self._decoder = decoder
        self._model = decoder.get_lm()
        self._exp = decoder.get_logmath().exp
        self._all: dict[str, float] = {}

    def unigrams(self) -> Mapping[str, float]:
        self._read()
        return dict(list(self._all.items())[:_COMMON_WORDS])

    def followers(self, words: Iterable[str]) -> Mapping[str, Mapping[str, float]]:
        self._read()
        common = list(self._all)[:_CONTEXT_WORDS]
        chosen = [
            word
            for word in dict.fromkeys((*common, *words))
            if word in self._all and word not in _CLASS_WORDS
        ]
        found: dict[str, dict[str, float]] = {}
        for before in chosen:
            likely = {}
            for word in chosen:
                probability = self._exp(self._model.prob([word, before]))
                if probability > _LIKELIER * self._all[word]:
                    likely[word] = probability
            found[before] = likely
        found[DIGIT] = self._after_digits(chosen)
        return found

    def _after_digits(self, words: Iterable[str]) -> dict[str, float]:
        found = {}
        for word in words:
            each = [self._exp(self._model.prob([word, digit])) for digit in _TYPICAL_DIGITS]
            if sum(each) / len(each) > _LIKELIER * self._all[word]:
                found[word] = sum(each) / len(each)
        return found

    def phones(self, word: str) -> str | None:
        phones: str | None = self._decoder.lookup_word(word)
        return phones

    def _read(self) -> None:
        """Unigram probabilities of the whole dictionary, once."""
        if self._all:
            return
        import pocketsphinx

        with open(pocketsphinx.get_model_path("en-us/cmudict-en-us.dict"), encoding="utf-8") as dictionary:
            words = [entry for line in dictionary if "(" not in (entry := line.partition(" ")[0])]
        likely = [(self._exp(self._model.prob([word])), word) for word in words]
        self._all = {word: probability for probability, word in sorted(likely, reverse=True)}


def _decoder(language_model: str | None) -> pocketsphinx.Decoder:
    import pocketsphinx

    path = pocketsphinx.get_model_path
    return pocketsphinx.Decoder(
        hmm=path("en-us/en-us"), dict=path("en-us/cmudict-en-us.dict"), lm=language_model, **_SEARCH
    )


class Recogniser:
    """One worker's ears. One utterance at a time: `begin`, `hear` ..., `reading`, `end`."""

    def __init__(self) -> None:
        import pocketsphinx

        self._general = _decoder(pocketsphinx.get_model_path("en-us/en-us.lm.bin"))
        self._session = _decoder(None)
        digits = {word: _ways(self._general, word) for word in SPOKEN_DIGITS}
        for word, phones in pronunciations(digits):
            self._add_word(word, phones)
        self._speaking: list[pocketsphinx.Decoder] = []
        self._voice = Voice()
        self.words = GeneralWords(self._general)

    # --- session models ---------------------------------------------------------------------------

    def load(self, name: str, model: SessionModel) -> None:
        """Take in a session's model under a name."""
        for word, phones in model.words:
            if self._session.lookup_word(word) is None:
                self._add_word(word, phones)
        with _as_file(model.arpa) as path:
            import pocketsphinx

            trigrams = pocketsphinx.NGramModel(self._session.config, self._session.get_logmath(), path)
            self._session.add_lm(name, trigrams)

    def forget(self, name: str) -> None:
        """Free a session's model."""
        self._session.remove_search(name)

    def _add_word(self, word: str, phones: str) -> None:
        """A further way of saying a word gets a number, as in the dictionary."""
        name, number = word, 1
        while self._session.lookup_word(name) is not None:
            number += 1
            name = f"{word}({number})"
        self._session.add_word(name, phones, False)

    # --- utterances -------------------------------------------------------------------------------

    def begin(self, model: str | None, mean: str) -> None:
        """Start an utterance with a loaded session model, or None, and a cepstral mean."""
        self._voice = Voice()
        self._speaking = [self._general]
        if model is not None:
            self._session.activate_search(model)
            self._speaking.append(self._session)
        for decoder in self._speaking:
            decoder.set_cmn(mean)
            decoder.start_utt()

    def hear(self, pcm: bytes) -> None:
        """More 16 kHz PCM, at least one sample."""
        self._voice.hear(pcm)
        for decoder in self._speaking:
            decoder.process_raw(pcm)

    def reading(self) -> Reading:
        """The better of what the decoders believe so far; nothing where there is no voice."""
        if not self._voice.heard:
            return Reading(settled=True)
        return max((_reading(decoder) for decoder in self._speaking), key=lambda reading: reading.score)

    def end(self) -> Reading:
        """Close the utterance. Also needed for one that was given up. Harmless twice."""
        for decoder in self._speaking:
            decoder.end_utt()
        reading = self.reading() if self._speaking else Reading()
        self._speaking = []
        return reading

    def mean_after(self) -> str:
        """The cepstral mean after the last utterance, to begin the same speaker's next one with."""
        mean: str = self._general.get_cmn()
        return mean

    def measured_mean(self, pcm: bytes) -> str:
        """The cepstral mean of a first stretch of speech, leaning on the typical one.

        Not during an utterance.
        """
        if not pcm:
            return _mean_text(TYPICAL_MEAN)
        # The decoder only tells the mean after mixing in 500 frames of the one it started from, and
        # not how many
        # frames it counted (silence of zeros is left out). Two runs of the front end with different
        # starts give both.
        starts = ([0.0] * len(TYPICAL_MEAN), [100.0, *[0.0] * (len(TYPICAL_MEAN) - 1)])
        low, high = (self._mixed_mean(pcm, start) for start in starts)
        share = (high[0] - low[0]) / 100
        heard = _DECODER_FRAMES / share - _DECODER_FRAMES
        summed = [value * (_DECODER_FRAMES + heard) for value in low]
        return _mean_text(
            (total + _MEAN_FRAMES * typical) / (heard + _MEAN_FRAMES)
            for total, typical in zip(summed, TYPICAL_MEAN, strict=True)
        )

    def _mixed_mean(self, pcm: bytes, start: Iterable[float]) -> list[float]:
        self._general.set_cmn(_mean_text(start))
        self._general.start_utt()
        self._general.process_raw(pcm, no_search=True)
        mean = [float(value) for value in self._general.get_cmn(update=True).split(",")]
        self._general.end_utt()
        return mean


def _ways(decoder: pocketsphinx.Decoder, word: str) -> list[str]:
    """All pronunciations of a word in the dictionary."""
    names = (word, *(f"{word}({number})" for number in range(2, 6)))
    return [phones for name in names if (phones := decoder.lookup_word(name)) is not None]


def _mean_text(values: Iterable[float]) -> str:
    return ",".join(f"{value:.4f}" for value in values)


def _reading(decoder: pocketsphinx.Decoder) -> Reading:
    hypothesis = decoder.hyp()
    if hypothesis is None or not hypothesis.hypstr:
        return Reading()
    segments = list(decoder.seg())
    words = [written(segment.word.partition("(")[0]) for segment in segments if _is_word(decoder, segment)]
    last = segments[-1]
    settled = last.word.startswith("<") and last.end_frame - last.start_frame >= _SETTLED_FRAMES
    return Reading(" ".join(words), hypothesis.best_score, settled)


def _is_word(decoder: pocketsphinx.Decoder, segment: pocketsphinx.Segment) -> bool:
    """Not silence or a noise, and not a word drawn out over a hum or a hiss."""
    if segment.word.startswith(("<", "[")):
        return False
    phones = len((decoder.lookup_word(segment.word) or "").split())
    return bool(
        segment.end_frame - segment.start_frame < _LONGEST_FRAMES + _LONGEST_FRAMES_PER_PHONE * phones
    )


@contextlib.contextmanager
def _as_file(text: str) -> Iterator[str]:
    """The decoder reads models by path only.

    On Linux that can be memory, of which nothing is left whatever happens.
    """
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("session.arpa"), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
    else:
        with tempfile.NamedTemporaryFile("w", suffix=".arpa", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            yield file.name
