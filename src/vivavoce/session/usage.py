"""Tokens: audio exactly, by the length of the sound; text by the engine's own count, or an estimate that says it is one.

User audio is 1 token per 100 ms, assistant audio 1 per 50 ms (protocol reference 4.18). What one of the inputs before also began
with, from its first token on, counts as cached.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from vivavoce.audio.clip import ms_to_ticks
from vivavoce.protocol.images import NotAnImage, image_size
from vivavoce.protocol.items import (
    FunctionCallItem,
    FunctionCallOutputItem,
    InputAudio,
    InputImage,
    InputItem,
    MessageItem,
    OutputAudio,
)
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
"""An image in low detail, whatever its size, and the base of one in high detail."""
TILE_TOKENS = 170
"""Each tile of 512 pixels of an image in high detail."""
REMEMBERED_INPUTS = 4
"""Inputs whose beginning counts as cached: the conversation's, and a few of responses beside it."""


def estimate_text_tokens(text: str) -> int:
    """UTF-8 bytes / 4, rounded up: the documented estimate where an engine does not count."""
    return -(-len(text.encode()) // 4)


def image_tokens(image: InputImage) -> int:
    """Tokens of an image by the tiles a model looks at: within 2048 pixels, the shorter side at most 768, tiles of 512.

    An estimate, as images are counted differently by every model. "auto" is high detail (protocol reference 2.3).
    """
    if image.detail == "low" or not isinstance(image.image_url, str):
        return IMAGE_TOKENS
    try:
        size = image_size(image.image_url)
    except NotAnImage:
        return IMAGE_TOKENS
    scale = min(1.0, 2048 / max(size.width, size.height))
    scale = min(scale, 768 / min(size.width, size.height))
    tiles = -(-int(size.width * scale) // 512) * -(-int(size.height * scale) // 512)
    return IMAGE_TOKENS + TILE_TOKENS * max(1, tiles)


@dataclass(frozen=True, slots=True)
class Weight:
    """What one piece of the input counts as. `key` tells whether an earlier input had the same piece."""

    key: str
    text: int = 0
    audio: int = 0
    image: int = 0

    @property
    def tokens(self) -> int:
        """All of them."""
        return self.text + self.audio + self.image


class Ledger:
    """Counts the inputs and outputs of one conversation. An item is counted once, and again only when it has changed."""

    def __init__(self, count_text: CountText, audio: ItemAudio) -> None:
        self.count_text = count_text
        self._audio = audio
        self._recent: deque[list[Weight]] = deque(maxlen=REMEMBERED_INPUTS)
        self._weights: dict[str, tuple[Any, Weight]] = {}
        self._last_head: tuple[str, tuple[Any, ...], Weight] | None = None

    def usage(self, request: Request, text_out: str, audio_out: int, counted: TokenUsage | None) -> Usage:
        """Usage of one response: what it was given and what it said (`audio_out` in ticks)."""
        weights = [self.head(request.instructions, request.tools), *map(self.weigh, request.context)]
        shared = max((_shared(weights, before) for before in self._recent), default=0)
        self._recent.append(weights)
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

    def input_tokens(self, request: Request) -> int:
        """What a request counts as."""
        head = self.head(request.instructions, request.tools).tokens
        return head + sum(map(self.tokens, request.context))

    def output_tokens(self, text: str, ticks: int) -> int:
        """What has been said so far counts as, for `max_output_tokens`."""
        return self.count_text(text) + ticks // ASSISTANT_TOKEN

    def head(self, instructions: str, tools: tuple[Any, ...]) -> Weight:
        """Instructions and tools come first, so a change of either leaves nothing cached."""
        if self._last_head is not None and self._last_head[:2] == (instructions, tools):
            return self._last_head[2]
        # A credential of a tool server is nothing a model is shown.
        listed = msgspec.json.encode(tools, enc_hook=lambda secret: None).decode() if tools else ""
        whole = instructions + listed
        weight = Weight(f"head:{hash(whole)}", text=self.count_text(whole) if whole else 0)
        self._last_head = (instructions, tools, weight)
        return weight

    def tokens(self, item: InputItem) -> int:
        """What an item counts as in the input."""
        return self.weigh(item).tokens

    def weigh(self, item: InputItem) -> Weight:
        """What an item counts as in the input, by kind of token."""
        ticks = self._audio.ticks(item.id) if item.id else 0
        state = (ticks, _content(item))
        known = self._weights.get(item.id)
        if known is not None and known[0] == state:
            return known[1]
        weight = self._message(item, ticks) if isinstance(item, MessageItem) else self._other(item)
        if item.id:
            self._weights[item.id] = (state, weight)
        return weight

    def _other(self, item: InputItem) -> Weight:
        if isinstance(item, FunctionCallItem):
            shown = f"{item.name} {item.arguments}"
        elif isinstance(item, FunctionCallOutputItem):
            shown = item.output
        else:
            shown = msgspec.json.encode(item).decode()
        return Weight(f"{item.id}:{hash(shown)}", text=self.count_text(shown))

    def _message(self, item: MessageItem, ticks: int) -> Weight:
        text = audio = image = 0
        for part in item.content:
            if isinstance(part, InputAudio | OutputAudio):
                token = USER_TOKEN if isinstance(part, InputAudio) else ASSISTANT_TOKEN
                audio = ticks // token  # Several parts are one sound.
                if not ticks and part.transcript:
                    text += self.count_text(part.transcript)  # Words that came without their sound.
            elif isinstance(part, InputImage):
                image += image_tokens(part)
            else:
                text += self.count_text(part.text)
        return Weight(f"{item.id}:{ticks}:{text}:{image}", text=text, audio=audio, image=image)


def _content(item: InputItem) -> Any:
    """What an item's weight depends on besides its audio, in a form that holds on to nothing large."""
    if isinstance(item, MessageItem):
        return tuple(
            (len(part.image_url) if isinstance(part.image_url, str) else 0, part.detail)
            if isinstance(part, InputImage)
            else hash(part.transcript if isinstance(part, InputAudio | OutputAudio) else part.text)
            for part in item.content
        )
    if isinstance(item, FunctionCallItem):
        return hash((item.name, item.arguments))
    return hash(item.output) if isinstance(item, FunctionCallOutputItem) else hash(msgspec.json.encode(item))


def _shared(weights: list[Weight], before: list[Weight]) -> int:
    """How many pieces two inputs begin with in common."""
    shared = 0
    while shared < min(len(weights), len(before)) and weights[shared] == before[shared]:
        shared += 1
    return shared


def _sum(weights: list[Weight]) -> tuple[int, int, int]:
    return (
        sum(weight.text for weight in weights),
        sum(weight.audio for weight in weights),
        sum(weight.image for weight in weights),
    )
