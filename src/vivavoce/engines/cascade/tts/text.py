"""From written text to the words that are said, each with its place in the text it came from.

Synthesizers read figures, signs and ids in surprising ways, and flite crashes on some bytes. So for English
everything is turned into plain lower-case words: an id is spelled, an address, an amount or a time is said in
full, markup is dropped. Other languages keep their own words and figures, which espeak-ng knows how to read;
only markup, pictures and control characters go.
"""

from __future__ import annotations

import re

from vivavoce.engines.cascade.tts import english, foreign
from vivavoce.engines.cascade.tts.collector import SpokenWord

__all__ = ["SpokenWord", "is_english", "read_aloud"]


def read_aloud(text: str, language: str = "en") -> tuple[SpokenWord, ...]:
    """The words of `text`, none where there is nothing to say. The last one's `end` is len(text)."""
    return english.read(text) if is_english(language) else foreign.read(text)


def is_english(language: str) -> bool:
    """Whether a language tag (en, en-US, EN_gb; empty counts as English) names English."""
    return re.split(r"[-_]", language.lower())[0] in ("", "en")
