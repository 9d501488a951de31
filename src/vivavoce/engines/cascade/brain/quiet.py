""" "Stay quiet until I say ...": when the brain keeps silent, and what wakes it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from vivavoce.engines.cascade.brain.words import likeness, sentences_of, tokenize

_COMMAND = re.compile(
    r"\b(?:(?:stay|be|keep|remain|go|sit|stand) (?:completely |totally |very |on )?(?:quiet|quite|silent|mute|muted|still)"
    # "Quieter" alone is about loudness; until something is said it is the same word misheard.
    r"|(?:stay|be|keep|remain) (?:quieter|quietly|quietest|silently)(?= until| till| unless)"
    r"|listen (?:silently|quietly|in silence|without (?:speaking|talking|responding|answering))"
    r"|(?:don't|dont|do not|stop|no) (?:say(?:ing)? anything|speak(?:ing)?|talk(?:ing)?|respond(?:ing)?|answer(?:ing)?|reply(?:ing)?)"
    r"(?: anymore)?(?= until| till| unless| for now|$)"
    r"|hush|shush|mute yourself|keep silence)\b"
)
_UNTIL = re.compile(
    r"\b(?:until|till|unless|before|and tell)\s+(?:i|you|we|ice|eyes|eye|aye|i'll|i will|high)(?:'ve| have)?"
    r"\s+(?:say|said|says|saying|tell you|call|ask you|hear(?: me say)?|speak|shout|mention|use)"
    r"\s+(?:the (?:words?|phrase)\s+)?(.+)$"
)
"""Also as it is misheard: "until ice say ...". """
_TAIL = re.compile(r"\s+(?:please|okay|ok|thanks|thank you|again)$")
_INVITATIONS = (
    "you can talk", "you can speak", "you may speak", "you may talk", "speak again", "talk again", "talk to me", "come back",
    "wake up", "are you there", "i'm back", "you can answer", "back to you", "unmute", "start talking", "say something",
)  # fmt: skip
_CLOSE_ENOUGH = 0.72


@dataclass(frozen=True, slots=True)
class Quiet:
    """Keeping quiet; `phrase` is what wakes it, "" when only an invitation does."""

    phrase: str


def command(text: str) -> Quiet | None:
    """Whether an utterance asks for silence, and until which words."""
    line = " ".join(token.text for token in tokenize(text))
    if not _COMMAND.search(line):
        return None
    if re.search(r"\b(?:quite|still)\b", line) and not re.search(r"\b(?:until|till|quiet|silent)\b", line):
        return None  # "stay still", "be quite careful"
    until = _UNTIL.search(line)
    phrase = until.group(1) if until else ""
    while _TAIL.search(phrase):
        phrase = _TAIL.sub("", phrase)
    return Quiet(phrase)


def wakes(text: str, quiet: Quiet) -> tuple[bool, str]:
    """Whether an utterance ends the silence, and what it says after the wake phrase."""
    words = [token.text for token in tokenize(text)]
    line = " ".join(words)
    if any(f" {one} " in f" {line} " for one in _INVITATIONS) and len(words) <= 8:
        return True, ""
    if not quiet.phrase:
        return False, ""
    target = quiet.phrase.split()
    best, best_end = 0.0, 0
    for size in range(max(1, len(target) - 1), len(target) + 2):
        for at in range(max(1, len(words) - size + 1)):
            score = likeness(" ".join(words[at : at + size]), quiet.phrase)
            if score > best + 1e-9:
                best, best_end = score, at + size
    return best >= _needed(words, target), " ".join(words[best_end:])


def _needed(words: list[str], target: list[str]) -> float:
    """How alike the phrase must sound: less when it was said alone and begins right, more when it is short or buried."""
    if len("".join(target)) < 6 or len(words) > len(target) + 6:
        return 0.85
    alone = len(words) <= len(target) + 1
    if alone and len(target) > 2 and words[: len(target) - 1] == target[:-1]:
        return 0.45  # all but the last word is right
    return 0.6 if alone and len(target) > 1 and words[:1] == target[:1] else _CLOSE_ENOUGH


def state(turns: Sequence[str]) -> tuple[Quiet | None, bool, str]:
    """Over all user turns: (the silence in force after the last, whether the last one broke it, what it said besides)."""
    quiet: Quiet | None = None
    woke, rest = False, ""
    for text in turns:
        woke, rest = False, ""
        if quiet is not None:
            woke, rest = wakes(text, quiet)
            if not woke:
                continue
            quiet = None
            continue
        quiet = command(text)
    return quiet, woke, rest


def acknowledged(instructions: str) -> bool:
    """Whether the command itself gets a word: not when the instructions want silence at once."""
    for sentence in sentences_of(instructions):
        if re.search(r"\b(?:quiet|silent|silently)\b", sentence, re.I) and re.search(
            r"without (?:speaking|responding|replying|answering)|say nothing|do not (?:speak|respond|reply)",
            sentence,
            re.I,
        ):
            return False
    return True
