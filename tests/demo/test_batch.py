"""Many calls: when they are good enough."""

from __future__ import annotations

import io

import pytest

from vivavoce.demo.batch import Outcome, _totals


def outcome(*, tools: bool = True, first: bool = True) -> Outcome:
    called = ("A1001",) if first else ("A1007", "A1001")
    return Outcome(1, "A1001", called, tools, account=True, answered=7 if tools else 6, asked=7)


@pytest.mark.parametrize(
    ("tools", "first", "code"), [(18, 16, 0), (20, 20, 0), (17, 20, 1), (20, 15, 1), (0, 0, 1)]
)
def test_a_batch_has_to_reach_its_shares(tools: int, first: int, code: int) -> None:
    stream = io.StringIO()
    outcomes = [outcome(tools=number < tools, first=number < first) for number in range(20)]
    assert _totals(outcomes, stream) == code
    assert stream.getvalue().splitlines() == [
        f"tools right {tools} of 20 (wanted 90%)",
        f"ids right {first} of 20 at once, 20 of 20 in the end (wanted 80% at once)",
        f"accounts right 20 of 20; everything answered in {tools} of 20 calls",
    ]
