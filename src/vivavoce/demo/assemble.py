"""From what the caller said, heard and ran to a `Recording`: also while the call goes on, for whoever watches."""

from __future__ import annotations

import statistics

import vivavoce
from vivavoce.demo.caller import Caller
from vivavoce.demo.record import FORMAT, Latency, Recording, Turn
from vivavoce.demo.sound import audible_span_ms, bytes_of
from vivavoce.demo.speaker import Track
from vivavoce.demo.spoken import SaidLine, words_of
from vivavoce.demo.wants import check


def turns_of(caller: Caller) -> list[Turn]:
    """Everything that was said so far, by its beginning."""
    said = [_caller_turn(caller, place) for place in range(len(caller.said))]
    heard = [_agent_turn(caller, track) for track in caller.ear.speaker.tracks.values() if track.started]
    return sorted([*said, *heard], key=lambda turn: turn.start_ms)


def recording_of(caller: Caller) -> Recording:
    """The call as far as it went."""
    latencies = [_latency(caller, place) for place in range(len(caller.said))]
    measured = [one.voice_to_voice_ms for one in latencies if one.voice_to_voice_ms is not None]
    recording = Recording(
        format=FORMAT,
        version=vivavoce.__version__,
        seed=caller.story.seed,
        answering=caller.ear.answering,
        duration_ms=caller.microphone.position_ms,
        voice_to_voice_p50_ms=round(statistics.median(measured)) if measured else None,
        checks=[],
        turns=turns_of(caller),
        tools=caller.desk.runs,
        truncations=caller.ear.truncations,
        latencies=latencies,
        responses=list(caller.ear.responses.values()),
        errors=caller.ear.errors,
        late_ms=caller.late_ms,
    )
    recording.checks = check(caller.story, recording)
    return recording


def _caller_turn(caller: Caller, place: int) -> Turn:
    line = caller.said[place]
    begins, ends = _window(caller, place)
    ear = caller.ear
    items = [item_id for item_id, at_ms in ear.heard_turns.items() if begins <= at_ms < ends]
    understood = [ear.understood[item_id] for item_id in items if item_id in ear.understood]
    return Turn(
        role="caller",
        kind="line",
        text=line.text,
        start_ms=line.start_ms,
        end_ms=line.end_ms,
        words=list(line.words),
        line=line.key,
        understood=" ".join(understood) if understood else None,
        item_id=items[0] if items else None,
    )


def _agent_turn(caller: Caller, track: Track) -> Turn:
    ear = caller.ear
    kept = next((cut.kept for cut in ear.truncations if cut.item_id == track.item_id), None)
    return Turn(
        role="agent",
        kind="preamble" if track.item_id in ear.preambles else "answer",
        text=track.text.strip(),
        start_ms=track.start_ms,
        end_ms=track.end_ms,
        words=words_of(track, kept),
        item_id=track.item_id,
        response_id=track.response_id,
        cut=track.cut,
    )


def _window(caller: Caller, place: int) -> tuple[int, int]:
    """From a line's beginning to the next one's."""
    after = caller.said[place + 1].start_ms if place + 1 < len(caller.said) else 1 << 60
    return caller.said[place].start_ms, after


def _latency(caller: Caller, place: int) -> Latency:
    line = caller.said[place]
    begins, ends = _window(caller, place)
    ear = caller.ear
    responses = [run.response_id for run in ear.responses.values() if begins <= run.created_ms < ends]
    sounds = [
        (_audible_from(track), track.item_id in ear.preambles)
        for track in ear.speaker.tracks.values()
        if track.response_id in responses and track.started
    ]
    return Latency(
        line=line.key,
        speech_end_ms=line.end_ms,
        voice_to_voice_ms=_first(line, [at_ms for at_ms, _ in sounds]),
        answer_ms=_first(line, [at_ms for at_ms, preamble in sounds if not preamble]),
        responses=responses,
    )


def _first(line: SaidLine, moments: list[int]) -> int | None:
    return min(moments) - line.end_ms if moments else None


def _audible_from(track: Track) -> int:
    """When the item's first audible sample left the loudspeaker."""
    span = audible_span_ms(bytes(track.pcm[: track.played]))
    return track.moment_of(bytes_of(span[0])) if span else track.start_ms
