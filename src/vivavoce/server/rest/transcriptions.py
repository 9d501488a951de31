"""`POST /v1/audio/transcriptions` and `/v1/audio/translations` (protocol reference 1.9)."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import APIRouter, File, Form, UploadFile
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from vivavoce.audio.clip import Clip
from vivavoce.call.ports import Hints, Stages
from vivavoce.server.rest import subtitles
from vivavoce.server.rest.access import owner
from vivavoce.server.rest.documents import FAILURES, json_and_events
from vivavoce.server.rest.errors import ApiError
from vivavoce.server.rest.office import Office
from vivavoce.server.rest.route import MAX_UPLOAD_BYTES, RestRoute
from vivavoce.server.rest.sound_in import decode
from vivavoce.server.rest.streaming import DONE, event, streamed_events, unless_gone
from vivavoce.server.rest.transcript import Chunking, Segment, check_language, segments

router = APIRouter(route_class=RestRoute, tags=["audio"])
EMBEDDED = "pocketsphinx"
"""The recogniser that gains from hearing something again; with others, who are asked elsewhere, it would cost more than it brings."""
AUDIO_TOKENS_PER_S = 10
MOST_KEYWORDS = 100
LANGUAGES: Final = {
    "ar": "arabic", "bg": "bulgarian", "ca": "catalan", "cs": "czech", "da": "danish", "de": "german", "el": "greek", "en": "english",
    "es": "spanish", "et": "estonian", "fa": "persian", "fi": "finnish", "fr": "french", "he": "hebrew", "hi": "hindi", "hr": "croatian",
    "hu": "hungarian", "id": "indonesian", "it": "italian", "ja": "japanese", "ko": "korean", "lt": "lithuanian", "lv": "latvian",
    "nl": "dutch", "no": "norwegian", "pl": "polish", "pt": "portuguese", "ro": "romanian", "ru": "russian", "sk": "slovak",
    "sl": "slovenian", "sr": "serbian", "sv": "swedish", "ta": "tamil", "th": "thai", "tr": "turkish", "uk": "ukrainian", "ur": "urdu",
    "vi": "vietnamese", "zh": "chinese",
}  # fmt: skip
"""Languages as verbose_json names them; another one is named by its code."""


class Transcript(BaseModel):
    """What was said. `task` and everything below it in verbose_json only, but for `usage`."""

    text: str
    task: str | None = None
    language: str | None = None
    duration: float | None = None
    segments: list[dict[str, Any]] | None = None
    usage: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a recording is to be heard, and how to answer."""

    clip: Clip
    model: str
    form: str
    temperature: float
    task: Literal["transcribe", "translate"]
    hints: Hints
    chunking: Chunking

    @property
    def seconds(self) -> float:
        """Length of the recording."""
        return round(self.clip.samples / self.clip.rate_hz, 3)


