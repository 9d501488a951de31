"""From a conversation to a prompt: what a language model gets to see."""

from __future__ import annotations

from typing import Any

from vivavoce.engines.cascade.messages import STILL_RUNNING, newest_words, prompt_of, without_system
from vivavoce.protocol.items import (
    FunctionCallItem,
    FunctionCallOutputItem,
    InputAudio,
    InputImage,
    InputItem,
    InputText,
    MessageItem,
    OutputAudio,
)
from vivavoce.protocol.session_objects import FunctionTool, ToolChoiceFunction
from vivavoce.session.effects import Request


def request(
    *context: InputItem, instructions: str = "", tools: tuple[Any, ...] = (), choice: Any = "auto"
) -> Request:
    return Request(instructions, context, tools, choice, True, None, True, "marin", 1.0, 24_000)


def user(text: str) -> MessageItem:
    return MessageItem(id=f"user_{text}", role="user", content=[InputText(text=text)])


def spoken(item_id: str, transcript: str | None = None) -> MessageItem:
    return MessageItem(id=item_id, role="user", content=[InputAudio(transcript=transcript)])


def said(text: str) -> MessageItem:
    return MessageItem(id=f"said_{text}", role="assistant", content=[OutputAudio(transcript=text)])


def call(name: str) -> FunctionCallItem:
    return FunctionCallItem(id=f"item_{name}", name=name, call_id=f"call_{name}", arguments="{}")


def output(name: str, text: str) -> FunctionCallOutputItem:
    return FunctionCallOutputItem(id=f"out_{name}", call_id=f"call_{name}", output=text)


def roles(made: Request, heard: dict[str, str] | None = None) -> list[tuple[str, Any]]:
    return [
        (
            message["role"],
            [c["function"]["name"] for c in message.get("tool_calls", [])] or message["content"],
        )
        for message in prompt_of(made, heard or {}).messages
    ]


def test_instructions_come_first() -> None:
    assert roles(request(user("hi"), instructions="be brief")) == [("system", "be brief"), ("user", "hi")]


def test_audio_speaks_by_its_transcript_or_by_what_was_heard() -> None:
    made = request(spoken("a", "known"), spoken("b"))
    assert roles(made, {"b": "resolved"}) == [("user", "known"), ("user", "resolved")]


def test_an_answer_that_was_cut_before_its_first_word_was_never_said() -> None:
    assert roles(request(user("hi"), said(""), user("wait"))) == [("user", "hi"), ("user", "wait")]


def test_parallel_calls_answered_together_are_one_group() -> None:
    made = request(user("go"), call("a"), call("b"), output("b", "2"), output("a", "1"))
    assert roles(made) == [("user", "go"), ("assistant", ["b", "a"]), ("tool", "2"), ("tool", "1")]


def test_a_late_output_is_the_newest_thing_the_model_sees() -> None:
    made = request(
        user("go"), call("a"), call("b"), output("a", "1"), said("It is 1."), user("and?"), output("b", "2")
    )
    assert roles(made) == [
        ("user", "go"),
        ("assistant", ["a"]),
        ("tool", "1"),
        ("assistant", "It is 1."),
        ("user", "and?"),
        ("assistant", ["b"]),
        ("tool", "2"),
    ]


def test_a_call_without_an_output_gets_a_placeholder() -> None:
    made = request(user("go"), call("a"), user("hurry"))
    assert roles(made) == [("user", "go"), ("assistant", ["a"]), ("tool", STILL_RUNNING), ("user", "hurry")]


def test_an_output_without_its_call_is_told_in_words() -> None:
    assert roles(request(output("a", "1"))) == [("user", "Result of a tool: 1")]


def test_images_are_passed_to_models_that_see() -> None:
    item = MessageItem(
        id="x",
        role="user",
        content=[InputText(text="what is it"), InputImage(image_url="data:image/png;base64,AA==")],
    )
    content = prompt_of(request(item), {}).messages[0]["content"]
    assert [part["type"] for part in content] == ["text", "image_url"]


def test_tools_and_choices_take_the_shape_of_chat_completions() -> None:
    tool = FunctionTool(name="find", description="finds", parameters={"type": "object", "properties": {}})
    made = prompt_of(request(user("x"), tools=(tool,), choice=ToolChoiceFunction(name="find")), {})
    assert made.tools[0]["function"]["name"] == "find"
    assert made.tool_choice == {"type": "function", "function": {"name": "find"}}


def test_newest_words_are_those_of_a_spoken_item_only() -> None:
    assert newest_words((spoken("a"),), {"a": ""}) == ""
    assert newest_words((spoken("a"),), {"a": "hello"}) == "hello"
    assert newest_words((user("typed"),), {}) is None
    assert newest_words((spoken("a", "x"), said("y")), {}) is None
    assert newest_words((), {}) is None


def test_a_template_that_knows_no_system_is_told_by_the_caller() -> None:
    system, hello = {"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}
    answer = {"role": "assistant", "content": "Hi."}
    assert without_system([system, hello, answer]) == [
        {"role": "user", "content": "Be brief.\n\nhello"},
        answer,
    ]
    told = {"role": "user", "content": "Be brief."}
    # An agent that speaks first: there is nobody yet in whose words it could stand, or only the agent itself.
    assert without_system([system]) == [told]
    assert without_system([system, answer]) == [told, answer]
    assert without_system([hello]) == [hello]
