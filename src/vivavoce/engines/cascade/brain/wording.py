"""What the brain says of its own accord: questions for slots, acknowledgements, introductions of itself."""

from __future__ import annotations

import re

from vivavoce.engines.cascade.brain.english import ACTIONS, STOP, actions_of, listed
from vivavoce.engines.cascade.brain.filling import Filling
from vivavoce.engines.cascade.brain.tools import Slot, Tool
from vivavoce.engines.cascade.brain.words import sentences_of, stem, word_set, words_of_name

GO_AHEAD = "Shall I go ahead?"
NO_MODEL = "No language model is configured here, so I can only do a few things."


def question(slot: Slot) -> str:
    """The question that asks for a slot."""
    label = slot.label
    if slot.kind == "enum" and 0 < len(slot.choices) <= 6:
        return f"Which {label}: {listed([choice_said(one) for one in slot.choices], 'or')}?"
    if slot.kind == "boolean":
        return f"{label[:1].upper() + label[1:]}, yes or no?"
    if slot.kind == "integer" and any(map(_plural, label.split())):
        return f"How many {label}?"
    if slot.kind == "text" and slot.name in ("message", "note", "text", "body", "content"):
        return f"What should the {label} say?"
    if slot.kind == "date" and label in ("date", "day"):
        return "For which day?"
    if slot.kind == "time" and label == "time":
        return "At what time?"
    plural = label.split()[-1].endswith("s") and not label.endswith(("ss", "us"))
    return f"What {'are' if plural else 'is'} the {label}?"


def _plural(word: str) -> bool:
    return word in ("people", "children", "men", "women") or (
        word.endswith("s") and len(word) > 3 and not word.endswith("ss")
    )


def choice_said(choice: object) -> str:
    """A choice in words; names stay as they are written."""
    text = str(choice)
    return text if " " in text else " ".join(words_of_name(text))


def ask(filling: Filling, asked_before: int) -> str:
    """Ask for the first missing slot: plainly, and in other words with what was heard when it was asked before."""
    slot = filling.missing[0]
    heard = filling.partial.get(slot.path)
    plain = question(slot)
    if heard:
        return f"I only caught {heard}, which is not a whole {slot.label}. {plain}"
    if asked_before == 0:
        return plain
    example = _example(slot)
    lead = "Sorry, I did not catch that." if asked_before == 1 else "I am sorry, I still did not get it."
    return f"{lead} {plain}{example}"


def _example(slot: Slot) -> str:
    if slot.kind != "id" or slot.shape is None or not slot.shape.samples:
        return ""
    letters = sum(mark.isalpha() for mark in slot.shape.samples[0])
    digits = sum(mark.isdigit() for mark in slot.shape.samples[0])
    if not digits:
        return ""
    return f" It has {f'{letters} letter{_s(letters)} and ' if letters else ''}{digits} digit{_s(digits)}."


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def confirmation(filling: Filling) -> str:
    """Say what is about to be done, and ask."""
    verb = " ".join(words_of_name(filling.tool.name))
    details = [
        f"{slot.label} {filling.values[slot.path].value}"
        for slot in filling.tool.slots
        if slot.path in filling.values
    ]
    return f"{verb[:1].upper() + verb[1:]}{', ' if details else ''}{listed(details)}. {GO_AHEAD}"


_ACKNOWLEDGEMENTS = {
    "read": (
        "Let me check the {noun}.",
        "One moment, I will look at the {noun}.",
        "Looking at the {noun} now.",
    ),
    "write": (
        "One moment, I will take care of the {noun}.",
        "I am on the {noun} now.",
        "Let me do that for you.",
    ),
    "transfer": ("One moment, I will connect you.", "Let me put you through.", "I am passing you on now."),
    "several": ("Let me look at both.", "One moment, I will check both.", "Checking both now."),
}


def acknowledgement(tools: list[Tool], turn: int) -> str:
    """One sentence before tool calls. It never says what the tools will answer; `turn` varies the wording."""
    if len(tools) > 1:
        texts = _ACKNOWLEDGEMENTS["several"]
        return texts[turn % 3].replace("both", "both" if len(tools) == 2 else "all of that")
    kind = "transfer" if tools[0].hands_over else "read" if tools[0].action in (None, "read") else "write"
    return _ACKNOWLEDGEMENTS[kind][turn % 3].format(noun=tools[0].noun)


