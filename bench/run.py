"""`python -m bench`: everything behind bench/RESULTS.md. `python -m bench load --url ...`: callers on any Realtime server."""

from __future__ import annotations

import argparse
import contextlib
import math
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench import churn, operation, page, relay, sections
from bench.caller import Pattern
from bench.figures import percentile, shown, table
from bench.load import Load, run
from bench.place import cores, on_core, wait_for_quiet
from bench.sections import FULL, QUICK, Lengths, Section, Target
from bench.sound import voice
from bench.trial import BUSY, Conditions, Trial

RESULTS = Path(__file__).parent / "RESULTS.md"
ROWS = (
    "workers", "memory", "latency", "most-energy-20", "most-energy-100", "most-silero-20", "most-silero-100", "overload", "cost",
    "relay", "models", "churn",
)  # fmt: skip
"""In the order in which they are measured."""
ALONE = ("workers", "memory")
"""With nothing beside them: the one needs both cores, and what a quiet session costs doubles when its neighbour core is busy."""


def main(argv: list[str] | None = None) -> int:
    """Run; 0 when every target that was measured is met."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few minutes; nothing is written")
    parser.add_argument(
        "--only",
        metavar="ROW",
        action="append",
        type=_rows,
        help=f"only these; nothing is written without --keep. {', '.join(ROWS)}, or how several of them begin",
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="write the rows of --only into bench/RESULTS.md, each with its day",
    )
    parser.add_argument(
        "--first",
        action="store_true",
        help="real-time scheduling, so that neighbours do not decide the figures",
    )
    parser.add_argument(
        "--wait", type=float, default=60.0, metavar="S", help="how long to wait for a quiet machine (60)"
    )
    parser.add_argument(
        "--churn-minutes",
        type=float,
        metavar="MIN",
        help="how long callers come and go (30; 0.2 with --quick)",
    )
    commands = parser.add_subparsers(dest="command", metavar="load")
    _add_load(commands)
    given = parser.parse_args(argv)
    if given.command == "load":
        return run_load(given)
    if given.keep and (given.quick or not given.only):
        parser.error("--keep needs --only, and figures of full length")
    return run_all(given)


def _rows(beginning: str) -> list[str]:
    found = [row for row in ROWS if row.startswith(beginning)]
    if not found:
        raise argparse.ArgumentTypeError(f"there is no row {beginning}; there are {', '.join(ROWS)}")
    return found


def run_all(given: argparse.Namespace) -> int:
    """Measure, print, and write bench/RESULTS.md after a whole run."""
    started = time.monotonic()

    def say(line: str) -> None:
        passed_s = int(time.monotonic() - started)
        print(f"{passed_s // 60:2}:{passed_s % 60:02} {line}", file=sys.stderr, flush=True)

    conditions = Conditions(repeats=1 if given.quick else 3, first=given.first, say=say)
    chosen = [row for row in ROWS if given.only is None or any(row in rows for rows in given.only)]
    busiest = wait_for_quiet(given.wait)
    if busiest > BUSY:
        conditions.say(f"others use {busiest:.0%} of a core")
    lengths = QUICK if given.quick else FULL
    if given.churn_minutes is not None:
        lengths = replace(lengths, churn_minutes=given.churn_minutes)
    found = Measuring(conditions, lengths).all(chosen)
    text = page.written(found, conditions, time.monotonic() - started, busiest)
    print(text)
    if given.keep:
        RESULTS.write_text(page.exchanged(RESULTS.read_text("utf-8"), found), "utf-8")
    elif not given.quick and not given.only:
        RESULTS.write_text(text + "\n", "utf-8")
    missed = [target for section in found for target in section.targets if not target.met]
    for target in missed:
        print(f"NOT MET: {target}", file=sys.stderr)
    return 1 if missed else 0


class Measuring:
    """One run over rows. Callers come and go beside all that are not measured alone."""

    def __init__(self, conditions: Conditions, lengths: Lengths) -> None:
        self._conditions = conditions
        self._lengths = lengths
        self._loaded: dict[str, Trial] = {}

    def all(self, chosen: Sequence[str]) -> list[Section]:
        """The rows, in their order; what each of them reached is said at once."""
        found: list[Section] = []
        waiting = [row for row in chosen if row != "churn"]
        with contextlib.ExitStack() as stack:
            while waiting and waiting[0] in ALONE:
                found.append(self._told(waiting.pop(0), len(found), len(chosen)))
            beside = (
                stack.enter_context(churn.Beside(self._lengths.churn_minutes)) if "churn" in chosen else None
            )
            for row in waiting:
                found.append(self._told(row, len(found), len(chosen)))
            if beside is not None:
                self._conditions.say(f"[{len(chosen)}/{len(chosen)}] churn: waiting for its end")
                found.append(self._gone(beside))
        return found

    def _told(self, row: str, done: int, rows: int) -> Section:
        self._conditions.say(f"[{done + 1}/{rows}] {row}")
        try:
            return self._reached(self._measure(row))
        except Exception as failed:
            # It must not take along what the other rows have found in half an hour.
            self._conditions.say("".join(traceback.format_exception(failed)))
            return self._reached(_failed(row, failed))

    def _gone(self, beside: churn.Beside) -> Section:
        try:
            return self._reached(sections.came_and_went(beside.result()))
        except RuntimeError as failed:
            return self._reached(_failed("churn", failed))

    def _reached(self, section: Section) -> Section:
        for target in section.targets:
            self._conditions.say(f"  {'met' if target.met else 'NOT MET'}: {target}")
        return section

    def _measure(self, row: str) -> Section:
        conditions, lengths = self._conditions, self._lengths
        match row.split("-"):
            case ["workers"]:
                return operation.workers(lengths, conditions)
            case ["latency"]:
                section, self._loaded = sections.latency(lengths, conditions)
                return section
            case ["most", vad, chunk_ms]:
                return sections.most(vad, int(chunk_ms), lengths, conditions)
            case ["overload"]:
                return operation.overload(lengths, conditions)
            case ["cost"]:
                return sections.cost(conditions, self._loaded)
            case ["relay"]:
                return relay.relay(lengths, conditions)
            case ["memory"]:
                return sections.remembered(lengths, conditions)
        return sections.models(lengths, conditions)


def _failed(row: str, why: Exception) -> Section:
    """A row that could not be measured has not reached what it must."""
    return Section(f"Row {row}", [f"**Not measured: {why}**"], [Target(f"row {row}", math.nan, 0, "")])


def _add_load(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    load = commands.add_parser("load", help="callers on any Realtime server")
    load.add_argument("--url", required=True, help="ws://HOST:PORT/v1/realtime?model=NAME")
    load.add_argument("--key", default="local", help="sent as bearer token")
    load.add_argument("--sessions", type=int, default=1)
    load.add_argument("--seconds", type=float, default=20.0)
    load.add_argument("--chunk-ms", type=int, default=20)
    load.add_argument("--silence-ms", type=int, default=500, help="the silence window asked for")
    load.add_argument("--reported", action="store_true", help="end of turn by the server's own audio_end_ms")


def run_load(given: argparse.Namespace) -> int:
    """One run, printed."""
    pattern = Pattern(
        (voice(1000),),
        chunk_ms=given.chunk_ms,
        silence_ms=given.silence_ms,
        end_of_turn="reported" if given.reported else "window",
    )
    headers = {"Authorization": f"Bearer {given.key}"}
    with on_core(cores()[1]):
        report = run(Load(given.url, given.sessions, given.seconds, pattern, headers=headers))
    stops = [
        (turn.stopped_s - turn.completed_s) * 1000
        for turn in report.turns
        if turn.answered and turn.completed_s
    ]
    rows = [
        [name, *(shown(percentile(values, percent), 2) for percent in (50, 95, 99, 100))]
        for name, values in (
            ("first audio behind the silence window", report.added_ms),
            ("speech_stopped behind the silence window", stops),
            ("input lag", report.lag_ms),
            ("client late", report.lateness_ms),
        )
    ]
    print(table(("ms", "p50", "p95", "p99", "max"), rows))
    print(
        f"{len(report.turns)} turns, {report.unanswered} unanswered. {'VOID: ' + report.void if report.void else ''}"
    )
    return 1 if report.void or report.unanswered else 0
