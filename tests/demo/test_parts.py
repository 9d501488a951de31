"""The demo's parts by themselves."""

from __future__ import annotations

import argparse
import asyncio
import http.server
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.http_stand_in import served
from vivavoce.audio.clip import Clip
from vivavoce.demo.batch import judge
from vivavoce.demo.clock import CallClock
from vivavoce.demo.command import add_arguments, seeds_of
from vivavoce.demo.dialling import make_call
from vivavoce.demo.lines import SHIPPED, read_shipped, texts_of
from vivavoce.demo.microphone import Microphone
from vivavoce.demo.record import Answering, Recording, ResponseRun, ToolRun, Turn
from vivavoce.demo.server import Address, ServerFailed, own_server, until_ready
from vivavoce.demo.sound import bytes_of
from vivavoce.demo.speaker import Speaker
from vivavoce.demo.story import shipped_story, story_of
from vivavoce.demo.summary import too_slow
from vivavoce.demo.wants import says
from vivavoce.demo.wire import WireLog

# --- loudspeaker and microphone -----------------------------------------------------------------------------------------------


def tone(milliseconds: int, value: int = 7) -> bytes:
    return bytes([value, 0]) * (bytes_of(milliseconds) // 2)


def test_speaker_plays_no_faster_than_sound() -> None:
    speaker = Speaker()
    speaker.advance(100)
    track = speaker.announce("item_1", "resp_1")
    speaker.take_words(track, "one two")
    speaker.take_sound(track, tone(1000))
    speaker.advance(350)
    assert (track.start_ms, track.heard_ms, track.sent_ms) == (100, 250, 1000)
    assert bytes(speaker.recorded) == bytes(bytes_of(100)) + tone(250)
    assert not speaker.drained
    speaker.advance(2000)
    assert speaker.drained
    assert (track.end_ms, len(speaker.recorded)) == (1100, bytes_of(2000))


def test_a_gap_in_delivery_is_heard_as_a_gap() -> None:
    speaker = Speaker()
    track = speaker.announce("item_1", "resp_1")
    speaker.take_sound(track, tone(100))
    speaker.advance(300)
    speaker.take_sound(track, tone(100))
    speaker.advance(400)
    assert bytes(speaker.recorded) == tone(100) + bytes(bytes_of(200)) + tone(100)
    assert [track.moment_of(bytes_of(at)) for at in (0, 99, 100, 199)] == [0, 99, 300, 399]


def test_flush_cuts_what_sounds_and_what_waits() -> None:
    speaker = Speaker()
    first, second = speaker.announce("item_1", "resp_1"), speaker.announce("item_2", "resp_1")
    speaker.take_sound(first, tone(500))
    speaker.take_sound(second, tone(500))
    speaker.advance(200)
    assert speaker.flush() == [first, second]
    assert (first.heard_ms, second.heard_ms) == (200, 0)
    speaker.take_sound(first, tone(500))
    speaker.take_words(first, "too late")
    speaker.advance(1000)
    assert bytes(speaker.recorded) == tone(200) + bytes(bytes_of(800))
    assert first.text == ""


def test_where_a_cut_word_would_have_been() -> None:
    speaker = Speaker()
    track = speaker.announce("item_1", "resp_1")
    speaker.take_sound(track, tone(1000))
    speaker.advance(300)
    speaker.flush()
    assert track.moment_of(bytes_of(800)) == 800


def test_microphone_never_stops() -> None:
    microphone = Microphone()
    assert microphone.next_chunk() == bytes(bytes_of(20))
    assert microphone.say(Clip(tone(30), 24_000)) == (20, 50)
    assert microphone.next_chunk() == tone(20)
    assert microphone.next_chunk() == tone(10) + bytes(bytes_of(10))
    assert microphone.next_chunk() == bytes(bytes_of(20))
    assert microphone.position_ms == 80


# --- events -------------------------------------------------------------------------------------------------------------------


def test_sound_is_counted_and_not_kept() -> None:
    log = WireLog()
    second: dict[str, Any] = {"type": "input_audio_buffer.append", "audio": "A" * 64_000}
    for at_ms in (0, 1000):
        log.sent(second, at_ms)
    log.received({"type": "input_audio_buffer.speech_started"}, 1100)
    log.sent(second, 2000)
    first, _, other = log.events
    assert (first.count, first.audio_ms, first.at_ms, first.until_ms) == (2, 2000, 0, 1000)
    assert first.event["audio"] == "(sound)"
    assert other.count == 1


# --- stories ------------------------------------------------------------------------------------------------------------------


def test_the_shipped_lines_are_the_shipped_story() -> None:
    spoken = read_shipped()
    assert set(spoken) == set(texts_of(shipped_story().lines))
    for line in spoken.values():
        assert line.clip.rate_hz == 24_000
        assert 0.5 < line.clip.samples / 24_000 < 7
        assert line.marks[-1][0] == len(line.text)
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) <= 300_000


