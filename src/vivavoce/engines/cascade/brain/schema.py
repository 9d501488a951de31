"""The part of JSON Schema that tools use: resolving references, checking a value, and making one that is valid.

Covers type, enum, const, properties, required, additionalProperties, items, sizes and bounds, pattern, anyOf, oneOf,
allOf and local $ref. What it does not know it does not refuse.
"""

from __future__ import annotations

import re
from typing import Any

from vivavoce.engines.cascade.brain.patterns import sample

Schema = dict[str, Any]

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}
_DEPTH = 8


def resolve(schema: Any, root: Schema, depth: int = 0) -> Schema:
    """The schema with $ref, a single allOf and nullable unions folded in; a nullable one gets "nullable": True."""
    if not isinstance(schema, dict) or depth > _DEPTH:
        return {}
    if "$ref" in schema:
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        return {**resolve(_follow(str(schema["$ref"]), root), root, depth + 1), **rest}
    if len(schema.get("allOf") or ()) == 1:
        rest = {key: value for key, value in schema.items() if key != "allOf"}
        return {**resolve(schema["allOf"][0], root, depth + 1), **rest}
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        kinds = [resolve(option, root, depth + 1) for option in options]
        solid = [kind for kind in kinds if kind.get("type") != "null"]
        rest = {key: value for key, value in schema.items() if key not in ("anyOf", "oneOf")}
        if solid:
            return {**solid[0], **rest, "nullable": len(solid) < len(kinds)}
    if isinstance(schema.get("type"), list):
        kinds = [kind for kind in schema["type"] if kind != "null"]
        return {**schema, "type": kinds[0] if kinds else "null", "nullable": "null" in schema["type"]}
    return schema


def _follow(reference: str, root: Schema) -> Any:
    place: Any = root
    for step in reference.removeprefix("#/").split("/"):
        if not isinstance(place, dict):
            return {}
        place = place.get(step.replace("~1", "/").replace("~0", "~"), {})
    return place


def faults(value: Any, schema: Any, root: Schema | None = None, path: str = "") -> list[str]:
    """What is wrong with a value, one line each; empty when it is valid."""
    if not isinstance(schema, dict):
        return [f"{path or 'value'} is not allowed"] if schema is False else []
    root = schema if root is None else root
    if "$ref" in schema:
        return faults(value, _follow(str(schema["$ref"]), root), root, path)
    found: list[str] = []
    for part in schema.get("allOf") or ():
        found += faults(value, part, root, path)
    options = schema.get("anyOf") or schema.get("oneOf")
    if options and all(faults(value, option, root, path) for option in options):
        found.append(f"{path or 'value'} fits none of the choices")
    found += _type_faults(value, schema, path or "value")
    if not found:
        found += _object_faults(value, schema, root, path)
        found += _array_faults(value, schema, root, path)
        found += _string_faults(value, schema, path or "value")
        found += _number_faults(value, schema, path or "value")
    return found


def _type_faults(value: Any, schema: Schema, path: str) -> list[str]:
    if "const" in schema and value != schema["const"]:
        return [f"{path} must be {schema['const']!r}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{path} must be one of {schema['enum']!r}"]
    kinds = schema.get("type")
    if kinds is None:
        return []
    for kind in kinds if isinstance(kinds, list) else [kinds]:
        fits = isinstance(value, _TYPES.get(kind, (object,)))
        if kind in ("integer", "number") and isinstance(value, bool):
            fits = False
        if kind == "integer" and isinstance(value, float) and value.is_integer():
            fits = True
        if fits:
            return []
    return [f"{path} must be {kinds}"]


def _object_faults(value: Any, schema: Schema, root: Schema, path: str) -> list[str]:
    if not isinstance(value, dict):
        return []
    properties = schema.get("properties") or {}
    found = [f"{path}.{key} is missing" for key in schema.get("required") or () if key not in value]
    for key, part in value.items():
        if key in properties:
            found += faults(part, properties[key], root, f"{path}.{key}")
        elif schema.get("additionalProperties") is False:
            found.append(f"{path}.{key} is not allowed")
        elif isinstance(schema.get("additionalProperties"), dict):
            found += faults(part, schema["additionalProperties"], root, f"{path}.{key}")
    return found


