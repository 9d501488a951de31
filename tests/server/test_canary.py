"""Credentials with a mark in them go everywhere a credential may go, and the mark is then looked for in all that comes out."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets

from tests.proofs import FULL, Proof
from tests.server.processes import ServeProcess, children_of, environment, serving
from tests.server.upstream_stand_in import Upstream, upstream
from vivavoce.server.keys import KeyStore

MARK = "CaNaRy"
CONFIGURED = f"vv_{MARK}configured0123456789"
LLM = f"sk-{MARK}upstream0123456789"
LLM_PASSWORD = f"{MARK}userinfo0123"
AUTHORIZATION = f"{MARK}authorization0123456789"
HEADER = f"{MARK}header0123456789"
IN_ADDRESS = "AdDrEsS0123456789"
"""Part of `server_url`, which a session shows to those who are in it, and to nobody else."""
SHOWN = ("event", "the rest of the answer that makes a secret")
OPERATORS = f"{MARK}operator0123456789"
WRONG = f"vv_{MARK}wrong0123456789"
WRONG_SECRET = "ek_" + f"{MARK}secret".ljust(40, "0")
SETTINGS = f"""
[mcp]
allow = ["127.0.0.1"]
[mcp.servers.office]
url = "http://PLACE/mcp"
headers = {{ X-Office-Key = "{OPERATORS}" }}
"""


class Heard:
    """Everything that came out, by where it came from."""

    def __init__(self) -> None:
        self.said: list[tuple[str, bytes]] = []
        self.secrets: list[str] = []

    def keep(self, where: str, what: str | bytes) -> None:
        self.said.append((where, what.encode() if isinstance(what, str) else what))

    def answer(self, where: str, response: httpx.Response) -> None:
        """Headers and body of an answer."""
        head = "\n".join(f"{name}: {value}" for name, value in response.headers.multi_items())
        self.keep(f"{where} ({response.status_code})", head.encode() + b"\n" + response.content)

    def leaks(self) -> list[str]:
        """Where a credential came out: by its mark, or, for those made by the server, by itself."""
        marks = [MARK.encode(), *(secret[3:].encode() for secret in self.secrets)]
        found = [(where, what) for where, what in self.said for mark in marks if mark in what]
        found += [
            (where, what) for where, what in self.said if IN_ADDRESS.encode() in what and where not in SHOWN
        ]
        return [f"{where}: {what[:2000]!r}" for where, what in found]


def tools(place: str) -> list[dict[str, Any]]:
    """MCP servers with every kind of credential; one repeats it in a tool's description, one in an error."""
    address, closed = (f"http://{place}/{path}?token={IN_ADDRESS}" for path in ("mcp", "closed"))
    headers = {"X-Office-Key": HEADER}
    return [
        {
            "type": "mcp",
            "server_label": "docs",
            "server_url": address,
            "authorization": AUTHORIZATION,
            "headers": headers,
        },
        {
            "type": "mcp",
            "server_label": "closed",
            "server_url": closed,
            "headers": {"Authorization": AUTHORIZATION},
        },
        {"type": "mcp", "server_label": "office"},
    ]


def spoilt(place: str) -> list[dict[str, Any]]:
    """Credentials in wrong places and shapes: what is refused is not repeated."""
    tool = tools(place)[0]
    return [
        tool | {"authorization": [AUTHORIZATION]},
        tool | {"authorization": {"token": {"value": AUTHORIZATION}}},
        tool | {"headers": f"X-Office-Key: {HEADER}"},
        tool | {"headers": {"X-Office-Key": [HEADER]}},
        tool | {"headers": {"Authorization": HEADER}},
        tool | {"server_label": "other", "headers": {"X\n": HEADER}},
    ]


