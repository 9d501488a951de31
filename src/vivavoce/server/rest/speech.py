"""`POST /v1/audio/speech` (protocol reference 1.9)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Annotated, Any, Literal

import pybase64
from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from vivavoce.call.ports import Speech, Spoken, Stages
from vivavoce.engines.cascade.tts.voices import VOICES
from vivavoce.server.rest.documents import FAILURES, sound_and_events
from vivavoce.server.rest.errors import ApiError
from vivavoce.server.rest.office import Office
from vivavoce.server.rest.route import RestRoute
from vivavoce.server.rest.sound_out import MEDIA_TYPES, RATE_HZ, Format, encoded
from vivavoce.server.rest.streaming import event, streamed, streamed_events
from vivavoce.session.clauses import ClauseCutter

MOST_CHARS = 4096
AUDIO_TOKENS_PER_S = 20
_CUT_CHARS = 160

router = APIRouter(route_class=RestRoute, tags=["audio"])


class CustomVoice(BaseModel):
    """A voice by its id. There are none here; the name is read so that the refusal can be precise."""

    id: str


class SpeechRequest(BaseModel):
    """What to say, and how."""

    model: str = Field(description="Any name; the configured voices speak.")
    input: Annotated[str, Field(min_length=1, max_length=MOST_CHARS)]
    voice: str | CustomVoice = Field(description="One of the API's voice names.")
    instructions: str | None = Field(None, description="Accepted; the built-in voices cannot act on it.")
    response_format: Format | None = "mp3"
    speed: Annotated[float, Field(ge=0.25, le=4.0)] | None = 1.0
    stream_format: Literal["audio", "sse"] | None = "audio"


@router.post("/v1/audio/speech", response_class=Response, responses=sound_and_events(MEDIA_TYPES) | FAILURES)
async def create_speech(body: SpeechRequest, request: Request) -> Response:
    """Speech for a text, sent while it is made."""
    office: Office = request.app.state.office
    format_ = body.response_format or "mp3"
    speech = Speech(body.input, voice_of(body.voice), body.speed or 1.0, RATE_HZ)
    stages = office.stages
    counted = Counted(spoken(stages, speech))
    sound = encoded(counted.pieces(), format_, office.codecs)
    if body.stream_format == "sse":
        return await streamed_events(request, _events(sound, counted, body.input))
    return await streamed(request, sound, MEDIA_TYPES[format_])


def voice_of(voice: str | CustomVoice, param: str = "voice") -> str:
    """A known voice's name. Raises ApiError that lists them."""
    name = voice if isinstance(voice, str) else voice.id
    if isinstance(voice, str) and name.strip().lower() in VOICES:
        return name.strip().lower()
    known = ", ".join(f"'{one}'" for one in VOICES)
    raise ApiError(
        f"Invalid value: '{name}'. Supported values are: {known}.", param=param, code="invalid_value"
    )


async def spoken(stages: Stages, speech: Speech) -> AsyncGenerator[Spoken, None]:
    """A text of any length, clause after clause: the first sound does not wait for the last word."""
    for clause in clauses_of(speech.text):
        one = Speech(clause, speech.voice, speech.speed, speech.rate_hz, speech.language)
        async with aclosing(stages.tts.speak(one)) as pieces:
            async for piece in pieces:
                yield piece


def clauses_of(text: str) -> Iterator[str]:
    """The text's clauses in order, each found when it is asked for: what is looked at grows with what waits, not with the text."""
    cutter = ClauseCutter()
    for start in range(0, len(text), _CUT_CHARS):
        yield from cutter.push(text[start : start + _CUT_CHARS])
    yield from cutter.flush()


class Counted:
    """Pieces of speech, and how long they were together."""

    def __init__(self, pieces: AsyncGenerator[Spoken, None]) -> None:
        self.samples = 0
        self._pieces = pieces

    async def pieces(self) -> AsyncGenerator[Spoken, None]:
        """Each piece, counted."""
        async with aclosing(self._pieces):
            async for piece in self._pieces:
                self.samples += piece.clip.samples
                yield piece

    @property
    def tokens(self) -> int:
        """One for every 50 ms, as for assistant audio in a session (protocol reference 4.18)."""
        return -(-self.samples * AUDIO_TOKENS_PER_S // RATE_HZ)


async def _events(
    sound: AsyncGenerator[bytes, None], counted: Counted, text: str
) -> AsyncGenerator[bytes, None]:
    async with aclosing(sound):
        async for piece in sound:
            yield event({"type": "speech.audio.delta", "audio": pybase64.b64encode_as_string(piece)})
    read, made = -(-len(text.encode()) // 4), counted.tokens
    usage: dict[str, Any] = {"input_tokens": read, "output_tokens": made, "total_tokens": read + made}
    yield event({"type": "speech.audio.done", "usage": usage})
