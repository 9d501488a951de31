"""Where tool calls are answered: each by its call id, whenever its tool is done, whatever the order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from vivavoce.demo.clock import CallClock
from vivavoce.demo.office import Office
from vivavoce.demo.record import ToolRun

Send = Callable[[dict[str, Any]], Awaitable[None]]


class ToolDesk:
    """Runs the calls of a response side by side."""

    def __init__(
        self, office: Office, clock: CallClock, send: Send, on_answered: Callable[[ToolRun], None]
    ) -> None:
        self.runs: list[ToolRun] = []
        """Every call in the order it came."""
        self._office = office
        self._clock = clock
        self._send = send
        self._on_answered = on_answered
        self._tasks: dict[str, set[asyncio.Task[None]]] = {}

    @property
    def busy(self) -> bool:
        """Tools are running, or their answers are not complete yet."""
        return bool(self._tasks)

    def take(self, call_id: str, name: str, arguments: str, response_id: str) -> ToolRun:
        """Start on a call whose arguments are complete."""
        run = ToolRun(call_id, response_id, name, _decoded(arguments), self._clock.now_ms())
        self.runs.append(run)
        self._tasks.setdefault(response_id, set()).add(asyncio.create_task(self._answer(run)))
        return run

    async def all_answered(self, response_id: str) -> bool:
        """All calls of the response are known: wait until each is answered. False when it had none."""
        tasks = self._tasks.get(response_id)
        if not tasks:
            return False
        await asyncio.gather(*tasks)
        del self._tasks[response_id]
        return True

    async def close(self) -> None:
        """The call is over; what still runs is of no use."""
        tasks = [task for group in self._tasks.values() for task in group]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _answer(self, run: ToolRun) -> None:
        run.result = await self._office.run(run.name, run.arguments)
        output = {"type": "function_call_output", "call_id": run.call_id, "output": run.result}
        await self._send({"type": "conversation.item.create", "item": output})
        run.answered_ms = self._clock.now_ms()
        self._on_answered(run)


def _decoded(arguments: str) -> dict[str, Any]:
    try:
        value = json.loads(arguments)
    except ValueError:
        return {"": arguments}
    return value if isinstance(value, dict) else {"": value}
