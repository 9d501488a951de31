"""Words that a model calls a preamble are an item of their own."""

from __future__ import annotations

from tests.session.rig import Rig, clip
from vivavoce.session.effects import Speak
from vivavoce.session.signals import (
    AudioOut,
    ClauseSpoken,
    PreambleOver,
    ResponseFinished,
    TextDelta,
    ToolCall,
)


def answered(*texts: str | None) -> Rig:
    """A spoken answer of these pieces; None is where the model says that its preamble is over."""
    rig = Rig()
    rig.say("hello")
    rig.send("response.create")
    for text in texts:
        rig.signal(PreambleOver(rig.generation) if text is None else TextDelta(rig.generation, text))
    rig.signal(ResponseFinished(rig.generation))
    spoken = 0
    while len(speaks := rig.of(Speak)) > spoken:
        clause = speaks[spoken].clause
        rig.signal(AudioOut(rig.generation, clause, clip(100)))
        rig.signal(ClauseSpoken(rig.generation, clause))
        spoken += 1
    return rig


def test_a_preamble_and_the_answer_behind_it() -> None:
    rig = answered("One ", "moment.", None, "It is four.")
    (done,) = rig.of_type("response.done")
    assert done["response"]["status"] == "completed"
    assert [(item["phase"], item["content"][0]["transcript"]) for item in done["response"]["output"]] == [
        ("commentary", "One moment."),
        ("final_answer", "It is four."),
    ]
    assert [speak.text for speak in rig.of(Speak)] == ["One moment.", "It is four."]


def test_a_preamble_of_no_words_is_none() -> None:
    rig = answered(None, "It is four.")
    (done,) = rig.of_type("response.done")
    assert [item["phase"] for item in done["response"]["output"]] == ["final_answer"]


def test_an_answer_of_several_clauses_says_all_of_them() -> None:
    rig = answered("It is four. ", "It will soon be five. ", "Then six.")
    said = "It is four. It will soon be five. Then six."
    (done,) = rig.of_type("response.done")
    (shown,) = done["response"]["output"]
    assert [speak.text for speak in rig.of(Speak)] == ["It is four. ", "It will soon be five. ", "Then six."]
    assert shown["content"] == [{"type": "output_audio", "transcript": said}]
    rig.send("conversation.item.retrieve", item_id=shown["id"])
    assert rig.of_type("conversation.item.retrieved")[0]["item"]["content"][0]["transcript"] == said


def test_an_engine_that_speaks_by_itself_is_not_spoken_over_while_its_tools_run() -> None:
    rig = Rig(speaks=True)
    rig.send("session.update", session={"type": "realtime", "vivavoce": {"preambles": "auto"}})
    rig.say("hello")
    rig.send("response.create")
    rig.signal(ToolCall(rig.generation, "look_up", "{}"))
    rig.signal(ResponseFinished(rig.generation))
    rig.tick(60_000)
    assert len(rig.of_type("response.created")) == 1
