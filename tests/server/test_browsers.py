"""Pages of other origins over real sockets: preflights, requests and WebSockets, with keys, without, and with client secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server.rig import raw_client, refused, server

HERE = "http://localhost:3000"
APP = "https://app.example"
EVIL = "https://evil.example"
ASKED = "authorization, content-type, openai-safety-identifier, x-openai-agents-sdk"


async def preflight(url: str, path: str, origin: str, method: str = "POST") -> httpx.Response:
    """What a browser asks before it sends anything else than a form."""
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": ASKED,
    }
    async with httpx.AsyncClient() as http:
        return await http.options(f"{url}{path}", headers=headers)


def allowed(answer: httpx.Response, origin: str) -> bool:
    """Whether the browser goes on; what it is told is held against what it needs."""
    told = answer.headers.get("access-control-allow-origin")
    assert answer.headers["vary"] == "Origin"
    if told is None:
        assert answer.status_code == 403
        assert answer.json()["error"]["code"] == "origin_not_allowed"
        return False
    assert (answer.status_code, told, answer.content) == (204, origin, b"")
    assert answer.headers["access-control-allow-headers"] == ASKED
    assert {"POST", "DELETE"} <= set(answer.headers["access-control-allow-methods"].split(", "))
    # Credentials of the browser's own (cookies) are never asked for.
    assert "access-control-allow-credentials" not in answer.headers
    return True


@pytest.mark.parametrize(
    ("keys", "may"),
    [
        # Without keys: pages of this machine.
        (None, {"/v1/audio/speech": {HERE}, "/v1/realtime/client_secrets": {HERE}}),
        # With keys: those that are listed; but where a client secret is taken, every page may bring one.
        (
            "vv_one",
            {
                "/v1/audio/speech": {APP},
                "/v1/models": {APP},
                "/v1/realtime/calls": {HERE, APP, EVIL, "null"},
            },
        ),
    ],
)
async def test_preflights(tmp_path: Path, keys: str | None, may: dict[str, set[str]]) -> None:
    async with server(tmp_path, auth__keys=keys, auth__origins=APP) as url:
        for path, origins in may.items():
            asked = [HERE, APP, EVIL, "null"]
            assert {
                origin for origin in asked if allowed(await preflight(url, path, origin), origin)
            } == origins, path


async def test_requests_are_let_in_by_the_same_rules_and_the_page_may_read_refusals(tmp_path: Path) -> None:
    async with (
        server(tmp_path, auth__keys="vv_one", auth__origins=APP) as url,
        httpx.AsyncClient(base_url=url) as http,
    ):

        async def get(origin: str | None, key: str | None = "vv_one") -> httpx.Response:
            headers = {"Origin": origin} if origin else {}
            return await http.get(
                "/v1/models", headers=headers | ({"Authorization": f"Bearer {key}"} if key else {})
            )

        mine = await get(APP)
        assert (mine.status_code, mine.headers["access-control-allow-origin"]) == (200, APP)
        assert "location" in mine.headers["access-control-expose-headers"]
        own = await get(url)
        assert (own.status_code, own.headers["access-control-allow-origin"]) == (200, url)
        evil = await get(EVIL)
        assert (evil.status_code, evil.json()["error"]["code"]) == (403, "origin_not_allowed")
        assert "access-control-allow-origin" not in evil.headers
        # Without a key, the page reads why.
        none = await get(APP, None)
        assert (none.status_code, none.headers["access-control-allow-origin"]) == (401, APP)
        # No browser, no question; and what is not the API says nothing about origins.
        assert "access-control-allow-origin" not in (await get(None)).headers
        health = await http.get("/healthz", headers={"Origin": EVIL})
        assert (health.status_code, "vary" in health.headers) == (200, False)


async def test_sockets_of_pages(tmp_path: Path) -> None:
    offered = ["realtime", "openai-insecure-api-key.vv_one"]
    async with (
        server(tmp_path, auth__keys="vv_one", auth__origins=APP) as url,
        httpx.AsyncClient(base_url=url) as http,
    ):
        made = await http.post("/v1/realtime/client_secrets", headers={"Authorization": "Bearer vv_one"})
        secret = ["realtime", f"openai-insecure-api-key.{made.json()['value']}"]
        for origin in (HERE, EVIL, "null"):
            status, error = await refused(url, origin=origin, subprotocols=offered)
            assert (status, error["code"]) == (403, "origin_not_allowed")
        for origin, subprotocols in ((APP, offered), (url, offered), (EVIL, secret), ("null", secret)):
            options: dict[str, Any] = {
                "origin": origin,
                "subprotocols": subprotocols,
                "headers": {"Authorization": ""},
            }
            async with raw_client(url, **options) as talk:
                assert (await talk.next())["type"] == "session.created"


async def test_sockets_of_pages_without_keys(tmp_path: Path) -> None:
    async with server(tmp_path) as url:
        for origin in (APP, EVIL, "null", "http://evil.example:8000"):
            assert (await refused(url, origin=origin))[1]["code"] == "origin_not_allowed"
        for origin in (HERE, "https://127.0.0.1:5173", "http://[::1]:3000"):
            async with raw_client(url, origin=origin) as talk:
                assert (await talk.next())["type"] == "session.created"
