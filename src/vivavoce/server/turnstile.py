"""How many requests are worked on at once, and how many may wait: for all processes of a server together.

A server of one process has the turnstiles itself; of several, the supervisor has them, and each process asks over its line (docs/adr/0041).
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

from vivavoce.call.admission import FULL_RETRY_S, Full
from vivavoce.call.settings import Settings

Which = Literal["requests", "work"]
"""requests: whatever is posted under /v1. work: those among them that need a stage: speech, recognition, a language model."""
WAITING_PER_SEAT = 8
WORK_RETRY_S = 1
"""Whoever waits for a stage waits for seconds at most."""

Ticket = tuple[int, int]
"""Of one request: the process that works on it, and a number of that process's."""
Tell = Callable[[Full | None], None]
"""None: come in. Otherwise why not."""
Leave = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many may be inside, of them with the same key, and waiting outside; 0 as `most` or `most_each` is no limit."""

    most: int = 0
    most_each: int = 0
    waiting: int = 0


class Turnstile:
    """Lets requests in, in the order in which they came.

    `full`, `full_each`: what those are told for whom there is no place, or none left for their key.
    """

    def __init__(self, bounds: Bounds, full: Full, full_each: Full | None = None) -> None:
        self._bounds = bounds
        self._full = full
        self._full_each = full_each or full
        self._inside: dict[Ticket, str] = {}
        self._held: Counter[str] = Counter()
        self._waiting: deque[tuple[Ticket, str, Tell]] = deque()

    def ask(self, ticket: Ticket, holder: str, tell: Tell) -> None:
        """Ask to be let in; `tell` is called at once or when it is this one's turn. `holder`: whose key it is, never the key itself."""
        most, most_each = self._bounds.most, self._bounds.most_each
        if most_each and holder and self._held[holder] >= most_each:
            tell(self._full_each)
        elif not most or len(self._inside) < most:
            self._let_in(ticket, holder, tell)
        elif len(self._waiting) < self._bounds.waiting:
            self._waiting.append((ticket, holder, tell))
        else:
            tell(self._full)

    def leave(self, ticket: Ticket) -> None:
        """It is done, or will not wait any longer. Harmless for one that is not there."""
        if ticket not in self._inside:
            self._waiting = deque(each for each in self._waiting if each[0] != ticket)
            return
        holder = self._inside.pop(ticket)
        self._held[holder] -= 1
        if not self._held[holder]:
            del self._held[holder]
        if self._waiting:
            self._let_in(*self._waiting.popleft())

    def drop(self, worker: int) -> None:
        """A process is gone, and what it worked on with it."""
        self._waiting = deque(each for each in self._waiting if each[0][0] != worker)
        for ticket in [each for each in self._inside if each[0] == worker]:
            self.leave(ticket)

    def _let_in(self, ticket: Ticket, holder: str, tell: Tell) -> None:
        self._inside[ticket] = holder
        self._held[holder] += 1
        tell(None)


class Entrance:
    """A turnstile as those see it who want in, wherever it is. `ask`, `leave`: as the turnstile's, with one of `numbers` for a ticket."""

    def __init__(
        self,
        ask: Callable[[int, str, Tell], None],
        leave: Callable[[int], None],
        numbers: Iterator[int] | None = None,
    ) -> None:
        self._ask = ask
        self._leave = leave
        self._numbers = numbers or itertools.count(1)

    async def enter(self, holder: str = "") -> Leave | Full:
        """Waits for a place; returns what gives it back, to be called once, or why there is none. Cancelled, it waits no longer."""
        number = next(self._numbers)
        told: asyncio.Future[Full | None] = asyncio.get_running_loop().create_future()
        self._ask(number, holder, lambda full: None if told.done() else told.set_result(full))
        try:
            full = await told
        except BaseException:
            self._leave(number)
            raise
        return full or partial(self._leave, number)


def own_entrance(turnstile: Turnstile) -> Entrance:
    """Where one process serves everything."""
    return Entrance(
        lambda number, holder, tell: turnstile.ask((0, number), holder, tell),
        lambda number: turnstile.leave((0, number)),
    )


def turnstiles(settings: Settings) -> dict[Which, Turnstile]:
    """Those of a server."""
    return {"requests": of_requests(settings), "work": of_work(settings)}


def of_requests(settings: Settings) -> Turnstile:
    """POST requests: nobody waits."""
    most, most_each = settings.limits.max_requests, settings.limits.max_requests_per_key
    message = f"{most} requests are being worked on. Try again later."
    each = f"This API key has reached its limit of {most_each} requests at the same time."
    return Turnstile(
        Bounds(most, most_each),
        Full(503, "server_error", "server_overloaded", message),
        Full(429, "rate_limit_error", "rate_limit_exceeded", each, FULL_RETRY_S),
    )


def of_work(settings: Settings) -> Turnstile:
    """What needs a stage: live calls share the machine with it, so that most of it waits."""
    seats = settings.rest.at_once
    message = "Too many requests are being served at once. Try again in a moment."
    return Turnstile(
        Bounds(seats, waiting=WAITING_PER_SEAT * seats),
        Full(429, "rate_limit_error", "rate_limit_exceeded", message, WORK_RETRY_S),
    )
