"""What the brain does with a prompt: choices forced and forbidden, silence, rules, results, the shape of its stream."""

from __future__ import annotations

import itertools
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engines.brain.conversations import answer, cases, words
from vivavoce.call.ports import ModelStop, ModelText, ModelToolCall, ModelUsage, Prompt
from vivavoce.engines.cascade.brain import Brain
from vivavoce.engines.cascade.brain.quiet import command, wakes
from vivavoce.engines.cascade.brain.schema import faults
from vivavoce.engines.cascade.brain.turn import decide
from vivavoce.engines.cascade.brain.wording import NO_MODEL
from vivavoce.engines.cascade.messages import STILL_RUNNING

Message = dict[str, Any]


def tool(name: str, description: str, required: list[str] | None = None, **properties: Any) -> dict[str, Any]:
    wanted = list(properties) if required is None else required
    parameters = {
        "type": "object",
        "properties": properties,
        "required": wanted,
        "additionalProperties": False,
    }
    return {
        "type": "function",
        "function": {"name": name, "description": description, "parameters": parameters},
    }


BOAT = tool("find_boat", "Finds a boat.", boat_no={"type": "string", "pattern": r"^[A-Z]\d{3}$"})
TIDE = tool("read_tide", "Reads the tide table of a harbour.", harbour={"type": "string"})
CREW = tool("transfer_to_crew", "Hand the caller to the crew.")
TOOLS = (BOAT, TIDE, CREW)


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def said(text: str) -> Message:
    return {"role": "assistant", "content": text}


def called(*calls: tuple[str, str, str], outputs: dict[str, str]) -> list[Message]:
    entries = [
        {"id": at, "type": "function", "function": {"name": name, "arguments": made}}
        for at, name, made in calls
    ]
    results = [{"role": "tool", "tool_call_id": at, "content": text} for at, text in outputs.items()]
    return [{"role": "assistant", "content": None, "tool_calls": entries}, *results]


def prompt(*messages: Message, instructions: str = "", tools: tuple[Any, ...] = TOOLS, **more: Any) -> Prompt:
    system = [{"role": "system", "content": instructions}] if instructions else []
    return Prompt((*system, *messages), tools, **more)


# --- the stream -----------------------------------------------------------------------------------------------------------


async def test_a_stream_has_text_calls_usage_and_a_stop_in_that_order() -> None:
    asked = prompt(user("where is boat b one two three and what is the tide in dover harbour"),
                   instructions="Before you call a tool, say a short acknowledgement.")  # fmt: skip
    chunks = [chunk async for chunk in Brain().stream(asked)]
    kinds = [kind for kind, _ in itertools.groupby(type(chunk) for chunk in chunks)]
    assert kinds == [ModelText, ModelToolCall, ModelUsage, ModelStop]
    calls = [chunk for chunk in chunks if isinstance(chunk, ModelToolCall)]
    assert [(call.index, call.name) for call in calls if call.name] == [(0, "find_boat"), (1, "read_tide")]
    assert chunks[-1] == ModelStop("stop")


async def test_long_arguments_come_in_pieces_and_long_text_in_clauses() -> None:
    note = tool("write_note", "Write a note.", note={"type": "string"})
    asked = prompt(user("write a note saying " + "the boat has a leak near the keel " * 4), tools=(note,))
    pieces = [chunk async for chunk in Brain().stream(asked) if isinstance(chunk, ModelToolCall)]
    assert len(pieces) > 2
    assert [piece.name for piece in pieces] == ["write_note"] + [""] * (len(pieces) - 1)
    assert msgspec.json.decode("".join(piece.arguments for piece in pieces))["note"].startswith(
        "the boat has"
    )
    texts = [
        chunk.text
        async for chunk in Brain().stream(prompt(user("what can you do")))
        if isinstance(chunk, ModelText)
    ]
    assert len(texts) > 1
    assert "".join(texts) == decide(prompt(user("what can you do"))).text


