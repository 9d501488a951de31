"""Running the matrix: every client, every case it has a notion of, over each engine, against real servers."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.clients.catalogue import BEHIND, LOCAL_CASES, PROGRAMS, PROVOKED, Client
from tests.docs.programs import GUARD, NODE_MODULES, Server, environment, guarded, serving
from tests.mcp.conftest import office
from vivavoce.audio.wav import write_wav
from vivavoce.demo.lines import read_shipped

CASE_S = 90.0
"""Longer than the programs give themselves, so that they can say what did not happen."""
QUESTION = "Hi, where is my order A1001?"
WIRE_LINE = re.compile(r"vivavoce\.wire: (\S+?)/\S+ (<-|->) (\S+) \d+ bytes")
"""A line of the server's wire log: the call, the way, the event."""
DEFECT = re.compile(r"^.*? (?:ERROR|CRITICAL) vivavoce\b.*$|^Traceback.*$", re.MULTILINE)
"""What the server must not log, whatever a client does."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one case went. events: the server's side of the wire, "<- " received and "-> " sent.

    hints: what the server found to be wrong with the client; a client that does what its authors meant earns none. A relay's upstream
    has its own, about the relay.
    """

    client: str
    case: str
    engine: str
    passed: bool
    seconds: float
    said: str
    events: frozenset[str]
    hints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stand:
    """A server to call, and a folder. `server`: ours, or None; then `url` and `key` are somebody else's. `engine`: as in ENGINES."""

    url: str
    key: str
    folder: Path
    engine: str
    server: Server | None
    upstream: Stand | None = None
    """What a relay stands in front of."""

    def log(self) -> str:
        """Everything our server has logged so far."""
        return (self.folder / "server.err").read_text("utf-8") if self.server else ""

    def hops(self) -> tuple[Stand, ...]:
        """This server, and what it relays to."""
        return (self, *(self.upstream.hops() if self.upstream else ()))

    def answering(self) -> str:
        """The engine that answers in the end."""
        return self.hops()[-1].engine


@contextlib.contextmanager
def standing(engine: str, folder: Path, *, tls: bool = False, upstream: str | None = None) -> Iterator[Stand]:
    """A server with one engine, as `vivavoce serve` starts it, on a free port until the block ends; a relay with the server behind it.

    `upstream`: the address of somebody else's server, which is to be behind the relay instead.
    """
    if engine not in BEHIND:
        with _served(engine, ["--engine", engine], folder, tls=tls) as stand:
            yield stand
        return
    with (
        elsewhere(upstream, folder) if upstream else standing(BEHIND[engine], folder / "upstream") as behind,
        _served(engine, ["--engine", "relay"], folder, tls=tls, upstream=behind) as stand,
    ):
        yield stand


@contextlib.contextmanager
def _served(
    engine: str, chosen: list[str], folder: Path, *, tls: bool, upstream: Stand | None = None
) -> Iterator[Stand]:
    settings = {"VIVAVOCE_SERVER__LOG_LEVEL": "debug", "VIVAVOCE_MCP__ALLOW": "127.0.0.1"}
    command = [sys.executable, "-m", "vivavoce", "serve", *chosen]
    if upstream:
        settings |= {"VIVAVOCE_UPSTREAM_URL": upstream.url, "VIVAVOCE_UPSTREAM_KEY": upstream.key}
    if engine == "scripted":
        command += ["--script", str(PROGRAMS / "script.toml")]
    if tls:
        command += ["--tls", "self-signed"]
    _write_question(folder)
    until = "/healthz" if engine == "scripted" else "/readyz"
    with serving(command, folder, settings, until) as server:
        url = f"{server.scheme}://{server.address}/v1"
        yield Stand(url, "local", folder, engine, server, upstream)


@contextlib.contextmanager
def elsewhere(url: str, folder: Path) -> Iterator[Stand]:
    """Another server at its base URL; it is taken to answer as freely as a model does."""
    _write_question(folder)
    yield Stand(url, os.environ.get("OPENAI_API_KEY", ""), folder, "cascade", None)