def test_a_seed_always_makes_the_same_story() -> None:
    stories = [story_of(seed) for seed in range(1, 31)]
    assert stories == [story_of(seed) for seed in range(1, 31)]
    for known in (
        {story.cast.order_id for story in stories},
        {story.cast.account for story in stories},
    ):
        assert len(known) > 25
    assert {story.cast.caller_voice for story in stories} == {"rms", "slt", "awb"}
    assert len({story.cast.order_id[0] for story in stories}) > 10
    assert all(line.key and line.text for story in stories for line in story.lines)


@pytest.mark.parametrize(
    ("text", "words", "found"),
    [
        ("You have a meeting in 12 minutes.", ("twelve minutes",), True),
        ("It has shipped, arriving TUESDAY.", ("shipped", "tuesday"), True),
        ("in forty-two minutes", ("42 minutes",), True),
        ("in 4 minutes", ("42 minutes",), False),
        ("", ("anything",), False),
    ],
)
def test_words_count_however_they_are_written(text: str, words: tuple[str, ...], found: bool) -> None:
    assert says(text, words) is found


def call_with(runs: list[ToolRun], seed: int = 3) -> Recording:
    """A call in which every line was said, a second each, and these tools were called."""
    lines = story_of(seed).lines
    turns = [
        Turn("caller", "line", line.text, at * 1000, at * 1000 + 500, [], line.key)
        for at, line in enumerate(lines)
    ]
    return Recording(1, "0", seed, Answering(), 9000, None, [], turns, runs, [], [], [], [])


def test_a_batch_judges_tools_and_ids_apart() -> None:
    story = story_of(3)
    right = story.cast.order_id
    both = [
        ToolRun("c2", "r2", "check_calendar", {}, 1500),
        ToolRun("c3", "r2", "get_crm_account", {"account": "x"}, 1500),
    ]

    def order(order_id: str, at_ms: int) -> ToolRun:
        return ToolRun("c1", "r1", "get_order_status", {"order_id": order_id}, at_ms)

    good = judge(story, call_with([order(right, 600), *both]))
    assert (good.tools, good.first, good.id, good.account) == (True, True, True, False)
    mended = judge(story, call_with([order("Z0000", 600), order(right, 800), *both]))
    assert (mended.tools, mended.first, mended.id) == (True, False, True)
    stray = judge(story, call_with([order(right, 600), *both, order(right, 5600)]))
    assert not stray.tools
    assert not judge(story, call_with([order(right, 600), *both[:1]])).tools


def test_seeds_are_a_range() -> None:
    assert list(seeds_of("3-5")) == [3, 4, 5]
    assert list(seeds_of("7")) == [7]
    for wrong in ("5-3", "a", "1-2-3", ""):
        with pytest.raises(argparse.ArgumentTypeError):
            seeds_of(wrong)


def test_flags_have_defaults() -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    given = parser.parse_args([])
    assert (given.out, given.seed, given.url, given.fast) == (Path("demo-out"), None, None, False)


# --- the demo's own server ------------------------------------------------------------------------------------------------------


async def test_own_server_wants_its_key_and_ends_with_the_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import httpx

    # Whoever starts the demo in a folder of their own has the server run none of their files.
    (tmp_path / "secrets.py").write_text("raise SystemExit('not ours')")
    monkeypatch.chdir(tmp_path)
    async with (
        own_server({"engine.kind": "scripted", "scripted.answer": "Hi."}, lambda step: None) as address,
        httpx.AsyncClient(trust_env=False) as http,
    ):
        assert (await http.get(f"{address.url}/v1/models")).status_code == 401
        keyed = {"authorization": f"Bearer {address.key}"}
        assert (await http.get(f"{address.url}/v1/models", headers=keyed)).status_code == 200
    async with httpx.AsyncClient(trust_env=False) as http:
        with pytest.raises(httpx.ConnectError):
            await http.get(address.url)


