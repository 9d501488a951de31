"""The flags of whatever takes the settings of a server: `serve`, which uses them, and `doctor`, which looks whether it could."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vivavoce.call.settings import Settings

FLAGS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("--host", "server.host", {"help": "address to listen on (127.0.0.1)"}),
    ("--port", "server.port", {"type": int, "help": "port to listen on (8000; 0 takes a free one)"}),
    (
        "--engine",
        "engine.kind",
        {"choices": ["cascade", "relay", "scripted"], "help": "what answers (cascade)"},
    ),
    ("--llm-url", "llm.url", {"help": "an OpenAI-compatible endpoint, e.g. http://127.0.0.1:11434/v1"}),
    ("--llm-model", "llm.model", {"help": "the model to ask for there"}),
    ("--script", "scripted.script", {"help": "a script file for the scripted engine"}),
    (
        "--workers",
        "server.workers",
        {
            "type": int,
            "metavar": "N",
            "help": "processes that serve, e.g. one per core (1; 0: as many as cores)",
        },
    ),
    (
        "--tls",
        "tls.kind",
        {"choices": ["self-signed"], "help": "make a certificate at the first start, and keep it"},
    ),
    (
        "--tls-cert",
        "tls.cert",
        {"metavar": "FILE", "help": "serve https and wss with this certificate (PEM)"},
    ),
    ("--tls-key", "tls.key", {"metavar": "FILE", "help": "its key (PEM)"}),
    (
        "--max-sessions",
        "limits.max_sessions",
        {"type": int, "metavar": "N", "help": "sessions at the same time (no limit)"},
    ),
    ("--data-dir", "data_dir", {"help": "where data is kept"}),
    (
        "--log-level",
        "server.log_level",
        {
            "choices": ["debug", "info", "warning", "error"],
            "help": "how much goes to stderr (info); debug names every event of every call and its size, never what it says",
        },
    ),
)
"""Each flag, the setting that it is for, and how it is read."""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add every flag, and `--config`."""
    for flag, _, reading in FLAGS:
        parser.add_argument(flag, **reading)
    parser.add_argument("--config", type=Path, help="settings file (vivavoce.toml, where there is one)")


def settings_of(given: argparse.Namespace) -> Settings:
    """The settings with the flags that were given. Raises SettingsError."""
    from vivavoce.call.settings import load_settings

    flags = {setting: getattr(given, flag[2:].replace("-", "_")) for flag, setting, _ in FLAGS}
    return load_settings(flags, path=given.config)
