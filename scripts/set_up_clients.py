"""Makes the frameworks ready whose programs `make clients` runs: `.clients/python` and `.clients/node`.

Run by the interpreter of `.venv`, after set_up.py. Like there, what was done is remembered by the hashes of the files it was done
from, and nothing says where packages come from: that is pip's and npm's business. Without npm only the Python half is made. A `.clients` that is a link belongs to another checkout.
"""

from __future__ import annotations

import json
import shutil
import sys
import time

from set_up import PYTHON_VERSION, REQUIREMENTS, ROOT, VENV, SetUpFailed, digest, run, uv_environment

CLIENTS = ROOT / ".clients"
RECORD = CLIENTS / "vivavoce.json"
LOCK = REQUIREMENTS / "clients.txt"
NODE = REQUIREMENTS / "node"


def wanted() -> dict[str, str]:
    """What has to be on record for both halves to be ready."""
    return {
        "python": digest(LOCK, PYTHON_VERSION, str(ROOT)),
        "node": digest(NODE / "package.json", NODE / "package-lock.json", str(ROOT)),
    }


def read_record() -> dict[str, str]:
    try:
        record = json.loads(RECORD.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def make_python() -> None:
    """An environment of its own: the frameworks want other versions than we do."""
    target = CLIENTS / "python"
    run(
        [sys.executable, "-I", "-m", "venv", "--clear", "--without-pip", str(target)],
        "making .clients/python",
    )
    uv = [str(VENV / "bin" / "uv"), "pip", "install", "--python", str(target / "bin" / "python")]
    run([*uv, "--require-hashes", "-r", str(LOCK)], "installing packages with uv", uv_environment())


def make_node() -> None:
    """`npm ci` in a copy of requirements/node, so that node_modules stays out of the sources."""
    target = CLIENTS / "node"
    target.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(NODE / name, target / name)
    run(["npm", "ci", "--prefix", str(target)], "installing packages with npm")


def main() -> int:
    if CLIENTS.is_symlink():
        print("clients: .clients is a link to another checkout's, and left as it is", flush=True)
        return 0
    target, record = wanted(), read_record()
    steps = {
        "python": ("livekit-agents and pipecat-ai into .clients/python", make_python),
        "node": ("openai, @openai/agents and ws into .clients/node", make_node),
    }
    if shutil.which("npm") is None:
        print(
            "clients: npm is not installed, the Node programs are left out (Debian, Ubuntu: apt install npm)"
        )
        del steps["node"]
    started = time.monotonic()
    try:
        for key, (line, work) in steps.items():
            if record.get(key) != target[key]:
                print(f"clients: {line}", flush=True)
                work()
                record[key] = target[key]
                RECORD.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    except SetUpFailed as failure:
        print(f"set-up: {failure}", file=sys.stderr)
        return 1
    if time.monotonic() - started > 1:
        print(f"clients: set up in {time.monotonic() - started:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
