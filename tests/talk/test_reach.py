"""Whom `vivavoce talk` talks to when no address was given."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve

from tests.talk.rig import ANSWER, Remembered, scripted
from vivavoce.server import tls
from vivavoce.server.embedded import running_server
from vivavoce.server.keys import KeyStore
from vivavoce.talk import reach
from vivavoce.talk.conversation import talk
from vivavoce.talk.options import Options
from vivavoce.talk.outcome import Exit, TalkError

GREETING = json.dumps({"type": "session.created", "session": {"model": "other"}})
"""Of a server that speaks the protocol and is not ours."""


@pytest.fixture(autouse=True)
def own_servers_are_scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIVAVOCE_ENGINE_KIND", "scripted")
    monkeypatch.setenv("VIVAVOCE_SCRIPTED_ANSWER", "From a server of its own.")


async def say_hello(options: Options) -> tuple[Remembered, Exit]:
    """One typed turn."""
    stdin, keyboard = os.pipe()
    os.write(keyboard, b"hello\n")
    os.close(keyboard)
    captions = Remembered()
    try:
        return captions, await talk(options, captions, stdin)
    finally:
        os.close(stdin)


@pytest.fixture
async def other_realtime_server() -> AsyncIterator[str]:
    """It speaks the protocol and is not ours."""

    async def greet(socket: ServerConnection) -> None:
        await socket.send(GREETING)
        await socket.wait_closed()

    async with serve(greet, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"


@pytest.fixture
async def silent_server() -> AsyncIterator[str]:
    """It opens the call and says nothing."""

    async def wait(socket: ServerConnection) -> None:
        await socket.wait_closed()

    async with serve(wait, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"


async def test_the_vivavoce_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running_server(scripted()) as url:
        monkeypatch.setattr(reach, "DEFAULT_URL", url)
        captions, code = await say_hello(Options(way="typed"))
    assert code == Exit.ENDED
    assert [text for text, _ in captions.answers] == [ANSWER]
    assert captions.notes[0].startswith(f"connected to {url}")


async def test_one_of_its_own_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "DEFAULT_URL", "http://127.0.0.1:1")
    captions, code = await say_hello(Options(way="typed"))
    assert code == Exit.ENDED
    assert [text for text, _ in captions.answers] == ["From a server of its own."]
    assert captions.notes[0] == "no vivavoce at http://127.0.0.1:1, starting one for this call ..."


async def test_one_of_its_own_where_another_server_answers(
    monkeypatch: pytest.MonkeyPatch, other_realtime_server: str
) -> None:
    monkeypatch.setattr(reach, "DEFAULT_URL", other_realtime_server)
    captions, _ = await say_hello(Options(way="typed"))
    assert [text for text, _ in captions.answers] == ["From a server of its own."]


async def test_one_of_its_own_where_a_key_would_be_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running_server(scripted(auth__keys=["secret"])) as url:
        monkeypatch.setattr(reach, "DEFAULT_URL", url)
        captions, _ = await say_hello(Options(way="typed"))
    assert [text for text, _ in captions.answers] == ["From a server of its own."]


async def test_one_of_its_own_beside_stored_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only hashes of those are known here, so the server of this call has a key for this call."""
    monkeypatch.setenv("VIVAVOCE_DATA_DIR", str(tmp_path))
    KeyStore(tmp_path).create("the office")
    captions, _ = await say_hello(Options(way="typed", engine="scripted"))
    assert [text for text, _ in captions.answers] == ["From a server of its own."]


async def test_a_server_that_opens_the_call_and_says_nothing(
    monkeypatch: pytest.MonkeyPatch, silent_server: str
) -> None:
    monkeypatch.setattr(reach, "GREETING_S", 0.2)
    with pytest.raises(TalkError, match="opened the call and then said nothing") as caught:
        await say_hello(Options(way="typed", url=silent_server))
    assert caught.value.code == Exit.UNREACHABLE


@pytest.mark.parametrize(
    ("frames", "code", "said"),
    [
        (["[]"], Exit.UNREACHABLE, "opened the call and then said nothing that a Realtime server would"),
        ([GREETING, "hello?"], Exit.CUT_OFF, "sent what no Realtime server would"),
        ([GREETING, '{"session": {}}'], Exit.CUT_OFF, "sent what no Realtime server would"),
    ],
)
async def test_something_else_that_speaks_websocket(frames: list[str], code: Exit, said: str) -> None:
    async def chat(socket: ServerConnection) -> None:
        for frame in frames:
            await socket.send(frame)
        await socket.wait_closed()

    async with serve(chat, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        with pytest.raises(TalkError, match=said) as caught:
            await say_hello(Options(way="typed", url=url))
    assert caught.value.code == code


async def test_a_certificate_that_nobody_vouches_for_is_one_line(tmp_path: Path) -> None:
    files = tls.CertificateFiles(tmp_path / "cert.pem", tmp_path / "key.pem", own=True)
    tls.make(files, ["127.0.0.1"])

    async def wait(socket: ServerConnection) -> None:
        await socket.wait_closed()

    async with serve(wait, "127.0.0.1", 0, ssl=files.context()) as server:
        url = f"https://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        with pytest.raises(
            TalkError, match=r"is not trusted here \(.+\): if the server made it itself, export"
        ) as caught:
            await say_hello(Options(way="typed", url=url))
    assert caught.value.code == Exit.UNREACHABLE


async def test_a_server_of_its_own_that_cannot_start_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIVAVOCE_SCRIPTED_SCRIPT", "missing.toml")
    with pytest.raises(TalkError, match=r"no server could be started: missing\.toml") as caught:
        await say_hello(Options(way="typed", engine="scripted"))
    assert caught.value.code == Exit.UNREACHABLE


async def test_a_refused_session_is_one_line() -> None:
    async with running_server(scripted()) as url:
        with pytest.raises(TalkError, match=r"refused the session: .*instructions") as caught:
            await say_hello(Options(way="typed", url=url, instructions=5))  # type: ignore[arg-type]
    assert caught.value.code == Exit.REFUSED
