"""A link to the upstream: connecting with patience, sending, and noticing when nobody is there any more."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from vivavoce.engines.relay import failures
from vivavoce.engines.relay.upstream_socket import Refused, UpstreamSocket, connect
from vivavoce.session.signals import Signal
from vivavoce.session.upstream import Failure, FromUpstream, LinkLost

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 1.0
SHORTEST_KEY = 8
"""Characters below which a key could be any word."""
CHECKS = 6
"""How often within the time for silence it is looked after a connection."""
PINGED_AT, GIVEN_UP_AT = 2, 5
"""Looks in a row that found nothing. One less than there are, since the last sign of life may have come right behind a look: never later than promised."""


@dataclass(frozen=True, slots=True)
class Route:
    """How an upstream is reached: its key, TLS, and patience in milliseconds (call/relay_settings.py)."""

    key: str
    tls: ssl.SSLContext
    connect_ms: int
    silence_ms: int
    max_unsent_bytes: int


class Link:
    """One link. `emit` gets FromUpstream for each event, and LinkLost once unless the link is closed from here. `via`: the header's value."""

    def __init__(
        self, link_id: str, url: str, route: Route, via: str, emit: Callable[[Signal], None]
    ) -> None:
        self.id = link_id
        self._url = url
        self._route = route
        self._via = via
        self._emit: Callable[[Signal], None] | None = emit
        self._socket: UpstreamSocket | None = None
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._watch: asyncio.TimerHandle | None = None
        self._quiet = 0
        self._key = route.key.encode() if len(route.key) >= SHORTEST_KEY else None
        self._dialling = asyncio.create_task(self._dial(), name=f"relay {link_id}")

    def send(self, frame: bytes) -> None:
        """Send one event, now or as soon as the link is open."""
        if self._socket is None:
            self._waiting.append(frame)
            self._waiting_bytes += len(frame)
            unsent = self._waiting_bytes
        else:
            self._socket.send(frame)
            unsent = self._socket.unsent_bytes
        if unsent > self._route.max_unsent_bytes:
            self._lose(failures.too_slow(self._route.max_unsent_bytes))

    async def close(self) -> None:
        """Hang up, and free everything."""
        self._emit = None
        self._stop()
        if self._socket is not None:
            self._socket.close()
        await asyncio.gather(self._dialling, return_exceptions=True)

    # --- connecting -----------------------------------------------------------------------------------------------------

    async def _dial(self) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._route.connect_ms / 1000
        pause_s = FIRST_PAUSE_S
        failure: Failure | None = None
        while True:
            failure, wanted_s = await self._attempt(until, failure)
            if failure is None:
                return
            # Full jitter: clients that lost the same upstream must not come back in step.
            wait_s = wanted_s if wanted_s is not None else random.uniform(0.2, 1) * pause_s
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            if not failure.passing or loop.time() + wait_s >= until:
                self._lose(failure)
                return
            await asyncio.sleep(wait_s)

    async def _attempt(self, until: float, before: Failure | None) -> tuple[Failure | None, float | None]:
        """Connect once: why it came to nothing, and when the upstream wants to be asked again.

        `before`: why the attempt before did. That time ran out says less.
        """
        try:
            async with asyncio.timeout_at(until):
                route = self._route
                socket = await connect(self._url, route.key, self._via, route.tls, self._hear, self._lose)
                self._opened(socket)
        except Refused as refused:
            return refused.failure, refused.retry_after_s
        except ssl.SSLCertVerificationError as error:
            return failures.untrusted(error), None
        except TimeoutError as error:
            return before or failures.unreachable(error), None
        except OSError as error:
            return failures.unreachable(error), None
        return None, None

    def _opened(self, socket: UpstreamSocket) -> None:
        self._socket = socket
        while self._waiting:
            socket.send(self._waiting.popleft())
        self._waiting_bytes = 0
        self._look()

    # --- while it lasts -------------------------------------------------------------------------------------------------

    def _hear(self, frame: bytes) -> None:
        if self._emit is None:
            return
        if self._key is not None and self._key in frame:
            # Nobody says our key back to us by mistake; no client is to see it.
            frame = frame.replace(self._key, b"[key]")
        self._emit(FromUpstream(self.id, frame))

    def _look(self) -> None:
        """Whether the other side is still there: after some silence it is asked, after more it is given up."""
        socket = self._socket
        if socket is None or self._emit is None:
            return
        self._quiet = 0 if socket.heard_anything else self._quiet + 1
        socket.heard_anything = False
        if self._quiet >= GIVEN_UP_AT:
            socket.abort()
            self._lose(failures.silent("given a sign of life", self._route.silence_ms))
            return
        if self._quiet == PINGED_AT:
            socket.ping()
        period_s = self._route.silence_ms / 1000 / CHECKS
        self._watch = asyncio.get_running_loop().call_later(period_s, self._look)

    def _lose(self, failure: Failure) -> None:
        emit, self._emit = self._emit, None
        self._stop()
        if emit is not None:
            emit(LinkLost(self.id, failure))

    def _stop(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        self._waiting.clear()
        if self._dialling is not asyncio.current_task():
            self._dialling.cancel()