async def test_usage_is_bytes_over_four_and_max_tokens_cuts_text() -> None:
    asked = prompt(user("what can you do"), max_tokens=5)
    chunks = [chunk async for chunk in Brain().stream(asked)]
    text = "".join(chunk.text for chunk in chunks if isinstance(chunk, ModelText))
    assert 0 < len(text.encode()) <= 20
    usage = next(chunk for chunk in chunks if isinstance(chunk, ModelUsage))
    read = len(msgspec.json.encode(asked.messages)) + len(msgspec.json.encode(asked.tools))
    assert usage == ModelUsage(-(-read // 4), -(-len(text.encode()) // 4))
    assert chunks[-1] == ModelStop("max_output_tokens")


def test_the_same_prompt_has_the_same_answer_whatever_came_before() -> None:
    prompts = [
        prompt(user(turn["user"]), instructions=case.instructions, tools=case.tools)
        for case in cases()
        for turn in case.turns[:1]
    ]
    forwards = [decide(one) for one in prompts]
    backwards = [decide(one) for one in reversed(prompts)]
    assert forwards == backwards[::-1]


def test_a_turn_takes_about_a_millisecond() -> None:
    prompts = [
        prompt(user(turn["user"]), instructions=case.instructions, tools=case.tools)
        for case in cases()
        for turn in case.turns[:1]
    ]
    for one in prompts:
        decide(one)
    costs = []
    for one in prompts:
        begin = time.perf_counter()
        decide(one)
        costs.append(time.perf_counter() - begin)
    assert (
        sorted(costs)[len(costs) // 2] < 0.010
    )  # 0.5 ms where measured; the rest is room for a busy machine


# --- what may and must be called ----------------------------------------------------------------------------------------------


def test_none_never_calls() -> None:
    got = decide(prompt(user("where is boat b one two three"), tool_choice="none"))
    assert got.calls == ()
    assert got.text


def test_one_call_at_a_time_when_parallel_calls_are_off() -> None:
    asked = user("where is boat b one two three and what is the tide in dover harbour")
    first = decide(prompt(asked, parallel_tool_calls=False))
    assert first.calls == (("find_boat", {"boat_no": "B123"}),)
    after = called(("c1", "find_boat", '{"boat_no":"B123"}'), outputs={"c1": "at sea"})
    second = decide(prompt(asked, *after, parallel_tool_calls=False))
    assert second.calls == (("read_tide", {"harbour": "Dover"}),)
    assert second.text == ""
    more = called(("c2", "read_tide", '{"harbour":"Dover"}'), outputs={"c2": "High water at noon."})
    third = decide(prompt(asked, *after, *more, parallel_tool_calls=False))
    assert third.calls == ()
    assert "at sea" in third.text
    assert "High water" in third.text


def test_an_unknown_named_function_still_yields_a_call() -> None:
    got = decide(prompt(user("hello"), tool_choice={"type": "function", "function": {"name": "read_tide"}}))
    assert got.calls[0][0] == "read_tide"


SCALARS = st.sampled_from([
    {"type": "string"}, {"type": "string", "minLength": 3}, {"type": "string", "enum": ["red", "dark blue"]},
    {"type": "string", "pattern": r"^[A-Z]{2}\d{2,4}$"}, {"type": "string", "format": "date"}, {"type": "boolean"},
    {"type": "integer", "minimum": 4, "maximum": 9}, {"type": "number", "exclusiveMinimum": 0}, {"type": "integer", "multipleOf": 5},
    {"anyOf": [{"type": "integer"}, {"type": "null"}]}, {"type": ["string", "null"]}, {"type": "string", "format": "email"},
    {"type": "array", "items": {"type": "integer"}, "minItems": 1}, {"type": "array", "items": {"type": "string"}},
    {"const": "always"}, {"type": "integer", "default": 3},
])  # fmt: skip
NAMES = st.sampled_from(
    ["count", "order_id", "city", "note", "name", "when", "color", "is_new", "email", "people", "tags"]
)
OBJECTS = st.dictionaries(NAMES, SCALARS, max_size=4).flatmap(
    lambda properties: st.sets(st.sampled_from(sorted(properties)) if properties else st.nothing()).map(
        lambda required: {
            "type": "object",
            "properties": properties,
            "required": sorted(required),
            "additionalProperties": False,
        }
    )
)
SCHEMAS = st.one_of(
    OBJECTS,
    OBJECTS.map(lambda inner: {"type": "object", "properties": {"inner": inner}, "required": ["inner"]}),
)
SPEECH = st.lists(
    st.sampled_from(
        words(
            "where is my order a b one two forty seven note saying red dark blue tomorrow at three pm paris lee not hello"
        )
    ),
    max_size=12,
).map(" ".join)


@settings(max_examples=300, deadline=None)
@given(SCHEMAS, SPEECH | st.text(max_size=40), st.sampled_from(["required", "named"]))
def test_a_demanded_call_is_always_made_and_always_valid(
    schema: dict[str, Any], text: str, choice: str
) -> None:
    made = {
        "type": "function",
        "function": {"name": "do_it", "description": "Does it.", "parameters": schema},
    }
    demanded: Any = (
        "required" if choice == "required" else {"type": "function", "function": {"name": "do_it"}}
    )
    got = decide(Prompt((user(text),), (made,), demanded))
    assert [name for name, _ in got.calls] == ["do_it"]
    assert faults(got.calls[0][1], schema) == []


@settings(max_examples=300, deadline=None)
@given(SCHEMAS, st.lists(SPEECH | st.text(max_size=40), min_size=1, max_size=4))
def test_a_call_made_freely_is_valid_too(schema: dict[str, Any], texts: list[str]) -> None:
    made = {
        "type": "function",
        "function": {"name": "order_note", "description": "Order a note.", "parameters": schema},
    }
    messages: list[Message] = []
    for text in texts:
        messages.append(user(text))
        got = decide(Prompt(tuple(messages), (made,)))
        assert all(faults(arguments, schema) == [] for _, arguments in got.calls)
        if got.text:
            messages.append(said(got.text))


@pytest.mark.parametrize(
    "broken",
    [
        {"role": "user"},
        {"role": "user", "content": None},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]},
        {"role": "tool", "tool_call_id": "nobody", "content": "lost"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "x", "function": {"name": "find_boat", "arguments": "{"}}],
        },
        {"role": "martian", "content": "hello"},
    ],
)
def test_odd_messages_do_no_harm(broken: Message) -> None:
    decide(prompt(broken))
    decide(prompt(user("hello"), broken, user("where is boat b one two three")))


