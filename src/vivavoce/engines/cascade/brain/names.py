"""Names, places and free text: the stretch of words that stands where such a thing stands in a sentence."""

from __future__ import annotations

import re

from vivavoce.engines.cascade.brain.english import (
    ACTIONS,
    ANNOUNCES,
    FILLERS,
    HONORIFICS,
    NAME_JOINTS,
    POLITE,
    STOP,
    titled,
)
from vivavoce.engines.cascade.brain.tools import Slot, cues_of
from vivavoce.engines.cascade.brain.utterance import Scene, Value
from vivavoce.engines.cascade.brain.words import likeness, stem, word_set

_TEXT_CUES = word_set("regarding about for on titled called") | ANNOUNCES
_QUERY_CUES = word_set("for about on regarding")
_QUERY_NAMES = word_set("query question topic keyword keywords search title subject")
_QUOTED = re.compile(r"[\"“”]([^\"“”]+)[\"“”]|(?<!\w)'([^']{2,})'(?!\w)")
_TEXT_LEAD_INS = (
    "i'd like it to say",
    "it should say",
    "that would be",
    "tell them",
    "just say",
    "because",
    "about",
    "say",
)
_LEAD_INS = sorted((
    "it's called", "it's", "it is", "its", "that is", "that's", "that would be", "my name is", "the name is", "i'm", "i am",
    "this is", "name is", "called", "named", "say", "tell them", "for", "in", "at", "to", "the", "about", "because", "i said",
    "no", "sorry", "i meant", "make it", "make that", "i'd like", "i would like", "i want", "let's say", "let's do",
), key=len, reverse=True)  # fmt: skip


def quoted(scene: Scene) -> Value | None:
    """Text in quotation marks, which is always meant as it stands."""
    found = _QUOTED.search(scene.text)
    if not found:
        return None
    inside = [at for at, one in enumerate(scene.tokens) if found.start() <= one.start < found.end()]
    if not inside or not scene.free(inside[0], inside[-1] + 1):
        return None
    return Value((found.group(1) or found.group(2)).strip(), inside[0], inside[-1] + 1)


def read_name(slot: Slot, scene: Scene, expected: bool) -> Value | None:
    """A name, place or other short string: quoted, known, capitalised, after a cue, or simply what is left."""
    said = quoted(scene)
    if said is not None:
        return said
    choices = [*_known(scene), *_capitalised(scene), *_after_cues(slot, scene), *_left_over(scene)]
    floor = 1.0 if slot.required or expected else 2.5
    choices = [one for one in choices if one.sure >= floor and scene.free(one.start, one.end)]
    cues = cues_of(slot)
    if cues in ({"from"}, {"to"}):  # what comes after the other preposition is the other place
        choices = [one for one in choices if scene.words[max(0, one.start - 1)] not in {"from", "to"} - cues]
    if not choices:
        return None
    best = max(choices, key=lambda one: (one.sure, one.end - one.start))
    text = str(best.value)
    if slot.kind in ("name", "place"):
        text = titled(text)
    return Value(text, best.start, best.end, best.inferred, best.sure)


def _known(scene: Scene) -> list[Value]:
    """Names from the instructions and the conversation that the utterance says, or nearly says."""
    found = []
    for name in scene.context.names:
        plain = re.sub(r"[^\w ]+", " ", name.lower())
        width = len(plain.split())
        for size in {width, width + 1}:
            for at in range(len(scene.words) - size + 1):
                heard = " ".join(scene.words[at : at + size])
                close = heard == plain or (
                    len(plain) >= 8 and heard[:1] == plain[:1] and likeness(heard, plain) >= 0.8
                )
                if close and scene.free(at, at + size):
                    found.append(Value(name, at, at + size, heard != plain, 3.5 if heard == plain else 3.2))
    return found


def _capitalised(scene: Scene) -> list[Value]:
    """Runs of capitalised words in typed text; the first word of a sentence only together with a second one."""
    if not scene.written:
        return []
    found, at = [], 0
    while at < len(scene.tokens):
        end = at
        while end < len(scene.tokens) and (_is_capital(scene, end) or (end > at and _joins(scene, end))):
            end += 1
        start = (
            at + 1 if at == 0 and end > at and (scene.words[0] in STOP or _is_action(scene.words[0])) else at
        )
        if end > start and not (start == 0 and end == 1):
            found.append(Value(scene.raw(start, end), start, end, False, 3.0))
        at = max(end, at + 1)
    return found


def _is_capital(scene: Scene, at: int) -> bool:
    raw = scene.tokens[at].raw
    return (
        raw[:1].isupper()
        and at not in scene.taken
        and raw not in ("I", "I'm", "I'd", "I'll", "I've")
        and not raw.isupper()
    )


def _joins(scene: Scene, at: int) -> bool:
    return scene.words[at] in NAME_JOINTS and at + 1 < len(scene.tokens) and _is_capital(scene, at + 1)


def _is_action(word: str) -> bool:
    return any(stem(word) in verbs for verbs in ACTIONS.values())


