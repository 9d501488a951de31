"""Translation sessions are handed on as they are; keys, client secrets and admission stay in front."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from websockets.asyncio.server import ServerConnection, serve

from tests.engines.relay.rig import KEY, relay
from tests.server.rig import WHOLE, server

SESSION = {"id": "sess_far", "type": "translation", "model": "gpt-realtime-translate", "expires_at": 1}


class Interpreter:
    """An upstream that says everything in Spanish: its paths, its keys, and what it was sent."""

    def __init__(self) -> None:
        self.url = ""
        self.paths: list[str] = []
        self.keys: list[str | None] = []
        self.seen: list[dict[str, Any]] = []
        self.objection: dict[str, Any] | None = None
        """The error in the place of a greeting."""

    async def talk(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.paths.append(connection.request.path)
        self.keys.append(connection.request.headers.get("Authorization"))
        if "translations" not in connection.request.path:
            session = {"type": "realtime", "id": "sess_probe", "model": "gpt-realtime-2"}
            await self.say(connection, "session.created", session=session)
            await connection.wait_closed()
            return
        if self.objection is not None:
            await self.say(connection, "error", error=self.objection)
            return
        await self.say(connection, "session.created", session=SESSION)
        async for frame in connection:
            event = json.loads(frame)
            self.seen.append(event)
            match event["type"]:
                case "session.update":
                    await self.say(connection, "session.updated", session=SESSION | event["session"])
                case "session.input_audio_buffer.append":
                    await self.say(
                        connection, "session.output_transcript.delta", delta="hola", elapsed_ms=200
                    )
                    await self.say(connection, "session.output_audio.delta", delta=event["audio"])
                case "session.close":
                    await self.say(connection, "session.closed")
                    return

    async def say(self, connection: ServerConnection, name: str, **fields: Any) -> None:
        await connection.send(json.dumps({"type": name, "event_id": f"event_{len(self.seen)}", **fields}))


@contextlib.asynccontextmanager
async def interpreted(folder: Path, **flags: Any) -> AsyncIterator[tuple[str, Interpreter]]:
    upstream = Interpreter()
    async with serve(upstream.talk, "127.0.0.1", 0, close_timeout=0.1) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        async with relay(f"ws://127.0.0.1:{port}", folder, upstream__key=KEY, **flags) as url:
            yield url, upstream


def translations(url: str, query: str = "model=gpt-realtime-translate") -> str:
    return f"ws{url.removeprefix('http')}/v1/realtime/translations?{query}"


async def test_a_session_from_beginning_to_end(tmp_path: Path) -> None:
    async with (
        interpreted(tmp_path) as (url, upstream),
        websockets.connect(translations(url), **WHOLE) as line,
    ):
        created = json.loads(await line.recv())
        assert (created["type"], created["session"]["type"]) == ("session.created", "translation")
        assert created["session"]["vivavoce"]["engine"] == "relay"
        assert created["session"]["id"] != "sess_far"
        update = {"audio": {"output": {"language": "es"}}}
        await line.send(json.dumps({"type": "session.update", "session": update}))
        assert json.loads(await line.recv())["session"]["audio"] == update["audio"]
        await line.send(json.dumps({"type": "session.input_audio_buffer.append", "audio": "AAAA"}))
        said, sound = json.loads(await line.recv()), json.loads(await line.recv())
        assert (said["delta"], said["elapsed_ms"], sound["delta"]) == ("hola", 200, "AAAA")
        await line.send(json.dumps({"type": "response.create", "event_id": "no"}))
        error = json.loads(await line.recv())["error"]
        assert (error["param"], error["event_id"]) == ("type", "no")
        await line.send(json.dumps({"type": "session.close"}))
        assert json.loads(await line.recv())["type"] == "session.closed"
        with pytest.raises(websockets.ConnectionClosedOK):
            await line.recv()
    assert upstream.paths[-1] == "/v1/realtime/translations?model=gpt-realtime-translate"
    assert upstream.keys[-1] == f"Bearer {KEY}"


async def test_a_client_secret_says_what_a_session_begins_with(tmp_path: Path) -> None:
    async with interpreted(tmp_path, auth__keys="vv_one", limits__max_sessions=1) as (url, _):
        session = {"model": "gpt-realtime-translate", "audio": {"output": {"language": "fr"}}}
        async with httpx.AsyncClient(headers={"Authorization": "Bearer vv_one"}) as http:
            path = f"{url}/v1/realtime/translations/client_secrets"
            secret = (await http.post(path, json={"session": session})).json()["value"]
        headers = {"Authorization": f"Bearer {secret}"}
        async with websockets.connect(translations(url, ""), additional_headers=headers, **WHOLE) as line:
            assert json.loads(await line.recv())["type"] == "session.created"
            updated = json.loads(await line.recv())
            assert updated["session"]["audio"]["output"]["language"] == "fr"
            with pytest.raises(websockets.InvalidStatus) as full:
                async with websockets.connect(translations(url), additional_headers=headers):
                    pass
            assert full.value.response.status_code == 503
        with pytest.raises(websockets.InvalidStatus) as nobody:
            async with websockets.connect(translations(url)):
                pass
        assert nobody.value.response.status_code == 401


async def test_a_model_that_the_upstream_does_not_translate_with(tmp_path: Path) -> None:
    async with interpreted(tmp_path) as (url, upstream):
        upstream.objection = {
            "type": "invalid_request_error",
            "code": "model_not_found",
            "message": "No such model.",
        }
        async with websockets.connect(translations(url), **WHOLE) as line:
            error = json.loads(await line.recv())["error"]
            assert (error["type"], error["code"]) == ("server_error", "upstream_refused")
            assert "of the model gpt-realtime-translate: model_not_found: No such model." in error["message"]
            with contextlib.suppress(websockets.ConnectionClosed):
                await line.recv()
            assert (line.close_code, line.close_reason) == (1011, "upstream_refused")


async def test_an_upstream_that_fails_is_named(tmp_path: Path) -> None:
    # A server that has no translation says so at the handshake.
    async with (
        server(tmp_path) as far,
        relay(far, tmp_path) as url,
        websockets.connect(translations(url), **WHOLE) as line,
    ):
        error = json.loads(await line.recv())["error"]
        assert error["code"] == "upstream_refused"
        assert "not served yet" in error["message"]
        with contextlib.suppress(websockets.ConnectionClosed):
            await line.recv()
        assert (line.close_code, line.close_reason) == (1011, "upstream_refused")
