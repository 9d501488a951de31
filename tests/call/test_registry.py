"""How a call is opened: what it is told of the settings and of the engine, and under which ids."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import msgspec
import pytest

from tests.call.rig import Line, settings_of
from vivavoce.call.owner import Owner
from vivavoce.call.registry import Calls, new_call_id, session_options
from vivavoce.call.settings import SessionSettings
from vivavoce.protocol.errors import ClientError
from vivavoce.protocol.session_objects import SessionObject
from vivavoce.session.options import SessionOptions
from vivavoce.session.session import RealtimeSession
from vivavoce.testing.clock import run
from vivavoce.testing.puppet import PuppetEngine

ELSEWHERE = {"instructions"}
"""Settings of a session that stand in its session object."""
FROM_ELSEWHERE = {"count_text", "find_prompt", "input_tokens", "mcp_servers", "rates"}
"""What a session goes by that is no setting of its own."""


def test_every_setting_of_a_session_reaches_it() -> None:
    numbers = {"silence_duration_ms": 1, "soft_pause_ms": 2, "output_lead_ms": 3, "max_duration_s": 4}
    caps = {"item_audio_s": 5, "call_audio_bytes": 6, "retrieved_audio_bytes": 7}
    given = (
        numbers | caps | {"keep_response_create": False, "refuse_unknown_fields": True, "call_image_bytes": 8}
    )
    names = {field.name for field in msgspec.structs.fields(SessionSettings)} - ELSEWHERE
    options_of_a_session = {field.name for field in dataclasses.fields(SessionOptions)}
    assert names == set(given) == options_of_a_session - FROM_ELSEWHERE
    options = session_options(settings_of(**{f"session__{name}": value for name, value in given.items()}))
    assert {name: getattr(options, name) for name in given} == given


def test_the_opening_session() -> None:
    async def main() -> None:
        line = Line(PuppetEngine(), session__silence_duration_ms=200, session__instructions="Be brief.")
        session = line.client.events[0]["session"]
        assert session["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 200
        assert session["instructions"] == "Be brief."
        extension = session["vivavoce"]
        assert (extension["engine"], extension["llm"], extension["vad"]) == ("puppet", "script", "any sound")
        assert session["expires_at"] > 1_700_000_000
        await line.close()

    run(main())


def test_the_window_is_that_of_the_model_that_answers() -> None:
    options = session_options(settings_of(llm__context_tokens=8192, llm__output_tokens=1024))
    assert options.input_tokens == 7168
    assert session_options(settings_of(llm__context_tokens=8192)).input_tokens == 4096
    assert session_options(settings_of()).input_tokens == 96_000


def test_the_sessions_of_a_key_share_its_limits() -> None:
    async def main() -> None:
        calls = Calls(settings_of(limits__tokens_per_minute=1000), PuppetEngine())
        meters = []
        for key in ("key_a", "key_a", "key_b"):
            machine = calls.open("m", 0, owner=Owner(key)).machine
            assert isinstance(machine, RealtimeSession)
            meters.append(machine.options.rates)
        assert meters[0] is meters[1] is not meters[2]
        for call in calls:
            await calls.close(call)

    run(main())


def test_a_session_may_begin_with_a_stored_prompt(tmp_path: Path) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "desk.md").write_text("You are {{name}}.", "utf-8")

    async def main() -> None:
        calls = Calls(settings_of(data_dir=str(tmp_path)), PuppetEngine())
        setup = {"type": "realtime", "prompt": {"id": "desk", "variables": {"name": "Ada"}}}
        call = calls.open("m", 0, setup=setup)
        mine = calls.open("m", 0, setup={**setup, "instructions": "Mine."})
        for one, instructions in ((call, "You are Ada."), (mine, "Mine.")):
            assert isinstance(one.machine.config, SessionObject)
            assert one.machine.config.instructions == instructions
        with pytest.raises(ClientError, match="Prompt with id 'nobody' not found"):
            calls.open("m", 0, setup={"type": "realtime", "prompt": {"id": "nobody"}})
        for one in (call, mine):
            await calls.close(one)

    run(main())


def test_calls_are_known_until_they_are_closed() -> None:
    async def main() -> None:
        engine = PuppetEngine()
        calls = Calls(settings_of(), engine)
        one, two = calls.open("a", 0), calls.open("b", 0)
        assert (len(calls), calls.get(one.id), set(calls)) == (2, one, {one, two})
        await calls.close(one)
        assert calls.get(one.id) is None
        assert engine.calls[0].closed
        await calls.close_all("stopping")
        assert two.closed.done()
        await calls.close(two)
        assert len(calls) == 0

    run(main())


@pytest.mark.parametrize("seen", [{new_call_id() for _ in range(1000)}], ids=["a thousand"])
def test_call_ids_cannot_be_guessed(seen: set[str]) -> None:
    assert len(seen) == 1000
    assert all(re.fullmatch(r"rtc_[0-9A-Za-z]{21}", one) for one in seen)


def test_two_calls_have_no_id_in_common() -> None:
    async def main() -> None:
        ids: list[set[str]] = []
        for _ in range(2):
            line = Line(PuppetEngine())
            line.send("response.create")
            created = line.client.of_type("response.created")[0]["response"]
            ids.append({created["id"], created["conversation_id"], line.client.events[0]["session"]["id"]})
            await line.close()
        assert not ids[0] & ids[1]

    run(main())
