"""Serving a stand-in of some HTTP service from a thread, for the time of a test."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from socketserver import BaseServer
from typing import TypeVar

Served = TypeVar("Served", bound=BaseServer)


@contextlib.contextmanager
def served(stand_in: Served) -> Iterator[Served]:
    """Serves until the block ends, then closes it."""
    with stand_in as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
