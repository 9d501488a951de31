"""The end of a demo on the terminal: the latency table, what was missing, and the last four lines."""

from __future__ import annotations

from pathlib import Path

from vivavoce.demo.record import Recording
from vivavoce.demo.terminal import clock_of

STAGES = {
    "vad_stop": "turn over",
    "stt_final": "recognised",
    "llm_first_token": "first word",
    "first_audio": "first audio",
}
"""Stages of the server's clock that are shown, in order, with their headings."""


EMBEDDED = ("pocketsphinx",)
"""What recognises on this machine, in the server's words."""
LATE_MS = 1000
SLOW_RECOGNITION_MS = 3000


def latency_table(recording: Recording) -> list[str]:
    """A row per line of the caller: the server's stages, and what the caller measured."""
    stages = {run.response_id: run.stages for run in recording.responses}
    heads = [*STAGES.values(), "heard", "answer"]
    rows = [
        "Latency, ms after the caller's last sound (stages by the server's clock; heard and answer by the caller's ear)"
    ]
    rows.append(f"{'':8} {'line':<8}" + "".join(f"{head:>13}" for head in heads))
    for one in recording.latencies:
        first = stages.get(one.responses[0], {}) if one.responses else {}
        cells = (
            [first.get(stage) for stage in STAGES]
            if one.voice_to_voice_ms is not None
            else [None] * len(STAGES)
        )
        cells += [one.voice_to_voice_ms, one.answer_ms]
        rows.append(f"{clock_of(one.speech_end_ms):8} {one.line:<8}" + "".join(_cell(cell) for cell in cells))
    return rows


def _cell(value: int | None) -> str:
    return f"{'-' if value is None else value:>13}"


def last_lines(recording: Recording, folder: Path, command: str) -> list[str]:
    """What was answered, how fast, where the page is, what to try next."""
    passed = [check for check in recording.checks if check.passed]
    p50 = recording.voice_to_voice_p50_ms
    return [
        f"answered {len(passed)} of {len(recording.checks)}: {', '.join(check.name for check in passed) or 'nothing'}",
        f"voice to voice p50 {p50} ms" if p50 is not None else "voice to voice: the agent was never heard",
        f"page  {folder / 'call.html'}   (sound: {folder / 'call.wav'}, record: {folder / 'transcript.json'})",
        f"next  {command}",
    ]


def too_slow(recording: Recording) -> str | None:
    """One sentence where the machine could not keep up with a call, so that what is missing does not look like a fault of ours."""
    clocks = [run.stages for run in recording.responses]
    heard_ms = [
        clock["stt_final"] - clock["vad_stop"]
        for clock in clocks
        if {"stt_final", "vad_stop"} <= clock.keys()
    ]
    slowest_ms = max(heard_ms, default=0) if recording.answering.stt in EMBEDDED else 0
    said = []
    if recording.late_ms > LATE_MS:
        said.append(f"the caller's sound was up to {recording.late_ms / 1000:.1f} s late")
    if slowest_ms > SLOW_RECOGNITION_MS:
        said.append(f"recognising a turn took up to {slowest_ms / 1000:.1f} s")
    if not said:
        return None
    return (
        f"This machine was too slow for a call in real time: {' and '.join(said)}. "
        "Try again when less runs on it, or with --engine scripted."
    )


def failures(recording: Recording) -> list[str]:
    """What was not answered and what was found instead, and what the server complained about."""
    lines = [f"not answered: {check.name}: {check.found}" for check in recording.checks if not check.passed]
    return lines + [f"server error: {error}" for error in recording.errors]


def next_command(seed: int | None) -> str:
    """Another call from the shipped one, talking oneself after that."""
    return (
        "vivavoce demo --seed 7   (another order, other voices; then: vivavoce talk)"
        if seed is None
        else "vivavoce talk"
    )
