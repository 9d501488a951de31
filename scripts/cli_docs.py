"""Writes docs/cli.md out of the argument parsers: python scripts/cli_docs.py

As tables of our own, since argparse lays its help out differently from one Python to the next. A test compares the page.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from vivavoce.cli import make_parser

PAGE = Path(__file__).resolve().parent.parent / "docs" / "cli.md"
HEAD = """\
# Command line

Written by `python scripts/cli_docs.py` out of the program itself. After set-up the program is `.venv/bin/vivavoce`; `make demo` and
`make serve` hand on what stands in `ARGS="..."`. What a flag sets can be set by a variable or a file as well: [settings](settings.md).
"""


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *_program(make_parser())]) + "\n"


def _program(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, command in action.choices.items():
                yield from _command(name, helps[name], command)


def _command(name: str, what: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    yield f"## vivavoce {name}\n"
    yield f"{_sentence(parser.description or what)}\n"
    for group in parser._action_groups:
        actions = [action for action in group._group_actions if not isinstance(action, argparse._HelpAction)]
        if not actions:
            continue
        titled = group.title if group.title not in ("options", "positional arguments") else None
        if titled:
            yield f"{titled[:1].upper()}{titled[1:]}:\n"
        yield "| flag | |\n|---|---|"
        for action in actions:
            yield from _actions(action) if isinstance(action, argparse._SubParsersAction) else [_row(action)]
        yield ""
    if parser.epilog:
        yield from _epilog(parser.epilog)


def _actions(of: argparse._SubParsersAction[argparse.ArgumentParser]) -> Iterator[str]:
    """What a command does, one by one, each with what it takes besides the command's flags."""
    for choice in of._choices_actions:
        taken = of.choices[choice.dest]._get_positional_actions()
        names = [choice.dest, *(action.dest.upper() for action in taken if action.help != argparse.SUPPRESS)]
        yield f"| `{' '.join(names)}` | {choice.help} |"


def _row(action: argparse.Action) -> str:
    flags = ", ".join(f"`{option}{_value(action)}`" for option in action.option_strings or [action.dest])
    given = vars(action) | {"prog": "vivavoce"}
    return f"| {flags} | {((action.help or '') % given).replace('|', chr(92) + '|')} |"


def _value(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    if action.choices is not None:
        return " " + "|".join(str(choice) for choice in action.choices).replace("|", "\\|")
    metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    return " " + metavar.replace("|", "\\|")


def _epilog(text: str) -> Iterator[str]:
    for paragraph in text.split("\n\n"):
        lines = paragraph.splitlines()
        if any(line.startswith("  ") for line in lines):
            yield _sentence(lines[0]) + "\n"
            yield "```text\n" + "\n".join(line.removeprefix("  ") for line in lines[1:]) + "\n```\n"
        else:
            yield "\n".join(lines) + "\n"


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", ":")) else text + "."


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