async def rest(server: ServeProcess, stored: str, place: str, heard: Heard) -> str:
    """Requests with good and bad credentials; returns a client secret whose session holds more of them."""
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
        for key in (CONFIGURED, stored, WRONG, WRONG_SECRET):
            for headers in ({"Authorization": f"Bearer {key}"}, {"api-key": key}):
                for path in ("/v1/models", f"/v1/vivavoce/calls/{WRONG}/hints", "/v1/responses/none"):
                    heard.answer(f"GET {path}", await http.get(path, headers=headers))
        mine = {"Authorization": f"Bearer {CONFIGURED}"}
        chat = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
        heard.answer("chat", await http.post("/v1/chat/completions", json=chat, headers=mine))
        heard.answer(
            "responses", await http.post("/v1/responses", json={"model": "m", "input": "hello"}, headers=mine)
        )
        for tool in spoilt(place):
            body = {"session": {"type": "realtime", "tools": [tool]}}
            answer = await http.post("/v1/realtime/client_secrets", json=body, headers=mine)
            assert answer.status_code in (200, 400)
            if answer.status_code == 400:
                heard.answer("client_secrets", answer)
        body = {"session": {"type": "realtime", "tools": tools(place)}}
        made = (await http.post("/v1/realtime/client_secrets", json=body, headers=mine)).json()
        heard.secrets.append(made.pop("value"))
        heard.keep("the rest of the answer that makes a secret", json.dumps(made))
        path = f"/v1/realtime?model={WRONG}"
        heard.answer("a preflight", await http.options(path, headers=mine | {"Origin": "http://x.example"}))
    return heard.secrets[0]


async def refused(server: ServeProcess, heard: Heard) -> None:
    """Handshakes that fail."""
    address = f"ws{server.url.removeprefix('http')}/v1/realtime"
    offers: list[dict[str, Any]] = [
        {"additional_headers": {"Authorization": f"Bearer {WRONG}"}},
        {"additional_headers": {"api-key": WRONG_SECRET}},
        {"subprotocols": ["realtime", f"openai-insecure-api-key.{WRONG}"]},
        {"subprotocols": ["realtime", f"openai-insecure-api-key.{WRONG_SECRET}"]},
        {"additional_headers": {"Authorization": f"Bearer {CONFIGURED}", "Origin": "http://x.example"}},
    ]
    for offer in offers:
        with pytest.raises(websockets.InvalidStatus) as caught:
            async with websockets.connect(f"{address}?model=m", **offer):
                pass
        response = caught.value.response
        heard.keep(f"handshake ({response.status_code})", f"{response.headers}".encode() + response.body)


async def session(server: ServeProcess, key: str, place: str, heard: Heard) -> None:
    """A call with every kind of credential in its session, and, in the cascade, a model that refuses with the key in its hand."""
    address = f"ws{server.url.removeprefix('http')}/v1/realtime?model=m"
    offered: Any = ["realtime", f"openai-insecure-api-key.{key}"]
    async with websockets.connect(address, subprotocols=offered, max_size=None) as socket:
        assert socket.response is not None
        heard.keep("handshake", str(socket.response.headers))

        async def until(*types: str) -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = []
            async with asyncio.timeout(60):
                for type_ in types:
                    event: dict[str, Any] = {}
                    while event.get("type") != type_:
                        frame = await socket.recv()
                        heard.keep("event", frame)
                        event = json.loads(frame)
                    found.append(event)
            return found

        async def send(type_: str, **fields: Any) -> None:
            await socket.send(json.dumps({"type": type_, **fields}))

        await until("session.created")
        for tool in spoilt(place):
            await send("session.update", session={"type": "realtime", "tools": [tool]})
        await send("session.update", session={"type": "realtime", "tools": tools(place), "model": WRONG})
        await until("session.updated", *["conversation.item.done"] * 3)
        await socket.send('{"type": "session.update", "session": {"tools": "' + AUTHORIZATION)
        await send("response.create", response={"tools": spoilt(place)[:1]})
        await until("error", "error")
        await send("response.create")
        (done,) = await until("response.done")
        assert done["response"]["status"] == ("failed" if FULL else "completed")
        call_id = socket.response.headers["x-vivavoce-call-id"]
        async with httpx.AsyncClient(base_url=server.url) as http:
            mine = {"Authorization": f"Bearer {CONFIGURED}"}
            for path in (f"/v1/vivavoce/calls/{call_id}/hints", "/v1/vivavoce/calls"):
                heard.answer(f"GET {path}", await http.get(path, headers=mine))


def arguments(pid: int, heard: Heard) -> None:
    """What everybody on the machine can see of the server's processes."""
    for one in (pid, *children_of(pid)):
        heard.keep("arguments of a process", Path(f"/proc/{one}/cmdline").read_bytes())


