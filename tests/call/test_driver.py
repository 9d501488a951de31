"""The driver: one inbox, one writer, and what happens when somebody misbehaves."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pybase64
import pytest

from tests.call.rig import Line, scripted, sound
from vivavoce.call import driver
from vivavoce.call.driver import BACKLOG, Arriving, Received
from vivavoce.engines.scripted.script import Call as ScriptCall
from vivavoce.engines.scripted.script import Script, Step
from vivavoce.session.effects import Cancel, Effect, Generate, Hear, Play, Send
from vivavoce.session.signals import TextDelta
from vivavoce.testing.attachments import Listening
from vivavoce.testing.clock import run
from vivavoce.testing.puppet import PuppetEngine


def test_a_typed_turn() -> None:
    async def main() -> None:
        line = Line(scripted("Good morning. "))
        line.send(
            "conversation.item.create",
            item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]},
        )
        line.send("response.create")
        done = await line.until("response.done")
        assert done["response"]["status"] == "completed"
        assert done["response"]["output"][0]["content"][0]["transcript"] == "Good morning. "
        line.client.invariants.finish()  # type: ignore[union-attr]
        await line.close()

    run(main())


def test_a_spoken_turn_takes_the_delays_of_its_stages() -> None:
    async def main() -> None:
        line = Line(scripted(llm_delay_ms=200, tts_delay_ms=100), session__soft_pause_ms=0)
        line.append(1000)
        line.append(500, loud=False)
        created = await line.until("response.created")
        began = line.now_ms
        await line.until("response.output_audio.delta")
        assert abs(line.now_ms - began - 300) <= 2  # polled once per millisecond
        await line.until("response.done")
        assert created["response"]["status"] == "in_progress"
        await line.close()

    run(main())


def test_a_long_answer_is_sent_ahead_but_not_too_far() -> None:
    """Clauses are held until the lead has shrunk, by timers of the machine."""

    async def main() -> list[tuple[int, int]]:
        played: list[tuple[int, int]] = []

        def observe(what: object, now_ms: int) -> None:
            if isinstance(what, Play):
                played.append((what.clip.ticks, now_ms))

        line = Line(scripted("One clause. " * 12, ms_per_char=100), observe, session__output_lead_ms=2000)
        began = line.now_ms
        line.send("response.create")
        await line.until("response.done")
        took = line.now_ms - began
        # 12 clauses of 1.1 s are 13.2 s; the last begins when less than 2 s are ahead.
        assert 9_000 <= took <= 12_200
        await line.close()
        return played

    assert run(main()) == run(main())  # virtual time: the same to the millisecond


# --- one long append ----------------------------------------------------------------------------------------------------


def test_a_long_append_lets_others_have_their_turn() -> None:
    async def main() -> None:
        order: list[str] = []

        def note(name: str) -> Any:
            def observe(what: object, now_ms: int) -> None:
                if isinstance(what, Hear | Received):
                    order.append(f"{name} {type(what).__name__}")

            return observe

        engine = scripted()
        long, other = Line(engine, note("long")), Line(engine, note("other"))
        long.append(60_000, loud=False)
        order.clear()
        asyncio.get_running_loop().call_soon(lambda: other.append(20, loud=False))
        for _ in range(700):
            await asyncio.sleep(0)
        # The other call was served after a frame or two, not after all 600.
        assert 0 < order.index("other Received") < 5
        assert long.call.machine.ear.input.position == 60 * 48_000  # type: ignore[attr-defined]
        await long.close()
        await other.close()

    run(main())


def test_what_comes_behind_a_long_append_waits_for_it() -> None:
    async def main() -> None:
        line = Line(PuppetEngine())
        line.send(
            "session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": None}}}
        )
        line.append(5_000)
        line.send("input_audio_buffer.commit")
        line.send("response.create")
        created = await line.until("response.created")
        (committed,) = line.client.of_type("input_audio_buffer.committed")
        types = line.client.types()
        assert types.index("input_audio_buffer.committed") < types.index("response.created")
        line.send("conversation.item.retrieve", item_id=committed["item_id"])
        retrieved = await line.until("conversation.item.retrieved")
        assert retrieved["item"]["content"][0]["audio"] == sound(5_000)
        assert created["response"]["status"] == "in_progress"
        await line.close()

    run(main())


def test_a_signal_that_an_effect_brings_about_comes_after_all_effects_of_its_input() -> None:
    """The scripted engine answers at once, from inside the performing of `Generate`; order is kept all the same."""

    async def main() -> None:
        entries: list[str] = []

        def observe(what: object, now_ms: int) -> None:
            if isinstance(what, Generate | TextDelta):
                entries.append(type(what).__name__)
            if isinstance(what, Send):
                entries.append(str(type(what.event).__struct_config__.tag))

        line = Line(scripted("Hello."), observe)
        line.send("response.create")
        await line.until("response.done")
        created, generate = entries.index("response.created"), entries.index("Generate")
        assert created < generate < entries.index("TextDelta") < entries.index("response.output_item.added")
        await line.close()

    run(main())


# --- backlog ------------------------------------------------------------------------------------------------------------


def test_a_reader_waits_while_the_inbox_is_full_and_goes_on_in_order() -> None:
    async def main() -> None:
        line = Line(PuppetEngine())
        line.append(30_000, loud=False)
        waited = 0
        for n in range(3 * BACKLOG):
            line.send("response.cancel", event_id=f"e{n}")
            if line.call.crowded:
                waited += 1
                await line.call.room()
                assert not line.call.crowded
        await line.until("error", 3 * BACKLOG)
        assert waited > 0
        answered = [event["error"]["event_id"] for event in line.client.of_type("error")]
        assert answered == [f"e{n}" for n in range(3 * BACKLOG)]
        await line.close()

    run(main())


def test_nobody_waits_for_room_in_a_call_that_is_over() -> None:
    async def main() -> None:
        line = Line(PuppetEngine())
        line.append(30_000, loud=False)
        for _ in range(2 * BACKLOG):
            line.send("response.cancel")
        waiting = asyncio.create_task(line.call.room())
        await asyncio.sleep(0)
        line.call.hang_up(1001, "over")
        await asyncio.wait_for(waiting, 1)
        await line.call.room()
        await line.close()

    run(main())


def test_a_reader_that_is_cancelled_does_not_take_the_room_of_others_along() -> None:
    async def main() -> None:
        line = Line(PuppetEngine())
        line.append(30_000, loud=False)
        for _ in range(2 * BACKLOG):
            line.send("response.cancel")
        gone, waiting = (asyncio.create_task(line.call.room()) for _ in range(2))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait({gone})
        await asyncio.wait_for(waiting, 60)
        line.call.hang_up(1001, "over")
        assert line.call.closed.done()
        await line.close()

    run(main())


# --- connections --------------------------------------------------------------------------------------------------------


def test_events_are_mirrored_and_errors_are_not() -> None:
    async def main() -> None:
        line = Line(scripted())
        side = line.join("side")
        assert side.types() == ["session.created"]
        line.send("response.cancel", source="side", event_id="s1")
        line.send("response.cancel", event_id="c1")
        assert [event["error"]["event_id"] for event in side.of_type("error")] == ["s1"]
        assert [event["error"]["event_id"] for event in line.client.of_type("error")] == ["c1"]
        line.send("session.update", source="side", session={"type": "realtime", "instructions": "Be kind."})
        line.send("response.create", source="side")
        await line.until("response.done")
        # Everything that goes to all is the same event for all.
        assert side.events[2:] == [
            event for event in line.client.events if event["type"] not in ("session.created", "error")
        ]
        line.call.leave("side")
        count = len(side.events)
        line.send("response.create")
        await line.until("response.done", 2)
        assert len(side.events) == count
        assert line.client.closed is None
        await line.close()

    run(main())


def test_each_connection_is_spoken_to_in_its_dialect() -> None:
    from vivavoce.protocol.dialects import BETA

    async def main() -> None:
        line = Line(scripted())
        old = Listening("old", BETA)
        line.call.join(old)
        line.send("response.create", source="old", response={"modalities": ["text", "audio"]})
        await line.until("response.done")
        assert "response.audio.delta" in old.types()
        assert "response.output_audio.delta" not in old.types()
        assert len(old.of_type("response.audio.delta")) == len(
            line.client.of_type("response.output_audio.delta")
        )
        await line.close()

    run(main())


def test_a_connection_that_left_is_not_heard_any_more() -> None:
    async def main() -> None:
        line = Line(PuppetEngine())
        line.join("side")
        line.call.leave("side")
        line.send("response.create", source="side")
        line.call.leave("side")
        assert line.client.types() == ["session.created"]
        await line.close()

    run(main())


def test_the_call_is_over_when_its_first_connection_leaves() -> None:
    async def main() -> None:
        line = Line(PuppetEngine())
        side = line.join("side")
        line.call.leave("client")
        assert line.call.closed.done()
        assert side.closed == (1000, "the primary connection was closed")
        await line.close()
        assert len(line.calls) == 0

    run(main())


# --- what goes wrong ----------------------------------------------------------------------------------------------------


def test_a_bug_ends_its_own_call_and_no_other(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        engine = scripted()
        broken, other = Line(engine), Line(engine)

        def explode(*_: object) -> None:
            raise ZeroDivisionError("a bug")

        broken.call.machine.tick = explode  # type: ignore[method-assign, assignment]
        broken.call.machine.receive = explode  # type: ignore[method-assign, assignment]
        side = broken.join("side")
        with caplog.at_level(logging.CRITICAL, "vivavoce.call"):
            broken.send("response.create")
        for connection in (broken.client, side):
            assert connection.events[-1]["error"]["code"] == "server_error"
            assert connection.events[-1]["error"]["type"] == "server_error"
            assert connection.closed == (1011, "server_error")
        assert broken.call.closed.done()
        other.send("response.create")
        assert (await other.until("response.done"))["response"]["status"] == "completed"
        await broken.close()
        await other.close()

    run(main())


def test_a_call_whose_clients_cannot_be_written_to_ends_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        line = Line(PuppetEngine())

        def explode(_: bytes) -> None:
            raise ZeroDivisionError("a bug")

        line.client.write = explode  # type: ignore[method-assign, assignment]
        with caplog.at_level(logging.CRITICAL, "vivavoce.call"):
            line.send("response.create")
        assert line.call.closed.done()
        assert line.client.closed == (1011, "server_error")
        await line.close()

    run(main())


def test_nothing_is_sent_after_the_end() -> None:
    """`Listening` fails on a frame after the hang-up; the engine is still at it when the call ends."""

    async def main() -> None:
        line = Line(scripted("One clause. " * 20, llm_delay_ms=100, tts_delay_ms=50))
        line.send("response.create")
        await asyncio.sleep(0.16)
        line.call.hang_up(1001, "the server is shutting down")
        count = len(line.client.events)
        assert line.client.closed == (1001, "the server is shutting down")
        line.send("response.create")
        line.call.emit(TextDelta("gen_1", "late"))
        late = Listening("late")
        line.call.join(late)
        await asyncio.sleep(5)
        assert len(line.client.events) == count
        assert late.events == []
        await line.close()
        assert line.client.closed == (1001, "the server is shutting down")

    run(main())


def test_the_session_expires_by_a_timer() -> None:
    async def main() -> None:
        line = Line(PuppetEngine(), session__max_duration_s=60)
        await asyncio.sleep(59.9)
        assert line.client.closed is None
        await asyncio.sleep(0.2)
        assert line.client.events[-1]["error"]["code"] == "session_expired"
        assert line.client.closed == (1001, "Your session hit the maximum duration of 1 minutes.")
        await line.close()

    run(main())


def test_a_cancelled_answer_stops_its_engine() -> None:
    async def main() -> None:
        effects: list[Effect] = []

        def observe(what: object, now_ms: int) -> None:
            if isinstance(what, Cancel | Generate):
                effects.append(what)

        line = Line(scripted(llm_delay_ms=1000), observe)
        line.send("response.create")
        await asyncio.sleep(0.1)
        line.send("response.cancel")
        await asyncio.sleep(2)
        generate, cancel = effects
        assert isinstance(generate, Generate)
        assert cancel == Cancel(generate.generation)
        assert line.client.types()[-2:] == ["response.done", "rate_limits.updated"]
        await line.close()

    run(main())


@pytest.mark.parametrize(
    ("frame", "code", "event_id"),
    [
        (b"{", "invalid_json", None),
        (b"\xff\xfe", "invalid_json", None),
        ('{"type": "nonsense", "event_id": "n"}', "invalid_value", "n"),
        ('{"type": "input_audio_buffer.append", "audio": "AAA", "event_id": "b"}', "invalid_value", "b"),
        ('{"type": "input_audio_buffer.append", "audio": "AAAA", "event_id": "o"}', "invalid_value", "o"),
    ],
)
def test_a_bad_frame_is_answered_once_and_the_call_goes_on(
    frame: bytes | str, code: str, event_id: str | None
) -> None:
    async def main() -> None:
        line = Line(scripted())
        line.call.receive("client", frame)
        (error,) = line.client.of_type("error")
        assert (error["error"]["code"], error["error"]["event_id"]) == (code, event_id)
        line.send("response.create")
        assert (await line.until("response.done"))["response"]["status"] == "completed"
        await line.close()

    run(main())


def test_an_append_beyond_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "LARGEST_APPEND_BYTES", 48 * 100)

    async def main() -> None:
        line = Line(PuppetEngine())
        line.append(100)
        line.append(101, event_id="big")
        (error,) = line.client.of_type("error")
        assert (error["error"]["param"], error["error"]["event_id"]) == ("audio", "big")
        assert line.call.machine.ear.input.position == 100 * 48  # type: ignore[attr-defined]
        # A telephone's sound is half as long on the wire as it is when it is decoded.
        line.send(
            "session.update",
            session={"type": "realtime", "audio": {"input": {"format": {"type": "audio/pcmu"}}}},
        )
        line.send("input_audio_buffer.append", audio=pybase64.b64encode(bytes(48 * 100)).decode())
        line.send("input_audio_buffer.append", audio=pybase64.b64encode(bytes(48 * 100 + 1)).decode())
        await asyncio.sleep(0.01)
        assert len(line.client.of_type("error")) == 2
        await line.close()

    run(main())


def test_the_observer_sees_inputs_before_and_effects_after() -> None:
    async def main() -> None:
        seen: list[object] = []
        line = Line(PuppetEngine(), lambda what, now_ms: seen.append(what))
        seen.clear()
        line.append(250, loud=False)
        await asyncio.sleep(0.01)
        kinds = [type(what).__name__ for what in seen]
        assert kinds[0] == "Received"
        assert kinds.count("Hear") == 3
        assert kinds.count("Arriving") == 2
        # A judgement of the audio is applied right behind it.
        assert kinds[kinds.index("Hear") + 1] == "SpeechProbability"
        assert isinstance(seen[0], Received)
        assert any(isinstance(what, Arriving) for what in seen)
        await line.close()

    run(main())


# --- the scripted engine ------------------------------------------------------------------------------------------------


def test_the_scripted_engine_follows_its_rules() -> None:
    script = Script(
        Step("Pardon?"),
        (
            ("order", Step("", (ScriptCall("look_up", '{"id": "A1"}'),))),
            ("shipped", Step("It is on its way.")),
            ("quiet", Step("")),
            ("break", Step(fail="as told")),
        ),
    )

    async def main() -> None:
        line = Line(scripted(script=script))

        async def ask(text: str, number: int) -> dict[str, Any]:
            content = [{"type": "input_text", "text": text}]
            line.send(
                "conversation.item.create", item={"type": "message", "role": "user", "content": content}
            )
            line.send("response.create")
            response: dict[str, Any] = (await line.until("response.done", number))["response"]
            return response

        called = await ask("Where is my ORDER?", 1)
        call = called["output"][0]
        assert (call["type"], call["name"], call["arguments"]) == ("function_call", "look_up", '{"id": "A1"}')
        line.send(
            "conversation.item.create",
            item={"type": "function_call_output", "call_id": call["call_id"], "output": "shipped"},
        )
        line.send("response.create")
        answered = (await line.until("response.done", 2))["response"]
        assert answered["output"][0]["content"][0]["transcript"] == "It is on its way."
        assert (await ask("be quiet", 3))["output"] == []
        failed = await ask("please break", 4)
        assert failed["status_details"]["error"]["message"] == "as told"
        assert (await ask("and now?", 5))["status"] == "completed"
        await line.close()

    run(main())


@pytest.mark.parametrize("speaks", [False, True])
def test_the_scripted_engine_speaks_a_tone(speaks: bool) -> None:
    async def main() -> None:
        line = Line(scripted("Hello there.", speaks=speaks, ms_per_char=50))
        line.send("response.create")
        done = await line.until("response.done")
        assert done["response"]["usage"]["output_token_details"]["audio_tokens"] == len("Hello there.")
        assert len(line.client.of_type("response.output_audio.delta")) == 6
        await line.close()

    run(main())


def test_the_scripted_engine_prepares() -> None:
    async def main() -> None:
        line = Line(scripted(prepares=True, llm_delay_ms=100))
        line.append(500)
        line.append(300, loud=False)
        await asyncio.sleep(0.5)
        assert "response.created" not in line.client.types()
        line.append(200, loud=False)
        await asyncio.sleep(0)  # 200 ms are two frames
        # The first sound is there the moment the turn ends, although the model takes 100 ms.
        assert "response.output_audio.delta" in line.client.types()
        done = await line.until("response.done")
        assert done["response"]["vivavoce"]["prepared"] == {"adopted": True, "discarded": 0}
        await line.close()

    run(main())
