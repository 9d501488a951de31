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
    refuse_unknown_fields: refuse fields of `session` and `response` that nobody knows, as the upstream does; False ignores them
        (docs/adr/0039).
    input_tokens: what the model takes at most, instructions, tools and conversation together: its context window less the part that
        is kept free for the answer (protocol reference 3.6).
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
    refuse_unknown_fields: bool = False
    input_tokens: int = 96_000
    call_image_bytes: int = 64_000_000
    mcp_servers: tuple[str, ...] = ()
    find_prompt: FindPrompt = no_prompts
    rates: RateMeter = field(default_factory=NoLimits)
    count_text: CountText = estimate_text_tokens
