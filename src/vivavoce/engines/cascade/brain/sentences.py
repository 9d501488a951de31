"""Strings that tools answered with, made into sentences."""

from __future__ import annotations

import re

from vivavoce.engines.cascade.brain.words import tokenize, word_set

NOTHING = "I found nothing."
_ERGATIVE = word_set(
    "shipped arrived departed landed started begun finished ended expired failed left closed opened"
)
_FINITE = re.compile(
    r"\b(?:is|are|was|were|has|have|had|will|can|cannot|does|did|do|should|may|must|there's|it's|you're|isn't|won't|goes|"
    r"opens|closes|starts|costs|takes|needs|arrives|leaves)\b",
    re.I,
)


def opened(text: str) -> str:
    """With a capital at its start."""
    return text[:1].upper() + text[1:]


def ended(text: str) -> str:
    """With a mark at its end."""
    text = text.strip()
    return text if not text or text[-1] in ".!?" else f"{text}."


def say_string(text: str, about: str) -> str:
    """A sentence as it is; a fragment gets its subject: "paid in May" -> "Claim 7 is paid in May."."""
    failure = re.match(r"(?i)\s*(?:an? )?(?:error|failed|failure|exception)\b[^:]*:\s*(.+)", text, re.S)
    if failure:
        return sorry(failure.group(1))
    if is_sentence(text):
        return ended(opened(text.strip()))
    return ended(f"{opened(about)}{_predicate(text.strip())}" if about else opened(text.strip()))


def is_sentence(text: str) -> bool:
    """Whether a text can be read as it is: it ends like a sentence, or it has a subject and a finite verb."""
    stripped = text.strip()
    words = tokenize(stripped)
    if re.search(r"\w[.!?]\s+[A-Z]", stripped):
        return True
    if stripped[-1:] in ".!?" and len(words) >= 3 and stripped[:1].isupper():
        return True
    finite = _FINITE.search(stripped)
    return (
        finite is not None
        and finite.start() > 0
        and len(words) >= 4
        and not _starts_with_participle(stripped)
    )


def _starts_with_participle(text: str) -> bool:
    first = next((token.text for token in tokenize(text)), "")
    return first.endswith(("ed", "ing")) and len(first) > 4


def _predicate(text: str) -> str:
    """What follows the subject: "shipped" -> " has shipped", "waiting" -> " is waiting", other fragments after a colon."""
    first = next((token.text for token in tokenize(text)), "")
    lowered = text[:1].lower() + text[1:] if not text[:2].isupper() else text
    if lowered.startswith("not found"):
        return f": {NOTHING}"
    if first in _ERGATIVE:
        return f" has {lowered}"
    if (first.endswith(("ed", "ing")) and len(first) > 4) or first in _STATES:
        return f" is {lowered}"
    if lowered.startswith("not found"):
        return f": {NOTHING}"
    if first in ("no", "none", "nothing"):
        rest = text.split(maxsplit=1)[1] if " " in text else "result"
        return f": I found no {re.sub(r' found', '', rest, count=1)}" if first == "no" else f": {NOTHING}"
    if first in ("is", "are", "was", "has", "will", "can", "cannot"):
        return f" {lowered}"
    return f": {text}"


_STATES = word_set("""on off open closed free available unavailable ready pending active inactive empty full late early delayed paid unpaid
    due overdue complete incomplete in at out under sold booked not still now currently already almost up down""")


def sorry(reason: str) -> str:
    """An apology with the reason a tool gave."""
    reason = reason.strip().rstrip(".")
    return f"I am sorry, that did not work: {reason}." if reason else "I am sorry, that did not work."
