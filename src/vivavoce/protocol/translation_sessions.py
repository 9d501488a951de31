"""Translation sessions as a client asks for one (protocol reference 3.8). So far only their configuration is read."""

from typing import Any, Final

from vivavoce.protocol import errors
from vivavoce.protocol.field_reading import expect_object, read, read_leaf
from vivavoce.protocol.refusals import kind_of
from vivavoce.protocol.session_objects import (
    NoiseReduction,
    TranslationAudio,
    TranslationInput,
    TranslationInputTranscription,
    TranslationOutput,
    TranslationSessionObject,
)

DEFAULT_LANGUAGE: Final = "en"


def read_translation(given: dict[str, Any], session_id: str) -> TranslationSessionObject:
    """The session that a request for a client secret describes: `model` is required, a `type` is not. Raises `ClientError`."""
    wanted = given.get("type", "translation")
    if not isinstance(wanted, str):
        raise errors.invalid_type("session.type", "a string", kind_of(wanted))
    if wanted != "translation":
        raise errors.unsupported_value("session.type", wanted, ("translation",))
    if not given.get("model"):
        raise errors.missing_parameter("session.model")
    model: str = read(given["model"], str, "session.model")
    audio = _object(given, "audio", "session.audio")
    heard = _object(audio, "input", "session.audio.input")
    spoken = _object(audio, "output", "session.audio.output")
    return TranslationSessionObject(
        id=session_id,
        model=model,
        audio=TranslationAudio(
            input=TranslationInput(
                transcription=read_leaf(
                    heard.get("transcription"),
                    TranslationInputTranscription | None,
                    "session.audio.input.transcription",
                ),
                noise_reduction=read_leaf(
                    heard.get("noise_reduction"), NoiseReduction | None, "session.audio.input.noise_reduction"
                ),
            ),
            output=TranslationOutput(
                language=read(spoken.get("language"), str | None, "session.audio.output.language")
                or DEFAULT_LANGUAGE
            ),
        ),
    )


def _object(owner: dict[str, Any], name: str, path: str) -> dict[str, Any]:
    return {} if owner.get(name) is None else expect_object(owner[name], path)
