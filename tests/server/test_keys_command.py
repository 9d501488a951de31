"""`vivavoce keys` as somebody runs it beside a running server."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.server.rig import refused, server
from vivavoce.cli import main


@dataclass(frozen=True)
class Ran:
    """A command that has ended."""

    code: int
    out: str
    err: str


async def in_a_shell(folder: Path, *words: str) -> Ran:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "vivavoce", "keys", *words, "--data-dir", str(folder)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return Ran(process.returncode, out.decode(), err.decode())


def keys(folder: Path, *words: str) -> Ran:
    """The same without a process of its own."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(["keys", *words, "--data-dir", str(folder)])
    return Ran(code, out.getvalue(), err.getvalue())


async def test_a_key_from_its_making_to_its_end(tmp_path: Path) -> None:
    async with server(tmp_path) as url, httpx.AsyncClient(base_url=url) as http:

        async def status(key: str) -> int:
            return (await http.get("/v1/models", headers={"Authorization": f"Bearer {key}"})).status_code

        assert await status("anything") == 200
        made = await in_a_shell(tmp_path, "create", "--name", "the office")
        # The key alone on standard output, so that KEY=$(vivavoce keys create) works.
        key = made.out.removesuffix("\n")
        assert (made.code, key[:3], len(key)) == (0, "vv_", 43)
        key_id = made.err.split(":")[0]
        assert made.err == f"{key_id}: shown this once, only its hash is kept.\n"
        assert (await status(key), await status("anything")) == (200, 401)
        shown, listed = keys(tmp_path, "list"), keys(tmp_path, "list", "--json")
        assert shown.out.split() == [key_id, shown.out.split()[1], "active", "the", "office"]
        (record,) = json.loads(listed.out)["keys"]
        assert (record["id"], record["name"], record["revoked_at"]) == (key_id, "the office", None)
        assert set(record) == {"id", "name", "created_at", "revoked_at"}
        revoked = keys(tmp_path, "revoke", key_id)
        assert revoked == Ran(0, f"{key_id} is revoked, and every client secret that was made with it.\n", "")
        assert await status(key) == 401
        assert (await refused(url, additional_headers={"Authorization": f"Bearer {key}"}))[0] == 401
        assert "revoked " in (keys(tmp_path, "list")).out


def test_what_cannot_be_done_is_one_line(tmp_path: Path) -> None:
    none = keys(tmp_path, "list")
    unknown, no_id = keys(tmp_path, "revoke", "key_none"), keys(tmp_path, "revoke")
    spare = keys(tmp_path, "create", "key_1")
    assert none == Ran(0, "", "no keys yet: `vivavoce keys create` makes one\n")
    assert (unknown.code, unknown.out) == (1, "")
    assert unknown.err.startswith("vivavoce: there is no key with the id key_none in ")
    assert (no_id.code, no_id.err) == (
        2,
        "vivavoce: revoke needs the id of a key; `vivavoce keys list` shows them\n",
    )
    assert (spare.code, spare.err) == (
        2,
        "vivavoce: create takes no id; `vivavoce keys list` shows them\n",
    )
    (tmp_path / "api_keys.json").write_text("{")
    broken = keys(tmp_path, "list")
    assert (broken.code, broken.err.count("\n")) == (1, 1)


def test_the_first_key_makes_the_folder_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    made = keys(folder, "create")
    assert made.code == 0
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "api_keys.json").stat().st_mode & 0o777 == 0o600


def test_the_id_may_stand_behind_the_flags(tmp_path: Path) -> None:
    key_id = keys(tmp_path, "create").err.split(":")[0]
    assert main(["keys", "revoke", "--data-dir", str(tmp_path), key_id]) == 0
    assert "revoked " in keys(tmp_path, "list").out
    for words in (["keys", "list", "--wrong"], ["keys", "revoke", key_id, "key_other"], ["serve", "now"]):
        with pytest.raises(SystemExit) as refused:
            main(words)
        assert refused.value.code == 2
