"""The small machines by themselves."""

from __future__ import annotations

import itertools

import pytest

from tests.session.rig import clip, ticks
from vivavoce.audio.clip import Clip
from vivavoce.protocol.items import InputText, MessageItem
from vivavoce.session.clauses import ClauseCutter
from vivavoce.session.clock import TurnClock
from vivavoce.session.conversation import ROOT, Conversation
from vivavoce.session.deadlines import Deadlines
from vivavoce.session.input_buffer import InputBuffer
from vivavoce.session.item_audio import ItemAudio
from vivavoce.session.playback import Playback
from vivavoce.session.preambles import PreambleWords


def said(item_id: str) -> MessageItem:
    return MessageItem(id=item_id, role="user", content=[InputText(text=item_id)])


# --- deadlines ----------------------------------------------------------------------------------------------------------


def test_deadlines_fire_in_order_and_once() -> None:
    deadlines = Deadlines()
    assert deadlines.next() is None
    deadlines.set("expiry", 30)
    deadlines.set("lead", 20)
    deadlines.set("filler", 10)
    assert deadlines.next() == 10
    assert deadlines.due(9) == []
    assert deadlines.due(20) == ["filler", "lead"]
    assert deadlines.due(20) == []
    assert deadlines.next() == 30


def test_a_deadline_moves_when_it_is_set_again_and_goes_when_it_is_cleared() -> None:
    deadlines = Deadlines()
    deadlines.set("lead", 20)
    deadlines.set("lead", 40)
    assert deadlines.due(30) == []
    deadlines.clear("lead")
    deadlines.clear("lead")
    assert deadlines.next() is None


# --- the conversation ---------------------------------------------------------------------------------------------------


def test_items_are_put_first_last_and_behind() -> None:
    conversation = Conversation("conv_1")
    assert conversation.last_id is None
    assert conversation.insert(said("b")) is None
    assert conversation.insert(said("c"), None) == "b"
    assert conversation.insert(said("a"), ROOT) is None
    assert conversation.insert(said("b2"), "b") == "b"
    assert [item.id for item in conversation.items()] == ["a", "b", "b2", "c"]
    assert conversation.last_id == "c"
    assert [conversation.predecessor(item_id) for item_id in ("a", "b2")] == [None, "b"]
    conversation.remove("b")
    assert "b" not in conversation
    assert conversation.predecessor("b2") == "a"


# --- input buffer -------------------------------------------------------------------------------------------------------


def test_the_input_buffer_counts_and_cuts() -> None:
    held = InputBuffer(cap_s=60)
    frames = [held.append(clip(20)) for _ in range(5)]
    assert [frame.start for frame in frames] == [ticks(20 * n) for n in range(5)]
    assert held.buffered == ticks(100)
    since = held.since(ticks(30))
    assert (since[0].start, since[0].clip.ticks) == (ticks(30), ticks(10))
    assert sum(frame.clip.ticks for frame in since) == ticks(70)
    held.trim(ticks(40))
    assert held.since(0)[0].start == ticks(40)
    assert sum(frame.clip.ticks for frame in held.commit(ticks(60))) == ticks(40)
    assert (held.buffered, held.open_from, held.since(0)) == (0, ticks(100), ())


def test_the_input_buffer_holds_no_more_than_its_cap() -> None:
    held = InputBuffer(cap_s=1)
    for _ in range(200):
        held.append(clip(20))
    assert sum(frame.clip.ticks for frame in held.since(0)) == ticks(1000)
    assert held.buffered == ticks(4000)


# --- item audio ---------------------------------------------------------------------------------------------------------


def test_item_audio_is_whole_or_not_there() -> None:
    audio = ItemAudio(item_s=1, call_bytes=1_000_000)
    audio.add("a", [clip(500), clip(500)])
    assert audio.recall("a") == Clip(clip(500).pcm * 2, 24_000)
    audio.add("a", [clip(20)])
    assert audio.recall("a") is None
    assert audio.ticks("a") == ticks(1020)
    assert audio.recall("b") is None
    assert audio.ticks("b") == 0


def test_the_oldest_item_loses_its_audio_first() -> None:
    second = len(clip(1000).pcm)
    audio = ItemAudio(item_s=60, call_bytes=2 * second)
    for name in ("a", "b", "c"):
        audio.add(name, [clip(1000)])
    assert audio.recall("a") is None
    assert audio.ticks("a") == ticks(1000)
    assert audio.recall("b") is not None
    assert audio.recall("c") is not None


