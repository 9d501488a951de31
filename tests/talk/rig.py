"""What the tests of `vivavoce talk` share: a server, the command as a process, tones, and captions that remember."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vivavoce.call.settings import Settings, load_settings
from vivavoce.server.embedded import running_server

ANSWER = "A short answer of the script."
TIMEOUT_S = 30
Samples = NDArray[np.float64]


def scripted(**settings: Any) -> Settings:
    """Settings of a scripted server that says ANSWER; names with `__` for dots, such as auth__keys."""
    flags = {name.replace("__", "."): value for name, value in settings.items()}
    return load_settings({"engine.kind": "scripted", "scripted.answer": ANSWER, **flags}, environ={})


@contextlib.asynccontextmanager
async def script_server(folder: Path, script: str) -> AsyncIterator[str]:
    """A server that follows a script (TOML)."""
    path = folder / "script.toml"
    path.write_text(script)
    async with running_server(scripted(scripted__answer="", scripted__script=str(path))) as url:
        yield url


@dataclass
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """What it printed, line by line."""
        return self.out.splitlines()


async def start_command(*arguments: str, **environ: str) -> asyncio.subprocess.Process:
    """Start `vivavoce talk` as a process with pipes."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "vivavoce",
        "talk",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environ},
    )


async def ended(process: asyncio.subprocess.Process, stdin: str | None = "") -> Ended:
    """Wait for its end, its input closed behind `stdin`."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            given = None if stdin is None else stdin.encode()
            out, err = await process.communicate(given)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


async def command(*arguments: str, stdin: str = "", **environ: str) -> Ended:
    """Run `vivavoce talk` to its end."""
    return await ended(await start_command(*arguments, **environ), stdin)


def tone(rate_hz: int, seconds: float, hz: float = 300.0, level: float = 0.3) -> Samples:
    """A sine."""
    samples: Samples = level * np.sin(2 * np.pi * hz * np.arange(int(rate_hz * seconds)) / rate_hz)
    return samples


def silence(rate_hz: int, seconds: float) -> Samples:
    """Nothing."""
    return np.zeros(int(rate_hz * seconds))


def loud_span_s(channel: Samples, rate_hz: int, floor: float = 0.01) -> tuple[float, float]:
    """Where the first and the last audible sample lie, in seconds."""
    loud = np.flatnonzero(np.abs(channel) > floor)
    return float(loud[0]) / rate_hz, float(loud[-1]) / rate_hz


def frequency_hz(channel: Samples, rate_hz: int) -> float:
    """The strongest frequency."""
    spectrum = np.abs(np.fft.rfft(channel * np.hanning(len(channel))))
    return float(np.argmax(spectrum)) * rate_hz / len(channel)


@dataclass
class Remembered:
    """Captions that keep what they were told."""

    events: list[dict[str, Any]] = field(default_factory=list)
    callers: list[str] = field(default_factory=list)
    answers: list[tuple[str, int | None]] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    tools: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    def event(self, event: dict[str, Any]) -> None:
        self.events.append(event)
        self.moved.set()

    def caller(self, text: str) -> None:
        self.callers.append(text)

    def agent(self, item_id: str, text: str) -> None:
        pass

    def agent_done(self, item_id: str, text: str, latency_ms: int | None) -> None:
        self.answers.append((text, latency_ms))

    def cut(self, item_id: str, lost: str) -> None:
        self.lost.append(lost.strip())

    def tool(self, name: str, arguments: str, result: str) -> None:
        self.tools.append(name)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def problem(self, text: str) -> None:
        self.problems.append(text)

    def of_type(self, name: str) -> list[dict[str, Any]]:
        """Events of one type."""
        return [event for event in self.events if event["type"] == name]

    async def until(self, name: str, count: int = 1) -> dict[str, Any]:
        """Wait for the `count`-th event of a type."""
        async with asyncio.timeout(TIMEOUT_S):
            while len(self.of_type(name)) < count:
                self.moved.clear()
                await self.moved.wait()
        return self.of_type(name)[count - 1]
