"""What can go wrong, as exceptions.

    VivavoceError
    ├── ClientError(code, message, param, event_id, type)   becomes one `error` event; the session goes on
    ├── EngineError(stage, message, retryable)              a stage of the engine failed
    ├── UpstreamError(code, message, retryable)             another server, which had to answer, did not
    └── TransportClosed(code, reason)                       the other side is gone

The functions below build the `ClientError` of every documented situation, with the exact codes and texts that
clients compare against (protocol reference 4.19; real-clients rule 4: some match on the message's first
words).
"""

from collections.abc import Sequence
from typing import Any


class VivavoceError(Exception):
    """Base of every error this package raises on purpose."""


class ClientError(VivavoceError):
    """A client's mistake. Becomes one `error` event and leaves the state untouched.

    `param` names the offending field in the API's form (`session.audio.output.speed`); `event_id` is the
    client's own id of the event at fault, when it gave one; `type` is the wire's error type.
    """

    def __init__(
        self,
        code: str,
        message: str,
        param: str | None = None,
        event_id: str | None = None,
        type: str = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param
        self.event_id = event_id
        self.type = type

    def __repr__(self) -> str:
        return (
            f"ClientError({self.code!r}, {self.message!r}, param={self.param!r}, event_id={self.event_id!r})"
        )


class EngineError(VivavoceError):
    """A `stage` of the engine (`stt`, `llm`, `tts`) failed; `retryable`: trying again may help."""

    def __init__(self, stage: str, message: str, retryable: bool = False) -> None:
        super().__init__(f"{stage}: {message}")
        self.stage = stage
        self.message = message
        self.retryable = retryable


class UpstreamError(VivavoceError):
    """Another server, which had to answer, did not: `code` names how (docs/relay.md). `retryable`: trying again may help."""

    def __init__(self, code: str, message: str, retryable: bool = False) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.retryable = retryable


class TransportClosed(VivavoceError):
    """The peer closed the connection with a close `code` and a `reason`."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"closed with {code} {reason}".rstrip())
        self.code = code
        self.reason = reason


# ------------------------------------------------------------------------------------------ shape of an event


def invalid_json(reason: str) -> ClientError:
    """The frame is not JSON at all, so no event id can be echoed."""
    return ClientError("invalid_json", f"The event could not be parsed as JSON: {reason}")


def not_an_object() -> ClientError:
    return ClientError("invalid_event", "The event must be a JSON object.")


def missing_type(event_id: str | None = None) -> ClientError:
    return ClientError("invalid_event", "The 'type' field is missing.", event_id=event_id)


def unknown_event_type(value: str, supported: Sequence[str], event_id: str | None = None) -> ClientError:
    return ClientError("invalid_value", _unsupported(value, supported), "type", event_id)


def missing_parameter(path: str, hint: str = "") -> ClientError:
    message = f"Missing required parameter: '{path}'."
    return ClientError("missing_required_parameter", f"{message} {hint}".rstrip(), path)


def unknown_parameter(path: str) -> ClientError:
    return ClientError("unknown_parameter", f"Unknown parameter: '{path}'.", path)


def invalid_type(path: str, expected: str, got: str) -> ClientError:
    """`expected` and `got` are phrases with an article: "a string", "an integer"."""
    return ClientError(
        "invalid_type", f"Invalid type for '{path}': expected {expected}, but got {got} instead.", path
    )


def unsupported_value(path: str, value: str, supported: Sequence[Any]) -> ClientError:
    """An enumeration's value that is not in the enumeration."""
    return ClientError("invalid_value", _unsupported(value, supported), path)


def invalid_value(param: str, value: object, expected: str) -> ClientError:
    """A value of the right type outside its range; `expected` is a phrase: "a number between 0 and 1"."""
    return ClientError(
        "invalid_value", f"Invalid value for '{param}': expected {expected}, but got {_shown(value)}.", param
    )


def invalid_because(param: str, reason: str) -> ClientError:
    """A value that is wrong for a reason of its own; `reason` is a phrase."""
    return ClientError("invalid_value", f"Invalid value for '{param}': {reason}.", param)


def _unsupported(value: str, supported: Sequence[Any]) -> str:
    message = f"Invalid value: {_shown(value)}."
    if not supported:
        return message
    names = [f"'{name}'" for name in supported]
    if len(names) == 1:
        return f"{message} Supported values are: {names[0]}."
    listed = " and ".join(names) if len(names) == 2 else f"{', '.join(names[:-1])}, and {names[-1]}"
    return f"{message} Supported values are: {listed}."


def _shown(value: object) -> str:
    # A client's value is echoed, but never at a length that would let it amplify its own mistakes.
    text = f"'{value}'" if isinstance(value, str) else str(value)
    return text if len(text) <= 120 else f"{text[:100]}...'" if isinstance(value, str) else f"{text[:100]}..."


# --------------------------------------------------------------------------------------------------- sessions


def missing_session_type() -> ClientError:
    return missing_parameter("session.type")


def session_type_switch(wanted: str, current: str) -> ClientError:
    """`session.update` for another kind of session; the text is the live service's."""
    return ClientError(
        "invalid_parameter",
        f"Passing a {wanted} session update event to a {current} session is not allowed.",
        "session.type",
    )


def not_in_transcription(event_type: str) -> ClientError:
    """An event that asks a transcription session for more than transcripts (protocol reference 4.13)."""
    return ClientError(
        "invalid_value",
        f"'{event_type}' is not available in a transcription session, which gives transcripts and no responses."
        " Open a session of type 'realtime' for a conversation.",
        "type",
    )


def cannot_update_voice(param: str = "session.audio.output.voice") -> ClientError:
    return ClientError(
        "cannot_update_voice", "Cannot update a conversation's voice if assistant audio is present.", param
    )


def cannot_update_tracing() -> ClientError:
    """Another tracing while one is on (protocol reference 3.2); the code is ours, in the manner of the voice's."""
    message = "Cannot update tracing once it is enabled. Set it to null to disable it."
    return ClientError("cannot_update_tracing", message, "session.tracing")


def unknown_prompt(prompt_id: str, version: str | None, param: str) -> ClientError:
    """A stored prompt, or a version of one, that is not there; the first words are those of the REST API."""
    if version is None:
        return ClientError("prompt_not_found", f"Prompt with id '{prompt_id}' not found.", f"{param}.id")
    return ClientError(
        "prompt_not_found",
        f"Prompt with id '{prompt_id}' and version '{version}' not found.",
        f"{param}.version",
    )


def broken_prompt(prompt_id: str) -> ClientError:
    """A stored prompt that cannot be read: nothing a client could mend."""
    return ClientError("server_error", f"The stored prompt '{prompt_id}' is broken.", type="server_error")


def session_expired(minutes: int = 60) -> ClientError:
    """Sent once, then the connection closes with 1001 and the same text."""
    return ClientError("session_expired", f"Your session hit the maximum duration of {minutes} minutes.")


def server_error(message: str = "The server had an error while processing your request.") -> ClientError:
    """A fault of ours, in the form in which a client sees it."""
    return ClientError("server_error", message, type="server_error")


# ----------------------------------------------------------------------------------------------- input buffer


def commit_empty(buffered_ms: float) -> ClientError:
    """A commit of less than 100 ms (protocol reference 4.4)."""
    return ClientError(
        "input_audio_buffer_commit_empty",
        "Error committing input audio buffer: buffer too small. "
        f"Expected at least 100ms of audio, but buffer only has {buffered_ms:.2f}ms of audio.",
    )


def append_too_large(limit_bytes: int) -> ClientError:
    return ClientError(
        "invalid_value",
        f"Invalid value for 'audio': more than {limit_bytes} bytes of audio in one event.",
        "audio",
    )


# -------------------------------------------------------------------------------------------------- responses


def no_active_response() -> ClientError:
    """`response.cancel` with nothing to cancel. Clients match on the first two words."""
    return ClientError("response_cancel_not_active", "Cancellation failed: no active response found")


def active_response(response_id: str) -> ClientError:
    return ClientError(
        "conversation_already_has_active_response",
        f"Conversation already has an active response in progress: {response_id}. "
        "Wait until the response is finished before creating a new one.",
    )


def unknown_item_reference(item_id: str, param: str = "response.input") -> ClientError:
    return ClientError(
        "item_reference_invalid_item_id",
        f"Error creating response: the item with id '{item_id}' does not exist.",
        param,
    )


# ----------------------------------------------------------------------------------------------- conversation


def truncate_unknown(item_id: str) -> ClientError:
    return ClientError(
        "item_truncate_invalid_item_id",
        f"Error truncating item: the item with id '{item_id}' does not exist.",
        "item_id",
    )


def unsupported_truncate() -> ClientError:
    """Truncating anything but an assistant's audio."""
    return ClientError(
        "unsupported_content_type", "Only model output audio messages can be truncated", "item_id"
    )


def truncate_content_index(content_index: int) -> ClientError:
    return invalid_value("content_index", content_index, "the index of an audio content part of the item")


def delete_unknown(item_id: str) -> ClientError:
    return ClientError(
        "item_delete_invalid_item_id",
        f"Error deleting item: the item with id '{item_id}' does not exist.",
        "item_id",
    )


def retrieve_unknown(item_id: str) -> ClientError:
    return ClientError(
        "item_retrieve_invalid_item_id",
        f"Error retrieving item: the item with id '{item_id}' does not exist.",
        "item_id",
    )


def duplicate_item(item_id: str) -> ClientError:
    return ClientError(
        "item_create_duplicate_item_id",
        f"Error creating item: an item with id '{item_id}' already exists.",
        "item.id",
    )


def reserved_item_id(item_id: str) -> ClientError:
    """An id that means something else where ids are given (`previous_item_id`)."""
    return invalid_because("item.id", f"'{item_id}' stands for the beginning of the conversation")


def too_many_images(limit_bytes: int) -> ClientError:
    return ClientError(
        "invalid_value",
        f"Error creating item: the images of the conversation would have more than {limit_bytes} bytes; delete some.",
        "item.content",
    )


def unknown_previous_item(item_id: str) -> ClientError:
    return ClientError(
        "item_create_invalid_previous_item_id",
        f"Error creating item: the previous item with id '{item_id}' does not exist.",
        "previous_item_id",
    )


def unknown_approval_request(request_id: str) -> ClientError:
    return ClientError(
        "item_create_invalid_approval_request_id",
        f"Error creating item: no approval request '{request_id}' waits for an answer.",
        "item.approval_request_id",
    )


def unknown_call_id(call_id: str) -> ClientError:
    return ClientError(
        "invalid_tool_call_id",
        f"Error creating item: no function call with call_id '{call_id}' exists in the conversation.",
        "item.call_id",
    )