def test_one_large_item_may_cost_several_small_ones_their_audio() -> None:
    second = len(clip(1000).pcm)
    audio = ItemAudio(item_s=60, call_bytes=3 * second)
    for name in ("a", "b", "c"):
        audio.add(name, [clip(1000)])
    audio.add("d", [clip(2000)])
    assert [name for name in "abcd" if audio.recall(name) is not None] == ["c", "d"]


def test_an_item_larger_than_the_call_may_hold_is_not_kept() -> None:
    audio = ItemAudio(item_s=60, call_bytes=100)
    audio.add("a", [clip(1000)])
    assert audio.recall("a") is None
    audio.add("b", [clip(2)])
    assert audio.recall("b") == clip(2)


def test_audio_at_two_rates_is_not_one_clip() -> None:
    audio = ItemAudio(item_s=60, call_bytes=1_000_000)
    audio.add("a", [clip(20), clip(20, 8000)])
    assert audio.recall("a") is None
    assert audio.ticks("a") == ticks(40)


def test_item_audio_is_cut() -> None:
    audio = ItemAudio(item_s=1, call_bytes=1_000_000)
    audio.add("a", [clip(500), clip(100)])
    audio.cut("a", ticks(550))
    assert audio.recall("a") == clip(550)
    audio.add("b", [clip(1000), clip(100)])
    audio.cut("b", ticks(1050))
    assert audio.recall("b") is None
    assert audio.ticks("b") == ticks(1050)
    audio.drop("a")
    audio.drop("a")
    assert audio.ticks("a") == 0


# --- playback -----------------------------------------------------------------------------------------------------------


def playback() -> Playback:
    return Playback(ItemAudio(60, 10_000_000))


def test_the_lead_shrinks_as_the_caller_listens() -> None:
    player = playback()
    player.play("a", clip(1000), (), 5000)
    player.play("a", clip(1000), (), 5100)
    assert player.lead_ms(5100) == 1900
    assert player.lead_ms(8000) == 0
    player.play("a", clip(100), (), 9000)
    assert player.lead_ms(9000) == 100
    player.flush()
    assert player.lead_ms(9000) == 0


def test_nothing_is_known_of_an_item_that_was_never_played() -> None:
    player = playback()
    player.finish("x")
    player.cut("x", 5)
    assert (player.sent("x"), player.words_until("x", 5)) == (0, "")
    assert not player.anything_sent


@pytest.mark.parametrize(
    ("position_ms", "words"),
    [(0, ""), (499, ""), (500, "one"), (999, "one"), (1000, "one two"), (1500, "one two three")],
)
def test_words_end_where_their_marks_are(position_ms: int, words: str) -> None:
    player = playback()
    player.say("a", "one two ")
    player.play("a", clip(1000), ((3, ticks(500)), (7, ticks(1000))), 0)
    player.say("a", "three")
    player.play("a", clip(500), ((5, ticks(500)),), 0)
    assert player.words_until("a", ticks(position_ms)) == words


def test_a_number_is_heard_whole_or_not_at_all() -> None:
    player = playback()
    player.say("a", "It is 21, really.")
    player.play("a", clip(1000), ((5, ticks(200)), (7, ticks(400)), (8, ticks(600)), (17, ticks(1000))), 0)
    assert [player.words_until("a", ticks(at)) for at in (300, 450, 700)] == ["It is", "It is", "It is 21"]


def test_what_is_whole_keeps_every_word() -> None:
    player = playback()
    player.say("a", "one two. ")
    player.play("a", clip(1000), (), 0)
    assert player.words_until("a", ticks(1000)) == "one two."
    player.finish("a")
    assert player.words_until("a", ticks(1000)) == "one two. "


# --- clauses ------------------------------------------------------------------------------------------------------------

