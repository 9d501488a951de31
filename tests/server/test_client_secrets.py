"""Client secrets: the four endpoints that make them, and the sessions that begin with them."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from openai import AsyncOpenAI, AuthenticationError, BadRequestError
from openai.types.beta.realtime import SessionCreateResponse, TranscriptionSession
from openai.types.realtime import ClientSecretCreateResponse, RealtimeTranslationSession

from tests.server.rig import Talk, raw_client, refused, server, socket_url

KEY = "vv_office"
TOOLS: list[dict[str, Any]] = [
    {"type": "function", "name": "look_up", "parameters": {"type": "object", "properties": {}}},
    {"type": "function", "name": "refund"},
]
SESSION: dict[str, Any] = {
    "type": "realtime",
    "instructions": "You take orders for a bakery.",
    "tools": TOOLS,
    "audio": {
        "output": {"voice": "ash"},
        "input": {"turn_detection": {"type": "server_vad", "threshold": 0.7}},
    },
}


@contextlib.asynccontextmanager
async def bakery(folder: Path, **flags: Any) -> AsyncIterator[tuple[str, AsyncOpenAI]]:
    """A server with a key, and a client that has it."""
    async with (
        server(folder, auth__keys=KEY, **flags) as url,
        AsyncOpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0) as client,
    ):
        yield url, client


async def post(url: str, path: str, body: Any, key: str | None = KEY, **headers: str) -> httpx.Response:
    given = ({"Authorization": f"Bearer {key}"} if key else {}) | headers
    content = body if isinstance(body, bytes) else None
    async with httpx.AsyncClient() as http:
        return await http.post(
            f"{url}/v1/realtime/{path}",
            json=None if content is not None else body,
            content=content,
            headers=given,
        )


async def mint(url: str, **body: Any) -> str:
    answer = await post(url, "client_secrets", body)
    assert answer.status_code == 200, answer.text
    value: str = answer.json()["value"]
    return value


def as_secret(value: str, **headers: str) -> dict[str, Any]:
    return {"headers": {"Authorization": f"Bearer {value}"} | headers}


# --- making them --------------------------------------------------------------------------------------------------------


async def test_the_sdk_makes_one_and_gets_the_session_in_full(tmp_path: Path) -> None:
    async with bakery(tmp_path) as (_, client):
        made = await client.realtime.client_secrets.create(session=SESSION)  # type: ignore[arg-type]
        again = await client.realtime.client_secrets.create()
    # The client itself checks nothing; held against its own types it is right all the same.
    plain = made.model_dump(mode="json")
    ClientSecretCreateResponse.model_validate(plain, strict=True)
    assert set(plain) == {"value", "expires_at", "session"}
    assert made.value.startswith("ek_")
    assert abs(made.expires_at - time.time() - 600) < 10
    session = plain["session"]
    assert (session["object"], session["type"], session["model"]) == (
        "realtime.session",
        "realtime",
        "gpt-realtime-2",
    )
    assert session["id"].startswith("sess_")
    assert session["expires_at"] == 0
    assert session["instructions"] == SESSION["instructions"]
    assert session["audio"]["output"] == {
        "format": {"type": "audio/pcm", "rate": 24000},
        "voice": "ash",
        "speed": 1.0,
    }
    assert session["audio"]["input"]["turn_detection"] == {
        "type": "server_vad",
        "threshold": 0.7,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 500,
        "idle_timeout_ms": None,
        "create_response": True,
        "interrupt_response": True,
    }
    for name, value in {
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "prompt": None,
    }.items():
        assert session[name] == value
    assert again.value != made.value


MISTAKES: list[tuple[Any, str, str | None, str | None]] = [
    (
        {"expires_after": {"anchor": "created_at", "seconds": 9}},
        "invalid_value",
        "expires_after.seconds",
        "Invalid value for 'expires_after.seconds': expected an integer between 10 and 7200, but got 9.",
    ),
    ({"expires_after": {"seconds": 7201}}, "invalid_value", "expires_after.seconds", None),
    ({"expires_after": {"seconds": "60"}}, "invalid_type", "expires_after.seconds", None),
    ({"expires_after": {"seconds": True}}, "invalid_type", "expires_after.seconds", None),
    ({"expires_after": {"anchor": "now"}}, "invalid_value", "expires_after.anchor", None),
    ({"expires_after": {"anchor": 1}}, "invalid_type", "expires_after.anchor", None),
    ({"expires_after": 60}, "invalid_type", "expires_after", None),
    (
        {"session": {"voice": "ash"}},
        "missing_required_parameter",
        "session.type",
        "Missing required parameter: 'session.type'.",
    ),
    ({"session": {"type": "translation"}}, "invalid_value", "session.type", None),
    ({"session": {"type": "dance"}}, "invalid_value", "session.type", None),
    ({"session": {"type": ["realtime"]}}, "invalid_type", "session.type", None),
    ({"session": []}, "invalid_type", "session", None),
    (
        {"session": {"type": "realtime", "voice": "ash"}},
        "unknown_parameter",
        "session.voice",
        "Unknown parameter: 'session.voice'.",
    ),
    (
        {"session": {"type": "realtime", "audio": {"output": {"speed": 9}}}},
        "invalid_value",
        "session.audio.output.speed",
        None,
    ),
    ({"session": {"type": "realtime", "model": 2}}, "invalid_type", "session.model", None),
    ({"session": {"type": "transcription", "tools": []}}, "unknown_parameter", "session.tools", None),
    ({"vivavoce": {"lock": ["voice"]}}, "invalid_value", "vivavoce.lock[0]", None),
    ({"vivavoce": {"lock": "all"}}, "invalid_type", "vivavoce.lock", None),
    ({"vivavoce": 1}, "invalid_type", "vivavoce", None),
    (b"{", "invalid_json", None, None),
    (b"[]", "invalid_event", None, None),
    (b'{"session":' * 200 + b"1" + b"}" * 200, "invalid_json", None, None),
]


async def test_a_mistake_is_named_in_the_shape_of_the_api(tmp_path: Path) -> None:
    async with bakery(tmp_path) as (url, _):
        for body, code, param, message in MISTAKES:
            answer = await post(url, "client_secrets", body)
            assert answer.status_code == 400, body
            error = answer.json()["error"]
            assert set(error) == {"message", "type", "code", "param"}
            assert (error["code"], error["param"], error["type"]) == (code, param, "invalid_request_error")
            assert message is None or error["message"] == message


async def test_only_a_key_makes_one(tmp_path: Path) -> None:
    async with bakery(tmp_path) as (url, client):
        secret = await mint(url)
        for key in (None, "vv_wrong", secret):
            answer = await post(url, "client_secrets", {}, key)
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
        async with AsyncOpenAI(base_url=client.base_url, api_key=secret, max_retries=0) as holder:
            with pytest.raises(AuthenticationError):
                await holder.models.list()
        # No page of somebody else's, where keys are what is asked for.
        assert (await post(url, "client_secrets", {}, Origin="https://evil.example")).status_code == 403
        too_large = await post(url, "client_secrets", b" " * (1024 * 1024 + 1))
        assert (too_large.status_code, too_large.json()["error"]["code"]) == (413, "request_too_large")


async def test_the_older_endpoints_answer_in_the_older_shape(tmp_path: Path) -> None:
    async with bakery(tmp_path) as (url, client):
        made = await client.beta.realtime.sessions.create(
            model="gpt-4o-realtime-preview",
            voice="ash",
            modalities=["text"],
            instructions="Be brief.",
            input_audio_format="g711_ulaw",
            turn_detection={"type": "semantic_vad", "eagerness": "low"},
            max_response_output_tokens=99,
            client_secret={"expires_after": {"anchor": "created_at", "seconds": 60}},
        )
        plain = made.model_dump(mode="json")
        SessionCreateResponse.model_validate(plain, strict=True)
        assert (made.voice, made.modalities, made.instructions) == ("ash", ["text"], "Be brief.")
        assert (made.input_audio_format, made.max_response_output_tokens) == ("g711_ulaw", 99)
        assert plain["model"] == "gpt-4o-realtime-preview"
        assert plain["object"] == "realtime.session"
        assert plain["temperature"] == 0.8
        assert plain["turn_detection"]["type"] == "semantic_vad"
        assert not {"type", "audio", "output_modalities", "max_output_tokens"} & set(plain)
        assert abs(made.client_secret.expires_at - time.time() - 60) < 10
        async with raw_client(url, "model=x", beta=True, **as_secret(made.client_secret.value)) as talk:
            session = (await talk.next())["session"]
            assert (session["voice"], session["instructions"], session["modalities"]) == (
                "ash",
                "Be brief.",
                ["text"],
            )
        # The dialect is the connection's own choice: the same secret, in today's words.
        async with raw_client(url, "", **as_secret(made.client_secret.value)) as talk:
            session = (await talk.next())["session"]
            assert session["audio"]["output"]["voice"] == "ash"
            assert session["model"] == "gpt-4o-realtime-preview"


async def test_the_older_transcription_endpoint(tmp_path: Path) -> None:
    async with bakery(tmp_path) as (url, client):
        made = await client.beta.realtime.transcription_sessions.create(
            input_audio_format="g711_alaw",
            input_audio_transcription={"model": "whisper-1", "language": "en"},
            client_secret={"expires_at": {"anchor": "created_at", "seconds": 30}},
        )
        plain = made.model_dump(mode="json", exclude_unset=True)
        TranscriptionSession.model_validate(plain, strict=True)
        assert plain["object"] == "realtime.transcription_session"
        assert made.input_audio_format == "g711_alaw"
        assert plain["input_audio_transcription"] == {"model": "whisper-1", "language": "en"}
        assert abs(made.client_secret.expires_at - time.time() - 30) < 10
        async with raw_client(
            url, "intent=transcription", beta=True, **as_secret(made.client_secret.value)
        ) as talk:
            created = await talk.next()
            assert created["type"] == "transcription_session.created"
            assert created["session"]["input_audio_transcription"]["model"] == "whisper-1"


MISTAKES_ELSEWHERE: list[tuple[str, Any, str, str]] = [
        ("sessions", {"turn_detection": {"threshold": 2}}, "invalid_value", "turn_detection.threshold"),
        ("sessions", {"input_audio_format": "mp3"}, "invalid_value", "input_audio_format"),
        ("sessions", {"temperature": 3}, "invalid_value", "temperature"),
        ("sessions", {"client_secret": {"expires_after": {"seconds": 1}}}, "invalid_value", "client_secret.expires_after.seconds"),
        ("sessions", {"client_secret": 1}, "invalid_type", "client_secret"),
        ("transcription_sessions", {"voice": "ash"}, "unknown_parameter", "voice"),
        ("transcription_sessions", {"client_secret": {"expires_at": {"seconds": 1}}}, "invalid_value", "client_secret.expires_at.seconds"),
        ("translations/client_secrets", {}, "missing_required_parameter", "session"),
        ("translations/client_secrets", {"session": {}}, "missing_required_parameter", "session.model"),
        ("translations/client_secrets", {"session": {"model": "m", "type": "realtime"}}, "invalid_value", "session.type"),
        ("translations/client_secrets", {"session": {"model": "m", "type": 1}}, "invalid_type", "session.type"),
        ("translations/client_secrets", {"session": {"model": "m", "audio": {"output": {"language": 1}}}}, "invalid_type", "session.audio.output.language"),
        ("translations/client_secrets", {"session": {"model": "m", "audio": {"input": 1}}}, "invalid_type", "session.audio.input"),
    ]  # fmt: skip


async def test_a_mistake_there_is_named_as_it_was_written(tmp_path: Path) -> None:
    async with bakery(tmp_path) as (url, _):
        for path, body, code, param in MISTAKES_ELSEWHERE:
            answer = await post(url, path, body)
            assert answer.status_code == 400, body
            error = answer.json()["error"]
            assert (error["code"], error["param"]) == (code, param)
            assert "session." not in error["message"] or path.startswith("translations")


async def test_secrets_for_translation_are_made_and_say_what_is_missing(tmp_path: Path) -> None:
    asked = {
        "model": "gpt-realtime-translate",
        "audio": {"input": {"noise_reduction": {"type": "near_field"}}, "output": {"language": "es"}},
    }
    async with bakery(tmp_path) as (url, _):
        answer = await post(url, "translations/client_secrets", {"session": asked})
        made = answer.json()
        session = RealtimeTranslationSession.model_validate(made["session"], strict=True)
        assert (session.type, session.model) == ("translation", "gpt-realtime-translate")
        assert session.audio.output is not None
        assert session.audio.output.language == "es"
        status, error = await refused(url, additional_headers={"Authorization": f"Bearer {made['value']}"})
        assert (status, error["code"]) == (400, "invalid_session_type")
        assert "translation" in error["message"]
        address = url.replace("http", "ws") + "/v1/realtime/translations?model=gpt-realtime-translate"
        opening = websockets.connect(address, additional_headers={"Authorization": f"Bearer {made['value']}"})
        with pytest.raises(websockets.InvalidStatus) as caught:
            await opening
        assert caught.value.response.status_code == 400
        assert b"Translation sessions are not served yet" in caught.value.response.body


# --- using them ---------------------------------------------------------------------------------------------------------


async def test_several_sessions_begin_with_one_secret_and_may_be_changed(tmp_path: Path) -> None:
    async with bakery(tmp_path) as (url, _):
        secret = await mint(url, session=SESSION)
        async with (
            raw_client(url, **as_secret(secret)) as one,
            raw_client(url, "model=other", **as_secret(secret)) as two,
        ):
            sessions = [(await talk.next())["session"] for talk in (one, two)]
            assert sessions[0]["id"] != sessions[1]["id"]
            assert [session["model"] for session in sessions] == ["gpt-realtime-2", "other"]
            for session in sessions:
                assert session["instructions"] == SESSION["instructions"]
                assert session["audio"]["input"]["turn_detection"]["threshold"] == 0.7
                assert session["expires_at"] > time.time()
            await one.send("session.update", session={"type": "realtime", "instructions": "New."})
            assert (await one.until("session.updated"))["session"]["instructions"] == "New."
            await one.say("hello")
            assert (await one.until("response.done"))["response"]["status"] == "completed"


async def test_a_browser_comes_with_a_sub_protocol_from_anywhere(tmp_path: Path) -> None:
    async with bakery(tmp_path) as (url, _):
        secret = await mint(url, session=SESSION)
        offered = ["realtime", f"openai-insecure-api-key.{secret}", "openai-beta.realtime-v1"]
        page: dict[str, Any] = {"additional_headers": {"Origin": "https://shop.example"}}
        async with websockets.connect(socket_url(url), subprotocols=offered, **page) as socket:  # type: ignore[arg-type]
            assert socket.subprotocol == "realtime"
            assert (await Talk(socket, beta=True).next())["session"]["voice"] == "ash"
        # The key itself in a page that nobody listed is refused.
        status, error = await refused(
            url, subprotocols=["realtime", f"openai-insecure-api-key.{KEY}"], **page
        )
        assert (status, error["code"]) == (403, "origin_not_allowed")


async def test_a_transcription_secret_makes_transcription_sessions(tmp_path: Path) -> None:
    async with bakery(tmp_path) as (url, _):
        asked = {"type": "transcription", "audio": {"input": {"transcription": {"model": "whisper-1"}}}}
        made = (await post(url, "client_secrets", {"session": asked})).json()
        ClientSecretCreateResponse.model_validate(made)
        assert made["session"]["object"] == "realtime.transcription_session"
        for query in ("intent=transcription", "model=whatever"):
            async with raw_client(url, query, **as_secret(made["value"])) as talk:
                session = (await talk.next())["session"]
                assert session["type"] == "transcription"
                assert session["audio"]["input"]["transcription"]["model"] == "whisper-1"
        conversation = await mint(url, session=SESSION)
        status, error = await refused(
            url, "intent=transcription", additional_headers={"Authorization": f"Bearer {conversation}"}
        )
        assert (status, error["code"], error["param"]) == (400, "invalid_session_type", "intent")


async def test_a_secret_runs_out_and_the_session_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bakery(tmp_path) as (url, _):
        secret = await mint(url, expires_after={"anchor": "created_at", "seconds": 10})
        async with raw_client(url, **as_secret(secret)) as talk:
            await talk.next()
            later = time.time() + 11
            monkeypatch.setattr(time, "time", lambda: later)
            status, error = await refused(url, additional_headers={"Authorization": f"Bearer {secret}"})
            assert (status, error["code"], error["message"]) == (
                401,
                "invalid_api_key",
                "This client secret has expired.",
            )
            await talk.say("hello")
            await talk.until("response.done")
            # Long after, nothing is left of it.
            monkeypatch.setattr(time, "time", lambda: later + 7200)
            await mint(url)
            status, error = await refused(url, additional_headers={"Authorization": f"Bearer {secret}"})
            assert (status, error["message"]) == (401, "Incorrect API key provided.")


async def test_another_process_with_the_same_folder_knows_them(tmp_path: Path) -> None:
    async with bakery(tmp_path) as (one, _), bakery(tmp_path) as (two, _):
        secret = as_secret(await mint(one, session=SESSION))
        async with raw_client(two, **secret) as talk:
            assert (await talk.next())["session"]["instructions"] == SESSION["instructions"]


async def test_a_prompt_that_is_gone_refuses_the_handshake(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    prompt = tmp_path / "prompts" / "desk.md"
    prompt.parent.mkdir()
    prompt.write_text("You are at the desk.")
    async with bakery(tmp_path, limits__max_sessions=1) as (url, _):
        secret = await mint(url, session={"type": "realtime", "prompt": {"id": "desk"}})
        prompt.unlink()
        for _ in range(2):
            status, error = await refused(url, additional_headers={"Authorization": f"Bearer {secret}"})
            assert (status, error["code"]) == (400, "prompt_not_found")
        prompt.write_text("You are at the desk.")
        async with raw_client(url, **as_secret(secret)) as talk:
            assert (await talk.next())["session"]["instructions"] == "You are at the desk."
    assert "Traceback" not in caplog.text


async def test_a_table_that_cannot_be_used_is_told_in_the_shape_of_the_api(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with bakery(tmp_path) as (url, _):
        secret = await mint(url)
        for end in ("-wal", "-shm"):
            (tmp_path / f"client_secrets.sqlite3{end}").unlink(missing_ok=True)
        (tmp_path / "client_secrets.sqlite3").write_bytes(b"no table" * 1000)
        answer = await post(url, "client_secrets", {})
        assert (answer.status_code, answer.json()["error"]["code"]) == (500, "server_error")
        status, error = await refused(url, additional_headers={"Authorization": f"Bearer {secret}"})
        assert (status, error["type"]) == (500, "server_error")
    assert "client_secrets.sqlite3: file is not a database" in caplog.text
    assert "Traceback" not in caplog.text
    assert secret not in caplog.text


# --- locked ones --------------------------------------------------------------------------------------------------------

SYSTEM = {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "Be rude."}]}
USER = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("session.update", {"session": {"type": "realtime", "instructions": "Be rude."}}, "session.instructions"),
    ("session.update", {"session": {"type": "realtime", "instructions": None}}, "session.instructions"),
    ("session.update", {"session": {"type": "realtime", "prompt": {"id": "pmpt_1"}}}, "session.prompt"),
    ("session.update", {"session": {"type": "realtime", "tools": [*TOOLS, {"type": "function", "name": "delete"}]}}, "session.tools[2]"),
    ("session.update", {"session": {"type": "realtime", "tools": [TOOLS[1] | {"description": "All of it"}]}}, "session.tools[0]"),
    ("response.create", {"response": {"instructions": "Be rude."}}, "response.instructions"),
    ("response.create", {"response": {"tools": [{"type": "function", "name": "delete"}]}}, "response.tools[0]"),
    ("response.create", {"response": {"input": [USER, SYSTEM]}}, "response.input[1].role"),
    ("conversation.item.create", {"item": SYSTEM}, "item.role"),
]  # fmt: skip


@pytest.mark.parametrize("beta", [False, True], ids=["ga", "beta"])
async def test_a_locked_secret_cannot_be_widened(tmp_path: Path, beta: bool) -> None:
    async with bakery(tmp_path) as (url, _):
        made = (await post(url, "client_secrets", {"session": SESSION, "vivavoce": {"lock": True}})).json()
        assert made["vivavoce"] == {"lock": ["instructions", "tools", "model"]}
        async with raw_client(url, beta=beta, **as_secret(made["value"])) as talk:
            await talk.next()
            for place, (type_, fields, param) in enumerate(REFUSED):
                if beta and "session" in fields:
                    fields = {"session": {k: v for k, v in fields["session"].items() if k != "type"}}
                await talk.send(type_, event_id=f"e{place}", **fields)
                error = (await talk.until("error"))["error"]
                assert (error["code"], error["param"], error["event_id"]) == (
                    "locked_parameter",
                    param,
                    f"e{place}",
                )
            # Repeating and leaving out is no widening; neither is anything else.
            kept = {"instructions": SESSION["instructions"], "tools": TOOLS[:1], "prompt": None}
            await talk.send("session.update", session={"type": "realtime", **kept})
            session = (await talk.until("session.updated"))["session"]
            assert session["instructions"] == SESSION["instructions"]
            assert [tool["name"] for tool in session["tools"]] == ["look_up"]
            await talk.send("conversation.item.create", item=USER)
            await talk.send(
                "response.create", response={"instructions": None, "tools": [], "metadata": {"a": "b"}}
            )
            assert (await talk.until("response.done"))["response"]["status"] == "completed"
            assert len(talk.of_type("error")) == len(REFUSED)


async def test_a_lock_may_be_partial(tmp_path: Path) -> None:
    async with bakery(tmp_path) as (url, _):
        secret = await mint(url, session=SESSION, vivavoce={"lock": ["tools"]})
        async with raw_client(url, "model=other", **as_secret(secret)) as talk:
            await talk.next()
            await talk.send("session.update", session={"type": "realtime", "instructions": "New."})
            assert (await talk.until("session.updated"))["session"]["instructions"] == "New."
            await talk.send(
                "session.update", session={"type": "realtime", "tools": [{"type": "function", "name": "x"}]}
            )
            assert (await talk.until("error"))["error"]["param"] == "session.tools[0]"
        open_one = await mint(url, session=SESSION, vivavoce={"lock": False})
        async with raw_client(url, **as_secret(open_one)) as talk:
            await talk.send(
                "session.update", session={"type": "realtime", "tools": [{"type": "function", "name": "x"}]}
            )
            assert (await talk.until("session.updated"))["session"]["tools"][0]["name"] == "x"


async def test_a_locked_model_is_the_secrets(tmp_path: Path) -> None:
    async with bakery(tmp_path) as (url, _):
        secret = await mint(url, session=SESSION | {"model": "house"}, vivavoce={"lock": ["model"]})
        header: dict[str, Any] = {"additional_headers": {"Authorization": f"Bearer {secret}"}}
        status, error = await refused(url, "model=other", **header)
        assert (status, error["code"], error["param"]) == (403, "locked_parameter", "model")
        for query in ("model=house", ""):
            async with raw_client(url, query, **as_secret(secret)) as talk:
                assert (await talk.next())["session"]["model"] == "house"


async def test_the_locks_holder_alone_is_held(tmp_path: Path) -> None:
    """Another secret of the same key has its own lock, or none."""
    async with bakery(tmp_path) as (url, client):
        await mint(url, session=SESSION, vivavoce={"lock": True})
        async with raw_client(url, **as_secret(KEY)) as talk:
            await talk.send("session.update", session={"type": "realtime", "instructions": "New."})
            assert (await talk.until("session.updated"))["session"]["instructions"] == "New."
        with pytest.raises(BadRequestError):
            await client.realtime.client_secrets.create(expires_after={"anchor": "created_at", "seconds": 1})


LOOKS = """
import resource, sys
from pathlib import Path
from vivavoce.server.client_secrets import ClientSecrets, Opening, SecretsError
kept = ClientSecrets(Path(sys.argv[1]))
value, _ = kept.mint("key_1", Opening(session={"instructions": "You take orders."}), 600)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
try:
    kept.mint("key_1", Opening(), 600)
except SecretsError:
    print("no other one")
print(kept.find(value).opening.session["instructions"])
try:
    kept.find("ek_" + 40 * "0")
except SecretsError:
    print("not said to be wrong")
"""


def test_a_full_disk_makes_no_secret_and_takes_none_away(tmp_path: Path) -> None:
    """No file may grow any more: what is full for one process. A secret that cannot be looked for is not called wrong."""
    run = subprocess.run(
        [sys.executable, "-c", LOOKS, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert run.stdout.splitlines() == ["no other one", "You take orders.", "not said to be wrong"]