async def commands(folder: Path, heard: Heard, environ: dict[str, str]) -> None:
    """What a user who looks at the server is shown."""
    for words in (("keys", "list", "--json"), ("doctor",)) if FULL else ():
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "vivavoce", *words, "--data-dir", str(folder / "data")),
            cwd=folder,
            env=environ,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        heard.keep(f"vivavoce {' '.join(words)}", (await process.communicate())[0])


@contextlib.asynccontextmanager
async def marked_server(folder: Path, other: Upstream) -> AsyncIterator[tuple[ServeProcess, dict[str, str]]]:
    """A server at debug level whose every credential is marked."""
    (folder / "vivavoce.toml").write_text(SETTINGS.replace("PLACE", other.place))
    variables = {
        "VIVAVOCE_API_KEYS": CONFIGURED,
        "VIVAVOCE_SERVER_LOG_LEVEL": "debug",
        "VIVAVOCE_LLM_URL": f"http://user:{LLM_PASSWORD}@{other.place}/v1",
        "VIVAVOCE_LLM_KEY": LLM,
        "VIVAVOCE_LLM_MODEL": "m",
        "PYTHONASYNCIODEBUG": "1",
    }
    config = str(folder / "vivavoce.toml")
    async with serving(
        folder, "--engine", "cascade" if FULL else "scripted", "--config", config, **variables
    ) as server:
        yield server, variables


async def test_no_credential_comes_out_anywhere(tmp_path: Path, proof: Proof) -> None:
    heard = Heard()
    _, stored = KeyStore(tmp_path / "data").create(f"for {MARK.lower()}")
    heard.secrets.append(stored)
    with upstream() as other:
        async with marked_server(tmp_path, other) as (server, variables):
            secret = await rest(server, stored, other.place, heard)
            await refused(server, heard)
            for key in (secret, CONFIGURED) if FULL else (secret,):
                await session(server, key, other.place, heard)
            arguments(server.process.pid, heard)
            await commands(tmp_path, heard, environment() | variables)
            server.signal(signal.SIGTERM)
            assert server.process.stdout is not None
            heard.keep("standard output", server.printed.encode() + await server.process.stdout.read())
            assert await server.ended() == 0
        log = server.log()
        heard.keep("standard error", log)
    for path in (tmp_path / "data").rglob("*"):
        heard.keep(f"the path {path.name}", path.name)
        if path.is_file():
            heard.keep(f"the file {path.name}", path.read_bytes())
    # The marks went where they are meant to go, and it was looked where they could have come out.
    if FULL:
        assert other.shown["/v1/chat/completions"] == {f"Bearer {LLM}"}
    assert other.shown["/mcp"] >= {f"Bearer {AUTHORIZATION}", HEADER, OPERATORS}
    assert " DEBUG " in log
    assert {"event", "the file client_secrets.sqlite3", "the file api_keys.json"} <= {
        where for where, _ in heard.said
    }
    assert heard.leaks() == []
    proof.sizes.append(len(heard.said))
    proof.result("no credential in any of so many answers, events, files, logs and command lines")


@pytest.mark.skipif(
    not FULL, reason="the relay's words about its upstream are tested beside it; this is the log"
)
async def test_no_credential_of_the_relay_comes_out_anywhere(tmp_path: Path, proof: Proof) -> None:
    heard = Heard()
    with upstream() as other:
        variables = {
            "VIVAVOCE_SERVER_LOG_LEVEL": "debug",
            "VIVAVOCE_UPSTREAM_URL": f"ws://{other.place}/v1/realtime",
            "VIVAVOCE_UPSTREAM_KEY": LLM,
        }
        async with serving(tmp_path, "--engine", "relay", **variables) as server:
            for _ in range(2):
                async with websockets.connect(
                    f"ws{server.url.removeprefix('http')}/v1/realtime?model=m"
                ) as socket:
                    with contextlib.suppress(websockets.ConnectionClosed):
                        while True:
                            heard.keep("event", await socket.recv())
                    heard.keep("close", f"{socket.close_code} {socket.close_reason}")
            arguments(server.process.pid, heard)
            server.signal(signal.SIGTERM)
            await server.ended()
        heard.keep("standard error", server.log())
    assert other.shown["/v1/realtime"] == {f"Bearer {LLM}"}
    assert "event" in {where for where, _ in heard.said}
    assert heard.leaks() == []
    proof.sizes.append(len(heard.said))
