"""The demo from the first line on the terminal to the last: server, call, files, summary."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import msgspec

from vivavoce.demo.assemble import recording_of
from vivavoce.demo.batch import rehearse
from vivavoce.demo.caller import Caller
from vivavoce.demo.dialling import make_call
from vivavoce.demo.files import CannotKeep, check_folder, write_call
from vivavoce.demo.lines import SpokenLine, speak_lines
from vivavoce.demo.record import Recording
from vivavoce.demo.server import Address, ServerFailed, own_server, until_ready
from vivavoce.demo.story import Story, shipped_story, story_of
from vivavoce.demo.summary import failures, last_lines, latency_table, next_command, too_slow
from vivavoce.demo.terminal import Ink, LiveTranscript, Progress
from vivavoce.protocol.errors import EngineError


@dataclass(frozen=True)
class Wishes:
    """What was asked for on the command line. `flags` are settings of a server that is started for the demo."""

    url: str | None = None
    key: str = "local"
    seed: int | None = None
    seeds: range | None = None
    out: Path = Path("demo-out")
    as_json: bool = False
    speed: float = 1.0
    """How much faster than real time the caller lives."""
    flags: Mapping[str, Any] = field(default_factory=dict)

    @property
    def story(self) -> Story:
        """The one call to be made."""
        return shipped_story() if self.seed is None else story_of(self.seed)


async def show(wishes: Wishes) -> int:
    """Do it. Returns the exit code: 0 everything was answered, 1 it was not, 2 there was no server, no voice or no place for the recording."""
    stream = sys.stderr if wishes.as_json else sys.stdout
    progress = Progress(stream, Ink(stream))
    try:
        check_folder(wishes.out)
        if wishes.seeds is not None:
            async with answering_server(wishes, progress) as address:
                return await rehearse(address, wishes.seeds, wishes.speed, wishes.out, stream)
        return await _one_call(wishes, stream, progress)
    except (ServerFailed, EngineError, CannotKeep) as error:
        print(f"vivavoce: {error}", file=sys.stderr)
        return 2


@contextlib.asynccontextmanager
async def answering_server(wishes: Wishes, progress: Progress) -> AsyncIterator[Address]:
    """The server to talk to, ready: a running one, or one for the time of the demo."""
    if wishes.url is not None:
        address = Address(wishes.url.rstrip("/").removesuffix("/v1"), wishes.key)
        progress(f"asking {address.url} whether it is ready")
        await until_ready(address, progress)
        yield address
        return
    # A caller who lives faster than the clock would hear gaps in answers that are sent only so far ahead of it.
    flags = {**wishes.flags, **({"session.output_lead_ms": 0} if wishes.speed > 1 else {})}
    progress(f"starting a server, engine {wishes.flags.get('engine.kind') or 'cascade'}")
    async with own_server(flags, progress) as address:
        progress(f"ready at {address.url}")
        yield address


async def _one_call(wishes: Wishes, stream: TextIO, progress: Progress) -> int:
    voices = asyncio.create_task(speak_lines(wishes.story))
    try:
        async with answering_server(wishes, progress) as address:
            lines = await voices
            caller, recording = await _call(wishes, address, lines, stream, progress)
    finally:
        voices.cancel()
        await asyncio.gather(voices, return_exceptions=True)
    try:
        await asyncio.to_thread(write_call, wishes.out, caller, recording)
    finally:
        # What was answered is known, whatever became of the recording.
        _tell_the_end(wishes, recording, stream)
    return 0 if all(check.passed for check in recording.checks) else 1


async def _call(
    wishes: Wishes, address: Address, lines: Mapping[str, SpokenLine], stream: TextIO, progress: Progress
) -> tuple[Caller, Recording]:
    progress("the caller dials")
    print(file=stream, flush=True)
    transcript = LiveTranscript(stream, Ink(stream))
    caller = await make_call(address, wishes.story, lines, wishes.speed, transcript.watch)
    transcript.update(caller, ended=True)
    return caller, recording_of(caller)


def _tell_the_end(wishes: Wishes, recording: Recording, stream: TextIO) -> None:
    names = recording.answering
    ink = Ink(stream)
    named = "; ".join(dict.fromkeys((names.vad, names.stt, names.llm, names.tts)))
    print(f"\nAnswered by {names.engine}: {named}", file=stream)
    for number, row in enumerate(latency_table(recording)):
        print(ink.paint("dim", row) if number < 2 else row, file=stream)
    for line in failures(recording):
        print(ink.paint("bad", line), file=stream)
    slow = too_slow(recording)
    if slow:
        print(ink.paint("bad", slow), file=stream)
    print(file=stream)
    for line in last_lines(recording, wishes.out, next_command(wishes.seed)):
        print(line, file=stream)
    stream.flush()
    if wishes.as_json:
        print(msgspec.json.format(msgspec.json.encode(summary_of(recording, wishes.out))).decode())


def summary_of(recording: Recording, folder: Path) -> dict[str, Any]:
    """The summary for programs; the whole record is in transcript.json."""
    return {
        "version": recording.version,
        "seed": recording.seed,
        "answering": recording.answering,
        "duration_ms": recording.duration_ms,
        "voice_to_voice_p50_ms": recording.voice_to_voice_p50_ms,
        "answered": sum(check.passed for check in recording.checks),
        "asked": len(recording.checks),
        "checks": recording.checks,
        "latencies": recording.latencies,
        "files": {name: str(folder / name) for name in ("call.html", "call.wav", "transcript.json")},
    }
