"""Calls in virtual time: a registry, an engine, and connections that read every frame strictly."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pybase64

from vivavoce.call.driver import Call
from vivavoce.call.ports import Engine
from vivavoce.call.registry import Calls
from vivavoce.call.settings import Settings, load_settings
from vivavoce.engines.scripted.engine import ScriptedEngine, ScriptedSettings
from vivavoce.engines.scripted.script import Script, Step
from vivavoce.testing.attachments import Listening

VOICE = b"\x00\x20\x00\xe0"
"""Two samples, loud."""


def scripted(answer: str = "Good morning. ", **settings: Any) -> ScriptedEngine:
    """The scripted engine with a short answer."""
    script = settings.pop("script", Script(Step(answer)))
    return ScriptedEngine(ScriptedSettings(script=script, **settings))


def settings_of(**flags: Any) -> Settings:
    """Settings with some keys changed: `session__output_lead_ms=0`."""
    return load_settings({key.replace("__", "."): value for key, value in flags.items()}, environ={})


def sound(ms: int, *, loud: bool = True) -> str:
    """Audio for an append event: 24 kHz PCM."""
    samples = ms * 24
    return pybase64.b64encode_as_string(VOICE * (samples // 2) if loud else bytes(samples * 2))


class Line:
    """A call and its primary connection."""

    def __init__(self, engine: Engine, observe: Any = None, **flags: Any) -> None:
        self.calls = Calls(settings_of(**flags), engine)
        self.call: Call = self.calls.open("gpt-realtime-2", self.now_ms, observe)
        self.client = Listening("client")
        self.call.join(self.client)

    @property
    def now_ms(self) -> int:
        """The loop's time."""
        return int(asyncio.get_running_loop().time() * 1000)

    def send(self, type_: str, *, source: str = "client", **fields: Any) -> None:
        """A client event."""
        self.call.receive(source, json.dumps({"type": type_, **fields}))

    def append(self, ms: int, *, loud: bool = True, **fields: Any) -> None:
        """Audio in one event."""
        self.send("input_audio_buffer.append", audio=sound(ms, loud=loud), **fields)

    def join(self, name: str) -> Listening:
        """Another connection."""
        listening = Listening(name, from_start=False)
        self.call.join(listening)
        return listening

    async def until(self, type_: str, count: int = 1) -> dict[str, Any]:
        """Wait, in virtual time, for the `count`th event of a type."""
        for _ in range(600_000):
            if len(self.client.of_type(type_)) >= count:
                return self.client.of_type(type_)[count - 1]
            await asyncio.sleep(0.001)
        raise TimeoutError(f"no {type_}; there were {self.client.types()}")

    async def close(self) -> None:
        """Hang up and free everything."""
        await self.calls.close(self.call)
