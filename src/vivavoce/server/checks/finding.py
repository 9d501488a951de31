"""What a check finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from vivavoce.call.settings import Settings

State = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found. `fix` is empty where nothing has to be done.

    failed: the server does not start, or no call works. warning: something is missing that not everybody needs.
    """

    name: str
    state: State
    found: str
    fix: str = ""


Check = Callable[[Settings], Iterator[Finding]]
