"""Content that clients send in parts: words, pictures, sound."""

from __future__ import annotations

from typing import Any

import pybase64
from pydantic import BaseModel

from vivavoce.call.ports import Hints
from vivavoce.server.rest.errors import ApiError
from vivavoce.server.rest.office import Office
from vivavoce.server.rest.route import MAX_UPLOAD_BYTES
from vivavoce.server.rest.sound_in import decode
from vivavoce.server.rest.transcript import words_in

TEXT_PARTS = frozenset({"text", "input_text", "output_text", "refusal"})


class SoundPart(BaseModel):
    """Base64 of a sound file, and what kind of file it is (found out by looking)."""

    data: str
    format: str | None = None


class Picture(BaseModel):
    """An address or a data URI."""

    url: str
    detail: str | None = None


class Part(BaseModel):
    """One part: `text`, `input_text`, `output_text`, `refusal`, `image_url`, `input_image` or `input_audio`."""

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: Picture | str | None = None
    detail: str | None = None
    input_audio: SoundPart | None = None


async def content_of(
    office: Office, content: str | list[Part] | None, param: str, hints: Hints
) -> str | list[dict[str, Any]]:
    """Content as language models take it: a string, or text and pictures; sound has become the words that are said in it.

    hints: what the recogniser may know of the request.

    Raises ApiError.
    """
    if content is None or isinstance(content, str):
        return content or ""
    words: list[str] = []
    pictures: list[dict[str, Any]] = []
    for number, part in enumerate(content):
        place = f"{param}[{number}]"
        if part.type in TEXT_PARTS:
            words.append(part.text if part.text is not None else part.refusal or "")
        elif part.type in ("image_url", "input_image"):
            pictures.append(_picture(part, place))
        elif part.type == "input_audio":
            words.append(await _words(office, part, place, hints))
        else:
            raise ApiError(
                f"Invalid value: '{part.type}'. This server takes text, images and audio as content.",
                param=f"{place}.type",
                code="invalid_value",
            )
    text = " ".join(word for word in words if word)
    if not pictures:
        return text
    return [{"type": "text", "text": text}, *pictures]


def _picture(part: Part, place: str) -> dict[str, Any]:
    given = part.image_url
    if given is None:
        raise ApiError(
            f"Missing required parameter: '{place}.image_url'.",
            param=f"{place}.image_url",
            code="missing_required_parameter",
        )
    url, detail = (given.url, given.detail) if isinstance(given, Picture) else (given, part.detail)
    return {"type": "image_url", "image_url": {"url": url, "detail": detail or "auto"}}


async def _words(office: Office, part: Part, place: str, hints: Hints) -> str:
    if part.input_audio is None:
        raise ApiError(
            f"Missing required parameter: '{place}.input_audio'.",
            param=f"{place}.input_audio",
            code="missing_required_parameter",
        )
    try:
        content = pybase64.b64decode(part.input_audio.data, validate=True)
    except ValueError:
        raise ApiError(
            "The audio is not valid base64.", param=f"{place}.input_audio.data", code="invalid_value"
        ) from None
    if len(content) > MAX_UPLOAD_BYTES:
        raise ApiError("The audio is too large.", status=413, param=f"{place}.input_audio.data")
    clip = await decode(office.codecs, content, f"{place}.input_audio.data")
    return await words_in(clip, office.stages, hints)
