"""What tools answered, as sentences."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from vivavoce.engines.cascade.brain.conversation import Call
from vivavoce.engines.cascade.brain.dates import dates_spoken
from vivavoce.engines.cascade.brain.english import WRITES, listed, titled
from vivavoce.engines.cascade.brain.tools import Slot, Tool
from vivavoce.engines.cascade.brain.words import tokenize, word_set, words_of_name

NOTHING = "I found nothing."
_SHOWN = 3
_MESSAGES = ("message", "answer", "text", "reply", "result", "output", "summary", "description", "content")
_LABELS = ("title", "name", "subject", "label", "summary", "id", "number")
_ACRONYMS = word_set("eta id url vat crm zip pin usd eur api faq")
_ID_KEYS = ("id", "number", "reference", "code")
_ERGATIVE = word_set(
    "shipped arrived departed landed started begun finished ended expired failed left closed opened"
)
_FINITE = re.compile(
    r"\b(?:is|are|was|were|has|have|had|will|can|cannot|does|did|do|should|may|must|there's|it's|you're|isn't|won't|goes|"
    r"opens|closes|starts|costs|takes|needs|arrives|leaves)\b",
    re.I,
)
_UNITS = (
    (("minutes", "minute", "mins"), "minutes"),
    (("hours", "hour"), "hours"),
    (("days",), "days"),
    (("seconds", "secs"), "seconds"),
    (("percent", "pct"), "percent"),
    (("usd", "dollars"), "dollars"),
    (("eur", "euros"), "euros"),
    (("gbp", "pounds"), "pounds"),
    (("celsius", "c"), "degrees Celsius"),
    (("fahrenheit", "f"), "degrees Fahrenheit"),
    (("degrees",), "degrees"),
    (("km",), "kilometers"),
    (("miles",), "miles"),
    (("kg",), "kilograms"),
)


def spoken(call: Call, tool: Tool | None, introduce: str = "") -> str:
    """One call's output as speech. `introduce` is put before it unless it already names its subject."""
    output = _decoded(call.output or "")
    about = subject(call, tool)
    text = dates_spoken(_say(output, about, call, tool))
    if introduce and not _names(text, about or introduce):
        head = introduce[:1].upper() + introduce[1:]
        return f"{head}: {text}"
    return text


def _names(text: str, about: str) -> bool:
    return all(word in text.lower() for word in about.lower().split()[-2:])


def subject(call: Call, tool: Tool | None) -> str:
    """What a call was about, out of its arguments: "order A1001", "Sable Crust", or "" when it had none."""
    slots = {slot.name: slot for slot in tool.slots} if tool else {}
    if sum(1 for name in call.arguments if name in slots and slots[name].kind == "place") > 1:
        return ""  # a journey has no single place as its subject
    for wanted in ("id", "integer_id", "name", "place", "string"):
        for name, value in call.arguments.items():
            slot = slots.get(name)
            kind = slot.kind if slot else ("id" if name.endswith("id") else "string")
            if kind == wanted and isinstance(value, str | int) and not isinstance(value, bool) and str(value):
                return _entity(name, str(value), kind, tool, slot)
    return ""


def _entity(name: str, value: str, kind: str, tool: Tool | None, slot: Slot | None) -> str:
    if kind not in ("id", "integer_id"):
        return value
    words = words_of_name(name)
    while len(words) > 1 and words[-1] in ("id", "no", "ref", "key", "code"):
        words = words[:-1]
    if (
        len(words) > 1
        and words[-1] in ("number", "reference")
        and tool
        and words[0] in words_of_name(tool.name)
    ):
        words = words[:-1]
    if words == ["id"] or words == ["number"]:
        words = (tool.noun.split() if tool else [])[:1] or ["number"]
    return f"{' '.join(words)} {value}"


def _decoded(text: str) -> Any:
    stripped = text.strip()
    if not stripped:
        return None
    try:
        value = msgspec.json.decode(stripped)
    except msgspec.DecodeError:
        return stripped
    if isinstance(value, str) and value.strip()[:1] in ("{", "["):
        return _decoded(value)
    return value


