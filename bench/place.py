"""Where a run takes place: cores, the server as a process of its own, what it costs, and who else was busy."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from vivavoce.testing.leash import Leash

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_READY_S = 300.0
"""Long, since one server starts behind everybody (churn.py), when there may be little left of its core."""
_ADDRESS = re.compile(r"https?://\S+:\d+")


def cores() -> tuple[int, int | None]:
    """The core for the server and the one for the client, None where there is only one."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[-1], usable[0] if len(usable) > 1 else None


@contextlib.contextmanager
def on_core(core: int | Sequence[int] | None, first: bool = False) -> Iterator[None]:
    """This process, and whatever it starts meanwhile, runs on one core, or on some.

    `first`: before everybody else there (real-time scheduling), so that a busy neighbour does not decide the figures. Raises
    PermissionError where that is not allowed.
    """
    cores_before = os.sched_getaffinity(0)
    scheduler_before, parameter_before = os.sched_getscheduler(0), os.sched_getparam(0)
    if core is not None:
        os.sched_setaffinity(0, {core} if isinstance(core, int) else core)
    try:
        if first:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        yield
    finally:
        os.sched_setscheduler(0, scheduler_before, parameter_before)
        os.sched_setaffinity(0, cores_before)


def behind_everybody() -> None:
    """This process and its children run only when nobody else wants their core."""
    if hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    else:
        os.nice(19)


class Server:
    """`vivavoce serve` with all its children on one core, or on some."""

    def __init__(self, process: subprocess.Popen[str], url: str, cores: Sequence[int]) -> None:
        self.process = process
        self.url = url
        self.cores = cores

    @property
    def socket_url(self) -> str:
        """Where callers connect."""
        return self.url.replace("http", "ws", 1) + "/v1/realtime?model=gpt-realtime-2"

    def pids(self) -> list[int]:
        """The server and all its descendants."""
        children: dict[int, list[int]] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError, IndexError):
                    parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                    children.setdefault(parent, []).append(int(entry.name))
        found = [self.process.pid]
        for pid in found:
            found += children.get(pid, [])
        return found

    def cpu_s(self) -> float:
        """CPU time used so far by the server and its live children, to the nanosecond where the kernel tells it."""
        return sum(_cpu_s(Path(f"/proc/{pid}")) for pid in self.pids())

    def handles(self) -> tuple[int, int]:
        """File descriptors and threads of the server process."""
        process = Path(f"/proc/{self.process.pid}")
        return len(list((process / "fd").iterdir())), len(list((process / "task").iterdir()))

    def connections(self) -> int:
        """Open connections to the server's port, as its side has them."""
        port = f":{int(self.url.rpartition(':')[2]):04X}"
        lines = Path(f"/proc/{self.process.pid}/net/tcp").read_text().splitlines()[1:]
        # 01: established, 08: closed by the other side only.
        return sum(line.split()[1].endswith(port) and line.split()[3] in ("01", "08") for line in lines)

    def wait_until_empty(self, at_most_s: float = 5.0) -> None:
        """Until nobody is connected any more: seats are free again."""
        until = time.monotonic() + at_most_s
        while self.connections() and time.monotonic() < until:
            time.sleep(0.05)

    def load(self) -> dict[str, Any]:
        """What it says of itself at `/v1/vivavoce/load`."""
        return _get(f"{self.url}/v1/vivavoce/load")

    def rss_mb(self) -> float:
        """Resident memory of the server process alone, in MB of 10^6 bytes."""
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text())
        return int(found[1]) * 1024 / 1e6 if found else 0.0


def _cpu_s(process: Path) -> float:
    """Threads that ended meanwhile are missed; the servers measured here keep theirs."""
    used_ns = 0
    with contextlib.suppress(OSError):
        for thread in (process / "task").iterdir():
            used_ns += int((thread / "schedstat").read_text().split()[0])
        return used_ns / 1e9
    with contextlib.suppress(OSError):
        fields = (process / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * _TICK_S
    return 0.0


@contextlib.contextmanager
def served(
    engine: str, core: int | Sequence[int], variables: Mapping[str, str] | None = None, first: bool = False
) -> Iterator[Server]:
    """A server of this checkout, ready to answer. Raises RuntimeError with what it said when it does not start."""
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(("VIVAVOCE_", "OPENAI_"))
    }
    environ |= {
        name: os.environ[name] for name in ("VIVAVOCE_MODELS_DIR", "VIVAVOCE_DEPS_DIR") if name in os.environ
    }
    with tempfile.TemporaryDirectory(prefix="vivavoce-bench-") as folder, contextlib.ExitStack() as stack:
        environ["VIVAVOCE_DATA_DIR"] = folder
        log = stack.enter_context((Path(folder) / "stderr").open("w+"))
        command = [
            sys.executable,
            "-m",
            "vivavoce",
            "serve",
            "--engine",
            engine,
            "--port",
            "0",
            "--log-level",
            "warning",
        ]
        leash = stack.enter_context(Leash())
        with on_core(core, first):
            process = subprocess.Popen(
                leash.hold(command),
                env=environ | dict(variables or {}),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                **leash.options,
            )
        try:
            used = [core] if isinstance(core, int) else core
            yield Server(process, _address(process, Path(folder) / "stderr"), used)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()


