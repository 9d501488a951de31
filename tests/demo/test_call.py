"""A whole demo over the scripted engine: the call, what it leaves behind, and the exit code."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from tests.audio.signals import read_wav
from tests.demo.telling import RULES, TellingEngine, script_in, serving
from vivavoce.demo.record import FORMAT, Recording, Turn
from vivavoce.demo.show import Wishes, show
from vivavoce.demo.story import shipped_story

SPEED = 12.0


@dataclass(frozen=True)
class Shown:
    """What a demo printed and left behind."""

    code: int
    printed: str
    folder: Path
    recording: Recording

    @property
    def page(self) -> str:
        return (self.folder / "call.html").read_text("utf-8")

    def turn(self, text: str) -> Turn:
        return next(turn for turn in self.recording.turns if text in turn.text)


def demo(folder: Path, rules: str = RULES, *, as_json: bool = False, lines: list[str] | None = None) -> Shown:
    """Run the demo against a server of its own."""
    told = lines or [line.text for line in shipped_story().lines]

    async def run() -> int:
        async with serving(TellingEngine(told, script_in(folder, rules))) as address:
            return await show(Wishes(url=address.url, out=folder / "out", speed=SPEED, as_json=as_json))

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = asyncio.run(run())
    out = folder / "out"
    recording = msgspec.json.decode((out / "transcript.json").read_bytes(), type=Recording)
    return Shown(code, printed.getvalue(), out, recording)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    return demo(tmp_path_factory.mktemp("demo"))


def test_everything_is_answered(shown: Shown) -> None:
    assert [check for check in shown.recording.checks if not check.passed] == []
    assert shown.code == 0
    assert shown.recording.errors == []


def test_the_last_four_lines(shown: Shown) -> None:
    last = shown.printed.rstrip().splitlines()[-4:]
    assert last[0].startswith("answered 7 of 7: order A1001, calendar and CRM at once, interruption")
    assert last[1] == f"voice to voice p50 {shown.recording.voice_to_voice_p50_ms} ms"
    assert str(shown.folder / "call.html") in last[2]
    assert last[3].startswith("next  vivavoce demo --seed")


def test_piped_output_is_plain(shown: Shown) -> None:
    assert "\x1b" not in shown.printed
    assert re.search(r"^\d\d:\d\d\.\d  caller  Hi, where is my order A1001\?$", shown.printed, re.M)
    assert re.search(r"tool    get_order_status\(order_id='A1001'\)$", shown.printed, re.M)
    assert re.search(r"-- cut here \(\d+ words never heard\)", shown.printed)
    assert "(preamble)" in shown.printed


def test_what_was_understood_stands_below_what_was_said(shown: Shown) -> None:
    said = [turn for turn in shown.recording.turns if turn.role == "caller"]
    assert len(said) == 8
    assert [turn.understood for turn in said] == [turn.text for turn in said]
    printed = " ".join(shown.printed.split())
    for turn in said:
        assert f" caller {turn.text} understood: {turn.text} " in printed


def test_tools_ran_at_once_and_answered_out_of_order(shown: Shown) -> None:
    order, calendar, crm = shown.recording.tools
    assert order.arguments == {"order_id": "A1001"}
    assert calendar.response_id == crm.response_id
    assert len({run.call_id for run in shown.recording.tools}) == 3
    assert crm.answered_ms is not None
    assert calendar.answered_ms is not None
    # Both at once where nobody got to it for more than a second of the call.
    assert calendar.called_ms <= crm.called_ms < crm.answered_ms <= calendar.answered_ms


def test_preamble_comes_before_the_answer(shown: Shown) -> None:
    preambles = [turn for turn in shown.recording.turns if turn.kind == "preamble"]
    assert len(preambles) == 2
    assert preambles[0].end_ms <= shown.turn("Your order has shipped").start_ms


def test_the_cut_answer_keeps_only_what_was_heard(shown: Shown) -> None:
    (cut,) = shown.recording.truncations
    turn = shown.turn("You can return")
    assert turn.cut
    assert cut.acknowledged_ms == cut.heard_ms < cut.sent_ms
    heard = " ".join(word.text for word in turn.words if word.heard)
    assert heard == cut.kept
    assert turn.text.startswith(heard)
    assert not turn.words[-1].heard


def test_recording_is_stereo_and_true(shown: Shown) -> None:
    caller, agent = read_wav(shown.folder / "call.wav")
    assert caller.rate_hz == agent.rate_hz == 24_000
    assert abs(caller.samples // 24 - shown.recording.duration_ms) <= 40
    for turn in shown.recording.turns:
        own, other = (caller, agent) if turn.role == "caller" else (agent, caller)
        assert loudest(own.pcm, turn.start_ms, turn.end_ms) > 1000, turn.text
        if not turn.cut and turn.line != "cut in":
            assert loudest(other.pcm, turn.start_ms, turn.end_ms) == 0, turn.text


def test_agent_is_silent_behind_the_cut(shown: Shown) -> None:
    _, agent = read_wav(shown.folder / "call.wav")
    (cut,) = shown.recording.truncations
    after = next(turn for turn in shown.recording.turns if turn.role == "agent" and turn.start_ms > cut.at_ms)
    assert loudest(agent.pcm, cut.at_ms - 200, cut.at_ms) > 1000
    assert loudest(agent.pcm, cut.at_ms + 1, after.start_ms) == 0


def loudest(pcm: bytes, from_ms: int, to_ms: int) -> int:
    samples = np.frombuffer(pcm, "<i2").astype(np.int32)
    return int(np.abs(samples[from_ms * 24 : to_ms * 24]).max(initial=0))


def test_latencies_are_the_callers_own(shown: Shown) -> None:
    by_line = {one.line: one for one in shown.recording.latencies}
    assert set(by_line) == {"order", "both", "policy", "cut in", "hush", "aside", "wake", "bye"}
    assert by_line["hush"].voice_to_voice_ms is None
    assert by_line["aside"].voice_to_voice_ms is None
    order = by_line["order"]
    preamble = next(turn for turn in shown.recording.turns if turn.kind == "preamble")
    assert order.voice_to_voice_ms is not None
    # The tone begins within a millisecond of the item's first sample.
    assert abs(order.speech_end_ms + order.voice_to_voice_ms - preamble.start_ms) <= 2
    assert order.answer_ms is not None
    assert order.answer_ms > order.voice_to_voice_ms
    assert order.voice_to_voice_ms >= 400, "an answer cannot come before the silence window is over"


def test_transcript_has_a_format(shown: Shown) -> None:
    raw = json.loads((shown.folder / "transcript.json").read_bytes())
    assert raw["format"] == FORMAT
    assert raw["answering"]["engine"] == "scripted"
    assert set(raw) == {field.name for field in msgspec.structs.fields(Recording)}
    starts = [turn["start_ms"] for turn in raw["turns"]]
    assert starts == sorted(starts)
    for turn in raw["turns"]:
        assert turn["start_ms"] < turn["end_ms"] <= raw["duration_ms"]
        assert " ".join(word["text"] for word in turn["words"]).split() == turn["text"].split()


def test_page_holds_everything_and_loads_nothing(shown: Shown) -> None:
    page = shown.page
    without_call = re.sub(r'<script type="(?:application/json|text/plain)".*?</script>', "", page, flags=re.S)
    assert not re.search(r"https?://", without_call)
    assert not re.search(
        r"<link[^>]+stylesheet|<script[^>]+src=|@import|url\((?!data:)|<img|<iframe", without_call
    )
    assert "default-src 'none'" in page
    assert not re.search(r"<!--[A-Z]+-->", page)
    assert len(page) < 4_000_000


def test_page_carries_the_call(shown: Shown) -> None:
    call = json.loads(held(shown.page, "call"))
    assert call["recording"] == json.loads((shown.folder / "transcript.json").read_bytes())
    kinds = {event["type"] for event in call["events"]}
    assert {
        "session.update",
        "input_audio_buffer.append",
        "response.output_audio.delta",
        "response.done",
    } <= kinds
    appended = [event for event in call["events"] if event["type"] == "input_audio_buffer.append"]
    assert sum(event["audio_ms"] for event in appended) == shown.recording.duration_ms
    assert len(call["events"]) < 400
    assert all(set(call["levels"][side]) != {0} for side in ("caller", "agent"))


def test_page_carries_the_sound(shown: Shown) -> None:
    import base64

    import soundfile

    sound, rate_hz = soundfile.read(io.BytesIO(base64.b64decode(held(shown.page, "sound"))), dtype="int16")
    assert sound.shape[1] == 2
    assert abs(len(sound) * 1000 / rate_hz - shown.recording.duration_ms) <= 40
    assert (np.abs(sound.astype(np.int32)).max(axis=0) > 1000).all()


def held(page: str, name: str) -> str:
    found = re.search(rf'<script type="[^"]+" id="{name}">(.*?)</script>', page, re.S)
    assert found
    return found[1]


# --- calls that go wrong --------------------------------------------------------------------------------------------------


def without(rule: str) -> str:
    """The rules with one made silent."""
    assert f'when = "{rule}"' in RULES
    return re.sub(rf'(when = "{rule}"\n)[^\n]+', r"\1silent = true", RULES)


def test_what_is_missing_fails_the_demo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    talks = without("arriving tuesday").replace(
        'when = "front desk"\nsilent = true', 'when = "front desk"\nanswer = "Which desk?"'
    )
    shown = demo(tmp_path, talks, as_json=True)
    assert shown.code == 1
    summary: dict[str, Any] = json.loads(shown.printed)
    assert (summary["answered"], summary["asked"]) == (5, 7)
    failed = [check["name"] for check in summary["checks"] if not check["passed"]]
    assert failed == ["order A1001", "silence"]
    told = capsys.readouterr().err
    assert "not answered: order A1001: did not hear shipped, tuesday" in told
    assert "not answered: silence: was not kept: Which desk?" in told
    assert "answered 5 of 7: calendar and CRM at once" in told


def test_what_was_not_understood_is_said_again(tmp_path: Path) -> None:
    told = [line.text for line in shipped_story().lines]
    shown = demo(tmp_path, lines=["hello", *told])
    assert shown.code == 0
    said = [turn.text for turn in shown.recording.turns if turn.line == "order"]
    assert said == ["Hi, where is my order A1001?", "I mean order A1001."]


def test_a_server_that_hangs_up_leaves_a_record(tmp_path: Path) -> None:
    async def run() -> int:
        engine = TellingEngine([], script_in(tmp_path))
        async with serving(engine) as address:
            demo = asyncio.create_task(show(Wishes(url=address.url, out=tmp_path / "out", speed=SPEED)))
            await engine.dialled.wait()
        return await demo

    assert asyncio.run(run()) == 1
    recording = msgspec.json.decode((tmp_path / "out" / "transcript.json").read_bytes(), type=Recording)
    assert recording.errors
    assert [check.passed for check in recording.checks] == [False] * 7


def test_no_server_is_told_in_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert asyncio.run(show(Wishes(url="http://127.0.0.1:9", out=tmp_path))) == 2
    assert "127.0.0.1:9 does not answer" in capsys.readouterr().err
