"""Several connections to one call: sidebands, and a client that drops and comes back."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from tests.call.rig import Line, scripted
from vivavoce.call.attachments import MISSED_BYTES, TAKEN_OVER, Missed
from vivavoce.protocol.dialects import BETA, GA, Dialect
from vivavoce.testing.attachments import Listening
from vivavoce.testing.clock import run
from vivavoce.testing.puppet import PuppetEngine

COMES_BACK = {"type": "realtime", "vivavoce": {"reattach_s": 30}}


class Phone(Line):
    """A line whose client can drop and come back."""

    def drop(self, source: str = "client") -> None:
        """The connection is gone."""
        self.call.leave(source)

    def come_back(self, name: str = "client again", dialect: Dialect = GA) -> Listening:
        """The client connects again and takes its place."""
        again = Listening(name, dialect, from_start=False)
        self.call.join(again, returning=True)
        return again

    def say(self, text: str, source: str = "client") -> None:
        """A typed item and a request for an answer."""
        content = [{"type": "input_text", "text": text}]
        self.send(
            "conversation.item.create",
            source=source,
            item={"type": "message", "role": "user", "content": content},
        )
        self.send("response.create", source=source)


# --- sidebands ----------------------------------------------------------------------------------------------------------


def test_a_sideband_is_shown_the_session_and_then_everything() -> None:
    async def main() -> None:
        line = Phone(scripted())
        line.say("one")
        await line.until("response.done")
        side = line.join("side")
        assert side.types() == ["session.created"]
        assert side.events[0]["session"] == line.client.events[0]["session"]
        already = len(line.client.events)
        line.say("two")
        await line.until("response.done", 2)
        assert side.events[1:] == line.client.events[already:]
        assert side.of_type("response.output_audio.delta")
        await line.close()
        assert side.closed == line.client.closed == (1000, "")

    run(main())


def test_a_sideband_may_do_what_the_client_may() -> None:
    async def main() -> None:
        line = Phone(scripted())
        line.join("side")
        line.send("session.update", source="side", session={"type": "realtime", "instructions": "Be brief."})
        assert line.client.of_type("session.updated")[0]["session"]["instructions"] == "Be brief."
        line.say("hi", source="side")
        assert (await line.until("response.done"))["response"]["status"] == "completed"
        await line.close()

    run(main())


def test_mistakes_and_what_was_asked_for_concern_one_of_them() -> None:
    async def main() -> None:
        line = Phone(scripted())
        side = line.join("side")
        line.say("hi")
        await line.until("response.done")
        item = line.client.of_type("conversation.item.added")[0]["item"]["id"]
        line.send("conversation.item.retrieve", source="side", item_id=item)
        line.send("response.cancel", source="side")
        assert len(side.of_type("error")) == len(side.of_type("conversation.item.retrieved")) == 1
        assert not line.client.of_type("error")
        assert not line.client.of_type("conversation.item.retrieved")
        await line.close()

    run(main())


def test_each_is_told_in_its_own_words() -> None:
    async def main() -> None:
        line = Phone(scripted())
        old = Listening("old", BETA, from_start=False)
        line.call.join(old)
        line.say("hi")
        await line.until("response.done")
        assert "conversation.item.created" in old.types()
        assert "response.audio.delta" in old.types()
        assert "conversation.item.added" in line.client.types()
        assert old.events[0]["session"]["vivavoce"]["call_id"] == line.call.id
        await line.close()

    run(main())


def test_what_happened_before_its_turn_is_not_for_a_newcomer() -> None:
    async def main() -> None:
        side = Listening("side", from_start=False)

        def observe(what: object, now_ms: int) -> None:
            # In the middle of another entry, whose effects are still to be performed.
            if type(what).__name__ == "Received" and len(line.call.attachments) == 1:
                line.call.join(side)

        line = Phone(scripted(), observe)
        line.send("response.create")
        assert side.types()[0] == "session.created"
        await line.close()

    run(main())


def test_a_call_goes_on_without_a_sideband_but_not_without_its_client() -> None:
    async def main() -> None:
        line = Phone(PuppetEngine())
        side = line.join("side")
        line.drop("side")
        assert not line.call.closed.done()
        other = line.join("other")
        line.drop()
        assert line.call.closed.done()
        assert other.closed == (1000, "the primary connection was closed")
        assert side.closed is None
        await line.close()

    run(main())


# --- coming back --------------------------------------------------------------------------------------------------------


def test_a_client_that_dropped_finds_its_conversation_and_what_it_missed() -> None:
    async def main() -> None:
        line = Phone(scripted("One clause. " * 3, llm_delay_ms=500, ms_per_char=10))
        line.send("session.update", session=COMES_BACK)
        line.say("hi")
        created = line.client.of_type("response.created")[0]["response"]
        line.drop()
        await asyncio.sleep(10)
        assert not line.call.closed.done()
        again = line.come_back()
        assert again.events[0]["session"]["id"] == line.client.events[0]["session"]["id"]
        # The answer was given meanwhile: all of it is told, but for the sound, which can be asked for.
        assert again.types()[1:3] == ["response.output_item.added", "conversation.item.added"]
        assert not again.of_type("response.output_audio.delta")
        (done,) = again.of_type("response.done")
        assert done["response"]["id"] == created["id"]
        line.send(
            "conversation.item.retrieve", source="client again", item_id=done["response"]["output"][0]["id"]
        )
        (retrieved,) = again.of_type("conversation.item.retrieved")
        assert retrieved["item"]["content"][0]["audio"]
        line.say("still there?", source="client again")
        for _ in range(5000):
            await asyncio.sleep(0.001)
        assert len(again.of_type("response.done")) == 2
        await line.close()

    run(main())


def test_nobody_waits_for_ever() -> None:
    async def main() -> None:
        line = Phone(PuppetEngine())
        line.send("session.update", session=COMES_BACK)
        side = line.join("side")
        line.drop()
        await asyncio.sleep(29.9)
        assert not line.call.closed.done()
        # A sideband is no client: it does not keep the call.
        line.join("another")
        await asyncio.sleep(0.2)
        assert line.call.closed.done()
        assert side.closed == (1000, "the client did not come back")
        await line.close()

    run(main())


def test_a_client_back_before_the_server_noticed_takes_its_own_place() -> None:
    async def main() -> None:
        line = Phone(scripted())
        line.send("session.update", session=COMES_BACK)
        again = line.come_back()
        assert line.client.closed == (1001, TAKEN_OVER)
        assert again.types() == ["session.created"]
        line.drop("client")  # What is noticed only now.
        await asyncio.sleep(60)
        assert not line.call.closed.done()
        line.drop("client again")
        await asyncio.sleep(60)
        assert line.call.closed.done()
        await line.close()

    run(main())


def test_a_sideband_does_not_take_the_place_of_a_client_that_is_away() -> None:
    async def main() -> None:
        line = Phone(scripted())
        line.send("session.update", session=COMES_BACK)
        line.drop()
        side = line.join("side")
        again = line.come_back()
        assert side.closed is None
        line.drop("side")
        await asyncio.sleep(60)
        assert not line.call.closed.done()
        assert again.closed is None
        await line.close()

    run(main())


def test_whoever_comes_back_in_another_dialect_is_told_only_the_session(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        line = Phone(scripted())
        line.send("session.update", session=COMES_BACK)
        line.drop()
        line.join("side")
        line.say("hi", source="side")
        await asyncio.sleep(1)
        assert line.come_back(dialect=BETA).types() == ["session.created"]
        await line.close()

    run(main())
    assert "another dialect" in caplog.text


def test_what_is_kept_for_a_client_is_bounded() -> None:
    missed = Missed(GA)
    for number in range(300):
        missed.keep([f"{number}".encode().ljust(10_000)])
    assert len(missed.frames) == MISSED_BYTES // 10_000
    assert missed.frames[-1].startswith(b"299")


@pytest.mark.parametrize("wanted", [-1, 601, "long", 1.5])
def test_the_wait_is_a_number_of_seconds(wanted: Any) -> None:
    async def main() -> None:
        line = Phone(PuppetEngine())
        line.send("session.update", session={"type": "realtime", "vivavoce": {"reattach_s": wanted}})
        (error,) = line.client.of_type("error")
        assert error["error"]["param"] == "session.vivavoce.reattach_s"
        await line.close()

    run(main())


# --- the end ------------------------------------------------------------------------------------------------------------


def test_whoever_runs_the_server_reads_of_a_session_that_expires(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        line = Phone(PuppetEngine(), session__max_duration_s=3600)
        await asyncio.sleep(3299)
        assert "expires" not in caplog.text
        await asyncio.sleep(2)
        assert f"{line.call.id}: the session expires in 300 s" in caplog.text
        assert not line.client.of_type("error")
        await asyncio.sleep(300)
        assert f"{line.call.id}: the session expired after 3600 s" in caplog.text
        assert line.client.of_type("error")[0]["error"]["code"] == "session_expired"
        assert line.client.closed is not None
        assert line.client.closed[0] == 1001
        await line.close()

    with caplog.at_level(logging.WARNING):
        run(main())
