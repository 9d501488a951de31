"""What an operator can set about a session; a session keeps what it started with."""

from __future__ import annotations

from dataclasses import dataclass, field

from vivavoce.session.prompts import FindPrompt, no_prompts
from vivavoce.session.rate_limits import NoLimits, RateMeter
from vivavoce.session.usage import CountText, estimate_text_tokens


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """Times in milliseconds unless the name says otherwise.

    silence_duration_ms: the default a `server_vad` object without it gets.
    soft_pause_ms: silence after which an answer is prepared ahead of the end of the turn; 0 switches speculation off.
    output_lead_ms: how far ahead of the caller's ears speech is sent; 0 = without bound.
    max_duration_s: the session's longest life (`session_expired`).
    item_audio_s, call_audio_bytes, retrieved_audio_bytes: caps on audio kept per item, per call, and sent back per `retrieved`.
    keep_response_create: keep one bare `response.create` that follows an unseen tool output (docs/adr/0004); False refuses it
        as the upstream does.
    context_tokens, output_tokens: the model's context window, and the part of it that is kept free for the answer
        (protocol reference 3.6); the rest is what a conversation may fill.
    call_image_bytes: images a conversation may hold, as base64.
    mcp_servers: names under which the operator has set up MCP servers; a client may use them by `server_label` alone.
    find_prompt: a stored prompt by its id and version.
    rates: counts requests and tokens against somebody's limits.
    count_text: tokens in a text, where the engine does not count itself.
    """

    silence_duration_ms: int = 500
    soft_pause_ms: int = 200
    output_lead_ms: int = 3000
    max_duration_s: int = 3600
    item_audio_s: int = 60
    call_audio_bytes: int = 16_000_000
    retrieved_audio_bytes: int = 512_000
    keep_response_create: bool = True
    context_tokens: int = 128_000
    output_tokens: int = 32_000
    call_image_bytes: int = 64_000_000
    mcp_servers: tuple[str, ...] = ()
    find_prompt: FindPrompt = no_prompts
    rates: RateMeter = field(default_factory=NoLimits)
    count_text: CountText = estimate_text_tokens

    @property
    def input_tokens(self) -> int:
        """What a model takes at most: instructions, tools and conversation together."""
        return self.context_tokens - self.output_tokens
