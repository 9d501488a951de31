"""What a model is shown of a conversation that does not fit: whole items, oldest first, pairs together, one beginning for long."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.session.rig import Rig, clip
from vivavoce.protocol.items import (
    FunctionCallItem,
    FunctionCallOutputItem,
    InputItem,
    InputText,
    MessageItem,
)
from vivavoce.protocol.session_objects import RetentionRatio, TokenLimits
from vivavoce.session.effects import Cancel, Generate, Prepare
from vivavoce.session.signals import ResponseFinished, TranscriptFinished
from vivavoce.session.truncation import ContextTooLong, ContextWindow, allowance, shorten


def said(name: str) -> MessageItem:
    return MessageItem(id=name, role="user", content=[InputText(text=name)])


def call(name: str, call_id: str) -> FunctionCallItem:
    return FunctionCallItem(id=name, name="look_up", call_id=call_id, arguments="{}")


def output(name: str, call_id: str) -> FunctionCallOutputItem:
    return FunctionCallOutputItem(id=name, call_id=call_id, output="1")


def ten(item: InputItem) -> int:
    return 10


def names(items: list[InputItem]) -> list[str]:
    return [item.id for item in items]


def ratio(share: float, post: int | None = None) -> RetentionRatio:
    if post is None:
        return RetentionRatio(retention_ratio=share)
    return RetentionRatio(retention_ratio=share, token_limits=TokenLimits(post_instructions=post))


# --- the rule -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "most", "kept"),
    [
        ("auto", 900, 900),
        ("disabled", 900, 900),
        (ratio(1.0), 900, 900),
        (ratio(0.5), 900, 450),
        (ratio(0.5, 400), 400, 200),
        (ratio(0.5, 4000), 900, 450),
        (RetentionRatio(retention_ratio=0.5, token_limits=TokenLimits()), 900, 450),
    ],
)
def test_what_a_rule_allows(rule: Any, most: int, kept: int) -> None:
    allowed = allowance(rule, 1000, 100)
    assert (allowed.most, allowed.kept) == (most, kept)


def test_what_fits_stays_whole() -> None:
    items = [said("a"), said("b")]
    assert shorten(items, ten, 0, 20, "auto") == items


def test_the_oldest_leaves_first() -> None:
    assert names(shorten([said("a"), said("b"), said("c")], ten, 5, 25, "auto")) == ["b", "c"]


def test_a_retention_ratio_takes_more_at_once() -> None:
    items = [said(str(number)) for number in range(10)]
    assert len(shorten(items, ten, 0, 100, ratio(0.5))) == 10
    assert len(shorten([*items, said("new")], ten, 0, 100, ratio(0.5))) == 5
    assert len(shorten([*items, said("new")], ten, 0, 1000, ratio(0.5, 80))) == 4


def test_a_call_and_its_output_leave_together() -> None:
    items: list[InputItem] = [call("c", "1"), said("a"), output("o", "1"), said("b"), said("d")]
    assert names(shorten(items, ten, 0, 40, "auto")) == ["c", "o", "b", "d"]
    assert names(shorten(items, ten, 0, 30, "auto")) == ["b", "d"]


def test_a_call_that_waits_for_its_output_leaves_last() -> None:
    items: list[InputItem] = [call("c", "1"), said("a"), said("b"), said("d")]
    assert names(shorten(items, ten, 0, 20, "auto")) == ["c", "d"]
    assert names(shorten(items, ten, 0, 10, "auto")) == ["d"]


def test_the_newest_stays_however_little_is_allowed() -> None:
    assert names(shorten([said("a"), said("b")], ten, 0, 100, ratio(0.0, 0))) == ["b"]
    assert shorten([], ten, 0, 100, ratio(0.0, 0)) == []


def test_what_cannot_fit_is_refused() -> None:
    with pytest.raises(ContextTooLong) as refused:
        shorten([said("a"), said("b")], ten, 0, 15, "disabled")
    assert (refused.value.tokens, refused.value.limit) == (20, 15)
    with pytest.raises(ContextTooLong):
        shorten([said("a"), said("b")], ten, 0, 5, "auto")
    with pytest.raises(ContextTooLong):
        shorten([], ten, 6, 5, "auto")


@settings(max_examples=200)
@given(
    st.lists(st.integers(1, 50), max_size=40),
    st.integers(0, 100),
    st.integers(100, 500),
    st.floats(0, 1),
    st.none() | st.integers(0, 300),
)
def test_it_fits_and_keeps_a_tail(
    sizes: list[int], head: int, limit: int, share: float, post: int | None
) -> None:
    items = [said(str(number)) for number in range(len(sizes))]
    weigh = {item.id: size for item, size in zip(items, sizes, strict=True)}
    rule = ratio(share, post)
    try:
        kept = shorten(items, lambda item: weigh[item.id], head, limit, rule)
    except ContextTooLong:
        assert head + sizes[-1] > limit
        return
    total = sum(weigh[item.id] for item in kept)
    assert head + total <= limit
    assert kept == items[len(items) - len(kept) :]
    if len(kept) < len(items):
        assert sum(sizes) > allowance(rule, limit, head).most
        assert len(kept) == 1 or total <= allowance(rule, limit, head).kept


# --- the memory ---------------------------------------------------------------------------------------------------------


def test_what_has_left_stays_away_until_the_next_time() -> None:
    window, items = ContextWindow(100), [said(str(number)) for number in range(11)]
    rule = ratio(0.5)
    assert names(window.fit(items, ten, 0, rule)) == ["6", "7", "8", "9", "10"]
    items += [said("11"), said("12")]
    assert names(window.fit(items, ten, 0, rule))[0] == "6"
    items += [said(str(number)) for number in range(13, 17)]
    assert names(window.fit(items, ten, 0, rule)) == ["12", "13", "14", "15", "16"]


def test_another_rule_begins_anew() -> None:
    window, items = ContextWindow(100), [said(str(number)) for number in range(11)]
    window.fit(items, ten, 0, ratio(0.5))
    assert len(window.fit(items, ten, 0, "auto")) == 10


def test_a_response_beside_it_leaves_nothing_behind() -> None:
    window, items = ContextWindow(100), [said(str(number)) for number in range(10)]
    assert len(window.look(items, ten, 50, "auto")) == 5
    assert len(window.fit(items, ten, 0, "auto")) == 10
    window.fit([*items, said("10")], ten, 0, "auto")
    assert len(window.look(items, ten, 0, ratio(0.9))) == 10
    assert names(window.look(items, ten, 0, "auto"))[0] == "1"


def test_an_id_that_is_used_again_is_a_new_item() -> None:
    window, items = ContextWindow(100), [said(str(number)) for number in range(11)]
    window.fit(items, ten, 0, ratio(0.5))
    items[0] = said("0")
    assert names(window.fit(items, ten, 0, ratio(0.5))) == ["0", "6", "7", "8", "9", "10"]


def test_a_late_output_brings_its_call_back() -> None:
    window = ContextWindow(20)
    items: list[InputItem] = [call("c", "1"), said("a"), said("b")]
    assert names(window.fit(items, ten, 10, "auto")) == ["b"]
    items.append(output("o", "1"))
    assert names(window.fit(items, ten, 0, "auto")) == ["c", "o"]


def test_the_turn_that_is_being_said_has_room() -> None:
    window, items = ContextWindow(100), [said(str(number)) for number in range(10)]
    assert len(window.fit(items, ten, 0, "auto", spare=30)) == 7


# --- a whole session ----------------------------------------------------------------------------------------------------


def tokens(count: int) -> str:
    return "abcd" * count


def long_call(rig: Rig, turns: int, each: int) -> None:
    """Turns of a user's message, a function call and its output, with as many tokens in the message."""
    for number in range(turns):
        rig.say(tokens(each), id=f"user_{number}")
        item = {"type": "function_call", "id": f"call_{number}", "call_id": f"c{number}", "name": "f"}
        rig.send("conversation.item.create", item={**item, "arguments": "{}"})
        item = {"type": "function_call_output", "id": f"out_{number}", "call_id": f"c{number}"}
        rig.send("conversation.item.create", item={**item, "output": "1"})