def test_no_messages_at_all() -> None:
    assert decide(Prompt(())).text


# --- results --------------------------------------------------------------------------------------------------------------------


def test_results_of_parallel_calls_are_introduced_one_by_one() -> None:
    calls = called(("c1", "find_boat", '{"boat_no":"B123"}'), ("c2", "read_tide", '{"harbour":"Dover"}'),
                   outputs={"c2": "High water at noon.", "c1": "It left today."})  # fmt: skip
    text = decide(prompt(user("boat b one two three and the tide in dover"), *calls)).text
    assert text == "First, boat B123: It left today. And, Dover: High water at noon."


def test_a_result_is_spoken_once_and_a_filler_does_not_count() -> None:
    first = called(("c1", "find_boat", '{"boat_no":"B123"}'), outputs={"c1": "at sea"})
    second = called(("c2", "read_tide", '{"harbour":"Dover"}'), outputs={"c2": "High water at noon."})
    asked = user("boat b one two three and the tide in dover harbour")
    assert "sea" in decide(prompt(asked, *first)).text
    assert "sea" not in decide(prompt(asked, *first, said("Boat B123: at sea."), *second)).text
    assert "sea" in decide(prompt(asked, *first, said("Still looking, one moment."), *second)).text


def test_a_call_without_a_result_is_waited_for() -> None:
    running = called(("c1", "find_boat", "{}"), outputs={"c1": STILL_RUNNING})
    assert "waiting" in decide(prompt(user("where is boat b one two three"), *running)).text


def test_of_parallel_calls_only_those_are_spoken_that_have_a_result() -> None:
    asked = user("boat b one two three and the tide in dover")
    find, tide = ("c1", "find_boat", '{"boat_no":"B123"}'), ("c2", "read_tide", '{"harbour":"Dover"}')
    for pending in ({"c1": "At sea.", "c2": STILL_RUNNING}, {"c2": STILL_RUNNING, "c1": "At sea."}):
        assert decide(prompt(asked, *called(find, tide, outputs=pending))).text == "Boat B123 is at sea."
    hurry = called(find, tide, outputs={"c1": "At sea.", "c2": STILL_RUNNING})
    assert "running" not in decide(prompt(asked, *hurry, said("Boat B123 is at sea."), user("hurry up"))).text
    both = called(find, tide, outputs={"c1": STILL_RUNNING, "c2": STILL_RUNNING})
    assert "running" not in decide(prompt(asked, *both)).text


def test_a_guessed_id_is_said_aloud_before_a_sentence_that_hides_it() -> None:
    asked = user("where is boat see one two three")
    assert decide(prompt(asked)).calls == (("find_boat", {"boat_no": "C123"}),)
    result = called(("c1", "find_boat", '{"boat_no":"C123"}'), outputs={"c1": "Your boat is at sea."})
    assert "C123" in decide(prompt(asked, *result)).text
    plain = user("where is boat c one two three")
    assert decide(prompt(plain, *result)).text == "For boat C123: Your boat is at sea.", "letters rhyme"


