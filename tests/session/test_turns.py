"""Turn detection: thresholds, hysteresis, and media time instead of wall time."""

from __future__ import annotations

import pytest

from tests.session.rig import Rig, ticks
from vivavoce.protocol.session_objects import SemanticVad, ServerVad
from vivavoce.session.effects import Cancel, Prepare
from vivavoce.session.turns import (
    HYSTERESIS,
    PATIENCE,
    SEMANTIC_SILENCE_MS,
    Patience,
    Policy,
    Turn,
    TurnDetector,
)


def detector(**vad: float) -> TurnDetector:
    return TurnDetector(Policy.of(ServerVad(**vad), 200))  # type: ignore[arg-type]


@pytest.mark.parametrize(("p", "starts"), [(0.49, False), (0.5, True), (1.0, True)])
def test_speech_starts_at_the_threshold(p: float, starts: bool) -> None:
    assert (detector(threshold=0.5).judge(ticks(20), p) is Turn.STARTED) is starts


@pytest.mark.parametrize(("p", "goes_on"), [(0.5 - HYSTERESIS, True), (0.34, False)])
def test_speech_goes_on_a_little_below_it(p: float, goes_on: bool) -> None:
    ears = detector(threshold=0.5)
    ears.judge(ticks(20), 0.9)
    ears.judge(ticks(40), p)
    assert (ears.voiced_until == ticks(40)) is goes_on


@pytest.mark.parametrize("threshold", [0.0, 0.1])
def test_silence_is_never_speech(threshold: float) -> None:
    ears = detector(threshold=threshold)
    assert ears.judge(ticks(20), 0.0) is None
    assert ears.judge(ticks(40), 0.2) is Turn.STARTED
    # Even with the hysteresis below zero, utter silence ends the turn.
    assert [ears.judge(ticks(40 + 20 * n), 0.0) for n in range(1, 30)].count(Turn.STOPPED) == 1


def test_the_silence_window_is_exact() -> None:
    ears = detector(silence_duration_ms=500)
    ears.judge(ticks(20), 1.0)
    told = {at: turn for at in range(40, 600, 20) if (turn := ears.judge(ticks(at), 0.0)) is not None}
    assert told == {220: Turn.PAUSED, 520: Turn.STOPPED}


def test_the_turn_starts_where_the_first_voiced_window_does() -> None:
    ears = detector()
    ears.judge(ticks(32), 0.0)
    ears.judge(ticks(64), 1.0)
    assert ears.started_at == ticks(32)


@pytest.mark.parametrize(("eagerness", "silence_ms"), SEMANTIC_SILENCE_MS.items())
def test_eagerness_is_a_silence_window(eagerness: str, silence_ms: int) -> None:
    policy = Policy.of(SemanticVad(eagerness=eagerness), 0)  # type: ignore[arg-type]
    assert policy.silence == ticks(silence_ms)


@pytest.mark.parametrize(("eagerness", "patience"), PATIENCE.items())
def test_a_judged_turn_waits_as_long_as_it_may_until_it_is_judged(eagerness: str, patience: Patience) -> None:
    policy = Policy.of(SemanticVad(eagerness=eagerness), 0, judged=True)  # type: ignore[arg-type]
    assert policy.silence == ticks(patience.longest_ms)
    assert policy.soft_pause == ticks(200)
    assert patience.silence(1.0) == ticks(patience.shortest_ms)
    assert patience.silence(0.0) == ticks(patience.longest_ms)
    waits = [patience.silence(p / 10) for p in range(11)]
    assert waits == sorted(waits, reverse=True)


@pytest.mark.parametrize(("set_ms", "asked_after_ms"), [(0, 200), (120, 120), (350, 350)])
def test_a_judge_is_asked_at_the_soft_pause_that_is_set(set_ms: int, asked_after_ms: int) -> None:
    assert Policy.of(SemanticVad(), set_ms, judged=True).soft_pause == ticks(asked_after_ms)


def test_what_was_prepared_before_detection_was_switched_off_and_on_is_taken_back() -> None:
    rig = Rig(prepares=True)
    rig.hear(400, 1.0)
    rig.hear(260, 0.0)
    (first,) = rig.of(Prepare)
    for detection in (None, {"type": "server_vad"}):
        rig.send(
            "session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}}
        )
    rig.hear(400, 1.0)
    rig.hear(260, 0.0)
    assert len(rig.of(Prepare)) == 2
    assert [cancel.generation for cancel in rig.of(Cancel)] == [first.generation]


def test_the_longest_waits_are_the_protocols() -> None:
    assert {name: patience.longest_ms for name, patience in PATIENCE.items()} == {
        "low": 8000,
        "medium": 4000,
        "high": 2000,
        "auto": 4000,
    }


def test_what_is_over_cannot_be_given_up() -> None:
    ears = detector()
    assert ears.give_up() is None
    ears.judge(ticks(20), 1.0)
    assert ears.give_up() is Turn.STOPPED


def test_wall_time_does_not_matter() -> None:
    """A minute of audio in one go, or one that comes slowly, is judged by its own length."""
    fast, slow = Rig(), Rig()
    for rig, step_ms in ((fast, 0), (slow, 500)):
        for n in range(1, 61):
            rig.now_ms += step_ms
            rig.hear(20, 1.0 if n <= 20 else 0.0)
    for name in ("input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped"):
        assert len(fast.of_type(name)) == 1
        drop = {"event_id"}
        one, other = (
            {k: v for k, v in rig.of_type(name)[0].items() if k not in drop} for rig in (fast, slow)
        )
        assert one == other
    assert fast.of_type("input_audio_buffer.speech_stopped")[0]["audio_end_ms"] == 900


def test_padding_reaches_no_further_back_than_the_last_item() -> None:
    rig = Rig()
    rig.hear(400, 1.0)
    rig.hear(500, 0.0)
    rig.hear(100, 1.0)
    first, second = (event["audio_start_ms"] for event in rig.of_type("input_audio_buffer.speech_started"))
    assert (first, second) == (0, 900)


def test_old_silence_is_let_go() -> None:
    rig = Rig()
    rig.hear(30_000, 0.0)
    assert sum(frame.clip.ticks for frame in rig.machine.ear.input.since(0)) <= ticks(420)
    assert rig.machine.ear.input.position == ticks(30_000)
