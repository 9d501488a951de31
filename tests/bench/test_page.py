"""bench/RESULTS.md: a row that is measured again takes the place of what stood there, and nothing else changes."""

from __future__ import annotations

import pytest
from bench.page import exchanged
from bench.run import RESULTS, main
from bench.sections import Section, Target


def test_a_row_is_exchanged() -> None:
    page = RESULTS.read_text("utf-8")
    name = "CPU of 100 idle sessions, share of a core"
    again = Section("Memory and idle sessions", ["All is well."], [Target(name, 0.0123, 0.05, "%")])
    new = exchanged(page, [again])
    assert "| 0.01 %" in next(line for line in new.split("\n") if line.startswith(f"| {name} "))
    before, after = page.split("\n## "), new.split("\n## ")
    assert [block.split("\n")[0] for block in before] == [block.split("\n")[0] for block in after]
    changed = [
        block.split("\n")[0] for block, now in zip(before, after, strict=True) if block.strip() != now.strip()
    ]
    assert changed == ["Targets", "Memory and idle sessions"]
    assert "All is well.\n\nMeasured again on 20" in new
    assert exchanged(new, [again]) == new


def test_a_row_that_never_stood_there_is_refused() -> None:
    with pytest.raises(ValueError, match="'Colour' is not in the page"):
        exchanged(RESULTS.read_text("utf-8"), [Section("Colour")])


def test_only_whole_figures_of_named_rows_are_kept(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--keep"], ["--keep", "--quick", "--only", "memory"]):
        with pytest.raises(SystemExit):
            main(arguments)
        assert "--keep needs --only" in capsys.readouterr().err
