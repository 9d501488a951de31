"""Prompts that the operator keeps as files in the data folder (docs/prompts.md).

prompts/ID.md                 the instructions, version 1
prompts/ID.toml               instructions, [variables] with their defaults, [session] with anything a session.update can set
prompts/ID/VERSION.md|.toml   several versions; the highest is the current one
"""

from __future__ import annotations

import logging
import re
import tomllib
from pathlib import Path
from typing import Any

from vivavoce.protocol import errors
from vivavoce.protocol.errors import ClientError
from vivavoce.protocol.session_objects import SessionObject
from vivavoce.protocol.sessions import merge_session
from vivavoce.session.prompts import StoredPrompt

log = logging.getLogger("vivavoce.prompts")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_SUFFIXES = (".toml", ".md")
_KEYS = {"instructions", "variables", "session"}


class PromptFolder:
    """Finds prompts in a folder; a file is read again when it has changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, tuple[tuple[int, int], StoredPrompt]] = {}

    def find(self, prompt_id: str, version: str | None) -> StoredPrompt | None:
        """A prompt, or None. Raises ClientError (`server_error`) where its file is broken; what is wrong stands in the log."""
        if not _NAME.fullmatch(prompt_id) or not (version is None or _NAME.fullmatch(version)):
            return None
        path, found = self._path(prompt_id, version)
        try:
            state = path.stat() if path is not None else None
        except OSError:
            state = None
        if path is None or state is None:
            self._read.pop(path, None) if path is not None else None
            return None
        stamp = (state.st_mtime_ns, state.st_size)
        known = self._read.get(path)
        if known is None or known[0] != stamp:
            known = (stamp, self._load(path, prompt_id, found))
            self._read[path] = known
        return known[1]

    def _path(self, prompt_id: str, version: str | None) -> tuple[Path | None, str]:
        """The file, and the version it is."""
        versions = self._versions(prompt_id)
        if version is None and versions:
            version = max(versions, key=_natural)
        if version is not None and version in versions:
            return versions[version], version
        single = (self._folder / f"{prompt_id}{suffix}" for suffix in _SUFFIXES)
        path = next((one for one in single if one.is_file()), None)
        return (path if version in (None, "1") else None), "1"

    def _versions(self, prompt_id: str) -> dict[str, Path]:
        try:
            files = list((self._folder / prompt_id).iterdir())
        except OSError:
            return {}
        return {path.stem: path for path in sorted(files) if path.suffix in _SUFFIXES}

    def _load(self, path: Path, prompt_id: str, version: str) -> StoredPrompt:
        try:
            text = path.read_text("utf-8")
            tree = tomllib.loads(text) if path.suffix == ".toml" else {"instructions": text.strip()}
            return _stored(prompt_id, version, tree)
        except (OSError, ValueError, ClientError) as problem:
            log.error("%s: %s", path, problem)
            raise errors.broken_prompt(prompt_id) from problem


def _stored(prompt_id: str, version: str, tree: dict[str, Any]) -> StoredPrompt:
    unknown = tree.keys() - _KEYS
    if unknown:
        raise ValueError(f"'{sorted(unknown)[0]}' is none of {', '.join(sorted(_KEYS))}")
    session, defaults = tree.get("session", {}), tree.get("variables", {})
    if not isinstance(session, dict) or not isinstance(defaults, dict):
        raise ValueError("[session] and [variables] are tables")
    if not all(isinstance(value, str) for value in defaults.values()):
        raise ValueError("the values of [variables] are texts")
    fields = {**session, "instructions": tree["instructions"]} if "instructions" in tree else session
    # Refused here, and not when a client comes who can do nothing about it.
    merge_session(
        SessionObject(id="", model=""), {**fields, "type": "realtime"}, silence_duration_ms=500, spoken=False
    )
    return StoredPrompt(prompt_id, version, fields, defaults)


def _natural(version: str) -> list[tuple[int, str]]:
    """10 comes behind 9."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", version) if part]
