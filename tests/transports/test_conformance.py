"""RFC 6455 over a raw socket, in the order of Autobahn's cases: what is right is answered, what is wrong is closed with its code.

Whatever is sent, nothing is raised in the server: no traceback in the log, no callback that failed, and the next session works.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import struct
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest

from tests.proofs import Proof
from tests.session.random_events import Known, RandomEvents
from tests.transports.raw_socket import (
    BINARY,
    CLOSE,
    CONT,
    PING,
    PONG,
    TEXT,
    RawSocket,
    closing,
    connected,
    frame,
    handshake,
    raw_socket,
    request,
)
from tests.transports.test_uvicorn_socket import running
from vivavoce.call.settings import ScriptedEngineSettings, ServerSettings, Settings
from vivavoce.engines.scripted.engine import ScriptedEngine, ScriptedSettings
from vivavoce.protocol.dialects import GA
from vivavoce.protocol.errors import ClientError
from vivavoce.server.listening import LARGEST_MESSAGE_BYTES, make_server

LIMIT = 65_536
ASK = b'{"type": "input_audio_buffer.clear", "event_id": "ask"}'
ANSWER = "input_audio_buffer.cleared"


@pytest.fixture
async def url(caplog: pytest.LogCaptureFixture) -> AsyncIterator[str]:
    """A server; at its end nothing may have gone wrong inside."""
    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: failures.append(context))
    settings = Settings(
        server=ServerSettings(port=0, max_frame_bytes=LIMIT), scripted=ScriptedEngineSettings()
    )
    engine = ScriptedEngine(ScriptedSettings())
    caplog.set_level(logging.INFO)
    async with running(lambda started: make_server(settings, engine, started)) as made:
        yield made
        async with raw_socket(made) as socket:
            assert await answered(socket)
    assert failures == []
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


async def answered(socket: RawSocket, message: bytes | None = None) -> bool:
    """Whether the session answers a message that asks for it."""
    await socket.send(frame(TEXT, ASK) if message is None else message)
    found = await socket.until(TEXT)
    return found is not None and found.event["type"] == ANSWER


def padded(size: int) -> bytes:
    return ASK.ljust(size)


def utf8(text: bytes) -> bytes:
    """A message with some text in it, which becomes an `error` that the server can only give when it could read it."""
    return b'{"type": "conversation.item.delete", "item_id": "' + text + b'"}'


TAKEN: dict[str, bytes] = {
    # 1: messages of every length, text and binary
    **{f"1: {size} bytes of text": frame(TEXT, padded(size)) for size in (125, 126, 127, 128, 65_535, LIMIT)},
    **{f"1: {size} bytes, binary": frame(BINARY, padded(size)) for size in (125, 126, LIMIT)},
    # 2: pongs that nobody asked for
    "2: an unsolicited pong": frame(PONG) + frame(PONG, b"\x00\xff") + frame(TEXT, ASK),
    # 5: in pieces
    "5: two fragments": frame(TEXT, ASK[:9], fin=False) + frame(CONT, ASK[9:]),
    "5: a fragment for each byte": b"".join(
        frame(CONT if index else TEXT, bytes([byte]), fin=index == len(ASK) - 1)
        for index, byte in enumerate(ASK)
    ),
    "5: empty fragments around": frame(TEXT, fin=False) + frame(CONT, ASK, fin=False) + frame(CONT),
    "5: pong between fragments": frame(TEXT, ASK[:9], fin=False) + frame(PONG, b"x") + frame(CONT, ASK[9:]),
    "5: binary fragments": frame(BINARY, ASK[:9], fin=False) + frame(CONT, ASK[9:]),
    "5: twice": frame(TEXT, ASK[:9], fin=False) + frame(CONT, ASK[9:]) + frame(TEXT, b"{}"),
}

BROKEN: dict[str, tuple[bytes, int]] = {
    "2: a ping that is too long": (frame(PING, b"x" * 126), 1002),
    **{f"3: reserved bits {rsv:03b}": (frame(TEXT, ASK, rsv=rsv), 1002) for rsv in range(1, 8)},
    "3: reserved bits of a ping": (frame(PING, rsv=4), 1002),
    "3: reserved bits of a close": (frame(CLOSE, rsv=2), 1002),
    **{f"4: opcode {opcode}": (frame(opcode, b"x"), 1002) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "5: a ping in fragments": (frame(PING, b"x", fin=False) + frame(CONT, b"y"), 1002),
    "5: a continuation of nothing": (frame(CONT, ASK), 1002),
    "5: an unfinished continuation of nothing": (frame(CONT, ASK, fin=False) + frame(TEXT, ASK), 1002),
    "5: another message in the middle": (frame(TEXT, ASK[:9], fin=False) + frame(TEXT, ASK), 1002),
    "6: no UTF-8": (frame(TEXT, utf8(b"\xff\xfe")), 1007),
    "6: a surrogate": (frame(TEXT, utf8(b"\xed\xa0\x80")), 1007),
    "6: overlong": (frame(TEXT, utf8(b"\xc0\xaf")), 1007),
    "6: beyond Unicode": (frame(TEXT, utf8(b"\xf4\x90\x80\x80")), 1007),
    "6: cut within a character": (frame(TEXT, b'"\xf0\x9f\x98'), 1007),
    "6: no UTF-8 across fragments": (frame(TEXT, b'"\xf0\x9f', fin=False) + frame(CONT, b'"'), 1007),
    "7: a close of one byte": (frame(CLOSE, b"\x03"), 1002),
    "7: a close that is too long": (closing(1000, b"x" * 124), 1002),
    "7: a reason that is no UTF-8": (closing(1000, b"\xff"), 1007),
    **{
        f"7: code {code}": (closing(code), 1002)
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535)
    },
    "9: a message above everything": (struct.pack("!BBQ", 0x81, 0xFF, LARGEST_MESSAGE_BYTES + 1), 1009),
    "10: not masked": (frame(TEXT, ASK, masked=False), 1002),
    "10: a length of more than 63 bits": (b"\x81\xff" + b"\xff" * 8, 1009),
}
CLOSES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)


async def test_what_is_right_is_answered(url: str) -> None:
    for name, message in TAKEN.items():
        async with raw_socket(url) as socket:
            assert await answered(socket, message), name


async def test_a_message_byte_by_byte(url: str) -> None:
    async with raw_socket(url) as socket:
        for byte in frame(TEXT, ASK[:9], fin=False) + frame(PING, b"in between") + frame(CONT, ASK[9:]):
            await socket.send(bytes([byte]))
            await asyncio.sleep(0)
        pong = await socket.next()
        assert pong is not None
        assert (pong.opcode, pong.payload) == (PONG, b"in between")
        event = await socket.next()
        assert event is not None
        assert event.event["type"] == ANSWER


async def test_pings_are_answered_in_the_middle_of_everything(url: str) -> None:
    payloads = [b"", b"Hello", b"\x00\xff\xfe", b"x" * 125, *(b"%d" % number for number in range(10))]
    async with raw_socket(url) as socket:
        await socket.send(b"".join(frame(PING, payload) for payload in payloads))
        for payload in payloads:
            pong = await socket.until(PONG)
            assert pong is not None
            assert pong.payload == payload
        await socket.send(
            frame(TEXT, ASK[:9], fin=False)
            + frame(PING, b"1")
            + frame(CONT, b"", fin=False)
            + frame(PING, b"2")
        )
        assert [one.payload for _ in range(2) if (one := await socket.next())] == [b"1", b"2"]
        assert await answered(socket, frame(CONT, ASK[9:]))


async def test_text_in_any_language_whole_and_cut_within_characters(url: str) -> None:
    text = "κόσμε, 你好, 😀, \u2028, \U0010ffff, \ufffe".encode()
    message = utf8(text)
    async with raw_socket(url) as socket:
        for cut in (0, *range(50, 60), len(message)):
            await socket.send(frame(TEXT, message[:cut], fin=False) + frame(CONT, message[cut:]))
            found = await socket.until(TEXT)
            assert found is not None
            assert found.event["error"]["code"] == "item_delete_invalid_item_id"
            assert text.decode() in found.event["error"]["message"]


async def test_what_is_wrong_is_closed_with_its_code(url: str) -> None:
    for name, (data, code) in BROKEN.items():
        async with raw_socket(url) as socket:
            await socket.send(data)
            told = await socket.until(CLOSE)
            assert told is not None, name
            assert told.code == code, name
            assert await socket.ended(), name


async def test_a_close_is_answered_with_its_own_code_and_nothing_after_it(url: str) -> None:
    for code in CLOSES:
        async with raw_socket(url) as socket:
            await socket.send(closing(code, b"good bye") + frame(TEXT, ASK) + frame(PING))
            told = await socket.next()
            assert told is not None
            assert (told.opcode, told.code) == (CLOSE, code)
            assert await socket.ended()
    async with raw_socket(url) as socket:
        await socket.send(frame(CLOSE))
        told = await socket.next()
        assert told is not None
        assert told.opcode == CLOSE
        assert await socket.ended()
    async with raw_socket(url) as socket:
        await socket.send(frame(TEXT, b"\xff") + closing(1000))
        told = await socket.next()
        assert told is not None
        assert (told.opcode, told.code) == (CLOSE, 1000)
        assert await socket.ended()
    async with raw_socket(url) as socket:
        await socket.send(frame(TEXT, ASK, fin=False))  # And then it is gone, without a word.


async def test_a_message_above_the_limit_is_refused_and_the_session_goes_on(url: str) -> None:
    whole = b'{"event_id": "big", "type": "input_audio_buffer.append", "audio": "'.ljust(LIMIT + 1, b"A")
    async with raw_socket(url) as socket:
        for message in (
            frame(TEXT, whole),
            frame(TEXT, whole[:9], fin=False) + frame(CONT, whole[9:]),
            frame(BINARY, whole),
        ):
            await socket.send(message)
            found = await socket.until(TEXT)
            assert found is not None
            assert (found.event["error"]["code"], found.event["error"]["event_id"]) == (
                "invalid_event",
                "big",
            )
        assert await answered(socket)


UVICORNS = ("Invalid HTTP request received.", "Unsupported upgrade request.")
HANDSHAKES: dict[str, tuple[bytes, set[int]]] = {
    "as it should be": (request(), {101}),
    "names in any case": (request(Upgrade="WebSocket", Connection="keep-alive, upgrade"), {101}),
    "an extension that is not served": (request(Sec_WebSocket_Extensions="permessage-deflate, x-y"), {101}),
    "no key": (request(Sec_WebSocket_Key=None), {400}),
    "a key that is none": (request(Sec_WebSocket_Key="short"), {400}),
    "an older version": (request(Sec_WebSocket_Version="8"), {400, 426}),
    "no version": (request(Sec_WebSocket_Version=None), {400, 426}),
    "another upgrade": (request(Upgrade="h2c"), {400, 404, 405, 426}),
    "another place": (request("/v1/elsewhere"), {403, 404}),
    "a path that is no ASCII": (request("/v1/realtime?model=\xe9"), {0, 400, 101}),
    "a header that is no ASCII": (request(Authorization="Bearer \xe9\xff"), {101}),
    "another method": (request(method="POST"), {400, 404, 405}),
    "a header of 100 kB": (request(Cookie="x" * 100_000), {400, 431}),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", {0, 400}),
}


async def test_handshakes(url: str, caplog: pytest.LogCaptureFixture) -> None:
    for name, (head, possible) in HANDSHAKES.items():
        async with connected(url) as (reader, writer):
            status, answer = await handshake(reader, writer, head)
            assert status in possible, (name, status)
            assert "permessage" not in answer
    # A line of uvicorn's for what is no HTTP, and for what wants to become something else: that is all it should be.
    for record in [one for one in caplog.records if one.levelno == logging.WARNING]:
        assert record.getMessage() in UVICORNS
        caplog.records.remove(record)


# --- frames at random ----------------------------------------------------------------------------------------------------


def expected(data: bytes) -> tuple[str, str | None, str | None, str] | None:
    """What the session must say of a frame that is refused before it gets there; None for one that may be taken."""
    try:
        GA.from_wire(data)
    except ClientError as error:
        return error.code, error.param, error.event_id, error.message
    return None


async def test_mutated_events_get_one_precise_error_each(url: str, proof: Proof) -> None:
    frames = proof.size(reduced=400, full=100_000)
    source, batch = RandomEvents(Random(proof.seed), Known()), 200
    refused = taken = 0
    while refused + taken < frames:
        made = [source.spoilt() for _ in range(batch)]
        # What can be read is sent too, on a connection of its own: what comes of it depends on the session.
        wrong = [(data, told) for data in made if (told := expected(data)) is not None]
        right = [data for data in made if expected(data) is None]
        async with raw_socket(url) as socket, raw_socket(url) as other:
            for data in right:
                await other.send(frame(BINARY, data))
            for data, told in wrong:
                await socket.send(frame(BINARY, data))
                found = await socket.until(TEXT)
                assert found is not None
                assert found.event["type"] == "error", data
                error = found.event["error"]
                assert (error["code"], error["param"], error["event_id"], error["message"]) == told, data
                assert error["type"] == "invalid_request_error"
            assert await answered(socket), "one error each, and nothing else"
            await other.send(frame(TEXT, b'{"type": "still.there", "event_id": "last"}'))
            while (found := await other.until(TEXT)) is not None:
                if found.event["type"] == "error" and found.event["error"]["event_id"] == "last":
                    break
            assert found is not None, right
        refused, taken = refused + len(wrong), taken + len(right)
    proof.result(
        f"{refused:,} refused with one precise error each, {taken:,} taken; no traceback, sessions go on"
    )


async def test_bytes_at_random_break_nothing_but_their_own_connection(url: str, proof: Proof) -> None:
    rng = Random(proof.seed)
    connections = proof.size(reduced=30, full=5_000)
    closes: set[int | None] = set()
    for _ in range(connections):
        stream = bytearray(b"".join(frame(rng.choice((TEXT, BINARY, PING)), ASK) for _ in range(4)))
        for _ in range(rng.randint(1, 6)):
            stream[rng.randrange(len(stream))] = rng.randrange(256)
        async with raw_socket(url) as socket:
            # A last frame that ends it in any case, where a spoilt length does not swallow it.
            await socket.send(bytes(stream) + closing(1000))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.2):
                    told = await socket.until(CLOSE)
                    closes.add(told.code if told is not None else None)
    assert closes <= {1000, 1002, 1007, 1009, None}
    proof.result(f"closed with {', '.join(str(code) for code in sorted(filter(None, closes)))}; no traceback")


def test_the_frames_made_here_are_right() -> None:
    assert frame(TEXT, b"Hello", masked=False) == b"\x81\x05Hello"
    assert json.loads(padded(LIMIT)) == json.loads(ASK)
