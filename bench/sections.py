"""The sections of bench/RESULTS.md: each measures something and says it as Markdown, with the figures that have a target."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench import churn, embedded, memory, micro
from bench.caller import Pattern
from bench.figures import shown, table
from bench.place import cores, on_core, served
from bench.sound import room, voice
from bench.trial import Conditions, Spell, Trial, attempt, capacity

P99_MS = 50.0
"""Added latency at which the largest number of sessions is looked for."""
SESSIONS = 100
ANSWER_MS = len(micro.ANSWER) * 60


@dataclass(frozen=True)
class Target:
    """A figure and the most it may be, or the least it must be."""

    name: str
    value: float
    bound: float
    unit: str
    least: bool = False

    @property
    def met(self) -> bool:
        """A figure that could not be taken is not met."""
        if math.isnan(self.value):
            return False
        return self.value >= self.bound if self.least else self.value <= self.bound

    def __str__(self) -> str:
        name, measured, bound, *_ = self.line
        return f"{name}: {measured.strip()} ({bound.strip()})"

    @property
    def line(self) -> list[str]:
        """A row of the table of targets; the ratio is value to target."""
        ratio = "-" if math.isnan(self.value) or not self.bound else f"{self.value / self.bound:.2f}"
        return [
            self.name,
            f"{shown(self.value, 0 if math.isnan(self.value) or float(self.value).is_integer() else 2)} {self.unit}",
            f"{'>=' if self.least else '<='} {self.bound:g} {self.unit}",
            ratio,
            "yes" if self.met else "NO",
        ]


@dataclass
class Section:
    """A part of the results."""

    title: str
    text: list[str] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)


@dataclass(frozen=True)
class Lengths:
    """How long the runs of one `make bench` are, in seconds."""

    alone: Spell
    loaded: Spell
    search: Spell
    embedded: Spell
    idle_s: float
    churn_minutes: float = 30.0
    whole: bool = True
    """Also the shorter silence window."""


FULL = Lengths(Spell(0.0, 16.0), Spell(2.0, 10.0), Spell(1.0, 6.0), Spell(0.0, 24.0), 40.0)
QUICK = Lengths(Spell(0.0, 4.0), Spell(0.0, 4.0), Spell(0.0, 4.0), Spell(0.0, 8.0), 1.0, 0.2, whole=False)

MOST = {("energy", 20): 160, ("energy", 100): 500, ("silero", 20): 120, ("silero", 100): 250}
"""How many speaking sessions a core must carry within P99_MS, by voice activity and length of a chunk."""


def scripted(vad: str) -> dict[str, str]:
    """The scripted engine's settings for a measurement."""
    return {"VIVAVOCE_SCRIPTED__VAD": vad, "VIVAVOCE_SCRIPTED__ANSWER": micro.ANSWER}


def pattern(vad: str, chunk_ms: int = 20) -> Pattern:
    """Speak a second, hear the answer, pause 0.6 s."""
    return Pattern(
        (voice(1000),),
        chunk_ms=chunk_ms,
        end_of_turn="window" if vad == "energy" else "reported",
        between=room(2000),
    )


_HEAD = (
    "VAD", "chunk", "sessions", "added p50 ms", "p99 ms", "input lag p99 ms", "turns", "server's core", "us/event",
    "client late p99 ms", "remarks",
)  # fmt: skip


def _row(vad: str, chunk_ms: int, sessions: str, trial: Trial, pooled: bool = False) -> list[str]:
    added = trial.pooled if pooled else trial.added
    return [
        vad,
        f"{chunk_ms} ms",
        sessions,
        shown(added(50), 2),
        shown(added(99), 2),
        shown(trial.lag(99), 0),
        str(trial.turns),
        f"{trial.core_share:.0%}" if trial.usages else "-",
        shown(trial.us_per_event, 0) if trial.usages else "-",
        shown(trial.late(), 2),
        trial.remarks if trial.reports else "no run passed",
    ]


