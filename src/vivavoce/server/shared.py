"""What the processes of one server have in common; where one process serves everything, each part has it to itself."""

from __future__ import annotations

from dataclasses import dataclass

from vivavoce.call.admission import Admission
from vivavoce.call.rates import Rates
from vivavoce.server.rest.kept import AskShelf
from vivavoce.server.turnstile import Entrance


@dataclass(frozen=True)
class Shared:
    """Seats, rates, what clients come back to, and who may work on a request (server/turnstile.py). None: this process has its own."""

    admission: Admission | None = None
    rates: Rates | None = None
    shelf: AskShelf | None = None
    requests: Entrance | None = None
    work: Entrance | None = None
