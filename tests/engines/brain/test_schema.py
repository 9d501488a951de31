"""Checking values against schemas, and making valid ones."""

from __future__ import annotations

from typing import Any

import pytest

from vivavoce.engines.cascade.brain.schema import faults, resolve, stand_in

ROOT: dict[str, Any] = {"$defs": {"Size": {"enum": ["small", "large"], "type": "string"}}}

BAD_AND_GOOD: list[tuple[dict[str, Any], list[Any], list[Any]]] = [
    ({"type": "string", "minLength": 2, "maxLength": 3}, ["a", "abcd", 3, None], ["ab", "abc"]),
    ({"type": "string", "pattern": "^[A-Z]\\d$"}, ["A", "a1"], ["A1"]),
    ({"type": "integer", "minimum": 1, "exclusiveMaximum": 5}, [0, 5, 1.5, True, "1"], [1, 4, 2.0]),
    ({"type": "number", "exclusiveMinimum": 0, "multipleOf": 0.5}, [0, 0.3], [0.5, 2]),
    ({"type": "boolean"}, [0, "true"], [True]),
    ({"enum": ["a", 2]}, ["b", 3], ["a", 2]),
    ({"const": 7}, [8], [7]),
    ({"type": ["string", "null"]}, [4], [None, "x"]),
    ({"anyOf": [{"type": "string"}, {"type": "null"}]}, [4], [None, "x"]),
    ({"allOf": [{"type": "integer"}, {"minimum": 3}]}, [2, "x"], [3]),
    ({"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2, "uniqueItems": True},
     [[], [1, 2, 3], ["a"], [1, 1]], [[1], [1, 2]]),
    ({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False},
     [{}, {"a": "x"}, {"a": 1, "b": 2}, []], [{"a": 1}]),
    ({"type": "object", "additionalProperties": {"type": "integer"}}, [{"a": "x"}], [{"a": 1}, {}]),
    ({"$ref": "#/$defs/Size"}, ["medium"], ["small"]),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "bad", "good"), BAD_AND_GOOD)
def test_bad_values_are_found_and_good_ones_pass(
    schema: dict[str, Any], bad: list[Any], good: list[Any]
) -> None:
    for value in bad:
        assert faults(value, schema, ROOT), value
    for value in good:
        assert not faults(value, schema, ROOT), value


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string"},
        {"type": "string", "minLength": 12},
        {"type": "string", "maxLength": 3},
        {"type": "string", "pattern": "^[A-Z]{2}-\\d{3,5}$"},
        {"type": "string", "format": "date"},
        {"type": "integer", "minimum": 3},
        {"type": "integer", "maximum": -2},
        {"type": "integer", "exclusiveMinimum": 3, "multipleOf": 4},
        {"type": "number", "exclusiveMaximum": 0},
        {"type": "boolean"},
        {"type": "null"},
        {"enum": ["x", "y"]},
        {"const": "z"},
        {"type": "integer", "default": 9},
        {"type": "integer", "default": "not an integer"},
        {"type": "string", "examples": ["one"]},
        {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        {"type": "array", "minItems": 2, "items": {"type": "integer"}},
        {
            "type": "object",
            "required": ["a", "b"],
            "properties": {"a": {"type": "integer"}, "b": {"$ref": "#/$defs/Size"}},
        },
        {"$ref": "#/$defs/Size"},
        {},
    ],
)
def test_a_stand_in_is_valid(schema: dict[str, Any]) -> None:
    value = stand_in(schema, ROOT, "what was said")
    assert not faults(value, schema, ROOT), value


def test_nullable_unions_are_folded() -> None:
    folded = resolve({"anyOf": [{"$ref": "#/$defs/Size"}, {"type": "null"}], "description": "how big"}, ROOT)
    assert folded["enum"] == ["small", "large"]
    assert folded["nullable"] is True
    assert folded["description"] == "how big"


def test_a_schema_that_contains_itself_ends() -> None:
    root: dict[str, Any] = {"$ref": "#"}
    assert resolve(root, root) == {}
    tree: dict[str, Any] = {"type": "object", "required": ["child"], "properties": {"child": {"$ref": "#"}}}
    assert isinstance(stand_in(tree, tree), dict)
