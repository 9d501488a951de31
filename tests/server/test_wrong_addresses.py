"""Addresses that lead nowhere say so, and where to go instead."""

from __future__ import annotations

from pathlib import Path

import httpx
import msgspec
import pytest
import websockets

from tests.server.rig import server


async def test_an_address_that_leads_nowhere_says_so(tmp_path: Path) -> None:
    async with server(tmp_path) as url, httpx.AsyncClient(base_url=url) as http:
        for method, path, status, code, said in (
            ("GET", "/v1/nothing", 404, "unknown_url", "Invalid URL (GET /v1/nothing)"),
            ("POST", "/v1/realtime/calls", 404, "unknown_url", "Invalid URL (POST /v1/realtime/calls)"),
            ("GET", "/v1/realtime", 426, "websocket_expected", "no Upgrade header"),
            ("DELETE", "/v1/models", 405, "method_not_allowed", "Not allowed to DELETE on /v1/models."),
        ):
            answer = await http.request(method, path)
            error = answer.json()["error"]
            assert (answer.status_code, error["code"], error["type"]) == (
                status,
                code,
                "invalid_request_error",
            )
            assert said in error["message"]
        assert (await http.get("/nothing")).json() == {"detail": "Not Found"}
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(f"ws{url.removeprefix('http')}/realtime?model=m")
    response = refused.value.response
    assert response.status_code == 404
    told = msgspec.json.decode(response.body)["error"]["message"]
    assert told == "There is no WebSocket at /realtime; sessions are at /v1/realtime."
