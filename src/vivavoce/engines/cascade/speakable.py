"""From what a language model writes to what can be said: markdown, tags and pictures go, words stay.

The transcript of an answer is what comes out of here, so that what a client reads is what was said (docs/adr/0036). What letters
sound like (addresses, amounts, ids) is the synthesizer's matter: in a transcript an address stays an address. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable

# Every repetition is bounded or cannot be split in two ways: models send any text of any length.
_HEAD = re.compile(r"[ \t]{0,8}(?:#{1,6}[ \t]{1,8}|>[ \t]?|[-*+•‣◦▪][ \t]{1,8}(?:\[[ xX]\][ \t]{1,8})?)")
_RULE = re.compile(
    r"[ \t]{0,8}(?:(?:[-*_=][ \t]{0,3}){3,}"
    r"|\|?[ \t]{0,8}:?-+:?[ \t]{0,8}(?:\|[ \t]{0,8}:?-+:?[ \t]{0,8})+\|?[ \t]{0,8})\n"
)
_FENCE = re.compile(r"[ \t]{0,8}(?:```|~~~)[^\n]*\n?")
_ROW = re.compile(r"[ \t]{0,8}\|([^\n]*)\n")
_UNDECIDED = re.compile(
    r"[ \t]{0,8}(?:#{1,6}|>|[-*+•‣◦▪](?:[ \t]{1,8}\[[ xX]?\]?)?|(?:[-*_=][ \t]{0,3}){0,60}|[`~]{1,3}[^\n]{0,200}|\|[^\n]{0,2000})[ \t]{0,8}$"
)
"""The start of a line of which it cannot be said yet what it is."""

_LINK = re.compile(
    r"!?\[([^\[\]\n]{0,400})\]\(\s*<?([^()\s<>]{0,2000})>?(?:\s+[\"'][^\n]{0,200}?[\"'])?\s*\)"
)
_NOTE = re.compile(r"\[\^?\d{1,3}\]")
_OPEN_LINK = re.compile(r"!?\[[^\[\]\n]{0,400}(?:\](?:\([^()\n]{0,2000})?)?$|!$")
_TAG = re.compile(
    r"</?(?:b|i|u|s|em|strong|p|ul|ol|li|code|pre|br|hr|sub|sup|span|div|mark|h[1-6]|table|t[rdh])\b[^<>\n]{0,200}>",
    re.I,
)
_OTHER_TAG = re.compile(r"</?[A-Za-z][\w-]{0,40}(?:\s[^<>\n]{0,200})?/?>")
"""One that a model made up, such as <answer>: nobody wants to hear it."""
_ENTITIES = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'", "#39": "'", "nbsp": " "}
_ENTITY = re.compile(rf"&({'|'.join(_ENTITIES)});")
_OPEN_ENTITY = re.compile(r"&[a-z#]?[a-z\d]{0,4}$")
_OPEN_TAG = re.compile(r"</?[A-Za-z][^<>\n]{0,200}$|</?$")
_SOURCE = re.compile(r"【[^【】\n]{0,200}】")
_OPEN_SOURCE = re.compile(r"【[^【】\n]{0,200}$")
_PICTURE = re.compile(
    "[\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff\u2190-\u21ff\u2300-\u23ff\ufe0f\ufe0e\u200d\u20e3\U000e0020-\U000e007f]+"
)
_SPECIAL = re.compile(
    "[*_`~\\[!<&【\n\\\\\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff\u2190-\u21ff\u2300-\u23ff\ufe0f\ufe0e\u200d\u20e3]"
)
_ESCAPED = "\\`*_{}[]()#+-.!|~>"


class Speakable:
    """Feed it what the model writes; it returns what can be said of it so far, and `finish` the rest."""

    def __init__(self) -> None:
        self._held = ""
        self._line_begins = True
        self._before = " "
        """The sign that was said last."""

    def feed(self, text: str) -> str:
        """What is certain by now."""
        self._held += text
        return self._said(over=False)

    def finish(self) -> str:
        """What was held back: nothing more comes."""
        said = self._said(over=True)
        self._line_begins, self._before = True, " "
        return said

    def _said(self, *, over: bool) -> str:
        out: list[str] = []
        while self._held:
            step = self._line_start(over) if self._line_begins else self._inside(over)
            if step is None:
                break
            taken, words = step
            self._held = self._held[taken:]
            if words.startswith(" ") and self._before.isspace() and self._before != "\n":
                words = words.lstrip(" ")  # A picture that is gone leaves no gap behind.
            if words:
                self._before = words[-1]
                out.append(words)
        return "".join(out)

    def _line_start(self, over: bool) -> tuple[int, str] | None:
        """Markup that only counts at the start of a line: how many signs it takes, and what is said in its place."""
        held = self._held
        for pattern in (_FENCE, _RULE):
            found = pattern.match(held)
            if found and (over or found[0].endswith("\n")):
                return found.end(), ""
        if over and _RULE.match(held + "\n"):
            return len(held), ""
        row = _ROW.match(held) or (_ROW.match(held + "\n") if over else None)
        if row:
            cells = [cell.strip() for cell in row[1].split("|") if cell.strip()]
            return min(row.end(), len(held)), ", ".join(cells) + ".\n" if cells else ""
        if not over and _UNDECIDED.match(held):
            return None
        found = _HEAD.match(held)
        if found:
            return found.end(), ""
        self._line_begins = False
        return 0, ""

    def _inside(self, over: bool) -> tuple[int, str] | None:
        found = _SPECIAL.search(self._held)
        if found is None:
            return len(self._held), self._held
        if found.start():
            return found.start(), self._held[: found.start()]
        sign = self._held[0]
        return _HANDLERS.get(sign, _picture)(self, over)

    # --- what each special sign may be ----------------------------------------------------------------------------------

    def _newline(self, over: bool) -> tuple[int, str]:
        self._line_begins = True
        return 1, "\n"

    def _emphasis(self, over: bool) -> tuple[int, str] | None:
        sign = self._held[0]
        run = len(self._held) - len(self._held.lstrip(sign))
        if run == len(self._held) and not over:
            return None
        after = self._held[run : run + 1] or " "
        if sign == "`" or run > 1:
            return run, ""
        if sign == "~":
            return run, sign
        between_words = self._before.isalnum() and after.isalnum()
        # 2 * 3 and snake_case are no emphasis; neither is 2*3.
        if (self._before.isspace() and after.isspace()) or (sign == "_" and between_words):
            return run, sign
        return run, sign if between_words and self._before.isdigit() and after.isdigit() else ""

    def _bracket(self, over: bool) -> tuple[int, str] | None:
        link = _LINK.match(self._held)
        if link:
            return link.end(), link[1]
        if not over and _OPEN_LINK.match(self._held):
            return None
        note = _NOTE.match(self._held)
        return (note.end(), "") if note else (1, self._held[0])

    def _angle(self, over: bool) -> tuple[int, str] | None:
        tag = _TAG.match(self._held)
        if tag:
            return tag.end(), " " if tag[0].lower().startswith(
                ("<br", "<li", "<p", "</p", "<t", "</t")
            ) else ""
        if not over and _OPEN_TAG.match(self._held):
            return None
        other = _OTHER_TAG.match(self._held)
        return (other.end(), "") if other else (1, "<")

    def _entity(self, over: bool) -> tuple[int, str] | None:
        found = _ENTITY.match(self._held)
        if found:
            return found.end(), _ENTITIES[found[1]]
        return None if not over and _OPEN_ENTITY.match(self._held) else (1, "&")

    def _source(self, over: bool) -> tuple[int, str] | None:
        source = _SOURCE.match(self._held)
        if source:
            return source.end(), ""
        return None if not over and _OPEN_SOURCE.match(self._held) else (1, self._held[0])

    def _escape(self, over: bool) -> tuple[int, str] | None:
        if len(self._held) == 1:
            return (1, "\\") if over else None
        return (2, self._held[1]) if self._held[1] in _ESCAPED else (1, "\\")


Handler = Callable[[Speakable, bool], "tuple[int, str] | None"]


def _picture(state: Speakable, over: bool) -> tuple[int, str]:
    found = _PICTURE.match(state._held)
    return (found.end(), "") if found else (1, state._held[0])


_HANDLERS: dict[str, Handler] = {
    "\n": Speakable._newline,
    "*": Speakable._emphasis,
    "_": Speakable._emphasis,
    "`": Speakable._emphasis,
    "~": Speakable._emphasis,
    "[": Speakable._bracket,
    "!": Speakable._bracket,
    "<": Speakable._angle,
    "&": Speakable._entity,
    "【": Speakable._source,
    "\\": Speakable._escape,
}


def speakable(text: str) -> str:
    """A whole text at once."""
    filter_ = Speakable()
    return filter_.feed(text) + filter_.finish()
