"""What tools answered, as speech."""

from __future__ import annotations

from typing import Any

import msgspec

from vivavoce.engines.cascade.brain.conversation import Call
from vivavoce.engines.cascade.brain.dates import dates_spoken
from vivavoce.engines.cascade.brain.english import WRITES
from vivavoce.engines.cascade.brain.facts import number_said, say_list, say_object
from vivavoce.engines.cascade.brain.sentences import NOTHING, opened, say_string
from vivavoce.engines.cascade.brain.tools import Slot, Tool
from vivavoce.engines.cascade.brain.words import word_set, words_of_name

_DONE = word_set("ok okay done success successful true completed")


def spoken(call: Call, tool: Tool | None, introduce: str = "") -> str:
    """One call's output as speech. `introduce` is put before it unless it already names its subject."""
    output = _decoded(call.output or "")
    about = subject(call, tool)
    text = dates_spoken(_say(output, about, call, tool))
    if introduce and not _names(text, about or introduce):
        head = introduce[:1].upper() + introduce[1:]
        return f"{head}: {text}"
    return text


def _names(text: str, about: str) -> bool:
    return all(word in text.lower() for word in about.lower().split()[-2:])


def subject(call: Call, tool: Tool | None) -> str:
    """What a call was about, out of its arguments: "claim B1004", "Harbour Inn", or "" when it had none."""
    slots = {slot.name: slot for slot in tool.slots} if tool else {}
    if sum(1 for name in call.arguments if name in slots and slots[name].kind == "place") > 1:
        return ""  # a journey has no single place as its subject
    for wanted in ("id", "integer_id", "name", "place", "string"):
        for name, value in call.arguments.items():
            slot = slots.get(name)
            kind = slot.kind if slot else ("id" if name.endswith("id") else "string")
            if kind == wanted and isinstance(value, str | int) and not isinstance(value, bool) and str(value):
                return _entity(name, str(value), kind, tool, slot)
    named = [
        value
        for value in call.arguments.values()
        if isinstance(value, str) and value[:1].isupper() and " " in value
    ]
    return named[0] if len(named) == 1 else ""


def _entity(name: str, value: str, kind: str, tool: Tool | None, slot: Slot | None) -> str:
    if kind not in ("id", "integer_id"):
        return value
    words = words_of_name(name)
    while len(words) > 1 and words[-1] in ("id", "no", "ref", "key", "code"):
        words = words[:-1]
    if (
        len(words) > 1
        and words[-1] in ("number", "reference")
        and tool
        and words[0] in words_of_name(tool.name)
    ):
        words = words[:-1]
    if words == ["id"] or words == ["number"]:
        words = (tool.noun.split() if tool else [])[:1] or ["number"]
    return f"{' '.join(words)} {value}"


def _decoded(text: str) -> Any:
    stripped = text.strip()
    if not stripped:
        return None
    try:
        value = msgspec.json.decode(stripped)
    except msgspec.DecodeError:
        return stripped
    if isinstance(value, str) and value.strip()[:1] in ("{", "["):
        return _decoded(value)
    return value


def _say(value: Any, about: str, call: Call, tool: Tool | None) -> str:
    writes = tool is not None and tool.action in WRITES
    if value is None or value == "" or value == [] or value == {}:
        if writes and value is None:
            return "Done."
        return f"I found nothing for {about}." if about else NOTHING
    if isinstance(value, str) and value.strip().lower().rstrip(".!") in _DONE:
        return "Done."
    if isinstance(value, bool):
        return ("Done." if value else "That did not work.") if writes else ("Yes." if value else "No.")
    if isinstance(value, str):
        return say_string(value, about)
    if isinstance(value, int | float):
        lead = f"{opened(about)}:" if about else f"The {tool.noun if tool else 'result'} is"
        return f"{lead} {number_said(value)}."
    if isinstance(value, list):
        return say_list(value, about, tool.noun if tool else "results")
    return say_object(value, about, call.arguments) if isinstance(value, dict) else str(value)
