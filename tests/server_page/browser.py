"""A headless Chromium, driven over its DevTools protocol. It hears a WAV file instead of a microphone."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless=new",
    "--disable-gpu",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    # Nothing but this machine can be reached, whatever the browser would like to look up.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--remote-debugging-port=0",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
)
TIMEOUT_S = 30


def find_chromium() -> str | None:
    """The browser's program, where one is installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Tab:
    """One open page. `requests` are the addresses it asked for; `complaints` what it wrote to its console, and its errors."""

    def __init__(self, socket: ClientConnection) -> None:
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._socket = socket
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def listen(self) -> None:
        """Take what the browser says, until it is closed."""
        async for message in self._socket:
            said = json.loads(message)
            if "id" in said:
                self._waiting.pop(said["id"]).set_result(said)
                continue
            match said["method"]:
                case "Network.requestWillBeSent":
                    self.requests.append(said["params"]["request"]["url"])
                case "Network.webSocketCreated":
                    self.requests.append(said["params"]["url"])
                case "Runtime.exceptionThrown" | "Runtime.consoleAPICalled" | "Log.entryAdded":
                    self.complaints.append(json.dumps(said["params"]))

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command; returns its result."""
        number = next(self._ids)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        async with asyncio.timeout(TIMEOUT_S):
            said = await answer
        assert "error" not in said, said["error"]
        result: dict[str, Any] = said["result"]
        return result

    async def run(self, script: str) -> Any:
        """Evaluate JavaScript as if the user had just clicked."""
        said = await self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True
        )
        assert "exceptionDetails" not in said, said["exceptionDetails"]
        return said["result"].get("value")

    async def until(self, condition: str) -> Any:
        """Wait until a JavaScript expression is true; looks at every painted frame. Returns its value."""
        looks = f"""new Promise((done, fail) => {{
            const late = setTimeout(() => fail(document.body.innerText), {TIMEOUT_S * 900});
            const look = () => {{
                const value = {condition};
                if (value) {{ clearTimeout(late); done(value); }} else setTimeout(look, 20);
            }};
            look();
        }})"""
        return await self.run(looks)

    async def text(self, selector: str) -> list[str]:
        """The text of all elements that match."""
        found: list[str] = await self.run(
            f"Array.from(document.querySelectorAll({json.dumps(selector)}), (found) => found.innerText)"
        )
        return found

    async def key(self, kind: str, code: str, key: str) -> None:
        """Press ("keyDown") or let go of ("keyUp") a key."""
        await self.call(
            "Input.dispatchKeyEvent", type=kind, code=code, key=key, windowsVirtualKeyCode=ord(key)
        )


@contextlib.asynccontextmanager
async def browsing(program: str, folder: Path, microphone: Path, url: str) -> AsyncIterator[Tab]:
    """Open a page in a browser of its own; leaving ends that browser and everything it started."""
    profile = folder / "profile"
    flags = [*FLAGS, f"--user-data-dir={profile}", f"--use-file-for-fake-audio-capture={microphone}"]
    if os.geteuid() == 0:
        # Its sandbox refuses to work for root.
        flags.append("--no-sandbox")
    process = await asyncio.create_subprocess_exec(
        program, *flags, "about:blank", stdout=-3, stderr=asyncio.subprocess.PIPE, start_new_session=True
    )
    try:
        async with asyncio.timeout(TIMEOUT_S):
            address = await _devtools(process)
        async with connect(address, max_size=None, compression=None) as socket:
            tab = Tab(socket)
            listening = asyncio.create_task(tab.listen())
            try:
                for domain in ("Page", "Runtime", "Log", "Network"):
                    await tab.call(f"{domain}.enable")
                await tab.call("Page.navigate", url=url)
                yield tab
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.communicate()


async def _devtools(process: asyncio.subprocess.Process) -> str:
    """The address of the first tab, out of the line in which the browser names its port."""
    assert process.stderr is not None
    last, browser = "", ""
    while not browser and (line := (await process.stderr.readline()).decode(errors="replace")):
        last = line.strip() or last
        if "DevTools listening on " in line:
            browser = line.rpartition(" ")[2].strip()
    if not browser:
        # Some containers forbid what its sandbox needs; that is nothing the page could be blamed for.
        pytest.skip(f"Chromium does not start here: {last}")
    async with connect(browser, max_size=None, compression=None) as socket:
        await socket.send(json.dumps({"id": 1, "method": "Target.getTargets"}))
        targets = json.loads(await socket.recv())["result"]["targetInfos"]
    tab = next(target["targetId"] for target in targets if target["type"] == "page")
    return f"{browser.split('/devtools/')[0]}/devtools/page/{tab}"
