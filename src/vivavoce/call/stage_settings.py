"""Settings of the cascade's stages: each built in, or behind an OpenAI-compatible endpoint."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Milliseconds = Annotated[int, Meta(ge=0, le=600_000)]
BUILT_IN = "builtin"
"""As the address of a second choice: the stage that needs no endpoint."""


class VadSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`silero` where its model is there, `energy` as the floor that needs none."""

    kind: Literal["silero", "energy"] = "silero"


class SttSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Speech recognition: built in, or (`url`) an endpoint: http for recordings, ws for the realtime transcription socket.

    `workers` 0 means: as many as fit the machine. `keywords` are words it should expect; `hints` says what of the session an endpoint is
    told besides. `language` is what callers speak where the session does not say. `timeout_ms`: how long a transcript may take once the
    caller has ended. `second_url`: another endpoint, or `builtin`, for when the first fails.
    """

    workers: Annotated[int, Meta(ge=0, le=64)] = 0
    wait_ms: Milliseconds = 5000
    keywords: tuple[str, ...] = ()
    url: str = ""
    model: str = ""
    key: str = ""
    language: str = ""
    hints: Literal["keywords", "session", "off"] = "keywords"
    timeout_ms: Milliseconds = 10_000
    second_url: str = ""
    second_model: str = ""
    second_key: str = ""


class LlmSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The language model: an OpenAI-compatible endpoint, or (no url) the built-in brain.

    `sees_images` "auto" goes by the model's name. `context_tokens` is its window, `output_tokens` what of it is kept free for an answer.
    `language`: what it is told to speak. `second_url`: another endpoint, or `builtin`, for when the first fails before its first word.
    """

    url: str = ""
    model: str = ""
    key: str = ""
    language: str = ""
    first_token_ms: Milliseconds = 10_000
    next_token_ms: Milliseconds = 10_000
    sees_images: Literal["auto", "yes", "no"] = "auto"
    context_tokens: Annotated[int, Meta(ge=512)] = 128_000
    output_tokens: Annotated[int, Meta(ge=1)] = 32_000
    second_url: str = ""
    second_model: str = ""
    second_key: str = ""


class TtsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Voices: built in, or (`url`) an endpoint.

    `auto` is flite where it is installed, espeak-ng otherwise. `workers` 0: as many as fit the machine. `voices` maps the voices of sessions
    to the endpoint's; `voice` is for those it does not name (empty: the session's name as it is). `rate_hz`: the rate of the endpoint's
    raw sound. `language` is sent along when it is set. `second_url`: another endpoint, or `builtin`, for when the first fails.
    """

    kind: Literal["auto", "flite", "espeak"] = "auto"
    workers: Annotated[int, Meta(ge=0, le=64)] = 0
    url: str = ""
    model: str = ""
    key: str = ""
    voice: str = ""
    voices: dict[str, str] = {}
    language: str = ""
    rate_hz: Annotated[int, Meta(ge=8_000, le=48_000)] = 24_000
    first_audio_ms: Milliseconds = 10_000
    next_audio_ms: Milliseconds = 10_000
    second_url: str = ""
    second_model: str = ""
    second_key: str = ""


class PromptSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a language model behind an endpoint is told about being a voice, besides the session's instructions.

    `rules` names which rules, in order; `texts` replaces the text of one, or adds one of another name.
    """

    rules: tuple[str, ...] = ("speech", "preamble", "results", "silence", "unclear", "entities", "language")
    texts: dict[str, str] = {}


class Price(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a model costs: per million tokens in, cached and out; per minute of sound; per million characters.

    `audio_...`, `image_...`: of tokens of sound and of images, where they cost something else.
    """

    input: Annotated[float, Meta(ge=0)] = 0.0
    cached: Annotated[float, Meta(ge=0)] | None = None
    output: Annotated[float, Meta(ge=0)] = 0.0
    audio_input: Annotated[float, Meta(ge=0)] | None = None
    audio_cached: Annotated[float, Meta(ge=0)] | None = None
    audio_output: Annotated[float, Meta(ge=0)] | None = None
    image_input: Annotated[float, Meta(ge=0)] | None = None
    image_cached: Annotated[float, Meta(ge=0)] | None = None
    minute: Annotated[float, Meta(ge=0)] = 0.0
    characters: Annotated[float, Meta(ge=0)] = 0.0


class PriceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Prices by the model's name, all in one currency. None by default: then no costs are told."""

    currency: str = "USD"
    models: dict[str, Price] = {}
