"""Random and mutated events, half of them valid and stateful: nothing but ClientError, and every row of every table reached."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.proofs import Proof
from tests.session.walker import Walk
from vivavoce.protocol.client_events import CLIENT_EVENT_TYPES
from vivavoce.session import response, turns

STEPS, LONG_STEPS = 60, 400


class Watched(dict[Any, Any]):
    """A transition table that remembers which of its rows were used."""

    def __init__(self, table: dict[Any, Any]) -> None:
        super().__init__(table)
        self.used = Counter[Any]()

    def __getitem__(self, row: Any) -> Any:
        after = super().__getitem__(row)
        self.used[row] += 1
        return after

    def names(self) -> list[str]:
        """The rows that were used, as tests name them."""
        return [f"{row[0]} -{row[1]}-> {after}" for row, after in self.items() if self.used[row]]


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> list[Watched]:
    watched = [Watched(turns.TRANSITIONS), Watched(response.TRANSITIONS)]
    monkeypatch.setattr(turns, "TRANSITIONS", watched[0])
    monkeypatch.setattr(response, "TRANSITIONS", watched[1])
    return watched


def walk(seed: int, steps: int = STEPS) -> Walk:
    """One run; what goes wrong in it is told with its seed and its last steps."""
    made = Walk(seed)
    try:
        made.run(steps)
    except Exception as error:
        trace = "\n".join(made.trace[-40:])
        pytest.fail(f"seed {seed}: {type(error).__name__}: {error}\n{trace}\n")
    return made


def test_random_walks_raise_nothing_but_client_errors(proof: Proof, tables: list[Watched]) -> None:
    runs = proof.size(reduced=400, full=10_000)
    total = Counter[str]()
    for seed in range(runs):
        steps = LONG_STEPS if seed % 25 == 0 else STEPS
        total += walk(proof.seed * 1_000_000 + seed, steps).count
    reached = [name for table in tables for name in table.names()]
    print("\n".join(reached))
    assert len(reached) == sum(len(table) for table in tables)
    assert 0.4 < total["valid"] / (total["valid"] + total["spoilt"]) < 0.6
    # The walks go everywhere: everything the session can send was sent.
    assert total["error"] > runs
    assert {name for name in total if name.startswith(("response.", "conversation.", "input_"))} >= EVERYTHING
    proof.result(
        f"nothing but ClientError; {total['valid'] + total['spoilt']:,} client events, {total['signals']:,} signals, "
        f"{total['events']:,} server events, all read strictly; rows reached: {', '.join(reached)}"
    )


EVERYTHING = {
    "conversation.item.added",
    "conversation.item.deleted",
    "conversation.item.done",
    "conversation.item.input_audio_transcription.completed",
    "conversation.item.input_audio_transcription.delta",
    "conversation.item.input_audio_transcription.failed",
    "conversation.item.retrieved",
    "conversation.item.truncated",
    "input_audio_buffer.cleared",
    "input_audio_buffer.committed",
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "response.content_part.added",
    "response.content_part.done",
    "response.created",
    "response.done",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.output_audio.delta",
    "response.output_audio.done",
    "response.output_audio_transcript.delta",
    "response.output_audio_transcript.done",
    "response.output_item.added",
    "response.output_item.done",
    "response.output_text.delta",
    "response.output_text.done",
}


def test_the_same_seed_gives_the_same_session() -> None:
    for seed in range(20):
        assert walk(seed).digest.hexdigest() == walk(seed).digest.hexdigest()
    assert walk(1).digest.hexdigest() != walk(2).digest.hexdigest()


def test_every_client_event_is_part_of_the_walk() -> None:
    from tests.session.random_events import _KINDS

    assert {kind for kind, _ in _KINDS} == set(CLIENT_EVENT_TYPES)
