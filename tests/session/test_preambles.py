"""Words that a model calls a preamble are an item of their own."""

from __future__ import annotations

from tests.session.rig import Rig, clip
from vivavoce.session.effects import Speak
from vivavoce.session.signals import AudioOut, ClauseSpoken, PreambleOver, ResponseFinished, TextDelta


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
