"""`python -m bench`: everything behind bench/RESULTS.md. `python -m bench load --url ...`: callers on any Realtime server."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import vivavoce
from bench import sections
from bench.caller import Pattern
from bench.figures import percentile, shown, table
from bench.load import Load, run
from bench.place import cores, machine, on_core, wait_for_quiet
from bench.sections import FULL, QUICK, Lengths, Section, Target
from bench.sound import voice
from bench.trial import BUSY, Conditions, Trial

RESULTS = Path(__file__).parent / "RESULTS.md"
SECTIONS = ("latency", "cost", "memory", "churn", "models")


def main(argv: list[str] | None = None) -> int:
    """Run; 0 when every target that was measured is met."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute and a half; nothing is written")
    parser.add_argument(
        "--only", choices=SECTIONS, action="append", help="only these sections; nothing is written"
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
        help="how long callers come and go (30; 0.5 with --quick)",
    )
    commands = parser.add_subparsers(dest="command", metavar="load")
    _add_load(commands)
    given = parser.parse_args(argv)
    if given.command == "load":
        return run_load(given)
    return run_all(given)


def run_all(given: argparse.Namespace) -> int:
    """Measure, print, and write bench/RESULTS.md after a whole run."""
    conditions = Conditions(repeats=1 if given.quick else 3, first=given.first)
    chosen = given.only or SECTIONS
    busiest = wait_for_quiet(given.wait)
    if busiest > BUSY:
        conditions.say(f"others use {busiest:.0%} of a core")
    started = time.monotonic()
    lengths = QUICK if given.quick else FULL
    if given.churn_minutes is not None:
        lengths = replace(lengths, churn_minutes=given.churn_minutes)
    found = measure(chosen, conditions, lengths)
    text = written(found, conditions, time.monotonic() - started, busiest)
    print(text)
    if not given.quick and not given.only:
        RESULTS.write_text(text + "\n", "utf-8")
    return 0 if all(target.met for section in found for target in section.targets) else 1


def measure(chosen: tuple[str, ...] | list[str], conditions: Conditions, lengths: Lengths) -> list[Section]:
    """The chosen sections, in their order."""
    found: list[Section] = []
    loaded: dict[str, Trial] = {}
    if "latency" in chosen:
        section, loaded = sections.latency(lengths, conditions)
        found.append(section)
    later: tuple[tuple[str, Callable[[], Section]], ...] = (
        ("cost", lambda: sections.cost(conditions, loaded)),
        ("memory", lambda: sections.remembered(lengths, conditions)),
        ("churn", lambda: sections.came_and_went(lengths, conditions)),
        ("models", lambda: sections.models(lengths, conditions)),
    )
    return found + [make() for name, make in later if name in chosen]


def written(found: list[Section], conditions: Conditions, seconds: float, busiest: float) -> str:
    """The whole page."""
    targets: list[Target] = [target for section in found for target in section.targets]
    _, client_core = cores()
    split = (
        "the server with all its children on one core, the client on the other"
        if client_core is not None
        else ("ONE core for server and client together: no figure of the server alone")
    )
    priority = " Both had real-time priority." if conditions.first else ""
    times = "median of 3 runs" if conditions.repeats == 3 else f"{conditions.repeats} run(s)"
    parts = [
        "# Measured\n",
        "Printed and written by `make bench`; how is in docs/adr/0015-measuring.md.\n",
        f"{datetime.now(UTC):%Y-%m-%d}, vivavoce {vivavoce.__version__}, {seconds / 60:.0f} minutes. {machine()}.",
        f"Conditions: {split}; {times}.{priority} Before the first run others used {busiest:.0%} of the busiest core.\n",
        "## Targets\n",
        table(("figure", "measured", "target", "ratio", "met"), [target.line for target in targets]),
    ]
    for section in found:
        parts += [f"\n## {section.title}\n", "\n\n".join(section.text)]
    return "\n".join(parts)


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