def latency(lengths: Lengths, conditions: Conditions) -> tuple[Section, dict[str, Trial]]:
    """Added latency alone and at 100 sessions, with energy and with Silero; the trials with the hundred."""
    section = Section("The server alone: added latency")
    rows: list[Sequence[str]] = []
    loaded: dict[str, Trial] = {}
    for vad in ("energy", "silero"):
        conditions.say(f"latency, {vad}")
        try:
            with served("scripted", cores()[0], scripted(vad), conditions.first) as server:
                alone = attempt(server, 1, pattern(vad), lengths.alone, conditions)
                loaded[vad] = trial = attempt(server, SESSIONS, pattern(vad), lengths.loaded, conditions)
        except RuntimeError as missing:
            rows.append(_not_measured(vad, 20, missing, conditions))
            alone = trial = Trial([], [])
        else:
            rows += [_row(vad, 20, "1", alone, pooled=True), _row(vad, 20, str(SESSIONS), trial)]
        section.targets += [
            Target(f"added latency alone, p50, {vad}", alone.pooled(50), 5, "ms"),
            Target(f"added latency alone, p99, {vad}", alone.pooled(99), 20, "ms"),
            Target(f"added latency, {SESSIONS} sessions, p99, {vad}", trial.added(99), 50, "ms"),
            Target(f"input lag, {SESSIONS} sessions, p99, {vad}", trial.lag(99), 100, "ms"),
        ]
    section.text = [
        table(_HEAD, rows),
        "Alone, percentiles are over the turns of all runs together, since one run has only a few. Between their turns callers send what a "
        "microphone hears in a quiet room (noise at -60 dBFS), not digital silence, which is cheaper to judge.",
    ]
    return section, loaded


