"""The clients of the matrix: which program drives each, what it can do, where its packages live."""

from __future__ import annotations

import json
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.docs.pages import ROOT
from tests.docs.programs import CLIENTS_PYTHON, NODE_MODULES

PROGRAMS = Path(__file__).parent / "programs"
BEHIND = {"relay": "scripted", "relay-cascade": "cascade"}
"""The relay in front of a second server: the engine that answers there."""
RELAY_TO_A_MODEL = "relay-cascade"
"""Which of them is like a relay to a model."""
ENGINES = ("scripted", "cascade", *BEHIND)
"""What is run unless something else is asked for, and kept on record."""
LOCAL_CASES = frozenset({"mcp"})
"""What has a server of tools on this machine, which somebody else's service could not reach."""
PROVOKED = frozenset({("livekit-agents", "interruption")})
"""Whose library asks for what the protocol answers with an `error`, and takes no notice of it: it cancels what the server has cancelled."""
RELAYED_IN_CI = {"websockets": ("beta_parallel",), "openai-python": ("interruption", "rest")}
"""What CI runs through two hops: the dialect that the upstream is not spoken to in, truncation by what was heard, and what is no call."""


@dataclass(frozen=True, slots=True)
class Client:
    """An unmodified client library.

    home: "own" (our development environment), "frameworks" (.clients/python) or "node" (.clients/node).
    package: the name its version is looked up by in the lock files.
    cases: what its program can be asked for; what a library has no notion of is not among them.
    tls: it dials nothing but TLS.
    """

    name: str
    program: str
    package: str
    home: str
    cases: tuple[str, ...]
    tls: bool = False

    def version(self) -> str:
        """The pinned version."""
        if self.home == "node":
            lock = json.loads((ROOT / "requirements" / "node" / "package-lock.json").read_text("utf-8"))
            return str(lock["packages"][f"node_modules/{self.package}"]["version"])
        file = "dev.txt" if self.home == "own" else "clients.txt"
        found = re.search(
            rf"^{self.package}==(\S+)", (ROOT / "requirements" / file).read_text("utf-8"), re.MULTILINE
        )
        assert found, f"{self.package} is not in {file}"
        return found[1]

    def reduced(self, engine: str) -> tuple[str, ...]:
        """What CI runs of it: a tool and its answer use most of the protocol; one client speaks over each engine as well.

        A second server for the one that dials TLS is started over the scripted engine alone.
        """
        if engine in BEHIND:
            return RELAYED_IN_CI.get(self.name, ()) if BEHIND[engine] == "scripted" else ()
        if self.tls and engine != "scripted":
            return ()
        return (
            ("tool", "interruption", "transcription", "rest") if self.name == "openai-python" else ("tool",)
        )

    def missing(self) -> str:
        """What has to be installed first; empty when the client can be run."""
        if self.home == "node":
            return "" if NODE_MODULES.is_dir() and shutil.which("node") else "Node's packages"
        return "" if self.home == "own" or CLIENTS_PYTHON.exists() else self.package

    def command(self, case: str, guard: Path | None) -> list[str]:
        """How a case is run. Node finds its packages beside a copy of the program (see matrix.py).

        guard: where what keeps it on this machine is to be found; None: it may go anywhere.
        """
        if self.home == "node":
            kept = [] if guard is None else [f"--require={guard / 'guard.cjs'}"]
            return ["node", *kept, self.program, case]
        interpreter = sys.executable if self.home == "own" else str(CLIENTS_PYTHON)
        return [interpreter, str(PROGRAMS / self.program), case]


USUAL = ("text", "audio", "tool", "parallel", "interruption")
"""What every client can do."""
CLIENTS = (
    Client(
        "websockets",
        "raw_websockets.py",
        "websockets",
        "own",
        (*USUAL, "transcription", "mcp", "beta_audio", "beta_parallel"),
    ),
    Client(
        "openai-python",
        "openai_python.py",
        "openai",
        "own",
        (*USUAL, "handoff", "transcription", "mcp", "rest"),
    ),
    Client(
        "openai-agents",
        "openai_agents.py",
        "openai-agents",
        "own",
        (*USUAL, "approval", "handoff", "pipeline", "pipeline_streamed"),
    ),
    Client("ws", "raw_ws.mjs", "ws", "node", (*USUAL, "transcription", "beta_parallel")),
    Client(
        "openai-node",
        "openai_node.mjs",
        "openai",
        "node",
        (*USUAL, "transcription", "beta_parallel", "native_tool", "rest"),
        tls=True,
    ),
    Client(
        "@openai/agents",
        "openai_agents_node.mjs",
        "@openai/agents",
        "node",
        (*USUAL, "approval", "handoff", "mcp"),
    ),
    Client(
        "livekit-agents",
        "livekit_agents.py",
        "livekit-agents",
        "frameworks",
        (*USUAL, "handoff", "transcription", "rest"),
    ),
    Client(
        "pipecat-ai",
        "pipecat_ai.py",
        "pipecat-ai",
        "frameworks",
        (*USUAL, "transcription", "transcription_committed", "rest"),
    ),
)
