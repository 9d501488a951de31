"""Items as clients send them: read with the leniency that real clients need, refused with the API's words.

Lenient (protocol reference 4.11, real-clients): null where something is optional counts as absent, unknown
keys are ignored, an assistant's text part may carry its words as `transcript`, user audio may come back with
its transcript alone.
"""

from typing import Any, TypeVar

import msgspec
from msgspec import UNSET

from vivavoce.protocol import errors
from vivavoce.protocol.images import check_image
from vivavoce.protocol.items import (
    PARTS_OF_ROLE,
    InputAudio,
    InputImage,
    InputItem,
    ItemReference,
    MessageItem,
)
from vivavoce.protocol.refusals import refusal

_ItemT = TypeVar("_ItemT", bound=InputItem)


def read_item(raw: Any, path: str) -> InputItem:
    """One item or item reference out of plain JSON values at `path` of the event. Raises `ClientError`."""
    prepared = prepare_item(raw)
    try:
        item: InputItem = msgspec.convert(prepared, InputItem)
    except msgspec.ValidationError as error:
        raise refusal(error, prepared, InputItem, path) from None
    return check_item(item, path)


def prepare_item(raw: Any) -> Any:
    """A copy of a raw item with absent instead of null, and a text part's `transcript` in its `text`."""
    if not isinstance(raw, dict):
        return raw
    item = {key: value for key, value in raw.items() if value is not None}
    content = item.get("content")
    if isinstance(content, list):
        item["content"] = [_prepare_part(part) for part in content]
    return item


def _prepare_part(raw: Any) -> Any:
    if not isinstance(raw, dict):
        return raw
    part = {key: value for key, value in raw.items() if value is not None}
    if part.get("type") == "output_text" and "text" not in part and "transcript" in part:
        part["text"] = part["transcript"]
    return part


def check_item(item: _ItemT, path: str) -> _ItemT:
    """Refuse what only the types allow: parts that do not fit the role, an audio part without audio, no image."""
    if not isinstance(item, MessageItem):
        if isinstance(item, ItemReference) and not item.id:
            raise errors.missing_parameter(f"{path}.id")
        return item
    allowed = PARTS_OF_ROLE[item.role]
    for index, part in enumerate(item.content):
        part_type = str(part.__struct_config__.tag)
        if part_type not in allowed:
            raise errors.unsupported_value(f"{path}.content[{index}].type", part_type, allowed)
        if isinstance(part, InputImage) and part.image_url is not UNSET:
            check_image(part.image_url, f"{path}.content[{index}].image_url")
        if isinstance(part, InputAudio) and part.audio is UNSET and part.transcript is None:
            raise errors.missing_parameter(f"{path}.content[{index}].audio")
    return item
