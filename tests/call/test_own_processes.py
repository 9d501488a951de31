"""Processes of our own, wherever the program is run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from vivavoce.call.own_processes import command_for, environment


def test_a_file_beside_the_caller_is_not_taken_for_a_module_of_ours(tmp_path: Path) -> None:
    (tmp_path / "argparse.py").write_text("raise SystemExit('not ours')")
    ran = subprocess.run(
        [*command_for("vivavoce"), "--version"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert (ran.returncode, ran.stdout.split()[0], ran.stderr) == (0, "vivavoce", "")


def test_a_child_imports_from_where_we_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Also from the folder that was the working one when we were started."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", "/code"])
    assert environment()["PYTHONPATH"] == f"{tmp_path}:/code"
