"""Which sound of a caller is kept, until its words are known."""

from __future__ import annotations

from typing import Any

import pytest

from vivavoce.audio.clip import Clip
from vivavoce.call.machines import AnySession
from vivavoce.engines.relay.carrying import carried
from vivavoce.engines.relay.input import Input
from vivavoce.engines.relay.kept import Kept
from vivavoce.engines.relay.known import Known
from vivavoce.protocol.items import InputAudio, InputText, MessageItem
from vivavoce.protocol.session_objects import AudioConfig, AudioInputConfig, ServerVad, SessionObject
from vivavoce.session.outbox import Outbox


def session(**heard: Any) -> AnySession:
    return SessionObject(id="sess_1", model="m", audio=AudioConfig(input=AudioInputConfig(**heard)))


def fed(input_: Input, ms: int, config: AnySession, first: int = 0) -> None:
    """Sound whose samples say which 20 ms of it they are."""
    for number in range(first, first + ms // 20):
        input_.take(Clip(bytes([number % 256, 0]) * 480, 24_000), config)


def places(clips: list[Clip]) -> list[int]:
    """Which 20 ms are in there."""
    pcm = b"".join(clip.pcm for clip in clips)
    return [pcm[at] for at in range(0, len(pcm), 960)]


def test_of_a_turn_that_the_upstream_hears_its_own_bounds_are_kept() -> None:
    input_ = Input(Outbox(str), "audio/pcm", 30)
    turns = session(turn_detection=ServerVad())
    fed(input_, 1000, turns)
    input_.begin_again()  # Another upstream counts from here.
    fed(input_, 800, turns, 50)
    input_.started("item_1", 200)
    fed(input_, 1000, turns, 90)
    input_.stopped(1200)
    assert places(input_.committed()) == list(range(60, 110))
    assert not input_.committed()
    fed(input_, 40, turns)
    assert places(input_.committed()) == [0, 1]  # A client may commit by itself.


def test_while_nobody_speaks_three_seconds_are_kept_and_no_more() -> None:
    input_ = Input(Outbox(str), "audio/pcm", 30)
    turns = session(turn_detection=ServerVad())
    fed(input_, 5000, turns)
    input_.started("item_1", 0)
    input_.stopped(5000)
    assert places(input_.committed()) == list(range(100, 250))


@pytest.mark.parametrize("kept_s", [0, 2])
def test_of_what_is_pushed_to_talk_the_end_is_kept(kept_s: int) -> None:
    input_ = Input(Outbox(str), "audio/pcm", kept_s)
    pushed = session(turn_detection=None)
    fed(input_, 4000, pushed)
    assert places(input_.committed()) == list(range(200 - kept_s * 50, 200))


def test_words_that_come_free_the_sound() -> None:
    known = Known(30)
    known.added(MessageItem(id="item_1", role="user", content=[InputAudio()]), None)
    known.spoken("item_1", [Clip(bytes(960), 24_000)])
    (item,) = carried(known.conversation, lambda item_id, place: f"{item_id}/{place}")
    assert isinstance(item, MessageItem)
    assert item.content == [InputAudio(audio="item_1/0")]
    assert known.kept.sound("item_1") is not None
    known.understood("item_1", 0, "hello")
    assert known.kept.sound("item_1") is None
    (item,) = carried(known.conversation, lambda item_id, place: f"{item_id}/{place}")
    assert isinstance(item, MessageItem)
    assert item.content == [InputText(text="hello")]


def test_words_that_come_before_the_item_is_done_are_not_forgotten() -> None:
    known = Known(30)
    known.added(MessageItem(id="item_1", role="user", content=[InputAudio(), InputAudio()]), None)
    for place in (0, 1):
        known.given("item_1", place, Clip(bytes(960), 24_000))
    known.understood("item_1", 1, "hello")
    known.became(MessageItem(id="item_1", role="user", content=[InputAudio(), InputAudio()]))
    (item,) = carried(known.conversation, lambda item_id, place: f"{item_id}/{place}")
    assert isinstance(item, MessageItem)
    assert item.content == [InputAudio(audio="item_1/0"), InputText(text="hello")]
    assert known.kept.sound("item_1", 1) is None


def test_of_images_the_latest_are_kept() -> None:
    kept = Kept(0, 10)
    for place, url in enumerate(("first", "later", "last")):
        kept.add_image("item_1", place, url)
    assert [kept.image("item_1", place) for place in range(3)] == [None, "later", "last"]
    kept.drop("item_1")
    assert kept.image("item_1", 2) is None
    kept.add_image("item_2", 0, "larger than all of them")
    assert kept.image("item_2", 0) is None
