"""Any endpoint with `/audio/speech` as the voice: speaches, Kokoro-FastAPI, LocalAI, vLLM, OpenAI. Raw sound is streamed.

Such endpoints do not say when a word is spoken. Marks are put by how much of the text was said, at the pace that the voice kept so
far; where a clause ends is known when it has ended.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from vivavoce.audio.clip import Clip
from vivavoce.call.ports import Speech, Spoken
from vivavoce.engines.cascade.remote import Remote, error_text
from vivavoce.engines.cascade.tts.addresses import said
from vivavoce.engines.cascade.tts.delivery import Delivery
from vivavoce.engines.cascade.tts.text import read_aloud
from vivavoce.engines.cascade.tts.wave_stream import NotSound, Packed, SoundReader
from vivavoce.session.signals import Mark

if TYPE_CHECKING:
    import httpx

_OPTIONAL = ("speed", "language")
"""Fields that some servers refuse; they are left out then."""
_PCM = "pcm"
_FORMAT = re.compile(r"response_?format|\bpcm\b|(?:audio|output) format", re.IGNORECASE)
"""What a refusal speaks of that wants another format."""
LETTERS_PER_S = 15.0
"""The pace of a voice nobody has heard yet."""
PACES_KEPT = 100
_SPACELESS = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")


@dataclass(frozen=True, slots=True)
class RemoteTtsSettings:
    """voices: the endpoint's voice for each of a session's; voice: for those it does not name, empty for the name as it is.

    language: sent along where it is set. rate_hz: of the raw sound, where the endpoint does not say.
    """

    url: str
    model: str
    key: str | None = None
    voice: str = ""
    voices: Mapping[str, str] = field(default_factory=dict)
    language: str = ""
    rate_hz: int = 24_000
    first_audio_s: float = 10.0
    next_audio_s: float = 10.0


class RemoteSynthesizer:
    """Text to speech behind `{url}/audio/speech`."""

    exact_marks = False

    def __init__(self, settings: RemoteTtsSettings) -> None:
        """Raises EngineError for an address that is none."""
        self._remote = Remote("tts", "the voice", settings.url, settings.key)
        self._settings = settings
        self._refused: set[str] = set()
        self._pace: dict[tuple[str, float], float] = {}
        self.name = f"{settings.model} at {self._remote.host}"

    async def start(self) -> None:
        """Nothing to load."""

    def warm(self) -> None:
        """See `call.ports.Warm`."""
        self._remote.warm()

    async def close(self) -> None:
        """Close the pooled connections."""
        await self._remote.close()

    async def speak(self, speech: Speech) -> AsyncGenerator[Spoken, None]:
        """See `call.ports.Synthesizer`. Closing the iterator closes the request."""
        words = _words(speech)
        if not words:
            return  # Signs alone; some endpoints answer them with an error, others with a noise.
        deadline = asyncio.get_running_loop().time() + self._settings.first_audio_s
        while True:
            response = await self._open(speech, deadline)
            try:
                async with aclosing(self._pieces(response, deadline, speech, words)) as pieces:
                    async for piece in pieces:
                        yield piece
                return
            except Packed as problem:
                if not self._refuse_pcm():
                    raise self._remote.error(
                        f"sent {problem}: it has to be able to send pcm or wav"
                    ) from problem
            finally:
                await response.aclose()

    # --- the request ------------------------------------------------------------------------------------------------------

    def _body(self, speech: Speech) -> dict[str, Any]:
        given = self._settings
        body: dict[str, Any] = {
            "model": given.model,
            "input": said(speech.text.strip(), given.language or speech.language),
            "voice": given.voices.get(speech.voice, given.voice or speech.voice),
            "response_format": "wav" if _PCM in self._refused else _PCM,
        }
        if speech.speed != 1.0:
            body["speed"] = speech.speed
        if given.language:
            body["language"] = given.language
        return {name: value for name, value in body.items() if name not in self._refused}

    async def _open(self, speech: Speech, deadline: float) -> httpx.Response:
        for _ in range(len(_OPTIONAL) + 2):
            request = self._remote.build("/audio/speech", self._body(speech))
            response = await self._remote.send(request, deadline, self._no_sound_yet)
            if response.status_code == 200:
                return response
            try:
                refusal = await self._remote.refusal(response, deadline)
            finally:
                await response.aclose()
            if not self._learn_from(response.status_code, refusal):
                raise self._remote.failed(response.status_code, refusal)
        raise self._remote.error("keeps refusing the request")

    def _learn_from(self, status: int, refusal: str) -> bool:
        """Whether a refusal was about something that can be asked for otherwise; it is, from now on."""
        # Some servers call a format that they do not know an error of their own.
        if _FORMAT.search(refusal) and status in (400, 415, 422, 500, 501) and self._refuse_pcm():
            return True
        named = next((name for name in _OPTIONAL if name in refusal and name not in self._refused), None)
        if named is None or status not in (400, 422):
            return False
        self._refused.add(named)
        return True

    def _refuse_pcm(self) -> bool:
        """Ask for a WAV from now on; False where that was asked for already."""
        if _PCM in self._refused:
            return False
        self._refused.add(_PCM)
        return True

    # --- the sound --------------------------------------------------------------------------------------------------------

    async def _pieces(
        self, response: httpx.Response, deadline: float, speech: Speech, words: list[_Word]
    ) -> AsyncGenerator[Spoken, None]:
        sound = SoundReader(response.headers.get("content-type", ""), self._settings.rate_hz)
        ready: list[Spoken] = []
        delivery = Delivery(
            speech.rate_hz, lambda pcm, marks: ready.append(_spoken(pcm, marks, speech.rate_hz))
        )
        voice = speech.voice, speech.speed
        marker = _Marker(words, delivery, self._pace.get(voice, LETTERS_PER_S * speech.speed))
        try:
            async with aclosing(self._blocks(response, deadline)) as blocks:
                async for block in blocks:
                    if pcm := sound.feed(block):
                        delivery.begin(sound.rate_hz)
                        marker.follow(delivery.position + len(pcm) // 2, sound.rate_hz)
                        delivery.audio(pcm)
                        for piece in _taken(ready):
                            yield piece
        except Packed:
            raise
        except NotSound as problem:
            raise self._remote.error(self._remote.safe(self._no_sound(problem))) from problem
        if not delivery.position:
            raise self._remote.error(self._remote.safe(self._no_sound(sound.nothing())), True)
        self._learn(voice, marker.finish(delivery.position, sound.rate_hz))
        delivery.finish()
        for piece in _taken(ready):
            yield piece

    async def _blocks(self, response: httpx.Response, deadline: float) -> AsyncGenerator[bytes, None]:
        """The body as it comes. Raises EngineError when it breaks off, or a part of it is late."""
        import httpx

        late = self._no_sound_yet
        blocks = response.aiter_bytes()
        try:
            while True:
                async with asyncio.timeout_at(deadline):
                    block = await anext(blocks, None)
                if block is None:
                    return
                yield block
                late = f"sent no more sound for {self._settings.next_audio_s:g} s"
                deadline = asyncio.get_running_loop().time() + self._settings.next_audio_s
        except TimeoutError as problem:
            raise self._remote.error(late, True) from problem
        except httpx.HTTPError as problem:
            raise self._remote.error(f"broke off in the middle ({type(problem).__name__})", True) from problem

    def _learn(self, voice: tuple[str, float], letters_per_s: float) -> None:
        """The pace that a voice kept. Clients name voices and speeds as they like, so those heard longest ago are forgotten."""
        self._pace.pop(voice, None)
        self._pace[voice] = letters_per_s
        if len(self._pace) > PACES_KEPT:
            del self._pace[next(iter(self._pace))]

    @property
    def _no_sound_yet(self) -> str:
        return f"sent no sound within {self._settings.first_audio_s:g} s"

    @staticmethod
    def _no_sound(problem: NotSound) -> str:
        try:
            return f"sent no sound: {error_text(msgspec.json.decode(problem.body))}"
        except msgspec.DecodeError:
            return f"sent no sound: {problem}"


# --- marks ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Word:
    """letters: how much is said up to its end, pauses included. end: characters of the text said once it is."""

    letters: int
    end: int


def _words(speech: Speech) -> list[_Word]:
    """What is marked: words, and in scripts without spaces every letter by itself."""
    words: list[_Word] = []
    letters = at = 0
    for word in read_aloud(speech.text, speech.language):
        whole = speech.text[at : word.end]
        if _SPACELESS.search(whole):
            for place in range(at + 1, word.end):
                letters += 3
                words.append(_Word(letters, place))
        letters += len(word.text) + (4 if word.pause else 1)
        words.append(_Word(letters, word.end))
        at = word.end
    return words


class _Marker:
    """Puts marks while the sound comes in."""

    def __init__(self, words: list[_Word], delivery: Delivery, letters_per_s: float) -> None:
        self._words = words
        self._delivery = delivery
        self._letters_per_s = letters_per_s
        self._next = 0
        self._last_sample = 0

    def follow(self, sample: int, rate_hz: int) -> None:
        """Sound up to a sample is there. The last word is said when the sound ends, and not before."""
        while self._next < len(self._words) - 1:
            word = self._words[self._next]
            at = int(word.letters / self._letters_per_s * rate_hz)
            if at > sample:
                return
            self._mark(word, at)

    def finish(self, sample: int, rate_hz: int) -> float:
        """The sound ends here: what is not marked yet is spread over the rest of it. Returns the pace that was kept."""
        start = self._last_sample
        said = self._words[self._next - 1].letters if self._next else 0
        rest = self._words[-1].letters - said
        for word in self._words[self._next :]:
            self._mark(word, start + (sample - start) * (word.letters - said) // rest)
        return max(1.0, self._words[-1].letters * rate_hz / max(1, sample))

    def _mark(self, word: _Word, sample: int) -> None:
        self._delivery.mark(word.end, sample)
        self._next, self._last_sample = self._next + 1, sample


def _spoken(pcm: bytes, marks: list[Mark], rate_hz: int) -> Spoken:
    return Spoken(Clip(pcm, rate_hz), tuple(marks))


def _taken(ready: list[Spoken]) -> list[Spoken]:
    taken = list(ready)
    ready.clear()
    return taken
