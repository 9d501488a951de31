"""Which language models see images, and what the others are told about one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

SeesImages = Literal["auto", "yes", "no"]

UNSEEN = "(an image was sent here, which you cannot see)"
"""Stands for an image, so that a model without eyes can say so and does not make something up."""

_SEEING = re.compile(
    r"vision|multimodal|omni|llava|pixtral|molmo|moondream|internvl|idefics|cogvlm|minicpm-?[vo]|smolvlm"
    r"|(^|[^a-z])vlm?([^a-z]|$)|qwen[\d.]*-?vl|gpt-4o|gpt-4\.\d|gpt-4-turbo|gpt-[5-9]|chatgpt-4o|(^|/)o[134]($|-)(?!mini)|o4-mini"
    r"|claude-|gemini-|gemma-?[34]|llama-?4|mistral-small-?3\.[1-9]|mistral-medium-?3|magistral|phi-[34](\.5)?-vision|step-1v|glm-[\d.]+v|grok-[4-9]",
    re.IGNORECASE,
)
_BLIND = re.compile(r"gemma-?3.?(270m|1b)|o1-(mini|preview)|o3-mini|audio|embed", re.IGNORECASE)


def sees_images(setting: SeesImages, model: str) -> bool:
    """Whether a model is shown images: as the setting says, or else by the model's name."""
    if setting != "auto":
        return setting == "yes"
    return bool(_SEEING.search(model)) and not _BLIND.search(model)


def has_images(messages: Sequence[dict[str, Any]]) -> bool:
    """Whether any message has an image in it."""
    return any(_image(part) for message in messages for part in _parts(message))


def without_images(messages: Sequence[dict[str, Any]], note: str = UNSEEN) -> tuple[dict[str, Any], ...]:
    """The messages with a note in the place of each image, as plain text where there were images."""
    return tuple(
        _told(message, note) if any(map(_image, _parts(message))) else message for message in messages
    )


def _told(message: dict[str, Any], note: str) -> dict[str, Any]:
    words = [note if _image(part) else part.get("text", "") for part in _parts(message)]
    return {**message, "content": " ".join(word for word in words if word)}


def _parts(message: dict[str, Any]) -> Sequence[dict[str, Any]]:
    content = message.get("content")
    return [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []


def _image(part: dict[str, Any]) -> bool:
    return part.get("type") == "image_url"
