"""A load run that counts: on its cores, metered, repeated when void, and the median of several."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

from bench.caller import Pattern
from bench.figures import middle, percentile
from bench.load import Load, Report, run
from bench.place import Meter, Server, Usage, cores, on_core

BUSY = 0.1
"""Others' share of the server's core above which a figure is marked as taken beside them."""
_VOID_RUNS = 2


@dataclass(frozen=True)
class Conditions:
    """How runs are made. `repeats`: of which the median is taken. `first`: see place.on_core."""

    repeats: int
    first: bool
    say: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Trial:
    """One load, run several times. Milliseconds."""

    reports: list[Report]
    usages: list[Usage]

    def __add__(self, other: Trial) -> Trial:
        return Trial(self.reports + other.reports, self.usages + other.usages)

    def _median(self, of: Callable[[Report], float]) -> float:
        return middle([of(report) for report in self.reports])

    def added(self, percent: float) -> float:
        """Percentile of the added latency, median of the runs."""
        return self._median(lambda report: percentile(report.added_ms, percent))

    def pooled(self, percent: float) -> float:
        """The same over the turns of all runs together, for callers so few that a run has too few turns."""
        return percentile([added for report in self.reports for added in report.added_ms], percent)

    def lag(self, percent: float) -> float:
        """Percentile of the input lag, median of the runs."""
        return self._median(lambda report: percentile(report.lag_ms, percent))

    def late(self) -> float:
        """The client's own lateness, p99."""
        return self._median(lambda report: percentile(report.lateness_ms, 99))

    @property
    def turns(self) -> int:
        """Turns that count."""
        return sum(len(report.turns) for report in self.reports)

    @property
    def unanswered(self) -> int:
        """Turns that were not answered."""
        return sum(report.unanswered for report in self.reports)

    @property
    def us_per_event(self) -> float:
        """CPU time of the server per chunk received, answers included."""
        pairs = zip(self.usages, self.reports, strict=True)
        return middle([usage.server_s / report.chunks * 1e6 for usage, report in pairs])

    @property
    def core_share(self) -> float:
        """The server's share of its core."""
        return middle([usage.core_share for usage in self.usages])

    @property
    def others_share(self) -> float:
        """Others' share of the server's core."""
        return middle([usage.others_share for usage in self.usages])

    @property
    def void(self) -> str:
        """Why no figure may be read off this; empty when one may."""
        if not self.reports:
            return "not run"
        return next((report.void for report in self.reports if report.void), "")

    @property
    def remarks(self) -> str:
        """What a reader of the figures must know."""
        said = [f"VOID: {self.void}"] if self.void else []
        if self.unanswered:
            said.append(f"{self.unanswered} turns unanswered")
        if self.others_share > BUSY:
            said.append(f"others used {self.others_share:.0%} of the server's core")
        return "; ".join(said)


@dataclass(frozen=True)
class Spell:
    """How long callers talk: seconds that do not count, then seconds that do."""

    warm_up_s: float
    counted_s: float


def attempt(
    server: Server,
    sessions: int,
    pattern: Pattern,
    spell: Spell,
    conditions: Conditions,
    repeats: int | None = None,
) -> Trial:
    """Run a load so often; what is void is run again, at most twice."""
    reports: list[Report] = []
    usages: list[Usage] = []
    again = _VOID_RUNS
    while len(reports) < (conditions.repeats if repeats is None else repeats):
        with on_core(cores()[1], conditions.first):
            meter = Meter(server)
            load = Load(server.socket_url, sessions, spell.counted_s, pattern, spell.warm_up_s)
            report = run(load)
            usage = meter.read()
        late = percentile(report.lateness_ms, 99)
        conditions.say(
            f"  {sessions} sessions, {pattern.chunk_ms} ms: added p50 {percentile(report.added_ms, 50):.1f} "
            f"p99 {percentile(report.added_ms, 99):.1f} ms, {len(report.turns)} turns, {report.unanswered} unanswered, "
            f"server {usage.core_share:.0%} of its core (others {usage.others_share:.0%}), client late p99 {late:.2f} ms "
            f"{report.void and 'VOID: ' + report.void}"
        )
        if report.void and again:
            again -= 1
            continue
        reports.append(report)
        usages.append(usage)
    return Trial(reports, usages)


def passes(trial: Trial, p99_ms: float) -> bool:
    """Every turn answered, in time, by a client that was in time."""
    return not trial.void and not trial.unanswered and trial.added(99) <= p99_ms


def capacity(
    server: Server, pattern: Pattern, spell: Spell, conditions: Conditions, bar: int, step: int, p99_ms: float
) -> tuple[int, Trial, Trial]:
    """The most sessions that were seen to pass, and the trials with the bar's number and with that one. 0: none did.

    The bar's number is a trial as any other (median of the condition's runs); what lies beyond it is felt for with single runs.
    """
    at_bar = best = attempt(server, bar, pattern, spell, conditions)
    most = bar if passes(at_bar, p99_ms) else 0

    def holds(sessions: float) -> bool:
        nonlocal most, best
        tried = attempt(server, int(sessions) // step * step, pattern, spell, conditions, 1)
        if passed := passes(tried, p99_ms):
            most, best = int(sessions) // step * step, tried
        return passed

    if not most:
        _ = holds(bar * 0.75) or holds(bar * 0.5)
    elif (guess := bar * 0.9 / max(0.05, at_bar.core_share)) >= bar + step:
        _ = holds(guess * 1.1) if holds(guess) else holds((bar + guess) / 2)
    return most, at_bar, best
