"""`vivavoce serve`: run the server."""

from __future__ import annotations

import argparse

from vivavoce.server.flags import add_flags, settings_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `vivavoce serve`."""
    add_flags(parser)


def run(given: argparse.Namespace) -> int:
    """Serve until stopped. Exit codes: 0 stopped, 2 cannot start as set up, 3 could not start. Raises SettingsError."""
    from vivavoce.server.run import serve

    return serve(settings_of(given))
