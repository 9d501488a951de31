"""Virtual time passes only when nothing is left to do."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from vivavoce.testing import clock
from vivavoce.testing.clock import Stuck, VirtualLoop, run


def test_a_day_takes_no_time() -> None:
    async def main() -> float:
        await asyncio.sleep(86_400)
        return asyncio.get_running_loop().time()

    began = time.monotonic()
    assert run(main()) == pytest.approx(86_400)
    assert time.monotonic() - began < 1


def test_timers_fire_in_order_at_their_times() -> None:
    async def main() -> list[tuple[str, float]]:
        fired: list[tuple[str, float]] = []
        loop = asyncio.get_running_loop()
        for name, at in (("c", 0.3), ("a", 0.1), ("b", 0.2)):
            loop.call_at(at, lambda name=name: fired.append((name, loop.time())))  # type: ignore[misc]
        await asyncio.sleep(1)
        return fired

    assert run(main()) == [("a", 0.1), ("b", 0.2), ("c", 0.3)]


def test_milliseconds_are_exact() -> None:
    """0.57 s is 570 ms and not 569, which a float product would make of it."""

    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        seen = []
        for ms in range(1, 3000):
            await asyncio.sleep(ms / 1000 - loop.time())
            seen.append(loop.now_ms)
        return seen

    assert run(main()) == list(range(1, 3000))


def test_work_that_goes_on_stops_the_clock() -> None:
    async def main() -> float:
        for _ in range(1000):
            await asyncio.sleep(0)
        return asyncio.get_running_loop().time()

    assert run(main()) == 0


def test_threads_are_waited_for_without_time_passing() -> None:
    async def main() -> tuple[int, float]:
        answer = await asyncio.to_thread(lambda: 42)
        return answer, asyncio.get_running_loop().time()

    assert run(main()) == (42, 0)


def test_who_waits_for_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "STUCK_AFTER_S", 0.01)

    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Stuck):
        run(main())
    assert threading.active_count() >= 1


def test_a_caller_outside_acts_before_what_is_due_then() -> None:
    loop = VirtualLoop()
    seen: list[str] = []
    loop.call_at(0.5, seen.append, "timer")
    loop.call_at(0.499, seen.append, "earlier timer")
    loop.advance_to(500)
    seen.append("caller")
    loop.advance_to(500)
    assert loop.now_ms == 500
    loop.advance_to(501)
    assert seen == ["earlier timer", "caller", "timer"]
    loop.close()
