"""The demo's own server: a child process on a free loopback port that ends with its parent, however that ends.

The parent keeps the child's standard input open; when it closes, the child stops.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vivavoce.call.own_processes import command_for, environment

if TYPE_CHECKING:
    import httpx

START_S = 60.0
STOP_S = 6.0

Report = Callable[[str], None]


class ServerFailed(Exception):
    """The server did not come up; the message says why."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is and which key it wants. `url` has no path behind it."""

    url: str
    key: str


@contextlib.asynccontextmanager
async def own_server(flags: dict[str, Any], report: Report) -> AsyncIterator[Address]:
    """Start a server, wait until a turn has gone through it, stop it at the end. Raises ServerFailed."""
    key = f"vv_{secrets.token_hex(12)}"
    settings = {
        "server.host": "127.0.0.1",
        "server.port": 0,
        "server.log_level": "warning",
        "auth.keys": [key],
        **flags,
    }
    child = await asyncio.create_subprocess_exec(
        *command_for(__name__),
        env=environment(),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        # Ctrl-C is for the demo, which closes the child's input; the child may be in the middle of loading.
        start_new_session=True,
    )  # fmt: skip
    try:
        assert child.stdin is not None
        assert child.stdout is not None
        # Not as an argument: those can be read by everybody on this machine, and there is a key among the settings.
        child.stdin.write(json.dumps(settings).encode() + b"\n")
        try:
            line = await asyncio.wait_for(child.stdout.readline(), START_S)
        except TimeoutError:
            raise ServerFailed(f"the server did not listen within {START_S:.0f} s") from None
        if not line:
            raise ServerFailed(f"the server ended with code {await child.wait()} before it listened")
        address = Address(json.loads(line)["url"], key)
        await until_ready(address, report)
        yield address
    finally:
        await _stop(child)


async def until_ready(address: Address, report: Report) -> None:
    """Wait for `/readyz`. Raises ServerFailed."""
    import httpx

    began = time.monotonic()
    # A proxy of the environment has no business between two processes of one machine.
    async with httpx.AsyncClient(trust_env=False, timeout=5.0) as http:
        while True:
            try:
                answer = await http.get(f"{address.url}/readyz")
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise ServerFailed(
                    f"{address.url} does not answer: {error or type(error).__name__}"
                ) from None
            state = _readiness(answer)
            if "status" not in state:
                found = f"/readyz answered {answer.status_code}"
                raise ServerFailed(f"{address.url} does not look like a vivavoce server ({found})")
            if answer.status_code == 200:
                return
            if state["status"] == "failed":
                raise ServerFailed(f"{address.url} is not ready: {state.get('reason')}")
            if time.monotonic() > began + START_S:
                raise ServerFailed(f"{address.url} was not ready within {START_S:.0f} s")
            report("a first turn goes through the engine")
            await asyncio.sleep(0.1)


def _readiness(answer: httpx.Response) -> dict[str, Any]:
    """What `/readyz` says; empty for the answer of something else."""
    try:
        state = answer.json() if answer.status_code in (200, 503) else {}
    except ValueError:
        return {}
    return state if isinstance(state, dict) else {}


async def _stop(child: asyncio.subprocess.Process) -> None:
    assert child.stdin is not None
    child.stdin.close()
    try:
        await asyncio.wait_for(child.wait(), STOP_S)
    except TimeoutError:
        child.kill()
        await child.wait()


# --- the child ------------------------------------------------------------------------------------------------------------


def main() -> int:
    """Serve with the settings in the first line of standard input until it closes."""
    from vivavoce.call.settings import SettingsError, load_settings
    from vivavoce.server.engines import make_engine
    from vivavoce.server.listening import make_server

    try:
        settings = load_settings(json.loads(sys.stdin.buffer.readline()))
        engine = make_engine(settings)
    except SettingsError as error:
        print(f"vivavoce: {error}", file=sys.stderr)
        return 2
    server = make_server(settings, engine, _say_where)

    def watch() -> None:
        # Past the buffer, whose lock nobody may hold when the interpreter ends.
        while os.read(sys.stdin.fileno(), 4096):
            pass
        server.should_exit = True

    threading.Thread(target=watch, daemon=True).start()
    server.run()
    return 0 if server.started else 3


def _say_where(host: str, port: int) -> None:
    print(json.dumps({"url": f"http://{host}:{port}"}), flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
