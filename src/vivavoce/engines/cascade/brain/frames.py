"""Requests that take several turns, read back from the messages.

Nothing is remembered between prompts. The last question names the slot it asks for, and the user turns since the request
began are read again, each as the answer to the question before it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from vivavoce.engines.cascade.brain import guidance, smalltalk, wording
from vivavoce.engines.cascade.brain.conversation import Conversation
from vivavoce.engines.cascade.brain.dates import today_in
from vivavoce.engines.cascade.brain.filling import Filling, answer, fill
from vivavoce.engines.cascade.brain.planning import best_fit, complete, plan
from vivavoce.engines.cascade.brain.readers import yes_or_no
from vivavoce.engines.cascade.brain.scoring import FIRES
from vivavoce.engines.cascade.brain.tools import Slot, Tool, Toolbox
from vivavoce.engines.cascade.brain.utterance import Context, Scene, names_in
from vivavoce.engines.cascade.brain.words import tokenize


@dataclass
class Frame:
    """A request: the calls it wants, the slot that was asked for last, and what was answered to that.

    confirmed, amended: what the last answer to "shall I go ahead" was; neither when it was a plain no.
    """

    fillings: list[Filling] = field(default_factory=list)
    asked: Slot | None = None
    answers: list[str] = field(default_factory=list)
    confirmed: bool = False
    amended: bool = False

    @property
    def missing(self) -> Filling | None:
        return next((filling for filling in self.fillings if filling.missing), None)


class Requests:
    """The requests of a conversation. `may_call`: whether tools may be called at all."""

    def __init__(self, talk: Conversation, box: Toolbox, may_call: bool) -> None:
        self._talk = talk
        self._box = box
        self._users = talk.user_turns
        self._may_call = may_call
        self.context = context_of(talk)

    def frame(self) -> Frame:
        """The request the last user turn belongs to, read again from its first turn."""
        first = len(self._users) - 1
        while first > 0 and (self.open_question(first) is not None or self.asked_to_confirm(first)):
            first -= 1
        frame = Frame(self._planned(first))
        for place in range(first + 1, len(self._users)):
            self._advance(frame, place)
        return frame

    def _planned(self, place: int) -> list[Filling]:
        text = smalltalk.without_greeting(self._users[place].text)
        words = [token.text for token in tokenize(text)]
        rule = guidance.matching(self._talk.instructions, words)
        tool = self.rule_tool(rule) if rule else None
        if tool is not None:
            return [complete(tool, text, self.context, rule.stems if rule else frozenset())]
        return plan(self._box, text, self.context)

    def _advance(self, frame: Frame, place: int) -> None:
        """Take user turn `place` as the answer to the question before it."""
        text = self._users[place].text
        slot_of = self.open_question(place)
        if slot_of is None:
            frame.confirmed = yes_or_no([token.text for token in tokenize(text)]) is True
            self._amend(frame, text)
            return
        tool, slot = slot_of
        filling = next((one for one in frame.fillings if one.tool is tool and slot in one.missing), None)
        if filling is None:
            filling = Filling(tool)
            frame.fillings.append(filling)
        if frame.asked is not slot:
            frame.asked, frame.answers = slot, []
        frame.answers.append(text)
        if not answer(slot, Scene(text, self.context), filling) and slot.kind == "id":
            answer(slot, Scene(" ".join(frame.answers[-2:]), self.context), filling)  # an id said in two goes

    def _amend(self, frame: Frame, text: str) -> None:
        """ "no, for three people": the same request with another value, to be confirmed again."""
        for filling in frame.fillings:
            sure = fill(filling.tool, Scene(text, self.context), Filling(filling.tool), only_sure=True)
            if sure.values:
                filling.values |= sure.values
                frame.amended, frame.confirmed = True, False

    def open_question(self, place: int) -> tuple[Tool, Slot] | None:
        """The slot that was asked for right before user turn `place`."""
        if place < 0:
            return None
        before = self._talk.before(self._users[place].at)
        if before is None or before.role != "assistant" or not self._may_call:
            return None
        said = before.text.lower()
        found = [
            (len(asked), -order, tool, slot)
            for order, tool in enumerate(self._box.tools)
            for slot in tool.needs
            if (asked := wording.question(slot).lower()) in said or (len(said) > 8 and asked.startswith(said))
        ]
        if not found:
            return None
        wanted = {one.tool.name for one in self._planned_before(place)}
        found.sort(key=lambda one: (one[2].name in wanted, one[0], one[1]), reverse=True)
        return found[0][2], found[0][3]

    def _planned_before(self, place: int) -> list[Filling]:
        """What the nearest earlier turn with a wish wanted: it tells apart tools that ask the same question."""
        for earlier in range(place - 1, max(-1, place - 5), -1):
            fillings = self._planned(earlier)
            if fillings:
                return fillings
        return []

    def asked_to_confirm(self, place: int) -> bool:
        if place < 0:
            return False
        before = self._talk.before(self._users[place].at)
        return before is not None and before.role == "assistant" and wording.GO_AHEAD in before.text

    def rule_tool(self, rule: guidance.Rule) -> Tool | None:
        for tool in self._box.tools:
            if tool.name in rule.action:
                return tool
        if rule.words:
            return None
        fit = best_fit(self._box, rule.action)
        return fit.tool if fit is not None and fit.score >= FIRES else None


def context_of(talk: Conversation) -> Context:
    """What the conversation offers to complete an utterance."""
    remembered: dict[str, Any] = {}
    for call in talk.calls:
        remembered |= {
            name: value for name, value in call.arguments.items() if value not in (None, "", [], {})
        }
    recent: list[str] = []
    for text in [one.text for one in talk.answers[-3:]] + [call.output or "" for call in talk.calls[-4:]]:
        recent += names_in(text)
    named = [
        str(value)
        for value in remembered.values()
        if isinstance(value, str) and value[:1].isupper() and len(value) > 3
    ]
    names = dict.fromkeys([*reversed(recent), *named, *names_in(talk.instructions)])
    return Context(
        today_in(talk.instructions), remembered, tuple(names), tuple(dict.fromkeys(reversed(recent)))
    )
