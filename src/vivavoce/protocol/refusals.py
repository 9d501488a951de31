"""What msgspec refused, in the words and codes of the API.

msgspec says "Expected `float` <= 1.0 - at `$.audio.output.speed`"; a client of the Realtime API expects a
code, a message in the API's style and `param: session.audio.output.speed`. The place comes from msgspec's
path, the rest from the value and the type found there, never from text that a client could have put into the
message.
"""

import re
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import inspect

from vivavoce.protocol import errors
from vivavoce.protocol.errors import ClientError

_TOKEN = re.compile(r"\.([A-Za-z_][A-Za-z0-9_]*)|\[(\d+)\]")
_MISSING = re.compile(r"Object missing required field `([A-Za-z0-9_]+)`")
_type_info = lru_cache(maxsize=64)(inspect.type_info)


def refusal(error: msgspec.ValidationError, raw: Any, wanted: Any, prefix: str = "") -> ClientError:
    """The client error for what `msgspec.convert(raw, wanted)` refused; `prefix` is the place of `raw`."""
    body, _, tail = str(error).rpartition(" - at `")
    if not body or not tail.startswith("$"):
        body, tail = str(error), "$`"
    path, value, kinds = prefix, raw, shapes_of(_type_info(wanted))
    for name, index in _TOKEN.findall(tail):
        path = f"{path}[{index}]" if index else f"{path}.{name}".removeprefix(".")
        kinds = _below(kinds, value, name)
        value = _child(value, name, index)
    return _explain(body, path, value, kinds)


def _explain(body: str, path: str, value: Any, kinds: list[inspect.Type]) -> ClientError:
    missing = _MISSING.match(body)
    if missing:
        return errors.missing_parameter(f"{path}.{missing[1]}".removeprefix("."))
    if ", got `" in body or body == "Expected `str`":
        return errors.invalid_type(path, _phrase(kinds, bounds=False), kind_of(value))
    if body.startswith(("Invalid value ", "Invalid enum value ")):
        supported = [choice for kind in kinds for choice in _choices(kind)]
        if all(_choices(kind) for kind in kinds if not isinstance(kind, inspect.StructType)):
            return errors.unsupported_value(path, str(value), supported)
    return errors.invalid_value(path, value, _phrase(kinds, bounds=True))


def kind_of(value: Any) -> str:
    """A JSON value's kind with its article: "an integer"."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a decimal number"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "an object"


def _child(value: Any, name: str, index: str) -> Any:
    if index:
        return value[int(index)] if isinstance(value, list) and int(index) < len(value) else None
    return value.get(name) if isinstance(value, dict) else None


def shapes_of(kind: inspect.Type) -> list[inspect.Type]:
    """The types that a value may have, without what bounds them."""
    if isinstance(kind, inspect.Metadata):
        return shapes_of(kind.type)
    if isinstance(kind, inspect.UnionType):
        return [one for member in kind.types for one in shapes_of(member)]
    return [kind]


def _below(kinds: list[inspect.Type], value: Any, name: str) -> list[inspect.Type]:
    """The types that may stand one step further down; a tagged union is narrowed by the tag that was sent."""
    structs = [kind for kind in kinds if isinstance(kind, inspect.StructType)]
    if name and name in {kind.tag_field for kind in structs}:
        return [inspect.LiteralType(tuple(kind.tag for kind in structs if kind.tag is not None))]
    found: list[inspect.Type] = []
    for kind in kinds:
        if isinstance(kind, inspect.ListType) and not name:
            found += shapes_of(kind.item_type)
        elif isinstance(kind, inspect.StructType) and _tag_fits(kind, value):
            found += [one for part in kind.fields if part.encode_name == name for one in shapes_of(part.type)]
    return found


def _tag_fits(kind: inspect.StructType, value: Any) -> bool:
    return kind.tag_field is None or (isinstance(value, dict) and value.get(kind.tag_field) == kind.tag)


def _choices(kind: inspect.Type) -> tuple[Any, ...]:
    return kind.values if isinstance(kind, inspect.LiteralType) else ()


def _phrase(kinds: list[inspect.Type], bounds: bool) -> str:
    phrases = []
    for kind in kinds:
        phrase = _one_phrase(kind, bounds)
        if phrase and phrase not in phrases:
            phrases.append(phrase)
    return " or ".join(phrases) or "another value"


def _one_phrase(kind: inspect.Type, bounds: bool) -> str:
    match kind:
        case inspect.BoolType():
            return "a boolean"
        case inspect.IntType():
            return "an integer" + (_range(kind.ge, kind.le) if bounds else "")
        case inspect.FloatType():
            return "a number" + (_range(kind.ge, kind.le) if bounds else "")
        case inspect.StrType():
            return "a string" + (_range(kind.min_length, kind.max_length, "of length") if bounds else "")
        case inspect.ListType():
            return "an array" + (_range(kind.min_length, kind.max_length, "of length") if bounds else "")
        case inspect.LiteralType():
            return " or ".join(
                f"'{value}'" if isinstance(value, str) else str(value) for value in kind.values
            )
        case inspect.StructType() | inspect.DictType():
            return "an object"
        case _:
            return ""


def _range(low: float | None, high: float | None, what: str = "") -> str:
    lead = f" {what}" if what else " of"
    if low is not None and high is not None:
        return f"{lead.removesuffix(' of')} between {low} and {high}"
    if low is not None:
        return f"{lead} at least {low}"
    return f"{lead} at most {high}" if high is not None else ""
