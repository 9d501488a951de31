"""What recognisers behind endpoints answer: streams and bodies of several shapes, and what of their text was said. Pure.

A stream is OpenAI's (`transcript.text.delta`, `.segment`, `.done`), vLLM's (chunks as of a chat: `transcription.chunk`), or that of older
servers: segments, or plain words. A body is JSON or text, whatever its content type says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from vivavoce.engines.cascade.chat_chunks import ErrorInStream, EventReader, Nonsense
from vivavoce.engines.cascade.remote import error_text
from vivavoce.engines.cascade.stt.likelihood import Reading, logprobs_of

_TOKEN = re.compile(r"<[|｜][^<>\n]{1,40}[|｜]>")
"""A mark of the model's own, such as Whisper's and SenseVoice's."""
_PREFIX = "<asr_text>"
"""Qwen3-ASR names the language in front of this."""
_REMARKS = re.compile(r"(?:\[[^\[\]\n]{0,60}\]|\([^()\n]{0,60}\)|\*[^*\n]{0,60}\*|[♪♫\s])+[.。]?")
"""[BLANK_AUDIO], (wind blowing), *coughs*: sounds, and no words."""


def words_of(text: str) -> str:
    """What was said, of what a recogniser wrote. Where it wrote remarks alone nothing was."""
    words = _plain(text).strip()
    return "" if _REMARKS.fullmatch(words) else words


def _plain(text: str) -> str:
    return _TOKEN.sub("", text.rpartition(_PREFIX)[2])


def language_of(code: str) -> str:
    """`de` for `de-AT`: endpoints know languages, not where they are spoken."""
    return re.split("[-_]", code)[0].lower()


class TranscriptReader:
    """Reads a stream of events. said: so far, as it was written."""

    def __init__(self) -> None:
        self.said = ""
        self._events = EventReader()
        self._segments = ""
        self._done: str | None = None
        self._logprobs: Any = None
        self._strange = b""
        """An event that nobody could make sense of."""

    def feed(self, block: bytes) -> Iterator[str]:
        """What was said so far, whenever it has grown. Raises Nonsense, ErrorInStream."""
        for data in self._events.feed(block):
            yield from self._take(data)

    def finish(self) -> Iterator[str]:
        """The stream is over."""
        for data in self._events.finish():
            yield from self._take(data)

    def reading(self) -> Reading:
        """What was understood. Raises Nonsense for a stream in which nothing was about words."""
        text = self._done or self.said or self._segments
        if not text and self._done is None and self._strange:
            raise Nonsense(f"no transcript: {self._strange[:60].decode(errors='replace')!r}")
        return Reading(words_of(text), logprobs_of(self._logprobs))

    def _take(self, data: bytes) -> Iterator[str]:
        event = _event(data)
        if event.get("error") or event.get("type") == "error" or event.get("object") == "error":
            raise ErrorInStream(error_text(event))
        kind, more = event.get("type"), _more(event)
        if kind == "transcript.text.done":
            self._done, self._logprobs = str(event.get("text") or ""), event.get("logprobs")
        elif kind == "transcript.text.segment":
            self._segments += str(event.get("text") or "")
        elif more is not None:
            self.said += more
            if more:
                yield _plain(self.said)
        elif event:
            self._strange = self._strange or data


def _more(event: dict[str, Any]) -> str | None:
    """What an event adds to the text."""
    more = event.get("delta", event.get("text"))  # older servers tell segments, each with its text
    choices = event.get("choices")
    if isinstance(choices, list):
        first = choices[0] if choices and isinstance(choices[0], dict) else {}
        delta = first.get("delta")
        more = (delta.get("content") if isinstance(delta, dict) else None) or ""
    return more if isinstance(more, str) else None


def _event(data: bytes) -> dict[str, Any]:
    if data.strip() == b"[DONE]":
        return {}
    try:
        event = msgspec.json.decode(data)
    except msgspec.DecodeError:
        return {"delta": data.decode(errors="replace")}  # plain words, as older servers send
    return event if isinstance(event, dict) else {}


def reading_of(body: bytes, kind: str) -> Reading:
    """What a whole answer says. kind: its content type, which says little. Raises Nonsense, ErrorInStream."""
    text = body.decode(errors="replace").strip()
    if text.startswith(("data:", "event:")):
        reader = TranscriptReader()
        for _ in (*reader.feed(body), *reader.finish()):
            pass
        return reader.reading()
    try:
        answer = msgspec.json.decode(body)
    except msgspec.DecodeError as problem:
        if text.startswith("<") and not _TOKEN.match(text):
            raise Nonsense("a page of HTML") from problem
        if text.startswith(("{", "[{")) or (kind.startswith("application/json") and not text):
            raise Nonsense("not JSON") from problem
        return Reading(words_of(text))
    if isinstance(answer, str):
        return Reading(words_of(answer))
    if isinstance(answer, dict) and isinstance(answer.get("text"), str):
        return Reading(words_of(answer["text"]), logprobs_of(answer.get("logprobs")))
    if isinstance(answer, dict | list):
        raise Nonsense(error_text(answer))
    return Reading(words_of(text))  # words that happen to be JSON: a number
