"""Fields of a session or a response, read out of plain JSON values; a refusal names the field's path."""

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct

from vivavoce.protocol import errors
from vivavoce.protocol.refusals import kind_of, refusal
from vivavoce.protocol.session_objects import AudioFormat, Modality, Secret


def read_modalities(value: Any, path: str) -> list[Modality]:
    if value is None:
        return ["audio"]
    modalities: list[Modality] = read(value, list[Modality], path)
    if len(modalities) != 1:
        raise errors.invalid_value(path, modalities, "either ['audio'] or ['text']")
    return modalities


def read_format(value: Any, path: str) -> AudioFormat:
    leaf = without_nulls(expect_object(value, path))
    if "type" not in leaf:
        raise errors.missing_parameter(f"{path}.type")
    if leaf["type"] != "audio/pcm":
        leaf.pop("rate", None)  # 8 kHz is implied
    chosen: AudioFormat = read(leaf, AudioFormat, path)
    return chosen


def read_leaf(value: Any, wanted: Any, path: str) -> Any:
    return read(without_nulls(value) if isinstance(value, dict) else value, wanted, path)


def read_field(value: Any, owner: type[Struct], name: str, path: str) -> Any:
    """One field of a struct, so that its range is written down once."""
    kind = next(one.type for one in msgspec.structs.fields(owner) if one.name == name)
    return read(value, kind, f"{path}.{name}")


def read(value: Any, wanted: Any, path: str) -> Any:
    try:
        return msgspec.convert(value, wanted, dec_hook=_secret)
    except msgspec.ValidationError as error:
        raise refusal(error, value, wanted, path) from None


def _secret(kind: type, value: Any) -> Any:
    if kind is not Secret:
        raise TypeError(f"{kind.__name__} has no form on the wire")
    texts = value.values() if isinstance(value, dict) else [value]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("Expected text")
    return Secret(value)


def without_nulls(value: dict[str, Any]) -> dict[str, Any]:
    kept = {key: one for key, one in value.items() if one is not None}
    # Some JSON writers spell 500 as 500.0.
    return {
        key: int(one) if isinstance(one, float) and one.is_integer() else one for key, one in kept.items()
    }


def expect_object(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise errors.invalid_type(path, "an object", kind_of(value))
    return value


def expect_array(value: Any, path: str) -> list[Any]:
    if not isinstance(value, list):
        raise errors.invalid_type(path, "an array", kind_of(value))
    return value


def refuse_keys(given: dict[str, Any], keys: Iterable[str], path: str) -> None:
    for key in keys:
        if key in given:
            raise errors.unknown_parameter(f"{path}.{key}")