def test_an_id_that_is_not_known_is_said_aloud_and_asked_for_in_words() -> None:
    talk = [
        user("where is boat c one two three"),
        *called(("c1", "find_boat", '{"boat_no":"C123"}'), outputs={"c1": "no boat found with that ID"}),
    ]
    text = decide(prompt(*talk)).text
    assert text == (
        "Boat C123: I found no boat with that ID. If that was not it, please say it again with a word for each letter."
    )
    again = [*talk, said(text), user("z as in zulu one two three")]
    assert decide(prompt(*again)).calls == (("find_boat", {"boat_no": "Z123"}),)


# --- silence -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("stay quiet until i say ready to sail", "ready to sail"),
        ("please be quiet until you hear me say ahoy there", "ahoy there"),
        ("listen silently until i say the words anchors up please", "anchors up"),
        ("don't say anything until i say go on captain", "go on captain"),
        ("stay quite until i say ready to sail", "ready to sail"),
        ("keep silent for now", ""),
        ("good now be quieter until i say ready to sail", "ready to sail"),
        ("please stay silent until ice say ready to sail", "ready to sail"),
        ("be quiet until eyes say ready to sail", "ready to sail"),
    ],
)
def test_commands_of_silence(text: str, phrase: str) -> None:
    found = command(text)
    assert found is not None
    assert found.phrase == phrase


@pytest.mark.parametrize(
    "text",
    [
        "it is quiet here",
        "stay still",
        "be quite careful",
        "do not answer the phone",
        "silent night",
        "can you be quieter please",
    ],
)
def test_what_is_no_command_of_silence(text: str) -> None:
    assert command(text) is None


@pytest.mark.parametrize(
    ("text", "awake"),
    [
        ("ready to sail", True),
        ("reddy to sale", True),
        ("okay ready to sail then", True),
        ("you can talk now", True),
        ("sailing is fun", False),
        ("the crew is ready for lunch", False),
        ("where is boat b one two three", False),
        ("", False),
    ],
)
def test_what_wakes(text: str, awake: bool) -> None:
    quiet = command("stay quiet until i say ready to sail")
    assert quiet is not None
    assert wakes(text, quiet)[0] is awake


def test_silence_is_kept_and_broken() -> None:
    talk = [user("stay quiet until i say ready to sail")]
    assert decide(prompt(*talk)).text == "Okay."
    assert decide(prompt(*talk, instructions="If asked to stay quiet, do so without speaking.")).text == ""
    talk += [said("Okay."), user("where is boat b one two three")]
    assert decide(prompt(*talk)) == decide(prompt(*talk, user("thanks")))
    assert decide(prompt(*talk)).text == ""
    assert decide(prompt(*talk)).calls == ()
    talk += [user("ready to sail")]
    assert "back" in decide(prompt(*talk)).text
    talk += [said("I am back."), user("where is boat b one two three")]
    assert decide(prompt(*talk)).calls == (("find_boat", {"boat_no": "B123"}),)


def test_waking_with_a_wish_answers_the_wish() -> None:
    got = decide(
        prompt(
            user("stay quiet until i say ready to sail"), user("ready to sail where is boat b one two three")
        )
    )
    assert got.calls == (("find_boat", {"boat_no": "B123"}),)


# --- rules, facts, small talk ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "text", "wanted"),
    [
        (
            'If the caller asks about fuel, say "Fuel is sold at pier two."',
            "where can i get fuel",
            "Fuel is sold at pier two.",
        ),
        (
            'When someone mentions pirates: answer with "There are none here."',
            "are there any pirates",
            "There are none here.",
        ),
        (
            "If the caller wants a refund, tell them that refunds take a week.",
            "i want a refund",
            "refunds take a week.",
        ),
        (
            'Say "We never lend life jackets." if a guest asks for life jackets.',
            "can i borrow life jackets",
            "We never lend life jackets.",
        ),
    ],
)
def test_if_rules_that_say_something(rule: str, text: str, wanted: str) -> None:
    assert decide(prompt(user(text), instructions=f"You run a marina. {rule}")).text == wanted


