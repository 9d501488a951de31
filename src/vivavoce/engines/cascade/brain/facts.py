"""Objects and lists that tools answered with, as sentences: the state first, then the other members, lists cut to three."""

from __future__ import annotations

import re
from typing import Any

from vivavoce.engines.cascade.brain.english import listed, titled
from vivavoce.engines.cascade.brain.sentences import NOTHING, ended, is_sentence, opened, say_string, sorry
from vivavoce.engines.cascade.brain.words import word_set, words_of_name

_SHOWN = 3
_MESSAGES = ("message", "answer", "text", "reply", "result", "output", "summary", "description", "content")
_LABELS = ("title", "name", "subject", "label", "summary", "with", "id", "number")
_ID_WORDS = ("id", "number", "reference", "code")
_SUCCESS = word_set("success ok okay done successful")
_SPELT = word_set("eta id url vat zip pin api faq")
_SHORT_FORMS = {
    "temp": "temperature",
    "qty": "quantity",
    "avg": "average",
    "num": "number",
    "amt": "amount",
    "desc": "description",
}
_STATES = word_set("available open active free ready included full empty online up down paid valid sold")
_UNITS = {
    "minutes": "minutes", "minute": "minutes", "mins": "minutes", "hours": "hours", "hour": "hours", "days": "days",
    "seconds": "seconds", "secs": "seconds", "percent": "percent", "pct": "percent", "usd": "dollars", "dollars": "dollars",
    "eur": "euros", "euros": "euros", "gbp": "pounds", "celsius": "degrees Celsius", "c": "degrees Celsius",
    "fahrenheit": "degrees Fahrenheit", "f": "degrees Fahrenheit", "degrees": "degrees", "km": "kilometers",
    "miles": "miles", "kg": "kilograms", "kmh": "kilometers per hour", "mph": "miles per hour", "$": "dollars", "€": "euros",
}  # fmt: skip


def say_object(value: dict[str, Any], about: str, arguments: dict[str, Any]) -> str:
    """An object as sentences. `about` is what the call was about; members that repeat an argument are left out."""
    value = _unwrapped(value)
    failure = _failure(value, about)
    if failure is not None:
        return failure
    said = _whole_message(value)
    if said:
        return said
    about = about or _own_subject(value)
    known = {str(one).lower() for one in arguments.values()}
    facts = {key: one for key, one in value.items() if _tells(key, one, known, about)}
    if facts:
        return " ".join(_sentences(facts, about))
    empty = [one for one in value.values() if one in (None, "", [], {})]
    return _nothing(about) if empty else "Done."


def _unwrapped(value: dict[str, Any]) -> dict[str, Any]:
    """The object inside {"order": {...}}, or beside nothing but a mark of success."""
    rest = {key: one for key, one in value.items() if key not in ("success", "ok")}
    if len(rest) == 1:
        inner = next(iter(rest.values()))
        if isinstance(inner, dict) and inner and "error" not in rest and "errors" not in rest:
            return _unwrapped(inner)
    return value


def _failure(value: dict[str, Any], about: str) -> str | None:
    error = value.get("error") or value.get("errors")
    if error:
        return sorry(_reason(error))
    if value.get("success") is False or value.get("ok") is False:
        return sorry(str(value.get("message") or value.get("reason") or ""))
    if value.get("found") is False or value.get("exists") is False:
        return _nothing(about)
    return None


def _nothing(about: str) -> str:
    return f"I found nothing for {about}." if about else NOTHING


def _reason(error: Any) -> str:
    if isinstance(error, dict):
        return str(error.get("message") or error.get("reason") or error.get("code") or "")
    if isinstance(error, list):
        return listed([_reason(one) for one in error])
    return "" if error is True else str(error)


def _whole_message(value: dict[str, Any]) -> str:
    """A message that is a sentence by itself, when the object is little more than that."""
    for key in _MESSAGES:
        text = value.get(key)
        if isinstance(text, str) and is_sentence(text) and len(value) <= 3:
            nested = any(isinstance(one, dict | list) and one for one in value.values())
            return "" if nested else ended(opened(text))
    return ""


