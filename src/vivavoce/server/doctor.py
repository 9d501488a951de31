"""`vivavoce doctor`: what would keep the server from starting or from answering, each with its fix."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vivavoce.server.flags import add_flags, settings_of

if TYPE_CHECKING:
    from vivavoce.server.checks.finding import Finding

_MARKS = {"ok": "ok  ", "warning": "note", "failed": "FAIL"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `vivavoce doctor`."""
    parser.description = (
        "Look for what would keep the server from starting or from answering, and say what to do about it. Takes the flags and "
        "settings that `vivavoce serve` would. Nothing is changed. Exit codes: 0 nothing that stops it, 1 something does, 2 the settings cannot be."
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_flags(parser)


def run(given: argparse.Namespace) -> int:
    """Look, tell, and return the exit code. Raises SettingsError."""
    from vivavoce.server.checks import look

    findings: list[Finding] = []
    for finding in look(settings_of(given)):
        findings.append(finding)
        if not given.json:
            print(_line(finding), flush=True)
    failed = sum(finding.state == "failed" for finding in findings)
    if given.json:
        print(_as_json(findings, failed))
    else:
        have = "has" if failed == 1 else "have"
        wrong = f"{failed} of {len(findings)} {have} to be mended"
        print(f"\n{wrong if failed else 'nothing stands in the way'}")
    return 1 if failed else 0


def _line(finding: Finding) -> str:
    line = f"{_MARKS[finding.state]}  {finding.name:<15} {finding.found}"
    return f"{line}\n      {'':<15} -> {finding.fix}" if finding.fix else line


def _as_json(findings: Sequence[Finding], failed: int) -> str:
    checks = [
        {"name": finding.name, "state": finding.state, "found": finding.found, "fix": finding.fix or None}
        for finding in findings
    ]
    return json.dumps({"ok": not failed, "checks": checks}, indent=1)
