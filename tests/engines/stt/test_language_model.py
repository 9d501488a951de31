"""The session's language model: a probability distribution after every context, and one that knows the session."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

import pytest

from vivavoce.engines.cascade.stt.language_model import Background, Smoothing, Trigrams, write_arpa
from vivavoce.engines.cascade.stt.session_model import SessionModel, Topic, build

from .sessions import LIBRARY_INSTRUCTIONS, LIBRARY_TOOLS

Gram = tuple[str, ...]


class Arpa:
    """Reads an ARPA file as its definition says, slowly."""

    def __init__(self, text: str) -> None:
        self.probabilities: dict[Gram, float] = {}
        self.backoffs: dict[Gram, float] = defaultdict(lambda: 1.0)
        counted: dict[int, int] = defaultdict(int)
        order = 0
        for line in text.splitlines():
            if match := re.match(r"\\(\d)-grams:", line):
                order = int(match[1])
            elif order and "\t" in line:
                level, words, *backoff = line.split("\t")
                gram = tuple(words.split(" "))
                assert len(gram) == order
                assert gram not in self.probabilities, gram
                self.probabilities[gram] = 10 ** float(level)
                counted[order] += 1
                if backoff:
                    self.backoffs[gram] = 10 ** float(backoff[0])
        declared = {int(k): int(n) for k, n in re.findall(r"ngram (\d)=(\d+)", text)}
        assert declared == {**dict.fromkeys(declared, 0), **counted}

    def probability(self, context: Gram, word: str) -> float:
        gram = (*context, word)
        if gram in self.probabilities or not context:
            return self.probabilities.get(gram, 0.0)
        return self.backoffs[context] * self.probability(context[1:], word)

    @property
    def words(self) -> list[str]:
        return [gram[0] for gram in self.probabilities if len(gram) == 1 and gram[0] != "<s>"]


MEMBERS = {"<digit>": {"one": 0.75, "two": 0.25}, "<digit1>": {"one_1": 0.5, "two_1": 0.5}}
PHRASES = [
    (10.0, ("where", "is", "it")),
    (4.0, ("where", "is", "<digit>")),
    (2.0, ("number", "<digit1>", "please")),
    (1.0, ("<digit>",)),
]
GENERAL = Background(
    {"where": 0.2, "is": 0.3, "the": 0.4, "two": 0.1},
    {"is": {"the": 0.6}, "the": {"where": 0.3}, "<digit1>": {"is": 0.5}},
)


@pytest.fixture(scope="module")
def arpa() -> Arpa:
    return Arpa(write_arpa(Trigrams.of(PHRASES), GENERAL, MEMBERS, Smoothing()))


@pytest.mark.parametrize(
    "context",
    [
        (),
        ("<s>",),
        ("is",),
        ("the",),
        ("one",),
        ("two_1",),
        ("where", "is"),
        ("<s>", "number"),
        ("number", "one_1"),
        ("is", "two"),
        ("it", "it"),
    ],
)
def test_what_may_follow_sums_up_to_one(arpa: Arpa, context: Gram) -> None:
    assert sum(arpa.probability(context, word) for word in arpa.words) == pytest.approx(1, abs=0.003)


def test_phrases_are_likely_and_the_general_model_fills_in(arpa: Arpa) -> None:
    assert arpa.probability(("where", "is"), "it") > 0.4
    assert arpa.probability(("is",), "the") > arpa.probability((), "the"), "the general pair counts"
    assert arpa.probability(("where", "is"), "one") == pytest.approx(
        3 * arpa.probability(("where", "is"), "two"), rel=0.01
    )
    assert arpa.probability(("two_1",), "please") > 0.3
    assert arpa.probability(("number",), "two_1") > 0.2


class FewWords:
    """A general model of a handful of words."""

    def unigrams(self) -> Mapping[str, float]:
        return {"the": 0.5, "book": 0.2, "loan": 0.2, "five": 0.1}

    def followers(self, words: Iterable[str]) -> Mapping[str, Mapping[str, float]]:
        return {"the": {"book": 0.7}, "<digit>": {"the": 0.2}}

    def phones(self, word: str) -> str | None:
        return None if word in ("thorvald", "quillon", "crm") else "AH"


def test_a_session_becomes_a_model_that_counts_places() -> None:
    model = build(Topic(LIBRARY_INSTRUCTIONS, LIBRARY_TOOLS, ["CRM"]), FewWords())
    arpa = Arpa(model.arpa)
    assert arpa.probability(("k_1",), "five_1") > 0.05
    assert arpa.probability(("five_1",), "five_2") > 0.05
    # Of a letter and four digits, the fourth digit ends it.
    assert arpa.probability(("five_3",), "five_4") > 50 * arpa.probability(("five_4",), "five_5")
    assert arpa.probability(("your",), "loan") > 0.01
    assert sum(arpa.probability(("five_2",), word) for word in arpa.words) == pytest.approx(1, abs=0.01)
    spelled = dict(model.words)
    assert spelled["crm"] == "S IY AA R EH M"
    assert spelled["quillon"].split()[0] == "K"
    assert SessionModel.unpacked(model.packed()) == model


def test_a_session_without_tools_is_a_session_too() -> None:
    arpa = Arpa(build(Topic("", [], []), FewWords()).arpa)
    assert arpa.probability(("<s>",), "yes") > 0.01
