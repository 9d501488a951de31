"""Recordings that are heard once more when their words come back as a message."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tests.server.rest.rig import TONE
from vivavoce.audio.clip import Clip
from vivavoce.call.ports import Prompt, Stages
from vivavoce.engines.scripted.engine import ScriptedSettings
from vivavoce.engines.scripted.stages import ConstantListener, ConstantTranscriber, scripted_stages
from vivavoce.protocol.errors import EngineError
from vivavoce.server.rest.recordings import LONGEST_MS, Recordings

SOUND = Clip(TONE, 16_000)
WEATHER = {"type": "function", "function": {"name": "get_weather", "description": "", "parameters": {}}}


@dataclass(slots=True)
class Counting(ConstantTranscriber):
    """Counts how often it is asked; without a word it fails."""

    opened: list[str] = field(default_factory=list)

    def open(self) -> ConstantListener:
        self.opened.append(self.transcript)
        if not self.transcript:
            raise EngineError("stt", "no recogniser was free")
        return ConstantTranscriber.open(self)


def stages(heard: str) -> Stages:
    made = scripted_stages(ScriptedSettings(), None)
    return replace(made, stt=Counting(heard, 0))


def prompt(*said: str, tools: Any = (WEATHER,)) -> Prompt:
    users = tuple({"role": "user", "content": text} for text in said)
    return Prompt(messages=({"role": "system", "content": "You know the weather."}, *users), tools=tools)


def words(made: Prompt) -> list[Any]:
    return [message["content"] for message in made.messages[1:]]


async def test_what_was_said_takes_the_place_of_what_was_heard() -> None:
    kept, told = Recordings(), stages("what is the weather")
    kept.keep("me", "what is delivered", SOUND)
    assert words(await kept.understood("me", prompt("what is delivered"), told)) == ["what is the weather"]
    # Later requests bring it along as history: it is not heard again, and stays what it was.
    later = await kept.understood("me", prompt("what is delivered", "and tomorrow"), told)
    assert words(later) == ["what is the weather", "and tomorrow"]
    await kept.understood("me", prompt("what is delivered"), told)
    assert isinstance(told.stt, Counting)
    assert len(told.stt.opened) == 1
    await kept.understood("me", prompt("what is delivered", tools=()), told)
    assert len(told.stt.opened) == 2, "other tools, other expectations"


async def test_nobody_else_s_words_and_no_other_words() -> None:
    kept, told = Recordings(), stages("what is the weather")
    kept.keep("me", "what is delivered", SOUND)
    assert words(await kept.understood("you", prompt("what is delivered"), told)) == ["what is delivered"]
    assert words(await kept.understood("me", prompt("hello"), told)) == ["hello"]
    parts = prompt()
    shown = replace(
        parts, messages=(*parts.messages, {"role": "user", "content": [{"type": "text", "text": "x"}]})
    )
    assert await kept.understood("me", shown, told) == shown


@pytest.mark.parametrize("sound", [SOUND, Clip(bytes(len(TONE)), 16_000)], ids=["a failure", "silence"])
async def test_where_nothing_better_is_heard_the_transcript_stays(sound: Clip) -> None:
    kept = Recordings()
    kept.keep("me", "hello there", sound)
    assert words(await kept.understood("me", prompt("hello there"), stages(""))) == ["hello there"]


async def test_few_are_kept_and_only_short_ones() -> None:
    kept, told = Recordings(most=1), stages("again")
    kept.keep("me", "first", SOUND)
    kept.keep("me", "second", SOUND)
    kept.keep("me", "", SOUND)
    kept.keep("me", "long", Clip(bytes(32 * (LONGEST_MS + 1)), 16_000))
    heard = [
        words(await kept.understood("me", prompt(text), told))[0] for text in ("first", "second", "long")
    ]
    assert heard == ["first", "again", "long"]
    none = Recordings(most=0)
    none.keep("me", "first", SOUND)
    assert words(await none.understood("me", prompt("first"), told)) == ["first"]
