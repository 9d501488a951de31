"""Live calls over real sockets: sidebands, coming back, hanging up, hints."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from tests.server.rig import TIMEOUT_S, Talk, raw_client, refused, server
from vivavoce.server.calls import HUNG_UP

UNKNOWN = "rtc_000000000000000000000"
KEYS = {"auth__keys": ("vv_one", "vv_two")}


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def call_of(talk: Talk) -> str:
    """The id of a client's call, as its session tells it."""
    created = await talk.until("session.created")
    call_id: str = created["session"]["vivavoce"]["call_id"]
    return call_id


async def test_a_sideband_joins_and_the_client_may_come_back(tmp_path: Path) -> None:
    async with server(tmp_path) as url:
        async with raw_client(url) as talk:
            call_id = await call_of(talk)
            async with raw_client(url, f"call_id={call_id}", beta=True) as side:
                shown = await side.until("session.created")
                assert shown["session"]["id"] == talk.events[0]["session"]["id"]
                session = {"type": "realtime", "vivavoce": {"reattach_s": 30}}
                await talk.send("session.update", session=session)
                await side.until("session.updated")
                await talk.say("hi")
                assert (await side.until("response.done"))["response"]["status"] == "completed"
        async with asyncio.timeout(TIMEOUT_S):
            async with raw_client(url, f"call_id={call_id}&reattach=1", beta=True) as again:
                shown = await again.until("session.created")
                assert shown["session"]["id"] == talk.events[0]["session"]["id"]


async def test_calls_of_others_are_not_there(tmp_path: Path) -> None:
    async with server(tmp_path, **KEYS) as url, raw_client(url, headers=bearer("vv_one")) as talk:
        call_id = await call_of(talk)
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
            for asked, key in ((UNKNOWN, "vv_one"), (call_id, "vv_two")):
                status, error = await refused(url, f"call_id={asked}", additional_headers=bearer(key))
                assert (status, error["code"], error["param"]) == (404, "call_id_not_found", "")
                hang_up = await http.post(f"/v1/realtime/calls/{asked}/hangup", headers=bearer(key))
                hints = await http.get(f"/v1/vivavoce/calls/{asked}/hints", headers=bearer(key))
                assert hang_up.status_code == hints.status_code == 404
            assert (await http.post(f"/v1/realtime/calls/{call_id}/hangup")).status_code == 401
        status, error = await refused(
            url, f"call_id={call_id}&reattach=1", additional_headers=bearer("vv_one")
        )
        assert (status, error["code"]) == (400, "reattach_not_enabled")


async def test_hints_are_listed_and_a_call_is_hung_up(tmp_path: Path) -> None:
    async with (
        server(tmp_path) as url,
        raw_client(url) as talk,
        httpx.AsyncClient(base_url=url, trust_env=False) as http,
    ):
        call_id = await call_of(talk)
        await talk.send("session.update", session={"type": "realtime", "voice": "alloy"})
        await talk.until("error")
        listed = (await http.get(f"/v1/vivavoce/calls/{call_id}/hints")).json()
        assert [hint["code"] for hint in listed["data"]] == ["flat_session"]
        hung_up = await http.post(f"/v1/realtime/calls/{call_id}/hangup")
        assert (hung_up.status_code, hung_up.content) == (200, b"")
        with pytest.raises(ConnectionClosed) as closed:
            await talk.next()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1000, HUNG_UP)
