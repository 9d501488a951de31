"""Fields that nobody knows, for servers that refuse them as the live service does (`session.refuse_unknown_fields`, docs/adr/0039).

What is known is what the types say; free objects (a tool's `parameters`, `metadata`, credentials) may hold anything.
"""

from functools import lru_cache
from typing import Any

from msgspec import Struct, inspect

from vivavoce.protocol import errors
from vivavoce.protocol.refusals import shapes_of
from vivavoce.protocol.session_objects import (
    MaxOutputTokens,
    Prompt,
    Reasoning,
    ResponseAudio,
    SessionObject,
    Tool,
    ToolChoice,
    TranscriptionSessionObject,
)


class ResponseFields(Struct):
    """What `response.create.response` may hold (protocol reference 2.5); items of `input` are read by themselves."""

    conversation: Any = None
    input: list[Any] | None = None
    instructions: Any = None
    output_modalities: Any = None
    audio: ResponseAudio | None = None
    tools: list[Tool] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: Any = None
    reasoning: Reasoning | None = None
    prompt: Prompt | None = None
    max_output_tokens: MaxOutputTokens | None = None
    metadata: Any = None


Fields = type[SessionObject] | type[TranscriptionSessionObject] | type[ResponseFields]


def refuse_unknown(given: dict[str, Any], kind: Fields, path: str) -> None:
    """Raises ClientError `unknown_parameter` for the first field, at any depth, that is none of `kind`."""
    _walk(given, _info(kind), path)


_info = lru_cache(maxsize=8)(inspect.type_info)


def _walk(value: Any, kind: inspect.Type, path: str) -> None:
    kinds = shapes_of(kind)
    if isinstance(value, list):
        inner = [one.item_type for one in kinds if isinstance(one, inspect.ListType)]
        for index, item in enumerate(value):
            for one in inner:
                _walk(item, one, f"{path}[{index}]")
    structs = [one for one in kinds if isinstance(one, inspect.StructType) and _fits(one, value)]
    if not isinstance(value, dict) or not structs:
        return  # Of another kind altogether: reading it will tell.
    known = {field.encode_name: field.type for struct in structs for field in struct.fields}
    for key, item in value.items():
        if key in known:
            _walk(item, known[key], f"{path}.{key}")
        elif key not in {struct.tag_field for struct in structs}:
            raise errors.unknown_parameter(f"{path}.{key[:64]}")


def _fits(struct: inspect.StructType, value: Any) -> bool:
    """One kind of several is told by its tag; tools without a type are functions."""
    if struct.tag_field is None or not isinstance(value, dict):
        return True
    return bool(value.get(struct.tag_field, struct.tag) == struct.tag)
