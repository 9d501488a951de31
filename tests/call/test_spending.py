"""What a turn took and cost, told once it is over."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import msgspec
import pytest

from tests.engines.cascade.rig import FakeListener, FakeModel, FakeTranscriber, FakeVadModel, FakeVoice
from vivavoce.call.driver import Call
from vivavoce.call.ports import ModelStop, ModelText, ModelUsage, Stages
from vivavoce.call.registry import Calls
from vivavoce.call.settings import load_settings
from vivavoce.call.spending import LATE_MS, MOST_WAITING, Spending, TurnReport, added_up, cost_of
from vivavoce.call.stage_settings import Price, PriceSettings
from vivavoce.engines.cascade.engine import CascadeEngine
from vivavoce.protocol.responses import ResponseObject
from vivavoce.protocol.server_events import ResponseDone
from vivavoce.session.effects import Generate, Request, Send
from vivavoce.session.signals import StageUsed, TextDelta
from vivavoce.testing.attachments import Listening

PRICES = PriceSettings(
    "EUR",
    {"m": Price(input=1.0, cached=0.5, output=4.0), "v": Price(characters=10.0), "e": Price(minute=0.6)},
)
NOTHING = Request("", (), (), "auto", True, None, True, "marin", 1.0, 24_000)


def used(of: str, stage: Any, name: str, **what: Any) -> StageUsed:
    known: dict[str, Any] = {"outcome": "done", "first_ms": 20, "took_ms": 90}
    return StageUsed(of=of, stage=stage, name=name, **(known | what))


def done(response_id: str, status: Any = "completed") -> Send:
    response = ResponseObject(
        id=response_id,
        status=status,
        output=[],
        output_modalities=["audio"],
        vivavoce={"clock": {"first_audio": 640}},
    )
    return Send(ResponseDone(event_id="e", response=response))


class Seen:
    """Keeps reports."""

    def __init__(self) -> None:
        self.reports: list[TurnReport] = []
        self.told = asyncio.Event()

    def __call__(self, what: object, now_ms: int) -> None:
        if isinstance(what, TurnReport):
            self.reports.append(what)
            self.told.set()


def test_a_turn_is_told_with_everything_that_was_done_for_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "vivavoce.turns")
    seen = Seen()
    spending = Spending("rtc_1", PRICES, seen)
    for what in (
        used("item_1", "stt", "e at host", sound_ms=2000),
        used("gen_0", "llm", "m at host", input_tokens=100, outcome="cancelled", first_ms=None),
        Generate("gen_1", "resp_1", NOTHING),
        used("gen_1", "llm", "m at host", input_tokens=1000, cached_tokens=400, output_tokens=50),
        used("gen_1", "tts", "v", characters=100, sound_ms=3000),
        done("resp_1"),
    ):
        spending(what, 0)
    (report,) = seen.reports
    assert (report.call_id, report.response_id, report.status) == ("rtc_1", "resp_1", "completed")
    assert [one.used.stage for one in report.stages] == ["stt", "llm", "llm", "tts"]
    assert [one.cost for one in report.stages] == pytest.approx([0.02, 0.0001, 0.001, 0.001])
    assert report.cost == pytest.approx(0.0221)
    assert report.clock_ms == {"first_audio": 640}
    assert caplog.messages == [
        "call rtc_1: resp_1 completed; stt e at host 90 ms (first 20 ms), 2000 ms of sound; llm m at host 90 ms, 100+0 tokens, cancelled; "
        "llm m at host 90 ms (first 20 ms), 1000+50 tokens; tts v 90 ms (first 20 ms), 100 characters, 3000 ms of sound; "
        "first sound 640 ms after the turn; cost 0.022100 EUR"
    ]


def test_without_prices_nothing_costs_anything() -> None:
    seen = Seen()
    spending = Spending("rtc_1", PriceSettings(), seen)
    spending(used("item_1", "stt", "e"), 0)
    spending(done("resp_1"), 0)
    assert [(report.cost, report.stages[0].cost) for report in seen.reports] == [(None, None)]
    spending(done("resp_2"), 0)
    assert len(seen.reports) == 1  # no stage did anything for it


def test_stages_of_a_response_that_was_cut_off_may_be_late() -> None:
    seen = Seen()
    spending = Spending("rtc_1", PRICES, seen)
    spending(Generate("gen_1", "resp_1", NOTHING), 0)
    spending(done("resp_1", "cancelled"), 0)
    spending(used("gen_1", "llm", "m", outcome="cancelled"), LATE_MS - 1)
    assert seen.reports == []
    spending(object(), LATE_MS)
    assert [(report.response_id, len(report.stages)) for report in seen.reports] == [("resp_1", 1)]
    spending(Generate("gen_2", "resp_2", NOTHING), LATE_MS)
    spending(used("gen_2", "llm", "m"), LATE_MS)
    spending(done("resp_2", "failed"), LATE_MS)
    spending.over(LATE_MS)
    assert [report.response_id for report in seen.reports] == ["resp_1", "resp_2"]


def test_what_was_used_for_a_caller_who_hung_up_is_counted() -> None:
    seen = Seen()
    spending = Spending("rtc_1", PRICES, seen)
    spending(used("item_1", "stt", "e", sound_ms=2000), 0)
    spending(Generate("gen_1", "resp_1", NOTHING), 0)
    spending(used("gen_1", "llm", "m", input_tokens=1000, outcome="cancelled"), 0)
    spending.over(0)
    (report,) = seen.reports
    assert (report.response_id, report.status, len(report.stages)) == ("resp_1", "hung_up", 2)
    assert report.cost == pytest.approx(0.021)
    spending.over(0)
    assert len(seen.reports) == 1


def test_what_no_response_has_asked_for_is_added_up(caplog: pytest.LogCaptureFixture) -> None:
    """A session that only writes down has no response to tell it with, and may last an hour."""
    caplog.set_level(logging.INFO, "vivavoce.turns")
    seen = Seen()
    spending = Spending("rtc_1", PRICES, seen)
    for _ in range(10 * MOST_WAITING):
        spending(used("item", "stt", "e", sound_ms=600), 0)
        assert len(spending._used[""]) <= MOST_WAITING
    spending(used("item", "stt", "e", sound_ms=600, outcome="failed"), 0)
    for estimated in (True, False):
        spending(used("gen", "llm", "free", output_tokens=3, outcome="cancelled", estimated=estimated), 0)
    spending.over(0)
    (report,) = seen.reports
    done, failed, thought = added_up([one.used for one in report.stages])
    assert (thought.output_tokens, thought.estimated, done.estimated) == (6, True, False)
    assert (done.sound_ms, done.took_ms, done.outcome) == (300_000, 45_000, "done")
    assert (failed.sound_ms, failed.outcome) == (600, "failed")
    assert report.cost == pytest.approx(501 * 0.006)
    assert caplog.messages[0].startswith("call rtc_1: no response hung_up; stt e ")
    assert "about 0+3 tokens, cancelled" in caplog.messages[0]


def test_cached_tokens_without_a_price_of_their_own_cost_as_much() -> None:
    one = used("g", "llm", "m", input_tokens=1_000_000, cached_tokens=500_000)
    assert cost_of(one, Price(input=2.0)) == pytest.approx(2.0)
    assert cost_of(one, Price(input=2.0, cached=0.0)) == pytest.approx(1.0)


def test_tokens_of_sound_cost_what_they_cost() -> None:
    tokens = {"input_tokens": 1_000_000, "cached_tokens": 400_000, "output_tokens": 100_000}
    sound = {"audio_input_tokens": 500_000, "audio_cached_tokens": 300_000, "audio_output_tokens": 80_000}
    one = used("gen", "upstream", "m", first_ms=None, took_ms=0, **tokens, **sound)
    price = Price(input=4.0, cached=0.4, output=16.0, audio_input=32.0, audio_cached=0.4, audio_output=64.0)
    assert cost_of(one, price) == pytest.approx(
        0.4 * 4 + 0.1 * 0.4 + 0.2 * 32 + 0.3 * 0.4 + 0.02 * 16 + 0.08 * 64
    )
    # Where sound has no price of its own, it costs as much as words.
    assert cost_of(one, Price(input=4.0, output=16.0)) == pytest.approx(4.0 + 1.6)


def test_tokens_of_images_cost_what_they_cost() -> None:
    tokens = {"input_tokens": 1_000_000, "cached_tokens": 500_000}
    parts = {"audio_input_tokens": 200_000, "image_input_tokens": 600_000, "image_cached_tokens": 400_000}
    one = used("gen", "upstream", "m", first_ms=None, took_ms=0, **tokens, **parts)
    price = Price(input=4.0, cached=0.4, audio_input=32.0, image_input=5.0, image_cached=0.5)
    assert cost_of(one, price) == pytest.approx(0.1 * 4 + 0.1 * 0.4 + 0.2 * 32 + 0.2 * 5 + 0.4 * 0.5)
    # Where images have no price of their own, they cost as much as words; cached ones as much as others.
    assert cost_of(one, Price(input=4.0, cached=0.4, audio_input=32.0)) == pytest.approx(
        0.1 * 4 + 0.1 * 0.4 + 0.2 * 32 + 0.6 * 4
    )


def test_what_was_cached_of_nobody_knows_what_is_not_taken_for_more_words_than_there_were() -> None:
    one = used(
        "gen", "upstream", "m", input_tokens=1_000_000, cached_tokens=900_000, audio_input_tokens=800_000
    )
    price = Price(input=4.0, cached=0.4, audio_input=32.0)
    assert cost_of(one, price) == pytest.approx(0.2 * 0.4 + 0.8 * 32)


async def test_a_call_of_the_cascade_is_counted() -> None:
    model = FakeModel([ModelText("It is four."), ModelUsage(7, 3), ModelStop("stop")])
    stages = Stages(FakeVadModel(1.0), FakeTranscriber(FakeListener()), model, FakeVoice())
    calls, seen = Calls(load_settings({}, environ={}), CascadeEngine(stages)), Seen()
    call: Call = calls.open("m", int(asyncio.get_running_loop().time() * 1000), seen)
    client = Listening("client")
    call.join(client)
    text = [{"type": "input_text", "text": "what time is it?"}]
    for event in (
        {"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": text}},
        {"type": "response.create"},
    ):
        call.receive("client", msgspec.json.encode(event))
    await asyncio.wait_for(seen.told.wait(), 5)
    await calls.close(call)
    (report,) = seen.reports
    assert [
        (
            one.used.stage,
            one.used.input_tokens,
            one.used.output_tokens,
            one.used.characters,
            one.used.sound_ms,
        )
        for one in report.stages
    ] == [
        ("llm", 7, 3, 0, 0),
        ("tts", 0, 0, 11, 20),
    ]
    assert report.status == "completed"


async def test_an_answer_that_nobody_waited_for_is_counted() -> None:
    """The caller hangs up while the model writes: its work ends with the call, and is told of after that."""
    begun = asyncio.Event()
    model = FakeModel([ModelUsage(900, 40), ModelText("Once upon a time"), asyncio.Event()])
    stages = Stages(FakeVadModel(1.0), FakeTranscriber(FakeListener()), model, FakeVoice())
    calls, seen = Calls(load_settings({}, environ={}), CascadeEngine(stages)), Seen()

    def observe(what: object, now_ms: int) -> None:
        seen(what, now_ms)
        if isinstance(what, TextDelta):
            begun.set()

    call: Call = calls.open("m", int(asyncio.get_running_loop().time() * 1000), observe)
    call.join(Listening("client"))
    text = [{"type": "input_text", "text": "tell me a story"}]
    for event in (
        {"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": text}},
        {"type": "response.create"},
    ):
        call.receive("client", msgspec.json.encode(event))
    await asyncio.wait_for(begun.wait(), 5)
    call.leave("client")
    await asyncio.wait_for(call.closed, 5)
    await calls.close(call)
    (report,) = seen.reports
    (llm,) = (one.used for one in report.stages)
    assert (report.status, llm.outcome, llm.input_tokens, llm.output_tokens) == (
        "hung_up",
        "cancelled",
        900,
        40,
    )