def _address(process: subprocess.Popen[str], log: Path) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if found := _ADDRESS.search(line):
            _wait_until_ready(found[0])
            return found[0]
    raise RuntimeError(f"the server did not start: {log.read_text()[-2000:]}")


def _wait_until_ready(url: str) -> None:
    """Until a turn went through the engine. Raises RuntimeError when the server says that none can, or is not done in time."""
    until = time.monotonic() + _READY_S
    while time.monotonic() < until:
        answer = _get(f"{url}/readyz")
        if answer["status"] == "ready":
            return
        if answer["status"] == "failed":
            raise RuntimeError(f"the server is not ready: {answer['reason']}")
        time.sleep(0.1)
    raise RuntimeError(f"the server was not ready within {_READY_S:.0f} s")


def _get(url: str) -> dict[str, Any]:
    """Ask a server of ours, whose certificate may be one of its own making."""
    import httpx

    said: dict[str, Any] = httpx.get(url, trust_env=False, verify=url.startswith("http://")).json()
    return said


@dataclass(frozen=True)
class Usage:
    """What a stretch of time cost: the server's CPU, and what others took of the server's core."""

    elapsed_s: float
    server_s: float
    others_s: float

    @property
    def core_share(self) -> float:
        """The server's share of its core; of several, their sum."""
        return self.server_s / self.elapsed_s

    @property
    def others_share(self) -> float:
        """Everybody else's share of the same; a figure taken beside much of it is no figure of the server."""
        return max(0.0, self.others_s / self.elapsed_s)


class Meter:
    """Measures from its making to `read`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._started_s = time.perf_counter()
        self._cpu_s = server.cpu_s()
        self._busy_s = self._busy()

    def read(self) -> Usage:
        """What was used since."""
        server_s = self._server.cpu_s() - self._cpu_s
        elapsed_s = time.perf_counter() - self._started_s
        return Usage(elapsed_s, server_s, self._busy() - self._busy_s - server_s)

    def _busy(self) -> float:
        return sum(busy_s(core) for core in self._server.cores)


def busy_s(core: int) -> float:
    """Seconds a core has been busy with anything, stolen time included."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name == f"cpu{core}":
            user, nice, system, _, _, irq, softirq, steal = (int(field) for field in fields[:8])
            return (user + nice + system + irq + softirq + steal) * _TICK_S
    return 0.0


def others_busy(core: int, for_s: float = 1.0) -> float:
    """How busy a core is right now with what others do."""
    before = busy_s(core)
    time.sleep(for_s)
    return (busy_s(core) - before) / for_s


def wait_for_quiet(at_most_s: float, busiest: float = 0.1) -> float:
    """Wait until all cores are quiet, at most so long; returns how busy the busiest of them was at last."""
    until = time.monotonic() + at_most_s
    while True:
        before = {core: busy_s(core) for core in os.sched_getaffinity(0)}
        time.sleep(1.0)
        now = max(busy_s(core) - before[core] for core in before)
        if now <= busiest or time.monotonic() > until:
            return now


def machine() -> str:
    """The machine in neutral words: class of processor, cores, memory, system, versions."""
    processor = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
        processor = found[1] if found else processor
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("uvicorn", "uvloop", "msgspec", "numpy", "onnxruntime")
    )
    shared = " (virtual machine)" if "hypervisor" in _flags() else ""
    return (
        f"{processor}{shared}, {len(os.sched_getaffinity(0))} cores, {memory_gb:.0f} GB, {platform.system()} "
        f"{platform.release().split('-')[0]}, Python {platform.python_version()}, {packages}"
    )


def _flags() -> str:
    with contextlib.suppress(OSError):
        found = re.search(r"flags\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
        return found[1] if found else ""
    return ""
