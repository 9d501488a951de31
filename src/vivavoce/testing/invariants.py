"""What must hold for every stream of GA server events that one connection is sent, from its first event on.

Feed it each event in order; it raises `Broken` (testing/broken.py) at the first one that cannot be. The rules are those of protocol reference 4 and
of its checklist (7).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pybase64

from vivavoce.testing.broken import need
from vivavoce.testing.conversation_log import ConversationLog

Event = dict[str, Any]

MS_PER_TOKEN = 50
"""Assistant audio is counted in tokens of this length (protocol reference 4.18)."""
BYTES_PER_MS = {"audio/pcm": 48, "audio/pcmu": 8, "audio/pcma": 8}
LARGEST_DELTA_MS = 100


@dataclass(slots=True)
class OpenPart:
    """A content part between its `added` and its `done`."""

    kind: str
    text: str = ""
    audio_done: bool = False
    text_done: bool = False


@dataclass(slots=True)
class OpenItem:
    """An output item between its `added` and its `done`."""

    id: str
    kind: str
    part: OpenPart | None = None
    said: str = ""
    arguments: str = ""
    arguments_done: bool = False


@dataclass(slots=True)
class Live:
    """A response between `response.created` and `response.done`."""

    in_conversation: bool
    bytes_per_ms: int
    item: OpenItem | None = None
    calls: dict[str, OpenItem] = field(default_factory=dict)
    """Open calls of MCP servers, which run beside each other and beside what is said."""
    items: list[str] = field(default_factory=list)
    finished: dict[str, Event] = field(default_factory=dict)
    audio_bytes: int = 0


class Invariants:
    """Follows a stream of server events.

    `text_first`: the transcript of a clause comes before its sound, which an engine that speaks by itself need not keep to.
    """

    def __init__(self, *, text_first: bool = True) -> None:
        self._text_first = text_first
        self.live: dict[str, Live] = {}
        self.conversation = ConversationLog()
        self._event_ids: set[str] = set()
        self._responses: set[str] = set()
        self._speaking: str | None = None
        self._heard_until_ms = 0
        self._sent_ms: dict[str, float] = {}
        self._after_done = False
        self._truncated_ids: set[str] = set()
        self._remote: dict[str, str] = {}
        """Calls and listings of MCP servers that are going on, and how far they have come."""

    def feed(self, event: Event) -> None:
        """Take in the next event. Raises Broken."""
        kind = event["type"]
        need(bool(self._event_ids) or kind == "session.created", "session.created comes first")
        need(event["event_id"] not in self._event_ids, "event ids are unique")
        self._event_ids.add(event["event_id"])
        if self._after_done:
            need(kind == "rate_limits.updated", "rate_limits.updated follows response.done")
        self._after_done = kind == "response.done"
        if "response_id" in event:
            self._output(kind, event)
        elif kind in _RULES:
            _RULES[kind](self, event)

    def finish(self) -> None:
        """The stream is over and nothing is going on any more."""
        need(not self.live, f"every response is done, {list(self.live)} is not")
        undone = self.conversation.undone()
        need(not undone, f"every item is done, {undone} is not")
        need(not self._remote, f"every call and listing ends, {self._remote} does not")

    # --- responses ------------------------------------------------------------------------------------------------------

    def _created(self, event: Event) -> None:
        response = event["response"]
        need(response["id"] not in self._responses, "a response is created once")
        self._responses.add(response["id"])
        need(
            response["status"] == "in_progress" and response["output"] == [] and response["usage"] is None,
            "a new response is empty and in progress",
        )
        in_conversation = response["conversation_id"] is not None
        need(
            not in_conversation or not any(live.in_conversation for live in self.live.values()),
            "at most one response of the default conversation is live",
        )
        wire = response["audio"]["output"]["format"]["type"]
        self.live[response["id"]] = Live(in_conversation, BYTES_PER_MS[wire])

    def _done(self, event: Event) -> None:
        response = event["response"]
        live = self.live.pop(response["id"], None)
        need(live is not None, "response.done ends a live response, once")
        assert live is not None
        need(live.item is None and not live.calls, "every item of a response is done before the response")
        need(
            self._uncut(response["output"])
            == self._uncut([live.finished[item_id] for item_id in live.items]),
            "response.done lists the items as they were done",
        )
        need(response["status"] != "in_progress", "a response that is done is not in progress")
        details = response["status_details"] or {"type": "completed"}
        need(
            details["type"] == response["status"],
            "status_details explain every ending but a completed one",
        )
        self._usage(response["usage"], live)

    def _uncut(self, items: list[Event]) -> list[Event]:
        """The items, those without their words that were truncated since they were done."""
        return [item | {"content": []} if item["id"] in self._truncated_ids else item for item in items]

    def _usage(self, usage: Event, live: Live) -> None:
        given, said = usage["input_token_details"], usage["output_token_details"]
        cached = given["cached_tokens_details"]
        kinds = ("text_tokens", "audio_tokens", "image_tokens")
        need(usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"], "total tokens add up")
        need(usage["input_tokens"] == sum(given[kind] for kind in kinds), "input tokens add up")
        need(usage["output_tokens"] == said["text_tokens"] + said["audio_tokens"], "output tokens add up")
        need(given["cached_tokens"] == sum(cached[kind] for kind in kinds), "cached tokens add up")
        need(all(cached[kind] <= given[kind] for kind in kinds), "cached tokens are part of the input")
        need(
            said["audio_tokens"] == live.audio_bytes // (live.bytes_per_ms * MS_PER_TOKEN),
            "audio tokens are the length of the audio that was sent",
        )

    def _output(self, kind: str, event: Event) -> None:
        live = self.live.get(event["response_id"])
        need(live is not None, f"{kind} belongs to a live response")
        assert live is not None
        if kind == "response.output_item.added":
            need(event["output_index"] == len(live.items), "output_index counts the items of a response")
            self._item_added(live, event)
            return
        item_id = event.get("item_id") or event["item"]["id"]
        need(item_id in live.items, f"{kind} belongs to an item of its response")
        need(event["output_index"] == live.items.index(item_id), f"{kind} has its item's output_index")
        if item_id in live.calls:
            self._remote_call(live, live.calls[item_id], kind, event)
            return
        need(live.item is not None, f"{kind} belongs to an open item")
        assert live.item is not None
        if kind == "response.output_item.done":
            self._item_done(live, live.item, event)
            return
        need(event["item_id"] == live.item.id, f"{kind} names the open item")
        if "_arguments" in kind:
            _arguments(live.item, kind, event)
            return
        need(event["content_index"] == 0, "a message has one content part")
        self._part(live, live.item, kind, event)

    def _item_added(self, live: Live, event: Event) -> None:
        item = event["item"]
        live.items.append(item["id"])
        if item["type"] == "mcp_call":
            empty = (item["arguments"], item["output"], item["error"]) == ("", None, None)
            need(live.item is None and empty, "a call begins empty, with nothing else being said")
            live.calls[item["id"]] = OpenItem(item["id"], item["type"])
            return
        need(live.item is None, "one item of a response is open at a time")
        if item["type"] != "mcp_approval_request":
            need(item["status"] == "in_progress", "an item begins in progress")
            need(item.get("content", []) == [] and item.get("arguments", "") == "", "an item begins empty")
        live.item = OpenItem(item["id"], item["type"])

    def _remote_call(self, live: Live, call: OpenItem, kind: str, event: Event) -> None:
        if kind != "response.output_item.done":
            _arguments(call, kind, event)
            return
        done = event["item"]
        need(
            call.arguments_done and done["arguments"] == call.arguments,
            "a call has the arguments it was sent",
        )
        need(
            (done["output"] is None) != (done["error"] is None),
            "a call that is done has an output or an error",
        )
        ended = "failed" if done["error"] is not None else "completed"
        need(
            self._remote.pop(call.id, None) == ended,
            f"response.mcp_call.{ended} comes before the item is done",
        )
        del live.calls[call.id]
        live.finished[call.id] = done

    def _call_state(self, event: Event) -> None:
        state, item_id = event["type"].rpartition(".")[2], event["item_id"]
        live = [live for live in self.live.values() if item_id in live.calls]
        need(len(live) == 1, f"{event['type']} belongs to an open call")
        need(live[0].items.index(item_id) == event["output_index"], "a call keeps its output_index")
        before = self._remote.get(item_id)
        need(before == (None if state == "in_progress" else "in_progress"), "a call begins, then it ends")
        need(live[0].calls[item_id].arguments_done, "a call begins when its arguments are known")
        self._remote[item_id] = state

    def _list_state(self, event: Event) -> None:
        state, item_id = event["type"].rpartition(".")[2], event["item_id"]
        before = self._remote.get(item_id)
        need(before == (None if state == "in_progress" else "in_progress"), "a listing begins, then it ends")
        self._remote[item_id] = state
        if state != "in_progress":
            del self._remote[item_id]

    def _item_done(self, live: Live, item: OpenItem, event: Event) -> None:
        done = event["item"]
        need(done["id"] == item.id, "the open item is done")
        if item.kind != "mcp_approval_request":
            need(done["status"] in ("completed", "incomplete"), "an item that is done is not in progress")
        need(item.part is None, "every content part is done before its item")
        if item.kind == "function_call":
            need(done["arguments"] == item.arguments, "an item has the arguments it was sent")
            # Half of a call is never told to be one: clients act on the end of its arguments.
            need(
                item.arguments_done is (done["status"] == "completed"),
                "a call is whole, or says that it is not",
            )
        elif item.kind == "message" and done["id"] not in self._truncated_ids:
            words = (part.get("text", part.get("transcript")) or "" for part in done["content"])
            need("".join(words) == item.said, "an item says what was sent of it")
        live.finished[item.id] = done
        live.item = None

    def _part(self, live: Live, item: OpenItem, kind: str, event: Event) -> None:
        if kind == "response.content_part.added":
            need(item.part is None, "one content part is open at a time")
            part = event["part"]
            need(part.get("text", part.get("transcript")) == "", "a content part begins empty")
            item.part = OpenPart(part["type"])
            return
        need(item.part is not None, f"{kind} belongs to an open content part")
        assert item.part is not None
        part = item.part
        if kind == "response.content_part.done":
            said = event["part"].get("text", event["part"].get("transcript"))
            need(
                event["part"]["type"] == part.kind and said == part.text,
                "a part is done with what was sent of it",
            )
            need(part.text_done and part.audio_done is (part.kind == "audio"), "every delta has its done")
            item.said, item.part = part.text, None
        elif kind == "response.output_audio.delta":
            self._sound(live, item, event["delta"])
        else:
            _text(part, kind, event)

    def _sound(self, live: Live, item: OpenItem, delta: str) -> None:
        assert item.part is not None
        need(item.part.kind == "audio" and not item.part.audio_done, "audio belongs to an open audio part")
        sound = pybase64.b64decode(delta, validate=True)
        need(0 < len(sound) <= live.bytes_per_ms * LARGEST_DELTA_MS, "an audio delta is at most 100 ms long")
        need(live.bytes_per_ms == 8 or len(sound) % 2 == 0, "an audio delta is whole samples")
        need(
            not self._text_first or item.part.text != "", "the transcript of a clause comes before its sound"
        )
        live.audio_bytes += len(sound)
        self._sent_ms[item.id] = self._sent_ms.get(item.id, 0.0) + len(sound) / live.bytes_per_ms

    # --- the caller -----------------------------------------------------------------------------------------------------

    def _speech_started(self, event: Event) -> None:
        need(self._speaking is None, "speech starts after it has stopped")
        need(event["audio_start_ms"] >= self._heard_until_ms, "speech starts in audio that no item holds yet")
        self._speaking = event["item_id"]
        self._heard_until_ms = event["audio_start_ms"]

    def _speech_stopped(self, event: Event) -> None:
        need(self._speaking == event["item_id"], "speech stops after it has started, under the same item id")
        need(event["audio_end_ms"] > self._heard_until_ms, "speech ends after it has begun")
        self._heard_until_ms = event["audio_end_ms"]
        self.conversation.expect_commit(event["item_id"])

    def _committed(self, event: Event) -> None:
        if self._speaking is not None:
            need(
                event["item_id"] == self._speaking, "what is committed during speech has the speech's item id"
            )
        self._speaking = None
        self.conversation.committed(event)

    def _cleared(self, event: Event) -> None:
        self._speaking = None
        self.conversation.expect_commit(None)

    def _session_updated(self, event: Event) -> None:
        # Turn detection that is switched off while somebody speaks has nothing more to say.
        if event["session"]["audio"]["input"]["turn_detection"] is None:
            self._speaking = None

    def _truncated(self, event: Event) -> None:
        self.conversation.known(event["item_id"])
        sent = self._sent_ms.get(event["item_id"], 0.0)
        need(event["audio_end_ms"] <= sent, "an item is truncated within the audio that was sent")
        self._truncated_ids.add(event["item_id"])

    def _item(self, event: Event) -> None:
        self.conversation.feed(event)


def _arguments(item: OpenItem, kind: str, event: Event) -> None:
    need(kind.startswith(f"response.{item.kind}_arguments"), "arguments belong to a call of their kind")
    need(not item.arguments_done, "arguments are done once")
    if kind.endswith(".delta"):
        item.arguments += event["delta"]
    else:
        need(event["arguments"] == item.arguments, "deltas of arguments joined are the arguments")
        item.arguments_done = True


def _text(part: OpenPart, kind: str, event: Event) -> None:
    if kind == "response.output_audio.done":
        need(part.kind == "audio" and not part.audio_done, "audio is done once")
        part.audio_done = True
        return
    wanted = "response.output_audio_transcript" if part.kind == "audio" else "response.output_text"
    need(kind.startswith(wanted) and not part.text_done, f"{kind} belongs to an open part of its kind")
    if kind.endswith(".delta"):
        part.text += event["delta"]
        return
    need(event.get("text", event.get("transcript")) == part.text, "deltas of text joined are the text")
    part.text_done = True


_RULES = {
    "response.created": Invariants._created,
    "response.done": Invariants._done,
    "response.mcp_call.in_progress": Invariants._call_state,
    "response.mcp_call.completed": Invariants._call_state,
    "response.mcp_call.failed": Invariants._call_state,
    "mcp_list_tools.in_progress": Invariants._list_state,
    "mcp_list_tools.completed": Invariants._list_state,
    "mcp_list_tools.failed": Invariants._list_state,
    "input_audio_buffer.speech_started": Invariants._speech_started,
    "input_audio_buffer.speech_stopped": Invariants._speech_stopped,
    "input_audio_buffer.committed": Invariants._committed,
    "input_audio_buffer.cleared": Invariants._cleared,
    "session.updated": Invariants._session_updated,
    "conversation.item.truncated": Invariants._truncated,
    "conversation.item.added": Invariants._item,
    "conversation.item.done": Invariants._item,
    "conversation.item.deleted": Invariants._item,
    "conversation.item.retrieved": Invariants._item,
    "conversation.item.input_audio_transcription.completed": Invariants._item,
}
