"""The command line. Everything heavy is imported by the command that needs it, so that `--help` is there at once."""

from __future__ import annotations

import argparse
import importlib
import signal
import sys

from vivavoce import __version__
from vivavoce.call.standard_streams import (
    drop_stdout,
    is_about_output,
    show_every_character,
    stand_in_for_closed,
)


def main(argv: list[str] | None = None) -> int:
    """Run a command; returns its exit code."""
    stand_in_for_closed()
    show_every_character()
    try:
        code = _run(argv)
        sys.stdout.flush()
    except KeyboardInterrupt:
        # While something is still being loaded; what runs already has its own way to end.
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # Whoever read has seen enough (`| head`).
        drop_stdout()
        return 128 + signal.SIGPIPE
    except OSError as error:
        if not is_about_output(error):
            raise
        drop_stdout()
        print(f"vivavoce: not everything could be written: {error.strerror}", file=sys.stderr)
        return 1
    return code


def _run(argv: list[str] | None) -> int:
    parser = make_parser()
    given = parser.parse_args(argv)
    if given.command is None:
        parser.print_help()
        return 0
    return _carry_out(given)


def _carry_out(given: argparse.Namespace) -> int:
    """The command's exit code; wrong settings are one line and 2, whichever command reads them."""
    from vivavoce.call.settings import SettingsError

    try:
        code: int = given.run(given)
    except SettingsError as error:
        print(f"vivavoce: {error}", file=sys.stderr)
        return 2
    return code


def make_parser() -> argparse.ArgumentParser:
    """All commands and flags."""
    parser = argparse.ArgumentParser(
        prog="vivavoce",
        description="The voice server that anyone can run: OpenAI's Realtime API on your own machine.",
    )
    parser.add_argument("--version", action="version", version=f"vivavoce {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, help_text, module in COMMANDS:
        _add_command(commands, name, help_text, module)
    return parser


COMMANDS = (
    ("serve", "run the server", "vivavoce.server.serve_command"),
    (
        "demo",
        "hear a caller and an agent talk, with a recording and a page to look at",
        "vivavoce.demo.command",
    ),
    ("talk", "talk to a server: microphone, keyboard or WAV files", "vivavoce.talk.command"),
    ("doctor", "say what is missing on this machine, and what to do about it", "vivavoce.server.doctor"),
    ("prompt", "show what a language model is told", "vivavoce.server.prompt_command"),
    ("keys", "API keys: make, list, revoke", "vivavoce.server.keys_command"),
)
"""Each is a module with `add_arguments(parser)` and `run(namespace) -> exit code`, which may raise SettingsError."""


def _add_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, help_text: str, module: str
) -> None:
    command = importlib.import_module(module)
    parser = commands.add_parser(name, help=help_text, description=help_text)
    command.add_arguments(parser)
    parser.set_defaults(run=command.run)


if __name__ == "__main__":
    raise SystemExit(main())