@router.post(
    "/v1/audio/transcriptions",
    response_class=JSONResponse,
    responses=json_and_events(Transcript, "The transcript.", "text/plain") | FAILURES,
)
async def create_transcription(
    request: Request,
    file: Annotated[UploadFile, File(description="wav, mp3, flac, ogg; webm and m4a with the codecs extra.")],
    model: Annotated[str, Form(description="Any name; the configured recogniser hears.")],
    language: Annotated[str | None, Form()] = None,
    languages: Annotated[list[str] | None, Form(alias="languages[]")] = None,
    keywords: Annotated[list[str] | None, Form(alias="keywords[]", max_length=MOST_KEYWORDS)] = None,
    prompt: Annotated[str | None, Form(max_length=20_000)] = None,
    response_format: Annotated[
        Literal["json", "text", "srt", "verbose_json", "vtt", "diarized_json"], Form()
    ] = "json",
    temperature: Annotated[float, Form(ge=0, le=1)] = 0,
    include: Annotated[list[Literal["logprobs"]] | None, Form(alias="include[]")] = None,
    timestamp_granularities: Annotated[
        list[Literal["word", "segment"]] | None,
        Form(
            alias="timestamp_granularities[]", description="Segments are given; times of words are not known."
        ),
    ] = None,
    chunking_strategy: Annotated[str | None, Form(description='"auto" or {"type":"server_vad",...}')] = None,
    stream: Annotated[bool | None, Form()] = None,
) -> Response:
    """Speech to text. Silence is transcribed to nothing."""
    if response_format == "diarized_json":
        message = "Speakers cannot be told apart by this server: 'diarized_json' is not available."
        raise ApiError(message, param="response_format", code="unsupported_value")
    office: Office = request.app.state.office
    stages = office.stages
    for one in (language, *(languages or ())):
        check_language(one, stages)
    chunking = await _chunking(request, chunking_strategy)
    hints = Hints(
        prompt or "",
        (),
        (*stages.keywords, *(keywords or ())),
        language or stages.language,
        patient=True,
        logprobs=bool(include),
    )
    clip = await _clip(office, request, file)
    wanted = Wanted(clip, model, response_format, temperature, "transcribe", hints, chunking)
    # As with the service, whisper-1 is never streamed.
    if stream and model != "whisper-1":
        return await streamed_events(request, _events(wanted, stages))
    heard = await unless_gone(request, _all(wanted, stages))
    if stages.stt.name == EMBEDDED:
        office.recordings.keep(owner(request), " ".join(segment.text for segment in heard), clip)
    return _reply(wanted, heard)


@router.post(
    "/v1/audio/translations",
    response_class=JSONResponse,
    responses=json_and_events(Transcript, "The text in English.", "text/plain") | FAILURES,
)
async def create_translation(
    request: Request,
    file: Annotated[UploadFile, File(description="wav, mp3, flac, ogg; webm and m4a with the codecs extra.")],
    model: Annotated[str, Form()],
    prompt: Annotated[str | None, Form(max_length=20_000)] = None,
    response_format: Annotated[Literal["json", "text", "srt", "verbose_json", "vtt"], Form()] = "json",
    temperature: Annotated[float, Form(ge=0, le=1)] = 0,
) -> Response:
    """Speech to English text. The built-in recogniser understands English only, so English is what it should be given."""
    office: Office = request.app.state.office
    stages = office.stages
    clip = await _clip(office, request, file)
    hints = Hints(prompt or "", (), stages.keywords, stages.language, patient=True)
    wanted = Wanted(clip, model, response_format, temperature, "translate", hints, Chunking())
    return _reply(wanted, await unless_gone(request, _all(wanted, stages)))


async def _clip(office: Office, request: Request, file: UploadFile) -> Clip:
    if (file.size or 0) > MAX_UPLOAD_BYTES:
        message = f"Maximum content size limit ({MAX_UPLOAD_BYTES}) exceeded ({file.size} bytes read)"
        raise ApiError(message, status=413, param="file")
    content = await file.read()
    return await unless_gone(request, decode(office.codecs, content, "file"))


class _ServerVad(msgspec.Struct):
    type: Literal["server_vad"]
    threshold: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
    prefix_padding_ms: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 300
    silence_duration_ms: Annotated[int, msgspec.Meta(ge=50, le=10_000)] = 200


async def _chunking(request: Request, given: str | None) -> Chunking:
    """ "auto", an object as JSON, or an object as fields `chunking_strategy[type]`, as clients write it."""
    form = await request.form()
    prefix = "chunking_strategy["
    fields = {name[len(prefix) : -1]: value for name, value in form.items() if name.startswith(prefix)}
    if given in (None, "", "auto") and not fields:
        return Chunking()
    try:
        vad = msgspec.convert(fields, _ServerVad, strict=False) if fields else _read_vad(given or "")
    except msgspec.MsgspecError as error:
        raise ApiError(
            f"Invalid value for 'chunking_strategy': {error}.",
            param="chunking_strategy",
            code="invalid_value",
        ) from None
    # A threshold of 0 would call everything speech.
    return Chunking(max(0.01, vad.threshold), vad.prefix_padding_ms, vad.silence_duration_ms)


