"""A recording whose words come back as a message is heard once more, with what is known by then.

A voice pipeline asks for a transcript first and for an answer to it afterwards, and only the second request has instructions and tools. A
recogniser that is told them understands more: "what is delivered in London", asked of somebody who knows the weather, was "what is the
weather in London". See docs/adr/0022-heard-once-more.md.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from vivavoce.audio.clip import Clip, ms_to_ticks
from vivavoce.call.ports import Hints, Prompt, Stages
from vivavoce.protocol.errors import EngineError
from vivavoce.server.rest.transcript import words_in

log = logging.getLogger("vivavoce.rest")

KEPT = 16
"""Recordings, of all owners together. What is answered is mostly answered at once."""
LONGEST_MS = 30_000
"""Longer ones are dictated rather than asked, and would take long to hear again."""


@dataclass(slots=True)
class Recording:
    """A clip, and what was heard in it with somebody's instructions and tools."""

    clip: Clip
    told: Hints | None = None
    again: str = ""


class Recordings:
    """The newest recordings by owner and transcript, in memory. `most` 0 keeps none."""

    def __init__(self, most: int = KEPT) -> None:
        self._most = most
        self._kept: OrderedDict[tuple[str, str], Recording] = OrderedDict()

    def keep(self, owner: str, text: str, clip: Clip) -> None:
        """A transcript was given out."""
        if text and clip.ticks <= ms_to_ticks(LONGEST_MS):
            self._kept.pop((owner, text), None)
            self._kept[owner, text] = Recording(clip)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)

    async def understood(self, owner: str, prompt: Prompt, stages: Stages) -> Prompt:
        """The prompt with what was said in place of what was heard at first; the newest message alone is heard anew.

        What is no transcript of this owner's recordings stays as it is, and so does what nothing better is heard in.
        """
        hints = hints_of(stages, prompt.messages, prompt.tools)
        messages = list(prompt.messages)
        for at, message in enumerate(messages):
            text = message.get("content")
            found = self._kept.get((owner, text)) if isinstance(text, str) else None
            if found is None or message.get("role") != "user":
                continue
            if at == len(messages) - 1 and found.told != hints:
                found.told, found.again = hints, await _again(found.clip, stages, hints)
            messages[at] = message | {"content": found.again or text}
        return replace(prompt, messages=tuple(messages))


def hints_of(
    stages: Stages, messages: Iterable[Mapping[str, Any]], tools: Iterable[Mapping[str, Any]]
) -> Hints:
    """What a recogniser may know of a request: its system messages and tools, in the words of the Chat Completions API."""
    system = [
        m["content"] for m in messages if m.get("role") == "system" and isinstance(m.get("content"), str)
    ]
    functions = tuple(dict(tool["function"]) for tool in tools)
    return Hints("\n\n".join(system), functions, stages.keywords, stages.language, patient=True)


async def _again(clip: Clip, stages: Stages, hints: Hints) -> str:
    try:
        return await words_in(clip, stages, hints)
    except EngineError as failed:
        log.warning("a recording was not heard again: %s", failed.message)
        return ""
