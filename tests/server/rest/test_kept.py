"""What clients may come back to, and for how long."""

from __future__ import annotations

from vivavoce.server.rest.kept import Drop, Find, Get, Put, Shelf


def held(shelf: Shelf, *names: str, owner: str = "one") -> list[bytes | None]:
    return [shelf.do(Get(owner, name)) for name in names]


def test_what_is_looked_at_stays_longer() -> None:
    shelf = Shelf(most=2, most_bytes=100)
    for name in ("a", "b"):
        shelf.do(Put("one", name, name.encode()))
    assert held(shelf, "a") == [b"a"]
    shelf.do(Put("one", "c", b"c"))
    assert held(shelf, "a", "b", "c") == [b"a", None, b"c"]


def test_there_is_room_for_so_many_bytes() -> None:
    shelf = Shelf(most=10, most_bytes=10)
    for name in ("a", "b", "c"):
        shelf.do(Put("one", name, name.encode() * 4))
    assert held(shelf, "a", "b", "c") == [None, b"bbbb", b"cccc"]
    shelf.do(Drop("one", "b"))
    shelf.do(Put("one", "c", b"c" * 6))  # in the place of what it was
    shelf.do(Put("one", "d", b"dddd"))
    assert held(shelf, "c", "d") == [b"cccccc", b"dddd"]


def test_what_is_too_large_drives_nobody_out() -> None:
    shelf = Shelf(most=10, most_bytes=10)
    shelf.do(Put("one", "a", b"aaaa"))
    shelf.do(Put("one", "b", b"b" * 11))
    assert held(shelf, "a", "b") == [b"aaaa", None]


def test_an_item_is_found_in_the_newest_that_holds_it_and_for_its_owner_alone() -> None:
    shelf = Shelf(most=10, most_bytes=100)
    shelf.do(Put("one", "a", b"older", ("item_1", "item_2")))
    shelf.do(Put("one", "b", b"newer", ("item_2",)))
    found = [shelf.do(Find(owner, item)) for owner in ("one", "two") for item in ("item_1", "item_2")]
    assert found == [b"older", b"newer", None, None]
    assert held(shelf, "a", owner="two") == [None]
