"""Worker tests run under both event loops that the server can use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import uvloop


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(autouse=True)
def importable_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers import by the server's path, so the tests' own handlers must be on it."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
