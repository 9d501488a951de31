"""The beta dialect as tables over the GA one (protocol reference 2.6 and 3.9).

Outwards a GA event is renamed, reshaped or left out; inwards a beta event becomes the GA event that means the
same, and is then read and refused like any other. `temperature` is checked but has no meaning here, so it is
always echoed as 0.8.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from vivavoce.protocol import errors
from vivavoce.protocol.client_events import ClientEvent
from vivavoce.protocol.decode import decode_client_event, echoed_event_id, parse_object, read_client_event
from vivavoce.protocol.encode import to_plain
from vivavoce.protocol.errors import ClientError
from vivavoce.protocol.refusals import kind_of
from vivavoce.protocol.server_events import ForeignEvent, ServerEvent, event_type

Plain = dict[str, Any]

RENAMED_EVENTS: Final = {
    "conversation.item.added": "conversation.item.created",
    "response.output_text.delta": "response.text.delta",
    "response.output_text.done": "response.text.done",
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
}
ABSENT_EVENTS: Final = frozenset(
    {
        "conversation.item.done",
        "conversation.item.input_audio_transcription.segment",
        "input_audio_buffer.timeout_triggered",
        "input_audio_buffer.dtmf_event_received",
        "mcp_list_tools.in_progress",
        "mcp_list_tools.completed",
        "mcp_list_tools.failed",
        "response.mcp_call.in_progress",
        "response.mcp_call.completed",
        "response.mcp_call.failed",
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
    }
)
"""GA events that beta does not know; an MCP item is left out with them."""
ITEM_TYPES: Final = frozenset({"message", "function_call", "function_call_output"})
PARTS: Final = {"output_text": "text", "output_audio": "audio"}
FORMATS: Final = {"audio/pcm": "pcm16", "audio/pcmu": "g711_ulaw", "audio/pcma": "g711_alaw"}
SESSION_PATHS: Final = {
    "modalities": "output_modalities",
    "voice": "audio.output.voice",
    "speed": "audio.output.speed",
    "input_audio_format": "audio.input.format",
    "output_audio_format": "audio.output.format",
    "input_audio_transcription": "audio.input.transcription",
    "input_audio_noise_reduction": "audio.input.noise_reduction",
    "turn_detection": "audio.input.turn_detection",
    "max_response_output_tokens": "max_output_tokens",
}
"""Flat beta key -> its place in the GA session."""
RESPONSE_PATHS: Final = {
    "modalities": "output_modalities",
    "voice": "audio.output.voice",
    "output_audio_format": "audio.output.format",
    "max_response_output_tokens": "max_output_tokens",
}
TEMPERATURE: Final = 0.8

_GA_PARTS: Final = {beta: ga for ga, beta in PARTS.items()}
_GA_FORMATS: Final = {beta: {"type": ga} for ga, beta in FORMATS.items()}

# --------------------------------------------------------------------------------------------------- outwards


def to_wire(event: ServerEvent | ForeignEvent) -> list[bytes]:
    """The beta frames of a server event: one, or none where beta has no such event."""
    if isinstance(event, ForeignEvent):
        return []  # A dialect of old has no words for what is newer than this server.
    name = event_type(event)
    if name in ABSENT_EVENTS:
        return []
    plain = to_plain(event)
    if "item" in plain and plain["item"]["type"] not in ITEM_TYPES:
        return []
    plain["type"] = RENAMED_EVENTS.get(name, name)
    for key, reshape in _OUTWARDS.items():
        if key in plain:
            reshape(plain)
    # `function_call_arguments.done` keeps its `name`, which the beta's types lack: handlers written under the beta's header read it.
    return [msgspec.json.encode(plain)]


def _item_out(event: Plain) -> None:
    event["item"] = _beta_item(event["item"])


def _beta_item(item: Plain) -> Plain:
    item.pop("phase", None)
    for part in item.get("content", ()):
        part["type"] = PARTS.get(part["type"], part["type"])
    return item


def _response_out(event: Plain) -> None:
    response = event["response"]
    audio = response.pop("audio")["output"]
    response["modalities"] = _beta_modalities(response.pop("output_modalities"))
    response["voice"] = _beta_voice(audio["voice"])
    response["output_audio_format"] = FORMATS[audio["format"]["type"]]
    response["temperature"] = TEMPERATURE
    response["output"] = [_beta_item(item) for item in response["output"] if item["type"] in ITEM_TYPES]


def _session_out(event: Plain) -> None:
    transcription = event["session"]["type"] == "transcription"
    event["session"] = flat_session(event["session"])
    if transcription:
        event["type"] = f"transcription_{event['type']}"
        event["session"]["client_secret"] = None  # Handed out by REST alone; the type has it everywhere.


def flat_session(nested: Plain) -> Plain:
    """A session object of either kind in the flat form, out of its GA form; the nested one is taken apart."""
    session = nested
    if session.pop("type") != "transcription":
        session["temperature"] = TEMPERATURE
    for flat, path in SESSION_PATHS.items():
        found, value = _take(session, path.split("."))
        if found:
            session[flat] = value
    del session["audio"]
    for flat in ("input_audio_format", "output_audio_format"):
        if flat in session:
            session[flat] = FORMATS[session[flat]["type"]]
    if "modalities" in session:
        session["modalities"] = _beta_modalities(session["modalities"])
        session["voice"] = _beta_voice(session["voice"])
    choice = session.get("tool_choice")
    if isinstance(choice, dict) and choice["type"] == "function":
        session["tool_choice"] = {"type": "function", "function": {"name": choice["name"]}}
    return session


def _error_out(event: Plain) -> None:
    error = event["error"]
    if error["param"]:
        flat = _flat_param(error["param"])
        error["message"] = error["message"].replace(error["param"], flat)
        error["param"] = flat


def _flat_param(param: str) -> str:
    """A field's path as a client of this dialect knows it."""
    for scope, paths in (("session", SESSION_PATHS), ("response", RESPONSE_PATHS)):
        for flat, path in paths.items():
            nested = f"{scope}.{path}"
            if param == nested or param.startswith((f"{nested}.", f"{nested}[")):
                return f"{scope}.{flat}{param[len(nested) :]}"
    return param


