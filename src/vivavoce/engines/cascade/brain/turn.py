"""One turn: from the messages of a prompt to what is said and which tools are called.

Everything is derived from the prompt. An unfinished request lives in the messages too: the last question names the slot it
asks for, and the user turns before it are read again (`Frame`).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import Any

from vivavoce.call.ports import Prompt
from vivavoce.engines.cascade.brain import conversation, guidance, quiet, smalltalk, wording
from vivavoce.engines.cascade.brain.conversation import Call
from vivavoce.engines.cascade.brain.filling import Filling, forced_arguments, strong_id
from vivavoce.engines.cascade.brain.frames import Frame, Requests
from vivavoce.engines.cascade.brain.planning import best_fit, complete, plan
from vivavoce.engines.cascade.brain.readers import yes_or_no
from vivavoce.engines.cascade.brain.schema import faults
from vivavoce.engines.cascade.brain.scoring import FIRES, content_words
from vivavoce.engines.cascade.brain.speaking import spoken, subject
from vivavoce.engines.cascade.brain.tools import Tool, toolbox
from vivavoce.engines.cascade.brain.utterance import Context, Value
from vivavoce.engines.cascade.brain.words import tokenize, word_set

_PATIENCE = 3
"""How often a slot is asked for before the request is given up."""
_WAITING = "One moment, I am still waiting for that."
_SAY_LETTERS = "If that was not it, please say it again with a word for each letter."
_SURE_KINDS = ("id", "integer_id", "date", "time", "datetime", "enum", "email", "phone", "integer", "number")


@dataclass(frozen=True)
class Answer:
    """What to say, and which tools to call with which arguments."""

    text: str = ""
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()


class Turn:
    """The decision for one prompt."""

    def __init__(self, prompt: Prompt) -> None:
        self._prompt = prompt
        self._talk = conversation.read(prompt.messages)
        self._box = toolbox(prompt.tools, self._talk.instructions)
        self._requests = Requests(self._talk, self._box, self._callable())
        self._users = self._talk.user_turns
        self._text = smalltalk.without_greeting(self._users[-1].text) if self._users else ""

    def decide(self) -> Answer:
        """What happens now."""
        choice = self._prompt.tool_choice
        if self._box.tools and (choice == "required" or isinstance(choice, dict)):
            return self._forced(choice)
        silence, woke, rest = quiet.state([turn.text for turn in self._users])
        if silence is not None:
            return self._keep_quiet()
        if self._talk.last_role == "tool":
            return self._after_tools()
        if self._talk.last_role == "assistant" or not self._users:
            return Answer(self._unprompted())
        if woke:
            return self._back(rest)
        return self._reply()

    # --- silence ----------------------------------------------------------------------------------------------------------

    def _keep_quiet(self) -> Answer:
        """The command may be acknowledged once; after it, silence is the answer."""
        if self._talk.last_role != "user" or not quiet.command(self._users[-1].text):
            return Answer()
        before, _, _ = quiet.state([turn.text for turn in self._users[:-1]])
        return Answer("Okay." if before is None and quiet.acknowledged(self._talk.instructions) else "")

    def _back(self, rest: str) -> Answer:
        if rest and self._callable():
            self._text = rest
            fillings = plan(self._box, rest, self._requests.context)
            if fillings:
                done = self._proceed(Frame(fillings))
                return Answer(f"I am back. {done.text}".strip(), done.calls)
        return Answer("I am back. What can I do for you?")

    # --- tools that must be called --------------------------------------------------------------------------------------------

    def _forced(self, choice: Any) -> Answer:
        """`required` or a named function: a call with valid arguments, whatever was said."""
        name = str((choice.get("function") or choice).get("name", "")) if isinstance(choice, dict) else ""
        frame = self._requests.frame()
        fillings = [one for one in frame.fillings if not name or one.tool.name == name]
        if not fillings:
            fit = best_fit(self._box, self._text)
            tool = self._box.named(name) or (fit.tool if fit else self._box.tools[0])
            fillings = [complete(tool, self._text, self._requests.context)]
        if not self._prompt.parallel_tool_calls:
            fillings = fillings[:1]
        calls = tuple((one.tool.name, forced_arguments(one, self._text)) for one in fillings)
        return Answer(self._acknowledge(fillings), calls)

    def _callable(self) -> bool:
        return bool(self._box.tools) and self._prompt.tool_choice != "none"

    # --- after tools --------------------------------------------------------------------------------------------------------

    def _after_tools(self) -> Answer:
        """Speak about what came back; with one call at a time, make the next one first."""
        called = [call for call in self._talk.calls if not self._users or call.at > self._users[-1].at]
        if not self._prompt.parallel_tool_calls and self._callable():
            rest = self._not_yet_called(called)
            if rest:
                return Answer("", ((rest.tool.name, rest.arguments()),))
        fresh = self._talk.fresh_results() or [
            call for call in self._talk.calls[-1:] if call.output is not None
        ]
        if not fresh:
            return Answer(_WAITING)
        doubtful = self._doubtful_values()
        parts = [self._spoken(call, place, len(fresh), doubtful) for place, call in enumerate(fresh)]
        if any("I found no" in part and any(one in part for one in doubtful) for part in parts):
            parts.append(_SAY_LETTERS)
        return Answer(" ".join(parts))

    def _not_yet_called(self, called: list[Call]) -> Filling | None:
        done = [(call.name, call.arguments) for call in called]
        for filling in self._requests.frame().fillings:
            if not filling.missing and (filling.tool.name, filling.arguments()) not in done:
                return filling
        return None

    def _spoken(self, call: Call, place: int, count: int, doubtful: set[str]) -> str:
        tool = self._box.named(call.name)
        about = subject(call, tool)
        introduce = ""
        if count > 1:
            noun = about or f"the {tool.noun if tool else 'result'}"
            introduce = f"{'first' if place == 0 else 'then' if place < count - 1 else 'and'}, {noun}"
        elif about and any(one in about for one in doubtful):
            introduce = f"for {about}"
        return spoken(call, tool, introduce)

    def _doubtful_values(self) -> set[str]:
        """Ids that may be others than the caller said: these are always said aloud (docs/adr/0017-ids-are-said-aloud.md).

        What was guessed from misheard words, and whatever holds letters: half the alphabet rhymes with another letter.
        """
        if not self._users:
            return set()
        fillings = self._requests.frame().fillings
        values = [
            (slot, one.values[slot.path])
            for one in fillings
            for slot in one.tool.slots
            if slot.path in one.values
        ]
        return {
            str(value.value)
            for slot, value in values
            if isinstance(value.value, str)
            and (value.inferred or (slot.kind == "id" and not value.value.isdigit()))
        }

    def _unprompted(self) -> str:
        """Asked to speak although the caller said nothing new."""
        ordered = guidance.order_to_speak(self._talk.instructions)
        if ordered:
            return ordered
        if self._talk.unanswered():
            return _WAITING
        if not self._talk.answers:
            return smalltalk.hello(self._talk)
        return "Is there anything else I can do for you?"

    # --- a user turn ----------------------------------------------------------------------------------------------------------

    def _reply(self) -> Answer:
        words = [token.text for token in tokenize(self._text)]
        if not words:
            return Answer()
        asked = self._requests.open_question(len(self._users) - 1)
        if asked is not None or self._requests.asked_to_confirm(len(self._users) - 1):
            done = self._continued()
            if done is not None:
                return done
        rule = guidance.matching(self._talk.instructions, words)
        if rule is not None:
            done = self._ruled(rule)
            if done is not None:
                return done
        said = smalltalk.reply(words, self._talk, self._box.tools)
        if said is not None:
            return Answer(said)
        return self._wish(words)

    def _wish(self, words: list[str]) -> Answer:
        """A tool, a correction of the last call, a fact, or nothing it can do."""
        fact = guidance.fact(self._talk.instructions, words)
        explain = guidance.wants_explanation(words)
        if fact and explain and fact.answers:
            return Answer(fact.text)
        if self._callable():
            frame = Frame(plan(self._box, self._text, self._requests.context))
            corrected = self._corrected(words, frame)
            if corrected is not None:
                return self._proceed(Frame([corrected]))
            if frame.fillings:
                return self._proceed(frame)
        if fact and fact.answers:
            return Answer(fact.text)
        return self._two_turns_as_one() or Answer(self._at_a_loss(words))

    def _two_turns_as_one(self) -> Answer | None:
        """A pause may have cut one sentence into two turns: when the last makes no sense alone, read both together."""
        last = self._users[-1]
        before = self._talk.before(last.at)
        if before is None or before.role != "user" or not before.text:
            return None
        messages = [message for place, message in enumerate(self._prompt.messages) if place != before.at]
        messages[last.at - 1] = {"role": "user", "content": f"{before.text} {last.text}"}
        together = Turn(replace(self._prompt, messages=tuple(messages))).decide()
        return together if together.calls or together.text.endswith("?") else None

    def _ruled(self, rule: guidance.Rule) -> Answer | None:
        """What a rule of the instructions wants: a tool, or words."""
        tool = self._requests.rule_tool(rule) if self._callable() else None
        if tool is not None:
            return self._proceed(Frame([complete(tool, self._text, self._requests.context, rule.stems)]))
        return Answer(rule.words) if rule.words else None

    def _proceed(self, frame: Frame) -> Answer:
        """Ask for what is missing, ask whether to go ahead, or call."""
        missing = frame.missing
        if missing is not None:
            same = frame.asked is not None and missing.missing[0].path == frame.asked.path
            return Answer(wording.ask(missing, len(frame.answers) if same else 0))
        if not frame.confirmed:
            for filling in frame.fillings:
                if wording.wants_confirmation(self._talk.instructions, filling.tool):
                    return Answer(wording.confirmation(filling))
        fillings = [one for one in frame.fillings if not faults(one.arguments(), one.tool.parameters)]
        if not fillings:
            return Answer(
                "I am sorry, I could not put that together. Please say it again with all the details."
            )
        if not self._prompt.parallel_tool_calls:
            fillings = fillings[:1]
        calls = tuple((one.tool.name, one.arguments()) for one in fillings)
        return Answer(self._acknowledge(fillings), calls)

    def _acknowledge(self, fillings: list[Filling]) -> str:
        if not wording.wants_acknowledgement(self._talk.instructions):
            return ""
        turn = len(self._users) + zlib.crc32(fillings[0].tool.name.encode())
        return wording.acknowledgement([one.tool for one in fillings], turn)

    def _corrected(self, words: list[str], frame: Frame) -> Filling | None:
        """ "no, the other one is B2002", "and in Rome?": the last call again with the values that were said."""
        if not self._talk.calls:
            return None
        last = self._talk.calls[-1]
        tool = self._box.named(last.name)
        if tool is None or any(one.tool is not tool for one in frame.fillings):
            return None
        again = bool(_CORRECTS & set(words[:3])) or " ".join(words[:2]) in (
            "what about",
            "how about",
            "i meant",
            "i said",
        )
        if not again and not (
            strong_id(tool, words) and len(content_words(words)) <= 8 and not frame.fillings
        ):
            return None
        changed = complete(
            tool, self._text, Context(self._requests.context.today, {}, self._requests.context.names)
        )
        fresh = {
            path: value for path, value in changed.values.items() if self._telling(tool, path, value, again)
        }
        if not fresh:
            return Filling(tool, {}, changed.partial) if changed.partial and again else None
        for slot in tool.slots:
            old = last.arguments.get(slot.path[0]) if len(slot.path) == 1 else None
            if slot.path not in fresh and old is not None:
                fresh[slot.path] = Value(old, 0, 0)
        return Filling(tool, fresh)

    def _telling(self, tool: Tool, path: tuple[str, ...], value: Value, again: bool) -> bool:
        slot = next(slot for slot in tool.slots if slot.path == path)
        return slot.kind in _SURE_KINDS or (
            again and slot.kind in ("place", "name", "string") and value.sure >= 2.0
        )

    # --- answers to questions ---------------------------------------------------------------------------------------------------

    def _continued(self) -> Answer | None:
        """The turn as an answer to the open question; None when it is something else altogether."""
        words = [token.text for token in tokenize(self._text)]
        line = " ".join(words)
        if smalltalk.cancels(line):
            return Answer("Okay, I will leave that.")
        if self._requests.asked_to_confirm(len(self._users) - 1):
            return self._after_confirmation()
        frame = self._requests.frame()
        filled = frame.asked is not None and all(frame.asked not in one.missing for one in frame.fillings)
        other = self._other_wish(frame)
        if other and (
            not filled or frame.asked is None or frame.asked.kind in ("name", "place", "string", "text")
        ):
            return self._proceed(Frame(other))
        if not filled and not any(one.partial for one in frame.fillings):
            said = self._aside(words, line, frame)
            if said is not None:
                return said
        if not filled and len(frame.answers) >= _PATIENCE:
            return Answer("I am sorry, I still did not get it. Let us leave that for now.")
        return self._proceed(frame)

    def _other_wish(self, frame: Frame) -> list[Filling]:
        """Another tool than the one being asked about, when the turn clearly wants one."""
        fillings = plan(self._box, self._text, self._requests.context, FIRES + 0.6)
        return [] if any(one.tool is two.tool for one in fillings for two in frame.fillings) else fillings

    def _aside(self, words: list[str], line: str, frame: Frame) -> Answer | None:
        """Small talk, or a caller who does not know, instead of an answer."""
        if any(
            one in line
            for one in ("i don't know", "i do not know", "don't have", "not sure", "no idea", "do not have")
        ):
            label = frame.asked.label if frame.asked else "that"
            return Answer(f"No problem. I need the {label} for that, so just tell me when you have it.")
        said = smalltalk.reply(words, self._talk, self._box.tools)
        if said is not None:
            return Answer(said)
        fact = guidance.fact(self._talk.instructions, words)
        if fact is not None and fact.answers:
            return Answer(fact.text)
        rule = guidance.matching(self._talk.instructions, words)
        return self._ruled(rule) if rule is not None else None

    def _after_confirmation(self) -> Answer | None:
        frame = self._requests.frame()
        if frame.fillings and (frame.confirmed or frame.amended):
            return self._proceed(frame)
        words = [token.text for token in tokenize(self._text)]
        return Answer("Okay, I will leave that.") if yes_or_no(words) is False else None

    def _at_a_loss(self, words: list[str]) -> str:
        """Once per call: that there is no language model. Afterwards only what can be done."""
        can = wording.abilities(self._box.tools)
        if not any(wording.NO_MODEL in one.text for one in self._talk.answers):
            return f"{wording.NO_MODEL} {can}"
        return (
            f"I cannot help with that. {can}"
            if len(self._users) % 2
            else "I am sorry, I did not understand that."
        )


_CORRECTS = word_set("no nope sorry wrong actually rather instead and or not")


def decide(prompt: Prompt) -> Answer:
    """The answer to a prompt."""
    return Turn(prompt).decide()