def _say(value: Any, about: str, call: Call, tool: Tool | None) -> str:
    writes = tool is not None and tool.action in WRITES
    if value is None or value == "" or value == [] or value == {}:
        if writes and value is None:
            return "Done."
        return f"I found nothing for {about}." if about else NOTHING
    if isinstance(value, bool):
        return ("Done." if value else "That did not work.") if writes else ("Yes." if value else "No.")
    if isinstance(value, str):
        return _say_string(value, about)
    if isinstance(value, int | float):
        noun = tool.noun if tool else "result"
        return (
            f"{_opened(about)}: the {noun} is {_number(value)}."
            if about
            else f"The {noun} is {_number(value)}."
        )
    if isinstance(value, list):
        return _say_list(value, about, tool.noun if tool else "results")
    return _say_object(value, about, call, tool) if isinstance(value, dict) else str(value)


def _opened(text: str) -> str:
    return text[:1].upper() + text[1:]


def _ended(text: str) -> str:
    text = text.strip()
    return text if not text or text[-1] in ".!?" else f"{text}."


# --- strings ------------------------------------------------------------------------------------------------------------


def _say_string(text: str, about: str) -> str:
    """A sentence as it is; a fragment gets its subject: "shipped, arriving Tuesday" -> "Order 7 has shipped, ..."."""
    failure = re.match(r"(?i)\s*(?:an? )?(?:error|failed|failure|exception)\b[^:]*:\s*(.+)", text, re.S)
    if failure:
        return sorry(failure.group(1))
    if is_sentence(text):
        return _ended(_opened(text.strip()))
    return _ended(f"{_opened(about)}{_predicate(text.strip())}" if about else _opened(text.strip()))


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
    if first in _ERGATIVE:
        return f" has {lowered}"
    if (first.endswith(("ed", "ing")) and len(first) > 4) or first in _STATES:
        return f" is {lowered}"
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


# --- objects and lists ----------------------------------------------------------------------------------------------------


def _say_object(value: dict[str, Any], about: str, call: Call, tool: Tool | None) -> str:
    error = value.get("error") or value.get("errors")
    if error:
        return sorry(_reason(error))
    if value.get("success") is False or value.get("ok") is False:
        return sorry(str(value.get("message") or value.get("reason") or ""))
    said = _complete_message(value)
    if said:
        return said
    known = {str(one).lower() for one in call.arguments.values()}
    about = about or _own_subject(value)
    facts = {
        key: one
        for key, one in value.items()
        if one not in (None, "", [], {})
        and key not in ("success", "ok", "error")
        and str(one).lower() not in known
    }
    facts = {key: one for key, one in facts.items() if not (about and str(one).lower() in about.lower())}
    if not facts:
        return f"{_opened(about)}: done." if about and len(value) == 0 else "Done."
    return " ".join(_facts(facts, about, tool))


def _reason(error: Any) -> str:
    if isinstance(error, dict):
        return str(error.get("message") or error.get("reason") or error.get("code") or "")
    if isinstance(error, list):
        return listed([_reason(one) for one in error])
    return "" if error is True else str(error)


def _complete_message(value: dict[str, Any]) -> str:
    """A message that is a sentence by itself, when the object is little more than that."""
    for key in _MESSAGES:
        text = value.get(key)
        if isinstance(text, str) and is_sentence(text) and len(value) <= 3:
            others = [
                one for name, one in value.items() if name != key and isinstance(one, dict | list) and one
            ]
            return "" if others else _ended(_opened(text))
    return ""


def _own_subject(value: dict[str, Any]) -> str:
    for key in ("name", "title"):
        if isinstance(value.get(key), str) and not is_sentence(value[key]):
            return str(value[key])
    for key, one in value.items():
        words = words_of_name(key)
        if len(words) > 1 and words[-1] in _ID_KEYS and isinstance(one, str | int):
            return f"{' '.join(words[:-1])} {one}"
    return ""


def _facts(facts: dict[str, Any], about: str, tool: Tool | None) -> list[str]:
    """Sentences for the members of an object: the state first, as the subject's predicate."""
    sentences: list[str] = []
    rest = dict(facts)
    state = next(
        (key for key in rest if words_of_name(key)[-1:] in (["status"], ["state"], ["condition"])), None
    )
    if state is not None and isinstance(rest[state], str) and about:
        sentences.append(_say_string(_plain(rest.pop(state)), about))
    plain = {key: one for key, one in rest.items() if not isinstance(one, dict | list)}
    phrases = [
        _fact(key, one) for key, one in plain.items() if not (isinstance(one, str) and is_sentence(one))
    ]
    if phrases:
        lead = "" if sentences else f"{_opened(about)}: " if about else ""
        if lead and re.match(r"(?:in|at|on|by|from) ", phrases[0]):
            lead = f"{lead[:-2]} "
        sentences.append(_ended(lead + (listed(phrases) if lead else _opened(listed(phrases)))))
    sentences += [_ended(_opened(one)) for one in plain.values() if isinstance(one, str) and is_sentence(one)]
    for key, one in rest.items():
        name = " ".join(words_of_name(key))
        if isinstance(one, list):
            sentences.append(_say_list(one, "", name))
        elif isinstance(one, dict):
            inner = [_fact(part, each) for part, each in one.items() if not isinstance(each, dict | list)]
            sentences.append(_ended(f"{_opened(name)}: {listed(inner)}"))
    return sentences


