"""Servers as processes, on free ports of the loopback, ended with the tests."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ports import free_port
from vivavoce.testing.leash import Leash

OFFICE = Path(__file__).with_name("office.py")
STARTING_S = 60


@contextlib.contextmanager
def office(kind: str, port: int = 0, program: Path = OFFICE) -> Iterator[int]:
    """An office that serves `http` or `sse`, or another program of the same usage; gives its port."""
    if not port:
        port = free_port()
    leash = Leash()
    command = leash.hold([sys.executable, program, kind, port])
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, **leash.options)
    try:
        give_up = time.monotonic() + STARTING_S
        while True:
            assert process.poll() is None, "the office did not start"
            assert time.monotonic() < give_up, "the office did not start in time"
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield port
    finally:
        process.kill()
        process.wait()
        leash.close()


@pytest.fixture(scope="session")
def http_port() -> Iterator[int]:
    """An office over streamable HTTP, at /mcp."""
    with office("http") as port:
        yield port