def _write_question(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_wav(folder / "question.wav", read_shipped()[QUESTION].clip)


def run_case(client: Client, case: str, stand: Stand) -> Outcome:
    """Run a client's program for one case; it passes when the program ends with 0 in time."""
    work = stand.folder / f"{client.name.replace('/', '-')}-{case}"
    work.mkdir(parents=True, exist_ok=True)
    if client.home == "node":
        _copy_node(client, work)
    seen = [len(hop.log()) for hop in stand.hops()]
    variables = _variables(stand) | (guarded(work) if stand.server else {})
    with _tools(case) as tools:
        begun = time.monotonic()
        passed, said = _run(client.command(case, GUARD if stand.server else None), work, variables | tools)
        took = time.monotonic() - begun
    strayed = work / "strayed.txt"
    if strayed.exists():
        passed, said = False, f"wanted to go to {strayed.read_text('utf-8')}\n{said}"
    logs = [hop.log()[begun_at:] for hop, begun_at in zip(stand.hops(), seen, strict=True)]
    if (client.name, case) not in PROVOKED and any("-> error" in events_of(log) for log in logs):
        passed, said = False, f"a server sent an error\n{said}"
    if defect := DEFECT.search("\n".join(logs)):
        passed, said = False, f"the server logged: {defect[0]}\n{said}"
    hints = tuple(hint for hop, log in zip(stand.hops(), logs, strict=True) for hint in hints_of(hop, log))
    if hints:
        passed, said = False, f"the server hints: {', '.join(hints)}\n{said}"
    return Outcome(client.name, case, stand.engine, passed, took, said.strip(), events_of(logs[0]), hints)


def _run(command: list[str], work: Path, variables: dict[str, str]) -> tuple[bool, str]:
    """Whether a program ended with 0 in time, and what it said."""
    try:
        run = subprocess.run(
            command,
            cwd=work,
            env=environment(**variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=CASE_S,
        )
    except subprocess.TimeoutExpired as late:
        return False, f"not done after {CASE_S:.0f} s: {_text(late.stdout)}{_text(late.stderr)}"
    return run.returncode == 0, run.stdout + run.stderr


@contextlib.contextmanager
def _tools(case: str) -> Iterator[dict[str, str]]:
    """The address of an MCP server on this machine, for the case that needs one."""
    if case not in LOCAL_CASES:
        yield {}
        return
    with office("http", program=PROGRAMS / "shop.py") as port:
        yield {"MCP_URL": f"http://127.0.0.1:{port}/mcp"}


def events_of(log: str) -> frozenset[str]:
    """The kinds of events in a piece of wire log."""
    return frozenset(f"{way} {name}" for _, way, name in WIRE_LINE.findall(log))


def hints_of(stand: Stand, log: str) -> tuple[str, ...]:
    """The hints about every call in a piece of wire log."""
    server = stand.server
    if server is None:
        return ()
    calls = dict.fromkeys(call for call, _, _ in WIRE_LINE.findall(log))
    found = [json.loads(server.get(f"/v1/vivavoce/calls/{call}/hints"))["data"] for call in calls]
    return tuple(dict.fromkeys(hint["code"] for hints in found for hint in hints))


def _variables(stand: Stand) -> dict[str, str]:
    return {
        "OPENAI_BASE_URL": stand.url,
        "NODE_EXTRA_CA_CERTS": str(stand.folder / "data" / "tls" / "cert.pem"),
        "ENGINE": stand.answering(),
        "OPENAI_API_KEY": stand.key,
        "OPENAI_AGENTS_DISABLE_TRACING": "1",
        "QUESTION_WAV": str(stand.folder / "question.wav"),
    }


def _copy_node(client: Client, work: Path) -> None:
    for program in PROGRAMS.glob("*.mjs"):
        shutil.copy(program, work / program.name)
    with contextlib.suppress(FileExistsError):
        (work / "node_modules").symlink_to(NODE_MODULES)


def _text(output: str | bytes | None) -> str:
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""
