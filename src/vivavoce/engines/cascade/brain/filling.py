"""Arguments for a tool out of an utterance, the question it answers, and what was said before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from vivavoce.engines.cascade.brain.english import PRONOUNS
from vivavoce.engines.cascade.brain.ids import find_id, plain_run
from vivavoce.engines.cascade.brain.names import read_name, read_text, whole_answer
from vivavoce.engines.cascade.brain.readers import MISHEARD, READERS, heard_part
from vivavoce.engines.cascade.brain.schema import faults, resolve, stand_in
from vivavoce.engines.cascade.brain.tools import Slot, Tool, slot_kind
from vivavoce.engines.cascade.brain.utterance import Scene, Value
from vivavoce.engines.cascade.brain.words import stem, word_set

# Kinds with unmistakable values come first, so that a name does not swallow a date.
_ORDER = ("email", "shaped", "date", "datetime", "time", "phone", "enum", "integer", "number", "id", "integer_id", "boolean",
          "array", "place", "name", "string", "text", "object")  # fmt: skip
_OTHER = word_set("other another different new second")


@dataclass
class Filling:
    """Values found so far for one tool, and what was heard only in part."""

    tool: Tool
    values: dict[tuple[str, ...], Value] = field(default_factory=dict)
    partial: dict[tuple[str, ...], str] = field(default_factory=dict)

    @property
    def missing(self) -> list[Slot]:
        """Required slots without a value, in the order of the schema."""
        return [slot for slot in self.tool.needs if slot.path not in self.values]

    def arguments(self) -> dict[str, Any]:
        """The call's arguments. Optional values the schema refuses are left out, nullable required ones are null."""
        made: dict[str, Any] = {}
        for slot in self.tool.slots:
            if slot.path in self.values:
                _put(made, slot.path, self.values[slot.path].value)
            elif slot.schema.get("nullable") and _demanded(self.tool, slot):
                _put(made, slot.path, None)
            elif "default" in slot.schema and _demanded(self.tool, slot):
                _put(made, slot.path, slot.schema["default"])
        for name in self.tool.parameters.get("required") or ():
            part = resolve((self.tool.parameters.get("properties") or {}).get(name, {}), self.tool.parameters)
            if name not in made and part.get("type") == "object":
                made[name] = {}
        return made


