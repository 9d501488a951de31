"""What was asked for on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Way = Literal["spoken", "typed", "recorded"]


@dataclass(frozen=True, slots=True)
class Options:
    """`url` None: the server on this machine, or one of our own with `engine`. `key` goes to a given `url` only.

    `source` and `target` are the WAV files of the recorded way; `fast` does not wait for the sound to pass.
    """

    way: Way = "spoken"
    url: str | None = None
    key: str | None = None
    engine: Literal["cascade", "relay", "scripted"] | None = None
    model: str = "gpt-realtime-2"
    voice: str | None = None
    instructions: str | None = None
    source: Path | None = None
    target: Path | None = None
    fast: bool = False
    push_to_talk: bool = False
    json: bool = False
