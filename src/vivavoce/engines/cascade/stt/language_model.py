"""A small trigram model over classes, written as the words of an ARPA file.

Smoothing is Witten-Bell, interpolated, which suits a few weighted templates: how often something new followed
a context is what
the model believes about the next time. The lowest order is mixed with the unigrams of the general model, so
that a caller who
says something else is not forced into the session's words.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vivavoce.engines.cascade.stt.shapes import is_place

START = "<s>"
END = "</s>"

Context = tuple[str, ...]
Members = Mapping[str, Mapping[str, float]]
"""Of each class its words and their shares, which sum up to 1."""


@dataclass(frozen=True, slots=True)
class Trigrams:
    """Counts of a weighted text.

    `followers[h][w]`: how often `w` came after the context `h` of none, one or two tokens.
    """

    followers: dict[Context, dict[str, float]]

    @staticmethod
    def of(phrases: Iterable[tuple[float, tuple[str, ...]]]) -> Trigrams:
        """Count every phrase between its start and its end."""
        followers: dict[Context, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        for weight, phrase in phrases:
            before: Context = (START,)
            for token in (*phrase, END):
                for length in range(len(before) + 1):
                    followers[before[len(before) - length :]][token] += weight
                before = (*before, token)[-2:]
        return Trigrams(followers)

    def words(self) -> set[str]:
        """Everything that was said."""
        return set(self.followers[()])


@dataclass(frozen=True, slots=True)
class Background:
    """What the general model knows, for filling in what the session's phrases leave open.

    unigrams: probabilities of words. followers: of some words, what likely comes next (conditional
    probabilities; what is missing
    up to 1 is left to the unigrams).
    """

    unigrams: Mapping[str, float]
    followers: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Smoothing:
    """newness: the weight of one new follower, in counts. background: the share of the general model in the
    unigrams.

    pairs: how many tokens of general text the general model's followers count for.
    """

    newness: float = 1.0
    background: float = 0.4
    pairs: float = 1000.0


def write_arpa(counts: Trigrams, background: Background, members: Members, smoothing: Smoothing) -> str:
    """The model as ARPA text."""
    lines = _Lines(members)
    unigrams = _unigrams(counts, background.unigrams, members, smoothing.background)
    bigrams, singles = _bigrams(counts, background, unigrams, smoothing)
    pairs = {
        context: _newness(followers, smoothing.newness)
        for context, followers in counts.followers.items()
        # A place of an identifier says all there is to know about what follows.
        if len(context) == 2 and not is_place(context[1])
    }
    for token, probability in unigrams.items():
        lines.add((token,), probability, singles.get(token, 1.0))
    lines.add((START,), 1e-10, singles[START])
    for gram, probability in bigrams.items():
        lines.add(gram, probability, pairs.get(gram, 1.0) if gram[-1] != END else None)
    for context, new in pairs.items():
        followers = counts.followers[context]
        total = sum(followers.values())
        for token, count in followers.items():
            lower = bigrams[(context[1], token)]
            lines.add((*context, token), (1 - new) * count / total + new * lower, None)
    return lines.text()


def _bigrams(
    counts: Trigrams, background: Background, unigrams: Mapping[str, float], smoothing: Smoothing
) -> tuple[dict[tuple[str, str], float], dict[str, float]]:
    """Bigram probabilities, and of each first token what is left to the unigrams.

    The general model's followers enter as counts: as many as its text of `pairs` tokens would have held.
    """
    bigrams: dict[tuple[str, str], float] = {}
    left: dict[str, float] = {}
    own = {context[0]: followers for context, followers in counts.followers.items() if len(context) == 1}
    for token in {**own, **background.followers}:
        seen = own.get(token, {})
        said = _general_text(token, sum(seen.values()), background, smoothing.pairs)
        total = sum(seen.values()) + said + len(seen) * smoothing.newness
        general = background.followers.get(token, {})
        explicit = {
            follower: (seen.get(follower, 0.0) + said * general.get(follower, 0.0)) / total
            for follower in {**seen, **general}
            if follower in unigrams
        }
        left[token] = 1.0 - sum(explicit.values())
        # Interpolated, as Witten-Bell has it: what is left is shared out among all words, the seen
        # ones included.
        for follower, probability in explicit.items():
            bigrams[(token, follower)] = probability + left[token] * unigrams[follower]
    return bigrams, left


def _general_text(token: str, seen: float, background: Background, pairs: float) -> float:
    """How often the general model's text would have held a token; a twentieth of the session's own
    count at least.
    """
    if token not in background.followers:
        return 0.0
    return max(pairs * background.unigrams.get(token, 0.0), 0.05 * seen)


def _newness(followers: Mapping[str, float], newness: float) -> float:
    """How much of a context's probability is left to what never followed it."""
    new = len(followers) * newness
    return new / (sum(followers.values()) + new)


def _unigrams(
    counts: Trigrams, background: Mapping[str, float], members: Members, share: float
) -> dict[str, float]:
    """Session and general model mixed; words of a class count for their class."""
    class_of = {word: name for name, words in members.items() for word in words}
    general: Counter[str] = Counter()
    for word, probability in background.items():
        general[class_of.get(word, word)] += probability  # type: ignore[assignment]  # a Counter of floats
    own, all_general = counts.followers[()], sum(general.values())
    total = sum(own.values())
    mixed = {token: (1 - share) * count / total for token, count in own.items()}
    for token, probability in general.items():
        mixed[token] = mixed.get(token, 0.0) + share * probability / all_general
    return mixed


class _Lines:
    """N-grams of tokens, unfolded into n-grams of words."""

    def __init__(self, members: Members) -> None:
        self._members = {
            name: [(word, math.log10(p)) for word, p in words.items()] for name, words in members.items()
        }
        self._orders: dict[int, list[str]] = {1: [], 2: [], 3: []}

    def add(self, gram: Context, probability: float, backoff: float | None) -> None:
        """One n-gram; `backoff` is None where nothing can follow."""
        tail = "" if backoff is None else f"\t{math.log10(max(backoff, 1e-9)):.4f}"
        level = math.log10(max(probability, 1e-12))
        *before, last = gram
        contexts = [""]
        for token in before:
            words = [word for word, _ in self._members[token]] if token in self._members else [token]
            contexts = [f"{context}{word} " for context in contexts for word in words]
        endings = self._members.get(last, [(last, 0.0)])
        self._orders[len(gram)] += [
            f"{level + share:.4f}\t{context}{word}{tail}" for context in contexts for word, share in endings
        ]

    def text(self) -> str:
        """The ARPA file."""
        head = [f"ngram {order}={len(lines)}" for order, lines in self._orders.items()]
        parts = ["\\data\\", *head, ""]
        for order, lines in self._orders.items():
            parts += [f"\\{order}-grams:", *lines, ""]
        return "\n".join([*parts, "\\end\\", ""])
