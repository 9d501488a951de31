"""Hints: each mistake is named once, and a clean conversation has none."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.call.rig import Line, scripted
from vivavoce.call.echo import repeats
from vivavoce.engines.scripted.script import Call as ScriptCall
from vivavoce.engines.scripted.script import Script, Step
from vivavoce.testing.clock import run

STORY = "Once upon a time there was a little fox who lived in the woods. "
TOOLS = Script(Step("", calls=(ScriptCall("look_up", "{}"), ScriptCall("crm", "{}"))))


class Watched(Line):
    """A line, and what is found to be wrong with its client."""

    def hints(self) -> list[str]:
        """The codes."""
        known = self.calls.hints(self.call.id)
        assert known is not None
        return [hint.code for hint in known[1].look(self.now_ms)]

    async def stream(self, ms: int, *, loud: bool = True, step_ms: int = 100, pace: float = 1.0) -> None:
        """Audio in pieces, `pace` times as fast as real time."""
        for _ in range(ms // step_ms):
            self.append(step_ms, loud=loud)
            await asyncio.sleep(step_ms / 1000 / pace)

    def answer_tool(self, number: int) -> None:
        """The output of the `number`th call."""
        calls = [
            event["item"]
            for event in self.client.of_type("conversation.item.added")
            if event["item"]["type"] == "function_call"
        ]
        item = {"type": "function_call_output", "call_id": calls[number]["call_id"], "output": "{}"}
        self.send("conversation.item.create", item=item)

    def truncate(self) -> None:
        """What a client does when the caller cuts in."""
        item = self.client.of_type("response.output_audio.delta")[-1]["item_id"]
        self.send("conversation.item.truncate", item_id=item, content_index=0, audio_end_ms=500)


def watch(line: Callable[[], Watched], scenario: Callable[[Watched], Coroutine[Any, Any, None]]) -> list[str]:
    """The hints of a conversation."""

    async def main() -> list[str]:
        watched = line()
        await scenario(watched)
        found = watched.hints()
        await watched.close()
        assert watched.hints() == found  # Still known afterwards.
        return found

    return run(main())


# --- tools --------------------------------------------------------------------------------------------------------------


def tool_line() -> Watched:
    return Watched(scripted(script=TOOLS))


def test_a_tool_output_that_nobody_wants_answered() -> None:
    async def scenario(line: Watched) -> None:
        line.send("response.create")
        await line.until("response.done")
        line.answer_tool(0)
        await asyncio.sleep(10)
        assert line.hints() == []  # The other tool is still at work.
        line.answer_tool(1)
        await asyncio.sleep(2.9)
        assert line.hints() == []
        await asyncio.sleep(0.2)

    assert watch(tool_line, scenario) == ["tool_output_without_response"]


def test_tool_outputs_that_are_answered_in_time() -> None:
    async def scenario(line: Watched) -> None:
        line.send("response.create")
        await line.until("response.done")
        line.answer_tool(0)
        line.answer_tool(1)
        await asyncio.sleep(2)
        line.send("response.create")
        await asyncio.sleep(10)

    assert watch(tool_line, scenario) == []


def test_the_time_to_ask_counts_from_the_end_of_what_is_being_said() -> None:
    async def scenario(line: Watched) -> None:
        line.send("response.create")
        await line.until("response.done")
        line.send("response.create", response={"conversation": "none", "input": []})
        line.answer_tool(0)
        line.answer_tool(1)
        await asyncio.sleep(7.9)
        assert line.hints() == []
        await asyncio.sleep(0.2)

    assert watch(lambda: Watched(scripted(script=TOOLS, llm_delay_ms=5000)), scenario) == [
        "tool_output_without_response"
    ]


def test_a_handoff_takes_the_output_back() -> None:
    async def scenario(line: Watched) -> None:
        line.send("response.create")
        await line.until("response.done")
        line.answer_tool(0)
        line.answer_tool(1)
        outputs = [event["item"]["id"] for event in line.client.of_type("conversation.item.added")][-2:]
        line.send("conversation.item.delete", item_id=outputs[0])
        line.send("conversation.item.delete", item_id=outputs[1])
        await asyncio.sleep(10)

    assert watch(tool_line, scenario) == []


def test_one_output_of_two_taken_back_leaves_the_other() -> None:
    async def scenario(line: Watched) -> None:
        line.send("response.create")
        await line.until("response.done")
        line.answer_tool(0)
        line.answer_tool(1)
        output = line.client.of_type("conversation.item.added")[-1]["item"]["id"]
        line.send("conversation.item.delete", item_id=output)
        await asyncio.sleep(10)

    assert watch(tool_line, scenario) == ["tool_output_without_response"]


def test_who_has_hung_up_is_not_late() -> None:
    async def main() -> None:
        line = tool_line()
        line.send("response.create")
        await line.until("response.done")
        line.answer_tool(0)
        line.answer_tool(1)
        await asyncio.sleep(1)
        await line.close()
        await asyncio.sleep(10)
        assert line.hints() == []

    run(main())


# --- sample rates -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pace", "found"),
    [
        (2.0, ["input_faster_than_real_time"]),
        (44.1 / 24, ["input_faster_than_real_time"]),
        (16 / 24, ["input_slower_than_real_time"]),
        (8 / 24, ["input_slower_than_real_time"]),
        (1.0, []),
        (0.97, []),
        (1.03, []),
        (20.0, []),  # A file, sent as fast as it goes.
    ],
)
def test_input_at_a_wrong_rate(pace: float, found: list[str]) -> None:
    async def scenario(line: Watched) -> None:
        await line.stream(int(20_000 * pace), loud=False, pace=pace)

    assert watch(lambda: Watched(scripted()), scenario) == found


def test_a_microphone_that_is_switched_off_now_and_then() -> None:
    async def scenario(line: Watched) -> None:
        for _ in range(8):
            await line.stream(3000, loud=False)
            await asyncio.sleep(2)

    assert watch(lambda: Watched(scripted()), scenario) == []


# --- interruptions ------------------------------------------------------------------------------------------------------


def story_line(transcript: str = "stop") -> Watched:
    return Watched(scripted(STORY * 3, transcript=transcript))


@pytest.mark.parametrize(("truncates", "found"), [(False, ["interruption_without_truncation"]), (True, [])])
def test_cutting_in(truncates: bool, found: list[str]) -> None:
    async def scenario(line: Watched) -> None:
        line.send("response.create")
        await line.until("response.output_audio.delta")
        await asyncio.sleep(1)
        await line.stream(500)
        if truncates:
            line.truncate()
        await line.stream(3000, loud=False)

    assert watch(story_line, scenario) == found


def test_cutting_in_when_all_has_been_heard() -> None:
    async def scenario(line: Watched) -> None:
        line.send("response.create")
        await line.until("response.done")
        await asyncio.sleep(12)
        await line.stream(500)
        await line.stream(3000, loud=False)

    assert watch(lambda: Watched(scripted(STORY)), scenario) == []


def test_cutting_in_by_a_caller_who_lives_faster() -> None:
    async def scenario(line: Watched) -> None:
        line.send("response.create")
        await line.until("response.output_audio.delta")
        await line.stream(50_000, loud=False, pace=10)
        await line.stream(500, pace=10)
        await line.stream(30_000, loud=False, pace=10)

    assert watch(story_line, scenario) == []


def test_no_interruption_is_meant_where_it_is_switched_off() -> None:
    async def scenario(line: Watched) -> None:
        detection = {"type": "server_vad", "interrupt_response": False}
        line.send(
            "session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}}
        )
        line.send("response.create")
        await line.until("response.output_audio.delta")
        await line.stream(500)
        await line.stream(3000, loud=False)

    assert watch(story_line, scenario) == []


@pytest.mark.parametrize(
    ("transcript", "found"),
    [
        ("there was a little fox who lived in", ["own_voice_heard"]),
        ("there was the little fox who lived in woods", ["own_voice_heard"]),
        ("little fox", []),
        ("and who was the little fox who lived there", []),
    ],
)
def test_the_agents_own_voice(transcript: str, found: list[str]) -> None:
    async def scenario(line: Watched) -> None:
        line.send("response.create")
        await line.until("response.output_audio.delta")
        await asyncio.sleep(1)
        await line.stream(500)
        line.truncate()
        await line.stream(1000, loud=False)

    assert watch(lambda: story_line(transcript), scenario) == found


def test_a_caller_may_repeat_what_was_said() -> None:
    async def scenario(line: Watched) -> None:
        line.send("response.create")
        await line.until("response.done")
        await asyncio.sleep(12)
        await line.stream(500)
        await line.stream(1000, loud=False)

    assert watch(lambda: Watched(scripted(STORY, transcript=STORY)), scenario) == []


@pytest.mark.parametrize(
    ("heard", "said", "echo"),
    [
        ("It's on its way.", "Your order A1001 is shipped. It's on its way!", True),
        ("", STORY, False),
        ("it is on the way", "", False),
        ("one two three four", "four three two one", False),
        ("a b c d", "a x x x b x x x c x x x d", False),
    ],
)
def test_echoes_are_told_by_their_words(heard: str, said: str, echo: bool) -> None:
    assert repeats(heard, said) is echo


def test_a_long_echo_of_few_different_words_is_one() -> None:
    said = "and then he said to the man that the man had said it to him and that he had heard it " * 20
    assert repeats(said, f"Well, now listen: {said}")


# --- dialect and silence ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("session", "found"),
    [
        ({"type": "realtime", "voice": "alloy"}, ["flat_session"]),
        ({"modalities": ["text", "audio"], "instructions": "Be brief."}, ["flat_session"]),
        ({"instructions": "No type, and not flat."}, []),
        ({"voice": "alloy", "instructions": "long " * 30_000}, []),
        (7, []),
    ],
)
def test_a_flat_session_without_the_header(session: Any, found: list[str]) -> None:
    async def scenario(line: Watched) -> None:
        line.send("session.update", session=session)
        assert len(line.client.of_type("error")) == 1

    assert watch(lambda: Watched(scripted()), scenario) == found


def test_other_mistakes_are_no_hints() -> None:
    async def scenario(line: Watched) -> None:
        line.send("session.update", session={"type": "realtime", "tool_choice": 7})
        line.send("nonsense")

    assert watch(lambda: Watched(scripted()), scenario) == []


@pytest.mark.parametrize(("pause_ms", "found"), [(600, ["turns_cut_short"]), (2000, [])])
def test_turns_that_go_on(pause_ms: int, found: list[str]) -> None:
    async def scenario(line: Watched) -> None:
        for _ in range(4):
            await line.stream(800)
            await line.stream(pause_ms, loud=False)
        await line.stream(2000, loud=False)

    quick = {"session__silence_duration_ms": 300}
    assert watch(lambda: Watched(scripted("Yes.", llm_delay_ms=2000), **quick), scenario) == found


def test_turns_that_words_have_ended_are_not_cut_short_by_silence() -> None:
    detection = {"type": "semantic_vad", "eagerness": "high"}

    async def scenario(line: Watched) -> None:
        line.send(
            "session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}}
        )
        for _ in range(4):
            await line.stream(800)
            await line.stream(600, loud=False)
        await line.stream(2000, loud=False)
        assert len(line.client.of_type("input_audio_buffer.speech_stopped")) == 4

    assert watch(lambda: Watched(scripted("Yes.", llm_delay_ms=2000)), scenario) == []


# --- all of it ----------------------------------------------------------------------------------------------------------


def test_a_clean_conversation_has_none() -> None:
    async def scenario(line: Watched) -> None:
        for _ in range(3):
            await line.stream(1000)
            await line.stream(4000, loud=False)
        line.send("response.create")
        await line.stream(8000, loud=False)

    assert watch(lambda: Watched(scripted("Good morning. ")), scenario) == []


def test_each_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(line: Watched) -> None:
        for _ in range(3):
            line.send("session.update", session={"type": "realtime", "voice": "alloy"})

    with caplog.at_level(logging.WARNING):
        watch(lambda: Watched(scripted()), scenario)
    assert caplog.text.count("hint flat_session: The session object is flat") == 1


def test_a_call_that_nobody_made_has_none() -> None:
    async def main() -> None:
        line = Watched(scripted())
        call = line.calls.open("probe", line.now_ms, watched=False)
        assert line.calls.hints(call.id) is None
        await line.calls.close(call)
        await line.close()

    run(main())


def test_hints_of_calls_that_are_over_are_forgotten_in_time() -> None:
    async def main() -> None:
        line = Watched(scripted())
        await line.close()
        for _ in range(150):
            await line.calls.close(line.calls.open("m", line.now_ms))
        assert line.calls.hints(line.call.id) is None
        assert len(line.calls._hints) == 100

    run(main())