@contextmanager
def body_is_session() -> Iterator[None]:
    """Names fields in errors as they stand in a request whose body is a flat session (protocol reference 1.5)."""
    try:
        yield
    except ClientError as error:
        if error.param:
            flat = _flat_param(error.param).removeprefix("session.")
            error.message = error.message.replace(error.param, flat)
            error.param = flat
        raise


_OUTWARDS: Final[dict[str, Callable[[Plain], None]]] = {
    "item": _item_out,
    "response": _response_out,
    "session": _session_out,
    "error": _error_out,
}
"""Key of an event -> what its value needs; every event has at most one of them."""


def _beta_modalities(modalities: list[str]) -> list[str]:
    return ["audio", "text"] if "audio" in modalities else modalities


def _beta_voice(voice: Any) -> Any:
    return voice["id"] if isinstance(voice, dict) else voice


def _take(tree: Plain, path: list[str]) -> tuple[bool, Any]:
    for name in path[:-1]:
        tree = tree.get(name, {})
    return (True, tree.pop(path[-1])) if path[-1] in tree else (False, None)


# ---------------------------------------------------------------------------------------------------- inwards


class _Head(msgspec.Struct):
    type: str = ""


_HEAD: Final = msgspec.json.Decoder(_Head)


def from_wire(data: bytes | str | memoryview) -> ClientEvent:
    """The GA event that a beta client event means. Raises `ClientError` and nothing else."""
    try:
        translate = _INWARDS.get(_HEAD.decode(data).type)
    except (ValueError, RecursionError):
        translate = None
    if translate is None:  # the same in both dialects, audio above all
        return decode_client_event(data)
    raw = parse_object(data)
    try:
        translated = translate(raw)
    except ClientError as error:
        error.event_id = echoed_event_id(raw)
        raise
    return read_client_event(translated)


def _session_in(event: Plain) -> Plain:
    return _session_update(event, "realtime")


def _transcription_session_in(event: Plain) -> Plain:
    return _session_update(event, "transcription") | {"type": "session.update"}


def _session_update(event: Plain, kind: str) -> Plain:
    session = event.get("session")
    if not isinstance(session, dict):
        return event
    return event | {"session": nested_session(session, kind)}


