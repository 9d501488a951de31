"""The live calls of a process, and how one is opened."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import UNSET

from vivavoce.call.admission import Admission, OwnSeats, Seats
from vivavoce.call.driver import Call, Observer
from vivavoce.call.hints import Hints
from vivavoce.call.machines import AnySession, machine_of, set_up
from vivavoce.call.owner import LOCAL, Owner
from vivavoce.call.ports import Engine
from vivavoce.call.prompts import PromptFolder
from vivavoce.call.rates import Rates
from vivavoce.call.settings import Settings
from vivavoce.call.spending import Spending
from vivavoce.call.tool_servers import Fronted, NoServers, ToolServers
from vivavoce.call.via import Names
from vivavoce.call.wire_log import WireLog, wire_log
from vivavoce.protocol.ids import IdSource, base62
from vivavoce.protocol.session_objects import (
    AudioConfig,
    AudioInputConfig,
    ServerVad,
    SessionObject,
    VivavoceExtension,
)
from vivavoce.session.mcp import set_up_here, with_addresses
from vivavoce.session.options import SessionOptions
from vivavoce.session.prompts import Configuration, no_prompts
from vivavoce.session.rate_limits import NoLimits, RateMeter

HINTS_KEPT = 100
"""Calls that are over and whose hints can still be asked for."""


def new_call_id() -> str:
    """`rtc_` and 21 base62 characters that nobody can guess."""
    # Drawn at once: a crowd before a full server has one made for each try. So many bytes that every character is as likely as the next.
    return "rtc_" + base62(int.from_bytes(secrets.token_bytes(21)), 21)


def session_options(
    settings: Settings,
    prompts: PromptFolder | None = None,
    rates: RateMeter | None = None,
) -> SessionOptions:
    """The part of the settings that a session goes by."""
    given, window = settings.session, settings.llm.context_tokens
    return SessionOptions(
        silence_duration_ms=given.silence_duration_ms,
        soft_pause_ms=given.soft_pause_ms,
        output_lead_ms=given.output_lead_ms,
        max_duration_s=given.max_duration_s,
        item_audio_s=given.item_audio_s,
        call_audio_bytes=given.call_audio_bytes,
        retrieved_audio_bytes=given.retrieved_audio_bytes,
        call_image_bytes=given.call_image_bytes,
        input_tokens=window - min(settings.llm.output_tokens, window // 2),
        find_prompt=prompts.find if prompts is not None else no_prompts,
        rates=rates or NoLimits(),
        keep_response_create=given.keep_response_create,
        refuse_unknown_fields=given.refuse_unknown_fields,
        mcp_servers=tuple(settings.mcp.servers),
    )


def opening_session(
    settings: Settings, engine: Engine, session_id: str, model: str, now_s: float, call_id: str = ""
) -> SessionObject:
    """The session as `session.created` shows it, every default filled in, with what really answers and what a sideband connects to."""
    names = engine.names
    detection = ServerVad(silence_duration_ms=settings.session.silence_duration_ms)
    return SessionObject(
        id=session_id,
        model=model,
        instructions=settings.session.instructions,
        expires_at=int(now_s) + settings.session.max_duration_s,
        audio=AudioConfig(input=AudioInputConfig(turn_detection=detection)),
        vivavoce=VivavoceExtension(
            call_id=call_id or UNSET,
            engine=names.engine,
            vad=names.vad,
            llm=names.llm,
            stt=names.stt,
            tts=names.tts,
        ),
    )


def together(observers: Sequence[Observer]) -> Observer | None:
    """Several observers as one; None where there are none."""
    if len(observers) < 2:
        return observers[0] if observers else None

    def observe(what: object, now_ms: int) -> None:
        for observer in observers:
            observer(what, now_ms)

    return observe


class Calls:
    """Opens calls and knows those that live."""

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        admission: Admission | None = None,
        tools: ToolServers | None = None,
        rates: Rates | None = None,
    ) -> None:
        self.settings = settings
        self.tools = tools or NoServers()
        self.engine = engine
        limits = settings.limits
        self.admission = admission or OwnSeats(Seats(limits.max_sessions, limits.max_sessions_per_key))
        self._live: dict[str, Call] = {}
        self._hints: dict[str, tuple[Owner, Hints]] = {}
        self._spending: dict[str, Spending] = {}
        self._prompts = PromptFolder(settings.data_path / "prompts")
        self._rates = rates or Rates(limits.requests_per_minute, limits.tokens_per_minute)

    def __len__(self) -> int:
        return len(self._live)

    def __iter__(self) -> Iterator[Call]:
        return iter(list(self._live.values()))

    def get(self, call_id: str) -> Call | None:
        """A live call."""
        return self._live.get(call_id)

    def hints(self, call_id: str) -> tuple[Owner, Hints] | None:
        """Whose a call is, and what is likely wrong with its client; also of calls that ended not long ago."""
        return self._hints.get(call_id)

    def open(
        self,
        model: str,
        now_ms: int,
        observe: Observer | None = None,
        *,
        call_id: str | None = None,
        owner: Owner = LOCAL,
        setup: dict[str, Any] | None = None,
        watched: bool = True,
        via: Names = (),
    ) -> Call:
        """Begin a conversation that answers as `model`, whatever the name. Hints and the wire log are of calls that are `watched`.

        `setup`: what the session begins with instead of the server's defaults, in the words of `session.update`; of type
        "transcription" it makes a transcription session. Raises ClientError when it is none. `via`: servers that it has come through.
        """
        ids = IdSource(secrets.token_hex(16))
        engine = self.engine
        call_id = call_id or new_call_id()
        opening = opening_session(self.settings, engine, ids.new("sess"), model, time.time(), call_id)
        machine = machine_of(
            opening if setup is None else self.set_up(opening, setup),
            ids.new,
            session_options(self.settings, self._prompts, self._rates.of(owner.key_id)),
            now_ms,
            engine.capabilities,
            setup,
            via,
        )
        wire = wire_log(call_id) if watched else None
        call = Call(
            call_id,
            machine,
            lambda emit: Fronted(engine.open(call_id, emit), self.tools.open(emit)),
            lambda: ids.new("event"),
            self._watch(call_id, owner, observe, wire) if watched else observe,
            owner,
        )
        if wire is not None:
            call.attachments.tap = wire.tapped
        self._live[call.id] = call
        return call

    def _watch(
        self, call_id: str, owner: Owner, observe: Observer | None, wire: WireLog | None
    ) -> Observer | None:
        """Everything that listens to a call; what it spends is told to all the others."""
        hints = Hints(call_id)
        others = [one for one in (observe, wire, hints) if one is not None]
        spending = Spending(call_id, self.settings.prices, together(others))
        self._hints[call_id] = owner, hints
        self._spending[call_id] = spending
        return together([*others, spending])

    def set_up(self, opening: SessionObject, setup: dict[str, Any]) -> AnySession:
        """An opening session with somebody's configuration merged in; its type makes the kind. Raises ClientError."""
        setup = with_addresses(setup, set_up_here(self.settings.mcp.servers))
        made = set_up(opening, setup, self.settings.session.silence_duration_ms)
        if isinstance(made, SessionObject) and made.prompt is not None:
            # A prompt that is not there is refused now.
            silence_ms = self.settings.session.silence_duration_ms
            Configuration(made, self._prompts.find, setup, silence_duration_ms=silence_ms)
        return made

    async def close(self, call: Call) -> None:
        """The call is over: forget it and free what it held."""
        self._live.pop(call.id, None)
        now_ms = int(asyncio.get_running_loop().time() * 1000)
        if call.id in self._hints:
            self._hints[call.id][1].over(now_ms)
        for old in [known for known in self._hints if known not in self._live][:-HINTS_KEPT]:
            del self._hints[old]
        self.admission.leave(call.id)
        call.hang_up(1000, "")
        spending = self._spending.pop(call.id, None)
        try:
            await call.finish()
        finally:
            # Stages that were called off have said by now what they had used.
            if spending is not None:
                spending.over(now_ms)

    async def close_all(self, reason: str) -> None:
        """Hang up every call (the server stops)."""
        for call in self:
            call.hang_up(1001, reason)
