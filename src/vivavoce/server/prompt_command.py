"""`vivavoce prompt`: what a language model is told."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `vivavoce prompt`."""
    parser.description = (
        "The system message that a language model behind an endpoint (llm.url) gets with every spoken answer: a session's instructions, "
        "and the rules of speaking, which [prompt] in the settings replaces one by one."
    )
    parser.add_argument("--instructions", help="a session's instructions (those of the settings)")
    parser.add_argument("--no-tools", action="store_true", help="for a session without tools")
    parser.add_argument("--config", type=Path, help="settings file (vivavoce.toml, where there is one)")


def run(given: argparse.Namespace) -> int:
    """Print it. Raises SettingsError."""
    from vivavoce.call.settings import load_settings
    from vivavoce.engines.cascade.choice import speaking_rules

    settings = load_settings({}, path=given.config)
    rules = speaking_rules(settings)
    instructions = settings.session.instructions if given.instructions is None else given.instructions
    print(rules.instruct(instructions, not given.no_tools))
    if not settings.llm.url:
        print(
            "\n(llm.url is not set: the built-in brain answers, which is told the instructions alone.)",
            file=sys.stderr,
        )
    return 0