def _read_vad(given: str) -> _ServerVad:
    return msgspec.json.decode(given.encode("utf-8", "replace"), type=_ServerVad)


async def _all(wanted: Wanted, stages: Stages) -> list[Segment]:
    async with aclosing(segments(wanted.clip, stages, wanted.hints, wanted.chunking)) as heard:
        return [segment async for segment in heard]


async def _events(wanted: Wanted, stages: Stages) -> AsyncGenerator[bytes, None]:
    """A delta for every stretch of speech: words that were told are never taken back."""
    text, said = "", list[Segment]()
    async with aclosing(segments(wanted.clip, stages, wanted.hints, wanted.chunking)) as heard:
        async for segment in heard:
            delta = f" {segment.text}" if text else segment.text
            text += delta
            said.append(segment)
            yield event({"type": "transcript.text.delta", "delta": delta, **_logprobs([segment])})
    done = {"type": "transcript.text.done", "text": text, "usage": usage_of(wanted, text)}
    yield event(done | _logprobs(said))
    yield DONE


def usage_of(wanted: Wanted, text: str) -> dict[str, Any]:
    """By duration for whisper-1, in tokens for all others (protocol reference 1.9)."""
    if wanted.model == "whisper-1":
        return {"type": "duration", "seconds": -(-wanted.clip.samples // wanted.clip.rate_hz)}
    heard = -(-wanted.clip.samples * AUDIO_TOKENS_PER_S // wanted.clip.rate_hz)
    read = -(-len(wanted.hints.instructions.encode()) // 4)
    written = -(-len(text.encode()) // 4)
    return {
        "type": "tokens",
        "input_tokens": heard + read,
        "input_token_details": {"text_tokens": read, "audio_tokens": heard},
        "output_tokens": written,
        "total_tokens": heard + read + written,
    }


def _reply(wanted: Wanted, heard: list[Segment]) -> Response:
    text = " ".join(segment.text for segment in heard)
    match wanted.form:
        case "text":
            return PlainTextResponse(text + "\n")
        case "srt":
            return PlainTextResponse(subtitles.srt(heard))
        case "vtt":
            return PlainTextResponse(subtitles.vtt(heard))
        case "verbose_json":
            return JSONResponse(_verbose(wanted, heard, text))
    usage = {} if wanted.task == "translate" else {"usage": usage_of(wanted, text)}
    return JSONResponse({"text": text} | usage | _logprobs(heard))


def _logprobs(heard: list[Segment]) -> dict[str, Any]:
    """Where they were asked for and the recogniser gives them. Some words without them would shift all others: then there are none."""
    if not heard or not all(segment.logprobs for segment in heard):
        return {}
    return {"logprobs": [msgspec.to_builtins(one) for segment in heard for one in segment.logprobs]}


def _language(wanted: Wanted) -> str:
    """By its English name, as the API has it; a translation is English."""
    code = "en" if wanted.task == "translate" else wanted.hints.language.lower()
    return LANGUAGES.get(re.split("[-_]", code)[0], code or "unknown")


def _verbose(wanted: Wanted, heard: list[Segment], text: str) -> dict[str, Any]:
    return {
        "task": wanted.task,
        "language": _language(wanted),
        "duration": wanted.seconds,
        "text": text,
        "segments": [
            {
                "id": number,
                "seek": 0,
                "start": one.stretch.start_ms / 1000,
                "end": one.stretch.end_ms / 1000,
                "text": one.text,
                "tokens": [],
                "temperature": wanted.temperature,
                # The recogniser gives no likelihoods of words; whether there was speech is known.
                "avg_logprob": 0.0,
                "compression_ratio": 1.0,
                "no_speech_prob": round(1 - one.stretch.certainty, 4),
            }
            for number, one in enumerate(heard)
        ],
        "usage": {"type": "duration", "seconds": -(-wanted.clip.samples // wanted.clip.rate_hz)},
    }
