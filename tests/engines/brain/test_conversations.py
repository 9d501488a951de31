"""Whole conversations in many domains; how many go right is a figure with a floor, and the floor is what was measured."""

from __future__ import annotations

import json

import pytest

from tests.engines.brain.conversations import CASES, Case, cases, faults_of, play
from vivavoce.call.ports import Prompt
from vivavoce.engines.cascade.brain.turn import decide

# The cases marked `held_out` were written before any tuning and never looked at one by one: only their rate was.
HELD_OUT_FLOOR = 30 / 39

DEVELOPED = [case for case in cases() if not case.held_out]
HELD_OUT = [case for case in cases() if case.held_out]


@pytest.mark.parametrize("case", DEVELOPED, ids=lambda case: f"{case.domain}: {case.name}")
async def test_a_conversation_developed_on_goes_right(case: Case) -> None:
    assert await play(case) == []


async def test_held_out_conversations_go_right_as_often_as_measured() -> None:
    right = [case for case in HELD_OUT if not await play(case)]
    assert len(right) / len(HELD_OUT) >= HELD_OUT_FLOOR, f"{len(right)} of {len(HELD_OUT)}"


def test_there_are_enough_cases_to_mean_something() -> None:
    assert len(DEVELOPED) + len(HELD_OUT) >= 60
    assert len({case.domain for case in DEVELOPED + HELD_OUT}) >= 8
    assert len(HELD_OUT) >= 20


# Measured: 4 of 850 (50 utterances against 17 sets of tools).
OFF_TOPIC_CALLS = 4


def test_what_is_off_topic_hardly_ever_fires_a_tool() -> None:
    fired = []
    for case in {case.domain: case for case in DEVELOPED}.values():
        system = {"role": "system", "content": case.instructions}
        for text in (CASES / "off_topic.txt").read_text().splitlines():
            prompt = Prompt((system, {"role": "user", "content": text}), case.tools)
            fired += [f"{case.domain}: {text}: {call}" for call in decide(prompt).calls]
    assert len(fired) <= OFF_TOPIC_CALLS, fired


# Measured on what was heard: 88 of 115 developed on, 22 of 36 held out.
HEARD_FLOORS = {False: 88 / 115, True: 22 / 36}


@pytest.mark.parametrize("held_out", [False, True])
async def test_first_turns_as_a_recogniser_heard_them(held_out: bool) -> None:
    """`heard.json`: the first turns spoken by flite (rms) and read by pocketsphinx with the session's language model."""
    heard = json.loads((CASES / "heard.json").read_text())
    spoken = [
        case
        for case in cases()
        if case.held_out == held_out and case.turns[0]["user"] in heard.get(case.domain, {})
    ]
    right = 0
    for case in spoken:
        words = heard[case.domain][case.turns[0]["user"]]
        right += not await faults_of(case, words)
    assert right / len(spoken) >= HEARD_FLOORS[held_out], f"{right} of {len(spoken)}"