def nested_session(flat: Plain, kind: str) -> Plain:
    """A flat session in the words of a GA `session.update` for a session of this kind. Raises `ClientError`."""
    if kind == "transcription":
        # It has modalities that mean nothing, no output, and shows a secret that is not for setting.
        flat = {key: value for key, value in flat.items() if key not in ("modalities", "client_secret")}
        for key in flat.keys() & SESSION_PATHS.keys():
            if not SESSION_PATHS[key].startswith("audio.input."):
                raise errors.unknown_parameter(f"session.{key}")
    return {"type": kind} | _nested(flat, SESSION_PATHS, "session")


def _response_create_in(event: Plain) -> Plain:
    response = event.get("response")
    if not isinstance(response, dict):
        return event
    response = _nested(response, RESPONSE_PATHS, "response")
    if isinstance(response.get("input"), list):
        response["input"] = [_ga_item(item) for item in response["input"]]
    return event | {"response": response}


def _item_create_in(event: Plain) -> Plain:
    return event | {"item": _ga_item(event["item"])} if "item" in event else event


_INWARDS: Final[dict[str, Callable[[Plain], Plain]]] = {
    "session.update": _session_in,
    "transcription_session.update": _transcription_session_in,
    "response.create": _response_create_in,
    "conversation.item.create": _item_create_in,
}


def _nested(flat: Plain, paths: dict[str, str], scope: str) -> Plain:
    """A flat session or response in the nested form; what is already nested stays."""
    _check_temperature(flat.get("temperature"), f"{scope}.temperature")
    nested = {key: value for key, value in flat.items() if key not in paths and key != "temperature"}
    for key, path in paths.items():
        if key in flat:
            _put(nested, path.split("."), _INWARD_VALUES.get(key, _same)(flat[key], f"{scope}.{key}"))
    choice = nested.get("tool_choice")
    if isinstance(choice, dict) and isinstance(choice.get("function"), dict):
        nested["tool_choice"] = {"type": "function", "name": choice["function"].get("name")}
    return nested


def _put(tree: Plain, path: list[str], value: Any) -> None:
    for name in path[:-1]:
        inner = tree.get(name)
        tree[name] = dict(inner) if isinstance(inner, dict) else {}
        tree = tree[name]
    tree[path[-1]] = value


def _same(value: Any, param: str) -> Any:
    return value


def _ga_modalities(value: Any, param: str) -> Any:
    # "text and audio" is what GA calls audio: speech with its transcript.
    both = isinstance(value, list) and sorted(map(str, value)) == ["audio", "text"]
    return ["audio"] if both else value


def _ga_format(value: Any, param: str) -> Any:
    if value is None:
        return None
    if not isinstance(value, str):
        raise errors.invalid_type(param, "a string", kind_of(value))
    if value not in _GA_FORMATS:
        raise errors.unsupported_value(param, value, list(_GA_FORMATS))
    return _GA_FORMATS[value]


def _ga_turn_detection(value: Any, param: str) -> Any:
    return {"type": "server_vad"} | value if isinstance(value, dict) else value


_INWARD_VALUES: Final[dict[str, Callable[[Any, str], Any]]] = {
    "modalities": _ga_modalities,
    "input_audio_format": _ga_format,
    "output_audio_format": _ga_format,
    "turn_detection": _ga_turn_detection,
}


def _check_temperature(value: Any, param: str) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise errors.invalid_type(param, "a number", kind_of(value))
    if not 0.6 <= value <= 1.2:
        raise errors.invalid_value(param, value, "a number between 0.6 and 1.2")


def _ga_item(item: Any) -> Any:
    """A beta item with GA content types: what the assistant said is output, anything else is input."""
    if not isinstance(item, dict) or not isinstance(item.get("content"), list):
        return item
    names = _GA_PARTS if item.get("role") == "assistant" else {"text": "input_text", "audio": "input_audio"}
    content = [
        part | {"type": names.get(part["type"], part["type"])}
        if isinstance(part, dict) and isinstance(part.get("type"), str)
        else part
        for part in item["content"]
    ]
    return item | {"content": content}
