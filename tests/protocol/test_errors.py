"""The table of errors: codes and texts that clients compare against (protocol reference 4.19)."""

import pytest

from vivavoce.protocol import errors
from vivavoce.protocol.errors import (
    ClientError,
    EngineError,
    TransportClosed,
    UpstreamError,
    VivavoceError,
)

TABLE: list[tuple[ClientError, str, str | None, str]] = [
    (errors.missing_type(), "invalid_event", None, "The 'type' field is missing."),
    (
        errors.unknown_event_type("scooby.dooby.doo", ["a", "b"]),
        "invalid_value",
        "type",
        "Invalid value: 'scooby.dooby.doo'. Supported values are: 'a' and 'b'.",
    ),
    (
        errors.missing_session_type(),
        "missing_required_parameter",
        "session.type",
        "Missing required parameter: 'session.type'.",
    ),
    (
        errors.unknown_parameter("session.voice"),
        "unknown_parameter",
        "session.voice",
        "Unknown parameter: 'session.voice'.",
    ),
    (
        errors.session_type_switch("transcription", "realtime"),
        "invalid_parameter",
        "session.type",
        "Passing a transcription session update event to a realtime session is not allowed.",
    ),
    (
        errors.cannot_update_voice(),
        "cannot_update_voice",
        "session.audio.output.voice",
        "Cannot update a conversation's voice if assistant audio is present.",
    ),
    (
        errors.cannot_update_tracing(),
        "cannot_update_tracing",
        "session.tracing",
        "Cannot update tracing once it is enabled. Set it to null to disable it.",
    ),
    (
        errors.commit_empty(0),
        "input_audio_buffer_commit_empty",
        None,
        "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, but buffer only has "
        "0.00ms of audio.",
    ),
    (
        errors.no_active_response(),
        "response_cancel_not_active",
        None,
        "Cancellation failed: no active response found",
    ),
    (
        errors.active_response("resp_X"),
        "conversation_already_has_active_response",
        None,
        "Conversation already has an active response in progress: resp_X. Wait until the response is finished before "
        "creating a new one.",
    ),
    (
        errors.truncate_unknown("i"),
        "item_truncate_invalid_item_id",
        "item_id",
        "Error truncating item: the item with id 'i' does not exist.",
    ),
    (
        errors.delete_unknown("i"),
        "item_delete_invalid_item_id",
        "item_id",
        "Error deleting item: the item with id 'i' does not exist.",
    ),
    (
        errors.retrieve_unknown("i"),
        "item_retrieve_invalid_item_id",
        "item_id",
        "Error retrieving item: the item with id 'i' does not exist.",
    ),
    (
        errors.unsupported_truncate(),
        "unsupported_content_type",
        "item_id",
        "Only model output audio messages can be truncated",
    ),
    (
        errors.session_expired(),
        "session_expired",
        None,
        "Your session hit the maximum duration of 60 minutes.",
    ),
    (
        errors.duplicate_item("i"),
        "item_create_duplicate_item_id",
        "item.id",
        "Error creating item: an item with id 'i' already exists.",
    ),
    (
        errors.unknown_previous_item("i"),
        "item_create_invalid_previous_item_id",
        "previous_item_id",
        "Error creating item: the previous item with id 'i' does not exist.",
    ),
    (
        errors.unknown_call_id("c"),
        "invalid_tool_call_id",
        "item.call_id",
        "Error creating item: no function call with call_id 'c' exists in the conversation.",
    ),
]


@pytest.mark.parametrize(("error", "code", "param", "message"), TABLE, ids=[row[1] for row in TABLE])
def test_row(error: ClientError, code: str, param: str | None, message: str) -> None:
    assert (error.code, error.param, error.message, str(error)) == (code, param, message, message)
    assert error.type == "invalid_request_error"
    assert error.event_id is None


def test_our_own_fault_has_its_own_type() -> None:
    assert errors.server_error().type == "server_error"


def test_one_base_for_all() -> None:
    for error in (
        ClientError("c", "m"),
        EngineError("stt", "no decoder"),
        UpstreamError("upstream_closed", "it hung up", retryable=True),
        TransportClosed(1001),
    ):
        assert isinstance(error, VivavoceError)
    assert str(EngineError("stt", "no decoder is free")) == "stt: no decoder is free"
    assert str(TransportClosed(1001, "going away")) == "closed with 1001 going away"
