"""Which part of a conversation a model is shown when all of it does not fit (protocol reference 3.6, docs/adr/0021).

Whole items leave, oldest first; a function call and its outputs leave together; instructions and tools stay. Nothing is deleted
and nobody is told: only the model's input is shorter. What has left does not come back, so that the beginning of the input, and
with it a model's cache, stays the same until the next truncation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from msgspec import UNSET

from vivavoce.protocol import errors
from vivavoce.protocol.items import FunctionCallItem, FunctionCallOutputItem, InputItem
from vivavoce.protocol.session_objects import RetentionRatio, Truncation

Weigh = Callable[[InputItem], int]
"""Tokens of an item."""


class ContextTooLong(Exception):
    """The input does not fit and must not, or cannot, be shortened."""

    def __init__(self, tokens: int, limit: int) -> None:
        super().__init__(
            f"Input tokens exceed the limit of {limit} tokens: the context has {tokens} tokens. "
            "Delete items, shorten the instructions, or choose another truncation."
        )
        self.tokens = tokens
        self.limit = limit


@dataclass(frozen=True, slots=True)
class Allowance:
    """Tokens the conversation may have behind instructions and tools: `most` before something leaves, `kept` after it has."""

    most: int
    kept: int


def allowance(rule: Truncation, limit: int, head: int) -> Allowance:
    """What a rule allows, with `limit` tokens of input in all and `head` of them in instructions and tools."""
    most = limit - head
    if not isinstance(rule, RetentionRatio):
        return Allowance(most, most)
    if rule.token_limits is not UNSET and rule.token_limits.post_instructions is not UNSET:
        most = min(most, rule.token_limits.post_instructions)
    return Allowance(most, int(most * rule.retention_ratio))


def check_rule(rule: Truncation, limit: int) -> None:
    """Refuse a cap that the model cannot keep. Raises ClientError."""
    if isinstance(rule, RetentionRatio) and rule.token_limits is not UNSET:
        most = rule.token_limits.post_instructions
        if most is not UNSET and most > limit:
            param = "session.truncation.token_limits.post_instructions"
            raise errors.invalid_value(param, most, f"an integer of at most {limit}")


@dataclass(slots=True)
class Unit:
    """Items that leave together."""

    items: list[InputItem] = field(default_factory=list)
    tokens: int = 0
    waits: bool = False
    """It holds a call whose output may still come, so it goes last."""


class ContextWindow:
    """The model's view of one conversation, with the memory of what has left it. `limit`: input tokens a model takes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._left: dict[str, InputItem] = {}
        self._rule: Truncation = "auto"

    def fit(
        self, items: Sequence[InputItem], weigh: Weigh, head: int, rule: Truncation, *, spare: int = 0
    ) -> list[InputItem]:
        """The items a model is shown, and remember which it is not. Raises ContextTooLong.

        spare: tokens to leave free for what is still being said.
        """
        if rule != self._rule:
            self._rule, self._left = rule, {}
        shown = self._still_shown(items)
        kept = shorten(shown, weigh, head + spare, self.limit, rule)
        if len(kept) < len(shown):
            staying = {id(item) for item in kept}
            self._left |= {item.id: item for item in shown if id(item) not in staying}
        return kept

    def look(self, items: Sequence[InputItem], weigh: Weigh, head: int, rule: Truncation) -> list[InputItem]:
        """The same for a response beside the conversation: it leaves nothing behind."""
        shown = self._still_shown(items) if rule == self._rule else items
        return shorten(shown, weigh, head, self.limit, rule)

    def _still_shown(self, items: Sequence[InputItem]) -> Sequence[InputItem]:
        """Without what has left. A client may use an id again, so it is the item that counts; and an output brings its call back."""
        left = dict(self._left)
        if not left:
            return items
        self._left = {item.id: item for item in items if left.get(item.id) is item}
        shown = [item for item in items if item.id not in self._left]
        wanted = {item.call_id for item in shown if isinstance(item, FunctionCallOutputItem)}
        returning = {
            item.id
            for item in self._left.values()
            if isinstance(item, FunctionCallItem | FunctionCallOutputItem) and item.call_id in wanted
        }
        if not returning:
            return shown
        for item_id in returning:
            del self._left[item_id]
        return [item for item in items if item.id not in self._left]


def shorten(
    items: Sequence[InputItem], weigh: Weigh, head: int, limit: int, rule: Truncation
) -> list[InputItem]:
    """The items that stay, in order. Raises ContextTooLong.

    The newest of them stays unless it is more than a model takes at all: without it there would be nothing to answer.
    """
    allowed = allowance(rule, limit, head)
    weights = [weigh(item) for item in items]
    total = sum(weights)
    if total <= allowed.most and head <= limit:
        return list(items)
    if rule == "disabled" or head > limit:
        raise ContextTooLong(head + total, limit)
    leaving: set[int] = set()
    for unit in _oldest_first(items, weights)[:-1]:
        if total <= allowed.kept:
            break
        total -= unit.tokens
        leaving |= {id(item) for item in unit.items}
    if head + total > limit:
        raise ContextTooLong(head + total, limit)
    return [item for item in items if id(item) not in leaving]


def _oldest_first(items: Sequence[InputItem], weights: Sequence[int]) -> list[Unit]:
    """Units in the order in which they leave: by their newest item; calls that wait for an output, and what was said last, at the end."""
    last_of_call = {
        item.call_id: at for at, item in enumerate(items) if isinstance(item, FunctionCallOutputItem)
    }
    units: dict[int, Unit] = {}
    for at, (item, tokens) in enumerate(zip(items, weights, strict=True)):
        place = at
        if isinstance(item, FunctionCallItem | FunctionCallOutputItem):
            place = last_of_call.get(item.call_id, at)
        unit = units.setdefault(place, Unit())
        unit.items.append(item)
        unit.tokens += tokens
        unit.waits = isinstance(item, FunctionCallItem) and item.call_id not in last_of_call
    newest = max(units, default=0)
    order = sorted(units, key=lambda place: (place == newest, units[place].waits, place))
    return [units[place] for place in order]
