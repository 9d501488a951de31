"""What was started on a leash ends with whoever started it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys

import pytest

from vivavoce.testing.leash import Leash

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="asks Linux when a process has ended")

SLEEPERS = "sleep 60 & echo $! $$; wait"
"""A process that starts another one, and says who they are."""
KILLED = f"""
import os, signal, subprocess
from vivavoce.testing.leash import Leash
leash = Leash()
process = subprocess.Popen(leash.hold(["sh", "-c", {SLEEPERS!r}]), stdout=subprocess.PIPE, text=True, **leash.options)
print(process.stdout.readline().strip(), process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def gone(pid: int) -> None:
    """Wait until a process that is no child of ours has ended; a zombie that nobody fetches has."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ready, _, _ = select.select([handle], [], [], 30)
    os.close(handle)
    assert ready, f"{pid} lives on"


def test_killing_the_parent_ends_everything_it_started() -> None:
    run = subprocess.run([sys.executable, "-c", KILLED], stdout=subprocess.PIPE, text=True, timeout=30)
    assert run.returncode == -signal.SIGKILL
    sleeper, shell, started = map(int, run.stdout.split())
    # Nothing stands between the one who starts it and the command.
    assert shell == started
    for pid in (sleeper, shell):
        gone(pid)


def test_leaving_the_block_ends_what_the_command_left_behind() -> None:
    with Leash() as leash:
        command = leash.hold(["sh", "-c", "sleep 60 >/dev/null & echo $!"])
        told = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=30, **leash.options).stdout
        sleeper = int(told)
        os.kill(sleeper, 0)
    gone(sleeper)
