"""What `--log-level` lets through."""

from __future__ import annotations

import subprocess
import sys

import pytest

ASK = """
import logging, sys
from vivavoce.call.settings import load_settings
from vivavoce.server.run import set_up_logging
set_up_logging(load_settings({"server.log_level": sys.argv[1]}, environ={}))
for name in ("vivavoce.wire", "vivavoce.call", "httpcore.http11", "uvicorn.error", "httpx"):
    print(logging.getLevelName(logging.getLogger(name).getEffectiveLevel()))
"""


@pytest.mark.parametrize(
    ("level", "levels"),
    [
        ("debug", ["DEBUG", "DEBUG", "INFO", "WARNING", "WARNING"]),
        ("error", ["ERROR", "ERROR", "ERROR", "WARNING", "WARNING"]),
    ],
)
def test_debug_is_about_our_own_doings(level: str, levels: list[str]) -> None:
    # In a process of its own: the tests have handlers on the root logger already.
    run = subprocess.run([sys.executable, "-c", ASK, level], capture_output=True, text=True, check=True)
    assert run.stdout.split() == levels
