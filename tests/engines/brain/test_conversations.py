"""Whole conversations in many domains; how many go right is a figure with a floor, and the floor is what was measured."""

from __future__ import annotations

import pytest

from tests.engines.brain.conversations import Case, cases, play

# The cases marked `held_out` were written before any tuning and never looked at one by one: only their rate was.
HELD_OUT_FLOOR = 29 / 39

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
