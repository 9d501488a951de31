"""Addresses as they are said, for voices that would spell or swallow them. The rest of a text is the voice's own matter."""

from __future__ import annotations

import re

from vivavoce.engines.cascade.tts.text import is_english

_ADDRESS = re.compile(
    r"(?P<mail>(?<![\w.])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[A-Za-z]{2,24}(?!\w))"
    r"|(?P<web>(?:https?://|www\.)[^\s<>\"'()]{1,2000}[\w/])",
    re.IGNORECASE,
)
_SIGNS = {".": "dot", "@": "at", "/": "slash", "-": "dash", "_": "underscore", "+": "plus", "?": "question mark", "=": "equals", "&": "and",
          "#": "hash", ":": "colon", "%": "percent", "~": "tilde"}  # fmt: skip


def said(text: str, language: str) -> str:
    """The text with its addresses written as they are said."""
    return _ADDRESS.sub(lambda found: _spell(found[0], english=is_english(language)), text)


def _spell(address: str, *, english: bool) -> str:
    plain = re.sub(r"^(?:https?://)?(?:www\.)?", "", address, flags=re.IGNORECASE).rstrip("/")
    if not english:
        return plain
    words = re.sub(r"[^\w]|_", lambda found: f" {_SIGNS.get(found[0], ' ')} ", plain)
    return " ".join(words.split())
