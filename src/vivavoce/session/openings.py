"""How a response opens: its object as clients see it, and what is set aside for it."""

from __future__ import annotations

from vivavoce.protocol import server_events as se
from vivavoce.protocol.responses import ResponseObject, Usage
from vivavoce.protocol.session_objects import ResponseAudio, ResponseAudioOutput
from vivavoce.protocol.sessions import ResponseConfig
from vivavoce.session.conversation import Conversation
from vivavoce.session.effects import Request
from vivavoce.session.outbox import Outbox
from vivavoce.session.rate_limits import RESERVED_OUTPUT_TOKENS, RateMeter
from vivavoce.session.requests import voice_name
from vivavoce.session.response import Response
from vivavoce.session.usage import Ledger


class Openings:
    """Opens responses, and counts what they need against the limits of whoever owns the session."""

    def __init__(self, outbox: Outbox, conversation: Conversation, ledger: Ledger, rates: RateMeter) -> None:
        self._outbox = outbox
        self._conversation = conversation
        self._ledger = ledger
        self._rates = rates

    def open(self, config: ResponseConfig) -> Response:
        """A new response: `response.created` is sent."""
        in_conversation = config.conversation == "auto"
        # A custom voice is an object in sessions, but its mere name in responses (protocol reference 2.2, 2.4).
        output = ResponseAudioOutput(format=config.output_format, voice=voice_name(config))
        made = ResponseObject(
            id=self._outbox.new_id("resp"),
            status="in_progress",
            output=[],
            conversation_id=self._conversation.id if in_conversation else None,
            output_modalities=config.output_modalities,
            max_output_tokens=config.max_output_tokens,
            audio=ResponseAudio(output=output),
            metadata=config.metadata,
        )
        return Response(self._outbox, self._conversation if in_conversation else None, made, config)

    def reserve(self, response: Response, request: Request, now_ms: int) -> bool:
        """Set aside what the response may need, and tell what is left; False: there is nothing left."""
        wanted = self._ledger.input_tokens(request) + (request.max_output_tokens or RESERVED_OUTPUT_TOKENS)
        limits = self._rates.reserve(wanted, now_ms)
        if limits is None:
            response.rate_limits = self._rates.settle(0, 0, now_ms)
            return False
        response.reserved = wanted
        if limits:
            self._outbox.send(se.RateLimitsUpdated, rate_limits=limits)
        return True

    def settle(self, response: Response, usage: Usage, now_ms: int) -> None:
        """The response is about to end: what it used is counted instead of what was set aside."""
        response.rate_limits = self._rates.settle(response.reserved, usage.total_tokens, now_ms)
