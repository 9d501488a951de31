"""What callers and clients have put into items and the upstream does not say again: sound without words, and images. Within caps."""

from __future__ import annotations

from vivavoce.audio.clip import TICKS_PER_SECOND, Clip
from vivavoce.session.item_audio import ItemAudio

SPEECH_BYTES = 48_000
"""A second of speech at 24 kHz."""


class Kept:
    """By the item's id, and the place in its content.

    `speech_s`: of all sound together the latest seconds, and of what is longer the end. `image_bytes`: of all images together, as base64.
    """

    def __init__(self, speech_s: int, image_bytes: int) -> None:
        self.kept_ticks = speech_s * TICKS_PER_SECOND
        self._sounds = ItemAudio(speech_s, speech_s * SPEECH_BYTES)
        self._image_bytes = image_bytes
        self._images: dict[tuple[str, int], str] = {}
        self._places: dict[str, set[int]] = {}

    def add_sound(self, item_id: str, place: int, clips: list[Clip]) -> None:
        """What was said there, at most `speech_s` of it."""
        self._places.setdefault(item_id, set()).add(place)
        self._sounds.add(_key(item_id, place), clips)

    def add_image(self, item_id: str, place: int, url: str) -> None:
        """What is to be seen there. Beyond the cap the oldest goes."""
        self._places.setdefault(item_id, set()).add(place)
        self._images[item_id, place] = url
        while sum(map(len, self._images.values())) > self._image_bytes:
            del self._images[next(iter(self._images))]

    def sound(self, item_id: str, place: int = 0) -> Clip | None:
        """What was said there, where all of it is kept."""
        return self._sounds.recall(_key(item_id, place))

    def image(self, item_id: str, place: int) -> str | None:
        """What is to be seen there."""
        return self._images.get((item_id, place))

    def drop_sound(self, item_id: str, place: int) -> None:
        """Its words are known."""
        self._sounds.drop(_key(item_id, place))

    def drop(self, item_id: str) -> None:
        """The item is gone."""
        for place in self._places.pop(item_id, ()):
            self._sounds.drop(_key(item_id, place))
            self._images.pop((item_id, place), None)


def _key(item_id: str, place: int) -> str:
    return f"{item_id} {place}"
