"""Who may come in, by which door, in which dialect; and what is said to those who may not."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import httpx
import pytest
import websockets
from openai import AsyncOpenAI, AuthenticationError

from tests.server.rig import ANSWER, Talk, openai_client, raw_client, refused, server, socket_url
from vivavoce.server.app import PAGE


async def get(url: str, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        return await client.get(url, headers=headers)


# --- keys ---------------------------------------------------------------------------------------------------------------


async def test_with_keys_only_a_key_opens(tmp_path: Path) -> None:
    async with server(tmp_path, auth__keys="vv_one,vv_two") as url:
        status, error = await refused(url, additional_headers={"Authorization": "Bearer wrong"})
        assert (status, error["code"], error["type"]) == (401, "invalid_api_key", "invalid_request_error")
        assert error["message"] == "Incorrect API key provided."
        status, error = await refused(url)
        assert (status, error["code"]) == (401, "invalid_api_key")
        async with openai_client(url, "vv_two") as talk:
            assert (await talk.next())["type"] == "session.created"
        assert (await get(f"{url}/v1/models")).status_code == 401
        async with AsyncOpenAI(base_url=f"{url}/v1", api_key="wrong", max_retries=0) as client:
            with pytest.raises(AuthenticationError):
                await client.models.list()
        async with AsyncOpenAI(base_url=f"{url}/v1", api_key="vv_one") as client:
            assert "gpt-realtime-2" in [model.id async for model in client.models.list()]
        # Health is for whoever watches the process.
        assert (await get(f"{url}/healthz")).status_code == 200


async def test_a_key_may_come_as_a_sub_protocol_and_is_not_sent_back(tmp_path: Path) -> None:
    async with server(tmp_path, auth__keys="vv_one") as url:
        offered = ["realtime", "openai-insecure-api-key.vv_one", "openai-agents-sdk.0.24.0"]
        async with websockets.connect(socket_url(url), subprotocols=offered) as socket:  # type: ignore[arg-type]
            assert socket.subprotocol == "realtime"
            assert (await Talk(socket).next())["type"] == "session.created"
        status, _ = await refused(url, subprotocols=["realtime", "openai-insecure-api-key.vv_two"])
        assert status == 401


async def test_without_keys_any_bearer_will_do_and_no_sub_protocol_is_answered_to_none(
    tmp_path: Path,
) -> None:
    async with server(tmp_path) as url:
        for headers in ({}, {"Authorization": "Bearer anything"}):
            async with websockets.connect(socket_url(url), additional_headers=headers) as socket:
                assert socket.subprotocol is None
                assert (await Talk(socket).next())["type"] == "session.created"


# --- browsers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1.evil.example", "http://[::"]
)
async def test_pages_of_other_sites_are_refused(tmp_path: Path, origin: str) -> None:
    async with server(tmp_path) as url:
        status, error = await refused(url, additional_headers={"Origin": origin})
        assert (status, error["code"]) == (403, "origin_not_allowed")
        assert (await get(f"{url}/v1/models", Origin=origin)).status_code == 403


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8000", "http://localhost:3000", "https://[::1]"])
async def test_pages_of_this_machine_may_connect(tmp_path: Path, origin: str) -> None:
    async with server(tmp_path) as url, raw_client(url, headers={"Origin": origin}) as talk:
        assert (await talk.next())["type"] == "session.created"


# --- what is not served -------------------------------------------------------------------------------------------------


async def test_unknown_calls_and_intents_are_refused_before_the_upgrade(tmp_path: Path) -> None:
    async with server(tmp_path) as url:
        status, error = await refused(url, "call_id=rtc_unknown")
        assert (status, error["code"]) == (404, "call_id_not_found")
        status, error = await refused(url, "intent=dictation")
        assert (status, error["code"]) == (400, "invalid_intent")


@pytest.mark.parametrize("query", ["", "model=", "deployment=gpt-realtime-2"])
async def test_a_new_session_is_for_a_model_or_for_transcripts(tmp_path: Path, query: str) -> None:
    async with server(tmp_path) as url:
        status, error = await refused(url, query)
        assert (status, error["code"], error["param"]) == (400, "missing_required_parameter", "model")


@pytest.mark.parametrize("more", ["model=gpt-realtime-2", "intent=transcription"])
async def test_a_session_that_is_there_has_its_model(tmp_path: Path, more: str) -> None:
    async with server(tmp_path) as url, raw_client(url) as talk:
        call_id = (await talk.next())["session"]["vivavoce"]["call_id"]
        status, error = await refused(url, f"call_id={call_id}&{more}")
        assert (status, error["code"], error["param"]) == (400, "mutually_exclusive_parameters", "call_id")


@pytest.mark.parametrize(
    "query", ["model=gpt-realtime-2", "model=something-else", "intent=transcription&model=m"]
)
async def test_any_model_is_answered_by_the_configured_engine(tmp_path: Path, query: str) -> None:
    async with server(tmp_path) as url, raw_client(url, query) as talk:
        session = (await talk.next())["session"]
        assert session.get("model", "m") == query.rpartition("=")[2]
        assert session["vivavoce"]["stt"] == "constant transcript"


# --- dialects -----------------------------------------------------------------------------------------------------------


async def test_a_typed_turn_in_the_beta_dialect(tmp_path: Path) -> None:
    async with server(tmp_path) as url, raw_client(url, beta=True) as talk:
        created = await talk.next()
        assert created["session"]["modalities"] == ["audio", "text"]
        await talk.say("hello")
        done = (await talk.until("response.done"))["response"]
        assert done["output"][0]["content"][0] == {"type": "audio", "transcript": ANSWER}
        kinds = talk.types()
        assert kinds[1:5] == [
            "conversation.item.created",
            "response.created",
            "response.output_item.added",
            "conversation.item.created",
        ]
        assert {"response.audio.delta", "response.audio_transcript.delta", "response.audio.done"} <= set(
            kinds
        )
        assert not [kind for kind in kinds if "output_audio" in kind or kind == "conversation.item.done"]


async def test_another_beta_header_is_not_the_beta_dialect(tmp_path: Path) -> None:
    async with server(tmp_path) as url, raw_client(url, headers={"OpenAI-Beta": "assistants=v2"}) as talk:
        assert (await talk.next())["session"]["type"] == "realtime"


async def test_a_sub_protocol_may_choose_the_dialect(tmp_path: Path) -> None:
    async with server(tmp_path) as url:
        offered = ["realtime", "openai-beta.realtime-v1"]
        async with websockets.connect(socket_url(url), subprotocols=offered) as socket:  # type: ignore[arg-type]
            assert "modalities" in (await Talk(socket, beta=True).next())["session"]


# --- plain HTTP ---------------------------------------------------------------------------------------------------------


async def test_health_readiness_and_models(tmp_path: Path) -> None:
    async with server(tmp_path) as url:
        assert (await get(f"{url}/healthz")).json() == {"status": "ok"}
        async with asyncio.timeout(10):
            while (ready := await get(f"{url}/readyz")).status_code != 200:
                assert ready.json()["status"] == "starting"
        assert ready.json()["status"] == "ready"
        listed = (await get(f"{url}/v1/models")).json()
        assert listed["object"] == "list"
        assert {"id", "object", "created", "owned_by"} <= set(listed["data"][0])
        assert (await get(f"{url}/v1/models/whatever")).json()["id"] == "whatever"
        assert (await get(f"{url}/v1/nothing")).status_code == 404
        assert "text/html" in (await get(f"{url}/")).headers["content-type"]


async def test_not_ready_says_why(tmp_path: Path) -> None:
    async with server(tmp_path, scripted__script="", scripted__answer=" ") as url:
        async with asyncio.timeout(10):
            while (await get(f"{url}/readyz")).json()["status"] == "starting":
                pass
        answer = await get(f"{url}/readyz")
        assert answer.status_code == 503
        assert answer.json()["status"] == "failed"
        assert answer.json()["reason"].startswith("a typed turn ended with")


async def test_the_page_and_its_files_and_nothing_else(tmp_path: Path) -> None:
    async with server(tmp_path) as url:
        page = await get(f"{url}/")
        assert "default-src 'self'" in page.headers["content-security-policy"]
        names = [path.name for path in PAGE.iterdir() if path.is_file()]
        assert "index.html" in names
        for name in names:
            assert (await get(f"{url}/page/{name}")).content == (PAGE / name).read_bytes()
        for name in ("nothing.js", "%2e%2e", "..%2fapp.py", "%2e%2e%2fapp.py", "index.html%00"):
            with contextlib.suppress(httpx.InvalidURL):
                assert (await get(f"{url}/page/{name}")).status_code == 404, name
