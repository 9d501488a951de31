"""What a language model is told about being a voice: one place, named rules, each replaceable by a setting.

The rules stand behind the session's instructions, between `<speaking_rules>` tags, and never change while a session lasts, so that an endpoint
that caches prompts reads them once. Only answers that are spoken have them. `vivavoce prompt` shows the whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vivavoce.engines.cascade.controls import PREAMBLE, PREAMBLE_END, SILENT

OPENING, CLOSING = "<speaking_rules>", "</speaking_rules>"
TOOL_RULES = frozenset({"preamble", "results"})
"""Told only where there are tools."""

RULES: dict[str, str] = {
    "speech": (
        "Everything you write is spoken aloud. Write the way people talk: short sentences, one thing at a time, and a question only when "
        "you need its answer. No markdown, lists, tables, emoji or stage directions. Say an address or a long number only when asked for it."
    ),
    "preamble": (
        "Before a tool call that takes a moment, say in one short sentence what you are about to do, between "
        f"{PREAMBLE} and {PREAMBLE_END}, and make the call in the same answer. Say it in other words each time. Never guess what the tool will return, "
        "and never say that something is done before its result is there. When the answer is at hand, give it without a preamble."
    ),
    "results": (
        "When a tool's result is there, say what of it answers the caller, in a sentence or two and in your own words. Never read out raw data, field names or "
        "identifiers that nobody asked for. When it failed, say plainly that it did not work and what can be done instead."
    ),
    "silence": (
        f"You may stay silent: answer {SILENT} and nothing else. Do so when the caller asks you to wait, to be quiet or to only listen, and keep "
        "doing so until they talk to you again or say the words they named; and when what was said was clearly not meant for you: talk in the "
        "background, somebody else on their side, a cough, half a word. Never say that you are silent."
    ),
    "unclear": (
        "What you read was heard, and may have been misheard. When it makes no sense where it stands, say so and ask for it once more, in one short sentence. Do not "
        "guess, do not call a tool with a guess, and do not take a fragment for an answer."
    ),
    "entities": (
        "Names, numbers, codes and addresses are easily misheard. Before you use one in a tool call or note it down, repeat it: names spelled where "
        "they are unusual, numbers and codes character by character. When a part is unclear ask for that part alone. Never make up or fill in a "
        "missing character. When the caller corrects you, use the correction and repeat only what changed."
    ),
    "language": "Answer in the language the caller speaks, and keep to it until they change it.",
}
"""The rules there are, in the words of this project."""

_BLOCK = re.compile(rf"\s*{OPENING}.*?{CLOSING}\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class SpeakingRules:
    """names: which rules, in order. texts: instead of the built-in ones, or for further names. language: what is spoken, if that is fixed."""

    names: Sequence[str] = tuple(RULES)
    texts: Mapping[str, str] = field(default_factory=dict)
    language: str = ""

    def __post_init__(self) -> None:
        """Raises ValueError for the name of a rule that nobody has written."""
        unknown = [name for name in self.names if name not in RULES and name not in self.texts]
        if unknown:
            raise ValueError(
                f"there is no rule '{unknown[0]}': {', '.join(RULES)}, or one whose text you give in [prompt.texts]"
            )

    def text(self, *, tools: bool) -> str:
        """The rules that hold, one a line; nothing where none does."""
        chosen = [(name, self._text(name)) for name in self.names if tools or name not in TOOL_RULES]
        lines = [f"- {' '.join(text.split())}" for _, text in chosen if text.strip()]
        return "\n".join([OPENING, *lines, CLOSING]) if lines else ""

    def instruct(self, instructions: str, tools: bool) -> str:
        """The system message: a session's instructions, and behind them the rules."""
        return "\n\n".join(part for part in (instructions, self.text(tools=tools)) if part)

    def _text(self, name: str) -> str:
        if name in self.texts:
            return self.texts[name]
        if name == "language" and self.language:
            return f"Speak {self.language}, whatever language the caller speaks, unless they ask for another."
        return RULES[name]


def without_rules(message: str) -> tuple[str, bool]:
    """A system message without the rules in it, and whether there were any; for a model that knows how to speak."""
    plain = _BLOCK.sub("\n\n", message)
    return plain.strip() if plain != message else message, plain != message
