"""A translation that outlives its upstream session: another one goes on at a pause, and a client sees one stream."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import websockets

from tests.call.rig import scripted, sound
from tests.engines.relay.test_translation import interpreted, translations
from tests.server.rig import WHOLE
from vivavoce.engines.relay.failures import closed
from vivavoce.engines.relay.legs import FLUSH_MS, LONGEST_WAIT_MS
from vivavoce.engines.relay.rules import Rules
from vivavoce.engines.relay.translating import TranslationMirror
from vivavoce.protocol.client_events import ResponseCreate
from vivavoce.protocol.server_events import ErrorEvent
from vivavoce.protocol.session_objects import SessionObject
from vivavoce.protocol.translation_wire import TRANSLATION
from vivavoce.session.effects import Hangup, Send
from vivavoce.session.options import SessionOptions
from vivavoce.session.upstream import Dial, Drop, FromUpstream, LinkLost, SendUp

AUDIO = {
    "input": {
        "transcription": {"model": "whisper-1"},
        "noise_reduction": None,
        "format": {"type": "audio/pcm"},
    },
    "output": {"language": "es"},
}
RULES = Rules("far", "", 4000, 4500, 30_000, 60_000, 30, {}, scripted())


@dataclass
class Line:
    """A translation session and its client: in virtual time, without a network."""

    now_ms: int = 0
    told: list[dict[str, Any]] = field(default_factory=list)
    up: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """What each link was sent, in the order in which they were dialled."""
    dropped: set[str] = field(default_factory=set)
    over: int = 0

    def __post_init__(self) -> None:
        numbers: Iterator[int] = count()
        self.machine = TranslationMirror(
            SessionObject(id="sess_here", model="m"),
            lambda kind: f"{kind}_{next(numbers)}",
            SessionOptions(max_duration_s=7200),
            0,
            RULES,
            {"type": "translation"},
        )
        self.machine.attach("client", 0)
        self._drain()

    def says(self, link: int, name: str, **fields: Any) -> None:
        """The upstream sends something."""
        frame = json.dumps({"type": name, "event_id": "event_far", **fields}).encode()
        self.machine.signal(FromUpstream(list(self.up)[link], frame), self.now_ms)
        self._drain()

    def greets(self, link: int, **more: Any) -> None:
        self.says(
            link,
            "session.created",
            session={"id": f"sess_{link}", "type": "translation", "audio": AUDIO} | more,
        )

    def breaks(self, link: int) -> None:
        self.machine.signal(LinkLost(list(self.up)[link], closed(1006, "")), self.now_ms)
        self._drain()

    def sends(self, name: str, **fields: Any) -> None:
        self.machine.receive(
            TRANSLATION.from_wire(json.dumps({"type": name, **fields})), "client", self.now_ms
        )
        self._drain()

    def speaks(self, ms: int, *, loud: bool = True) -> None:
        """In pieces of 200 ms, in real time."""
        for _ in range(ms // 200):
            self.sends("session.input_audio_buffer.append", audio=sound(200, loud=loud))
            self.passes(200)

    def passes(self, ms: int) -> None:
        end = self.now_ms + ms
        while (due := self.machine.next_deadline()) is not None and due <= end:
            self.now_ms = max(due, self.now_ms)
            self.machine.tick(self.now_ms)
            self._drain()
        self.now_ms = end

    def sent(self, link: int) -> list[str]:
        """What a link was sent: types, sound as its milliseconds in a row."""
        kinds: list[str] = []
        for event in list(self.up.values())[link]:
            kinds.append("sound" if "audio" in event else event["type"])
        return [kind for kind, before in zip(kinds, ["", *kinds], strict=False) if kind != before]

    def words(self) -> list[tuple[str, int]]:
        return [
            (e["delta"], e["elapsed_ms"]) for e in self.told if e["type"] == "session.output_transcript.delta"
        ]

    def types(self) -> list[str]:
        return [event["type"] for event in self.told]

    def _drain(self) -> None:
        for effect in self.machine.drain():
            match effect:
                case Dial(link):
                    self.up[link] = []
                case SendUp(link, frame):
                    assert link not in self.dropped
                    self.up[link].append(json.loads(frame))
                case Drop(link):
                    self.dropped.add(link)
                case Send(frame=bytes(frame)):
                    self.told.append(json.loads(frame))
                case Send(event=ErrorEvent(error=error)):
                    self.told.append({"type": "error", "code": error.code})
                case Hangup(code):
                    self.over = code


@pytest.fixture
def line() -> Line:
    made = Line()
    made.greets(0)
    return made


def said(line: Line, link: int, delta: str, elapsed_ms: int) -> None:
    line.says(link, "session.output_transcript.delta", delta=delta, elapsed_ms=elapsed_ms)


def test_another_session_goes_on_at_a_pause_and_the_first_one_says_what_it_has_heard(line: Line) -> None:
    line.passes(60_000)
    line.speaks(1000)
    assert len(line.up) == 2
    line.greets(1)
    # It is made like the one that it is to relieve, in what an update may change.
    (update,) = list(line.up.values())[1]
    assert update["session"]["audio"] == {
        "input": {"transcription": {"model": "whisper-1"}},
        "output": {"language": "es"},
    }
    line.says(1, "session.updated", session={"id": "sess_1", "type": "translation", "audio": AUDIO})
    line.speaks(1000)
    assert line.sent(1) == ["session.update"]  # Nobody is interrupted,
    line.speaks(400, loud=False)
    assert line.sent(1) == ["session.update"]  # and between two words is no pause.
    line.speaks(400)
    line.speaks(800, loud=False)
    assert line.sent(0) == ["sound", "session.close"]
    assert line.sent(1) == ["session.update", "sound"]
    line.speaks(600)
    said(line, 1, " adios", 200)
    said(line, 0, "hola", 1200)
    assert line.words() == [("hola", 1200)]  # One after the other.
    line.says(0, "session.closed")
    assert next(iter(line.up)) in line.dropped
    # Its clock counts on from the sound that the other one was given: 1000 + 1000 + 400 + 400 + 400 ms.
    assert line.words() == [("hola", 1200), (" adios", 3400)]
    # All that is seen of it is one event about the session, which is the same.
    assert line.types() == [
        "session.created",
        "session.output_transcript.delta",
        "session.updated",
        "session.output_transcript.delta",
    ]
    assert {event["session"]["id"] for event in line.told if "session" in event} == {"sess_here"}
    # And it is handed over once more in its time.
    line.passes(60_000)
    assert len(line.up) == 3


def test_whoever_left_before_the_greeting_is_not_shown_it_and_whoever_comes_later_is() -> None:
    line = Line()
    shown: list[str | None] = []
    line.machine.attach("beside", 0)
    line.machine.detached("beside", 0)
    line.machine.signal(
        FromUpstream(
            next(iter(line.up)), b'{"type":"session.created","session":{"object":"realtime.session"}}'
        ),
        0,
    )
    line.machine.attach("later", 0)
    for effect in line.machine.drain():
        if isinstance(effect, Send):
            shown.append(effect.to)
            assert effect.frame is not None
            assert json.loads(effect.frame)["session"]["object"] == "realtime.session"
    assert shown == ["client", "later"]
    # What no translation takes is refused by name, to whoever sent it.
    line.machine.receive(ResponseCreate(), "later", 0)
    (refused,) = line.machine.drain()
    assert isinstance(refused, Send)
    assert refused.to == "later"
    assert isinstance(refused.event, ErrorEvent)
    assert "takes only session.update, " in str(refused.event.error.message)


def test_whoever_sends_nothing_does_not_speak(line: Line) -> None:
    line.speaks(200)
    line.passes(60_000)
    line.greets(1)
    line.passes(300)
    assert line.sent(0) == ["sound", "session.close"]


def test_somebody_who_never_stops_is_interrupted_in_the_end(line: Line) -> None:
    line.passes(60_000)
    line.greets(1)
    line.speaks(LONGEST_WAIT_MS - 400)
    assert line.sent(0) == ["sound"]
    line.speaks(800)
    assert line.sent(0) == ["sound", "session.close"]


def test_a_session_that_does_not_close_is_not_waited_for_without_end(line: Line) -> None:
    line.passes(60_000)
    line.greets(1)
    line.passes(1000)
    said(line, 1, "hola", 200)
    assert not line.words()
    line.passes(FLUSH_MS)
    assert line.words() == [("hola", 200)]
    # One that breaks has said all as well.
    line.passes(60_000)
    line.greets(2)
    line.passes(1000)
    said(line, 2, "adios", 400)
    line.breaks(1)
    assert line.words() == [("hola", 200), ("adios", 400)]
    assert not line.over


@pytest.mark.parametrize(
    "how", ["breaks", "says what it may not", "says nothing", "greets without a session"]
)
def test_a_successor_that_does_not_come_about_changes_nothing(line: Line, how: str) -> None:
    line.passes(60_000)
    match how:
        case "breaks":
            line.breaks(1)
        case "says what it may not":
            line.says(1, "error", error={"message": "full"})
        case "says nothing":
            line.passes(4800)
        case "greets without a session":
            line.says(1, "session.created")
    assert list(line.up)[1] in line.dropped
    line.greets(1)  # What a link says that is dropped is nobody's.
    line.breaks(1)
    line.speaks(1000, loud=False)
    assert line.sent(0) == ["sound"]
    assert line.types() == ["session.created"]
    line.passes(30_000)  # Later again.
    line.greets(2)
    line.speaks(1000, loud=False)
    assert line.sent(2) == ["session.update", "sound"]


def test_what_a_client_changes_meanwhile_the_next_session_is_told_too(line: Line) -> None:
    line.passes(60_000)
    line.greets(1)
    line.sends("session.update", session={"audio": {"output": {"language": "fr"}}})
    line.passes(1000)  # The first one is asked to close, and has not answered yet.
    audio = {"output": {"language": "fr"}}
    line.says(0, "session.updated", session={"id": "sess_0", "type": "translation", "audio": audio})
    assert [event["session"]["audio"]["output"]["language"] for event in list(line.up.values())[1]] == [
        "es",
        "fr",
    ]


def test_a_client_that_closes_in_between_hears_all_of_it(line: Line) -> None:
    line.passes(60_000)
    line.greets(1)
    line.passes(1000)
    line.sends("session.close")
    assert line.sent(1) == ["session.update", "session.close"]
    said(line, 0, "hola", 200)
    line.says(0, "session.closed")
    said(line, 1, " adios", 200)
    line.says(1, "session.closed")
    line.breaks(1)
    assert [word for word, _ in line.words()] == ["hola", " adios"]
    assert line.types()[-1] == "session.closed"
    assert line.types().count("session.closed") == 1
    assert line.over == 1000
    assert set(line.up) == line.dropped


def test_a_session_that_is_lost_ends_the_call_and_everything_is_hung_up(line: Line) -> None:
    line.passes(60_000)
    line.greets(1)
    line.breaks(0)
    assert (line.types()[-1], line.over) == ("error", 1011)
    assert set(line.up) == line.dropped
    line.passes(100_000)
    assert len(line.up) == 2


async def test_through_two_servers(tmp_path: Path) -> None:
    async with (
        interpreted(tmp_path, relay__session_s=1) as (url, upstream),
        websockets.connect(translations(url), **WHOLE) as talk,
    ):
        created = json.loads(await talk.recv())
        await talk.send(json.dumps({"type": "session.update", "session": {"audio": AUDIO}}))
        heard = 0
        seen: list[str] = []
        silence = json.dumps({"type": "session.input_audio_buffer.append", "audio": sound(200, loud=False)})
        await talk.send(silence)
        while len(upstream.paths) < 3 or seen.count("session.updated") < 2:
            event = json.loads(await talk.recv())
            seen.append(event["type"])
            if "session" in event:
                assert event["session"]["id"] == created["session"]["id"]
            if event["type"] == "session.output_transcript.delta":
                assert event["elapsed_ms"] > heard or event["elapsed_ms"] == 200
                heard = event["elapsed_ms"]
        await talk.send(silence)
        await talk.send('{"type": "session.close"}')
        async for frame in talk:
            seen.append(json.loads(frame)["type"])
        assert (seen[-1], talk.close_code) == ("session.closed", 1000)
        assert not {"error", "session.created"} & set(seen)


def test_a_session_that_is_never_greeted_is_told_so() -> None:
    line = Line()
    line.passes(RULES.hello_ms - 1)
    assert not line.told
    line.passes(1)
    assert (line.told, line.over) == ([{"type": "error", "code": "upstream_silent"}], 1011)
    assert set(line.up) == line.dropped