def _after_cues(slot: Slot, scene: Scene) -> list[Value]:
    found = []
    cues = cues_of(slot)
    for at, word in enumerate(scene.words):
        by_name = stem(word) in slot.words and at not in scene.taken
        if not by_name and word not in cues:
            continue
        start = at + 1
        while start < len(scene.words) and scene.words[start] in (
            "the",
            "a",
            "an",
            "is",
            "of",
            "called",
            "named",
            "my",
            "number",
        ):
            start += 1
        end = _run_end(scene, start)
        if end > start:
            strength = (
                2.8
                if by_name
                else 2.6
                if word in ("named", "called")
                else 2.5
                if slot.kind == "place"
                else 2.2
            )
            found.append(Value(scene.raw(start, end), start, end, False, strength))
    return found


def _run_end(scene: Scene, start: int) -> int:
    """Where a name that begins at `start` ends: at a function word, a courtesy, or a word something else explains."""
    end = start
    while end < len(scene.words):
        word = scene.words[end]
        joint = word in NAME_JOINTS and start < end < len(scene.words) - 1 and _nameable(scene, end + 1)
        if not joint and not _nameable(scene, end):
            break
        if end > start and re.search(r"[,.;:!?]", scene.tokens[end - 1].after):
            break
        end += 1
    return end


def _nameable(scene: Scene, at: int) -> bool:
    word = scene.words[at]
    if word in ANNOUNCES or word in HONORIFICS:
        return False
    return not (
        at in scene.taken or at in scene.explained or word in STOP or word in POLITE or word in FILLERS
    )


def _left_over(scene: Scene) -> list[Value]:
    """Runs of words that nothing else explains, verbs of asking left out."""
    found, at = [], 0
    while at < len(scene.words):
        if not _nameable(scene, at) or _is_action(scene.words[at]):
            at += 1
            continue
        end = _run_end(scene, at)
        found.append(Value(scene.raw(at, end), at, end, False, 1.0))
        at = max(end, at + 1)
    return found


def read_text(slot: Slot, scene: Scene, expected: bool) -> Value | None:
    """Free text: quoted, or all that follows a word such as "saying", "about", "because"."""
    said = quoted(scene)
    if said is not None:
        return said
    named = frozenset(slot.name.lower().replace("_", " ").split())
    cues = _QUERY_CUES if named & _QUERY_NAMES else _TEXT_CUES
    start = _text_start(slot, scene, cues)
    if start is None and slot.required:
        start = _first_unexplained(scene)
    if start is None:
        return None
    start, end = scene.trimmed(start, len(scene.words))
    if cues is _QUERY_CUES:
        start, end = _topic(scene, start, end)
    if start >= end:
        return None
    return Value(scene.raw(start, end), start, end, sure=2.0)


def _topic(scene: Scene, start: int, end: int) -> tuple[int, int]:
    """A search text without the words around it that only say what is searched: "concerts with chopin" -> "chopin"."""
    inner_start, inner_end = start, end
    while inner_start < end and not _nameable(scene, inner_start):
        inner_start += 1
    while inner_end > inner_start and not _nameable(scene, inner_end - 1):
        inner_end -= 1
    return (inner_start, inner_end) if inner_end > inner_start else (start, end)


def _text_start(slot: Slot, scene: Scene, cues: frozenset[str]) -> int | None:
    """Where free text begins: after a word that announces speech, else after the slot's name or a weak cue."""
    weak: int | None = None
    for at, word in enumerate(scene.words[:-1]):
        following = scene.words[at + 1]
        if at in scene.taken or at + 1 in scene.taken or following in cues or stem(following) in slot.words:
            continue
        if word in ANNOUNCES and cues is not _QUERY_CUES:
            return at + 1
        colon = ":" in scene.tokens[at].after
        if (
            weak is None
            and (colon or word in cues)
            and not (word in ("for", "on", "about") and _last_explained(scene) > at + 3)
        ):
            weak = at + 1
    return weak


def _last_explained(scene: Scene) -> int:
    return max(scene.explained | scene.taken, default=-1)


def _first_unexplained(scene: Scene) -> int | None:
    """Where text begins that no cue introduces, with the article or pronoun before it."""
    for at in range(len(scene.words)):
        if _nameable(scene, at) and not _is_action(scene.words[at]):
            while at > 0 and scene.words[at - 1] in _DETERMINERS and at - 1 not in scene.explained:
                at -= 1
            return at
    return None


_DETERMINERS = word_set("the a an my our your their his her its this that there it is i we")


def whole_answer(slot: Slot, scene: Scene) -> Value | None:
    """The answer to a question for a name or text: everything but the lead-in ("it's ...", "my name is ...")."""
    start, end = scene.trimmed(0, len(scene.words))
    for _ in range(3):
        for lead in _LEAD_INS if slot.kind in ("name", "place", "string") else _TEXT_LEAD_INS:
            width = len(lead.split())
            if " ".join(scene.words[start : start + width]) == lead and start + width < end:
                start += width
    if start >= end:
        return None
    text = scene.raw(start, end)
    return Value(titled(text) if slot.kind in ("name", "place") else text, start, end)
