"""Settings of the cascade's stages: each built in, or behind an OpenAI-compatible endpoint; what models are told."""

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
    """Speech recognition. `workers` 0 means: as many as fit the machine. `keywords` are words it should expect."""

    workers: Annotated[int, Meta(ge=0, le=64)] = 0
    wait_ms: Milliseconds = 5000
    keywords: tuple[str, ...] = ()


class LlmSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The language model: an OpenAI-compatible endpoint, or (no url) the built-in brain.

    `sees_images` "auto" goes by the model's name. `context_tokens` is its window, `output_tokens` what of it is kept free for an answer.
    `second_url`: another endpoint, or `builtin`, for when the first fails before its first word.
    """

    url: str = ""
    model: str = ""
    key: str = ""
    first_token_ms: Milliseconds = 10_000
    next_token_ms: Milliseconds = 10_000
    sees_images: Literal["auto", "yes", "no"] = "auto"
    context_tokens: Annotated[int, Meta(ge=512)] = 128_000
    output_tokens: Annotated[int, Meta(ge=1)] = 32_000
    second_url: str = ""
    second_model: str = ""
    second_key: str = ""


class TtsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Voices: `auto` is flite where it is installed, espeak-ng otherwise. `workers` 0: as many as fit the machine."""

    kind: Literal["auto", "flite", "espeak"] = "auto"
    workers: Annotated[int, Meta(ge=0, le=64)] = 0
