"""What the instructions say in plain words: if-rules, greetings, and facts that can be read out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from vivavoce.engines.cascade.brain.english import ACTIONS, STOP, SYNONYMS
from vivavoce.engines.cascade.brain.scoring import content_words
from vivavoce.engines.cascade.brain.words import alike, sentences_of, stem, tokenize, word_set

_WHO = r"(?:the |a )?(?:caller|user|customer|client|guest|patient|person|visitor|someone|somebody|anyone|they|he|she|people)s?"
_CONDITION = re.compile(
    rf"\b(?:if|when|whenever|in case|should)\s+{_WHO}\s+(?P<when>.+?)(?:,\s*(?:then\s+)?|\s+then\s+|:\s*)(?P<do>\S.*)$",
    re.I,
)
_CONDITION_LAST = re.compile(
    rf"^(?P<do>.+?),?\s+(?:if|when|whenever|in case)\s+{_WHO}\s+(?P<when>.+?)[.!]?$", re.I
)
_LEAD = re.compile(
    r"^(?:(?:is |are |ever )?(?:ask(?:s|ing)?|want(?:s|ing)?|say(?:s|ing)?|mention(?:s|ing)?|need(?:s|ing)?|request(?:s|ing)?|"
    r"call(?:s|ing)?|complain(?:s|ing)?|talk(?:s|ing)?|inquire(?:s)?|has|have|is|are|would like|wishes|speaks?|reports?)\b\s*)+"
    r"(?:(?:you|us|me)\s+)?(?:(?:about|for|to|of|that|whether|if|how|with|a|an|the|in|on|they|any|some|something|anything)\s+)*",
    re.I,
)
_SAY = re.compile(
    r"\b(?:say|answer|reply|respond|tell (?:them|him|her|the \w+)|read out|explain)\b(?:\s+(?:with|by saying|exactly|that|this))*"
    r"\s*[:,]?\s*(?P<words>.+)$",
    re.I,
)
_QUOTE = re.compile(r"[\"“]([^\"“”]+)[\"”]|(?<!\w)['‘]([^'’]{3,}(?:['’]\w[^'’]*)*)['’](?!\w)")


@dataclass(frozen=True)
class Rule:
    """When an utterance has all words of one of `cues`: do what `action` says, or say `words` when there are some."""

    cues: tuple[frozenset[str], ...]
    action: str
    words: str

    @property
    def stems(self) -> frozenset[str]:
        """Stems of all words of the condition."""
        return frozenset(stem(word) for cue in self.cues for word in cue)


@lru_cache(maxsize=128)
def rules_in(instructions: str) -> tuple[Rule, ...]:
    """The if-rules about what a caller says, in the order they are written."""
    found = []
    for sentence in _with_quotes_whole(instructions):
        match = _CONDITION.search(sentence) or _CONDITION_LAST.search(sentence)
        if not match or re.match(r"\s*(?:do not|don't|never)\b", match["do"], re.I):
            continue
        cues = _cues(match["when"])
        if cues:
            found.append(Rule(cues, match["do"].rstrip(".!"), _words_to_say(match["do"])))
    return tuple(found)


def _with_quotes_whole(text: str) -> list[str]:
    """Sentences, but a quotation is never cut in two."""
    joined: list[str] = []
    for sentence in sentences_of(text):
        if joined and joined[-1].count('"') % 2 == 1:
            joined[-1] = f"{joined[-1]} {sentence}"
        else:
            joined.append(sentence)
    return joined


def _cues(when: str) -> tuple[frozenset[str], ...]:
    """ "asks about a refund or a charge" -> {refund}, {charge}."""
    rest = _LEAD.sub("", when)
    found = []
    for part in re.split(r",|\bor\b|/", rest):
        plain = _LEAD.sub("", part.strip())
        kept = frozenset(
            token.text for token in tokenize(plain) if token.text not in STOP and token.text not in _WEAK
        )
        if kept:
            found.append(kept)
    return tuple(found)


_WEAK = word_set(
    "caller user customer asks about anything something question questions topic related kind sort type"
)


def _words_to_say(action: str) -> str:
    said = _SAY.search(action)
    if not said:
        return ""
    quote = _QUOTE.search(said["words"])
    if quote:
        return (quote.group(1) or quote.group(2)).strip()
    if re.match(r"(?:by|to|the|in|a|an|with)\b", said["words"], re.I) and not re.search(
        r"\bthat\b", said.group(), re.I
    ):
        return ""
    return re.sub(r"\bthey\b", "you", said["words"].strip()).rstrip(".") + "."


def matching(instructions: str, words: list[str]) -> Rule | None:
    """The first rule whose condition an utterance meets."""
    said = [word for word in words if word not in STOP] + [word for _, word in content_words(words)]
    best: tuple[float, int, Rule] | None = None
    for place, rule in enumerate(rules_in(instructions)):
        for cue in rule.cues:
            share = sum(1 for one in cue if _present(one, said)) / len(cue)
            if share >= (0.99 if len(cue) < 3 else 0.66) and (best is None or (share, -place) > best[:2]):
                best = (share, -place, rule)
    return best[2] if best else None


def _present(cue: str, said: list[str]) -> bool:
    """Whether a word of a condition was said, in another form, by another name, or as it may have been misheard."""
    wanted = stem(cue)
    return any(
        stem(one) == wanted
        or (len(cue) > 3 and (alike(one, cue) or alike(stem(one), wanted)))
        or wanted in SYNONYMS.get(stem(one), {})
        for one in said
    )


def greeting(instructions: str) -> str:
    """How the instructions want a call to begin, or ""."""
    for sentence in _with_quotes_whole(instructions):
        opens = re.search(
            r"^(?:always |please )?(?:start|begin|open|first|greet|welcome)\b|\bgreet\b", sentence, re.I
        )
        if not opens:
            continue
        quote = _QUOTE.search(sentence)
        if quote:
            return (quote.group(1) or quote.group(2)).strip()
        said = re.search(r"\b(?:saying|say|with)\b\s*:?\s*([A-Z].+)$", sentence)
        if said:
            return said.group(1).strip()
    return ""


def order_to_speak(instructions: str) -> str:
    """Text that instructions simply order to be said ("Say exactly: ..."), or ""."""
    for sentence in _with_quotes_whole(instructions):
        said = re.match(r"(?:please )?(?:say|tell (?:the )?\w+|repeat|read)(?: exactly| out| aloud| this| the following)*\b\s*:?\s*(.+)$",
                        sentence, re.I)  # fmt: skip
        if not said:
            continue
        quote = _QUOTE.search(said.group(1))
        return (quote.group(1) or quote.group(2)).strip() if quote else said.group(1).strip()
    return ""


# --- facts --------------------------------------------------------------------------------------------------------------

_ORDERS = re.compile(
    r"^(?:you are|you're|your (?:name|job|task|role|goal)|keep|ask|if|when|whenever|always|never|do not|don't|start|begin|use|call"
    r"|read|speak|say|be |greet|act|respond|reply|answer|tell|make sure|remember|only|please|avoid|stay|listen|before|after "
    r"(?:you|a tool|the tool)|while|confirm|hand off|transfer|for example|current date|today)\b",
    re.I,
)
_EXPLAIN = word_set("explain describe policy policies rules details works terms difference")


@dataclass(frozen=True, slots=True)
class Fact:
    """What the instructions know about a question: the text to read, and whether it is likely what was asked for."""

    text: str
    answers: bool


@lru_cache(maxsize=128)
def _paragraphs(instructions: str) -> tuple[tuple[str, ...], ...]:
    found = []
    for block in re.split(r"\n\s*\n|\n(?=\s*(?:[-*#]|[A-Z]))", instructions):
        facts = [one for one in _with_quotes_whole(block) if not _ORDERS.match(one) and len(one.split()) >= 3]
        if facts:
            found.append(tuple(facts))
    return tuple(found)


def wants_explanation(words: list[str]) -> bool:
    line = " ".join(words)
    return bool(_EXPLAIN & set(words)) or bool(
        re.search(r"\btell me (?:more |everything |all )?about\b|\bhow (?:do|does)\b", line)
    )


def fact(instructions: str, words: list[str]) -> Fact | None:
    """The sentences of the instructions that answer a question best; a whole paragraph when an explanation was asked for."""
    asked = {
        stem(word)
        for word in words
        if word not in STOP and not (stem(word) in ACTIONS["read"] or word in _EXPLAIN)
    }
    asked |= {stem(word) for word in words if word in ("policy", "policies")}
    long = wants_explanation(words)
    best: tuple[float, str] | None = None
    for paragraph in _paragraphs(instructions):
        scores = [_overlap(asked, sentence) for sentence in paragraph]
        reach = _overlap(asked, " ".join(paragraph)) if long else max(scores)
        if not reach:
            continue
        # Words the instructions do not know may be misheard ones: they weigh less than those they know.
        share = reach / (reach + 0.4 * (len(asked) - reach))
        if best is None or share > best[0]:
            best = (share, _read_out(paragraph if long else _best_of(paragraph, scores)))
    if best is None:
        return None
    asks = long or bool(_ASKS & set(words))
    return Fact(best[1], best[0] >= (0.5 if asks else 0.75))


_ASKS = word_set("how what what's when where which who why is are can does do may must until whats")


def _best_of(paragraph: tuple[str, ...], scores: list[int]) -> tuple[str, ...]:
    return tuple(one for one, score in zip(paragraph, scores, strict=True) if score == max(scores))[:2]


def _read_out(sentences: tuple[str, ...]) -> str:
    return " ".join(one if one[-1] in ".!?" else f"{one}." for one in sentences[:8])


def _overlap(asked: set[str], text: str) -> int:
    stems = {stem(token.text) for token in tokenize(text)}
    return sum(1 for one in asked if one in stems or SYNONYMS.get(one, {}).keys() & stems)
