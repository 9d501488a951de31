"""Processes that run a part of this program: called so that they find the code that this one runs, and nothing else."""

from __future__ import annotations

import os
import sys


def command_for(module: str) -> tuple[str, ...]:
    """The words that run a module of ours. No file of the working folder is taken for a module (`-P`)."""
    return (sys.executable, "-P", "-m", module)


def environment() -> dict[str, str]:
    """Our own variables, with our import path: a child imports the same code wherever we found it. Its output is not held back."""
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
