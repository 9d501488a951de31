"""What every turn took and cost, stage by stage: one line in the log, one `TurnReport` on the observer hook (docs/adr/0038).

An observer like any other. It adds up what engines say of their stages (`StageUsed`) and tells it once the response is over. An engine that
has no stages says nothing, and then nothing is told.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import msgspec
from msgspec import UNSET

from vivavoce.call.driver import Observer
from vivavoce.call.stage_settings import Price, PriceSettings
from vivavoce.protocol.responses import ResponseObject
from vivavoce.protocol.server_events import ResponseDone
from vivavoce.session.effects import Generate, Metered, Send
from vivavoce.session.signals import StageUsed

log = logging.getLogger("vivavoce.turns")

LATE_MS = 100
"""So long after a response that was cut off its stages may still say what they had used."""
MOST_WAITING = 50
"""Pieces of work that wait for a response; a session that only writes down never has one, and then they are added up."""
_MILLION = 1_000_000
_COUNTED = (
    "took_ms",
    "input_tokens",
    "cached_tokens",
    "output_tokens",
    "audio_input_tokens",
    "audio_cached_tokens",
    "audio_output_tokens",
    "image_input_tokens",
    "image_cached_tokens",
    "sound_ms",
    "characters",
)


@dataclass(frozen=True, slots=True)
class StageCost:
    """What a stage used, and what that costs; None where the model has no price."""

    used: StageUsed
    cost: float | None


@dataclass(frozen=True, slots=True)
class TurnReport:
    """One response and the turn it answered, with answers that were prepared for it and thrown away.

    status: the response's; "hung_up" where the call ended before it. response_id: empty where there was none to end, as in a session that
    only writes down. clock_ms: when each stage was reached, as in `response.done`. cost: of all stages that have a price; None where none
    has.
    """

    call_id: str
    response_id: str
    status: str
    clock_ms: dict[str, int]
    stages: tuple[StageCost, ...]
    cost: float | None
    currency: str

    def line(self) -> str:
        """The report in one line. It holds no word of what was said."""
        parts = [f"{one.used.stage} {one.used.name} {_figures(one)}" for one in self.stages]
        if "first_audio" in self.clock_ms:
            parts.append(f"first sound {self.clock_ms['first_audio']} ms after the turn")
        if self.cost is not None:
            parts.append(f"cost {self.cost:.6f} {self.currency}")
        return "; ".join([f"{self.response_id or 'no response'} {self.status}", *parts])


@dataclass(slots=True)
class _Ended:
    response: ResponseObject
    at_ms: int


@dataclass(slots=True)
class Spending:
    """The observer of one call. `tell`: whoever else observes it."""

    call_id: str
    prices: PriceSettings
    tell: Observer | None = None
    _responses: dict[str, str] = field(default_factory=dict)
    _used: dict[str, list[StageUsed]] = field(default_factory=dict)
    _ended: list[_Ended] = field(default_factory=list)

    def __call__(self, what: object, now_ms: int) -> None:
        """See an input or an effect (call/driver.py: Observer)."""
        while self._ended and now_ms >= self._ended[0].at_ms + LATE_MS:
            self._report(self._ended.pop(0).response, now_ms)
        match what:
            case StageUsed():
                self._note(what)
            case Metered(used):
                self._note(used)
            case Generate(generation, response_id):
                self._responses[generation] = response_id
            case Send(ResponseDone() as done):
                if done.response.status == "completed":
                    self._report(done.response, now_ms)
                else:
                    self._ended.append(_Ended(done.response, now_ms))

    def over(self, now_ms: int) -> None:
        """The call has ended."""
        for ended in self._ended:
            self._report(ended.response, now_ms)
        self._ended.clear()
        # Most callers hang up while something is being said, or is about to be.
        for response_id in sorted(self._used, reverse=True):
            self._tell(response_id, "hung_up", {}, now_ms)

    def _note(self, used: StageUsed) -> None:
        """What no response has asked for was heard or prepared for the one that comes next."""
        whose = self._responses.get(used.of, "")
        noted = self._used.setdefault(whose, [])
        noted.append(used)
        if len(noted) > MOST_WAITING:
            self._used[whose] = added_up(noted)

    def _report(self, response: ResponseObject, now_ms: int) -> None:
        clock = response.vivavoce["clock"] if response.vivavoce is not UNSET else {}
        self._tell(response.id, response.status, clock, now_ms)

    def _tell(self, response_id: str, status: str, clock: dict[str, int], now_ms: int) -> None:
        used = [*self._used.pop("", []), *self._used.pop(response_id, [])]
        self._responses = {one: whose for one, whose in self._responses.items() if whose != response_id}
        if not used:
            return
        stages = tuple(StageCost(one, self._cost(one)) for one in used)
        costs = [one.cost for one in stages if one.cost is not None]
        report = TurnReport(
            self.call_id,
            response_id,
            status,
            clock,
            stages,
            sum(costs) if costs else None,
            self.prices.currency,
        )
        log.info("call %s: %s", self.call_id, report.line())
        if self.tell is not None:
            self.tell(report, now_ms)

    def _cost(self, used: StageUsed) -> float | None:
        price = self.prices.models.get(used.name) or self.prices.models.get(used.name.partition(" at ")[0])
        return None if price is None else cost_of(used, price)


def cost_of(used: StageUsed, price: Price) -> float:
    """What a stage's work costs. Cached tokens are among those that went in, and cost as much where no price of their own is set."""
    cached = price.input if price.cached is None else price.cached
    audio_input = price.input if price.audio_input is None else price.audio_input
    audio_cached = audio_input if price.audio_cached is None else price.audio_cached
    audio_output = price.output if price.audio_output is None else price.audio_output
    image_input = price.input if price.image_input is None else price.image_input
    image_cached = image_input if price.image_cached is None else price.image_cached
    text = used.input_tokens - used.audio_input_tokens - used.image_input_tokens
    # Of sound and images that were cached, not every server says how much.
    text_cached = min(used.cached_tokens - used.audio_cached_tokens - used.image_cached_tokens, text)
    tokens = (
        (text - text_cached) * price.input
        + text_cached * cached
        + (used.image_input_tokens - used.image_cached_tokens) * image_input
        + used.image_cached_tokens * image_cached
        + (used.audio_input_tokens - used.audio_cached_tokens) * audio_input
        + used.audio_cached_tokens * audio_cached
        + (used.output_tokens - used.audio_output_tokens) * price.output
        + used.audio_output_tokens * audio_output
    )
    return (
        tokens / _MILLION
        + used.sound_ms / 60_000 * price.minute
        + used.characters / _MILLION * price.characters
    )


def added_up(used: list[StageUsed]) -> list[StageUsed]:
    """One entry for each stage, name and outcome; when something first came out is nothing that can be added."""
    sums: dict[tuple[str, str, str], StageUsed] = {}
    for one in used:
        key = one.stage, one.name, one.outcome
        before = sums.get(key)
        counted = {
            field: getattr(one, field) + (getattr(before, field) if before is not None else 0)
            for field in _COUNTED
        }
        estimated = one.estimated or (before is not None and before.estimated)
        sums[key] = msgspec.structs.replace(one, of="", first_ms=None, estimated=estimated, **counted)
    return list(sums.values())


def _figures(one: StageCost) -> str:
    used = one.used
    figures = [f"{used.took_ms} ms"]
    if used.first_ms is not None:
        figures[0] += f" (first {used.first_ms} ms)"
    if used.input_tokens or used.output_tokens:
        about = "about " if used.estimated else ""
        figures.append(f"{about}{used.input_tokens}+{used.output_tokens} tokens")
    if used.characters:
        figures.append(f"{used.characters} characters")
    if used.sound_ms:
        figures.append(f"{used.sound_ms} ms of sound")
    if used.outcome != "done":
        figures.append(used.outcome)
    return ", ".join(figures)
