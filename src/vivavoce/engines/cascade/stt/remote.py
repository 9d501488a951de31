"""Any endpoint with `/audio/transcriptions` as the recogniser: speaches, LocalAI, vLLM, Groq, OpenAI.

It is sent what was said once it has been said, and at a pause, so that an answer can be prepared.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from vivavoce.audio.clip import Clip
from vivavoce.call.ports import Hints
from vivavoce.engines.cascade.chat_chunks import ErrorInStream, Nonsense
from vivavoce.engines.cascade.remote import Remote
from vivavoce.engines.cascade.stt.answers import TranscriptReader, language_of, reading_of
from vivavoce.engines.cascade.stt.likelihood import Reading
from vivavoce.engines.cascade.stt.recording import Recording
from vivavoce.protocol.errors import EngineError
from vivavoce.protocol.responses import LogProb

if TYPE_CHECKING:
    import httpx

RATE_HZ = 16_000
SHORTEST_MS = 100
"""Endpoints refuse less; nobody says a word in it."""
LONGEST_PROMPT = 8000
_OPTIONAL = ("stream", "keywords", "prompt", "include")
"""Fields that some servers refuse. The transcript is nearly the same without them."""

Told = Literal["keywords", "session", "off"]


@dataclass(frozen=True, slots=True)
class RemoteSttSettings:
    """hints: what an endpoint is told of a session: the words to expect, its instructions and tools besides, or nothing.

    language: what is spoken where the session does not say; empty lets the endpoint find out. timeout_s: from the end of an utterance to
    its transcript.
    """

    url: str
    model: str
    key: str | None = None
    language: str = ""
    hints: Told = "keywords"
    timeout_s: float = 10.0


class RemoteTranscriber:
    """Speech to text behind `{url}/audio/transcriptions`."""

    languages: tuple[str, ...] = ()

    def __init__(self, settings: RemoteSttSettings) -> None:
        """Raises EngineError for an address that is none."""
        self.remote = Remote("stt", "the recogniser", settings.url, settings.key)
        self.settings = settings
        self.refused: set[str] = set()
        self.name = f"{settings.model} at {self.remote.host}"

    async def start(self) -> None:
        """Nothing to load."""

    def open(self) -> RemoteListener:
        """A call's own ear."""
        return RemoteListener(self)

    def warm(self) -> None:
        """See `call.ports.Warm`."""
        self.remote.warm()

    async def close(self) -> None:
        """Close the pooled connections."""
        await self.remote.close()

    async def read(self, wav: bytes, hints: Hints, on_partial: Callable[[str], None]) -> Reading:
        """The words in a recording. Raises EngineError("stt", ...)."""
        began = asyncio.get_running_loop().time()
        deadline = began + self.settings.timeout_s
        late = f"sent no transcript within {self.settings.timeout_s:g} s"
        response = await self._open(wav, hints, deadline, late)
        try:
            async with asyncio.timeout_at(deadline):
                reading = await self._reading(response, on_partial)
            return replace(reading, took_ms=round((asyncio.get_running_loop().time() - began) * 1000))
        except TimeoutError as problem:
            raise self.remote.error(late, True) from problem
        finally:
            await response.aclose()

    async def _open(self, wav: bytes, hints: Hints, deadline: float, late: str) -> httpx.Response:
        for _ in range(len(_OPTIONAL) + 1):
            request = self.remote.build(
                "/audio/transcriptions",
                data=self._fields(hints),
                files={"file": ("speech.wav", wav, "audio/wav")},
            )
            response = await self.remote.send(request, deadline, late)
            if response.status_code == 200:
                return response
            try:
                refusal = await self.remote.refusal(response, deadline)
            finally:
                await response.aclose()
            named = self._named(refusal.replace("logprobs", "include"), hints)
            if named is None or response.status_code not in (400, 422):
                raise self.remote.failed(response.status_code, refusal)
            self.refused.add(named)
        raise self.remote.error("keeps refusing the request")

    def _named(self, refusal: str, hints: Hints) -> str | None:
        """The field that a refusal is about. Many a sentence has the word "include" in it: only where it was asked for."""
        sent = _OPTIONAL if hints.logprobs else _OPTIONAL[:-1]
        return next((name for name in sent if name in refusal and name not in self.refused), None)

    def _fields(self, hints: Hints) -> dict[str, str | list[str]]:
        told = told_of(hints, self.settings.hints)
        fields: dict[str, str | list[str]] = {
            "model": self.settings.model,
            "response_format": "json",
            "stream": "true",
        }
        if hints.language:
            fields["language"] = language_of(hints.language)
        if told:
            fields["prompt"] = told
        if self.settings.hints == "session" and hints.keywords:
            fields["keywords[]"] = list(hints.keywords)[:100]
        if hints.logprobs:
            fields["include[]"] = ["logprobs"]
        return {name: value for name, value in fields.items() if name.removesuffix("[]") not in self.refused}

    async def _reading(self, response: httpx.Response, on_partial: Callable[[str], None]) -> Reading:
        import httpx

        kind = response.headers.get("content-type", "")
        try:
            if not kind.startswith("text/event-stream"):
                return reading_of(await response.aread(), kind)
            reader = TranscriptReader()
            # The end of the stream is read too, since a connection serves again only then.
            async for block in response.aiter_bytes():
                for said in reader.feed(block):
                    on_partial(said)
            for said in reader.finish():
                on_partial(said)
            return reader.reading()
        except Nonsense as problem:
            raise self.remote.error(
                f"does not answer like a recogniser ({self.remote.safe(str(problem))})"
            ) from problem
        except ErrorInStream as problem:
            raise self.remote.error(f"reported an error: {self.remote.safe(str(problem))}", True) from problem
        except httpx.HTTPError as problem:
            raise self.remote.error(f"broke off in the middle ({type(problem).__name__})", True) from problem


