"""Whether a transcript is an echo of another text: the same words in the same order, up to what a recogniser makes of them."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import Final

FEWEST_WORDS: Final = 4
"""Fewer are said by chance, or repeated on purpose ("on Tuesday?")."""
ALIKE: Final = 0.75
"""The share of the words that must be found in a run of the other text not much longer."""

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")


def repeats(heard: str, said: str) -> bool:
    """Whether `heard` is a stretch of `said`. Both are cut at a thousand words."""
    spoken, original = words_of(heard), words_of(said)
    if len(spoken) < FEWEST_WORDS or not original:
        return False
    blocks = [
        block for block in SequenceMatcher(None, spoken, original, False).get_matching_blocks() if block.size
    ]
    if not blocks:
        return False
    common = sum(block.size for block in blocks)
    stretch = blocks[-1].b + blocks[-1].size - blocks[0].b
    return common >= ALIKE * len(spoken) and common >= ALIKE * stretch


def words_of(text: str) -> list[str]:
    """Words in lower case, without punctuation."""
    return _WORD.findall(text.lower())[:1000]
