"""Images as they come in a message: a data URI with a PNG or a JPEG (protocol reference 2.3).

Only the header is looked at, for what it is and how large: whoever understands the picture is a model elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pybase64

from vivavoce.protocol import errors

LARGEST_IMAGE_BYTES: Final = 15 * 1024 * 1024
"""Decoded bytes of one image, as for one append of audio (protocol reference 4.20)."""
MEDIA_TYPES: Final = ("image/png", "image/jpeg")

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_JPEG: Final = b"\xff\xd8"
# Start-of-frame markers hold the size; 0xC4, 0xC8 and 0xCC stand among them and mean something else.
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True, slots=True)
class ImageSize:
    """Width and height in pixels."""

    width: int
    height: int


class NotAnImage(ValueError):
    """The text says what is wrong, as a phrase that fits behind "it"."""


def check_image(uri: str, param: str) -> None:
    """Refuse what no model could be shown. Raises `ClientError` that names `param`."""
    try:
        image_size(uri)
    except NotAnImage as wrong:
        raise errors.invalid_because(param, f"it {wrong}") from None


def image_size(uri: str) -> ImageSize:
    """How large the image in a data URI is. Raises NotAnImage."""
    head, comma, encoded = uri.partition(",")
    if not head[:5].lower() == "data:" or not comma:
        raise NotAnImage("is not a data URI such as data:image/png;base64,...")
    media_type, *parameters = head[5:].lower().split(";")
    if media_type.strip() not in MEDIA_TYPES:
        raise NotAnImage(f"has the type '{media_type[:40]}'; {' and '.join(MEDIA_TYPES)} are supported")
    if "base64" not in [one.strip() for one in parameters]:
        raise NotAnImage("is not base64")
    if len(encoded) * 3 // 4 > LARGEST_IMAGE_BYTES + 2:
        raise NotAnImage(f"has more than {LARGEST_IMAGE_BYTES} bytes")
    return _size(_decoded(encoded))


def _decoded(encoded: str) -> bytes:
    try:
        return pybase64.b64decode(encoded, validate=True)
    except ValueError:
        raise NotAnImage("is not valid base64") from None


def _size(image: bytes) -> ImageSize:
    # What it is goes by its first bytes: a wrong type in the URI is common and harms nobody.
    if image.startswith(_PNG):
        size = ImageSize(int.from_bytes(image[16:20], "big"), int.from_bytes(image[20:24], "big"))
    elif image.startswith(_JPEG):
        size = _jpeg_size(image)
    else:
        raise NotAnImage("holds neither a PNG nor a JPEG")
    if not size.width or not size.height:
        raise NotAnImage("is cut off or broken")
    return size


def _jpeg_size(image: bytes) -> ImageSize:
    at = 2
    while at + 9 <= len(image) and image[at] == 0xFF:
        marker = image[at + 1]
        if marker in _FRAMES:
            return ImageSize(
                int.from_bytes(image[at + 7 : at + 9], "big"), int.from_bytes(image[at + 5 : at + 7], "big")
            )
        # 0xFF again is padding; every other segment before the frame tells its own length.
        at += 1 if marker == 0xFF else 2 + max(2, int.from_bytes(image[at + 2 : at + 4], "big"))
    return ImageSize(0, 0)
