"""Whether anything can be kept in the data folder."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

NEEDED_BYTES = 65_536
"""A key file, a certificate, a table of client secrets: what is written at first."""


def try_writing(folder: Path) -> None:
    """Write to a folder that is there, and leave nothing behind. Raises OSError.

    A disk that is full still takes a file, but nothing into it.
    """
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        left = bytes(NEEDED_BYTES)
        while left:
            left = left[file.write(left) :]
        os.fsync(file.fileno())


def nearest_existing(folder: Path) -> Path:
    """The folder itself, or the one above it in which it would be made. Raises OSError where that cannot be looked at."""
    for path in (folder, *folder.parents):
        try:
            path.stat()
        except FileNotFoundError:
            continue
        return path
    return Path("/")
