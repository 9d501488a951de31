"""What the processes of one server have in common; where one process serves everything, each part has it to itself."""

from __future__ import annotations

from dataclasses import dataclass

from vivavoce.call.admission import Admission
from vivavoce.call.rates import Rates
from vivavoce.server.rest.kept import AskShelf


@dataclass(frozen=True)
class Shared:
    """Seats, rates and what clients come back to. None: this process has its own."""

    admission: Admission | None = None
    rates: Rates | None = None
    shelf: AskShelf | None = None
