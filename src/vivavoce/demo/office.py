"""The back office behind the tools: it takes its time, as real systems do."""

from __future__ import annotations

from typing import Any

from vivavoce.demo.clock import CallClock
from vivavoce.demo.story import Cast

DELAYS_MS = {"get_order_status": 700, "check_calendar": 1500, "get_crm_account": 400}
"""The calendar, called first, answers last: results come in another order than the calls."""


class Office:
    """Orders, a calendar and a CRM."""

    def __init__(self, cast: Cast, clock: CallClock) -> None:
        self._cast = cast
        self._clock = clock
        self._orders = {"A1001": "shipped, arriving Tuesday", "A1002": "processing in our warehouse"}
        self._orders[cast.order_id] = cast.status

    async def run(self, name: str, arguments: dict[str, Any]) -> str:
        """Answer a call after a while. What cannot be answered is said in words, never raised."""
        await self._clock.sleep(DELAYS_MS.get(name, 300))
        match name:
            case "get_order_status":
                return self._orders.get(
                    str(arguments.get("order_id", "")).upper(), "no order found with that ID"
                )
            case "check_calendar":
                return f"You have a meeting with {self._cast.account} in {self._cast.minutes} minutes."
            case "get_crm_account":
                return self._account(str(arguments.get("account", "")))
        return f"error: there is no tool {name}"

    def _account(self, name: str) -> str:
        if name == self._cast.account:
            return f"{name} {self._cast.news}"
        if name in self._cast.other_accounts:
            return f"There is nothing new about {name}."
        return "no account found with that name"
