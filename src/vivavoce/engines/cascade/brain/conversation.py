"""The messages of a prompt, read back as a conversation: who said what, which tools were called, what they answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from vivavoce.engines.cascade.brain.english import STOP
from vivavoce.engines.cascade.brain.words import stem, tokenize
from vivavoce.engines.cascade.messages import STILL_RUNNING


@dataclass
class Call:
    """A tool call of the past; `output` is None while there is none."""

    id: str
    name: str
    arguments: dict[str, Any]
    at: int
    output: str | None = None
    answered_at: int = -1


@dataclass(frozen=True, slots=True)
class Said:
    """One message with words in it."""

    role: str
    text: str
    at: int


@dataclass
class Conversation:
    """A prompt's messages, oldest first."""

    instructions: str = ""
    said: list[Said] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    last_role: str = ""
    length: int = 0

    @property
    def user_turns(self) -> list[Said]:
        return [one for one in self.said if one.role == "user"]

    @property
    def answers(self) -> list[Said]:
        return [one for one in self.said if one.role == "assistant"]

    def before(self, at: int) -> Said | None:
        """What was said last before message number `at`."""
        return next((one for one in reversed(self.said) if one.at < at), None)

    def fresh_results(self) -> list[Call]:
        """Calls whose output nobody has spoken about yet, oldest first."""
        last_user = self.user_turns[-1].at if self.user_turns else -1
        fresh = []
        for call in self.calls:
            if call.output is None or call.answered_at < min(last_user, self.length - 1):
                continue
            later = [one for one in self.answers if one.at > call.answered_at]
            if not any(speaks_of(one.text, call.output) for one in later):
                fresh.append(call)
        return fresh

    def unanswered(self) -> list[Call]:
        """Calls still waiting for their output."""
        return [call for call in self.calls if call.output is None]


def speaks_of(text: str, output: str) -> bool:
    """Whether a text uses words of a tool's output: a filler between two results does not."""
    of_output = _content(output)
    return bool(of_output & _content(text)) or not of_output


def _content(text: str) -> set[str]:
    return {stem(token.text) for token in tokenize(text) if token.text not in STOP}


def text_of(content: Any) -> str:
    """The words of a message's content: a string, or the text parts of a list."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = [part.get("text") or part.get("transcript") or "" for part in content if isinstance(part, dict)]
    return " ".join(part for part in parts if isinstance(part, str) and part)


def read(messages: Sequence[dict[str, Any]]) -> Conversation:
    """Messages as a conversation. What does not have the expected form is passed over."""
    talk = Conversation(length=len(messages))
    guidance: list[str] = []
    by_id: dict[str, Call] = {}
    for at, message in enumerate(messages):
        role, text = str(message.get("role", "")), text_of(message.get("content")).strip()
        if role in ("system", "developer"):
            guidance.append(text)
            continue
        talk.last_role = role
        if role == "tool":
            call = by_id.get(str(message.get("tool_call_id", "")))
            if call is not None and text != STILL_RUNNING:
                call.output, call.answered_at = text, at
            continue
        if text and role in ("user", "assistant"):
            talk.said.append(Said(role, text, at))
        elif role == "user":
            talk.said.append(Said(role, "", at))
        for entry in message.get("tool_calls") or ():
            call = _call(entry, at)
            by_id[call.id] = call
            talk.calls.append(call)
    talk.instructions = "\n".join(guidance)
    return talk


def _call(entry: dict[str, Any], at: int) -> Call:
    function = entry.get("function") or {}
    try:
        arguments = msgspec.json.decode(function.get("arguments") or "{}")
    except msgspec.DecodeError:
        arguments = {}
    return Call(
        str(entry.get("id", "")),
        str(function.get("name", "")),
        arguments if isinstance(arguments, dict) else {},
        at,
    )
