"""Images in messages: what is one, how large it is, and what is refused by name."""

from __future__ import annotations

import base64
import struct
from typing import Any

import pytest

from vivavoce.protocol.client_events import ConversationItemCreate
from vivavoce.protocol.decode import decode_client_event
from vivavoce.protocol.encode import to_plain
from vivavoce.protocol.errors import ClientError
from vivavoce.protocol.images import LARGEST_IMAGE_BYTES, ImageSize, NotAnImage, image_size


def png(width: int, height: int) -> bytes:
    return (
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + struct.pack(">II", width, height) + b"\x08\x02\x00\x00\x00"
    )


def jpeg(width: int, height: int, before: bytes = b"") -> bytes:
    frame = b"\xff\xc2\x00\x11\x08" + struct.pack(">HH", height, width) + b"\x03" + bytes(9)
    return b"\xff\xd8" + before + b"\xff\xc4\x00\x04\x00\x00" + frame


def uri(image: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(image).decode()}"


def test_the_size_of_a_png() -> None:
    assert image_size(uri(png(640, 480))) == ImageSize(640, 480)


@pytest.mark.parametrize("before", [b"", b"\xff\xe1\x00\x06Exif", b"\xff\xff\xe0\x00\x04\x00\x00"])
def test_the_size_of_a_jpeg(before: bytes) -> None:
    assert image_size(uri(jpeg(640, 480, before), "image/jpeg")) == ImageSize(640, 480)


def test_a_wrong_type_between_the_two_is_forgiven() -> None:
    assert image_size(uri(jpeg(3, 4), "image/png")) == ImageSize(3, 4)
    assert image_size(uri(png(3, 4), "IMAGE/JPEG; charset=x")) == ImageSize(3, 4)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not a data URI"),
        ("https://example.org/cat.png", "not a data URI"),
        ("data:image/png;base64", "not a data URI"),
        ("data:image/gif;base64,R0lGODlh", "'image/gif'; image/png and image/jpeg are supported"),
        ("data:,hello", "the type ''"),
        ("data:image/png,abc", "not base64"),
        ("data:image/png;base64,###", "not valid base64"),
        (uri(b"GIF89a"), "neither a PNG nor a JPEG"),
        (uri(png(0, 5)), "cut off or broken"),
        (uri(png(5, 5)[:18]), "cut off or broken"),
        (uri(b"\xff\xd8\xff\xe0\xff\xff"), "cut off or broken"),
        (uri(b"\xff\xd8nonsense here"), "cut off or broken"),
        ("data:image/png;base64," + "A" * (LARGEST_IMAGE_BYTES * 4 // 3 + 8), "more than 15728640 bytes"),
    ],
)
def test_what_is_no_image(text: str, problem: str) -> None:
    with pytest.raises(NotAnImage, match=problem.replace("(", r"\(")):
        image_size(text)


def create(**part: Any) -> ConversationItemCreate:
    import json

    item = {"type": "message", "role": "user", "content": [{"type": "input_image", **part}]}
    event = decode_client_event(
        json.dumps({"type": "conversation.item.create", "event_id": "e1", "item": item})
    )
    assert isinstance(event, ConversationItemCreate)
    return event


def test_an_image_comes_through() -> None:
    plain = to_plain(create(image_url=uri(png(2, 2)), detail="low").item)
    assert plain["content"] == [{"type": "input_image", "image_url": uri(png(2, 2)), "detail": "low"}]
    assert to_plain(create(image_url=uri(png(2, 2)), detail=None).item)["content"][0]["detail"] == "auto"


@pytest.mark.parametrize(
    ("part", "code", "param"),
    [
        ({"image_url": "https://example.org/cat.png"}, "invalid_value", "image_url"),
        ({"image_url": "data:image/gif;base64,R0lGODlh", "detail": "low"}, "invalid_value", "image_url"),
        ({"image_url": None}, "missing_required_parameter", "image_url"),
        ({}, "missing_required_parameter", "image_url"),
        ({"image_url": 7}, "invalid_type", "image_url"),
        ({"image_url": uri(png(2, 2)), "detail": "best"}, "invalid_value", "detail"),
    ],
)
def test_a_bad_image_is_refused_by_name(part: dict[str, Any], code: str, param: str) -> None:
    with pytest.raises(ClientError) as refused:
        create(**part)
    error = refused.value
    assert (error.code, error.param, error.event_id) == (code, f"item.content[0].{param}", "e1")
    assert len(error.message) < 400
