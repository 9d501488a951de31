"""From an utterance to the tools it wants: cut into clauses, each clause scored, arguments filled."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vivavoce.engines.cascade.brain.english import actions_of
from vivavoce.engines.cascade.brain.filling import Filling, fill, read, remember, strong_id
from vivavoce.engines.cascade.brain.scoring import FIRES, Fit, fit_all
from vivavoce.engines.cascade.brain.tools import Tool, Toolbox
from vivavoce.engines.cascade.brain.utterance import Context, Scene, Value
from vivavoce.engines.cascade.brain.words import Token, stem, tokenize, word_set

_BOUNDARIES = word_set("and then plus also")
_LIKE_AND = word_set("on an in end hand ad am him")
_COMMANDS = word_set(
    "check look get find tell show give read search pull book cancel send add create update turn set lookup"
)
_STATEMENT = re.compile(
    r"^(?:i|we|he|she|they|you) (?:\w+ly )?(?:love|like|think|feel|was|were|am|had|went|saw|ate|hate|believe|guess|just|always"
    r"|already|remember|used|enjoy|\w+ed)\b"
)
_WISH = re.compile(
    r"\b(?:want|need|would like|'d like|wish|help|can you|could you|please|looking for|wondering)\b|\?"
)


@dataclass(frozen=True, slots=True)
class _Clause:
    start: int
    end: int
    fit: Fit | None


def plan(box: Toolbox, text: str, context: Context, needed: float = FIRES) -> list[Filling]:
    """The calls an utterance asks for, in its order; [] when it asks for none."""
    tokens = tokenize(text)
    clauses = _clauses(box, text, tokens, needed)
    if not clauses:
        whole = best_fit(box, text)
        if whole is None or whole.score < needed:
            return []
        clauses = [_Clause(0, len(tokens), whole)]
    if len(clauses) == 1:
        clauses = [_Clause(0, len(tokens), clauses[0].fit)]
    fillings: list[Filling] = []
    for clause in clauses:
        for filling in _fill_clause(clause, text, tokens, context):
            if not any(_same(filling, other) for other in fillings):
                fillings.append(filling)
    return _shared(fillings, text, context)


def best_fit(box: Toolbox, text: str) -> Fit | None:
    """The best tool for a text, whatever its score; None without tools."""
    words = [token.text for token in tokenize(text)]
    fits = fit_all(box, words)
    if not fits:
        return None
    best = fits[0]
    if _STATEMENT.search(" ".join(words)) and not _WISH.search(text.lower()):
        return Fit(best.tool, best.score - 0.8, best.explained)
    return best


def _clauses(box: Toolbox, text: str, tokens: tuple[Token, ...], needed: float) -> list[_Clause]:
    """Stretches that each want a tool. A stretch that wants none belongs to the next one if both together want a tool
    ("get granted | and her logistics"), else to the one before."""
    found: list[_Clause] = []
    waiting: int | None = None
    for start, end in _stretches(tokens):
        begin = start if waiting is None else waiting
        fit = _judged(box, text, tokens, begin, end, needed)
        if fit is None and begin != start:
            fit = _judged(box, text, tokens, start, end, needed)
            if fit is not None and found:
                found[-1] = _Clause(found[-1].start, start, found[-1].fit)
                begin = start
        if fit is None:
            again = _same_again(found, tokens, start, end)
            if again is not None:
                found.append(again)
                waiting = None
            else:
                waiting = begin
            continue
        waiting = None
        if found and _goes_on(found[-1], fit, tokens, begin, end):
            found[-1] = _Clause(found[-1].start, end, found[-1].fit)
        else:
            found.append(_Clause(begin if found else 0, end, fit))
    if found and waiting is not None:
        found[-1] = _Clause(found[-1].start, len(tokens), found[-1].fit)
    return found


def _same_again(found: list[_Clause], tokens: tuple[Token, ...], start: int, end: int) -> _Clause | None:
    """A stretch that names another id for the same tool: "order one ... and order two ..."."""
    fit = found[-1].fit if found else None
    words = [token.text for token in tokens[start:end]]
    if fit is None or len(words) > 12 or not strong_id(fit.tool, words):
        return None
    before = [token.text for token in tokens[found[-1].start : found[-1].end]]
    return _Clause(start, end, Fit(fit.tool, fit.score, frozenset())) if strong_id(fit.tool, before) else None


def _goes_on(last: _Clause, fit: Fit, tokens: tuple[Token, ...], start: int, end: int) -> bool:
    """Whether a stretch only continues the one before: the same tool, and no verb of its own."""
    words = [token.text for token in tokens[start:end]]
    return (
        last.fit is not None
        and fit.tool is last.fit.tool
        and not actions_of(words)
        and not strong_id(fit.tool, words)
    )


def _judged(
    box: Toolbox, text: str, tokens: tuple[Token, ...], start: int, end: int, needed: float
) -> Fit | None:
    if start >= end:
        return None
    fit = best_fit(box, text[tokens[start].start : tokens[end - 1].end])
    return fit if fit is not None and fit.score >= needed else None


def _stretches(tokens: tuple[Token, ...]) -> list[tuple[int, int]]:
    """Cuts at "and", "then", commas and sentence ends, but not inside a capitalised name or a spoken number."""
    found, start = [], 0
    for at, token in enumerate(tokens):
        last = at + 1 == len(tokens)
        if _parts(tokens, at):
            if at > start:
                found.append((start, at))
            start = at + 1
        elif not last and re.search(r"[,;.!?]\s", token.after + " ") and token.after.strip():
            found.append((start, at + 1))
            start = at + 1
    if start < len(tokens):
        found.append((start, len(tokens)))
    return found


def _parts(tokens: tuple[Token, ...], at: int) -> bool:
    """Whether the word at `at` joins two wishes: "and", or what it is misheard for where a command follows."""
    word = tokens[at].text
    if word in _BOUNDARIES:
        return not _inside_name(tokens, at)
    if word not in _LIKE_AND or not 1 < at < len(tokens) - 1:
        return False
    return tokens[at + 1].text in _COMMANDS


def _inside_name(tokens: tuple[Token, ...], at: int) -> bool:
    if not 0 < at < len(tokens) - 1:
        return False
    before, after = tokens[at - 1], tokens[at + 1]
    if before.text in ("hundred", "thousand"):
        return True
    return at > 1 and before.raw[:1].isupper() and after.raw[:1].isupper() and not actions_of([after.text])


def _fill_clause(clause: _Clause, text: str, tokens: tuple[Token, ...], context: Context) -> list[Filling]:
    """The call of a clause; several when it names several values for one slot ("in Paris and in London")."""
    if clause.fit is None:
        return []
    part = text[tokens[clause.start].start : tokens[clause.end - 1].end]
    tool = clause.fit.tool
    scene = Scene(part, context, _explained(tool, part))
    first = fill(tool, scene)
    return [first, *_more(first, scene)]


def _explained(tool: Tool, part: str) -> frozenset[int]:
    """The words of a text that speak for a tool."""
    words = [token.text for token in tokenize(part)]
    return fit_all(Toolbox.of(tool), words)[0].explained


def _more(first: Filling, scene: Scene) -> list[Filling]:
    """Further calls of the same tool for values joined by "and" to the first one's."""
    found: list[Filling] = []
    slot = next((slot for slot in first.tool.needs if slot.path in first.values), None)
    if slot is None or slot.kind not in ("place", "id", "enum", "date"):
        return found
    value = first.values[slot.path]
    while scene.words[value.end : value.end + 1] == ["and"]:
        rest = Scene(scene.raw(value.end + 1, len(scene.words)), scene.context, frozenset())
        following = read(slot, rest, expected=True)
        if following is None or following.start > 2 or following.value == value.value:
            break
        found.append(Filling(first.tool, {**first.values, slot.path: following}))
        value = Value(following.value, value.end, value.end + 1 + following.end)
    return found


