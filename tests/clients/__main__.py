"""`make clients`: the live table of clients and cases, and its exit code."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tests.clients.catalogue import CLIENTS, ENGINES, Client
from tests.clients.matrix import Outcome, Stand, run_case, standing


def main() -> int:
    """Run what was asked for; 0 when everything passed."""
    given = arguments()
    wanted = [client for client in CLIENTS if not given.client or client.name in given.client]
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="vivavoce-clients-") as folder:
        for engine in given.engine or ENGINES:
            print(f"\n{engine}", flush=True)
            for outcome in run_engine(engine, wanted, given.case, Path(folder) / engine):
                outcomes.append(outcome)
    if given.json:
        given.json.write_bytes(
            msgspec.json.format(msgspec.json.encode([as_row(one) for one in outcomes]), indent=1)
        )
    failed = [outcome for outcome in outcomes if not outcome.passed]
    print(f"\n{len(outcomes) - len(failed)} of {len(outcomes)} cases passed")
    return 1 if failed or not outcomes else 0


def arguments() -> argparse.Namespace:
    """What to run."""
    parser = argparse.ArgumentParser(prog="make clients", description=__doc__)
    parser.add_argument("--client", action="append", help="only this client (may be repeated)")
    parser.add_argument("--case", action="append", help="only this case (may be repeated)")
    parser.add_argument("--engine", action="append", choices=ENGINES, help="only this engine")
    parser.add_argument("--json", type=Path, help="write the outcomes to this file")
    return parser.parse_args()


def run_engine(
    engine: str, clients: list[Client], cases: list[str] | None, folder: Path
) -> Iterator[Outcome]:
    """Every case of every client over one engine; a line each as it is known."""
    for tls in sorted({client.tls for client in clients}):
        with standing(engine, folder / ("tls" if tls else "plain"), tls=tls) as stand:
            for client in clients:
                if client.tls is tls:
                    yield from run_client(client, cases, stand)


def run_client(client: Client, cases: list[str] | None, stand: Stand) -> Iterator[Outcome]:
    """Every wanted case of one client."""
    if missing := client.missing():
        print(f"  {client.name:<18} left out: {missing} not installed", flush=True)
        return
    for case in client.cases:
        if not cases or case in cases:
            outcome = run_case(client, case, stand)
            print(line(client, outcome), flush=True)
            yield outcome


def line(client: Client, outcome: Outcome) -> str:
    """One row of the live table; what a failed program said stands below it."""
    state = "passed" if outcome.passed else "FAILED"
    row = f"  {client.name:<18} {client.version():<9} {outcome.case:<14} {state} {outcome.seconds:5.1f} s {len(outcome.events):3} kinds of events"
    if outcome.passed:
        return row
    return row + "".join(f"\n      {said}" for said in outcome.said.splitlines()[-12:])


def as_row(outcome: Outcome) -> dict[str, object]:
    """An outcome for other programs to read."""
    row = msgspec.to_builtins(outcome)
    return {**row, "events": sorted(outcome.events)}


if __name__ == "__main__":
    sys.exit(main())
