"""`vivavoce keys create | list | revoke`: the API keys of a data folder."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vivavoce.server.keys import KeyRecord, KeyStore


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `vivavoce keys`."""
    parser.description = "API keys for clients of this server. Only hashes are kept, in the data folder; a running server notices changes at once."
    parser.set_defaults(name="", json=False, data_dir=None, config=None)
    _add_flags(parser)
    # A parser for each, so that the id may also stand behind the flags: argparse looks for what may be left out only once.
    actions = parser.add_subparsers(dest="action", required=True)
    for name, (_, what) in ACTIONS.items():
        action = actions.add_parser(name, help=what, description=what)
        # Taken by each, so that all that is wrong is told in one manner (`run`).
        wanted = "the id of the key" if name == "revoke" else argparse.SUPPRESS
        action.add_argument("id", nargs="?", help=wanted)
        _add_flags(action)


def _add_flags(parser: argparse.ArgumentParser) -> None:
    """Flags may stand before the action as well, and what is not given behind it must not undo those."""
    unless = argparse.SUPPRESS
    parser.add_argument("--name", default=unless, help="for create: whom or what the key is for")
    parser.add_argument("--json", action="store_true", default=unless, help="print JSON")
    parser.add_argument("--data-dir", default=unless, help="where data is kept")
    parser.add_argument(
        "--config", type=Path, default=unless, help="settings file (vivavoce.toml, where there is one)"
    )


def run(given: argparse.Namespace) -> int:
    """Do it. Exit codes: 0 done, 1 no such key or no such file, 2 wrong arguments. Raises SettingsError."""
    from vivavoce.call.settings import load_settings
    from vivavoce.server.keys import KeysError, KeyStore

    if (given.action == "revoke") != (given.id is not None):
        wrong = "revoke needs the id of a key" if given.id is None else f"{given.action} takes no id"
        print(f"vivavoce: {wrong}; `vivavoce keys list` shows them", file=sys.stderr)
        return 2
    try:
        store = KeyStore(load_settings({"data_dir": given.data_dir}, path=given.config).data_path)
        act, _ = ACTIONS[given.action]
        act(store, given)
    except KeysError as error:
        print(f"vivavoce: {error}", file=sys.stderr)
        return 1
    return 0


def _create(store: KeyStore, given: argparse.Namespace) -> None:
    record, key = store.create(given.name)
    try:
        if given.json:
            _print_json(_shown(record) | {"key": key})
        else:
            # Alone on standard output, for KEY=$(vivavoce keys create).
            print(key)
        sys.stdout.flush()
    except OSError:
        store.revoke(record.id)
        print(f"vivavoce: nobody saw the key {record.id}, so it is revoked", file=sys.stderr)
        raise
    if not given.json:
        print(f"{record.id}: shown this once, only its hash is kept.", file=sys.stderr)


def _list(store: KeyStore, given: argparse.Namespace) -> None:
    records = store.records()
    if given.json:
        _print_json({"keys": [_shown(record) for record in records]})
        return
    for record in records:
        state = f"revoked {_day(record.revoked_at)}" if record.revoked_at is not None else "active"
        print(f"{record.id}  {_day(record.created_at)}  {state:18}  {record.name}".rstrip())
    if not records:
        print("no keys yet: `vivavoce keys create` makes one", file=sys.stderr)


def _revoke(store: KeyStore, given: argparse.Namespace) -> None:
    record = store.revoke(given.id)
    if given.json:
        _print_json(_shown(record))
    else:
        print(f"{record.id} is revoked, and every client secret that was made with it.")


ACTIONS = {
    "create": (_create, "make a key and print it; it is shown this once"),
    "list": (_list, "the keys, and when they were made and revoked"),
    "revoke": (_revoke, "end a key, and every client secret that was made with it"),
}
"""What each does, and how `--help` tells it."""


def _shown(record: KeyRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "name": record.name,
        "created_at": record.created_at,
        "revoked_at": record.revoked_at,
    }


def _print_json(value: dict[str, Any]) -> None:
    print(json.dumps(value, indent=2))


def _day(seconds: int) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(seconds))