def told_of(hints: Hints, wanted: Told) -> str:
    """What a recogniser is told about a session, as the text of a prompt."""
    if wanted == "off":
        return ""
    told = []
    if wanted == "session":
        told = [hints.instructions, *map(_described, hints.tools)]
    if hints.keywords:
        told.append(", ".join(dict.fromkeys(hints.keywords)) + ".")
    return "\n".join(part for part in told if part.strip())[:LONGEST_PROMPT]


def _described(tool: dict[str, Any]) -> str:
    """A tool in words: what it does, and what it wants to know."""
    lines = [f"{tool.get('name', '')}: {tool.get('description', '')}"]
    parameters = tool.get("parameters")
    properties = parameters.get("properties") if isinstance(parameters, dict) else None
    for name, schema in properties.items() if isinstance(properties, dict) else ():
        if isinstance(schema, dict):
            values = ", ".join(str(value) for value in (*schema.get("enum", ()), *schema.get("examples", ())))
            lines.append(f"{name}: {schema.get('description', '')} {values}".rstrip())
    return "\n".join(lines)


class RemoteListener:
    """One call: what its session talks about."""

    def __init__(self, transcriber: RemoteTranscriber) -> None:
        self.transcriber = transcriber
        self.hints = Hints(language=transcriber.settings.language)
        self._utterances: set[RemoteUtterance] = set()

    def configure(self, hints: Hints) -> None:
        """See `call.ports.Listener`."""
        self.hints = hints

    def begin(self, on_partial: Callable[[str], None]) -> RemoteUtterance:
        """See `call.ports.Listener`."""
        self.transcriber.warm()
        utterance = RemoteUtterance(self.transcriber, self.hints, on_partial)
        self._utterances = {one for one in self._utterances if not one.over} | {utterance}
        return utterance

    def close(self) -> None:
        """See `call.ports.Listener`."""
        for utterance in self._utterances:
            utterance.cancel()


class RemoteUtterance:
    """One stretch of speech. What was read at a pause stands where nothing was said since."""

    def __init__(
        self, transcriber: RemoteTranscriber, hints: Hints, on_partial: Callable[[str], None]
    ) -> None:
        self.over = False
        self.logprobs: tuple[LogProb, ...] = ()
        self.read_ms = 0
        self._transcriber = transcriber
        self._hints = hints
        self._on_partial = on_partial
        self._recording = Recording(RATE_HZ)
        self._reading: asyncio.Task[Reading] | None = None
        self._read_until = 0

    def feed(self, clip: Clip) -> None:
        """See `call.ports.Utterance`."""
        self._recording.add(clip)

    async def peek(self) -> str:
        """See `call.ports.Utterance`. Raises EngineError."""
        return (await self._read()).text

    async def finish(self) -> str:
        """See `call.ports.Utterance`."""
        self._recording.end()
        try:
            reading = await self._read()
            self.logprobs, self.read_ms = reading.logprobs, reading.took_ms
            return reading.text
        finally:
            self.over = True

    def cancel(self) -> None:
        """See `call.ports.Utterance`."""
        self.over = True
        if self._reading is not None:
            self._reading.cancel()

    async def _read(self) -> Reading:
        if self._recording.duration_ms < SHORTEST_MS:
            return Reading("")
        standing = self._reading
        if standing is None or _failed(standing) or not self._recording.quiet_since(self._read_until):
            if standing is not None:
                standing.cancel()
            self._read_until = self._recording.samples
            reading = self._transcriber.read(self._recording.wav(), self._hints, self._on_partial)
            standing = self._reading = asyncio.create_task(reading)
            # Nobody may be waiting for it any more when it fails.
            standing.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await self._outcome(standing)

    async def _outcome(self, reading: asyncio.Task[Reading]) -> Reading:
        try:
            return await asyncio.shield(reading)
        except asyncio.CancelledError:
            if reading.cancelled() and not self.over:  # A later reading took its place.
                raise EngineError("stt", "what was read so far is out of date", retryable=True) from None
            raise


def _failed(reading: asyncio.Task[Reading]) -> bool:
    return reading.done() and (reading.cancelled() or reading.exception() is not None)
