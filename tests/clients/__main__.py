"""`make clients`: the live table of clients and cases, and its exit code."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.clients import page, record
from tests.clients.catalogue import BEHIND, CLIENTS, ENGINES, LOCAL_CASES, RELAY_TO_A_MODEL, Client
from tests.clients.matrix import Outcome, Stand, elsewhere, run_case, standing


def main() -> int:
    """Run what was asked for; 0 when everything passed."""
    given = arguments()
    outcomes: list[Outcome] = []
    records = [file for file in (given.json, record.FILE if given.record else None) if file]
    with tempfile.TemporaryDirectory(prefix="vivavoce-clients-") as folder:
        for client, outcome in found(given, Path(folder)):
            outcomes.append(outcome)
            for file in records:  # At once: a long run may be broken off.
                record.keep([record.row_of(client, outcome)], file)
    if given.record:
        page.PAGE.write_text(page.page(), "utf-8")
    failed = [outcome for outcome in outcomes if not outcome.passed]
    print(f"\n{len(outcomes) - len(failed)} of {len(outcomes)} cases passed")
    return 1 if failed or not outcomes else 0


def arguments() -> argparse.Namespace:
    """What to run."""
    parser = argparse.ArgumentParser(prog="make clients", description=__doc__)
    parser.add_argument("--client", action="append", help="only this client (may be repeated)")
    parser.add_argument("--case", action="append", help="only this case (may be repeated)")
    parser.add_argument("--engine", action="append", choices=ENGINES, help="only this engine, or relay to it")
    parser.add_argument("--reduced", action="store_true", help="a case or two of each client, for CI")
    parser.add_argument("--json", type=Path, help="put the outcomes into this file")
    parser.add_argument(
        "--record", action="store_true", help="keep the outcomes and write docs/compatibility.md anew"
    )
    parser.add_argument(
        "--against",
        metavar="URL",
        help="another server, e.g. https://api.openai.com/v1; its key is taken from OPENAI_API_KEY",
    )
    parser.add_argument(
        "--relay-to",
        metavar="URL",
        help="the same, but through our relay in front of it, with both dialects and MCP",
    )
    given = parser.parse_args()
    if given.record and (given.against or given.relay_to):
        parser.error("what another server does is not on record")
    return given


def found(given: argparse.Namespace, folder: Path) -> Iterator[tuple[Client, Outcome]]:
    """What comes out over each engine, or with the other server."""
    wanted = [client for client in CLIENTS if not given.client or client.name in given.client]
    if given.against:
        print(f"\n{given.against}", flush=True)
        with elsewhere(given.against, folder) as stand:
            for client in wanted:
                yield from run_client(client, given, stand)
        return
    for engine in [RELAY_TO_A_MODEL] if given.relay_to else given.engine or ENGINES:
        before = (
            f" before {given.relay_to or f'a second server, {BEHIND[engine]}'}" if engine in BEHIND else ""
        )
        print(f"\n{engine}{before}", flush=True)
        yield from run_engine(engine, wanted, given, folder / engine)


def run_engine(
    engine: str, clients: list[Client], given: argparse.Namespace, folder: Path
) -> Iterator[tuple[Client, Outcome]]:
    """Every case of every client over one engine; a line each as it is known."""
    for tls in sorted({client.tls for client in clients}):
        some = [client for client in clients if client.tls is tls and wanted_cases(client, given, engine)]
        if some:
            place = folder / ("tls" if tls else "plain")
            with standing(engine, place, tls=tls, upstream=given.relay_to) as stand:
                for client in some:
                    yield from run_client(client, given, stand)


def wanted_cases(client: Client, given: argparse.Namespace, engine: str) -> list[str]:
    """What to run of a client."""
    cases = client.reduced(engine) if given.reduced else client.cases
    if given.against:
        cases = tuple(case for case in cases if case not in LOCAL_CASES)
    return [case for case in cases if not given.case or case in given.case]


def run_client(client: Client, given: argparse.Namespace, stand: Stand) -> Iterator[tuple[Client, Outcome]]:
    """Every wanted case of one client."""
    if missing := client.missing():
        print(f"  {client.name:<18} left out: {missing} not installed", flush=True)
        return
    for case in wanted_cases(client, given, stand.engine):
        outcome = run_case(client, case, stand)
        print(line(client, outcome), flush=True)
        yield client, outcome


def line(client: Client, outcome: Outcome) -> str:
    """One row of the live table; what a failed program said stands below it."""
    state = "passed" if outcome.passed else "FAILED"
    row = f"  {client.name:<18} {client.version():<9} {outcome.case:<14} {state} {outcome.seconds:5.1f} s {len(outcome.events):3} kinds of events"
    if outcome.passed:
        return row
    return row + "".join(f"\n      {said}" for said in outcome.said.splitlines()[-12:])


if __name__ == "__main__":
    sys.exit(main())