def most(vad: str, chunk_ms: int, lengths: Lengths, conditions: Conditions) -> Section:
    """Whether a core carries as many speaking sessions as it must, and about how many it carries."""
    bar = MOST[vad, chunk_ms]
    step = max(25, bar // 10)
    section = Section(f"Sessions of one core: {vad}, chunks of {chunk_ms} ms")
    name = f"sessions of a core with p99 <= {P99_MS:.0f} ms, {vad}, {chunk_ms} ms chunks"
    try:
        with served("scripted", cores()[0], scripted(vad), conditions.first) as server:
            found, at_bar, best = capacity(
                server, pattern(vad, chunk_ms), lengths.search, conditions, bar, step, P99_MS
            )
    except RuntimeError as missing:
        section.text = [table(_HEAD, [_not_measured(vad, chunk_ms, missing, conditions)])]
        section.targets = [Target(name, math.nan, bar, "", True)]
        return section
    rows = [_row(vad, chunk_ms, str(bar), at_bar)]
    if best is not at_bar:
        rows.append(_row(vad, chunk_ms, f"{found} (one run)", best))
    section.text = [table(_HEAD, rows)]
    section.targets = [Target(name, found, bar, "", True)]
    return section


def _not_measured(vad: str, chunk_ms: int, missing: RuntimeError, conditions: Conditions) -> list[str]:
    conditions.say(str(missing))
    return [vad, f"{chunk_ms} ms", *["-"] * (len(_HEAD) - 3), "not measured: the server did not start"]


def cost(conditions: Conditions, loaded: dict[str, Trial]) -> Section:
    """Where the time of an event goes."""
    conditions.say("cost per event")
    section = Section("Cost of an event")
    rows = []
    for chunk_ms, name in ((20, "energy"), (100, "")):
        with on_core(cores()[0], conditions.first):
            parts = micro.split(chunk_ms)
        trial = loaded.get(name)
        total = trial.us_per_event if trial and trial.usages else math.nan
        rows.append(
            [
                f"{chunk_ms} ms",
                shown(total),
                shown(total - parts.inside),
                shown(parts.decode),
                shown(parts.energy),
                shown(parts.machine),
                shown(parts.driver),
                shown(parts.silero),
                shown(parts.tick),
            ]
        )
        if chunk_ms == 20:
            section.targets.append(Target("the machine, 20 ms tick", parts.tick, 10, "us"))
    head = (
        "chunk", "server, total", "socket", "decode", "VAD (energy)", "machine", "driver, encoding", "VAD (Silero)",
        "machine, quiet tick",
    )  # fmt: skip
    section.text = [
        table(head, rows),
        f"Microseconds of CPU per input chunk, the turn's answer spread over its chunks. Total: from the process times at {SESSIONS} sessions; "
        "socket: what is left of it when everything that was measured inside the process is taken away (kernel, event loop, WebSocket and "
        "ASGI layers, and colder caches than a tight loop has). Silero replaces the energy VAD where it is on.",
    ]
    return section


def remembered(lengths: Lengths, conditions: Conditions) -> Section:
    """Memory, and the CPU of sessions that do nothing."""
    conditions.say("memory")
    section = Section("Memory and idle sessions")
    with (
        served("scripted", cores()[0], scripted("energy"), conditions.first) as server,
        on_core(cores()[1], conditions.first),
    ):
        started_mb = server.rss_mb()
        idle = memory.measure_idle(server, SESSIONS, ANSWER_MS, lengths.idle_s)
    with (
        served("scripted", cores()[0], scripted("energy"), conditions.first) as server,
        on_core(cores()[1], conditions.first),
    ):
        turns = memory.measure_long(server, 12_000, 1000)
    with (
        served("scripted", cores()[0], scripted("energy"), conditions.first) as server,
        on_core(cores()[1], conditions.first),
    ):
        one = memory.measure_long(server, 600_000, 1000)
    try:
        with served("scripted", cores()[0], scripted("silero"), conditions.first) as server:
            silero_mb = server.rss_mb()
    except RuntimeError:
        silero_mb = math.nan
    section.targets = [
        Target("a session that had one turn and idles", idle.mb_each, 0.5, "MB"),
        Target("a session that spoke for 10 minutes, in turns", turns.grown_mb, 16 + 6, "MB"),
        Target("a session that spoke for 10 minutes without a pause", one.grown_mb, 16 + 6, "MB"),
        Target("server with the scripted engine, RSS", started_mb, 120, "MB"),
        # 0.0 % is what rounds to it.
        Target(f"CPU of {idle.sessions} idle sessions, share of a core", 100 * idle.cpu, 0.05, "%"),
    ]
    rows = [
        ["server, scripted engine, ready", f"{started_mb:.1f} MB"],
        ["the same with Silero", f"{shown(silero_mb)} MB"],
        [f"server with {idle.sessions} sessions that had one turn", f"{idle.rss_mb:.1f} MB"],
        ["each of them", f"{idle.mb_each:.3f} MB"],
        ["CPU when nobody is there, share of a core", f"{idle.cpu_alone:.3%}"],
        [f"{idle.sessions} idle sessions add", f"{idle.cpu:.3%}"],
        [f"10 minutes in turns of 12 s ({turns.answers} answers), growth", f"{turns.grown_mb:.1f} MB"],
        ["10 minutes in one breath, growth", f"{one.grown_mb:.1f} MB"],
    ]
    problems = [problem for problem in (idle.problem, turns.closed, one.closed) if problem]
    section.text = [
        table(("what", "figure"), rows),
        "The caps: 16 MB of item audio a call and 60 s of audio an item (3 MB in the input buffer); 3 MB are allowed for everything else. The "
        "10 minutes are sent as fast as the server takes them.",
        *(f"**{problem}**" for problem in problems),
    ]
    return section


def came_and_went(found: churn.Churn) -> Section:
    """What is left of callers who are gone."""
    section = Section("Callers who come and go")
    first, last = found.samples[0], found.samples[-1]
    long_enough = found.minutes > 10
    if long_enough:
        section.targets.append(
            Target("growth of RSS over callers who come and go", found.slope_mb_h, 1, "MB/h")
        )
    section.targets += [
        Target("file descriptors left behind", found.descriptors_left, 0, ""),
        Target("threads left behind", found.threads_left, 0, ""),
        Target("tasks left behind", found.tasks_left, 0, ""),
    ]
    rows = [
        ["calls", str(churn.SESSIONS), str(found.calls)],
        ["RSS, MB", f"{first.rss_mb:.1f}", f"{last.rss_mb:.1f}"],
        ["file descriptors", str(first.descriptors), str(last.descriptors)],
        ["threads", str(first.threads), str(last.threads)],
        ["tasks of the event loop", str(first.tasks), str(last.tasks)],
    ]
    section.text = [
        table(("what", "after the first round", "after the last"), rows),
        f"Rounds of {churn.SESSIONS} callers over {found.minutes:.1f} minutes: connect, a turn, leave. The slope is a least-squares line through "
        "the last two thirds" + ("." if long_enough else "; too short a run to tell anything of it."),
        *(f"**{problem}**" for problem in found.problems[:3]),
    ]
    return section


def models(lengths: Lengths, conditions: Conditions) -> Section:
    """The embedded models, one caller."""
    conditions.say("embedded models")
    section = Section("Embedded models, one caller")
    settings = embedded.SETTINGS if lengths.whole else embedded.SETTINGS[:2]
    outcomes = embedded.measure(settings, lengths.embedded, conditions)
    rows = [_outcome(outcome) for outcome in outcomes]
    head = (
        "silence window", "speculation", "first audio p50 ms", "max ms", "turns", "answered as prepared", "discarded",
        "end of turn to transcript ms", "CPU s per turn", "remarks",
    )  # fmt: skip
    section.text = [
        table(head, rows),
        "End of turn: the chunk with which the server's voice activity model found the silence window complete (`audio_end_ms`). "
        "Sentences are spoken by the project's own synthesizer; two of six hesitate in the middle, "
        "long enough for an answer to be prepared in vain. CPU: server and workers together, listening included.",
        *(_cost_of_speculation(*pair) for pair in zip(outcomes[::2], outcomes[1::2], strict=True)),
    ]
    for outcome in outcomes:
        if outcome.setting.silence_ms == 500:
            kind, most = (
                ("with speculation", 50.0)
                if outcome.setting.soft_pause_ms
                else ("without speculation", 250.0)
            )
            section.targets.append(
                Target(
                    f"embedded models, first audio p50, window 500 ms, {kind}",
                    outcome.first_audio(50),
                    most,
                    "ms",
                )
            )
    return section


def _cost_of_speculation(on: embedded.Outcome, off: embedded.Outcome) -> str:
    """What preparing costs is only to be seen in the difference between two runs, which their spread bounds."""
    return (
        f"Window {on.setting.silence_ms} ms: {on.discarded} of {on.adopted + on.discarded} prepared answers discarded; with speculation "
        f"a turn costs {1000 * (on.cpu_s - off.cpu_s):+.0f} ms of CPU, {on.cpu_s / off.cpu_s - 1:+.0%}."
    )


def _outcome(outcome: embedded.Outcome) -> list[str]:
    setting, turns = outcome.setting, outcome.turns
    return [
        f"{setting.silence_ms} ms",
        f"at {setting.soft_pause_ms} ms" if setting.soft_pause_ms else "off",
        shown(outcome.first_audio(50)),
        shown(outcome.first_audio(100)),
        str(len(turns)),
        f"{outcome.adopted}/{len(turns)}",
        str(outcome.discarded)
        + (f" ({outcome.discarded_share:.0%} of prepared)" if outcome.discarded else ""),
        shown(outcome.stage("stt_final", "vad_stop"), 0),
        shown(outcome.cpu_s, 2),
        outcome.trial.remarks,
    ]
