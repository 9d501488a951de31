"""The upstream's responses as they count here: against this server's limits, and against the time in which something must happen."""

from __future__ import annotations

from dataclasses import dataclass, field

from vivavoce.engines.relay import failures
from vivavoce.engines.relay.following import Following
from vivavoce.engines.relay.front_tools import FrontTools
from vivavoce.engines.relay.known import Known
from vivavoce.engines.relay.rules import Rules
from vivavoce.engines.relay.uplink import Uplink
from vivavoce.protocol import server_events as se
from vivavoce.protocol.errors import ClientError
from vivavoce.protocol.responses import ResponseObject
from vivavoce.session.deadlines import Deadlines
from vivavoce.session.effects import Metered
from vivavoce.session.outbox import Outbox
from vivavoce.session.rate_limits import RESERVED_OUTPUT_TOKENS, RateMeter, exceeded
from vivavoce.session.upstream import Failure


@dataclass(frozen=True, slots=True)
class Owed:
    """An answer that the upstream has to begin without a client's word: to a turn (its item), or to what tools have returned (None).

    `merged`: who has asked for that very answer meanwhile, and under which id.
    """

    turn: str | None
    merged: list[tuple[str, str | None]] = field(default_factory=list)


class Answering:
    """One session's. `limited`: this server has limits for its own clients, which are told instead of the upstream's.

    `owed`: nothing -a turn that the upstream answers by itself, tools that have returned-> an answer -begins, is refused, is given up-> nothing.
    """

    def __init__(
        self,
        outbox: Outbox,
        deadlines: Deadlines,
        up: Uplink,
        known: Known,
        front: FrontTools,
        rates: RateMeter,
        rules: Rules,
        now_ms: int,
    ) -> None:
        self.limited = bool(rates.settle(0, 0, now_ms))
        self._outbox = outbox
        self._deadlines = deadlines
        self._up = up
        self._known = known
        self._front = front
        self._rates = rates
        self._stall_ms = rules.stall_ms
        self._host = rules.host
        self.owed: Owed | None = None
        self._asked_ms: int | None = None
        """When the caller stopped, or a client asked, for which nobody answers yet."""

    def reserve(self, now_ms: int) -> None:
        """A client asks for a response. Raises ClientError beyond the client's limits."""
        if self._rates.reserve(RESERVED_OUTPUT_TOKENS, now_ms) is None:
            error = exceeded()
            raise ClientError(error.code or "", error.message or "", type=error.type)
        self.asked(now_ms)

    def asked(self, now_ms: int) -> None:
        """From now on somebody waits for an answer."""
        self._asked_ms = now_ms

    def owe(self, turn: str | None, now_ms: int) -> None:
        """The upstream is to answer without a client's word."""
        self.owed = Owed(turn)
        self._deadlines.set("stall", now_ms + self._stall_ms)

    def settled(self) -> Owed:
        """Nothing is owed any more; what was."""
        owed, self.owed = self.owed or Owed(None), None
        if not self._known.running:
            self._deadlines.clear("stall")
        return owed

    def refused(self, now_ms: int) -> None:
        """The upstream does not make the response that was reserved for."""
        self._settle(RESERVED_OUTPUT_TOKENS, 0, now_ms)

    def begin(self, response: Following, now_ms: int, *, asked: bool, beside: bool) -> None:
        """The upstream begins to answer. Where no client asked for it, it is counted against the client's limits now.

        `beside`: not in the conversation, so that it is not what was owed.
        """
        response.reserved = RESERVED_OUTPUT_TOKENS
        response.asked_ms, self._asked_ms = now_ms if self._asked_ms is None else self._asked_ms, None
        self._known.begin(response)
        if not beside:
            self.settled()
        self._deadlines.set("stall", now_ms + self._stall_ms)
        if not asked and self._rates.reserve(RESERVED_OUTPUT_TOKENS, now_ms) is None:
            response.reserved = 0
            self._up.ask("response.cancel", now_ms, response_id=response.object.id)

    def meter(self, response: Following, model: str, now_ms: int, ended: ResponseObject | None) -> None:
        """It is over: tell whoever counts what it took, before its end is told."""
        self._outbox.put(Metered(response.used(f"{model} at {self._host}", now_ms, ended)))

    def end(self, response: Following, tokens: int, now_ms: int) -> None:
        """It has answered."""
        self._settle(response.reserved, tokens, now_ms)
        if not self._known.running:
            if self.owed is None:
                self._deadlines.clear("stall")
            if self._up.asked.outstanding(responses=True):
                self._up.wait(now_ms)

    def fail(self, failure: Failure, model: str, now_ms: int) -> bool:
        """It cannot answer any more; False where it was not going to."""
        for response in self._known.running.values():
            self.meter(response, model, now_ms, response.held)
        failed = self._known.fail(self._outbox, failure)
        for response in failed:
            self._settle(response.reserved, 0, now_ms)
            if not self.limited:
                self._outbox.send(se.RateLimitsUpdated, rate_limits=[])
        return bool(failed)

    def stalled(self, now_ms: int) -> Failure | None:
        """The "stall" deadline has come: why the response going on, or the one that is owed, must be given up, if it must."""
        due_ms = self._up.last_ms + self._stall_ms
        if any(map(self._front.waits, self._known.running)):
            self._deadlines.set("stall", now_ms + self._stall_ms)  # It is tools that are waited for.
        elif now_ms >= due_ms:
            missing = "gone on with its response" if self._known.running else "answered what was said"
            return failures.silent(missing, self._stall_ms)
        else:
            self._deadlines.set("stall", due_ms)
        return None

    def _settle(self, reserved: int, used: int, now_ms: int) -> None:
        limits = self._rates.settle(reserved, used, now_ms)
        if self.limited:
            self._outbox.send(se.RateLimitsUpdated, rate_limits=limits)