def _plain(value: Any) -> str:
    """A code word as words: "out_for_delivery" -> "out for delivery"."""
    text = str(value)
    if re.fullmatch(r"[a-z]+(?:[_-][a-z]+)+|[A-Z]+(?:_[A-Z]+)+", text):
        return text.replace("_", " ").replace("-", " ").lower()
    return text.lower() if re.fullmatch(r"[A-Z]{5,}", text) else text


def _fact(key: str, value: Any) -> str:
    """One member as a phrase: temp_c 21 -> "the temp is 21 degrees Celsius"; is_open true -> "it is open"."""
    words = words_of_name(key)
    if isinstance(value, bool):
        if words[:1] in (["is"], ["has"]):
            return (
                f"it {words[0]}{'' if value else ' not' if words[0] == 'is' else ' no'} {' '.join(words[1:])}"
            )
        return f"{' '.join(words)}: {'yes' if value else 'no'}"
    unit = ""
    if isinstance(value, int | float):
        words, unit = _with_unit(words)
        said = f"{_number(value)}{f' {unit}' if unit else ''}"
        if value == 1 and unit.endswith("s") and " " not in unit:
            said = said[:-1]
    else:
        said = _plain(value)
    words = [word.upper() if word in _ACRONYMS else word for word in words]
    if words[-1:] == ["in"] or (words and words[-1] in ("at", "on", "by", "from")):
        return f"{' '.join(words)} {said}"
    plural = len(words) > 0 and words[-1].endswith("s") and not words[-1].endswith(("ss", "us"))
    return f"the {' '.join(words) or 'value'} {'are' if plural else 'is'} {said}" if words else said


def _with_unit(words: list[str]) -> tuple[list[str], str]:
    for names, unit in _UNITS:
        if len(words) > 1 and words[-1] in names:
            return words[:-1], unit
    if len(words) == 1 and words[0] in ("minutes", "hours", "days", "percent"):
        return [], words[0]
    return words, ""


def _number(value: int | float) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _say_list(values: list[Any], about: str, noun: str) -> str:
    """How many there are, and the first three."""
    if not values:
        return f"{_opened(noun)}: none."
    shown = [_item(value) for value in values[:_SHOWN]]
    lead = f"{_opened(about)}: " if about else ""
    if len(values) == 1:
        return _ended(f"{lead}{shown[0]}" if lead else _opened(shown[0]))
    if all(isinstance(value, str | int | float) for value in values) and len(values) <= _SHOWN:
        return _ended(f"{lead or _opened(noun) + ': '}{listed(shown)}")
    more = f" The first {len(shown)} are: " if len(values) > _SHOWN else " "
    return f"{lead}I found {len(values)}.{more}{_ended('; '.join(shown))}"


def _item(value: Any) -> str:
    if not isinstance(value, dict):
        return (
            _number(value)
            if isinstance(value, int | float) and not isinstance(value, bool)
            else _plain(value)
        )
    label = next((key for key in _LABELS if isinstance(value.get(key), str | int)), None)
    rest = {key: one for key, one in value.items() if key != label and one not in (None, "", [], {})}
    phrases = [_member(key, one) for key, one in rest.items() if not isinstance(one, dict | list)]
    head = str(value[label]) if label else ""
    return ", ".join(part for part in (head, *phrases[:4]) if part)


def _member(key: str, value: Any) -> str:
    """A member inside a list item, kept short: times and places speak for themselves."""
    words = words_of_name(key)
    if isinstance(value, str):
        if re.match(r"\d{4}-\d\d-\d\d|\d{1,2}:\d\d", value):
            return value
        if words[-1:] and words[-1] in ("location", "place", "city", "room"):
            return f"in {titled(value)}"
        if words[-1:] and words[-1] in (
            "status",
            "state",
            "time",
            "date",
            "day",
            "start",
            "when",
            "type",
            "note",
            "with",
        ):
            return _plain(value)
    fact = _fact(key, value)
    return re.sub(r"^the (.+?) (?:is|are) ", r"\1 ", fact)
