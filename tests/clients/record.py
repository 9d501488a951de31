"""What the matrix found, kept in outcomes.json for docs/compatibility.md: one row a line, the last run of each case."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from pathlib import Path

import msgspec

from tests.clients.catalogue import CLIENTS, ENGINES, Client
from tests.clients.matrix import Outcome

FILE = Path(__file__).parent / "outcomes.json"
REASON_CHARS = 300


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """How one case went, on which day (UTC). `reason` is empty where it passed; `events` as in Outcome."""

    client: str
    version: str
    case: str
    engine: str
    date: str
    passed: bool
    reason: str
    events: list[str]

    @property
    def key(self) -> tuple[str, str, str]:
        return self.client, self.case, self.engine


def row_of(client: Client, outcome: Outcome) -> Row:
    """An outcome as it is kept."""
    return Row(
        client=client.name,
        version=client.version(),
        case=outcome.case,
        engine=outcome.engine,
        date=f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}",
        passed=outcome.passed,
        reason="" if outcome.passed else outcome.said[:REASON_CHARS],
        events=sorted(outcome.events),
    )


def read(file: Path = FILE) -> list[Row]:
    """The kept rows."""
    return msgspec.json.decode(file.read_bytes(), type=list[Row])


def keep(rows: Iterable[Row], file: Path = FILE) -> None:
    """Put rows in the place of older ones of the same case; rows of cases that are no more go."""
    known = {row.key: row for row in read(file)} if file.exists() else {}
    known |= {row.key: row for row in rows}
    wanted = [
        (client.name, case, engine) for client in CLIENTS for case in client.cases for engine in ENGINES
    ]
    kept = [msgspec.json.encode(known[key]).decode() for key in wanted if key in known]
    file.write_text("[\n" + ",\n".join(kept) + "\n]\n", "utf-8")