def _same(one: Filling, other: Filling) -> bool:
    """The same tool with nothing new: "check the status and tell me where it is"."""
    if one.tool is not other.tool:
        return False
    mine = {path: value.value for path, value in one.values.items()}
    theirs = {path: value.value for path, value in other.values.items()}
    return not mine or mine == theirs


def _shared(fillings: list[Filling], text: str, context: Context) -> list[Filling]:
    """What one clause leaves out, another clause or the conversation may have said."""
    for filling in fillings:
        if filling.missing and len(fillings) > 1:
            for other in fillings:
                for path, value in other.values.items():
                    slot = next((slot for slot in filling.missing if slot.path == path), None)
                    if slot is not None:
                        filling.values[path] = value
        if filling.missing:
            remember(filling, Scene(text, context))
    return fillings


def complete(tool: Tool, text: str, context: Context, cue: frozenset[str] = frozenset()) -> Filling:
    """Arguments for a tool that something else than the words' fit has chosen (a rule, a correction, a forced choice).

    cue: stems of the words that made a rule choose it; they are no values.
    """
    chosen = frozenset(at for at, token in enumerate(tokenize(text)) if stem(token.text) in cue)
    scene = Scene(text, context, _explained(tool, text) | chosen)
    filling = fill(tool, scene)
    if cue:  # words that are only left over are no evidence when the tool was not even named
        filling.values = {path: value for path, value in filling.values.items() if value.sure >= 2.0}
    remember(filling, scene)
    return filling
