"""Ids out of speech: "b ten oh four" -> B1004, judged by the shapes a schema, its examples and the instructions show.

Each word has readings with a cost: what it plainly says costs nothing, what it may have been misheard for costs more. The
cheapest string that fits a known shape wins. Without a shape only plain readings count.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from vivavoce.engines.cascade.brain.numbers import DIGITS, SCALES, TEENS, TENS, cardinal, small
from vivavoce.engines.cascade.brain.patterns import fixed_start, sample
from vivavoce.engines.cascade.brain.words import word_set

_LETTERS = {
    "alpha": "A", "alfa": "A", "bravo": "B", "charlie": "C", "delta": "D", "echo": "E", "foxtrot": "F", "golf": "G",
    "hotel": "H", "india": "I", "juliet": "J", "juliett": "J", "kilo": "K", "lima": "L", "mike": "M", "november": "N",
    "oscar": "O", "papa": "P", "quebec": "Q", "romeo": "R", "sierra": "S", "tango": "T", "uniform": "U", "victor": "V",
    "whiskey": "W", "xray": "X", "yankee": "Y", "zulu": "Z",
}  # fmt: skip
_SOUNDS_LIKE_LETTER = {
    "ay": "A", "hey": "A", "eh": "A", "they": "A", "eight": "A", "ate": "A", "hay": "A", "day": "A", "e": "A",
    "bee": "B", "be": "B", "see": "C", "sea": "C", "dee": "D", "he": "E", "eff": "F", "if": "F", "gee": "G", "age": "H",
    "aitch": "H", "eye": "I", "jay": "J", "kay": "K", "okay": "K", "el": "L", "ell": "L", "em": "M", "him": "M",
    "en": "N", "and": "N", "an": "N", "in": "N", "pee": "P", "pea": "P", "queue": "Q", "cue": "Q", "que": "Q", "kyu": "Q", "cute": "Q", "are": "R", "our": "R",
    "or": "R", "ess": "S", "us": "S", "as": "S", "tea": "T", "tee": "T", "you": "U", "vee": "V", "ex": "X", "why": "Y", "zee": "Z",
    "zed": "Z", "double-you": "W",
}  # fmt: skip
_SOUNDS_LIKE_DIGIT = {
    "won": "1", "wan": "1", "want": "1", "to": "2", "too": "2", "tree": "3", "free": "3", "for": "4", "fore": "4",
    "fife": "5", "hive": "5", "sicks": "6", "ate": "8", "aid": "8", "nein": "9", "niner": "9", "mine": "9", "owe": "0", "ow": "0",
    "hero": "0", "sero": "0", "oo": "0", "nil": "0", "null": "0",
}  # fmt: skip
_SEPARATORS = {
    "dash": "-",
    "hyphen": "-",
    "minus": "-",
    "underscore": "_",
    "slash": "/",
    "dot": ".",
    "point": ".",
}
_SKIPPED = word_set("uh um er ah and then the is number letter capital digit space")
_REPEATS = {"double": 2, "triple": 3}
_MISHEARD = 1.0
_COMPLETED = 1.2
_BEAM = 24
_LONGEST = 24


@dataclass(frozen=True, slots=True)
class Shape:
    """How an id looks: the pattern it must match, samples of it, and whether their letters are known for certain.

    start: letters every id begins with, when known ("B" of B1004), else "".
    """

    pattern: str
    samples: tuple[str, ...]
    start: str

    @property
    def mixed(self) -> bool:
        """Whether it has letters and digits, so that hardly anything else said looks like it."""
        return any(
            any(mark.isalpha() for mark in one) and any(mark.isdigit() for mark in one)
            for one in self.samples
        )


@dataclass(frozen=True, slots=True)
class Heard:
    """An id at words[start:end]. `inferred`: some of it was a guess, so it should be said aloud."""

    start: int
    end: int
    text: str
    inferred: bool
    cost: float


@dataclass(frozen=True, slots=True)
class _Edge:
    end: int
    text: str
    cost: float


_ID_TOKEN = re.compile(
    r"(?<![\w.:/@])(?=[\w\-]*\d)(?:[A-Za-z]{1,6}[-_]?\d[\w\-]*|\d{2,}[-_]?[A-Za-z][\w\-]*)(?![\w@:/])"
)


def ids_in_text(text: str) -> list[str]:
    """Words of a description or of instructions that mix letters and digits, as ids do."""
    return [found.group().rstrip("-_") for found in _ID_TOKEN.finditer(text)]


@lru_cache(maxsize=512)
def shape_of(pattern: str | None, samples: tuple[str, ...]) -> Shape | None:
    """The shape behind a schema pattern and samples; None when there is neither."""
    if pattern:
        fitting = tuple(one for one in samples if _fits(pattern, one))
        made = sample(pattern)
        start = fixed_start(pattern) or ""
        if not start and fitting:
            start = _shared_start(fitting)
        return Shape(pattern, fitting or ((made,) if made else ()), start)
    if not samples:
        return None
    kinds = {_abstract(one) for one in samples}
    return Shape("|".join(sorted(kinds)), samples, _shared_start(samples))


def _fits(pattern: str, text: str) -> bool:
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return False


def _abstract(text: str) -> str:
    """B1004 -> ^[A-Z]{1}\\d{4}$. Three or more letters are a fixed word: ORD-12 -> ^ORD\\-\\d{2}$."""
    pieces = []
    for run in re.findall(r"[A-Za-z]+|\d+|[^A-Za-z\d]", text):
        if run.isdigit():
            pieces.append(rf"\d{{{len(run)}}}")
        elif run.isalpha() and len(run) < 3:
            pieces.append(f"[{'A-Z' if run.isupper() else 'a-z'}]{{{len(run)}}}")
        else:
            pieces.append(re.escape(run))
    return f"^{''.join(pieces)}$"


def _shared_start(samples: tuple[str, ...]) -> str:
    starts = {one[: len(one) - len(re.sub(r"^[A-Za-z]*[-_/]?", "", one))] for one in samples}
    return starts.pop() if len(starts) == 1 else ""


def shaped(text: str, shape: Shape) -> str | None:
    """The text written as the shape wants it (case, separators), or None when it does not fit."""
    for candidate in _writings(text, shape):
        if _fits(shape.pattern, candidate):
            return candidate
    return None


def _writings(text: str, shape: Shape) -> list[str]:
    plain = re.sub(r"[-_/. ]", "", text)
    written = [text, plain, plain.lower()]
    for one in shape.samples:
        skeleton = re.sub(r"[-_/. ]", "", one)
        if len(skeleton) == len(plain):
            letters = iter(plain)
            cased = (next(letters) if mark.isalnum() else mark for mark in one)
            written.append("".join(cased))
            written.append(
                "".join(a.lower() if b.islower() else a for a, b in zip(written[-1], one, strict=True))
            )
        elif joined := re.match(
            r"[A-Za-z]+([-_/])", one
        ):  # a separator after the letters, any number of digits
            written.append(re.sub(r"^([A-Za-z]+)(?=\d)", rf"\1{joined[1]}", plain))
    return written


@lru_cache(maxsize=2048)
def _edges(words: tuple[str, ...], at: int) -> tuple[_Edge, ...]:
    """The readings of words from `at`."""
    word, step = words[at], at + 1
    edges: list[_Edge] = []
    if any(letter.isdigit() for letter in word) and word.isalnum():
        edges.append(_Edge(step, word.upper(), 0.0))
    elif len(word) == 1 and word.isalpha():
        edges.append(_Edge(step, word.upper(), 0.1 if word in "aio" else 0.0))
        if words[step : step + 2] == ("as", "in") and step + 2 < len(words):
            edges.append(_Edge(step + 3, word.upper(), 0.0))
        elif words[step : step + 1] in (("for",), ("like",)) and _begins(words, step + 1, word):
            edges.append(_Edge(step + 2, word.upper(), 0.0))
    elif 2 <= len(word) <= 4 and word.isalpha() and not set(word) & set("aeiou"):
        edges.append(_Edge(step, word.upper(), 0.9))
    if word in _LETTERS:
        edges.append(_Edge(step, _LETTERS[word], 0.1))
    if word in _SOUNDS_LIKE_LETTER:
        edges.append(_Edge(step, _SOUNDS_LIKE_LETTER[word], _MISHEARD))
    if word in _SOUNDS_LIKE_DIGIT:
        edges.append(_Edge(step, _SOUNDS_LIKE_DIGIT[word], _MISHEARD))
    if word in _SEPARATORS:
        edges.append(_Edge(step, _SEPARATORS[word], 0.0))
    if word in _SKIPPED:
        edges.append(_Edge(step, "", 0.2))
    return (*edges, *_number_edges(words, at))


def _begins(words: tuple[str, ...], at: int, letter: str) -> bool:
    return at < len(words) and len(words[at]) > 2 and words[at].startswith(letter)


def _number_edges(words: tuple[str, ...], at: int) -> list[_Edge]:
    word, step = words[at], at + 1
    edges = []
    if word in DIGITS:
        edges.append(_Edge(step, str(DIGITS[word]), 0.0))
    if word in _REPEATS and step < len(words):
        edges += [
            _Edge(edge.end, edge.text * _REPEATS[word], edge.cost)
            for edge in _edges(words, step)
            if len(edge.text) == 1 and edge.end == step + 1
        ]
    if word in TEENS or word in TENS:
        low = small(words, at)
        if low:
            edges.append(_Edge(low[1], str(low[0]), 0.0))
        edges.append(_Edge(step, str(TEENS.get(word) or TENS[word]), 0.05))
    whole = cardinal(words, at)
    if whole and whole[0] >= 100:
        edges.append(_Edge(whole[1], str(whole[0]), 0.1 if word in ("a", "an") else 0.0))
        if word == "a" and (rest := cardinal(words, step)) and words[step] in SCALES:
            edges.append(_Edge(rest[1], f"A{rest[0]}", 0.3))
    return edges


def find_id(
    words: Sequence[str], shape: Shape, floor: float = 3.0, taken: frozenset[int] = frozenset()
) -> Heard | None:
    """The best reading of some stretch of words that fits the shape, at a cost of at most `floor`."""
    best: Heard | None = None
    every = tuple(words)
    for start in range(len(every)):
        if start in taken or (every[start] in _SKIPPED and every[start] != "and"):
            continue
        for heard in _readings(every, start, shape, floor, taken):
            if best is None or _rank(heard) < _rank(best):
                best = heard
    return best


def _rank(heard: Heard) -> tuple[float, int, int]:
    return (round(heard.cost, 3), heard.start - heard.end, heard.start)


def _readings(
    words: tuple[str, ...], start: int, shape: Shape, floor: float, taken: frozenset[int]
) -> list[Heard]:
    beams: dict[int, dict[str, float]] = {start: {"": 0.0}}
    found: list[Heard] = []
    for at in range(start, min(len(words), start + _LONGEST)):
        partial = beams.pop(at, None)
        if not partial or at in taken:
            continue
        for text, cost in sorted(partial.items(), key=lambda pair: pair[1])[:_BEAM]:
            for edge in _edges(words, at):
                grown, total = text + edge.text, cost + edge.cost
                if total > floor or len(grown) > _LONGEST:
                    continue
                beam = beams.setdefault(edge.end, {})
                if total < beam.get(grown, floor + 1):
                    beam[grown] = total
                    if edge.text and any(letter.isdigit() for letter in grown):
                        found += _whole(grown, total, start, edge.end, shape, words, floor)
    return found


def _whole(
    text: str, cost: float, start: int, end: int, shape: Shape, words: tuple[str, ...], floor: float
) -> list[Heard]:
    """The reading as an id when it is one, also with the letters put back that every id of this shape begins with."""
    beside = _beside(words, start, end)
    fitting = shaped(text, shape)
    if fitting is not None and cost + beside <= floor:
        return [Heard(start, end, fitting, cost + beside >= 0.5, cost + beside)]
    if shape.start and text[:1].isdigit() and cost + beside + _COMPLETED <= floor:
        fitting = shaped(shape.start + text, shape)
        if fitting is not None:
            return [Heard(start, end, fitting, True, cost + beside + _COMPLETED)]
    return []


def _beside(words: tuple[str, ...], start: int, end: int) -> float:
    """What a digit left over beside a match costs: the id was longer than its shape, so something was misheard.

    Only "to" and "for" before an id are often written as digits.
    """
    cost = 0.0
    for at in (start - 1, end):
        if 0 <= at < len(words) and (
            words[at] in DIGITS or words[at] in TEENS or words[at] in TENS or words[at].isdigit()
        ):
            cost += _MISHEARD if at < start and words[at] in ("two", "four") and _opens(words, at) else 9.0
    return cost


def _opens(words: tuple[str, ...], at: int) -> bool:
    return at > 0 and not (words[at - 1] in DIGITS or len(words[at - 1]) == 1)


def plain_run(
    words: Sequence[str], taken: frozenset[int] = frozenset(), near: int | None = None
) -> Heard | None:
    """The longest stretch that reads as an id without any guess: letters and digits only, at least one digit.

    near: a word position; of equally good stretches the one that begins closest after it wins.
    """
    every = tuple(words)
    best: Heard | None = None
    best_key: tuple[float, ...] = ()
    for start in range(len(every)):
        heard = _plain_from(every, start, taken, start == near)
        if heard is None:
            continue
        gap = abs(start - near) if near is not None else start
        key = (-(near is not None and 0 <= start - near <= 4), -len(heard.text), gap)
        if best is None or key < best_key:
            best, best_key = heard, key
    return best


def _plain_from(words: tuple[str, ...], start: int, taken: frozenset[int], named: bool) -> Heard | None:
    """A run from `start`. Inside it, and right after the name of what is counted, "to" and "for" are digits as well."""
    at, text, letters_only, guessed = start, "", True, False
    while at < len(words) and at not in taken:
        edge = next((edge for edge in _plain_edges(words, at) if edge.text), None)
        if edge is None and (at > start or named) and _between_digits(words, at, start):
            edge, guessed = _Edge(at + 1, _SOUNDS_LIKE_DIGIT[words[at]], 0.0), True
        if edge is None or (not letters_only and edge.text.isalpha() and words[at] in ("a", "i")):
            break
        letters_only = letters_only and not any(letter.isdigit() for letter in edge.text)
        text, at = text + edge.text, edge.end
    text = text.strip("-_/.")
    if not any(letter.isdigit() for letter in text) or (guessed and len(text) < 2):
        return None
    return Heard(start, at, text, guessed, 0.0)


def _between_digits(words: tuple[str, ...], at: int, start: int) -> bool:
    """Whether a word that sounds like a digit stands among digits: another one follows, or the utterance ends."""
    if words[at] not in _SOUNDS_LIKE_DIGIT:
        return False
    if at + 1 == len(words):
        return at > start
    return words[at + 1] in DIGITS or words[at + 1] in _SOUNDS_LIKE_DIGIT


def _plain_edges(words: tuple[str, ...], at: int) -> list[_Edge]:
    plain = [edge for edge in _edges(words, at) if edge.cost <= 0.1]
    return sorted(plain, key=lambda edge: (-edge.end, edge.cost))
