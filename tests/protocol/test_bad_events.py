"""Bad input: one precise `ClientError`, and never anything else."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vivavoce.protocol.client_events import CLIENT_EVENT_TYPES, ClientEvent
from vivavoce.protocol.decode import MAX_NESTING, decode_client_event
from vivavoce.protocol.dialects import BETA, GA
from vivavoce.protocol.errors import ClientError


def item(**fields: Any) -> dict[str, Any]:
    return {"type": "conversation.item.create", "event_id": "e", "item": fields}


def message(role: str, *content: Any) -> dict[str, Any]:
    return item(type="message", role=role, content=list(content))


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


TRUNCATE = {
    "type": "conversation.item.truncate",
    "event_id": "e",
    "item_id": "i",
    "content_index": 0,
    "audio_end_ms": 1,
}
SUPPORTED_ITEMS = (
    "Supported values are: 'message', 'function_call', 'function_call_output', 'mcp_list_tools', 'mcp_call', "
    "'mcp_approval_request', and 'mcp_approval_response'."
)
BAD: list[tuple[Any, str, str | None, str]] = [
    # event, code, param, message
    ({"event_id": "e"}, "invalid_event", None, "The 'type' field is missing."),
    ({"event_id": "e", "type": None}, "invalid_event", None, "The 'type' field is missing."),
    (
        {"event_id": "e", "type": 7},
        "invalid_type",
        "type",
        "Invalid type for 'type': expected a string, but got an integer instead.",
    ),
    (
        {"event_id": "e", "type": "scooby.dooby.doo"},
        "invalid_value",
        "type",
        f"Invalid value: 'scooby.dooby.doo'. Supported values are: "
        f"{', '.join(repr(name) for name in list(CLIENT_EVENT_TYPES)[:-1])}, and 'response.cancel'.",
    ),
    (
        {"event_id": "e", "type": "input_audio_buffer.append"},
        "missing_required_parameter",
        "audio",
        "Missing required parameter: 'audio'.",
    ),
    (
        {"event_id": "e", "type": "input_audio_buffer.append", "audio": None},
        "invalid_type",
        "audio",
        "Invalid type for 'audio': expected a string, but got null instead.",
    ),
    (
        {"event_id": "e", "type": "session.update"},
        "missing_required_parameter",
        "session",
        "Missing required parameter: 'session'.",
    ),
    (
        {"event_id": "e", "type": "session.update", "session": []},
        "invalid_type",
        "session",
        "Invalid type for 'session': expected an object, but got an array instead.",
    ),
    (
        {"event_id": "e", "type": "response.create", "response": "now"},
        "invalid_type",
        "response",
        "Invalid type for 'response': expected an object, but got a string instead.",
    ),
    (
        {"event_id": "e", "type": "conversation.item.create"},
        "missing_required_parameter",
        "item",
        "Missing required parameter: 'item'.",
    ),
    (item(), "missing_required_parameter", "item.type", "Missing required parameter: 'item.type'."),
    (item(type="thing"), "invalid_value", "item.type", f"Invalid value: 'thing'. {SUPPORTED_ITEMS}"),
    (
        item(type="item_reference", id="x"),
        "invalid_value",
        "item.type",
        f"Invalid value: 'item_reference'. {SUPPORTED_ITEMS}",
    ),
    (
        message("developer"),
        "invalid_value",
        "item.role",
        "Invalid value: 'developer'. Supported values are: 'assistant', 'system', and 'user'.",
    ),
    (
        item(type="message", role="user"),
        "missing_required_parameter",
        "item.content",
        "Missing required parameter: 'item.content'.",
    ),
    (
        item(type="message", role="user", content="hi"),
        "invalid_type",
        "item.content",
        "Invalid type for 'item.content': expected an array, but got a string instead.",
    ),
    (
        message("assistant", {"type": "output_text"}),
        "missing_required_parameter",
        "item.content[0].text",
        "Missing required parameter: 'item.content[0].text'.",
    ),
    (
        message("user", {"type": "input_text", "text": "a"}, {"type": "input_text", "text": 5}),
        "invalid_type",
        "item.content[1].text",
        "Invalid type for 'item.content[1].text': expected a string, but got an integer instead.",
    ),
    (
        message("user", {"type": "text", "text": "a"}),
        "invalid_value",
        "item.content[0].type",
        "Invalid value: 'text'. Supported values are: 'input_text', 'input_audio', 'input_image', 'output_text', "
        "and 'output_audio'.",
    ),
    (
        message("assistant", {"type": "input_text", "text": "a"}),
        "invalid_value",
        "item.content[0].type",
        "Invalid value: 'input_text'. Supported values are: 'output_text' and 'output_audio'.",
    ),
    (
        message("system", {"type": "output_text", "text": "a"}),
        "invalid_value",
        "item.content[0].type",
        "Invalid value: 'output_text'. Supported values are: 'input_text'.",
    ),
    (
        message("user", {"type": "input_audio"}),
        "missing_required_parameter",
        "item.content[0].audio",
        "Missing required parameter: 'item.content[0].audio'.",
    ),
    (
        message("user", "hi"),
        "invalid_type",
        "item.content[0]",
        "Invalid type for 'item.content[0]': expected an object, but got a string instead.",
    ),
    (
        item(type="function_call_output", output="x"),
        "missing_required_parameter",
        "item.call_id",
        "Missing required parameter: 'item.call_id'.",
    ),
    (
        item(type="function_call_output", call_id="c", output={"a": 1}),
        "invalid_type",
        "item.output",
        "Invalid type for 'item.output': expected a string, but got an object instead.",
    ),
    (
        item(type="message", id="i" * 600, role="user", content=[]),
        "invalid_value",
        "item.id",
        f"Invalid value for 'item.id': expected a string of length at most 512, but got '{'i' * 99}...'.",
    ),
    (
        TRUNCATE | {"audio_end_ms": 1.5},
        "invalid_type",
        "audio_end_ms",
        "Invalid type for 'audio_end_ms': expected an integer, but got a decimal number instead.",
    ),
    (
        TRUNCATE | {"audio_end_ms": -1},
        "invalid_value",
        "audio_end_ms",
        "Invalid value for 'audio_end_ms': expected an integer between 0 and 9007199254740992, but got -1.",
    ),
    (
        TRUNCATE | {"content_index": True},
        "invalid_type",
        "content_index",
        "Invalid type for 'content_index': expected an integer, but got a boolean instead.",
    ),
    (
        {"event_id": "e", "type": "response.create", "response": {"tools": deep(MAX_NESTING + 1)}},
        "invalid_value",
        "response",
        f"Invalid value for 'response': it is nested more than {MAX_NESTING} levels deep.",
    ),
    (
        item(
            type="mcp_list_tools",
            server_label="s",
            tools=[{"name": "n", "input_schema": deep(MAX_NESTING + 1)}],
        ),
        "invalid_value",
        "item.tools",
        f"Invalid value for 'item.tools': it is nested more than {MAX_NESTING} levels deep.",
    ),
    (
        {"event_id": "e", "type": "response.cancel", "response_id": deep(400)},
        "invalid_value",
        "response_id",
        f"Invalid value for 'response_id': it is nested more than {MAX_NESTING} levels deep.",
    ),
    (
        {"event_id": "e", "type": "transcription_session.update", "session": {}},
        "invalid_value",
        "type",
        f"Invalid value: 'transcription_session.update'. Supported values are: "
        f"{', '.join(repr(name) for name in list(CLIENT_EVENT_TYPES)[:-1])}, and 'response.cancel'.",
    ),
]


def refused(frame: bytes | str) -> ClientError:
    with pytest.raises(ClientError) as caught:
        decode_client_event(frame)
    return caught.value


@pytest.mark.parametrize(("event", "code", "param", "text"), BAD, ids=[f"{row[1]}-{row[2]}" for row in BAD])
def test_the_error_says_what_and_where(
    event: dict[str, Any], code: str, param: str | None, text: str
) -> None:
    error = refused(json.dumps(event))
    assert (error.code, error.param, error.message) == (code, param, text)
    assert error.event_id == "e"
    assert error.type == "invalid_request_error"


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"", "invalid_json"),
        (b"{", "invalid_json"),
        (b'{"type":"response.create"} x', "invalid_json"),
        (b'{"type":"input_audio_buffer.append","audio":"\xff"}', "invalid_json"),
        ('{"type":"input_audio_buffer.append","audio":"\ud800"}', "invalid_json"),
        (b'{"type":"input_audio_buffer.append","audio":"\\ud800 and some more"}', "invalid_json"),
        (b'{"type":"conversation.item.truncate","audio_end_ms":' + b"9" * 5000 + b"}", "invalid_json"),
        (b'{"type":"response.create","response":{"a":1e999}}', "invalid_json"),
        (b'{"type":"response.create","response":{"a":' + b"[" * 100_000, "invalid_json"),
        (b"[" * 100_000, "invalid_json"),
        (b"NaN", "invalid_json"),
        (b"[]", "invalid_event"),
        (b"null", "invalid_event"),
        (b'"response.create"', "invalid_event"),
        (b"7", "invalid_event"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_not_even_an_object(frame: bytes | str, code: str) -> None:
    error = refused(frame)
    assert error.code == code
    assert error.event_id is None


@pytest.mark.parametrize("event_id", ["", "x" * 512])
def test_an_event_id_of_any_legal_length_is_kept(event_id: str) -> None:
    decoded = decode_client_event(json.dumps({"type": "response.create", "event_id": event_id}))
    assert decoded.event_id == event_id


@pytest.mark.parametrize(
    ("event_id", "code"), [("x" * 513, "invalid_value"), (7, "invalid_type"), ({"a": 1}, "invalid_type")]
)
def test_a_bad_event_id_is_named_and_not_echoed(event_id: Any, code: str) -> None:
    error = refused(json.dumps({"type": "response.create", "event_id": event_id}))
    assert (error.code, error.param, error.event_id) == (code, "event_id", None)


def test_the_path_cannot_be_forged_by_the_value() -> None:
    error = refused(json.dumps(message("x - at `$.item.id`", {"type": "input_text", "text": "a"})))
    assert error.param == "item.role"
    error = refused(json.dumps(item(type="`Expected` - at `$.session`")))
    assert error.param == "item.type"


def test_a_long_value_is_not_sent_back_whole() -> None:
    error = refused(json.dumps({"type": "t" * 1_000_000}))
    assert len(error.message) < 1000
    error = refused(json.dumps({"type": "response.cancel", "response_id": 7, "k" * 1_000_000: deep(400)}))
    assert len(error.message) < 1000


# ---------------------------------------------------------------------------------------------------- fuzzing

VALID: list[dict[str, Any]] = [
    {"type": "session.update", "session": {"type": "realtime", "audio": {"output": {"voice": "ash"}}}},
    {"type": "input_audio_buffer.append", "audio": "AAAA"},
    {"type": "input_audio_buffer.commit", "event_id": "e"},
    message("user", {"type": "input_text", "text": "hi"}, {"type": "input_audio", "audio": "AAAA"}),
    message("assistant", {"type": "output_text", "text": "hi"}, {"type": "output_audio", "transcript": "x"}),
    item(type="function_call_output", call_id="c", output="{}"),
    item(type="mcp_call", id="m", server_label="s", name="n", arguments="{}", error={"type": "http_error"}),
    item(type="mcp_list_tools", server_label="s", tools=[{"name": "n", "input_schema": {}}]),
    TRUNCATE,
    {
        "type": "response.create",
        "response": {"input": [{"type": "item_reference", "id": "i"}], "metadata": {}},
    },
    {"type": "response.cancel", "response_id": "r"},
    {"type": "transcription_session.update", "session": {"input_audio_format": "pcm16"}},
]
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
WORDS = st.sampled_from(
    [
        "type",
        "item",
        "content",
        "session",
        "audio",
        "event_id",
        "output_text",
        "message",
        "role",
        "transcript",
        "id",
    ]
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a JSON value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, inner in pairs for place in [(value, key), *places(inner)]]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    event = copy.deepcopy(draw(st.sampled_from(VALID)))
    for _ in range(draw(st.integers(0, 3))):
        found = places(event)
        if not found:
            break
        container, key = draw(st.sampled_from(found))
        match draw(st.sampled_from(["replace", "drop", "add", "word"])):
            case "replace":
                container[key] = draw(JSON_VALUES)
            case "drop":
                del container[key]
            case "add" if isinstance(container, dict):
                container[draw(WORDS)] = draw(JSON_VALUES)
            case _:
                container[key] = draw(WORDS)
    frame = bytearray(json.dumps(event, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass"))
    if draw(st.integers(0, 3)) == 0:
        frame[draw(st.integers(0, len(frame) - 1))] = draw(st.integers(0, 255))
    return bytes(frame)


def outcome(dialect: Any, frame: bytes) -> ClientEvent | ClientError:
    try:
        event: ClientEvent = dialect.from_wire(frame)
    except ClientError as error:
        return error
    return event


@settings(max_examples=400, derandomize=True, deadline=None, database=None)
@given(st.binary(max_size=60) | JSON_VALUES.map(lambda value: json.dumps(value).encode()) | mutated())
def test_no_frame_raises_anything_but_a_client_error(frame: bytes) -> None:
    for dialect in (GA, BETA):
        result = outcome(dialect, frame)
        if isinstance(result, ClientError):
            assert result.code
            assert result.message
        else:
            assert type(result) in CLIENT_EVENT_TYPES.values()


@settings(max_examples=150, derandomize=True, deadline=None, database=None)
@given(mutated())
def test_an_echoed_id_is_the_one_that_was_sent(frame: bytes) -> None:
    result = outcome(GA, frame)
    if (
        isinstance(result, ClientError)
        and result.code != "invalid_json"
        and result.message[:9] != "The event"
    ):
        # What is skipped on the way may be invalid UTF-8; the id never is.
        sent = json.loads(frame.decode("utf-8", "replace")).get("event_id")
        assert result.event_id == (sent if isinstance(sent, str) else None)
