"""Sections about running the server for many: with more callers than seats, and in several processes."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from functools import partial

from bench import scale
from bench.crowd import Crowd, Outcome
from bench.figures import percentile, shown, table
from bench.load import Load, Report, run
from bench.place import cores, on_core, served
from bench.sections import P99_MS, SESSIONS, Lengths, Section, Target, pattern, scripted
from bench.trial import Conditions, Spell

EVERY_S = 1.0
"""Whoever is refused comes back after a second, five times as soon as told."""
PHASE_S = 4.2
"""A turn's length, so that every session has one in each phase."""
PHASES = 10
WORTH = 1.8
"""What two processes on two cores must hold, in times of one."""


@dataclass
class _Siege:
    """What was measured with a crowd before the door: added latency with nobody there and with the crowd, in ms."""

    calm_ms: list[float] = field(default_factory=list)
    crowded_ms: list[float] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    refused: int = 0
    """By the server's own count."""

    def take(self, report: Report, outcome: Outcome) -> None:
        """Add a run."""
        self.outcomes.append(outcome)
        self.problems += [report.void] if report.void else []
        self.problems += [f"{report.unanswered} turns unanswered"] if report.unanswered else []
        for turn in report.turns:
            if turn.answered and turn.completed_s:
                crowded = outcome.is_there(turn.completed_s)
                (self.crowded_ms if crowded else self.calm_ms).append(turn.added_ms)

    @property
    def tried(self) -> int:
        """Attempts of the crowd."""
        return sum(each.tried for each in self.outcomes)

    @property
    def clean(self) -> int:
        """Those that were refused as they should be."""
        return sum(each.clean for each in self.outcomes)

    def change(self, percent: float) -> float:
        """By how many percent a percentile grows with the crowd; one that shrinks is no growth."""
        if not self.calm_ms or not self.crowded_ms:
            return math.nan
        return max(0.0, 100 * (percentile(self.crowded_ms, percent) / percentile(self.calm_ms, percent) - 1))


def overload(lengths: Lengths, conditions: Conditions) -> Section:
    """Full of running sessions, with as many callers again before the door: what those inside notice, and what those outside are told."""
    conditions.say("overload")
    siege = _Siege()
    variables = scripted("energy") | {"VIVAVOCE_LIMITS__MAX_SESSIONS": str(SESSIONS)}
    with served("scripted", cores()[0], variables, conditions.first) as server:
        for _ in range(conditions.repeats):
            report, outcome = _besieged(server.socket_url, lengths, conditions)
            server.wait_until_empty()
            siege.take(report, outcome)
            conditions.say(
                f"  p50 {percentile(siege.calm_ms, 50):.2f} -> {percentile(siege.crowded_ms, 50):.2f} ms, {outcome}"
            )
        siege.refused = sum(server.load()["refused"].values())
    return _told(siege)


def _told(siege: _Siege) -> Section:
    """The section's targets and text."""
    tried = siege.tried
    told_so, counted = (100 * count / max(1, tried) for count in (siege.clean, siege.refused))
    section = Section("More callers than seats")
    section.targets = [
        Target("latency of running sessions at overload, p50, change", siege.change(50), 10, "%"),
        Target("latency of running sessions at overload, p95, change", siege.change(95), 10, "%"),
        Target("refused callers told so by 503 or 429 with Retry-After", told_so, 100, "%", True),
        Target("refusals that the server counted, of all", counted, 100, "%", True),
    ]
    rows = [
        [name, *(shown(percentile(values, percent), 2) for percent in (50, 95, 99)), str(len(values))]
        for name, values in (
            ("nobody before the door", siege.calm_ms),
            (f"{SESSIONS} refused a second", siege.crowded_ms),
        )
    ]
    others: Counter[str] = Counter()
    for outcome in siege.outcomes:
        others.update(outcome.others)
    problems = [*siege.problems, *(f"{count} times: {what}" for what, count in others.items())]
    section.text = [
        table(("", "added p50 ms", "p95 ms", "p99 ms", "turns"), rows),
        f"{SESSIONS} sessions speak and have all the seats; {SESSIONS} more callers try again {EVERY_S:g} s after each refusal, in every other phase of "
        f"{PHASE_S:g} s, so that the same sessions are measured with and without them. {tried} attempts, {siege.clean} clean refusals.",
        *(f"**{problem}**" for problem in problems[:3]),
    ]
    return section


def _besieged(url: str, lengths: Lengths, conditions: Conditions) -> tuple[Report, Outcome]:
    """One run. The crowd shares the client's core."""
    counted_s = PHASE_S * (PHASES if lengths.whole else 2)
    with on_core(cores()[1], conditions.first), Crowd(url, SESSIONS, EVERY_S, PHASE_S) as crowd:
        load = Load(url, SESSIONS, counted_s, pattern("energy"), stagger_s=PHASE_S)
        report = run(load, at_begin=crowd.began)
        return report, crowd.over()


def workers(lengths: Lengths, conditions: Conditions) -> Section:
    """How many sessions two processes hold on two cores, in times of one on one."""
    section = Section("Two processes on two cores")
    used = scale.used_cores()
    if len(used) < 2:
        section.text = ["Not measured: there is one core only."]
        section.targets = [Target("sessions of two workers, in times of one", math.nan, WORTH, "times", True)]
        return section
    spell = Spell(1.0, 5.0) if lengths.whole else Spell(0.0, 4.0)
    found: dict[int, int] = {}
    with scale.clients() as pool:
        for count in (1, 2):
            conditions.say(f"workers, {count}")
            start = (100 if lengths.whole else 20) if count == 1 else max(20, int(WORTH * found[1]))
            variables = scripted("energy") | {"VIVAVOCE_SERVER__WORKERS": str(count)}
            with served("scripted", used[-count:], variables) as server:
                scale.pin(server)
                clients = scale.Clients(pool, server, pattern("energy"))
                enough = scale.MOST_SESSIONS if lengths.whole else start
                found[count] = scale.most(
                    partial(clients.talk, spell=spell),
                    start,
                    40 * count,
                    scale.STEP * count,
                    P99_MS,
                    conditions.say,
                    enough,
                )
    ratio = found[2] / found[1] if found[1] else math.nan
    section.targets = [Target("sessions of two workers, in times of one", ratio, WORTH, "times", True)]
    section.text = [
        table(("processes", "cores", "most sessions"), [[str(n), str(n), str(found[n])] for n in (1, 2)]),
        f"Energy, chunks of 20 ms, p99 <= {P99_MS:.0f} ms, every turn answered; single runs, a failed one is tried once more. Callers are shared out over the "
        "same cores as the server, one client process on each, so these are fewer sessions than a core of its own carries.",
    ]
    return section
