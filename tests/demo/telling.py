"""A scripted engine that understands the story's lines word for word, and a server for it on a free port."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path

from vivavoce.call.ports import EngineCall
from vivavoce.call.settings import ServerSettings, SessionSettings, Settings
from vivavoce.demo.server import Address
from vivavoce.engines.scripted.engine import ScriptedCall, ScriptedEngine, ScriptedSettings
from vivavoce.engines.scripted.script import Script, read_script
from vivavoce.engines.vad import EnergyVoiceActivity
from vivavoce.server.listening import make_server
from vivavoce.session.effects import EngineEffect, Transcribe
from vivavoce.session.signals import Signal

RULES = """
answer = "Hello."

[[rules]]
when = "order A1001"
calls = [{ name = "get_order_status", arguments = { order_id = "A1001" } }]

[[rules]]
when = "arriving tuesday"
answer = "Your order has shipped and arrives on Tuesday."

[[rules]]
when = "check my calendar"
calls = [{ name = "check_calendar" }, { name = "get_crm_account", arguments = { account = "Sable Crust Robotics" } }]

[[rules]]
when = "in 12 minutes"
answer = "Sable Crust Robotics is due in 12 minutes. Warehouse automation is live, expansion is active, security review is open."

[[rules]]
when = "return policy"
answer = "You can return an item within thirty days. It has to be in its box. Printing the label is free. We look at it at once."

[[rules]]
when = "a refund"
answer = "Five days."

[[rules]]
when = "stay quiet"
silent = true

[[rules]]
when = "front desk"
silent = true

[[rules]]
when = "back to demo"
answer = "I am back."

[[rules]]
when = "goodbye"
answer = "Goodbye."
"""


def script_in(folder: Path, text: str = RULES) -> Script:
    """The rules as the engine reads them."""
    path = folder / "script.toml"
    path.write_text(text, "utf-8")
    return read_script(path)


class TellingCall(ScriptedCall):
    """Hears the lines of a story one after the other, whatever they sound like."""

    def __init__(
        self, lines: Sequence[str], settings: ScriptedSettings, emit: Callable[[Signal], None]
    ) -> None:
        super().__init__(settings, EnergyVoiceActivity(), emit)
        self._lines = iter(lines)

    def perform(self, effect: EngineEffect) -> None:
        if isinstance(effect, Transcribe):
            self._settings = replace(self._settings, transcript=next(self._lines, "hello"))
        super().perform(effect)


class TellingEngine(ScriptedEngine):
    """One for every call."""

    def __init__(self, lines: Sequence[str], script: Script) -> None:
        super().__init__(ScriptedSettings(script=script, ms_per_char=55))
        self.dialled = asyncio.Event()
        """A call has begun, the server's own readiness check left out."""
        self._lines = lines
        self._checked = False

    def open(self, call_id: str, emit: Callable[[Signal], None]) -> EngineCall:
        if self._checked:
            self.dialled.set()
        self._checked = True
        return TellingCall(self._lines, self.settings, emit)


@contextlib.asynccontextmanager
async def serving(engine: ScriptedEngine) -> AsyncIterator[Address]:
    """A server in this loop, for a caller who lives faster than the clock."""
    settings = Settings(server=ServerSettings(port=0), session=SessionSettings(output_lead_ms=0))
    listens: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    server = make_server(settings, engine, lambda host, port: listens.set_result(f"http://{host}:{port}"))
    serving = asyncio.create_task(server.serve())
    try:
        yield Address(await listens, "local")
    finally:
        server.should_exit = True
        await serving
