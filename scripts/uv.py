"""Runs the uv of `.venv` with what pip is configured with: python scripts/uv.py ARGUMENTS..."""

from __future__ import annotations

import os
import sys

from set_up import VENV, uv_environment

if __name__ == "__main__":
    uv = str(VENV / "bin" / "uv")
    os.execve(uv, [uv, *sys.argv[1:]], dict(os.environ) | uv_environment())
