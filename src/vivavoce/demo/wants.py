"""What the caller wanted and whether it came: the same questions for a second attempt, for the end of the call and for a batch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vivavoce.demo.record import Check, Recording, ToolRun, Turn
from vivavoce.demo.story import Cast, Line, Story

POLICY_WORDS = ("return", "box")
"""Something of the long answer; the caller cuts in before its end."""
REFUND_WORDS = ("five",)


@dataclass(frozen=True, slots=True)
class WantedCall:
    """A tool that has to be called, with these arguments."""

    name: str
    arguments: dict[str, str]

    def made_in(self, runs: Iterable[ToolRun]) -> bool:
        """Whether one of the calls is this one."""
        return any(run.name == self.name and run.arguments == self.arguments for run in runs)


def calls_wanted(line: Line, cast: Cast) -> tuple[WantedCall, ...]:
    """The tools a line asks for."""
    if line.key == "order":
        return (WantedCall("get_order_status", {"order_id": cast.order_id}),)
    if line.key == "both":
        return (WantedCall("check_calendar", {}), WantedCall("get_crm_account", {"account": cast.account}))
    return ()


def says(text: str, words: Iterable[str]) -> bool:
    """Whether all the words were said, in any case; figures may be spelled out."""
    plain = _plain(text)
    return all(_plain(word) in plain for word in words)


def _plain(text: str) -> str:
    spelled = re.sub(r"\d+", lambda found: _spelled(int(found[0])), text.lower())
    return " ".join(re.findall(r"[a-z]+", spelled))


_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


def _spelled(number: int) -> str:
    if number < 20:
        return _ONES[number]
    if number < 100:
        return f"{_TENS[number // 10]} {_ONES[number % 10] if number % 10 else ''}".strip()
    return " ".join(_ONES[int(figure)] for figure in str(number))


def spoken_wanted(line: Line, cast: Cast) -> tuple[str, ...]:
    """Words that have to be heard in the answer to a line."""
    match line.key:
        case "order":
            return cast.status_words
        case "both":
            return (cast.account, f"{cast.minutes} minutes", *cast.news_words)
        case "policy":
            return POLICY_WORDS
        case "cut in":
            return REFUND_WORDS
    return ()


def line_is_lost(line: Line, cast: Cast, runs: Sequence[ToolRun], answer: str) -> bool:
    """Whether a caller would say it again: the right tools were not called, or the answer is about something else."""
    wanted = calls_wanted(line, cast)
    if wanted:
        return not all(call.made_in(runs) for call in wanted)
    return not answer or not says(answer, spoken_wanted(line, cast)[:1])


# --- the end of the call --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Exchange:
    """A line of the story with everything that came between its first word and the next line's."""

    line: Line
    answers: tuple[Turn, ...]
    preambles: tuple[Turn, ...]
    runs: tuple[ToolRun, ...]

    @property
    def heard(self) -> str:
        """What was heard of the answers."""
        return " ".join(word.text for turn in self.answers for word in turn.words if word.heard)


def exchanges(story: Story, recording: Recording) -> list[Exchange]:
    """The call cut at the caller's lines; second attempts belong to their line."""
    found = []
    starts = {turn.line: turn.start_ms for turn in reversed(recording.turns) if turn.role == "caller"}
    told = [line for line in story.lines if line.key in starts]
    for place, line in enumerate(told):
        begins = starts[line.key]
        ends = starts[told[place + 1].key] if place + 1 < len(told) else recording.duration_ms + 1
        turns = [turn for turn in recording.turns if begins <= turn.start_ms < ends]
        found.append(
            Exchange(
                line,
                tuple(turn for turn in turns if turn.kind == "answer"),
                tuple(turn for turn in turns if turn.kind == "preamble"),
                tuple(run for run in recording.tools if begins <= run.called_ms < ends),
            )
        )
    return found