def _own_subject(value: dict[str, Any]) -> str:
    for key in ("name", "title"):
        if isinstance(value.get(key), str) and not is_sentence(value[key]):
            return str(value[key])
    for key, one in value.items():
        words = words_of_name(key)
        if len(words) > 1 and words[-1] in _ID_WORDS[:2] and isinstance(one, str | int):
            return f"{' '.join(words[:-1])} {one}"
    return ""


def _tells(key: str, value: Any, known: set[str], about: str) -> bool:
    """Whether a member is news: neither empty, nor an argument said back, nor the subject, nor a mere mark of success."""
    if value in (None, "", [], {}) or key in ("success", "ok", "error", "errors", "found", "exists"):
        return False
    said = str(value).lower()
    if key == "status" and said in _SUCCESS:
        return False
    return said not in known and not (
        about and isinstance(value, str | int) and f" {said} " in f" {about.lower()} "
    )


def _sentences(facts: dict[str, Any], about: str) -> list[str]:
    sentences: list[str] = []
    rest = _with_units(facts)
    state = next(
        (key for key in rest if words_of_name(key)[-1:] in (["status"], ["state"], ["condition"])), None
    )
    if state is not None and isinstance(rest[state], str) and about:
        sentences.append(say_string(_plain(rest.pop(state)), about))
    plain = {key: one for key, one in rest.items() if not isinstance(one, dict | list)}
    whole = [
        one
        for key, one in plain.items()
        if isinstance(one, str) and (is_sentence(one) or key in _MESSAGES[:6])
    ]
    phrases = [_fact(key, one) for key, one in plain.items() if one not in whole or not isinstance(one, str)]
    if phrases:
        sentences.append(_led("" if sentences else about, phrases))
    sentences += [ended(opened(one)) for one in whole]
    for key, one in rest.items():
        name = " ".join(words_of_name(key))
        if isinstance(one, list):
            sentences.append(say_list(one, "", name, named=len(rest) > 1 or bool(sentences)))
        elif isinstance(one, dict):
            inner = [
                _fact(part, each)
                for part, each in _with_units(one).items()
                if not isinstance(each, dict | list)
            ]
            sentences.append(ended(f"{opened(name)}: {listed(inner)}"))
    return sentences


def _led(about: str, phrases: list[str]) -> str:
    """Phrases after their subject: "Order 7 is paid and the total is 9", "Lunch in 5 minutes", "Rome: the sky is clear"."""
    if not about:
        return ended(opened(listed(phrases)))
    first, joint = phrases[0], ": "
    if first.startswith(("it is ", "it has ")):
        first, joint = first[3:], " "
    elif re.match(r"(?:in|at|on|by|from) ", first):
        joint = " "
    return ended(f"{opened(about)}{joint}{listed([first, *phrases[1:]])}")


def _with_units(facts: dict[str, Any]) -> dict[str, Any]:
    """A member "unit" or "currency" joins the number it belongs to."""
    unit = next(
        (key for key in facts if key in ("unit", "units", "currency") and isinstance(facts[key], str)), None
    )
    number = next(
        (key for key, one in facts.items() if isinstance(one, int | float) and not isinstance(one, bool)),
        None,
    )
    if unit is None or number is None or words_of_name(number)[-1] in _UNITS:
        return dict(facts)
    name = _UNITS.get(str(facts[unit]).lower(), str(facts[unit]))
    joined = {key: one for key, one in facts.items() if key != unit}
    joined[number] = f"{number_said(facts[number])} {name}"
    return joined


def _plain(value: Any) -> str:
    """A code word as words: "out_for_delivery" -> "out for delivery"."""
    text = str(value)
    if re.fullmatch(r"[a-z]+(?:[_-][a-z]+)+|[A-Z]+(?:_[A-Z]+)+", text):
        return text.replace("_", " ").replace("-", " ").lower()
    return text.lower() if re.fullmatch(r"[A-Z]{5,}", text) else text


