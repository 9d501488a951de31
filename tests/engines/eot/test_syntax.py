"""The judge that reads: what cannot be over yet, what may be, what is."""

from __future__ import annotations

import pytest

from vivavoce.call.ports import SaidSoFar
from vivavoce.engines.cascade.end_of_turn import (
    DANGLING,
    FRAGMENT,
    HALF_CLAUSE,
    NOTHING_HEARD,
    QUESTION,
    REQUEST,
    SPELLING,
    STATEMENT,
    SyntaxEndOfTurn,
    completeness,
)

UNFINISHED = """
    i need to change my | can you tell me | my order number is | i want to send this to | where is the | i'd like
    i ordered a lamp last week and | could you please check if | the reason i am calling is | what is | do you | um
    is there any | i was wondering whether | please send it to the | we are looking for a | because | my name is
    after the meeting i will | tell her that | i have been waiting for | it's about | i think that | i want to cancel
    do you have another | the blue one with | can you | would it
"""
HALF = "if it rains tomorrow | when you come home | the man | in the morning | is it"
FINISHED = """
    where is my order | what time do you open | thank you | yes | i would like to cancel my order please
    can you help me | what is the weather like today | i lost my credit card | send it to my office | how much is it
    book a table for two | i'm still waiting for my parcel | do you have any vegetarian dishes | call me tomorrow
    no that's all | play some music | what can i order | it is broken | i live in london | yes i am
    where do you come from | i think so | thank you very much | what is this | my order is k seven three one zero
    if it rains tomorrow we stay at home because i do not like it | who is it for
"""


def told(table: str) -> list[str]:
    return [text.strip() for line in table.strip().splitlines() for text in line.split("|") if text.strip()]


@pytest.mark.parametrize("text", told(UNFINISHED))
def test_what_asks_for_another_word_is_not_over(text: str) -> None:
    assert completeness(text) == DANGLING


@pytest.mark.parametrize("text", told(HALF))
def test_what_asks_for_another_clause_is_hardly_over(text: str) -> None:
    assert completeness(text) == HALF_CLAUSE


@pytest.mark.parametrize("text", told(FINISHED))
def test_what_can_stand_alone_may_be_over(text: str) -> None:
    assert completeness(text) >= STATEMENT


@pytest.mark.parametrize(
    ("text", "p"),
    [
        ("", NOTHING_HEARD),
        ("k seven", SPELLING),
        ("my room is 7", SPELLING),
        ("order", FRAGMENT),
        ("a blue lamp", HALF_CLAUSE),
        ("blue lamp", FRAGMENT),
        ("blue lamp big table", HALF_CLAUSE),
        ("send help", REQUEST),
        ("what is it", QUESTION),
    ],
)
def test_everything_between(text: str, p: float) -> None:
    assert completeness(text) == p


def test_a_dangling_word_counts_less_than_anything_else() -> None:
    assert DANGLING < HALF_CLAUSE < SPELLING < FRAGMENT < STATEMENT < REQUEST < QUESTION


async def test_other_languages_are_not_judged() -> None:
    judge = SyntaxEndOfTurn()
    assert not judge.hears
    assert await judge.completeness(SaidSoFar("ich möchte gern", "de")) == FRAGMENT
    assert await judge.completeness(SaidSoFar("where is my order", "en-GB")) == QUESTION
