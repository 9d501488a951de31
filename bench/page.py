"""bench/RESULTS.md: written whole, or with some rows exchanged."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import vivavoce
from bench.figures import table
from bench.place import cores, machine
from bench.sections import Section, Target
from bench.trial import Conditions

_HEAD = ("figure", "measured", "target", "ratio", "met")
_TARGETS = "Targets"


def written(found: list[Section], conditions: Conditions, seconds: float, busiest: float) -> str:
    """The whole page."""
    targets: list[Target] = [target for section in found for target in section.targets]
    _, client_core = cores()
    split = (
        "the server with all its children on one core, the client on the other, and on the client's core, behind everybody, callers who come and go"
        if client_core is not None
        else ("ONE core for server and client together: no figure of the server alone")
    )
    priority = " Both had real-time priority." if conditions.first else ""
    times = "median of 3 runs" if conditions.repeats == 3 else f"{conditions.repeats} run(s)"
    parts = [
        "# Measured\n",
        "Printed and written by `make bench`; how is in docs/adr/0015-measuring.md.\n",
        f"{datetime.now(UTC):%Y-%m-%d}, vivavoce {vivavoce.__version__}, {seconds / 60:.0f} minutes. {machine()}.",
        f"Conditions: {split}; {times}.{priority} Before the first run others used {busiest:.0%} of the busiest core.\n",
        f"## {_TARGETS}\n",
        table(_HEAD, [target.line for target in targets]),
    ]
    for section in found:
        parts += [f"\n## {section.title}\n", "\n\n".join(section.text)]
    return "\n".join(parts)


def exchanged(page: str, found: list[Section]) -> str:
    """The page with these sections, and their lines among the targets, in the place of those that stand there.

    Raises ValueError where one of them does not: that row has never been part of a whole run.
    """
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    head, *blocks = re.split(r"^## ", page, flags=re.MULTILINE)
    standing = dict(block.split("\n", 1) for block in blocks)
    lines = [
        tuple(cell.strip() for cell in line.split("|")[1:-1]) for line in standing[_TARGETS].split("\n")[3:]
    ]
    targets = {line[0]: line for line in lines if line}
    for section in found:
        if section.title not in standing:
            raise ValueError(f"{section.title!r} is not in the page")
        text = "\n\n".join([*section.text, f"Measured again on {day}, by itself."])
        standing[section.title] = f"\n{text}\n\n"
        targets |= {target.line[0]: tuple(target.line) for target in section.targets}
    standing[_TARGETS] = f"\n{table(_HEAD, list(targets.values()))}\n\n"
    return (head + "".join(f"## {title}\n{text}" for title, text in standing.items())).rstrip() + "\n"
