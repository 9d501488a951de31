import re

import pytest

from vivavoce.protocol.ids import IdSource


@pytest.mark.parametrize("kind", ["event", "sess", "conv", "item", "resp"])
def test_ids_have_the_documented_shape(kind: str) -> None:
    assert re.fullmatch(kind + "_[0-9A-Za-z]{21}", IdSource("seed").new(kind))


def test_call_ids_are_shorter() -> None:
    assert re.fullmatch("call_[0-9A-Za-z]{16}", IdSource("seed").new("call"))


def test_the_same_seed_gives_the_same_ids() -> None:
    kinds = ["item", "event", "event", "call", "resp"]
    one, other = IdSource("seed"), IdSource("seed")
    assert [one.new(kind) for kind in kinds] == [other.new(kind) for kind in kinds]


def test_no_two_ids_are_equal() -> None:
    ids = IdSource("seed")
    bodies = {ids.new("item").removeprefix("item_") for _ in range(200_000)}
    assert len(bodies) == 200_000


def test_seeds_keep_apart() -> None:
    drawn = [IdSource(f"seed {number}").new(kind) for number in range(5_000) for kind in ("item", "call")]
    assert len(set(drawn)) == len(drawn)


def test_neighbours_do_not_look_alike() -> None:
    ids = IdSource("seed")
    first, second = ids.new("item"), ids.new("item")
    assert sum(a != b for a, b in zip(first[-10:], second[-10:], strict=True)) >= 6
