"""API keys at rest: who they are for and their hashes, in a file of the data folder that several processes share.

A key is 40 random letters and digits, 238 bits, so a plain SHA-256 tells nothing about it; slow hashing is for passwords (docs/adr/0027). The file is
replaced as a whole, never written in place, and whoever serves looks at it again when it has changed: a new key works and a revoked
one ends at once, without a restart.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from vivavoce.protocol.ids import base62

FILE = "api_keys.json"
Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class KeysError(Exception):
    """The key file cannot be read or written, or has no such key; the message says which."""


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a key. Times in seconds since 1970; `revoked_at` is null while it is good."""

    id: str
    name: str
    digest: Digest
    created_at: int
    revoked_at: int | None = None


class KeyFile(msgspec.Struct, frozen=True):
    """The whole file."""

    keys: tuple[KeyRecord, ...] = ()


def new_token(prefix: str, length: int) -> str:
    """`prefix` and `length` base62 characters that nobody can guess."""
    return prefix + base62(int.from_bytes(secrets.token_bytes(length)), length)


def digest_of(key: str) -> str:
    """The form in which a key is kept and compared."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def same(one: str, other: str) -> bool:
    """Compare digests in constant time."""
    return hmac.compare_digest(one, other)


class KeyStore:
    """The key file of a data folder. Reading never creates anything."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._seen: tuple[int, int, int] | None = None
        self._records: tuple[KeyRecord, ...] = ()

    def records(self) -> tuple[KeyRecord, ...]:
        """Every key ever made, revoked ones included, oldest first. Raises KeysError."""
        state = self._state()
        if state != self._seen:
            self._records = self._read() if state is not None else ()
            self._seen = state
        return self._records

    def find(self, key: str) -> KeyRecord | None:
        """The record of a key that is good. Every record is compared, whichever fits. Raises KeysError."""
        digest, found = digest_of(key), None
        for record in self.records():
            if same(record.digest, digest) and record.revoked_at is None:
                found = record
        return found

    def create(self, name: str) -> tuple[KeyRecord, str]:
        """Make a key. It is returned this once and kept nowhere. Raises KeysError."""
        key = new_token("vv_", 40)
        record = KeyRecord(
            id=new_token("key_", 12), name=name, digest=digest_of(key), created_at=int(time.time())
        )
        with self._locked():
            self._write((*self.records(), record))
        return record, key

    def revoke(self, key_id: str) -> KeyRecord:
        """End a key. Revoking twice changes nothing. Raises KeysError."""
        with self._locked():
            records = {record.id: record for record in self.records()}
            record = records.get(key_id)
            if record is None:
                raise KeysError(f"there is no key with the id {key_id} in {self._path}")
            if record.revoked_at is None:
                record = msgspec.structs.replace(record, revoked_at=int(time.time()))
                self._write(tuple((records | {key_id: record}).values()))
        return record

    def _state(self) -> tuple[int, int, int] | None:
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise KeysError(f"{self._path}: {error.strerror}") from None
        return stat.st_ino, stat.st_size, stat.st_mtime_ns

    def _read(self) -> tuple[KeyRecord, ...]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=KeyFile).keys
        except OSError as error:
            raise KeysError(f"{self._path}: {error.strerror}") from None
        except ValueError as error:
            raise KeysError(f"{self._path}: {error}") from None

    def _write(self, records: tuple[KeyRecord, ...]) -> None:
        text = msgspec.json.format(msgspec.json.encode(KeyFile(records)), indent=1)
        draft = self._path.with_suffix(".new")
        try:
            draft.unlink(missing_ok=True)
            with open(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
                file.write(text + b"\n")
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._path)
        except OSError as error:
            raise KeysError(f"{self._path}: {error.strerror}") from None
        self._seen = None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer at a time, across processes."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self._path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise KeysError(f"{self._path.parent}: {error.strerror}") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._seen = None
            yield
        finally:
            os.close(lock)
