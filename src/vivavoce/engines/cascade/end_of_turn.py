"""Whether a turn is over, judged by its words: does what was said so far stand as an utterance of its own?

English syntax only, deterministic, some microseconds. A caller who pauses after "I would like to" goes on; one who pauses after "Where
is my order" waits for an answer. What the sentence cannot tell (a complete one that is continued all the same) is left in the numbers:
no statement is ever certain to be over. An acoustic model has the same slot (`call.ports.EndOfTurn`) and gets the sound. See
docs/adr/0018.
"""

from __future__ import annotations

import re

from vivavoce.call.ports import SaidSoFar

_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


DETERMINERS = _words(
    "a an the my your his her its our their this these those some any every each no another which whose"
)
PREPOSITIONS = _words(
    "of for from with at by about into onto under over between during without within against toward towards through until "
    "till since before after near across behind beside besides like except per via than as to in on"
)
CONJUNCTIONS = _words(
    "and but or so because if when while unless although though whether that who where what how why nor plus"
)
HESITATIONS = _words("um uh er erm hmm mm well like actually basically so okay let's")
SUBJECTS = _words(
    "i we they he she it's i'm i'd i'll i've we're we'd we'll we've they're you're you'd he's she's that's there's"
)
AUXILIARIES = _words(
    "is are was were am be been being have has had do does did can could will would shall should may might must don't doesn't "
    "didn't can't couldn't won't wouldn't shouldn't isn't aren't wasn't haven't hasn't gonna gotta wanna"
)
TRANSITIVE = _words(
    "want need would like love prefer give send show tell take make get put bring find buy book order change cancel move set add "
    "remove call ask let keep use see check track return replace rent reserve schedule transfer pay update confirm explain"
)
DEGREES = _words(
    "very really too more most less much such quite rather just also only even still almost about around another next last"
)
BARE_VERBS = TRANSITIVE | _words(
    "go come come know think say help work arrive leave start stop open close play read write speak talk wait look turn try mean hope "
    "feel hear live stay forget remember believe guess wonder went came said got sent ordered bought paid lost broke left arrived"
)
OPENERS = _words("if when because although though while before after since unless once as whenever until")
"""Begin a clause that needs another one."""
QUESTION_WORDS = _words("what where when who how why which whose what's where's who's how's when's")
CLOSINGS = _words(
    "please thanks thank you bye goodbye yes no yeah nope okay ok sure right correct exactly today tomorrow tonight now hello"
)
ANSWERS = _words(
    "yes no yeah nope okay ok sure right correct exactly thanks hello hi bye goodbye stop cancel wait help maybe"
)
PRONOUNS = _words("this these those that more much")
ALONE = {
    ("think", "so"),
    ("hope", "so"),
    ("very", "much"),
    ("so", "much"),
    ("how", "much"),
    ("very", "well"),
    ("as", "well"),
}
NUMBERS = _words("zero oh one two three four five six seven eight nine double triple")

NOTHING_HEARD = 0.7
"""A voice without words: a cough, a sigh. Nobody goes on from there, but there is nothing to be quick about either."""
DANGLING = 0.05
HALF_CLAUSE = 0.2
FRAGMENT = 0.5
SPELLING = 0.4
STATEMENT = 0.8
REQUEST = 0.85
QUESTION = 0.9
CLOSED = 0.97


class SyntaxEndOfTurn:
    """An `EndOfTurn` that reads."""

    name = "syntax"
    hears = False

    async def completeness(self, said: SaidSoFar) -> float:
        """See `call.ports.EndOfTurn`. Languages other than English are not judged: half a chance."""
        return completeness(said.text) if said.language.startswith("en") else FRAGMENT


def completeness(text: str) -> float:
    """How probably (0..1) an English utterance ends here."""
    words = _WORD.findall(text.lower())
    if not words:
        return NOTHING_HEARD
    if set(words) <= ANSWERS:
        return CLOSED
    if _dangles(words):
        return DANGLING
    if words[0] in ("thank", "thanks") or (words[-1] in CLOSINGS and words[0] not in OPENERS):
        return CLOSED
    if _spells(words):
        return SPELLING
    return _clause(words)


def _dangles(words: list[str]) -> bool:
    """The last word asks for another one."""
    last = words[-1]
    before = words[-2] if len(words) > 1 else ""
    if last in DETERMINERS | CONJUNCTIONS | HESITATIONS | SUBJECTS | DEGREES:
        # "What is this", "I think so", "how about those": words that also stand alone.
        after = AUXILIARIES | _words("of about with for")
        stands = (last in PRONOUNS and before in after) or (before, last) in ALONE
        return not stands
    if last in PREPOSITIONS:
        # "Where do you come from", "which one is it for": a question may end in what it asks for.
        return not (
            words[0] in QUESTION_WORDS and len(words) > 3 and last not in ("to", "than", "as", "like", "the")
        )
    if last in AUXILIARIES:
        # "Yes I am", "where it is", "I know they will".
        return not (before in SUBJECTS | _words("it you this that") and 2 < len(words) < 5)
    if last in TRANSITIVE:
        # "I want to cancel" needs what; "what can I order", "the one I want" have it in front.
        return not (words[0] in QUESTION_WORDS or len(words) == 1)
    if last in ("me", "us"):
        # "Can you tell me", "please give me": what, is still to come; "can you help me" asks for nothing more.
        return before in ("tell", "give", "show", "send", "get", "bring", "let", "find")
    return (
        last in ("you", "it")
        and len(words) > 1
        and before in ("can", "could", "would", "will", "do", "did", "if", "when")
    )


def _spells(words: list[str]) -> bool:
    """Letters and digits at the end: a number that is being read out may have more of them."""
    tail = 0
    for word in reversed(words):
        if word not in NUMBERS and len(word) > 1 and not word.isdigit():
            break
        tail += len(word) if word.isdigit() else 1
    # "A table for two" is no number that is being read out, nor is "this one".
    named = len(words) == 1 or words[-2] in ("is", "number", "code", "room", "extension")
    return 1 < tail < 5 or (tail == 1 and named)


def _clause(words: list[str]) -> float:
    """Something with content at its end: a question, a request, a statement, or only a piece of one."""
    first = words[0]
    verbs = [
        at
        for at, word in enumerate(words)
        if word in AUXILIARIES | BARE_VERBS | SUBJECTS and at < len(words) - 1
    ]
    if first in OPENERS and not (first == "when" and len(words) > 1 and words[1] in AUXILIARIES):
        # The main clause needs a subject and a verb of its own.
        subjects = [at for at, word in enumerate(words) if at > 2 and word in SUBJECTS | _words("you it")]
        return STATEMENT if len(subjects) > 0 and len(words) > 6 else HALF_CLAUSE
    if first in QUESTION_WORDS:
        return QUESTION if len(words) > 2 else HALF_CLAUSE
    if first in AUXILIARIES:
        return QUESTION if len(words) > 3 else HALF_CLAUSE
    if first in BARE_VERBS:
        return REQUEST if len(words) > 1 else FRAGMENT
    if verbs:
        return STATEMENT if len(words) > 2 else FRAGMENT
    if first in DETERMINERS | PREPOSITIONS:
        return HALF_CLAUSE if len(words) > 1 else DANGLING
    return FRAGMENT if len(words) < 4 else HALF_CLAUSE
