"""Client secrets: short-lived credentials that carry a session's configuration (protocol reference 1.4).

They are kept in a table of the data folder, so that every process that shares it knows them, and the configuration, which may hold
credentials for somebody else (MCP servers), is sealed with the secret itself: without it the table tells nothing (docs/adr/0027).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from vivavoce.call.owner import Owner
from vivavoce.protocol.locks import Lock
from vivavoce.server.keys import new_token

FILE: Final = "client_secrets.sqlite3"
FORM: Final = re.compile(r"ek_[0-9A-Za-z]{40}")
"""What a secret of ours looks like: never taken for "any bearer", however little a server asks of its clients."""
FORGOTTEN_AFTER_S: Final = 3600
"""For so long a secret that has run out is told apart from one that never was."""

Kind = Literal["realtime", "transcription", "translation"]

Row = tuple[str, int, bytes]

_TABLE = """
CREATE TABLE IF NOT EXISTS secrets (
    id BLOB PRIMARY KEY, key_id TEXT NOT NULL, expires_at INTEGER NOT NULL, sealed BLOB NOT NULL
) WITHOUT ROWID
"""


class SecretsError(Exception):
    """The table cannot be read or written; the message says which file and why, and no secret."""


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """How sessions begin that are opened with a secret.

    `session`: what is merged into the server's own session, in the words of `session.update`; `model`: null where the secret named
    none; `lock`: what the client may not widen.
    """

    kind: Kind = "realtime"
    model: str | None = None
    session: dict[str, Any] = {}
    lock: Lock = ()


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """A secret that is good, without its value."""

    owner: Owner
    expires_at: int
    opening: Opening


class ClientSecrets:
    """The table. Every call opens it anew: that costs a tenth of a millisecond and nothing is held between processes."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE

    def mint(self, key_id: str, opening: Opening, ttl_s: int) -> tuple[str, int]:
        """A new secret of a key: its value, returned this once, and when it runs out, in seconds since 1970.

        Raises SecretsError.
        """
        value, now_s = new_token("ek_", 40), int(time.time())
        row = (_row_id(value), key_id, now_s + ttl_s, _seal(value, msgspec.json.encode(opening)))
        self._make()
        with self._open() as table:
            table.execute(_TABLE)
            table.execute("DELETE FROM secrets WHERE expires_at < ?", (now_s - FORGOTTEN_AFTER_S,))
            table.execute("INSERT INTO secrets VALUES (?, ?, ?, ?)", row)
        return value, now_s + ttl_s

    def find(self, value: str) -> ClientSecret | Literal["expired"] | None:
        """The secret with this value, None if there is none. It may be used any number of times until it runs out.

        Raises SecretsError.
        """
        if not FORM.fullmatch(value) or not self._path.exists():
            return None
        row = self._look_up(_row_id(value))
        if row is None:
            return None
        key_id, expires_at, sealed = row
        if expires_at <= time.time():
            return "expired"
        try:
            opening = msgspec.json.decode(_unseal(value, sealed), type=Opening)
        except ValueError as error:
            raise SecretsError(f"{self._path}: {error}") from None
        return ClientSecret(Owner(key_id, f"secret_{_row_id(value).hex()[:16]}"), expires_at, opening)

    def _look_up(self, row_id: bytes) -> Row | None:
        # By hash: how long the search takes tells nothing about the value.
        try:
            with self._open() as table:
                return _row(table, row_id)
        except SecretsError:
            # A full disk has no room for what even a look puts beside the table. What was given out is in the table itself.
            row = self._look_up_untouched(row_id)
            if row is None:
                raise
            return row

    def _look_up_untouched(self, row_id: bytes) -> Row | None:
        """Without writing a byte; misses what another process is just writing."""
        place = f"{self._path.absolute().as_uri()}?mode=ro&immutable=1"
        try:
            with closing(sqlite3.connect(place, uri=True)) as table:
                return _row(table, row_id)
        except sqlite3.Error:
            return None

    def _make(self) -> None:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise SecretsError(f"{self._path}: {error.strerror}") from None

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._path, timeout=5)) as table, table:
                table.execute("PRAGMA journal_mode=WAL")
                table.execute("PRAGMA synchronous=NORMAL")
                yield table
        except sqlite3.Error as error:
            raise SecretsError(f"{self._path}: {error}") from None


def _row(table: sqlite3.Connection, row_id: bytes) -> Row | None:
    found: Row | None = table.execute(
        "SELECT key_id, expires_at, sealed FROM secrets WHERE id = ?", (row_id,)
    ).fetchone()
    return found


def _derived(value: str, purpose: str, length: int) -> bytes:
    # SHAKE is made for this: as many bytes as wanted from one secret, independent for each purpose.
    return hashlib.shake_256(f"vivavoce client secret\0{purpose}\0{value}".encode()).digest(length)


def _row_id(value: str) -> bytes:
    return _derived(value, "row", 32)


def _seal(value: str, plain: bytes) -> bytes:
    """Hidden by a key stream that is used for this one text only, and with a mark that shows changes."""
    hidden = _xor(plain, _derived(value, "stream", len(plain)))
    return hmac.digest(_derived(value, "mark", 32), hidden, "sha256") + hidden


def _unseal(value: str, sealed: bytes) -> bytes:
    mark, hidden = sealed[:32], sealed[32:]
    if not hmac.compare_digest(mark, hmac.digest(_derived(value, "mark", 32), hidden, "sha256")):
        raise ValueError("it was changed by somebody else")
    return _xor(hidden, _derived(value, "stream", len(hidden)))


def _xor(one: bytes, other: bytes) -> bytes:
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).to_bytes(len(one), "big")