@pytest.mark.parametrize(
    "rule",
    [
        "If the caller is angry or mentions a collision, hand off to the crew.",
        "Transfer the caller to the crew if they mention a collision.",
        "When the user reports a collision, call transfer_to_crew.",
    ],
)
def test_if_rules_that_call(rule: str) -> None:
    assert decide(prompt(user("there was a collision"), instructions=rule)).calls == (
        ("transfer_to_crew", {}),
    )
    assert decide(prompt(user("nice weather"), instructions=rule)).calls == ()


def test_a_greeting_from_the_instructions_opens_the_call() -> None:
    greet = 'Start by greeting the caller with "Ahoy, this is the marina."'
    assert decide(prompt(instructions=greet)).text == "Ahoy, this is the marina."
    assert decide(prompt(user("hello"), instructions=greet)).text == "Ahoy, this is the marina."
    assert decide(prompt(instructions="You help.")).text == "Hello! How can I help you?"
    assert decide(prompt(instructions="Say exactly: 'The tide is high.'")).text == "The tide is high."


def test_facts_of_the_instructions_are_read_out() -> None:
    known = "You run a marina.\n\nMooring costs ten dollars a night. Showers are free. Pets need a leash.\n\nThe bar opens at five."
    assert (
        decide(prompt(user("what does mooring cost"), instructions=known)).text
        == "Mooring costs ten dollars a night."
    )
    whole = decide(prompt(user("explain the mooring rules"), instructions=known)).text
    assert whole == "Mooring costs ten dollars a night. Showers are free. Pets need a leash."
    assert decide(prompt(user("when does the bar open"), instructions=known)).text == "The bar opens at five."


def test_that_there_is_no_language_model_is_said_once() -> None:
    talk = [user("why is the sea salty")]
    first = decide(prompt(*talk)).text
    assert NO_MODEL in first
    assert "find a boat" in first.lower()
    talk += [said(first), user("who discovered america")]
    assert NO_MODEL not in decide(prompt(*talk)).text


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("hello there", "Hello"),
        ("thank you very much", "welcome"),
        ("okay goodbye", "Goodbye"),
        ("who are you", "marina"),
        ("are you a robot", "marina"),
        ("what can you do", "tide"),
        ("how are you", "well"),
        ("never mind", "Okay"),
        ("yes", "What would you like"),
        ("no", "All right"),
        ("uh", ""),
        ("stop", "Okay"),
        ("Say hello in one short sentence.", "Hello"),
    ],
)
def test_small_talk(text: str, word: str) -> None:
    got = decide(prompt(user(text), instructions="You are the voice of a marina."))
    assert word in got.text
    assert bool(word) == bool(got.text)
    assert got.calls == ()


def test_repeat() -> None:
    talk = [user("hello"), said("Ahoy, sailor."), user("could you say that again")]
    assert decide(prompt(*talk)).text == "Ahoy, sailor."


def test_an_acknowledgement_is_one_sentence_that_varies_and_promises_nothing() -> None:
    wish = "When you are about to call a tool, always speak a brief acknowledgment first."
    talk: list[Message] = []
    texts = []
    for _ in range(3):
        talk.append(user("where is boat b one two three"))
        got = decide(prompt(*talk, instructions=wish))
        assert got.calls
        assert got.text.count(".") == 1
        texts.append(got.text)
        talk += [
            said(got.text),
            *called(("c", "find_boat", '{"boat_no":"B123"}'), outputs={"c": "at sea"}),
            said("Boat B123: at sea."),
        ]
    assert len(set(texts)) == 3
    assert decide(prompt(user("where is boat b one two three"))).text == ""


def test_a_sentence_cut_in_two_by_a_pause_is_read_as_one() -> None:
    assert decide(prompt(user("where is boat b one"), user("two three"))).calls == (
        ("find_boat", {"boat_no": "B123"}),
    )


def test_an_interrupted_question_is_still_a_question() -> None:
    talk = [user("where is my boat"), said("What is the boat"), user("b one two three")]
    assert decide(prompt(*talk)).calls == (("find_boat", {"boat_no": "B123"}),)


async def test_a_slot_is_not_asked_for_for_ever() -> None:
    messages: list[Message] = [user("where is my boat")]
    texts = []
    for _ in range(5):
        text, calls = await answer(prompt(*messages))
        assert not calls
        texts.append(text)
        messages += [said(text), user("purple monkeys dancing")]
    assert sum("?" in text for text in texts[:4]) == 3
    assert len(set(texts[:3])) == 3