async def test_a_call_that_is_not_taken_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    # What the environment says about proxies and other servers must not lead the call astray.
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "not-for-us")
    async with own_server(
        {"engine.kind": "scripted", "scripted.answer": "Hi."}, lambda step: None
    ) as address:
        with pytest.raises(ServerFailed, match=r"did not take the call: .*401"):
            await make_call(Address(address.url, "wrong"), shipped_story(), read_shipped())


async def test_a_server_that_cannot_start_is_told() -> None:
    with pytest.raises(ServerFailed, match="ended with code 2"):
        async with own_server(
            {"engine.kind": "scripted", "scripted.script": "/nowhere.toml"}, lambda step: None
        ):
            pass


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, b"<html>hello</html>", r"does not look like a vivavoce server \(/readyz answered 200\)"),
        (200, b"[]", r"does not look like a vivavoce server \(/readyz answered 200\)"),
        (404, b"{}", r"does not look like a vivavoce server \(/readyz answered 404\)"),
        (503, b'{"status": "failed", "reason": "no voice"}', "is not ready: no voice"),
    ],
)
async def test_a_server_that_will_not_do_is_told(status: int, body: bytes, said: str) -> None:
    class Other(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None: ...

    with served(http.server.HTTPServer(("127.0.0.1", 0), Other)) as server:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        with pytest.raises(ServerFailed, match=said):
            await until_ready(Address(url, "local"), lambda step: None)


async def test_what_goes_wrong_in_a_call_is_not_blamed_on_the_servers_start() -> None:
    with pytest.raises(TimeoutError, match="of the call"):
        async with own_server({"engine.kind": "scripted", "scripted.answer": "Hi."}, lambda step: None):
            raise TimeoutError("of the call")


KILLED = """
import asyncio
from vivavoce.demo.server import own_server

async def main():
    async with own_server({"engine.kind": "scripted", "scripted.answer": "Hi."}, lambda step: None) as address:
        print(address.url, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_the_server_does_not_outlive_a_killed_demo() -> None:
    demo = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, stdout=asyncio.subprocess.PIPE)
    assert demo.stdout is not None
    url = (await asyncio.wait_for(demo.stdout.readline(), 30)).decode().strip()
    os.kill(demo.pid, signal.SIGKILL)
    await demo.wait()
    host, port = url.removeprefix("http://").split(":")
    deadline = asyncio.get_running_loop().time() + 10
    while True:
        try:
            _, writer = await asyncio.open_connection(host, int(port))
        except ConnectionRefusedError:
            return
        writer.close()
        assert asyncio.get_running_loop().time() < deadline, "the server still listens"
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("late_ms", "stt", "recognised_ms", "said"),
    [
        (0, "pocketsphinx", 3100, None),
        (1000, "elsewhere", 60_000, None),
        (1001, "pocketsphinx", 600, "the caller's sound was up to 1.0 s late. Try"),
        (0, "pocketsphinx", 3600, "recognising a turn took up to 3.1 s. Try"),
        (9000, "pocketsphinx", 27_000, "up to 9.0 s late and recognising a turn took up to 26.5 s. Try"),
    ],
)
def test_a_machine_that_is_too_slow_is_named(
    late_ms: int, stt: str, recognised_ms: int, said: str | None
) -> None:
    responses = [
        ResponseRun("resp_1", 0, stages={"vad_stop": 500, "stt_final": recognised_ms}),
        ResponseRun("resp_2", 0, stages={"vad_stop": 500}),
    ]
    recording = Recording(
        1, "0", None, Answering(stt=stt), 9000, None, [], [], [], [], [], responses, [], late_ms
    )
    told = too_slow(recording)
    assert (told is None) if said is None else (told is not None and said in told)


async def test_a_call_that_stands_still_goes_on_later() -> None:
    clock = CallClock(speed=1000)
    due_ms = clock.now_ms() + 50
    waiting = asyncio.create_task(clock.until(due_ms))
    await asyncio.sleep(0)
    before_ms = clock.late_ms(due_ms)
    clock.stand_still(500)
    assert clock.late_ms(due_ms) < before_ms
    at_ms = clock.late_ms(due_ms)
    await waiting
    assert clock.late_ms(due_ms) >= max(0, at_ms)


async def test_times_of_a_call_never_run_backwards() -> None:
    """What happened later is later in the record, also where the clock had to stand still meanwhile."""
    clock = CallClock(speed=1000)
    await clock.sleep(50)
    at_ms = clock.now_ms()
    clock.stand_still(5000)
    assert clock.late_ms(at_ms) < 0
    assert clock.now_ms() == at_ms
