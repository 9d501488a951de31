"""Random settings of a session or a response: taken, or refused with a `ClientError`; never anything else."""

import copy
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.protocol.samples import FULL_SESSION, MANUAL_SESSION, PLAIN_SESSION
from tests.protocol.test_bad_events import JSON_VALUES, places
from vivavoce.protocol import client_events as ce
from vivavoce.protocol.dialects import BETA, GA, Dialect
from vivavoce.protocol.encode import encode_server_event
from vivavoce.protocol.errors import ClientError
from vivavoce.protocol.server_events import SessionUpdated
from vivavoce.protocol.sessions import merge_session, override_response

SESSIONS = [PLAIN_SESSION, FULL_SESSION, MANUAL_SESSION]
GA_PATCH: dict[str, Any] = json.loads(
    encode_server_event(SessionUpdated(event_id="e", session=FULL_SESSION))
)["session"]
BETA_PATCH: dict[str, Any] = json.loads(BETA.to_wire(SessionUpdated(event_id="e", session=FULL_SESSION))[0])[
    "session"
]
GA_RESPONSE: dict[str, Any] = {
    "conversation": "none",
    "instructions": "x",
    "output_modalities": ["text"],
    "audio": GA_PATCH["audio"],
    "tools": GA_PATCH["tools"],
    "tool_choice": "auto",
    "max_output_tokens": 5,
    "metadata": {"a": "b"},
    "reasoning": {"effort": "low"},
    "prompt": {"id": "p"},
    "input": [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]},
        {"type": "item_reference", "id": "i"},
        {"type": "function_call", "name": "n", "arguments": "{}"},
    ],
}
BETA_RESPONSE = {
    "modalities": ["text"],
    "voice": "ash",
    "output_audio_format": "pcm16",
    "input": GA_RESPONSE["input"],
}


@st.composite
def spoilt(draw: st.DrawFn, whole: dict[str, Any]) -> dict[str, Any]:
    settings_given = copy.deepcopy(whole)
    for _ in range(draw(st.integers(0, 4))):
        found = places(settings_given)
        if not found:
            break
        container, key = draw(st.sampled_from(found))
        if draw(st.booleans()):
            container[key] = draw(JSON_VALUES)
        else:
            del container[key]
    return settings_given


def apply(dialect: Dialect, event: dict[str, Any], session: Any, spoken: bool) -> str:
    """`taken` or the code of the refusal; the event takes the way it takes from a socket."""
    try:
        decoded = dialect.from_wire(json.dumps(event))
        match decoded:
            case ce.SessionUpdate():
                merged = merge_session(session, decoded.session, silence_duration_ms=500, spoken=spoken)
                assert dialect.to_wire(SessionUpdated(event_id="e", session=merged))
            case ce.ResponseCreate():
                override_response(session, decoded.response)
            case _:
                raise AssertionError(decoded)
    except ClientError as error:
        return error.code
    return "taken"


UPDATES = st.tuples(st.just(GA), spoilt(GA_PATCH)) | st.tuples(st.just(BETA), spoilt(BETA_PATCH))
RESPONSES = st.tuples(st.just(GA), spoilt(GA_RESPONSE)) | st.tuples(st.just(BETA), spoilt(BETA_RESPONSE))
QUIET = settings(max_examples=300, derandomize=True, deadline=None, database=None)


@QUIET
@given(UPDATES, st.sampled_from(SESSIONS), st.booleans())
def test_session_updates(update: tuple[Dialect, dict[str, Any]], session: Any, spoken: bool) -> None:
    dialect, patch = update
    apply(dialect, {"type": "session.update", "session": patch}, session, spoken)


@QUIET
@given(RESPONSES, st.sampled_from(SESSIONS))
def test_response_overrides(response: tuple[Dialect, dict[str, Any]], session: Any) -> None:
    dialect, given_settings = response
    apply(dialect, {"type": "response.create", "response": given_settings}, session, spoken=False)


def test_unspoilt_settings_are_taken() -> None:
    for session in SESSIONS:
        for dialect, patch, response in ((GA, GA_PATCH, GA_RESPONSE), (BETA, BETA_PATCH, BETA_RESPONSE)):
            assert (
                apply(dialect, {"type": "session.update", "session": patch}, session, spoken=False) == "taken"
            )
            assert (
                apply(dialect, {"type": "response.create", "response": response}, session, spoken=False)
                == "taken"
            )
