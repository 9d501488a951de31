"""The relay engine: another Realtime API answers, and everything of ours stays in front of it (docs/relay.md)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from vivavoce.audio.clip import Frame
from vivavoce.audio.codec import encode_audio
from vivavoce.call.machines import AnySession
from vivavoce.call.ports import Capabilities, Engine, EngineCall, EngineNames, Machine, Stages
from vivavoce.call.relay_settings import RelaySettings, UpstreamSettings
from vivavoce.call.via import Names, written
from vivavoce.engines.relay.address import Address
from vivavoce.engines.relay.link import Link, Route
from vivavoce.engines.relay.mirror import Mirror
from vivavoce.engines.relay.rest import UpstreamRest
from vivavoce.engines.relay.rules import Rules
from vivavoce.engines.relay.translating import TranslationMirror
from vivavoce.protocol.session_objects import SessionObject
from vivavoce.session.effects import EngineEffect
from vivavoce.session.options import SessionOptions
from vivavoce.session.outbox import NewId
from vivavoce.session.signals import Signal
from vivavoce.session.upstream import Dial, Drop, FailOver, Feed, SendUp

_APPEND = b'{"type":"input_audio_buffer.append","audio":"'


class RelayEngine:
    """Sessions are carried to the upstream, one connection each. `stand_in` answers once that is lost for good."""

    def __init__(
        self,
        upstream: UpstreamSettings,
        relay: RelaySettings,
        stated: dict[str, Any],
        stand_in: Engine | None = None,
    ) -> None:
        self._address = Address(upstream.url)
        tls = ssl.create_default_context()
        self._rest = UpstreamRest(upstream, tls, relay.name)
        self._name = relay.name
        self._route = Route(
            upstream.key,
            tls,
            upstream.connect_ms,
            upstream.silence_ms,
            upstream.max_unsent_bytes,
        )
        self._stand_in = stand_in
        self._rules = Rules(
            host=self._address.host,
            model=upstream.model,
            connect_ms=upstream.connect_ms,
            silence_ms=upstream.silence_ms,
            stall_ms=upstream.stall_ms,
            session_ms=relay.session_s * 1000,
            speech_s=relay.speech_s,
            stated=stated,
            stand_in=stand_in,
        )
        self.capabilities = Capabilities(
            speaks=True, metered=True, translates=True, machine=self._machine, rest=self._rest
        )
        named = f"{upstream.model or 'the model that is asked for'} at {self._address.host}"
        self.names = EngineNames("relay", named, named, named, named)

    async def start(self) -> None:
        """The upstream is reached when somebody calls; what stands in for it has to be ready before."""
        self._rest.start()
        if self._stand_in is not None:
            await self._stand_in.start()

    def open(self, call_id: str, emit: Callable[[Signal], None]) -> EngineCall:
        """Join a call."""
        return RelayCall(call_id, self._address, self._route, self._name, emit, self._stand_in)

    def stages(self) -> Stages | None:
        """Requests that are no call are for the upstream too, and then for what stands in, if anything does."""
        return self._stand_in.stages() if self._stand_in is not None else None

    async def close(self) -> None:
        """Links end with their calls."""
        await self._rest.close()
        if self._stand_in is not None:
            await self._stand_in.close()

    def _machine(
        self,
        opening: AnySession,
        new_id: NewId,
        options: SessionOptions,
        now_ms: int,
        setup: dict[str, Any] | None,
        via: Names,
    ) -> Machine:
        rules = replace(self._rules, via=via)
        if isinstance(opening, SessionObject) and setup is not None and setup.get("type") == "translation":
            return TranslationMirror(opening, new_id, options, now_ms, rules, setup)
        return Mirror(opening, new_id, options, now_ms, rules, setup)


class RelayCall:
    """One call's half: its links, of which more than one lives only while one takes over from another."""

    def __init__(
        self,
        call_id: str,
        address: Address,
        route: Route,
        name: str,
        emit: Callable[[Signal], None],
        stand_in: Engine | None,
    ) -> None:
        self._call_id = call_id
        self._address = address
        self._route = route
        self._name = name
        self._emit = emit
        self._engine = stand_in
        self._stand_in: EngineCall | None = None
        self._links: dict[str, Link] = {}
        self._fed: Link | None = None
        self._wire_format = "audio/pcm"
        self._closing: set[asyncio.Task[None]] = set()

    def hear(self, frame: Frame) -> Sequence[Signal]:
        """Send it up; what is heard in it the upstream will say."""
        if self._stand_in is not None:
            return self._stand_in.hear(frame)
        if self._fed is not None:
            sound = encode_audio(frame.clip, self._wire_format).encode()
            self._fed.send(b"".join((_APPEND, sound, b'"}')))
        return ()

    def perform(self, effect: EngineEffect) -> None:
        """Begin what the machine asked for."""
        match effect:
            case SendUp(link, frame):
                if link in self._links:
                    self._links[link].send(frame)
            case Feed(link, wire_format):
                self._fed, self._wire_format = self._links.get(link), wire_format
            case Dial(link, kind, model, via):
                way = written((*via, self._name))
                self._links[link] = Link(link, self._address.of(kind, model), self._route, way, self._emit)
            case Drop(link):
                self._drop(link)
            case FailOver():
                if self._engine is not None:
                    self._stand_in = self._engine.open(self._call_id, self._emit)
            case _:
                if self._stand_in is not None:
                    self._stand_in.perform(effect)

    async def close(self) -> None:
        """Hang up everywhere."""
        for link in list(self._links):
            self._drop(link)
        await asyncio.gather(*self._closing)
        if self._stand_in is not None:
            await self._stand_in.close()

    def _drop(self, link_id: str) -> None:
        link = self._links.pop(link_id, None)
        if link is None:
            return
        if self._fed is link:
            self._fed = None
        task = asyncio.create_task(link.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
