"""The straight way in and out of uvicorn's WebSocket: as good as the long one, and only for those who ask for it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import weakref
from collections.abc import AsyncIterator, Callable
from typing import Any

import pybase64
import pytest
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from vivavoce.call.registry import Calls
from vivavoce.call.settings import ScriptedEngineSettings, ServerSettings, Settings
from vivavoce.engines.scripted.engine import ScriptedEngine, ScriptedSettings
from vivavoce.server.life import Life
from vivavoce.server.listening import OnStarted, Server, make_server
from vivavoce.transports.uvicorn_socket import EXTENSION, UvicornSocket


@contextlib.asynccontextmanager
async def listening(app: Any) -> AsyncIterator[str]:
    """An ASGI application on a free port."""
    config = uvicorn.Config(
        app, port=0, ws=UvicornSocket, log_config=None, lifespan="off", ws_max_size=1 << 20
    )
    calls = Calls(Settings(), ScriptedEngine(ScriptedSettings()))
    async with running(lambda on_started: Server(config, calls, Life(0), on_started)) as url:
        yield url


@contextlib.asynccontextmanager
async def running(make: Callable[[OnStarted], Server]) -> AsyncIterator[str]:
    started = asyncio.Event()
    server = make(lambda host, port: started.set())
    # uvicorn catches signals only in `serve`; here the server is one task among others.
    serving = asyncio.create_task(server._serve())
    await started.wait()
    try:
        yield f"ws://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    finally:
        server.should_exit = True
        await serving


class Echo:
    """Answers every message by way of the shortcut, and remembers what came which way."""

    def __init__(self) -> None:
        self.straight: list[str | bytes] = []
        self.long: list[dict[str, Any]] = []
        self.socket: UvicornSocket | None = None
        self.over = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        self.socket = socket = scope["extensions"][EXTENSION]["socket"]
        answers: asyncio.Queue[bytes] = asyncio.Queue()

        def listen(message: str | bytes) -> None:
            self.straight.append(message)
            answers.put_nowait(message.encode() if isinstance(message, str) else message)

        socket.listen(listen)
        writing = asyncio.create_task(write(socket, answers))
        self.long.append(await receive())
        writing.cancel()
        self.over.set()


async def write(socket: UvicornSocket, answers: asyncio.Queue[bytes]) -> None:
    while True:
        texts = [await answers.get()]
        while not answers.empty():
            texts.append(answers.get_nowait())
        await socket.send_texts(texts)


async def test_messages_go_straight_in_and_out_in_order() -> None:
    echo = Echo()
    said = [f"message {n} " + "x" * (n * 1000) for n in range(80)]
    async with listening(echo) as url, connect(url, compression=None) as client:
        for text in said:
            await client.send(text)
        assert [await client.recv() for _ in said] == said
    await echo.over.wait()
    assert echo.straight == said
    assert [event["type"] for event in echo.long] == ["websocket.disconnect"]
    assert echo.long[0]["code"] == 1000


async def test_fragments_and_binary_messages_arrive_whole() -> None:
    echo = Echo()
    async with listening(echo) as url, connect(url, compression=None) as client:
        await client.send(["in ", "three ", "pieces"])
        await client.send(b"\x01\x02")
        assert await client.recv() == "in three pieces"
        assert await client.recv(decode=False) == b"\x01\x02"
    assert echo.straight == ["in three pieces", b"\x01\x02"]


async def test_text_that_is_no_utf8_closes_with_1007() -> None:
    echo = Echo()
    async with listening(echo) as url, connect(url, compression=None) as client:
        await client.send(b"\xff\xfe", text=True)
        with contextlib.suppress(ConnectionClosed):
            await client.recv()
        assert client.close_code == 1007
    assert not echo.straight


async def test_a_message_above_the_limit_closes_with_1009() -> None:
    echo = Echo()
    async with listening(echo) as url, connect(url, compression=None) as client:
        with contextlib.suppress(ConnectionClosed):
            await client.send("x" * ((1 << 20) + 1))
            await client.recv()
        assert client.close_code == 1009


async def test_nothing_is_read_while_paused() -> None:
    echo = Echo()
    async with listening(echo) as url, connect(url, compression=None) as client:
        await client.send("first")
        await client.recv()
        assert echo.socket is not None
        echo.socket.pause()
        echo.socket.pause()
        await client.send("second")
        pong = asyncio.ensure_future(await client.ping())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(pong), 0.05)
        assert (echo.straight, pong.done()) == (["first"], False)
        echo.socket.resume()
        assert await client.recv() == "second"
        await pong


async def test_an_application_that_does_not_ask_is_served_the_long_way() -> None:
    async def plain(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"].upper()})

    async with listening(plain) as url, connect(url, compression=None) as client:
        for text in ("one", "two"):
            await client.send(text)
            assert await client.recv() == text.upper()


async def test_writing_to_somebody_who_left_is_told() -> None:
    failed: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def late(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        try:
            await scope["extensions"][EXTENSION]["socket"].send_texts([b"too late"])
        except OSError as error:
            failed.set_result(type(error).__name__)

    async with listening(late) as url:
        async with connect(url, compression=None):
            pass
        assert await asyncio.wait_for(failed, 5) == "ClientDisconnected"


# --- the whole server over it -------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def session() -> AsyncIterator[tuple[ClientConnection, Calls]]:
    settings = Settings(server=ServerSettings(port=0), scripted=ScriptedEngineSettings())
    engine = ScriptedEngine(ScriptedSettings())
    server: Server | None = None

    def make(started: OnStarted) -> Server:
        nonlocal server
        server = make_server(settings, engine, started)
        return server

    async with running(make) as url, connect(f"{url}v1/realtime?model=m", max_size=None) as client:
        assert server is not None
        app: Any = server.config.app
        yield client, app.state.calls


async def until(client: ClientConnection, event_type: str) -> dict[str, Any]:
    while True:
        event: dict[str, Any] = json.loads(await client.recv())
        if event["type"] == event_type:
            return event


async def test_more_than_the_inbox_takes_is_neither_lost_nor_reordered() -> None:
    append = {"type": "input_audio_buffer.append", "audio": pybase64.b64encode_as_string(bytes(48_000 * 10))}
    async with session() as (client, _):
        update = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}
        await client.send(json.dumps({"type": "session.update", "session": update}))
        await until(client, "session.updated")
        # Ten seconds each are applied in 100 pieces, between which the socket goes on delivering.
        await client.send(json.dumps(append))
        for number in range(300):
            await client.send(json.dumps({"type": "nonsense", "event_id": f"e{number}"}))
        told = [(await until(client, "error"))["error"]["event_id"] for _ in range(300)]
        assert told == [f"e{number}" for number in range(300)]
        await client.send(json.dumps({"type": "input_audio_buffer.commit"}))
        assert await until(client, "input_audio_buffer.committed")


async def test_a_long_answer_is_written_whole() -> None:
    async with session() as (client, _):
        content = [{"type": "input_text", "text": "hello"}]
        item = {"type": "message", "role": "user", "content": content}
        await client.send(json.dumps({"type": "conversation.item.create", "item": item}))
        await client.send(json.dumps({"type": "response.create"}))
        done = await until(client, "response.done")
        assert done["response"]["status"] == "completed"


async def test_a_call_is_freed_when_its_socket_is_closed() -> None:
    freed = asyncio.Event()
    append = {"type": "input_audio_buffer.append", "audio": pybase64.b64encode_as_string(bytes(48_000))}
    gc.collect()
    gc.disable()
    try:
        async with session() as (client, calls):
            await client.send(json.dumps(append))
            await client.send(json.dumps({"type": "input_audio_buffer.commit"}))
            await until(client, "input_audio_buffer.committed")
            call = list(calls)[-1]
            weakref.finalize(call, freed.set)
            del call
            await client.close()
            # Up to 16 MB of sound hang on it: too much to wait for the garbage collector's next full round.
            await asyncio.wait_for(freed.wait(), 5)
    finally:
        gc.enable()


async def test_a_handshake_that_is_refused_in_words_is_no_error_of_the_server(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def refusing(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        headers = [(b"content-type", b"text/plain")]
        await send({"type": "websocket.http.response.start", "status": 401, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": b"who ", "more_body": True})
        await send({"type": "websocket.http.response.body", "body": b"are you?", "more_body": False})

    async with listening(refusing) as url:
        with pytest.raises(InvalidStatus) as refused:
            await connect(url)
    assert (refused.value.response.status_code, refused.value.response.body) == (401, b"who are you?")
    assert caplog.text == ""


class Calendar:
    """An event loop's clock, and what is to be done when."""

    def __init__(self, now_s: float) -> None:
        self.now_s = now_s
        self.due_s: list[float] = []

    def time(self) -> float:
        return self.now_s

    def call_at(self, when_s: float, what: Callable[[], None]) -> str:
        self.due_s.append(when_s)
        return "a timer"


def test_quiet_sockets_are_pinged_together_so_that_the_server_wakes_up_once_for_many() -> None:
    due_s = []
    for connected_s, round_trip_s in ((12.1, 0.0), (12.4, 0.004), (12.99, 0.2)):
        socket: Any = UvicornSocket.__new__(UvicornSocket)
        socket.loop = calendar = Calendar(connected_s)
        socket.ping_interval, socket.last_ping_rtt = 30.0, round_trip_s
        socket.schedule_ping()
        due_s += calendar.due_s
    assert due_s == [43.0, 43.0, 43.0]
