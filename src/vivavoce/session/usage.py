"""Tokens: audio exactly, by the length of the sound; text by the engine's own count, or an estimate that says it is one.

User audio is 1 token per 100 ms, assistant audio 1 per 50 ms (protocol reference 4.18). What was already part of the previous
input, from its first token on, counts as cached.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from vivavoce.audio.clip import ms_to_ticks
from vivavoce.protocol.items import InputAudio, InputImage, InputItem, MessageItem, OutputAudio
from vivavoce.protocol.responses import (
    CachedTokensDetails,
    InputTokenDetails,
    OutputTokenDetails,
    Usage,
)
from vivavoce.session.effects import Request
from vivavoce.session.item_audio import ItemAudio
from vivavoce.session.signals import TokenUsage

CountText = Callable[[str], int]

USER_TOKEN = ms_to_ticks(100)
ASSISTANT_TOKEN = ms_to_ticks(50)
IMAGE_TOKENS = 85
"""What one image counts as, whatever its size: an estimate, since images are priced per model."""


def estimate_text_tokens(text: str) -> int:
    """UTF-8 bytes / 4, rounded up: the documented estimate where an engine does not count."""
    return -(-len(text.encode()) // 4)


@dataclass(frozen=True, slots=True)
class Weight:
    """What one piece of the input counts as. `key` tells whether the previous input had the same piece."""

    key: str
    text: int = 0
    audio: int = 0
    image: int = 0


class Ledger:
    """Counts responses of one conversation."""

    def __init__(self, count_text: CountText, audio: ItemAudio) -> None:
        self.count_text = count_text
        self._audio = audio
        self._previous: list[Weight] = []

    def usage(self, request: Request, text_out: str, audio_out: int, counted: TokenUsage | None) -> Usage:
        """Usage of one response: what it was given and what it said (`audio_out` in ticks)."""
        weights = [self._head(request), *(self._weigh(item) for item in request.context)]
        shared = 0
        while shared < min(len(weights), len(self._previous)) and weights[shared] == self._previous[shared]:
            shared += 1
        self._previous = weights
        text, audio, image = _sum(weights)
        cached_text, cached_audio, cached_image = _sum(weights[:shared])
        if counted is not None:
            text, cached_text = counted.input_text, min(cached_text, counted.input_text)
        said = counted.output_text if counted is not None else self.count_text(text_out)
        spoken = audio_out // ASSISTANT_TOKEN
        inputs, outputs = text + audio + image, said + spoken
        return Usage(
            total_tokens=inputs + outputs,
            input_tokens=inputs,
            output_tokens=outputs,
            input_token_details=InputTokenDetails(
                text_tokens=text,
                audio_tokens=audio,
                image_tokens=image,
                cached_tokens=cached_text + cached_audio + cached_image,
                cached_tokens_details=CachedTokensDetails(
                    text_tokens=cached_text, audio_tokens=cached_audio, image_tokens=cached_image
                ),
            ),
            output_token_details=OutputTokenDetails(text_tokens=said, audio_tokens=spoken),
        )

    def output_tokens(self, text: str, ticks: int) -> int:
        """What has been said so far counts as, for `max_output_tokens`."""
        return self.count_text(text) + ticks // ASSISTANT_TOKEN

    def _head(self, request: Request) -> Weight:
        """Instructions and tools come first, so a change of either leaves nothing cached."""
        # A credential of a tool server is nothing a model is shown.
        tools = (
            msgspec.json.encode(request.tools, enc_hook=lambda secret: None).decode() if request.tools else ""
        )
        head = request.instructions + tools
        return Weight(f"head:{hash(head)}", text=self.count_text(head) if head else 0)

    def _weigh(self, item: InputItem) -> Weight:
        ticks = self._audio.ticks(item.id) if item.id else 0
        if not isinstance(item, MessageItem):
            encoded = msgspec.json.encode(item).decode()
            return Weight(f"{item.id}:{len(encoded)}", text=self.count_text(encoded))
        text = audio = image = 0
        for part in item.content:
            if isinstance(part, InputAudio):
                audio = ticks // USER_TOKEN  # Several parts are one sound.
            elif isinstance(part, OutputAudio):
                audio += ticks // ASSISTANT_TOKEN
            elif isinstance(part, InputImage):
                image += IMAGE_TOKENS
            else:
                text += self.count_text(part.text)
        return Weight(f"{item.id}:{ticks}:{text}", text=text, audio=audio, image=image)


def _sum(weights: list[Weight]) -> tuple[int, int, int]:
    return (
        sum(weight.text for weight in weights),
        sum(weight.audio for weight in weights),
        sum(weight.image for weight in weights),
    )
