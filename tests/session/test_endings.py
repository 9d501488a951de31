"""The end of a session: whatever was begun ends, and nothing new begins."""

from __future__ import annotations

from tests.session.rig import Rig
from vivavoce.session.effects import Cancel, Hangup
from vivavoce.session.signals import TextDelta


def test_every_response_ends_before_the_session_does() -> None:
    rig = Rig(max_duration_s=60, soft_pause_ms=200)
    rig.send("response.create")
    rig.signal(TextDelta(rig.generation, "Hello. "))
    rig.send("response.create", response={"conversation": "none", "output_modalities": ["text"]})
    rig.tick(60_000)
    created = [event["response"]["id"] for event in rig.of_type("response.created")]
    done = {event["response"]["id"]: event["response"] for event in rig.of_type("response.done")}
    assert sorted(created) == sorted(done)
    assert {response["status"] for response in done.values()} == {"cancelled"}
    assert rig.events[-1]["error"]["code"] == "session_expired"
    assert isinstance(rig.effects[-1], Hangup)


def test_a_turn_whose_words_are_still_to_come_ends_as_well() -> None:
    rig = Rig(prepares=True, max_duration_s=60)
    rig.hear(1000, 0.9)
    rig.hear(800, 0.0)
    rig.tick(60_000)
    assert len(rig.of_type("response.created")) == len(rig.of_type("response.done")) == 1


def test_what_was_prepared_for_nobody_is_thrown_away() -> None:
    rig = Rig(prepares=True, max_duration_s=60)
    rig.hear(1000, 0.9)
    rig.hear(300, 0.0)
    rig.tick(60_000)
    assert rig.of_type("response.created") == []
    assert len(rig.of(Cancel)) == 1


def test_what_was_kept_does_not_begin() -> None:
    rig = Rig(max_duration_s=60)
    rig.send("response.create")
    item = {"type": "function_call", "name": "f", "call_id": "c", "arguments": "{}"}
    rig.send("conversation.item.create", item=item)
    output = {"type": "function_call_output", "call_id": "c", "output": "1"}
    rig.send("conversation.item.create", item=output)
    rig.send("response.create")
    rig.tick(60_000)
    assert len(rig.of_type("response.created")) == 1