def wants_acknowledgement(instructions: str) -> bool:
    """Whether the instructions ask for a spoken acknowledgement before tool calls."""
    for sentence in sentences_of(instructions):
        lowered = sentence.lower()
        if re.search(r"\b(?:don't|do not|never|without|no)\b[^.]*\b(?:acknowledg|preamble)", lowered):
            return False
        speaks = re.search(r"acknowledg|preamble|\b(?:say|speak|tell|announce|narrate|let)\b", lowered)
        before = re.search(
            r"\b(?:before|about to|whenever|when|prior to|during)\b[^.]*\b(?:tool|function)", lowered
        ) or (re.search(r"\b(?:tool|function)s?\b[^.]*\bfirst\b", lowered))
        if speaks and before and not re.search(r"\bresult|\barrive|\bread\b", lowered):
            return True
    return False


def wants_confirmation(instructions: str, tool: Tool) -> bool:
    """Whether the instructions want the caller asked before a tool of this kind changes something."""
    if tool.action not in ("create", "cancel", "change", "send"):
        return False
    for sentence in sentences_of(instructions):
        found = re.search(r"\b(?:confirm|confirmation|double[- ]check)\b.*?\bbefore\b(.*)", sentence, re.I)
        if not found:
            continue
        stems = {stem(word) for word in words_of_name(found.group(1))}
        named = {kind for kind, verbs in ACTIONS.items() if stems & verbs}
        if tool.action in named or not named & {"create", "cancel", "change", "send"}:
            return True
    return False


# --- about itself -------------------------------------------------------------------------------------------------------


_HELP = "help with "


def ability(tool: Tool) -> str:
    """What a tool lets the brain do, as words after "I can"."""
    whole = (sentences_of(tool.description) or [""])[0].rstrip(".!")
    first = re.split(r"\s+(?:by|using|given|based on|when|if|so that|via|to handle)\b|[,(;:]", whole)[
        0
    ].strip()
    first = re.sub(r"\bthe (?:user|caller)'s\b", "your", first)
    first = re.sub(r"(?<=\w )the (?:user|caller)\b", "you", first)
    words = first.split()
    while len(first) < len(whole) - 2 and words and words[-1].lower() in STOP:
        words = words[:-1]
    if len(words) >= 2 and _opens_with_verb(words, tool) and not words[0].lower().startswith("hand"):
        return " ".join([_base_form(words[0].lower()), *words[1:12]])
    return f"connect you with {tool.noun}" if tool.hands_over else f"{_HELP}{tool.noun}"


def _opens_with_verb(words: list[str], tool: Tool) -> bool:
    """Whether a description begins with a verb: one of the tool's own kind, its name's first word, or one before an article."""
    verb = _base_form(words[0].lower())
    kinds = actions_of([verb])
    if words[0].lower() in STOP or words[0].endswith("ing"):
        return False
    if kinds:
        return tool.action is None or tool.action in kinds
    return stem(verb) == stem(words_of_name(tool.name)[0]) or words[1].lower() in _AFTER_VERBS


_AFTER_VERBS = word_set("a an the your one all some any whether how when where out up")


def _base_form(verb: str) -> str:
    """ "finds" and "find" -> find."""
    if verb.endswith(("ches", "shes", "sses", "xes")):
        return verb[:-2]
    return verb[:-1] if verb.endswith("s") and not verb.endswith("ss") else verb


def abilities(tools: tuple[Tool, ...]) -> str:
    """ "I can look up an order, and pass you on to billing." """
    if not tools:
        return "I can greet you, repeat what I said, and stay quiet until you need me."
    said = list(dict.fromkeys(ability(tool) for tool in tools[:5]))
    helps = [one.removeprefix(_HELP) for one in said if one.startswith(_HELP)]
    does = [one for one in said if not one.startswith(_HELP)]
    return f"I can {listed([*does, *([_HELP + listed(helps)] if helps else [])])}."


def role(instructions: str) -> str:
    """ "You are a phone agent for a shop." as "I am a phone agent for a shop." """
    found = re.search(r"\b(?:You are|You're|Your name is)\s+([^.!?\n]+)", instructions)
    if not found:
        return "I am a voice assistant."
    lead = "My name is" if found.group().startswith("Your") else "I am"
    said = re.sub(r"\byour\b", "my", re.sub(r"\byou\b", "I", found.group(1).strip()))
    return f"{lead} {said}."
