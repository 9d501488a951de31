"""What is said of a text that is not English: its own words and figures, without markup."""

from __future__ import annotations

import re

from vivavoce.engines.cascade.tts.collector import (
    MARKUP_RULES,
    Collector,
    Rules,
    SpokenWord,
    say_nothing,
    say_pause,
)


def read(text: str) -> tuple[SpokenWord, ...]:
    """The words of a text in any language, for a synthesizer that knows the language."""
    return _FOREIGN.read(text)


def _as_written(found: re.Match[str], out: Collector) -> None:
    out.say([found[0]], *found.span())


def _identifier(found: re.Match[str], out: Collector) -> None:
    """Letters and figures one by one, each left to the language to name."""
    out.say([sign.upper() for sign in found[0] if sign.isalnum()], *found.span())


_FOREIGN = Rules(
    (
        *MARKUP_RULES,
        ("target", r"\]\([^()\s]{0,2000}\)", say_nothing),
        ("scheme", r"(?i:\b(?:https?|ftp)://(?:www\.)?)", say_nothing),
        ("identifier", r"(?<!\w)[A-Za-z]{1,3}-?\d{3,12}(?:-?[A-Za-z0-9]{1,12}){0,6}(?!\w)", _identifier),
        ("figures", r"[$€£]?\d(?:[\d.,:/]{0,40}\d)?\s?[%€$£]?", _as_written),
        # Marks that belong to a letter (accents, vowel signs) are no letters to \w.
        ("word", r"[^\W\d_][\w\u0300-\u036f\u0900-\u0dff]*(?:['’-][^\W\d_]\w*)*", _as_written),
        ("pause", r"[.,;:!?…—–()\[\]{}|\n。，、；：！？¿¡؟،]+(?:\s*\n)*", say_pause),
    )
)
