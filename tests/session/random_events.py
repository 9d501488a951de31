"""Client events at random: valid ones that fit what a session holds, and every way to spoil them."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pybase64

Event = dict[str, Any]

JUNK: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 1e308, 0.5, "", "x", "auto", "none", "root", "inf", "é\u2028\U0001f600", "A" * 600,
    [], [1], [[]], {}, {"type": "message"}, {"id": 5}, [{"type": "item_reference", "id": "x"}],
)  # fmt: skip
VAD: tuple[Any, ...] = (
    None,
    {"type": "server_vad"},
    {"type": "server_vad", "silence_duration_ms": 100, "prefix_padding_ms": 0},
    {"type": "server_vad", "create_response": False},
    {"type": "server_vad", "interrupt_response": False, "silence_duration_ms": 200},
    {"type": "semantic_vad", "eagerness": "high"},
)
TOOL = {"type": "function", "name": "look_up", "parameters": {"type": "object"}}
SERVER = {
    "type": "mcp",
    "server_label": "docs",
    "server_url": "http://127.0.0.1:9",
    "authorization": "secret",
}
SHOP = {
    "type": "mcp",
    "server_label": "shop",
    "require_approval": {"never": {"read_only": True}},
}
FREE = {
    "type": "mcp",
    "server_label": "docs",
    "server_url": "http://127.0.0.1:9",
    "require_approval": "never",
}
FORMATS = ({"type": "audio/pcm", "rate": 24000}, {"type": "audio/pcmu"}, {"type": "audio/pcma"})


@dataclass(slots=True)
class Known:
    """Ids a client may speak of: some live, some gone, some that never were."""

    items: list[str] = field(default_factory=lambda: ["item_never"])
    calls: list[str] = field(default_factory=lambda: ["call_never"])
    approvals: list[str] = field(default_factory=lambda: ["mcpr_1"])
    responses: list[str] = field(default_factory=lambda: ["resp_never"])


class RandomEvents:
    """A seeded source of frames."""

    def __init__(self, rng: Random, known: Known) -> None:
        self._rng = rng
        self._known = known
        self._made = 0

    def valid(self) -> bytes:
        """An event that is right, although what it asks for may not be possible now."""
        return json.dumps(self._valid()).encode()

    def spoilt(self) -> bytes:
        """An event with something wrong in it, or bytes with something wrong in them."""
        event = json.loads(json.dumps(self._valid()))  # What it is made of is shared.
        if self._rng.random() < 0.3:
            return self._spoil_bytes(json.dumps(event).encode())
        for _ in range(self._rng.randint(1, 3)):
            self._spoil(event)
        return json.dumps(event).encode()

    def _valid(self) -> Event:
        kinds, weights = zip(*_KINDS, strict=True)
        kind = self._rng.choices(kinds, weights)[0]
        event: Event = {"type": kind} | getattr(self, "_" + kind.replace(".", "_"))()
        if self._rng.random() < 0.5:
            self._made += 1
            event["event_id"] = f"e{self._made}"
        return event

    def _session_update(self) -> Event:
        choose = self._rng.choice
        patches: list[Event] = [
            {"audio": {"input": {"turn_detection": choose(VAD)}}},
            {"audio": {"input": {"turn_detection": choose(VAD)}}},
            {"audio": {"input": {"transcription": choose((None, {"model": "whisper-1"}))}}},
            {"audio": {"input": {"format": choose(FORMATS)}}},
            {"audio": {"output": {"format": choose(FORMATS)}}},
            {"audio": {"output": {"voice": choose(("marin", "cedar", {"id": "voice_1"})), "speed": 1.25}}},
            {"output_modalities": [choose(("text", "audio"))]},
            {"instructions": choose(("", "Be brief.", "Be kind."))},
            {
                "tools": choose(([], [TOOL], [TOOL, SERVER], [TOOL, FREE], [SHOP, FREE])),
                "tool_choice": choose(("auto", "none", "required")),
            },
            {"max_output_tokens": choose(("inf", 5, 100))},
            {"vivavoce": {"preambles": choose((None, "auto", {"phrases": ["Hm."], "repeat_after_ms": 500}))}},
        ]
        return {"session": {"type": "realtime"} | choose(patches)}

    def _input_audio_buffer_append(self) -> Event:
        sound = self._rng.choice((b"", b"\x10\x00")) * self._rng.choice((1, 240, 960, 2400))
        return {"audio": pybase64.b64encode(sound).decode()}

    def _nothing(self) -> Event:
        return {}

    _input_audio_buffer_commit = _input_audio_buffer_clear = _output_audio_buffer_clear = _nothing

    def _conversation_item_create(self) -> Event:
        item = self._item()
        if self._rng.random() < 0.4:
            item["id"] = self._rng.choice((self._rng.choice(self._known.items), f"mine_{self._made}"))
            self._known.items.append(item["id"])
        event: Event = {"item": item}
        if self._rng.random() < 0.3:
            event["previous_item_id"] = self._rng.choice(("root", self._rng.choice(self._known.items)))
        return event

    def _item(self) -> Event:
        text = [{"type": "input_text", "text": "hello"}]
        sound = [{"type": "input_audio", "audio": "AAAAAAAA"}] * self._rng.randint(1, 2)
        call_id = self._rng.choice(self._known.calls)
        approval = {
            "type": "mcp_approval_response",
            "approval_request_id": self._rng.choice(self._known.approvals[-3:]),
        }
        return self._rng.choice(
            (
                {"type": "message", "role": "user", "content": text},
                {"type": "message", "role": "user", "content": text + sound},
                {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_image", "image_url": "data:,"}],
                },
                {"type": "message", "role": "system", "content": text},
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hi"}]},
                {"type": "function_call", "name": "look_up", "arguments": "{}"},
                {"type": "function_call_output", "call_id": call_id, "output": "42"},
                {"type": "function_call_output", "call_id": call_id, "output": "42"},
                approval | {"approve": True},
                approval | {"approve": False, "reason": "too dear"},
            )
        )

    def _known_item(self) -> Event:
        return {"item_id": self._rng.choice(self._known.items)}

    _conversation_item_retrieve = _conversation_item_delete = _known_item

    def _conversation_item_truncate(self) -> Event:
        end_ms = self._rng.choice((0, 1, 50, 333, 10**9))
        return self._known_item() | {"content_index": self._rng.choice((0, 0, 0, 1)), "audio_end_ms": end_ms}

    def _response_create(self) -> Event:
        if self._rng.random() < 0.4:
            return {}
        choose = self._rng.choice
        overrides: list[Event] = [
            {},
            {"conversation": "none", "output_modalities": ["text"], "metadata": {"topic": "x"}},
            {"conversation": "none", "output_modalities": ["audio"]},
            {"input": []},
            {"input": [{"type": "item_reference", "id": choose(self._known.items)}]},
            {"input": [self._item()], "conversation": "none"},
            {"audio": {"output": {"format": choose(FORMATS), "voice": "cedar"}}},
            {"max_output_tokens": choose((1, 5, 20))},
            {"tools": [TOOL], "tool_choice": {"type": "function", "name": "look_up"}},
            {"instructions": "Be brief.", "tools": []},
            {"conversation": "none", "tools": [SHOP, FREE]},
            {"input": [], "tools": [SHOP], "tool_choice": {"type": "mcp", "server_label": "shop"}},
        ]
        return {"response": choose(overrides)}

    def _response_cancel(self) -> Event:
        return choose_one(self._rng, {}, {"response_id": self._rng.choice(self._known.responses)})

    # --- spoiling -------------------------------------------------------------------------------------------------------

    def _spoil(self, event: Event) -> None:
        """Take out, add or replace something, at any depth."""
        where: Any = event
        while True:
            inner = [child for child in _children(where) if isinstance(child, dict | list) and child]
            if not inner or self._rng.random() < 0.4:
                break
            where = self._rng.choice(inner)
        keys: list[Any] = list(where) if isinstance(where, dict) else list(range(len(where)))
        if not keys:
            return
        key = self._rng.choice(keys)
        junk = copy.deepcopy(self._rng.choice(JUNK))
        match self._rng.randrange(3):
            case 0:
                del where[key]
            case 1:
                where[key] = junk
            case _ if isinstance(where, dict):
                where[self._rng.choice(("voice", "modalities", "id", "type", "extra"))] = junk
            case _:
                where.append(junk)

    def _spoil_bytes(self, frame: bytes) -> bytes:
        at = self._rng.randrange(len(frame))
        match self._rng.randrange(4):
            case 0:
                return frame[:at]
            case 1:
                return frame[:at] + self._rng.randbytes(3) + frame[at:]
            case 2:
                return frame[:at] + bytes([frame[at] ^ (1 << self._rng.randrange(8))]) + frame[at + 1 :]
            case _:
                return b"[" * self._rng.choice((1, 200, 2000)) + frame


def choose_one(rng: Random, *these: Event) -> Event:
    """One of several, typed."""
    return rng.choice(these)


def _children(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value


_KINDS: list[tuple[str, int]] = [
    ("session.update", 5),
    ("input_audio_buffer.append", 2),
    ("input_audio_buffer.commit", 2),
    ("input_audio_buffer.clear", 1),
    ("output_audio_buffer.clear", 1),
    ("conversation.item.create", 8),
    ("conversation.item.retrieve", 2),
    ("conversation.item.truncate", 3),
    ("conversation.item.delete", 2),
    ("response.create", 8),
    ("response.cancel", 2),
]
