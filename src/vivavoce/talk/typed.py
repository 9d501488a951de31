"""Typed turns: one line is one turn."""

from __future__ import annotations

import asyncio
import os
import sys

from vivavoce.talk.captions import unwanted
from vivavoce.talk.dialogue import Dialogue
from vivavoce.talk.keyboard import Lines
from vivavoce.talk.outcome import Exit, TalkError

ANSWER_S = 120.0
PROMPT = "\x1b[36m\x1b[1m  you\x1b[0m  "


async def converse_typed(dialogue: Dialogue, stdin: int) -> Exit:
    """Take lines until the input ends. With a person at the keyboard, failed answers are theirs to judge."""
    interactive = os.isatty(stdin)
    _prompt(interactive)
    async for line in Lines(stdin):
        if line.strip():
            await dialogue.say(line.strip())
            try:
                async with asyncio.timeout(ANSWER_S):
                    await dialogue.floor.until_idle()
            except TimeoutError:
                raise TalkError(Exit.UNANSWERED, f"no answer within {ANSWER_S:.0f} s") from None
        _prompt(interactive)
    tally = dialogue.tally
    return Exit.UNANSWERED if not interactive and (tally.failed or tally.problems) else Exit.ENDED


def _prompt(interactive: bool) -> None:
    if interactive and sys.stdout.isatty():
        print(unwanted(os.environ).sub("", PROMPT), end="", flush=True)
