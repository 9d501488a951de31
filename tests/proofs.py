"""Proofs: tests that run at a reduced size every day and at full size with `make prove`.

A test asks for the fixture `proof`, takes its sizes and its seed from it and says what came out; the full
run writes that down in docs/proofs.md."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

FULL = os.environ.get("VIVAVOCE_PROOFS") == "full"
SEED = int(os.environ.get("VIVAVOCE_PROOFS_SEED", "1"))
HEAD = """# Proofs

Written by `make prove`: the last full-size run of each proof. `make test` runs the same at a reduced size.

| proof | size | seed | result | took | date (UTC) |
|---|---|---|---|---|---|
"""


@dataclass
class Proof:
    """What one proof ran at and what it found. `full` tells which of its two sizes is in force."""

    name: str
    seed: int = SEED
    full: bool = FULL
    sizes: list[int] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)

    def size(self, reduced: int, full: int) -> int:
        """How many to run: `reduced` under `make test`, `full` under `make prove`. Goes on record."""
        chosen = full if self.full else reduced
        self.sizes.append(chosen)
        return chosen

    def result(self, finding: str) -> None:
        """What came out, in a few words: "0 raised anything but ClientError"."""
        self.findings.append(finding)

    def row(self, passed: bool, took_s: float, now: datetime | None = None) -> str:
        """The proof's line in docs/proofs.md."""
        size = " / ".join(f"{size:,}" for size in self.sizes) or "-"
        result = "; ".join(self.findings if passed else ["FAILED", *self.findings]) or "held"
        date = (now or datetime.now(UTC)).strftime("%Y-%m-%d %H:%M")
        cells = (f"`{self.name}`", size, str(self.seed), result.replace("|", "\\|"), f"{took_s:.1f} s", date)
        return f"| {' | '.join(cells)} |"


def write_rows(page: Path, rows: Iterable[str]) -> None:
    """Puts the rows into the page, each in the place of an older row of the same proof."""
    kept: dict[str, str] = {}
    if page.is_file():
        old = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
        kept = {row.split("`")[1]: row for row in old}
    kept |= {row.split("`")[1]: row for row in rows}
    page.write_text(HEAD + "\n".join(kept[name] for name in sorted(kept)) + "\n", encoding="utf-8")
