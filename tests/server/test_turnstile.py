"""How requests are let in: in turn, so many at once, wherever they come from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from vivavoce.call.admission import Full
from vivavoce.server.turnstile import Bounds, Ticket, Turnstile, own_entrance

FULL = Full(503, "server_error", "full", "All places are taken.")
FULL_EACH = Full(429, "rate_limit_error", "yours", "All of yours are.")


class Crowd:
    """Requests before a turnstile, and what each was told."""

    def __init__(self, most: int = 0, most_each: int = 0, waiting: int = 0) -> None:
        self.turnstile = Turnstile(Bounds(most, most_each, waiting), FULL, FULL_EACH)
        self.told: dict[Ticket, str] = {}

    def ask(self, worker: int, number: int, holder: str = "") -> str:
        """What it is told at once."""
        ticket = worker, number
        self.turnstile.ask(ticket, holder, self._teller(ticket))
        return self.told.get(ticket, "wait")

    def _teller(self, ticket: Ticket) -> Callable[[Full | None], None]:
        def tell(full: Full | None) -> None:
            assert ticket not in self.told
            self.told[ticket] = full.code if full else "in"

        return tell


def test_so_many_of_all_processes_and_the_next_in_turn() -> None:
    crowd = Crowd(most=2, waiting=2)
    assert [crowd.ask(n % 2, n) for n in range(5)] == ["in", "in", "wait", "wait", "full"]
    crowd.turnstile.leave((0, 2))  # It waits no longer, and the one behind it moves up.
    assert crowd.ask(0, 6) == "wait"
    crowd.turnstile.leave((1, 1))
    assert crowd.told == {(0, 0): "in", (1, 1): "in", (0, 4): "full", (1, 3): "in"}
    crowd.turnstile.leave((1, 1))  # Twice is once.
    assert (0, 6) not in crowd.told
    crowd.turnstile.leave((0, 0))
    assert crowd.told[0, 6] == "in"


def test_so_many_for_each_key() -> None:
    crowd = Crowd(most=4, most_each=1)
    assert [crowd.ask(n, n, "one") for n in range(2)] == ["in", "yours"]
    assert [crowd.ask(2, 2, "two"), crowd.ask(3, 3), crowd.ask(4, 4), crowd.ask(5, 5)] == [
        "in",
        "in",
        "in",
        "full",
    ]
    crowd.turnstile.leave((0, 0))
    assert crowd.ask(1, 6, "one") == "in"


def test_without_a_limit_everybody() -> None:
    crowd = Crowd()
    assert {crowd.ask(0, number, "one") for number in range(1000)} == {"in"}


def test_a_process_that_dies_leaves_its_places_to_the_others() -> None:
    crowd = Crowd(most=2, waiting=9)
    asked = [(0, 0), (0, 1), (0, 2), (1, 3), (0, 4), (1, 5), (1, 6)]
    assert [crowd.ask(*ticket) for ticket in asked] == ["in"] * 2 + ["wait"] * 5
    crowd.turnstile.drop(0)
    assert crowd.told == dict.fromkeys([(0, 0), (0, 1), (1, 3), (1, 5)], "in")


async def test_whoever_gives_up_waiting_gives_up_the_place() -> None:
    entrance = own_entrance(Turnstile(Bounds(1, waiting=1), FULL))
    leave = await entrance.enter()
    assert not isinstance(leave, Full)
    waiting = asyncio.create_task(entrance.enter())
    await asyncio.sleep(0)
    assert await entrance.enter() is FULL
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    behind = asyncio.create_task(entrance.enter())
    await asyncio.sleep(0)
    # Let in and given up in the same moment: the place is free again.
    leave()
    behind.cancel()
    with pytest.raises(asyncio.CancelledError):
        await behind
    assert not isinstance(await entrance.enter(), Full)