TEXTS = [
    "Hello there. How are you?",
    "Dr. Smith is in. He waits at 3.5 km, No. 7, e.g. here.",
    "One, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, thirteen, fourteen, fifteen.",
    "A first clause that is rather long, and then a second one that goes on for quite a while, and a third.",
    "你好。我在这里。",
    '"Stop!" he said... and then? Nothing.\nNew line',
    "",
    "   ",
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_clauses_joined_are_the_text(text: str, size: int) -> None:
    cutter = ClauseCutter()
    clauses = [clause for at in range(0, len(text), size) for clause in cutter.push(text[at : at + size])]
    clauses += cutter.flush()
    assert "".join(clauses) == text


def test_clauses_end_at_sentences_and_late_commas() -> None:
    cutter = ClauseCutter()
    text = "Yes. Dr. Smith is here, at 3.5 km. Come in"
    assert cutter.push(text) == ["Yes. ", "Dr. Smith is here, at 3.5 km. "]
    assert cutter.flush() == ["Come in"]
    assert cutter.push("A first clause may end at a comma, since it is early. ") == [
        "A first clause may end at a comma, ",
        "since it is early. ",
    ]


def test_a_full_stop_at_the_end_may_still_become_a_number() -> None:
    cutter = ClauseCutter()
    assert cutter.push("It is 3.") == []
    assert cutter.push("5 km. ") == ["It is 3.5 km. "]


@pytest.mark.parametrize("size", [1, 4, 1000])
@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("Am 3. Oktober, dem 2. im Monat. Es sind 3,5 Mio. Euro.", ["Am 3. Oktober, dem 2. im Monat. ", "Es sind 3,5 Mio. Euro."]),
        ("It is 4. Maintenance is at 5. November", ["It is 4. ", "Maintenance is at 5. November"]),
        ("It is 4. Dr", ["It is 4. ", "Dr"]),
        ("Call 555. 0199. Then wait. It is 3. Five more.", ["Call 555. 0199. ", "Then wait. ", "It is 3. ", "Five more."]),
        ("He left the U.S. army. Yes.", ["He left the U.S. army. ", "Yes."]),
        ("On Jan. 5 at 3 p.m. we meet (e.g. here). Bye.", ["On Jan. 5 at 3 p.m. we meet (e.g. here). ", "Bye."]),
        ("Options:\n1. Pay now.\n2. Wait.", ["Options:\n", "1. Pay now.\n", "2. Wait."]),
        ("The code is now 1234, 5678, 9012 at 10: 30, thanks.", ["The code is now 1234, 5678, 9012 at 10: 30, ", "thanks."]),
        ("您的订单已经发货了，预计星期二到达。还有吗？", ["您的订单已经发货了，", "预计星期二到达。", "还有吗？"]),
        ("สวัสดีครับ ผมชื่อสมชาย ยินดีที่ได้รู้จัก วันนี้อากาศดี", ["สวัสดีครับ ผมชื่อสมชาย ยินดีที่ได้รู้จัก ", "วันนี้อากาศดี"]),
        ("यह ठीक है। क्या?", ["यह ठीक है।", " क्या?"]),
        ("مرحبا، كيف حالك؟ أنا بخير.", ["مرحبا، كيف حالك؟ ", "أنا بخير."]),
    ],
)  # fmt: skip
def test_clauses_do_not_end_inside_numbers_or_abbreviations_in_any_language(
    text: str, clauses: list[str], size: int
) -> None:
    cutter = ClauseCutter()
    found = [clause for at in range(0, len(text), size) for clause in cutter.push(text[at : at + size])]
    assert found + cutter.flush() == clauses


def test_a_text_without_any_boundary_is_cut_between_words_or_letters() -> None:
    cutter = ClauseCutter()
    assert [len(clause) for clause in cutter.push("word " * 150)] == [300, 300]
    cutter.flush()
    assert cutter.push("ก" * 299 + "ก็" + "ก" * 10) == ["ก" * 299 + "ก็"]
    cutter.flush()
    assert cutter.push(" " * 301) == [" " * 300]
    cutter.flush()
    assert cutter.push("ก" + "\u0e31" * 300) == ["ก" + "\u0e31" * 300]


# --- the rest -----------------------------------------------------------------------------------------------------------


def test_the_clock_keeps_first_times() -> None:
    clock = TurnClock()
    clock.mark("created", 100)
    clock.mark("llm_first_token", 130)
    clock.mark("llm_first_token", 190)
    assert clock.shown()["clock"] == {"created": 0, "llm_first_token": 30}
    clock.mark("speech_end", 50)
    assert clock.shown()["clock"]["created"] == 50
    clock.discard()
    assert "llm_first_token" not in clock.shown()["clock"]
    assert clock.shown()["prepared"] == {"adopted": False, "discarded": 1}


def test_no_two_preambles_in_a_row_are_alike() -> None:
    words = PreambleWords()
    spoken = [words.next("auto") for _ in range(12)]
    assert all(one != other for one, other in itertools.pairwise(spoken))
