"""What the Python programs share: the caller's questions, the tools, and how a case ends.

A program is started as `program.py CASE`; it ends with 0 when what it asked for has happened. The server's address and key are in
OPENAI_BASE_URL and OPENAI_API_KEY, a spoken question (16-bit mono WAV at 24 kHz) in QUESTION_WAV.
"""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
import wave
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

RATE_HZ = 24_000
CHUNK_BYTES = RATE_HZ // 50 * 2
"""20 ms, two bytes a sample."""
CASE_S = 60.0

ORDER = "Where is order A1001?"
SHIPPED = "Order A1001 has shipped and arrives on Tuesday."
BOTH = "Please check my calendar and look up Sable Crust Robotics in the CRM."
MEETING = "You have a meeting with Sable Crust Robotics in 12 minutes."
ACCOUNT = "Sable Crust Robotics launched warehouse automation this morning. Security review is the blocker."
LONG = "Please explain your return policy."
"""Answered at length: by the script in one long sentence, by the built-in brain from INSTRUCTIONS."""
INSTRUCTIONS = (
    "You help callers with their orders. Return policy: every item can be returned within thirty days of the day it arrived, "
    "as long as it is unused and in its own box, and the money goes back to the card it came from within five business days."
)

Case = Callable[[], Awaitable[None]]


def function(name: str, description: str, **properties: dict[str, Any]) -> dict[str, Any]:
    """A function tool as the Realtime API takes it; every property is required."""
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "name": name, "description": description, "parameters": parameters}


ORDER_TOOL = function(
    "get_order_status",
    "Looks up where an order is.",
    order_id={"type": "string", "pattern": "^[A-Z][0-9]{4}$"},
)
BOTH_TOOLS = [
    function("check_calendar", "Looks up the next meeting in the caller's calendar."),
    function(
        "get_crm_account",
        "Looks up an account in the CRM.",
        account={"type": "string", "description": "name of the company"},
    ),
]
OUTPUTS = {"get_order_status": SHIPPED, "check_calendar": MEETING, "get_crm_account": ACCOUNT}


def http_url() -> str:
    """The address as `OPENAI_BASE_URL` has it."""
    return os.environ["OPENAI_BASE_URL"]


def ws_url() -> str:
    """The same for clients that dial a socket."""
    return http_url().replace("http", "ws", 1) + "/realtime"


def key() -> str:
    """The API key."""
    return os.environ["OPENAI_API_KEY"]


def shop() -> dict[str, Any]:
    """The tools of an MCP server; each call waits for a yes."""
    return {
        "type": "mcp",
        "server_label": "shop",
        "server_url": os.environ["MCP_URL"],
        "require_approval": "always",
    }


def question(silence_s: float = 1.2) -> bytes:
    """The spoken question and a silence that ends the turn, PCM16 at 24 kHz."""
    with wave.open(os.environ["QUESTION_WAV"]) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE_HZ, 1, 2)
        return file.readframes(file.getnframes()) + bytes(int(silence_s * RATE_HZ) * 2)


def both_or_either() -> Callable[[Iterable[object]], bool]:
    """What an answer to several tools' outputs must hold, asked for once: a script answers the last of them, a model all."""
    return all if os.environ["ENGINE"] == "cascade" else any


async def chunks(sound: bytes) -> AsyncIterator[bytes]:
    """The sound at the speed of sound, 20 ms a piece."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    for number, start in enumerate(range(0, len(sound), CHUNK_BYTES)):
        await asyncio.sleep(max(0.0, begin + number * 0.02 - loop.time()))
        yield sound[start : start + CHUNK_BYTES]


def check(holds: object, what: str) -> None:
    """End the program with a line that says what did not happen."""
    if not holds:
        raise SystemExit(f"not so: {what}")


def main(cases: dict[str, Case]) -> None:
    """Run the case named on the command line."""
    if len(sys.argv) != 2 or sys.argv[1] not in cases:
        raise SystemExit(f"usage: {sys.argv[0]} {'|'.join(cases)}")

    async def bounded() -> None:
        try:
            async with asyncio.timeout(CASE_S):
                await cases[sys.argv[1]]()
        except (TimeoutError, SystemExit) as failed:
            traceback.print_exc()
            print(failed or f"not done in {CASE_S:.0f} s", file=sys.stderr, flush=True)
            # At once: what a library still has running must not keep the reason from being told.
            os._exit(1)

    asyncio.run(bounded())
