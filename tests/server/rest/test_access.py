"""Whose kept things are whose."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.server.rig import server
from vivavoce.server.keys import KeyStore


async def test_kept_responses_are_for_the_key_they_were_made_with(tmp_path: Path) -> None:
    record, stored = KeyStore(tmp_path).create("the office")
    async with server(tmp_path, auth__keys="vv_one,vv_two") as url, httpx.AsyncClient(base_url=url) as http:

        async def status(headers: dict[str, str]) -> int:
            return (await http.get(f"/v1/responses/{made['id']}", headers=headers)).status_code

        for mine, other in (("vv_one", "vv_two"), (stored, "vv_one")):
            bearer = {"Authorization": f"Bearer {mine}"}
            made = (
                await http.post("/v1/responses", json={"model": "m", "input": "hello"}, headers=bearer)
            ).json()
            # However the key comes, it is the same key.
            assert await status(bearer) == await status({"api-key": mine}) == 200
            assert await status({"Authorization": f"bearer   {mine}"}) == 200
            assert await status({"Authorization": f"Bearer {other}"}) == 404
        # What stored keys made is gone for them once they are revoked, and others do not inherit it.
        KeyStore(tmp_path).revoke(record.id)
        assert await status({"Authorization": f"Bearer {stored}"}) == 401
        assert await status({"Authorization": "Bearer vv_two"}) == 404


async def test_without_keys_there_is_one_owner(tmp_path: Path) -> None:
    async with server(tmp_path) as url, httpx.AsyncClient(base_url=url) as http:
        made = (await http.post("/v1/responses", json={"model": "m", "input": "hello"})).json()
        for headers in ({}, {"Authorization": "Bearer anything"}):
            assert (await http.get(f"/v1/responses/{made['id']}", headers=headers)).status_code == 200
