"""What README shows of the two commands has the shape of what they print."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, Block, blocks, read
from vivavoce.demo.record import FORMAT, Answering, Check, Recording
from vivavoce.demo.summary import last_lines, next_command

LARGEST_PICTURE = 400_000


def output_of(command: str) -> list[str]:
    """The lines README shows below `make ...`: its next text block."""
    shown = blocks("README.md")
    (number,) = [number for number, block in enumerate(shown) if is_command(block, command)]
    below = shown[number + 1]
    assert below.language == "text"
    return below.code.splitlines()


def is_command(block: Block, command: str) -> bool:
    return block.language == "sh" and block.code.strip() == command


def test_the_demo_still_ends_as_shown() -> None:
    lines = output_of("make demo")[-4:]
    counted = re.fullmatch(r"answered (\d+) of (\d+): (.+)", lines[0])
    measured = re.fullmatch(r"voice to voice p50 (\d+) ms", lines[1])
    assert counted
    assert measured
    names = counted[3].split(", ")
    assert counted[1] == counted[2] == str(len(names))
    recording = Recording(
        format=FORMAT,
        version="",
        seed=None,
        answering=Answering(),
        duration_ms=0,
        voice_to_voice_p50_ms=int(measured[1]),
        checks=[Check(name, True, "") for name in names],
        turns=[],
        tools=[],
        truncations=[],
        latencies=[],
        responses=[],
        errors=[],
    )
    assert last_lines(recording, Path("demo-out"), next_command(None)) == lines


def test_the_tests_still_end_as_shown() -> None:
    assert re.fullmatch(
        r"\d+ passed(, \d+ \w+)* in \d+\.\d+s( \(\d:\d\d:\d\d\))?", output_of("make test")[-1]
    )


def test_figures_are_those_that_were_measured() -> None:
    """Within a factor of two, so that measuring anew on another machine is no error; a figure of its own is."""
    section = read("README.md").split("## Figures")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (.+?) +\| ([\d.]+) (\w+) +\|", section, re.MULTILINE)
    measured = {
        name: (float(value), unit)
        for name, value, unit in re.findall(
            r"^\| (.+?) +\| ([\d.]+) (\w+) +\| <= ", read("bench/RESULTS.md"), re.MULTILINE
        )
    }
    assert len(rows) >= 4
    for name, value, unit in rows:
        assert unit == measured[name][1]
        assert 0.5 <= float(value) / measured[name][0] <= 2, name


def test_the_picture_is_there_and_small() -> None:
    picture = ROOT / "docs" / "call-page.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < LARGEST_PICTURE


@pytest.mark.parametrize("command", ["make demo", "make test"])
def test_the_two_commands_are_the_first_two(command: str) -> None:
    first = [block.code.strip() for block in blocks("README.md", "sh")][:2]
    assert command in first
