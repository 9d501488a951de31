"""Running what the pages show, as a user would: real servers, unmodified pinned libraries, processes of their own."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.docs.pages import ROOT, Block
from vivavoce.testing.leash import Leash

GUARD = Path(__file__).parent / "guard"
CLIENTS = ROOT / ".clients"
CLIENTS_PYTHON = CLIENTS / "python" / "bin" / "python"
NODE_MODULES = CLIENTS / "node" / "node_modules"
SHOWN = "127.0.0.1:8000"
"""The address the pages show; the programs get the test server's instead."""
STRANGERS = ("OPENAI_", "VIVAVOCE_", "PYTHON", "MAKE", "MFLAGS", "ARGS", "NODE_")
PLACES = ("VIVAVOCE_MODELS_DIR", "VIVAVOCE_DEPS_DIR")
START_S = 60.0
RUN_S = 60.0


@dataclass(frozen=True, slots=True)
class Server:
    """A running server. `banner` is what it printed."""

    address: str
    banner: str
    scheme: str = "http"

    def get(self, path: str) -> str:
        """What a route answers. Whose certificate it is does not matter here."""
        anybody = ssl._create_unverified_context() if self.scheme == "https" else None
        url = f"{self.scheme}://{self.address}{path}"
        with urllib.request.urlopen(url, timeout=10, context=anybody) as answer:
            return str(answer.read().decode())


def environment(**more: str) -> dict[str, str]:
    """What every process of a page gets: no key or setting of whoever runs the tests."""
    kept = {
        name: value for name, value in os.environ.items() if name in PLACES or not name.startswith(STRANGERS)
    }
    return kept | {"PYTHONUNBUFFERED": "1"} | more


def guarded(folder: Path) -> dict[str, str]:
    """Keeps a Python process on this machine and has it note in `folder` where else it wanted to go."""
    return {"PYTHONPATH": str(GUARD), "TEST_STRAYED": str(folder / "strayed.txt")}


def check_stayed(folder: Path, what: str) -> None:
    """Fails when a guarded process wanted to leave this machine."""
    record = folder / "strayed.txt"
    assert not record.exists(), f"{what} wanted to go to {record.read_text()}"


@contextlib.contextmanager
def serving(
    command: list[str], folder: Path, settings: Mapping[str, str] | None = None, until: str = "/readyz"
) -> Iterator[Server]:
    """Runs a command that serves, on a free port, until the block ends. `folder` takes its log and data.

    until: the route that has to answer first; "/healthz" where no speech will be recognised.
    """
    wanted = {"VIVAVOCE_SERVER__PORT": "0", "VIVAVOCE_DATA_DIR": str(folder / "data")}
    with (
        Leash() as leash,
        (folder / "server.out").open("w+") as out,
        (folder / "server.err").open("w+") as err,
    ):
        process = subprocess.Popen(
            leash.hold(command),
            cwd=ROOT,
            env=environment(**guarded(folder), **wanted, **(settings or {})),
            stdout=out,
            stderr=err,
            **leash.options,
        )
        try:
            yield _until_ready(process, folder, until)
        finally:
            _end(process)
    check_stayed(folder, "the server")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends what was started in the process's own session, and nothing else."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(5)


def _until_ready(process: subprocess.Popen[bytes], folder: Path, route: str) -> Server:
    deadline = time.monotonic() + START_S
    out, err = folder / "server.out", folder / "server.err"
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the server ended: {out.read_text()}{err.read_text()}"
        banner = out.read_text()
        if found := re.search(r"^Or talk in the browser: (https?)://(.+?)/$", banner, re.MULTILINE):
            server = Server(found[2], banner, found[1])
            with contextlib.suppress(OSError):
                server.get(route)
                return server
        time.sleep(0.05)
    raise AssertionError(f"not ready after {START_S:.0f} s: {out.read_text()}{err.read_text()}")


def run_program(
    block: Block,
    server: Server,
    folder: Path,
    variables: Mapping[str, str],
    interpreter: str = sys.executable,
) -> subprocess.CompletedProcess[str]:
    """Runs a Python or Node program of a page in `folder`; fails where it does, or where it left this machine."""
    if block.language == "js":
        program = folder / "program.mjs"
        (folder / "node_modules").symlink_to(NODE_MODULES)
        command = ["node", f"--require={GUARD / 'guard.cjs'}", str(program)]
    else:
        program = folder / "program.py"
        command = [interpreter, str(program)]
    program.write_text(block.code.replace(SHOWN, server.address), "utf-8")
    run = subprocess.run(
        command,
        cwd=folder,
        env=environment(**variables, **guarded(folder)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=RUN_S,
    )
    assert run.returncode == 0, f"{block.name} ended with {run.returncode}:\n{run.stdout}{run.stderr}"
    assert "Traceback" not in run.stderr, run.stderr
    check_stayed(folder, block.name)
    return run


def variables_of(block: Block, server: Server) -> dict[str, str]:
    """What a shell has after the `export` lines of a block were pasted into it."""
    exports = [line for line in block.code.splitlines() if line.startswith("export ")]
    script = "\n".join(exports).replace(SHOWN, server.address) + "\nenv -0"
    run = subprocess.run(
        ["bash", "-c", script], env=environment(), capture_output=True, text=True, check=True
    )
    pairs = dict(pair.split("=", 1) for pair in run.stdout.split("\0") if "=" in pair)
    names = [word.split("=")[0] for line in exports for word in line.split()[1:]]
    return {name: pairs[name] for name in names}
