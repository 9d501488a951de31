"""Stored prompts: looked up, filled in, and always under what the client says itself."""

from __future__ import annotations

from typing import Any

import pytest

from tests.session.rig import Rig
from vivavoce.protocol.items import InputImage, InputText, MessageItem
from vivavoce.session.effects import Generate
from vivavoce.session.prompts import StoredPrompt
from vivavoce.session.signals import AudioOut, ResponseFinished, TextDelta

PNG = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABpfZFQAAAAABJRU5ErkJggg=="
)

STORED = {
    ("desk", "1"): StoredPrompt("desk", "1", {"instructions": "You are {{name}}. Be {{ mood }}."}, {"mood": "kind"}),
    ("desk", "2"): StoredPrompt("desk", "2", {"instructions": "Version two."}),
    ("look", "1"): StoredPrompt("look", "1", {"instructions": "Describe {{photo}}."}),
    ("full", "1"): StoredPrompt(
        "full",
        "1",
        {
            "instructions": "Use the tool.",
            "tools": [{"type": "function", "name": "look_up"}],
            "max_output_tokens": 100,
            "audio": {"output": {"voice": "cedar", "speed": 1.2}, "input": {"turn_detection": {"type": "server_vad"}}},
        },
    ),
    ("plain", "1"): StoredPrompt("plain", "1", {"audio": {"output": {"voice": "cedar"}}}),
}  # fmt: skip


def find(prompt_id: str, version: str | None) -> StoredPrompt | None:
    return STORED.get((prompt_id, version or "1"))


def rig(**prompt: Any) -> Rig:
    made = Rig(find_prompt=find)
    if prompt:
        update(made, prompt=prompt)
        assert made.codes == []
    return made


def update(made: Rig, **session: Any) -> dict[str, Any]:
    made.send("session.update", session={"type": "realtime", **session})
    shown: dict[str, Any] = made.of_type("session.updated")[-1]["session"] if not made.codes else {}
    return shown


def asked(made: Rig, **response: Any) -> Any:
    made.send("response.create", **({"response": response} if response else {}))
    return made.of(Generate)[-1].request


def test_its_instructions_are_filled_in_and_shown() -> None:
    made = rig(id="desk", variables={"name": "Ada"})
    shown = made.of_type("session.updated")[-1]["session"]
    assert shown["instructions"] == "You are Ada. Be kind."
    assert shown["prompt"] == {"id": "desk", "variables": {"name": "Ada"}}
    assert asked(made).instructions == "You are Ada. Be kind."


def test_variables_are_strings_or_text_items() -> None:
    text = {"type": "input_text", "text": "Bob"}
    made = rig(id="desk", variables={"name": text, "mood": "brief"})
    assert asked(made).instructions == "You are Bob. Be brief."


def test_a_version() -> None:
    assert asked(rig(id="desk", version="2")).instructions == "Version two."


@pytest.mark.parametrize(
    ("prompt", "code", "param"),
    [
        ({"id": "nobody"}, "prompt_not_found", "session.prompt.id"),
        ({"id": "desk", "version": "9"}, "prompt_not_found", "session.prompt.version"),
        ({"id": "desk"}, "missing_required_parameter", "session.prompt.variables.name"),
        (
            {"id": "desk", "variables": {"name": "a", "age": "9"}},
            "invalid_value",
            "session.prompt.variables.age",
        ),
        ({"id": "desk", "variables": {"name": 9}}, "invalid_type", "session.prompt.variables.name"),
        (
            {"id": "desk", "variables": {"name": {"type": "input_file"}}},
            "invalid_value",
            "session.prompt.variables.name.type",
        ),
        (
            {"id": "desk", "variables": {"name": {"type": "input_text"}}},
            "missing_required_parameter",
            "session.prompt.variables.name.text",
        ),
        (
            {"id": "look", "variables": {"photo": {"type": "input_image"}}},
            "missing_required_parameter",
            "session.prompt.variables.photo.image_url",
        ),
        (
            {"id": "look", "variables": {"photo": {"type": "input_image", "image_url": "http://a/b.png"}}},
            "invalid_value",
            "session.prompt.variables.photo.image_url",
        ),
        (
            {
                "id": "look",
                "variables": {"photo": {"type": "input_image", "image_url": PNG, "detail": "best"}},
            },
            "invalid_value",
            "session.prompt.variables.photo.detail",
        ),
        ({"version": "1"}, "missing_required_parameter", "session.prompt.id"),
    ],
)
def test_a_reference_that_does_not_hold(prompt: dict[str, Any], code: str, param: str) -> None:
    made = rig()
    before = made.machine.config
    made.send(
        "session.update", event_id="u1", session={"type": "realtime", "instructions": "x", "prompt": prompt}
    )
    error = made.of_type("error")[0]["error"]
    assert (error["code"], error["param"], error["event_id"]) == (code, param, "u1")
    assert made.machine.config is before
    assert made.of_type("session.updated") == []


