"""The pages hold together: links lead somewhere, README keeps its measure, the status page is complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, anchors, blocks, links, matches, read

STATES = {"works", "partly", "not yet"}
LONGEST_README = 150


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for link in links(page):
        if link.startswith("https://"):
            continue
        assert not link.startswith("http://"), link
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), f"{page}: {link}"
        if anchor:
            assert anchor in anchors(target.resolve().relative_to(ROOT).as_posix()), f"{page}: {link}"


@pytest.mark.parametrize("page", PAGES)
def test_paths_in_backticks_exist(page: str) -> None:
    """`docs/...`, `src/...`, `tests/...`, `scripts/...`, `requirements/...` name what is there."""
    for path in re.findall(r"`((?:docs|src|tests|scripts|requirements|bench)/[^`\s]*)`", read(page)):
        assert list(ROOT.glob(path.rstrip("/"))), f"{page}: {path}"


def test_every_page_of_docs_can_be_reached_from_readme() -> None:
    reached, waiting = set(), ["README.md"]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        for link in links(page):
            target = ((ROOT / page).parent / link.partition("#")[0]).resolve()
            if target.suffix == ".md" and target.is_relative_to(ROOT) and target.exists():
                name = target.relative_to(ROOT).as_posix()
                waiting += [name] if name not in reached and name not in waiting else []
    missing = {page for page in PAGES if re.fullmatch(r"[^/]+|docs/[^/]+", page)} - reached
    assert missing == set()


def test_readme_keeps_its_measure() -> None:
    assert len(read("README.md").splitlines()) <= LONGEST_README


@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_left_to_fill_in(page: str) -> None:
    assert not re.search(r"\b(TODO|TBD|FIXME|XXX|FIGURES|OUTPUT-OF-\w+)\b", read(page))


def test_the_status_page_has_every_row_and_says_where() -> None:
    rows = re.findall(r"^\| (\d+) \| (.+?) \| (.+?) \| (.*?) ?\|$", read("docs/status.md"), re.MULTILINE)
    assert [int(number) for number, *_ in rows] == list(range(1, 31))
    for number, _, state, where in rows:
        assert state in STATES, number
        if state == "works":
            assert "](" in where, f"row {number} does not say where that can be seen"


def test_blocks_are_found_with_heading_and_output(tmp_path: Path) -> None:
    shown = [(block.language, block.output is not None) for block in blocks("docs/clients.md")]
    assert ("python", True) in shown
    assert ("sh", False) in shown
    python, node = blocks("README.md", "python", "js")
    assert python.output == node.output
    assert node.heading == "Point your program at it"


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a\nb\n", "a\nb\n", True),
        ("a\nb\n", "a\nc\n", False),
        ("a ... c\n", "a b c\n", True),
        ("a\n...\nd\n", "a\nb\nc\nd\n", True),
        ("a\n", "a\nb\n", False),
        ("a ... c", "a b\nc", False),
    ],
)
def test_dots_stand_for_anything(shown: str, printed: str, same: bool) -> None:
    assert matches(shown, printed) is same
