"""What a hop costs: the same callers on a server, and on one that relays to it."""

from __future__ import annotations

from collections.abc import Sequence

from bench.figures import shown, table
from bench.place import cores, served
from bench.sections import Lengths, Section, Target, pattern, scripted
from bench.trial import Conditions, Trial, attempt

CALLERS = 20
"""Few enough that the server behind the relay, which shares a core with the callers, is not what is measured."""
P50_MS, P99_MS = 2.0, 10.0
SHARE = 0.6
_HEAD = ("", "added p50 ms", "p99 ms", "turns", "core", "us/event", "client late p99 ms", "remarks")


def relay(lengths: Lengths, conditions: Conditions) -> Section:
    """Added latency of the hop, and sessions per core against direct ones by the CPU time that a chunk costs."""
    section = Section("A hop: the relay in front of a second server")
    core, client = cores()
    speech = pattern("energy")
    with served("scripted", core, scripted("energy"), conditions.first) as server:
        direct = attempt(server, CALLERS, speech, lengths.loaded, conditions)
    behind = core if client is None else client
    with served("scripted", behind, scripted("energy"), conditions.first) as upstream:
        there = {"VIVAVOCE_UPSTREAM_URL": upstream.url}
        with served("relay", core, there, conditions.first) as server:
            relayed = attempt(server, CALLERS, speech, lengths.loaded, conditions)
    section.targets = [
        Target("added latency of a hop, p50", relayed.pooled(50) - direct.pooled(50), P50_MS, "ms"),
        Target("added latency of a hop, p99", relayed.pooled(99) - direct.pooled(99), P99_MS, "ms"),
        Target(
            "relayed sessions per core, against direct ones",
            direct.us_per_event / relayed.us_per_event,
            SHARE,
            "",
            least=True,
        ),
    ]
    section.text = [
        table(_HEAD, [_row("direct", direct), _row("relayed", relayed)]),
        f"{CALLERS} callers, 20 ms chunks, energy. The latency of a hop is the difference of the percentiles; sessions per core go by the server's CPU "
        "time for each chunk, since two cores cannot hold the callers of a full relay and the server behind it. That server is on the callers' core.",
    ]
    return section


def _row(name: str, trial: Trial) -> Sequence[str]:
    return [
        name,
        shown(trial.pooled(50), 2),
        shown(trial.pooled(99), 2),
        str(trial.turns),
        f"{trial.core_share:.0%}",
        shown(trial.us_per_event, 0),
        shown(trial.late(), 2),
        trial.remarks,
    ]
