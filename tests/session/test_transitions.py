"""Every row of every transition table, by name."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from tests.session.rig import ticks
from vivavoce.protocol.ids import IdSource
from vivavoce.protocol.responses import ResponseObject, ResponseStatus, Usage
from vivavoce.protocol.session_objects import ServerVad, SessionObject
from vivavoce.protocol.sessions import override_response
from vivavoce.session import response as responses
from vivavoce.session import turns
from vivavoce.session.effects import Send
from vivavoce.session.outbox import Outbox
from vivavoce.session.response import Ending, Response
from vivavoce.session.turns import Policy, Turn, TurnDetector


def row_id(value: Any) -> str | None:
    """`in_progress -cancel-> cancelled`"""
    return f"{value[0]} -{value[1]}-> {value[2]}" if isinstance(value, tuple) else None


TURN_ROWS = [(state, event, after) for (state, event), after in turns.TRANSITIONS.items()]
TURNS: dict[tuple[str, str], Turn | None] = {
    ("quiet", "voice"): Turn.STARTED,
    ("speaking", "voice"): None,
    ("speaking", "pause"): Turn.PAUSED,
    ("speaking", "silence"): Turn.STOPPED,
    ("pausing", "voice"): Turn.RESUMED,
    ("pausing", "silence"): Turn.STOPPED,
    ("quiet", "reset"): None,
    ("speaking", "reset"): None,
    ("pausing", "reset"): None,
}
"""What each row tells the session."""


class Ears:
    """A detector with a soft pause of 100 ms and a silence window of 300 ms, fed windows of 20 ms."""

    def __init__(self) -> None:
        self.detector = TurnDetector(Policy.of(ServerVad(silence_duration_ms=300), 100))
        self.at_ms = 0

    def hear(self, p: float, ms: int) -> Turn | None:
        told = None
        for _ in range(ms // 20):
            self.at_ms += 20
            told = self.detector.judge(ticks(self.at_ms), p)
        return told


def in_state(state: turns.State) -> Ears:
    ears = Ears()
    if state != "quiet":
        ears.hear(1.0, 100)
    if state == "pausing":
        ears.hear(0.0, 100)
    assert ears.detector.state == state
    return ears


@pytest.mark.parametrize("row", TURN_ROWS, ids=row_id)
def test_turn_detection(row: tuple[turns.State, turns.Input, turns.State]) -> None:
    state, event, after = row
    ears = in_state(state)
    told: Turn | None = None
    match event:
        case "voice":
            told = ears.hear(1.0, 20)
        case "pause":
            told = ears.hear(0.0, 100)
        case "silence" if state == "speaking":
            # A soft pause only exists when it is shorter than the window.
            ears.detector.policy = Policy.of(ServerVad(silence_duration_ms=100), 100)
            told = ears.hear(0.0, 100)
        case "silence":
            told = ears.hear(0.0, 200)
        case "reset":
            ears.detector.reset()
    assert ears.detector.state == after
    assert told is TURNS[state, event]


def test_turn_detection_has_no_other_rows() -> None:
    assert set(TURNS) == set(turns.TRANSITIONS)
    states, inputs = get_args(turns.State), get_args(turns.Input)
    missing = {(state, event) for state in states for event in inputs} - set(turns.TRANSITIONS)
    # Silence while nobody speaks and a second pause are no inputs at all.
    assert missing == {("quiet", "pause"), ("quiet", "silence"), ("pausing", "pause")}


RESPONSE_ROWS = [(status, ending, after) for (status, ending), after in responses.TRANSITIONS.items()]


def make_response() -> tuple[Outbox, Response]:
    outbox = Outbox(IdSource("rows").new)
    made = ResponseObject(id="resp_1", status="in_progress", output=[], output_modalities=["text"])
    return outbox, Response(
        outbox, None, made, override_response(SessionObject(id="sess_1", model="m"), None)
    )


@pytest.mark.parametrize("row", RESPONSE_ROWS, ids=row_id)
def test_response(row: tuple[ResponseStatus, Ending, ResponseStatus]) -> None:
    before, ending, after = row
    outbox, response = make_response()
    assert response.object.status == before
    response.end(ending, Usage())
    assert response.object.status == after
    done = [effect.event for effect in outbox.drain() if isinstance(effect, Send)]
    assert [str(type(event).__struct_config__.tag) for event in done] == [
        "response.created",
        "response.done",
        "rate_limits.updated",
    ]
    assert done[0].response.status == "in_progress"  # type: ignore[union-attr]
    assert done[1].response.status == after  # type: ignore[union-attr]


def test_response_endings_are_all_there_is() -> None:
    assert {ending for _, ending, _ in RESPONSE_ROWS} == set(get_args(Ending))
    assert {after for _, _, after in RESPONSE_ROWS} == set(get_args(ResponseStatus)) - {"in_progress"}


@pytest.mark.parametrize("ending", get_args(Ending))
def test_a_response_ends_once(ending: Ending) -> None:
    _, response = make_response()
    response.end("finish", Usage())
    with pytest.raises(KeyError):
        response.end(ending, Usage())
