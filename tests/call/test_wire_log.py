"""The wire log: every event both ways by name and size, and nothing that was said; nothing at all when it is off."""

from __future__ import annotations

import asyncio
import logging

import pytest

from tests.call.rig import Line, scripted
from vivavoce.call.wire_log import UNKNOWN, client_type
from vivavoce.protocol.dialects import BETA
from vivavoce.testing.attachments import Listening
from vivavoce.testing.clock import run

SECRET = "vv_abcdefghijklmnop"


def wire_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "vivavoce.wire"]


async def converse() -> Line:
    """A question, audio, a mistake that holds a secret, a second connection in the other dialect."""
    line = Line(scripted("Good morning, caller. "))
    line.call.join(Listening("old", BETA, from_start=False))
    line.append(100)
    content = [{"type": "input_text", "text": "the words"}]
    line.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})
    line.send(SECRET)
    line.call.receive("client", "{" + SECRET)
    line.send("response.create", source="old")
    await line.until("response.done")
    line.call.leave("old")
    await line.close()
    return line


def test_every_event_is_named_in_the_words_of_its_connection(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "vivavoce.wire")
    line = run(converse())
    told = wire_of(caplog)
    sent = [text for text in told if "/client ->" in text]
    assert [text.split(" -> ")[1].split(" ")[0] for text in sent] == [*line.client.types(), "close"]
    assert all(text.startswith(line.call.id) for text in told)
    frame = f"{line.call.id}/client <- input_audio_buffer.append "
    assert [text for text in told if text.startswith(frame) and text.endswith(" bytes")]
    assert f"{line.call.id}/old <- response.create 27 bytes" in told
    assert any("/old -> response.audio.delta " in text for text in told)
    assert not any("/old -> response.output_audio.delta " in text for text in told)
    assert f"{line.call.id}/client -> close 1000" in told
    assert told[0] == f"{line.call.id}/client joins"
    assert f"{line.call.id}/old leaves" in told


def test_nothing_that_was_said_is_in_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "vivavoce.wire")
    run(converse())
    told = "\n".join(wire_of(caplog))
    assert told.count(f"<- {UNKNOWN} ") == 2
    for said in (SECRET, "the words", "Good morning", "AAAA"):
        assert said not in told


def test_who_comes_back_joins_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "vivavoce.wire")

    async def main() -> None:
        line = Line(scripted())
        line.send("session.update", session={"type": "realtime", "vivavoce": {"reattach_s": 30}})
        line.call.leave("client")
        line.call.join(Listening("again", from_start=False), returning=True)
        await asyncio.sleep(0.1)
        await line.close()

    run(main())
    assert [text for text in wire_of(caplog) if text.endswith("/again joins again")]


def test_off_it_is_not_there(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "vivavoce")

    async def main() -> None:
        line = Line(scripted())
        assert line.call.attachments.tap is None
        await line.close()

    run(main())
    assert wire_of(caplog) == []


@pytest.mark.parametrize(
    ("frame", "named"),
    [
        ('{"type":"session.update","session":{}}', "session.update"),
        (b'{"type":"transcription_session.update"}', "transcription_session.update"),
        ('{"type":"line\\nbreak"}', UNKNOWN),
        ('{"type":5}', UNKNOWN),
        (b"\xff\xfe", UNKNOWN),
        ("[" * 100_000, UNKNOWN),
        ("[]", UNKNOWN),
    ],
)
def test_the_type_of_what_a_client_sends(frame: str | bytes, named: str) -> None:
    assert client_type(frame) == named
