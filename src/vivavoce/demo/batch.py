"""Many calls in a row, one a seed: how often the right tools were called, and with the right order number.

A call is judged by what the caller's own words brought about: `first` is right when the number was right without being said
again, `id` when it was right in the end.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from vivavoce.demo.assemble import recording_of
from vivavoce.demo.dialling import make_call
from vivavoce.demo.files import keep_record
from vivavoce.demo.lines import speak_lines
from vivavoce.demo.record import Recording
from vivavoce.demo.server import Address
from vivavoce.demo.story import Story, story_of
from vivavoce.demo.wants import calls_wanted, exchanges

TOOLS_SHARE = 0.9
IDS_SHARE = 0.8
"""What a batch has to reach: 18 and 16 of 20."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One seed. tools: each question brought its tools and nothing else brought any, whatever their arguments."""

    seed: int
    wanted_id: str
    called_ids: tuple[str, ...]
    tools: bool
    account: bool
    answered: int
    asked: int

    @property
    def first(self) -> bool:
        """Right at once."""
        return self.called_ids[:1] == (self.wanted_id,)

    @property
    def id(self) -> bool:
        """Right in the end."""
        return self.called_ids[-1:] == (self.wanted_id,)


def judge(story: Story, recording: Recording) -> Outcome:
    """What came of a call."""
    told = {exchange.line.key: exchange for exchange in exchanges(story, recording)}
    right = True
    for line in story.lines:
        wanted = {call.name for call in calls_wanted(line, story.cast)}
        called = {run.name for run in told[line.key].runs} if line.key in told else set()
        right = right and called == wanted
    called_ids = tuple(
        str(run.arguments.get("order_id")) for run in recording.tools if run.name == "get_order_status"
    )
    return Outcome(
        seed=story.seed or 0,
        wanted_id=story.cast.order_id,
        called_ids=called_ids,
        tools=right,
        account=any(run.arguments.get("account") == story.cast.account for run in recording.tools),
        answered=sum(check.passed for check in recording.checks),
        asked=len(recording.checks),
    )


async def rehearse(address: Address, seeds: range, speed: float, folder: Path, stream: TextIO) -> int:
    """Make the calls one after the other and print the table. Raises CannotKeep. 0 when it reaches its targets, else 1."""
    print(
        f"{'seed':>5}  {'order':6} {'called':22} {'tools':5} {'first':5} {'id':5} {'account':7} {'answered':8} {'s':>4}",
        file=stream,
    )
    outcomes = []
    for seed in seeds:
        story = story_of(seed)
        began = time.monotonic()
        caller = await make_call(address, story, await speak_lines(story), speed)
        recording = recording_of(caller)
        await asyncio.to_thread(keep_record, recording, folder / f"seed-{recording.seed}.json")
        outcomes.append(judge(story, recording))
        print(_row(outcomes[-1], time.monotonic() - began), file=stream, flush=True)
    return _totals(outcomes, stream)


def _row(one: Outcome, seconds: float) -> str:
    called = ", ".join(one.called_ids) or "-"
    marks = [f"{'yes' if value else 'NO':5}" for value in (one.tools, one.first, one.id)]
    return (
        f"{one.seed:>5}  {one.wanted_id:6} {called:22} {' '.join(marks)} {'yes' if one.account else 'NO':7} "
        f"{one.answered}/{one.asked:<6} {seconds:>4.0f}"
    )


def _totals(outcomes: list[Outcome], stream: TextIO) -> int:
    count = len(outcomes)
    tools, first, ids = (
        sum(values) for values in zip(*((one.tools, one.first, one.id) for one in outcomes), strict=True)
    )
    accounts = sum(one.account for one in outcomes)
    whole = sum(one.answered == one.asked for one in outcomes)
    print(f"tools right {tools} of {count} (wanted {TOOLS_SHARE:.0%})", file=stream)
    print(
        f"ids right {first} of {count} at once, {ids} of {count} in the end (wanted {IDS_SHARE:.0%} at once)",
        file=stream,
    )
    print(
        f"accounts right {accounts} of {count}; everything answered in {whole} of {count} calls",
        file=stream,
        flush=True,
    )
    return 0 if tools >= TOOLS_SHARE * count and first >= IDS_SHARE * count else 1