def _fact(key: str, value: Any) -> str:
    """One member as a phrase: temp_c 21 -> "the temperature is 21 degrees Celsius"; is_open true -> "it is open"."""
    words = words_of_name(key)
    if isinstance(value, bool):
        return _yes_no(words, value)
    unit = ""
    if isinstance(value, int | float):
        words, unit = _with_unit(words)
        said = f"{number_said(value)} {unit}".strip()
        if value == 1 and unit.endswith("s") and " " not in unit:
            said = said[:-1]
    else:
        said = _plain(value)
    words = [word.upper() if word in _SPELT else _SHORT_FORMS.get(word, word) for word in words]
    name = " ".join(words)
    if words[-1:] and words[-1] in ("in", "at", "on", "by", "from", "with"):
        return f"{name} {said}"
    if not words:
        return said
    plural = words[-1].endswith("s") and not words[-1].endswith(("ss", "us"))
    if plural and isinstance(value, int) and not unit:
        return f"there is 1 {name[:-1]}" if value == 1 else f"there are {said} {name}"
    return f"the {name} {'are' if plural else 'is'} {said}"


def _yes_no(words: list[str], value: bool) -> str:
    if words[:1] in (["is"], ["has"]):
        denial = "" if value else " not" if words[0] == "is" else " no"
        return f"it {words[0]}{denial} {' '.join(words[1:])}"
    if words[-1].endswith("ed") or words[-1] in _STATES:
        return f"it is {'' if value else 'not '}{' '.join(words)}"
    return f"{' '.join(words)}: {'yes' if value else 'no'}"


def _with_unit(words: list[str]) -> tuple[list[str], str]:
    if len(words) > 1 and words[-1] in _UNITS:
        return words[:-1], _UNITS[words[-1]]
    if len(words) == 1 and words[0] in ("minutes", "hours", "days", "percent"):
        return [], words[0]
    return words, ""


def number_said(value: int | float) -> str:
    """A number in digits without a needless tail."""
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return str(value)


def say_list(values: list[Any], about: str, noun: str, named: bool = False) -> str:
    """How many there are, and the first three; a single one without counting. `named`: say what they are in any case."""
    if not values:
        return f"{opened(noun)}: none."
    shown = [_item(value) for value in values[:_SHOWN]]
    lead = f"{opened(about)}: " if about else f"{opened(noun)}: " if named else ""
    if len(values) == 1:
        return ended(f"{lead}{shown[0]}" if lead else opened(shown[0]))
    if all(isinstance(value, str | int | float) for value in values) and len(values) <= _SHOWN:
        return ended(f"{lead or opened(noun) + ': '}{listed(shown)}")
    what = f" {noun}" if noun.endswith("s") and not noun.endswith("ss") else ""
    more = f" The first {len(shown)} are: " if len(values) > _SHOWN else " "
    lead = f"{opened(about)}: " if about else ""
    return f"{lead}I found {len(values)}{what}.{more}{' '.join(ended(opened(one)) for one in shown)}"


def _item(value: Any) -> str:
    if not isinstance(value, dict):
        return (
            number_said(value)
            if isinstance(value, int | float) and not isinstance(value, bool)
            else _plain(value)
        )
    label = next((key for key in _LABELS if isinstance(value.get(key), str | int)), None)
    rest = {key: one for key, one in value.items() if key != label and one not in (None, "", [], {})}
    phrases = [
        _member(key, one) for key, one in _with_units(rest).items() if not isinstance(one, dict | list)
    ]
    head = str(value[label]) if label else ""
    if phrases and re.match(r"(?:in|at|on|by) ", phrases[0]) and head:
        head, phrases = f"{head} {phrases[0]}", phrases[1:]
    return ", ".join(part for part in (head, *phrases[:4]) if part)


def _member(key: str, value: Any) -> str:
    """A member inside a list item, kept short: times and places speak for themselves."""
    words = words_of_name(key)
    if isinstance(value, str):
        if re.match(r"\d{4}-\d\d-\d\d|\d{1,2}:\d\d", value) or is_sentence(value):
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
            "notes",
        ):
            return _plain(value)
    return re.sub(
        r"^(?:the (.+?)|there) (?:is|are) ",
        lambda found: f"{found[1]} " if found[1] else "",
        _fact(key, value),
    )
