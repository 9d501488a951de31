"""What an answer is to be made of: the session's and the response's settings, and as much of the conversation as fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec
from msgspec import UNSET

from vivavoce.protocol.items import InputItem, McpCallItem
from vivavoce.protocol.session_objects import SessionObject, VoiceId
from vivavoce.protocol.sessions import ResponseConfig
from vivavoce.session.conversation import Conversation, snapshot
from vivavoce.session.effects import Request
from vivavoce.session.mcp_calls import MOST_ROUNDS, McpCalls
from vivavoce.session.response import Response
from vivavoce.session.truncation import ContextWindow, shorten
from vivavoce.session.usage import Ledger

SPARE_TOKENS = 300
"""Half a minute of speech: what is left free for a turn that is not over when an answer to it is prepared."""


class Requests:
    """Makes requests for one conversation. `limit`: tokens of input the model takes."""

    def __init__(self, conversation: Conversation, ledger: Ledger, limit: int, calls: McpCalls) -> None:
        self.calls = calls
        self.preface: tuple[InputItem, ...] = ()
        """What stands before the conversation as long as the session's stored prompt does (its images)."""
        self._conversation = conversation
        self._ledger = ledger
        self._window = ContextWindow(limit)

    def make(self, session: SessionObject, config: ResponseConfig, *, unfinished: bool = False) -> Request:
        """The request of a response; `unfinished`: what the caller is saying is still to be added.

        Raises ContextTooLong.
        """
        preface = self.preface if config.preface is None else tuple(config.preface)
        tools, choice = self.calls.tools.offered(config.tools, config.tool_choice)
        config = msgspec.structs.replace(config, tools=list(tools), tool_choice=choice)
        head = self._ledger.head(config.instructions, tools).tokens
        head += sum(map(self._ledger.tokens, preface))
        weigh, rule = self._ledger.tokens, session.truncation
        if config.input is not None:
            given = self._conversation.resolve(config.input)
            return _request(
                session, config, (*preface, *shorten(given, weigh, head, self._window.limit, rule))
            )
        items = self._conversation.shown()
        if config.conversation == "none":
            kept = self._window.look(items, weigh, head, rule)
        else:
            kept = self._window.fit(items, weigh, head, rule, spare=SPARE_TOKENS if unfinished else 0)
        return _request(session, config, (*preface, *map(self._conversation.readable, kept)))

    def go_on(
        self, session: SessionObject, before: Request, response: Response, round_number: int
    ) -> Request:
        """The request of a response's next round: with what its calls have returned. Raises ContextTooLong.

        The tool choice was met by the round before; after many rounds the model has to answer with what it knows.
        """
        choice = "auto" if round_number < MOST_ROUNDS else "none"
        config = response.config
        if config.input is None and response.in_conversation:
            return replace(self.make(session, config), tools=before.tools, tool_choice=choice)
        returned = [snapshot(item) for item in response.object.output if isinstance(item, McpCallItem)]
        known = {item.id for item in before.context}
        context = (*before.context, *(item for item in returned if item.id not in known))
        return replace(before, context=context, tool_choice=choice)


def voice_name(config: ResponseConfig) -> str:
    """The voice's name, whichever of its two forms the client used."""
    return config.voice.id if isinstance(config.voice, VoiceId) else config.voice


def _request(session: SessionObject, config: ResponseConfig, context: Sequence[InputItem]) -> Request:
    limit = config.max_output_tokens
    return Request(
        instructions=config.instructions,
        context=tuple(context),
        tools=tuple(config.tools),
        tool_choice=config.tool_choice,
        parallel_tool_calls=config.parallel_tool_calls is UNSET or bool(config.parallel_tool_calls),
        max_output_tokens=None if limit == "inf" else limit,
        speaks=config.speaks,
        voice=voice_name(config),
        speed=session.audio.output.speed,
        rate_hz=config.output_format.rate_hz,
        effort=None if isinstance(config.reasoning, msgspec.UnsetType) else config.reasoning.effort,
    )
