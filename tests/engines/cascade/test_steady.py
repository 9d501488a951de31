"""Models that err: what is repaired, what is asked again once, and who answers when one does not."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import pytest

from vivavoce.call.ports import (
    ModelChunk,
    ModelControl,
    ModelStop,
    ModelText,
    ModelToolCall,
    ModelUsage,
    Prompt,
)
from vivavoce.engines.cascade.second_choice import RETRY_S
from vivavoce.engines.cascade.steady import NO_ANSWER, SteadyModel
from vivavoce.protocol.errors import EngineError
from vivavoce.testing.clock import run

STOP = ModelStop("stop")
DOWN = EngineError("llm", "it is down", retryable=True)
TOOLS = tuple(
    {"type": "function", "function": {"name": name, "parameters": {}}} for name in ("get_order", "list")
)
PROMPT = Prompt(({"role": "user", "content": "hello"},), TOOLS)


@dataclass
class Model:
    """Plays one answer after the other."""

    answers: list[list[ModelChunk | EngineError]]
    name: str = "first"
    prompts: list[Prompt] = field(default_factory=list)
    warmed: int = 0

    async def stream(self, prompt: Prompt) -> AsyncGenerator[ModelChunk, None]:
        self.prompts.append(prompt)
        for chunk in self.answers.pop(0):
            if isinstance(chunk, EngineError):
                raise chunk
            yield chunk

    def warm(self) -> None:
        self.warmed += 1

    async def close(self) -> None: ...


async def asked(model: Model, second: Model | None = None, prompt: Prompt = PROMPT) -> list[ModelChunk]:
    return [chunk async for chunk in SteadyModel(model, second).stream(prompt)]


async def test_a_tool_that_nobody_offered_is_called_where_none_was_offered() -> None:
    """The session's client sees what its model made up; there is no name to suggest instead."""
    model = Model([[ModelToolCall(0, "made_up", "{}"), STOP]])
    prompt = Prompt(({"role": "user", "content": "hello"},))
    assert await asked(model, prompt=prompt) == [ModelToolCall(0, "made_up", "{}"), STOP]
    assert len(model.prompts) == 1


async def test_pieces_become_whole_calls_behind_the_text() -> None:
    model = Model(
        [[ModelToolCall(0, "get_order", '{"x"'), ModelText("Wait."), ModelToolCall(1, "list", ""), ModelToolCall(0, "", ": 1}"), ModelUsage(3, 4), STOP]]
    )  # fmt: skip
    assert await asked(model) == [
        ModelText("Wait."),
        ModelToolCall(0, "get_order", '{"x": 1}'),
        ModelToolCall(1, "list", "{}"),
        ModelUsage(3, 4),
        STOP,
    ]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("functions.get_order", "{'x': 1}"),
        ("Get-Order", '{"x": 1'),
        ("get_order<|channel|>commentary", '{"x": 1}'),
    ],
)
async def test_names_and_arguments_are_repaired(name: str, arguments: str) -> None:
    whole = arguments if arguments.endswith("}") else '```json\n{"x": 1}\n```'
    got = await asked(Model([[ModelToolCall(0, name, whole), STOP]]))
    assert got == [ModelToolCall(0, "get_order", '{"x": 1}'), STOP]


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (ModelToolCall(0, "get_order", '{"id": "A10'), "get_order"),
        (ModelToolCall(0, "fly", "{}"), "get_order, list"),
        (
            ModelToolCall(0, "", "what?"),
            "the tool you meant could not be read: its arguments must be one JSON object",
        ),
    ],
)
async def test_a_call_that_cannot_be_made_is_asked_for_again_once(call: ModelToolCall, named: str) -> None:
    good: list[ModelChunk | EngineError] = [
        ModelText("Sorry."),
        ModelToolCall(0, "list", "{}"),
        ModelUsage(5, 6),
        STOP,
    ]
    model = Model([[ModelText("Wait."), call, ModelUsage(1, 2), STOP], good])
    # What was said is said once; both requests are paid for.
    assert await asked(model) == [
        ModelText("Wait."),
        ModelUsage(1, 2),
        ModelToolCall(0, "list", "{}"),
        ModelUsage(6, 8),
        STOP,
    ]
    assert named in model.prompts[1].messages[-1]["content"]
    again = Model([[call, STOP], [call, STOP]])
    with pytest.raises(EngineError, match="twice"):
        await asked(again)


async def test_what_failed_twice_is_paid_for_all_the_same() -> None:
    bad: list[ModelChunk | EngineError] = [ModelToolCall(0, "fly", "{}"), ModelUsage(1, 2, 1), STOP]
    stream, got = SteadyModel(Model([bad, bad])).stream(PROMPT), list[ModelChunk]()
    with contextlib.suppress(EngineError):
        async for chunk in stream:
            got.append(chunk)
        pytest.fail("it was called twice")
    assert got == [ModelUsage(1, 2, 1), ModelUsage(2, 4, 2)]