def respond(rig: Rig, **response: Any) -> dict[str, Any]:
    generations = len(rig.of(Generate))
    rig.send("response.create", **({"response": response} if response else {}))
    if len(rig.of(Generate)) > generations:
        rig.signal(ResponseFinished(rig.generation))
    done: dict[str, Any] = rig.of_type("response.done")[-1]["response"]
    return done


def shown(rig: Rig) -> list[str]:
    return [item.id for item in rig.of(Generate)[-1].request.context]


def test_130k_tokens_into_a_128k_window() -> None:
    rig = Rig()
    tool = {"type": "function", "name": "f", "description": tokens(400)}
    rig.send("session.update", session={"type": "realtime", "instructions": tokens(600), "tools": [tool]})
    long_call(rig, 130, 1000)
    usage = respond(rig)["usage"]
    assert 94_000 < usage["input_tokens"] <= 128_000 - 32_000
    request = rig.of(Generate)[-1].request
    assert request.instructions == tokens(600)
    assert [one.name for one in request.tools] == ["f"]
    ids = shown(rig)
    assert ids[-3:] == ["user_129", "call_129", "out_129"]
    assert "user_0" not in ids
    assert {one[5:] for one in ids if one.startswith("call_")} == {
        one[4:] for one in ids if one[:4] == "out_"
    }
    # Nobody was told, and nothing was deleted.
    assert not rig.of_type("conversation.item.deleted")
    rig.send("conversation.item.retrieve", item_id="user_0")
    assert rig.of_type("conversation.item.retrieved")[-1]["item"]["content"][0]["text"] == tokens(1000)


