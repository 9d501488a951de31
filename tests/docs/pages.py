"""Reading our Markdown pages: their fenced blocks, links and headings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/*.md", "docs/adr/*.md", "docs/behaviours/*.md", "bench/*.md")
    for path in ROOT.glob(pattern)
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. `output` is the next text block under the same heading, `heading` the nearest one above."""

    page: str
    line: int
    language: str
    code: str
    heading: str
    output: str | None

    @property
    def name(self) -> str:
        """For test ids."""
        return f"{self.page}:{self.heading}:{self.language}"


def read(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


def blocks(page: str, *languages: str) -> list[Block]:
    """The page's fenced blocks, of the given languages or all."""
    text = read(page)
    fences = list(FENCE.finditer(text))
    found = []
    for number, fence in enumerate(fences):
        above = re.findall(r"^#+ (.*)$", FENCE.sub("", text[: fence.start()]), re.MULTILINE)
        output = None
        for below in fences[number + 1 :]:
            between = FENCE.sub("", text[fence.end() : below.start()])
            if re.search(r"^#", between, re.MULTILINE):
                break
            if below[1] == "text":
                output = below[2]
                break
        line = text.count("\n", 0, fence.start()) + 1
        found.append(Block(page, line, fence[1], fence[2], above[-1] if above else "", output))
    return [block for block in found if not languages or block.language in languages]


def links(page: str) -> list[str]:
    """Targets of links and pictures, fenced blocks left out."""
    text = re.sub(r"`[^`\n]*`", "", FENCE.sub("", read(page)))
    return re.findall(r"\]\(([^)\s]+)\)", text)


def anchors(page: str) -> set[str]:
    """What `#...` may name on a page: its headings as GitHub spells them."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", read(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def matches(shown: str, printed: str) -> bool:
    """Whether a program printed what the page shows; `...` in the page stands for anything within a line,
    and for any lines where it has one to itself."""
    parts = []
    for line in shown.strip().splitlines():
        if line.strip() == "...":
            parts.append(r"(?:.*\n)*?")
        else:
            parts.append(r".*?".join(re.escape(piece) for piece in line.rstrip().split("...")) + r"[ ]*\n")
    return re.fullmatch("".join(parts), printed.strip() + "\n") is not None