def check(story: Story, recording: Recording) -> list[Check]:
    """The seven things the caller wanted."""
    told = {exchange.line.key: exchange for exchange in exchanges(story, recording)}
    cast = story.cast
    return [
        _tools(f"order {cast.order_id}", told.get("order"), cast),
        _both(told.get("both"), cast),
        _interruption(told.get("policy"), recording),
        _spoken("the question after it", told.get("cut in"), cast),
        _silence(told.get("hush"), told.get("aside")),
        _anything("back on command", told.get("wake")),
        _anything("goodbye", told.get("bye")),
    ]


def _tools(name: str, exchange: Exchange | None, cast: Cast) -> Check:
    if exchange is None:
        return Check(name, False, "the call ended before it was asked")
    missing = [call for call in calls_wanted(exchange.line, cast) if not call.made_in(exchange.runs)]
    if missing:
        made = "; ".join(f"{run.name}({_shown(run)})" for run in exchange.runs) or "no tool"
        return Check(name, False, f"{missing[0].name} was not called rightly, but {made}")
    return _spoken(name, exchange, cast)


def _both(exchange: Exchange | None, cast: Cast) -> Check:
    name = "calendar and CRM at once"
    found = _tools(name, exchange, cast)
    if exchange is None or not found.passed:
        return found
    wanted = {call.name for call in calls_wanted(exchange.line, cast)}
    responses = [
        {run.name for run in exchange.runs if run.response_id == one.response_id} for one in exchange.runs
    ]
    if wanted not in responses:
        return Check(name, False, "the tools were not called by one response")
    if not exchange.preambles:
        return Check(name, False, "nothing was said while the tools ran")
    return found


def _spoken(name: str, exchange: Exchange | None, cast: Cast) -> Check:
    if exchange is None:
        return Check(name, False, "the call ended before it was asked")
    missing = [word for word in spoken_wanted(exchange.line, cast) if not says(exchange.heard, (word,))]
    if missing or not exchange.heard:
        return Check(
            name,
            False,
            f"did not hear {', '.join(missing) or 'anything'}; heard: {exchange.heard or 'nothing'}",
        )
    return Check(name, True, exchange.heard)


def _interruption(exchange: Exchange | None, recording: Recording) -> Check:
    name = "interruption"
    if exchange is None:
        return Check(name, False, "the call ended before it was asked")
    cut = next((turn for turn in exchange.answers if turn.cut), None)
    if cut is None:
        return Check(name, False, f"nothing was cut; heard: {exchange.heard or 'nothing'}")
    told = next(one for one in recording.truncations if one.item_id == cut.item_id)
    if told.acknowledged_ms is None or not 0 < told.heard_ms < told.sent_ms:
        return Check(
            name, False, f"{told.heard_ms} of {told.sent_ms} ms heard, acknowledged {told.acknowledged_ms}"
        )
    lost = sum(not word.heard for word in cut.words)
    return Check(name, lost > 0, f"cut after {told.heard_ms} of {told.sent_ms} ms, {lost} words never heard")


def _silence(hush: Exchange | None, aside: Exchange | None) -> Check:
    name = "silence"
    if hush is None or aside is None:
        return Check(name, False, "the call ended before it was asked")
    heard = " ".join(turn.text for turn in (*aside.answers, *aside.preambles))
    if heard or aside.runs:
        return Check(name, False, f"was not kept: {heard or aside.runs[0].name}")
    return Check(name, True, "kept while the caller spoke to somebody else")


def _anything(name: str, exchange: Exchange | None) -> Check:
    """Any words will do, but no tool has any business here."""
    heard = exchange.heard if exchange is not None else ""
    if exchange is not None and exchange.runs:
        return Check(name, False, f"{exchange.runs[0].name} was called; heard: {heard or 'nothing'}")
    return Check(name, bool(heard), heard or "heard nothing")


def _shown(run: ToolRun) -> str:
    return ", ".join(f"{key}={value}" for key, value in run.arguments.items())