def test_disabled_truncation_fails_the_response_and_not_the_session() -> None:
    rig = Rig(input_tokens=2000)
    rig.send("session.update", session={"type": "realtime", "truncation": "disabled"})
    long_call(rig, 3, 1000)
    done = respond(rig)
    assert done["status"] == "failed"
    error = done["status_details"]["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "context_length_exceeded")
    assert "2000 tokens" in error["message"]
    assert rig.of(Generate) == []
    rig.send("conversation.item.delete", item_id="user_0")
    rig.send("conversation.item.delete", item_id="user_1")
    assert respond(rig)["status"] == "completed"


def test_instructions_that_are_too_long_fail_whatever_the_rule() -> None:
    rig = Rig(input_tokens=2000)
    rig.send("session.update", session={"type": "realtime", "instructions": tokens(2001)})
    assert respond(rig)["status"] == "failed"
    assert respond(rig, instructions="short")["status"] == "completed"


def test_a_retention_ratio_keeps_the_cache() -> None:
    rig = Rig(input_tokens=10_000)
    rule = {"type": "retention_ratio", "retention_ratio": 0.8}
    rig.send("session.update", session={"type": "realtime", "truncation": rule})
    cached = []
    for _ in range(25):
        rig.say(tokens(1000))
        details = respond(rig)["usage"]["input_token_details"]
        cached.append(details["cached_tokens"] == details["text_tokens"] - 1000)
    # Ten turns fill the window; from then on every third one drops two or three messages and nothing is cached for it.
    assert cached.count(False) == 5
    assert cached[:10] == [True] * 10
    auto = Rig(input_tokens=10_000)
    cached = []
    for _ in range(25):
        auto.say(tokens(1000))
        details = respond(auto)["usage"]["input_token_details"]
        cached.append(details["cached_tokens"] > 0)
    assert cached.count(False) == 1 + 15  # the first turn, and each one since the window is full


def test_a_cap_behind_the_instructions() -> None:
    rig = Rig()
    limits = {"type": "retention_ratio", "retention_ratio": 1.0, "token_limits": {"post_instructions": 2500}}
    rig.send(
        "session.update", session={"type": "realtime", "truncation": limits, "instructions": tokens(9000)}
    )
    for _ in range(5):
        rig.say(tokens(1000))
    assert respond(rig)["usage"]["input_tokens"] == 11_000


def test_a_cap_above_what_the_model_takes_is_refused() -> None:
    rig = Rig(input_tokens=2000)
    for most, code in ((2001, ["invalid_value"]), (2000, [])):
        limits = {
            "type": "retention_ratio",
            "retention_ratio": 1.0,
            "token_limits": {"post_instructions": most},
        }
        rig.events.clear()
        rig.send("session.update", session={"type": "realtime", "truncation": limits})
        assert rig.codes == code
    rig.send("session.update", session={"type": "realtime", "truncation": {**limits, "token_limits": {}}})
    assert rig.codes == []


def test_a_response_with_input_of_its_own_is_shortened_by_itself() -> None:
    rig = Rig(input_tokens=2000)
    long_call(rig, 2, 500)
    part = {"type": "input_text", "text": tokens(900)}
    given = [{"type": "message", "role": "user", "content": [part]} for _ in range(3)]
    assert respond(rig, input=given)["usage"]["input_tokens"] == 1800
    assert respond(rig)["usage"]["input_token_details"]["text_tokens"] > 1000


def test_spoken_turns_count_by_their_length() -> None:
    rig = Rig(input_tokens=300)
    for number in range(4):
        rig.machine.item_audio.add(f"spoken_{number}", [clip(100) for _ in range(100)])
        rig.send(
            "conversation.item.create",
            item={
                "type": "message",
                "role": "user",
                "id": f"spoken_{number}",
                "content": [{"type": "input_audio", "transcript": "well"}],
            },
        )
    assert respond(rig)["usage"]["input_token_details"]["audio_tokens"] == 300
    assert shown(rig) == ["spoken_1", "spoken_2", "spoken_3"]


def test_speculation_survives_a_full_window() -> None:
    """What is prepared leaves room for what is being said, so that the same is still shown when the turn is over."""
    rig = Rig(prepares=True, input_tokens=10_000)
    for _ in range(10):
        rig.say(tokens(995))
    rig.hear(1000, 0.9)
    rig.hear(300, 0.0)
    prepared = rig.of(Prepare)[-1].request.context
    rig.hear(400, 0.0)
    assert rig.of(Generate) == []  # adopted: no second generation was asked for
    assert len(prepared) == 10  # nine of ten, and what is being said


def test_nothing_is_prepared_that_would_not_fit() -> None:
    rig = Rig(prepares=True, input_tokens=500)
    rig.send("session.update", session={"type": "realtime", "instructions": tokens(501)})
    rig.hear(1000, 0.9)
    rig.hear(800, 0.0)
    assert rig.of(Prepare) == []
    assert rig.of_type("response.done")[0]["response"]["status"] == "failed"


def test_what_was_prepared_is_thrown_away_when_nothing_fits_any_more() -> None:
    rig = Rig(prepares=True, input_tokens=500)
    rig.hear(1000, 0.9)
    rig.hear(300, 0.0)
    assert len(rig.of(Prepare)) == 1
    rig.send("session.update", session={"type": "realtime", "instructions": tokens(501)})
    rig.hear(400, 0.0)
    done = rig.of_type("response.done")[0]["response"]
    assert done["status_details"]["error"]["code"] == "context_length_exceeded"
    assert len(rig.of(Cancel)) == 1


def test_a_promised_answer_fails_when_it_has_to_be_made_anew_and_nothing_fits() -> None:
    """Between the end of the turn and its transcript the instructions have become too long for any answer."""
    rig = Rig(prepares=True, input_tokens=500)
    rig.hear(1000, 0.9)
    rig.hear(800, 0.0)
    (item,) = [event["item_id"] for event in rig.of_type("input_audio_buffer.committed")]
    rig.send("session.update", session={"type": "realtime", "instructions": tokens(501)})
    rig.signal(TranscriptFinished(item, "other words than were prepared for"))
    done = rig.of_type("response.done")[0]["response"]
    assert (done["status"], done["output"]) == ("failed", [])
    assert done["status_details"]["error"]["code"] == "context_length_exceeded"
    assert len(rig.of(Cancel)) == 1
    rig.send("session.update", session={"type": "realtime", "instructions": ""})
    assert respond(rig)["status"] == "completed"


def test_a_long_call_is_not_counted_anew_for_each_turn() -> None:
    """A count of every text once: 2,000 turns cost about as many counts as there are texts."""
    counted = 0

    def count(text: str) -> int:
        nonlocal counted
        counted += 1
        return len(text) // 4

    rig = Rig(count_text=count, input_tokens=9000)
    for _ in range(100):
        rig.say(tokens(20))
        respond(rig)
    assert counted < 3 * 100


def test_a_turn_in_a_full_window_is_quick() -> None:
    rig = Rig()
    long_call(rig, 300, 400)
    respond(rig)
    before = time.process_time()
    for _ in range(5):
        respond(rig)
    assert (time.process_time() - before) / 5 < 0.1
