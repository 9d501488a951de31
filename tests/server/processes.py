"""`vivavoce serve` as anybody starts it: a process of its own, with whatever it starts."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx

from tests.server.rig import SCRIPT
from vivavoce.testing.leash import Leash

_ADDRESS = re.compile(r"listens on (https?://\S+:\d+)")
PATIENCE_S = 60


class ServeProcess:
    """A running server. `url`: where it listens; `printed`: its banner."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path) -> None:
        self.process = process
        self.folder = folder
        self.url = ""
        self.printed = ""

    async def read_banner(self) -> None:
        """Wait until it listens."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            while not self.printed.endswith("in the browser: " + self.url + "/\n") or not self.url:
                line = (await self.process.stdout.readline()).decode()
                assert line, f"the server did not start: {self.log()}"
                self.printed += line
                if found := _ADDRESS.search(line):
                    self.url = found[1]

    def log(self) -> str:
        """What it said on stderr."""
        return (self.folder / "log").read_text()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process that was started, and to no other."""
        self.process.send_signal(number)

    async def ended(self, within_s: float = 30) -> int:
        """Wait for the end; the exit code."""
        async with asyncio.timeout(within_s):
            return await self.process.wait()

    def children(self) -> list[int]:
        """Processes it started itself."""
        return children_of(self.process.pid)


@contextlib.asynccontextmanager
async def serving(
    folder: Path, *flags: str, python: str = sys.executable, **variables: str
) -> AsyncIterator[ServeProcess]:
    """A server with the scripted engine on a free port; it is gone afterwards."""
    (folder / "script.toml").write_text(SCRIPT)
    command = ["serve", "--engine", "scripted", "--script", str(folder / "script.toml"), "--port", "0"]
    command = [python, "-m", "vivavoce", *command, "--data-dir", str(folder / "data"), *flags]
    with Leash() as leash, (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *leash.hold(command),
            env=environment() | variables,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            **leash.options,
        )
        server = ServeProcess(process, folder)
        try:
            await server.read_banner()
            yield server
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


def environment() -> dict[str, str]:
    """This process's variables without those of the tests themselves, which are no settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("VIVAVOCE_PROOFS")}


async def until(condition: Callable[[], object], within_s: float = 30) -> None:
    """Wait for something another process does, which no event tells of."""
    end_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end_s, "it did not happen in time"
        await asyncio.sleep(0.02)


async def get(url: str) -> httpx.Response:
    """A GET request."""
    async with httpx.AsyncClient() as client:
        return await client.get(url)


def children_of(parent: int) -> list[int]:
    """Live processes that a process started."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[1]) == parent and fields[0] != "Z":
                    found.append(int(entry.name))
    return found


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