def test_the_clients_own_fields_win_whenever_they_were_set() -> None:
    made = rig()
    update(made, instructions="Mine.", audio={"output": {"voice": "ash"}})
    shown = update(made, prompt={"id": "full"}, max_output_tokens=7)
    assert (shown["instructions"], shown["max_output_tokens"]) == ("Mine.", 7)
    assert (shown["audio"]["output"]["voice"], shown["audio"]["output"]["speed"]) == ("ash", 1.2)
    assert [tool["name"] for tool in shown["tools"]] == ["look_up"]
    shown = update(made, tools=[])
    assert shown["tools"] == []
    assert shown["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 500


def test_null_takes_it_away() -> None:
    made = rig(id="full")
    shown = update(made, prompt=None)
    assert (shown["prompt"], shown["instructions"], shown["tools"]) == (None, "", [])
    assert shown["audio"]["output"]["voice"] == "marin"


def test_a_turn_of_its_own_waits_as_long_as_the_operator_has_set() -> None:
    made = Rig(find_prompt=find, silence_duration_ms=800)
    shown = update(made, prompt={"id": "full"})
    assert shown["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 800


def test_its_voice_is_bound_like_any_other() -> None:
    made = rig()
    asked(made)
    made.signal(TextDelta(made.generation, "Hello. "))
    from tests.session.rig import clip

    made.signal(AudioOut(made.generation, 0, clip(100)))
    made.signal(ResponseFinished(made.generation))
    update(made, prompt={"id": "plain"})
    assert made.codes == ["cannot_update_voice"]
    assert made.machine.config.prompt is None
    made.events.clear()
    update(made, prompt={"id": "desk", "version": "2"})
    assert made.codes == []


def test_an_image_stands_before_the_conversation() -> None:
    image = {"type": "input_image", "image_url": PNG, "detail": "low"}
    made = rig(id="look", variables={"photo": image})
    made.say("Well?")
    request = asked(made)
    assert request.instructions == "Describe (the image 'photo')."
    seen, said = request.context
    assert isinstance(seen, MessageItem)
    assert seen.content == [InputText(text="The image 'photo':"), InputImage(image_url=PNG, detail="low")]
    made.signal(ResponseFinished(made.generation))
    usage = made.of_type("response.done")[-1]["response"]["usage"]
    assert usage["input_token_details"]["image_tokens"] == 85
    assert said.id == made.machine.conversation.last_id


def test_a_prompt_of_one_response() -> None:
    made = rig(id="desk", variables={"name": "Ada"})
    one = asked(made, prompt={"id": "full"}, max_output_tokens=9, instructions=None)
    assert (one.instructions, one.voice, one.max_output_tokens) == ("Use the tool.", "cedar", 9)
    assert [tool.name for tool in one.tools] == ["look_up"]
    made.signal(ResponseFinished(made.generation))
    two = asked(made, prompt={"id": "full"}, instructions="Mine.", audio={"output": {"voice": "ash"}})
    assert (two.instructions, two.voice) == ("Mine.", "ash")
    made.signal(ResponseFinished(made.generation))
    image = {"type": "input_image", "image_url": PNG}
    three = asked(made, prompt={"id": "look", "variables": {"photo": image}}, conversation="none")
    assert len(three.context) == 1
    four = asked(made)
    assert (four.instructions, four.context) == ("You are Ada. Be kind.", ())


def test_an_unknown_prompt_of_a_response() -> None:
    made = rig()
    made.send("response.create", event_id="r1", response={"prompt": {"id": "nobody"}})
    error = made.of_type("error")[0]["error"]
    assert (error["code"], error["param"], error["event_id"]) == (
        "prompt_not_found",
        "response.prompt.id",
        "r1",
    )
    assert made.of_type("response.created") == []


def test_nothing_is_stored_unless_somebody_keeps_prompts() -> None:
    made = Rig()
    update(made, prompt={"id": "desk"})
    assert made.codes == ["prompt_not_found"]


def test_a_session_may_begin_with_one() -> None:
    from vivavoce.protocol.ids import IdSource
    from vivavoce.protocol.session_objects import Prompt, SessionObject
    from vivavoce.session.options import SessionOptions
    from vivavoce.session.session import RealtimeSession

    opening = SessionObject(id="s", model="m", instructions="Mine.", prompt=Prompt(id="full"))
    options = SessionOptions(find_prompt=find)
    begun = RealtimeSession(opening, IdSource("x").new, options, 0, setup={"instructions": "Mine."})
    assert (begun.config.instructions, begun.config.audio.output.voice) == ("Mine.", "cedar")
    begun = RealtimeSession(opening, IdSource("x").new, options, 0)
    assert begun.config.instructions == "Use the tool."
