"""The command line. Everything heavy is imported by the command that needs it, so that `--help` is there at once."""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from pathlib import Path

from vivavoce import __version__


def main(argv: list[str] | None = None) -> int:
    """Run a command; returns its exit code."""
    try:
        code = _run(argv)
        sys.stdout.flush()
    except KeyboardInterrupt:
        # While something is still being loaded; what runs already has its own way to end.
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # Whoever read has seen enough (`| head`). What is left must not be tried again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    return code


def _run(argv: list[str] | None) -> int:
    parser = make_parser()
    given = parser.parse_args(argv)
    if given.command is None:
        parser.print_help()
        return 0
    code: int = given.run(given)
    return code


def make_parser() -> argparse.ArgumentParser:
    """All commands and flags."""
    parser = argparse.ArgumentParser(
        prog="vivavoce",
        description="The voice server that anyone can run: OpenAI's Realtime API on your own machine.",
    )
    parser.add_argument("--version", action="version", version=f"vivavoce {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    _add_serve(commands)
    for name, help_text, module in ELSEWHERE:
        _add_elsewhere(commands, name, help_text, module)
    return parser


ELSEWHERE = (
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
"""Commands that live in rooms of their own: a module with `add_arguments(parser)` and `run(namespace) -> exit code`."""


def _add_elsewhere(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, help_text: str, module: str
) -> None:
    command = importlib.import_module(module)
    parser = commands.add_parser(name, help=help_text, description=help_text)
    command.add_arguments(parser)
    parser.set_defaults(run=command.run)


def _add_serve(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    serve = commands.add_parser("serve", help="run the server")
    serve.add_argument("--host", help="address to listen on (127.0.0.1)")
    serve.add_argument("--port", type=int, help="port to listen on (8000; 0 takes a free one)")
    serve.add_argument("--engine", choices=["cascade", "relay", "scripted"], help="what answers (cascade)")
    serve.add_argument("--llm-url", help="an OpenAI-compatible endpoint, e.g. http://127.0.0.1:11434/v1")
    serve.add_argument("--llm-model", help="the model to ask for there")
    serve.add_argument("--script", help="a script file for the scripted engine")
    serve.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes that serve, e.g. one per core (1; 0: as many as cores)",
    )
    serve.add_argument(
        "--tls", choices=["self-signed"], help="make a certificate at the first start, and keep it"
    )
    serve.add_argument("--tls-cert", metavar="FILE", help="serve https and wss with this certificate (PEM)")
    serve.add_argument("--tls-key", metavar="FILE", help="its key (PEM)")
    serve.add_argument("--max-sessions", type=int, metavar="N", help="sessions at the same time (no limit)")
    serve.add_argument("--data-dir", help="where data is kept")
    serve.add_argument(
        "--log-level",
        choices=["debug", "info", "warning", "error"],
        help="how much goes to stderr (info); debug names every event of every call and its size, never what it says",
    )
    serve.add_argument("--config", type=Path, help="settings file (vivavoce.toml, where there is one)")
    serve.set_defaults(run=run_serve)


def run_serve(given: argparse.Namespace) -> int:
    """`vivavoce serve`."""
    from vivavoce.call.settings import SettingsError, load_settings
    from vivavoce.server.run import serve

    flags = {
        "server.host": given.host,
        "server.port": given.port,
        "server.log_level": given.log_level,
        "server.workers": given.workers,
        "tls.kind": given.tls,
        "tls.cert": given.tls_cert,
        "tls.key": given.tls_key,
        "limits.max_sessions": given.max_sessions,
        "engine.kind": given.engine,
        "llm.url": given.llm_url,
        "llm.model": given.llm_model,
        "scripted.script": given.script,
        "data_dir": given.data_dir,
    }
    try:
        settings = load_settings(flags, path=given.config)
    except SettingsError as error:
        print(f"vivavoce: {error}", file=sys.stderr)
        return 2
    return serve(settings)


if __name__ == "__main__":
    raise SystemExit(main())
