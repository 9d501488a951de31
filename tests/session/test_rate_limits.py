"""What is told of rate limits, and what happens when nothing is left."""

from __future__ import annotations

from typing import Any

from tests.session.rig import Rig
from vivavoce.call.rates import KeyRates, Rates
from vivavoce.protocol.responses import RateLimit
from vivavoce.session.effects import Cancel, Generate
from vivavoce.session.rate_limits import NoLimits
from vivavoce.session.signals import ResponseFinished, TokenUsage


def types(rig: Rig) -> list[str]:
    return [event["type"] for event in rig.events]


def limits(rig: Rig) -> list[Any]:
    return [event["rate_limits"] for event in rig.of_type("rate_limits.updated")]


def test_without_limits_one_empty_event_follows_each_response() -> None:
    rig = Rig()
    rig.send("response.create")
    rig.signal(ResponseFinished(rig.generation))
    assert limits(rig) == [[]]
    assert types(rig)[-2:] == ["response.done", "rate_limits.updated"]


def test_with_limits_what_is_set_aside_is_told_and_put_right() -> None:
    rig = Rig(rates=KeyRates(10, 60_000))
    rig.say("abcd" * 100)
    rig.send("response.create", response={"max_output_tokens": 400})
    assert types(rig)[-2:] == ["response.created", "rate_limits.updated"]
    requests, tokens = limits(rig)[0]
    assert requests == {"name": "requests", "limit": 10, "remaining": 9, "reset_seconds": 6.0}
    assert tokens == {"name": "tokens", "limit": 60_000, "remaining": 59_500, "reset_seconds": 0.5}
    rig.signal(ResponseFinished(rig.generation, usage=TokenUsage(100, 50)))
    assert limits(rig)[1][1]["remaining"] == 60_000 - 150


def test_an_answer_without_a_bound_sets_the_usual_aside() -> None:
    rig = Rig(rates=KeyRates(0, 60_000))
    rig.send("response.create")
    assert limits(rig) == [
        [{"name": "tokens", "limit": 60_000, "remaining": 60_000 - 4096, "reset_seconds": 4.096}]
    ]


def test_where_nothing_is_left_the_response_fails_and_the_session_goes_on() -> None:
    rig = Rig(rates=KeyRates(1, 0))
    rig.send("response.create")
    rig.signal(ResponseFinished(rig.generation))
    rig.send("response.create", response={"metadata": {"n": "2"}})
    done = rig.of_type("response.done")[-1]["response"]
    assert (done["status"], done["metadata"]) == ("failed", {"n": "2"})
    assert done["status_details"]["error"]["code"] == "rate_limit_exceeded"
    assert limits(rig)[-1][0]["remaining"] == 0
    assert len(rig.of(Generate)) == 1
    rig.now_ms += 60_000
    rig.send("response.create")
    assert len(rig.of(Generate)) == 2


def test_what_was_prepared_is_thrown_away_where_nothing_is_left() -> None:
    rates = KeyRates(1, 0)
    rig = Rig(prepares=True, rates=rates)
    rates.reserve(0, 0)
    rig.hear(1000, 0.9)
    rig.hear(800, 0.0)
    done = rig.of_type("response.done")[-1]["response"]
    assert done["status_details"]["error"]["code"] == "rate_limit_exceeded"
    assert rig.of(Generate) == []
    assert len(rig.of(Cancel)) == 1


def test_buckets_fill_evenly_and_no_further_than_full() -> None:
    rates = KeyRates(0, 600)
    assert rates.reserve(900, 0) == [RateLimit(name="tokens", limit=600, remaining=0, reset_seconds=90.0)]
    assert rates.reserve(1, 30_000) is None
    assert rates.settle(0, 0, 60_000) == [
        RateLimit(name="tokens", limit=600, remaining=300, reset_seconds=30.0)
    ]
    assert rates.settle(900, 850, 60_000)[0].remaining == 350
    assert rates.settle(0, 0, 600_000)[0].remaining == 600


def test_sessions_of_a_key_share_their_limits() -> None:
    rates = Rates(10, 0)
    assert rates.of("a") is rates.of("a")
    assert rates.of("a") is not rates.of("b")
    assert isinstance(Rates(0, 0).of("a"), NoLimits)


def test_what_a_session_takes_elsewhere_counts_here_and_is_not_told_again() -> None:
    told: list[tuple[str, int, int]] = []
    rates = Rates(2, 1000, lambda *taken: told.append(taken))
    rates.spent("a", 1, 100, 0)
    meter = rates.of("a")
    left = meter.reserve(200, 0)
    assert left is not None
    assert [limit.remaining for limit in left] == [0, 700]
    assert meter.reserve(200, 0) is None
    assert [limit.remaining for limit in meter.settle(200, 50, 0)] == [0, 850]
    assert told == [("a", 1, 200), ("a", 0, -150)]
    assert rates.of("b").reserve(1, 0) is not None
    assert [rates.of("").reserve(1, 0) for _ in range(3)] == [[], [], []]


def test_what_a_new_process_is_told_leaves_it_what_the_others_have() -> None:
    kept, fresh = Rates(2, 600), Rates(2, 600)
    kept.spent("a", 2, 100, 0)
    kept.spent("b", 0, 0, 0)
    # After five seconds a sixth of a request is back, which is none yet, and fifty tokens.
    assert list(kept.missing(5000)) == [("a", 2, 50)]
    for missing in kept.missing(5000):
        fresh.spent(*missing, 5000)
    assert fresh.of("a").reserve(0, 5000) is None
    assert fresh.of("b").reserve(0, 5000) is not None
    assert list(kept.missing(60_000)) == []
    assert list(Rates(0, 0).missing(0)) == []
