import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.engines.cascade.tts import parts
from vivavoce.engines.cascade.tts.collector import SpokenWord
from vivavoce.engines.cascade.tts.delivery import Delivery, PartSink
from vivavoce.engines.cascade.tts.text import read_aloud
from vivavoce.session.signals import Mark


def test_a_short_clause_stays_whole() -> None:
    words = read_aloud("Your order is shipped, arriving Tuesday.")
    assert parts.cut(words) == [words]
    assert parts.cut(()) == []


def test_a_long_text_is_cut_at_its_own_pauses_first() -> None:
    text = (
        "The next meeting is with the robotics people in twelve minutes, and the open blocker is a review. "
        "Nobody wanted that it takes so long because every single one of us has got other things to do today"
    )
    cut = [" ".join(word.text for word in part) for part in parts.cut(read_aloud(text))]
    assert cut[0].endswith("minutes,")
    assert cut[1].endswith("review.")
    assert cut[2].endswith("long")
    assert cut[3].startswith("because")


@given(st.lists(st.sampled_from(["a", "b,", "and", "c.", "dd"]), max_size=120))
def test_cutting_loses_nothing_and_keeps_the_limit(texts: list[str]) -> None:
    words = [SpokenWord(text, end) for end, text in enumerate(texts, 1)]
    cut = parts.cut(words)
    assert [word for part in cut for word in part] == words
    assert all(0 < len(part) <= parts.MOST_WORDS for part in cut)


def test_pauses_follow_the_signs() -> None:
    lengths = [parts.pause_ms([SpokenWord(word, 1)], last) for word, last in
               (("end.", False), ("end?", True), ("so;", False), ("so,", False), ("so", True), ("so", False))]  # fmt: skip
    assert lengths == [120, 120, 100, 70, 40, 0]


def deliver(to_hz: int, marks: list[Mark], sizes: list[int]) -> list[tuple[bytes, list[Mark]]]:
    sent: list[tuple[bytes, list[Mark]]] = []
    delivery = Delivery(to_hz, lambda pcm, found: sent.append((pcm, found)))
    delivery.begin(16_000)
    for char_end, sample in marks:
        delivery.mark(char_end, sample)
    for size in sizes:
        delivery.audio(b"\1\0" * size)
    delivery.finish()
    return sent


@given(
    to_hz=st.sampled_from([8_000, 16_000, 24_000, 48_000]),
    sizes=st.lists(st.integers(0, 3000), min_size=1, max_size=8),
    places=st.lists(st.integers(0, 20_000), max_size=8),
)
def test_pieces_are_short_and_carry_the_marks_that_fall_into_them(
    to_hz: int, sizes: list[int], places: list[int]
) -> None:
    total = sum(sizes)
    marks = [(char_end, min(sample, total)) for char_end, sample in enumerate(sorted(places), 1)]
    sent = deliver(to_hz, marks, sizes)
    assert sum(len(pcm) // 2 for pcm, _ in sent) == (2 * total * to_hz + 16_000) // 32_000
    assert all(0 < len(pcm) <= 2 * to_hz // 10 for pcm, _ in sent)
    if not sent:
        return
    assert [char_end for _, found in sent for char_end, _ in found] == [char_end for char_end, _ in marks]
    end = 0
    for number, (pcm, found) in enumerate(sent, 1):
        start, end = end, end + len(pcm) // 2 * (48_000 // to_hz)
        for _, ticks in found:
            assert start <= ticks <= end or (number == 1 and ticks == 0)


def test_a_mark_that_says_nothing_new_is_left_out() -> None:
    assert [found for _, found in deliver(16_000, [(3, 100), (3, 200), (2, 300), (5, 400)], [800])] == [
        [(3, 300), (5, 1200)]
    ]


def test_gain_clips_instead_of_wrapping() -> None:
    sent: list[bytes] = []
    delivery = Delivery(16_000, lambda pcm, _: sent.append(pcm))
    delivery.begin(16_000)
    delivery.audio(np.array([20_000, -20_000, 100], "<i2").tobytes(), gain=2.0)
    delivery.finish()
    assert np.frombuffer(b"".join(sent), "<i2").tolist() == [32_767, -32_768, 200]


def test_nothing_said_sends_nothing() -> None:
    sent: list[bytes] = []
    Delivery(16_000, lambda pcm, _: sent.append(pcm)).finish()
    assert sent == []


def test_a_clause_keeps_one_rate() -> None:
    delivery = Delivery(16_000, lambda pcm, marks: None)
    delivery.begin(22_050)
    with pytest.raises(ValueError, match="16000 Hz after 22050 Hz"):
        delivery.begin(16_000)


def test_part_of_a_word_is_part_of_its_characters() -> None:
    sent: list[Mark] = []
    delivery = Delivery(16_000, lambda _, marks: sent.extend(marks))
    sink = PartSink([SpokenWord("hello", 15), SpokenWord("there", 21)], 10, delivery, lambda: None)
    sink.begin(16_000)
    for count in (0.4, 1, 1.5, 2, 3):
        sink.said(count, int(count * 100))
    sink.audio(bytes(1000))
    delivery.finish()
    assert sent == [(12, 120), (15, 300), (18, 450), (21, 600)]