def _put(made: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for step in path[:-1]:
        made = made.setdefault(step, {})
    made[path[-1]] = value


def _demanded(tool: Tool, slot: Slot) -> bool:
    return len(slot.path) == 1 and slot.name in (tool.parameters.get("required") or ())


def fill(tool: Tool, scene: Scene, into: Filling | None = None, only_sure: bool = False) -> Filling:
    """Give the words of an utterance to the slots of a tool that have no value yet.

    only_sure: leave out names and free text, which take any words (for side remarks in an answer to something else).
    """
    filling = into or Filling(tool)
    for slot in sorted(tool.slots, key=_turn):
        if slot.path in filling.values or (
            only_sure and slot.kind in ("name", "place", "string", "text", "object", "boolean")
        ):
            continue
        value = read(slot, scene)
        if value is None or not valid(slot, value.value, tool):
            part = heard_part(slot, scene, False) if slot.kind == "id" and value is None else None
            if part:
                filling.partial[slot.path] = part
            continue
        if not slot.required and value.sure < 2.0:
            continue
        scene.take(value)
        filling.values[slot.path] = value
        filling.partial.pop(slot.path, None)
    return filling


def _turn(slot: Slot) -> tuple[int, bool]:
    kind = "shaped" if slot.kind == "id" and slot.shape is not None else slot.kind
    return _ORDER.index(kind), not slot.required


def read(slot: Slot, scene: Scene, expected: bool = False) -> Value | None:
    """One slot's value in an utterance; `expected` when the utterance answers a question for it."""
    if slot.kind in READERS:
        return READERS[slot.kind](slot, scene, expected)
    if slot.kind == "array":
        return _read_array(slot, scene, expected)
    if slot.kind == "text":
        return read_text(slot, scene, expected)
    return read_name(slot, scene, expected) if slot.kind != "object" else None


def valid(slot: Slot, value: Any, tool: Tool) -> bool:
    return not faults(value, slot.schema, tool.parameters)


def answer(slot: Slot, scene: Scene, filling: Filling) -> bool:
    """Take an utterance as the answer to a question for `slot`; then look for other slots in it. True when it was one."""
    value = read(slot, scene, expected=True)
    if slot.kind in ("name", "place", "string", "text"):
        value = value if value is not None and value.sure >= 2.6 else whole_answer(slot, scene) or value
    if value is None or not valid(slot, value.value, filling.tool):
        part = heard_part(slot, scene, True) if slot.kind == "id" else None
        if part:
            filling.partial[slot.path] = part
        return False
    scene.take(value)
    filling.values[slot.path] = value
    filling.partial.pop(slot.path, None)
    fill(filling.tool, scene, filling, only_sure=True)
    return True


def remember(filling: Filling, scene: Scene) -> None:
    """Fill what is missing from the conversation, where the utterance points back ("cancel it") or leaves an id out."""
    context = scene.context
    if _OTHER & set(scene.words):
        return
    points_back = bool(PRONOUNS & set(scene.words))
    for slot in filling.missing:
        known = context.remembered.get(slot.name)
        if known is None and slot.kind in ("id", "integer_id"):
            known = next(
                (value for name, value in context.remembered.items() if _same_thing(name, slot)), None
            )
        if (
            known is not None
            and (points_back or slot.kind in ("id", "integer_id"))
            and slot.path not in filling.partial
        ):
            if valid(slot, known, filling.tool):
                filling.values[slot.path] = Value(known, 0, 0)
        elif slot.kind == "name" and points_back and context.recent_names:
            filling.values[slot.path] = Value(context.recent_names[0], 0, 0)


def _same_thing(name: str, slot: Slot) -> bool:
    other = frozenset(stem(word) for word in name.lower().split("_") if word not in ("id", "number"))
    return bool(slot.words) and other == slot.words


def forced_arguments(filling: Filling, text: str) -> dict[str, Any]:
    """Arguments that are valid whatever was said: what was understood, the rest from defaults and the smallest that fits."""
    tool = filling.tool
    for slot in filling.missing:
        filling.values[slot.path] = Value(
            stand_in(slot.schema, tool.parameters, text or "unknown"), 0, 0, True
        )
    made = filling.arguments()
    if not faults(made, tool.parameters):
        return made
    properties = tool.parameters.get("properties") or {}
    made = {
        key: value
        for key, value in made.items()
        if not faults(value, properties.get(key, {}), tool.parameters)
    }
    spare = stand_in({**tool.parameters, "type": "object"}, tool.parameters, text or "unknown")
    return {**(spare if isinstance(spare, dict) else {}), **made}


def _read_array(slot: Slot, scene: Scene, expected: bool) -> Value | None:
    """Several values of the items' kind; free text is cut at commas and "and"."""
    items = slot.schema.get("items") or {}
    inner = Slot(slot.path, items, True, _item_kind(slot, items), slot.shape, slot.words, slot.label)
    found: list[Value] = []
    for _ in range(12):
        value = _next_item(inner, scene, expected)
        if value is None:
            break
        scene.take(value)
        found.append(value)
    for value in found:
        scene.taken -= set(range(value.start, value.end))
    if not found:
        return None
    found.sort(key=lambda value: value.start)
    return Value(
        [value.value for value in found], found[0].start, max(value.end for value in found), sure=2.0
    )


def _item_kind(slot: Slot, items: dict[str, Any]) -> str:
    singular = [stem(word) for word in slot.name.lower().split("_")]
    kind = slot_kind(
        items, singular, str(items.get("description") or slot.schema.get("description") or ""), ""
    )
    return "name" if kind == "text" else kind


def _next_item(inner: Slot, scene: Scene, expected: bool) -> Value | None:
    if inner.kind in ("name", "place", "string"):
        value = read_name(inner, scene, expected)
        if value is not None and " and " in f" {value.value} ".lower():
            width = str(value.value).lower().split().index("and")
            return Value(" ".join(str(value.value).split()[:width]), value.start, value.start + width)
        return value
    return READERS[inner.kind](inner, scene, expected) if inner.kind in READERS else None


def strong_id(tool: Tool, words: list[str]) -> bool:
    """Whether an utterance says, without much guessing, an id this tool takes."""
    for slot in tool.needs:
        if slot.kind == "id" and slot.shape is not None and find_id(words, slot.shape, MISHEARD / 2):
            return True
        if slot.kind in ("id", "integer_id") and slot.shape is None:
            run = plain_run(words)
            if run is not None and len(run.text) >= 3:
                return True
    return False