@pytest.mark.parametrize("cut", [1, 3, 100])
@pytest.mark.parametrize(
    ("written", "calls"),
    [
        ('{"name": "list", "parameters": {"x": 1}}', [ModelToolCall(0, "list", '{"x":1}')]),
        ('\n```json\n{"name": "list", "arguments": {}}\n```', [ModelToolCall(0, "list", "{}")]),
        ('{"name": "fly", "parameters": {}}', []),
        ('{"name": "list", "parameters"', []),
        ("```sh\nls\n```", []),
        ("``", []),
        ("{not a call}", []),
    ],
)
async def test_a_call_that_is_the_whole_answer(written: str, calls: list[ModelChunk], cut: int) -> None:
    answer: list[ModelChunk | EngineError] = [
        ModelText(written[at : at + cut]) for at in range(0, len(written), cut)
    ]
    got = await asked(Model([[*answer, STOP]]))
    assert [one for one in got if isinstance(one, ModelToolCall)] == calls
    said = "".join(one.text for one in got if isinstance(one, ModelText))
    assert said.strip() == ("" if calls else written.strip())


async def test_json_is_an_answer_where_it_calls_nothing() -> None:
    answer: list[ModelChunk | EngineError] = [
        ModelText('{"name": "list", '),
        ModelText('"arguments": {}}'),
        STOP,
    ]
    assert await asked(Model([list(answer)]), prompt=Prompt(PROMPT.messages)) == answer
    behind = [ModelText("Like so: "), *answer]
    assert await asked(Model([list(behind)])) == behind
    long: list[ModelChunk | EngineError] = [ModelText("{" + "x" * 8000), ModelText("y"), STOP]
    assert await asked(Model([list(long)])) == long
    silent: list[ModelChunk | EngineError] = [ModelText("{"), ModelControl("silent"), STOP]
    assert await asked(Model([list(silent)])) == silent


async def test_an_empty_answer_is_asked_for_again_and_then_means_silence() -> None:
    model = Model([[ModelText(" "), STOP], [ModelText("Four."), STOP]])
    assert await asked(model) == [ModelText(" "), ModelText("Four."), STOP]
    assert model.prompts[1].messages[-1]["content"] == NO_ANSWER
    assert await asked(Model([[STOP], [STOP]])) == [STOP]


async def test_silence_that_was_meant_is_left_alone() -> None:
    assert await asked(Model([[ModelControl("silent"), STOP]])) == [ModelControl("silent"), STOP]


@pytest.mark.parametrize("reason", ["max_output_tokens", "content_filter"])
async def test_what_was_cut_short_is_not_asked_for_again(reason: str) -> None:
    stop = ModelStop("content_filter" if reason == "content_filter" else "max_output_tokens")
    assert await asked(Model([[ModelToolCall(0, "list", '{"x'), stop]])) == [stop]
    assert await asked(Model([[stop]])) == [stop]


async def test_one_call_where_one_is_allowed() -> None:
    model = Model([[ModelToolCall(0, "list", "{}"), ModelToolCall(1, "get_order", "{}"), STOP]])
    one = Prompt(PROMPT.messages, TOOLS, parallel_tool_calls=False)
    assert await asked(model, prompt=one) == [ModelToolCall(0, "list", "{}"), STOP]


async def test_the_second_answers_where_the_first_does_not_begin() -> None:
    second = Model([[ModelText("Here."), STOP]], "second")
    assert await asked(Model([[DOWN]]), second) == [ModelText("Here."), STOP]
    with pytest.raises(EngineError, match="down"):
        await asked(Model([[ModelText("I"), DOWN]]), Model([], "second"))
    with pytest.raises(EngineError, match="down"):
        await asked(Model([[DOWN]]))


def test_a_model_that_failed_is_left_alone_for_a_while() -> None:
    import asyncio

    async def calls() -> tuple[list[int], int]:
        first = Model([[DOWN], [ModelText("Back."), STOP]])
        second = Model([[ModelText("a"), STOP], [ModelText("b"), STOP]], "second")
        steady = SteadyModel(first, second)
        counts = []
        for pause_s in (0.0, 1.0, RETRY_S):
            await asyncio.sleep(pause_s)
            assert [chunk async for chunk in steady.stream(PROMPT)]
            counts.append(len(first.prompts))
        steady.warm()
        await steady.close()
        return counts, first.warmed + second.warmed

    assert run(calls()) == ([1, 1, 2], 2)