def _array_faults(value: Any, schema: Schema, root: Schema, path: str) -> list[str]:
    if not isinstance(value, list):
        return []
    found = []
    if len(value) < schema.get("minItems", 0) or len(value) > schema.get("maxItems", len(value)):
        found.append(f"{path} has {len(value)} items")
    if schema.get("uniqueItems") and any(one in value[:place] for place, one in enumerate(value)):
        found.append(f"{path} repeats an item")
    if isinstance(schema.get("items"), dict):
        for place, part in enumerate(value):
            found += faults(part, schema["items"], root, f"{path}[{place}]")
    return found


def _string_faults(value: Any, schema: Schema, path: str) -> list[str]:
    if not isinstance(value, str):
        return []
    if len(value) < schema.get("minLength", 0) or len(value) > schema.get("maxLength", len(value)):
        return [f"{path} has {len(value)} characters"]
    return [f"{path} does not match {schema['pattern']}"] if not matches(schema.get("pattern"), value) else []


def matches(pattern: Any, value: str) -> bool:
    """Whether a value fits a pattern; no pattern, or one Python cannot read, fits everything."""
    if not isinstance(pattern, str):
        return True
    try:
        return re.search(pattern, value) is not None
    except re.error:
        return True


def _number_faults(value: Any, schema: Schema, path: str) -> list[str]:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return []
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if (low is not None and value < low) or (high is not None and value > high):
        return [f"{path} is out of range"]
    if (above is not None and value <= above) or (below is not None and value >= below):
        return [f"{path} is out of range"]
    step = schema.get("multipleOf")
    return (
        [f"{path} is not a multiple of {step}"]
        if step and abs(value / step - round(value / step)) > 1e-9
        else []
    )


def stand_in(schema: Any, root: Schema, text: str = "", depth: int = 0) -> Any:
    """A valid value when nothing better is known: a default, an example, the first choice, or the smallest that fits.

    text: what a plain string says when nothing constrains it.
    """
    kind = resolve(schema, root)
    for wish in (
        kind.get("default"),
        kind.get("const"),
        *(kind.get("examples") or ()),
        *(kind.get("enum") or ()),
    ):
        if wish is not None and not faults(wish, schema, root):
            return wish
    if kind.get("nullable") or kind.get("type") == "null":
        return None
    return _smallest(kind, root, text, depth)


def _smallest(kind: Schema, root: Schema, text: str, depth: int) -> Any:
    match kind.get("type", "object" if "properties" in kind else "string"):
        case "boolean":
            return False
        case "integer" | "number":
            return _smallest_number(kind)
        case "array":
            one = stand_in(kind.get("items") or {}, root, text, depth + 1)
            return [one] * kind.get("minItems", 0)
        case "object":
            if depth > _DEPTH:
                return {}
            properties = kind.get("properties") or {}
            return {
                key: stand_in(properties.get(key, {}), root, text, depth + 1)
                for key in kind.get("required") or ()
            }
        case _:
            return _smallest_string(kind, text)


def _smallest_number(kind: Schema) -> int | float:
    low = kind.get("minimum", kind.get("exclusiveMinimum"))
    high = kind.get("maximum", kind.get("exclusiveMaximum"))
    value: float = 0
    if low is not None and value < low:
        value = low
    if high is not None and value > high:
        value = high
    step = kind.get("multipleOf") or 1
    if value == kind.get("exclusiveMinimum"):
        value += step
    if value == kind.get("exclusiveMaximum"):
        value -= step
    if kind.get("multipleOf"):
        value = -(-value // step) * step
    if kind.get("type") == "integer":
        return -int(-value // 1)
    return value


_FORMATS = {
    "date": "2000-01-01",
    "time": "12:00:00",
    "date-time": "2000-01-01T12:00:00Z",
    "email": "unknown@example.com",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "uri": "https://example.com",
}


def _smallest_string(kind: Schema, text: str) -> str:
    if isinstance(kind.get("pattern"), str):
        made = sample(kind["pattern"])
        return made if made is not None and matches(kind["pattern"], made) else text
    wish = _FORMATS.get(kind.get("format", ""), text or "unknown")
    wish = wish.ljust(kind.get("minLength", 0), "-")
    return wish[: kind["maxLength"]] if "maxLength" in kind else wish
