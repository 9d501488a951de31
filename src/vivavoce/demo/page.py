"""call.html: one page that holds the whole call and loads nothing from anywhere."""

from __future__ import annotations

import base64
import html
from pathlib import Path

import msgspec

from vivavoce.demo.record import LoggedEvent, Recording

PARTS = Path(__file__).with_name("page")


def build_page(
    recording: Recording, events: list[LoggedEvent], levels: dict[str, list[int]], flac: bytes
) -> str:
    """The page as text. Style, script, record and sound are put into it."""
    call = {"recording": recording, "events": events, "levels": levels}
    parts = {
        "TITLE": html.escape(title_of(recording)),
        "STYLE": (PARTS / "call.css").read_text("utf-8"),
        "CALL": _in_script(msgspec.json.encode(call).decode("utf-8")),
        "SOUND": base64.b64encode(flac).decode("ascii"),
        "SCRIPT": (PARTS / "call.js").read_text("utf-8"),
    }
    rest, page = (PARTS / "call.html").read_text("utf-8"), ""
    # In the template's order, so that what a part holds is never taken for a place of another.
    for name, value in parts.items():
        before, mark, rest = rest.partition(f"<!--{name}-->")
        assert mark, f"page/call.html has no place for {name}"
        page += before + value
    return page + rest


def title_of(recording: Recording) -> str:
    """What the browser's tab says."""
    return "A call with the support agent" + (
        f" (seed {recording.seed})" if recording.seed is not None else ""
    )


def _in_script(text: str) -> str:
    # Inside a script element only "<" can end it or open a comment; JSON allows it to be written so.
    return text.replace("<", "\\u003c")
