"""docs/cli.md is what the parsers say, and asking for help costs next to nothing."""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys

import pytest

import cli_docs
from tests.docs.pages import ROOT
from vivavoce.cli import make_parser

HEAVY = ("numpy", "onnxruntime", "fastapi", "pydantic", "uvicorn", "openai", "msgspec", "websockets", "httpx")
LONGEST_S = 0.3


def test_the_page_is_what_the_parsers_say() -> None:
    assert cli_docs.PAGE.read_text("utf-8") == cli_docs.page(), "run: python scripts/cli_docs.py"


def test_the_page_names_every_command_and_flag() -> None:
    page = cli_docs.PAGE.read_text("utf-8")
    (commands,) = [
        action for action in make_parser()._actions if isinstance(action, argparse._SubParsersAction)
    ]
    assert {"serve", "demo", "talk"} <= commands.choices.keys()
    for name, command in commands.choices.items():
        section = page.split(f"## vivavoce {name}\n")[1].split("\n## ")[0]
        for action in command._actions:
            if not isinstance(action, argparse._HelpAction):
                assert all(f"`{flag}" in section for flag in action.option_strings), (name, action.dest)


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from vivavoce.cli import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "serve" in run.stdout
    assert {name.split(".")[0] for name in run.stderr.split()} & set(HEAVY) == set()


def test_help_answers_in_a_moment() -> None:
    """Measured in processor time, which is the wall's on a machine that has nothing else to do."""
    seconds = []
    for _ in range(5):
        before = os.times()
        subprocess.run(
            [sys.executable, "-m", "vivavoce", "--help"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL
        )
        after = os.times()
        used = after.children_user + after.children_system
        seconds.append(used - before.children_user - before.children_system)
    assert statistics.median(seconds) < LONGEST_S


@pytest.mark.parametrize("command", ["serve", "demo", "talk"])
def test_every_command_has_help(command: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "vivavoce", command, "--help"], capture_output=True, text=True
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith(f"usage: vivavoce {command}")
