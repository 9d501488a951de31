"""Writes docs/compatibility.md: python -m tests.clients.page

Out of the matrix's record (outcomes.json), the program itself (events, session fields, routes), and the pinned openai package, which says
what there is in the API. What cannot be read off these, reasons and places of tests, stands in the tables below; the tests hold each row
against them.
"""

from __future__ import annotations

import ast
import functools
import typing
from collections.abc import Iterator
from typing import Any, Final

from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent

from tests.clients import checklist, record
from tests.clients.catalogue import BEHIND, CLIENTS, ENGINES
from tests.docs.pages import ROOT
from vivavoce.protocol import server_events, session_objects
from vivavoce.protocol.beta import ABSENT_EVENTS, RENAMED_EVENTS

PAGE = ROOT / "docs" / "compatibility.md"
SOURCE = ROOT / "src" / "vivavoce"
SENDERS: Final = ("session/*.py", "transports/*.py", "call/driver.py")
"""Where events are made."""

NOT_SENT: Final = {
    "conversation.created": "current clients are not sent it by OpenAI either",
    "conversation.item.created": "the beta's name, sent to beta clients instead of `conversation.item.added`",
    "input_audio_buffer.dtmf_event_received": "telephony (SIP)",
    "output_audio_buffer.cleared": "WebRTC and SIP",
    "output_audio_buffer.started": "WebRTC and SIP",
    "output_audio_buffer.stopped": "WebRTC and SIP",
}
"""Why an event of the API is not sent. Telephony, SIP and WebRTC are transports that are not there yet."""

SHOWN: Final = {
    "conversation.item.deleted": "docs/behaviours/items.md",
    "conversation.item.input_audio_transcription.failed": "docs/behaviours/transcription.md",
    "conversation.item.input_audio_transcription.segment": "docs/behaviours/transcription.md",
    "conversation.item.retrieved": "docs/behaviours/items.md",
    "error": "docs/behaviours/failures.md",
    "input_audio_buffer.cleared": "docs/behaviours/turns.md",
    "input_audio_buffer.timeout_triggered": "docs/behaviours/idle.md",
    "mcp_list_tools.completed": "tests/mcp/test_sessions.py",
    "mcp_list_tools.failed": "tests/mcp/test_sessions.py",
    "mcp_list_tools.in_progress": "tests/mcp/test_sessions.py",
    "response.mcp_call.completed": "tests/mcp/test_sessions.py",
    "response.mcp_call.failed": "tests/mcp/test_sessions.py",
    "response.mcp_call.in_progress": "tests/mcp/test_sessions.py",
    "response.mcp_call_arguments.delta": "tests/mcp/test_sessions.py",
    "response.mcp_call_arguments.done": "tests/mcp/test_sessions.py",
    "response.output_text.delta": "docs/behaviours/responses.md",
    "response.output_text.done": "docs/behaviours/out-of-band.md",
    "conversation.item.delete": "docs/behaviours/items.md",
    "conversation.item.retrieve": "docs/behaviours/items.md",
    "input_audio_buffer.clear": "docs/behaviours/turns.md",
    "input_audio_buffer.commit": "docs/behaviours/turns.md",
    "output_audio_buffer.clear": "tests/session/test_handlers.py",
    "response.cancel": "docs/behaviours/interruptions.md",
}
"""Where events are tested that few or none of the clients send or are sent."""

WORKS, ECHOED = "works", "accepted and echoed, no effect"
FIELDS: Final = {
    "model": ("works", "any name; what answers is configured", "tests/call/test_registry.py"),
    "output_modalities": (WORKS, "", "docs/behaviours/responses.md"),
    "instructions": (WORKS, "", "docs/behaviours/session.md"),
    "tools": (WORKS, "functions and MCP servers; no connectors of OpenAI's", "docs/behaviours/functions.md"),
    "tool_choice": (WORKS, "", "docs/behaviours/functions.md"),
    "parallel_tool_calls": (WORKS, "", "docs/behaviours/functions.md"),
    "reasoning": ("passed on", "to the chat endpoint", "tests/engines/cascade/test_seeing.py"),
    "max_output_tokens": (WORKS, "", "docs/behaviours/responses.md"),
    "tracing": (ECHOED, "", "docs/behaviours/session.md"),
    "truncation": (WORKS, "", "docs/behaviours/context.md"),
    "prompt": (WORKS, "prompts are files of this server", "tests/session/test_prompts.py"),
    "expires_at": (WORKS, "", "tests/call/test_registry.py"),
    "include": (
        WORKS,
        "logprobs where the recogniser gives any: the built-in one does not",
        "docs/behaviours/transcription.md",
    ),
    "audio.input.format": (WORKS, "24 kHz PCM, µ-law, A-law", "tests/server/test_turn_settings.py"),
    "audio.input.transcription": (
        WORKS,
        "English; the model's name chooses its rules",
        "docs/behaviours/transcription.md",
    ),
    "audio.input.noise_reduction": (ECHOED, "", "tests/protocol/test_merge_session.py"),
    "audio.input.turn_detection": (
        WORKS,
        "`server_vad`, `semantic_vad` and null",
        "docs/behaviours/semantic-turns.md",
    ),
    "server_vad.threshold": (WORKS, "", "tests/session/test_turns.py"),
    "server_vad.prefix_padding_ms": (WORKS, "", "docs/behaviours/session.md"),
    "server_vad.silence_duration_ms": (WORKS, "", "tests/session/test_turns.py"),
    "server_vad.idle_timeout_ms": (WORKS, "", "docs/behaviours/idle.md"),
    "server_vad.create_response": (WORKS, "", "docs/behaviours/turns.md"),
    "server_vad.interrupt_response": (WORKS, "", "docs/behaviours/interruptions.md"),
    "semantic_vad.eagerness": (WORKS, "", "docs/behaviours/semantic-turns.md"),
    "semantic_vad.create_response": (WORKS, "", "docs/behaviours/turns.md"),
    "semantic_vad.interrupt_response": (WORKS, "", "docs/behaviours/interruptions.md"),
    "audio.output.format": (WORKS, "24 kHz PCM, µ-law, A-law", "tests/server/test_turn_settings.py"),
    "audio.output.voice": (WORKS, "names of OpenAI's voices stand for ours", "docs/behaviours/session.md"),
    "audio.output.speed": (WORKS, "", "docs/behaviours/session.md"),
}
"""Of a session's fields: state, what is to be said of it, where it is tested."""

ENDPOINTS: Final = {
    "WS /v1/realtime": "tests/server/test_openai_client.py",
    "WS /v1/realtime/translations": "tests/engines/relay/test_translation.py",
    "POST /v1/realtime/client_secrets": "tests/server/test_client_secrets.py",
    "POST /v1/realtime/translations/client_secrets": "tests/server/test_client_secrets.py",
    "POST /v1/realtime/sessions": "tests/server/test_beta.py",
    "POST /v1/realtime/transcription_sessions": "tests/server/test_client_secrets.py",
    "POST /v1/realtime/calls": "",
    "POST /v1/realtime": "",
    "POST /v1/realtime/translations/calls": "",
    "POST /v1/realtime/calls/{call_id}/accept": "",
    "POST /v1/realtime/calls/{call_id}/reject": "",
    "POST /v1/realtime/calls/{call_id}/refer": "",
    "POST /v1/realtime/calls/{call_id}/hangup": "tests/server/test_calls.py",
    "POST /v1/audio/speech": "tests/server/rest/test_speech.py",
    "POST /v1/audio/transcriptions": "tests/server/rest/test_transcriptions.py",
    "POST /v1/audio/translations": "tests/server/rest/test_transcriptions.py",
    "POST /v1/responses": "tests/server/rest/test_responses.py",
    "POST /v1/chat/completions": "tests/server/rest/test_chat.py",
    "GET /v1/models": "tests/server/test_doors.py",
    "GET /v1/models/{name}": "tests/server/test_doors.py",
}
"""Those of the API that have to do with voice (protocol reference 1.1), and the two that answer text; where they are tested."""
REFUSED: Final = {"WS /v1/realtime/translations": "translation_not_supported"}
"""Routes with something behind them only where the relay is the engine; otherwise they say so, once the credential was checked."""
ABSENT: Final = {
    "POST /v1/realtime/calls": "WebRTC",
    "POST /v1/realtime": "WebRTC, the older path",
    "POST /v1/realtime/translations/calls": "WebRTC",
    "POST /v1/realtime/calls/{call_id}/accept": "SIP",
    "POST /v1/realtime/calls/{call_id}/reject": "SIP",
    "POST /v1/realtime/calls/{call_id}/refer": "SIP",
}
"""What an endpoint belongs to that is not served."""

HEAD: Final = """\
# Compatibility

Written by `python -m tests.clients.page`; a test compares. What it says of clients is the record of `make clients ARGS=--record`: unmodified, pinned
libraries against `vivavoce serve`, each case over the scripted engine (which says what it is told to) and over the cascade (which hears, thinks
and speaks), and both once more through two hops: the [relay](relay.md) in front of a second server. A case passes when the client's
program reached what it set out for, no server sent an `error` (but where a library is known to ask for one), logged a defect or gave a hint.
"""
CASES: Final = """\
`audio` a spoken question, its turn found and answered by the server · `parallel` two tools at once, answered after 0 and 300 ms in either order ·
`interruption` speaking over an answer, and the answer to that · `approval` a tool that waits for a yes · `handoff` another agent takes over ·
`mcp` a tool of an MCP server that the session names, after a yes · `beta_...` the same in the beta dialect · `pipeline` openai-agents' VoicePipeline over REST, `_streamed` over a transcription session ·
`transcription_committed` with turns found by the client · `native_tool` the openai package's class for browsers. The programs: `tests/clients/programs/`.
"""
UNVERIFIED: Final = """\
## Not verified against OpenAI itself

Here, nothing was run against OpenAI's own service, neither clients nor the [relay](relay.md). What its events look like is known from its published SDKs, its OpenAPI document
and its guides; where they are silent or disagree, we chose (`docs/adr/`). With a key, this runs the same programs through the relay against it, in both dialects, and
shows what does not hold (every answer is paid for; `--case text --client openai-python` is one of them):

```sh
OPENAI_API_KEY=sk-... make clients ARGS="--relay-to https://api.openai.com/v1"
```

With `--against` in the place of `--relay-to` the programs speak to it directly: what fails there as well is not the relay's.

GPT-Live (`/v1/live/sessions`) is another API, and not served.
"""


def page() -> str:
    """The whole page."""
    rows = record.read()
    sections = (
        HEAD,
        *_clients(rows),
        *_server_events(rows),
        *_client_events(rows),
        *_fields(),
        *_endpoints(),
        *checklist.sections(),
        UNVERIFIED,
    )
    return "\n".join(sections)


# --- clients --------------------------------------------------------------------------------------------------------------


def _clients(rows: list[record.Row]) -> Iterator[str]:
    yield "## Clients\n"
    by_key = {row.key: row for row in rows}
    cases = list(dict.fromkeys(case for client in CLIENTS for case in client.cases))
    days = sorted({row.date for row in rows})
    run = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    yield (
        f"Run on {run} (UTC). `both`: over the scripted engine and over the cascade; `relay`: through the relay to a "
        "second server, with both of these again. "
        "Blank: the library has no notion of it, or the case is not run with it.\n"
    )
    yield "| case | " + " | ".join(f"{client.name} {client.version()}" for client in CLIENTS) + " |"
    yield "|---|" + "---|" * len(CLIENTS)
    for case in cases:
        cells = [_cell(by_key, client.name, case) if case in client.cases else "" for client in CLIENTS]
        yield f"| {case} | " + " | ".join(cells) + " |"
    yield f"\n{CASES}"
    failed = [row for row in rows if not row.passed]
    yield f"{len(rows) - len(failed)} of {len(rows)} passed.\n"
    if failed:
        yield "\n".join(
            f"- {row.client}, {row.case}, {row.engine}: {_one_line(row.reason)}" for row in failed
        )
        yield ""


def _cell(rows: dict[tuple[str, str, str], record.Row], client: str, case: str) -> str:
    passed = {engine for engine in ENGINES if (row := rows.get((client, case, engine))) and row.passed}
    words: list[str] = []
    for together, engines in (("both", set(ENGINES) - set(BEHIND)), ("relay", set(BEHIND))):
        some = [engine for engine in ENGINES if engine in passed & engines]
        words += [together] if set(some) == engines else [f"only {engine}" for engine in some]
    return ", ".join(words) or "none"


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


# --- events ---------------------------------------------------------------------------------------------------------------


def sdk_events(union: Any) -> list[str]:
    """The types of an event union of the openai package."""
    members = typing.get_args(typing.get_args(union)[0])
    return [name for member in members for name in typing.get_args(member.model_fields["type"].annotation)]


@functools.cache
def sent_events() -> set[str]:
    """Types of the events that the session, or what carries it, names in its code: those it sends."""
    named: set[str] = set()
    for file in (file for place in SENDERS for file in SOURCE.glob(place)):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Attribute):
                named.add(node.attr)
            elif isinstance(node, ast.Name):
                named.add(node.id)
    known = {member.__name__: member for member in typing.get_args(server_events.ServerEvent)}
    return {str(known[name].__struct_config__.tag) for name in named & known.keys()}


def _server_events(rows: list[record.Row]) -> Iterator[str]:
    names, sent = sorted(sdk_events(RealtimeServerEvent)), sent_events()
    yield "## Events we send\n"
    yield (
        f"{len(sent & set(names))} of the {len(names)} server events that the openai package knows. Beta clients are sent the old names "
        f"of {len(RENAMED_EVENTS)}, and not those {len(ABSENT_EVENTS)} that the beta does not know ([ADR 28](adr/0028-dialects.md)).\n"
    )
    yield "| event | sent | shown by |\n|---|---|---|"
    for name in names:
        where = _shown(name, _seen(rows, "->", name)) if name in sent else ""
        yield f"| `{name}` | {'yes' if name in sent else 'no: ' + NOT_SENT[name]} | {where} |"
    yield ""


def _client_events(rows: list[record.Row]) -> Iterator[str]:
    yield "## Events we accept\n"
    yield "| event | shown by |\n|---|---|"
    for name in sorted(sdk_events(RealtimeClientEvent)):
        yield f"| `{name}` | {_shown(name, _seen(rows, '<-', name))} |"
    yield ""
    yield "`output_audio_buffer.clear` is for WebRTC and SIP: on a WebSocket it is answered by an `error` that says so.\n"


def _seen(rows: list[record.Row], way: str, name: str) -> int:
    """How many clients sent or were sent it."""
    names = {name, RENAMED_EVENTS.get(name, name)}
    return len({row.client for row in rows if any(f"{way} {each}" in row.events for each in names)})


def _shown(name: str, clients: int) -> str:
    parts = [f"{clients} client{'s' if clients > 1 else ''}"] if clients else []
    return ", ".join([*parts, *([_place(SHOWN[name])] if name in SHOWN else [])])


def _place(path: str) -> str:
    return (
        f"[{path.removeprefix('docs/')}]({path.removeprefix('docs/')})"
        if path.startswith("docs/")
        else f"`{path}`"
    )


# --- fields and endpoints -------------------------------------------------------------------------------------------------


def session_fields() -> list[str]:
    """The fields of a conversation session that a client may set, and those of its turn detection."""
    session = session_objects.SessionObject
    flat = {"object", "id", "audio", "vivavoce"}
    return [
        *(name for name in session.__struct_fields__ if name not in flat),
        *(f"audio.input.{name}" for name in session_objects.AudioInputConfig.__struct_fields__),
        *(f"server_vad.{name}" for name in session_objects.ServerVad.__struct_fields__),
        *(f"semantic_vad.{name}" for name in session_objects.SemanticVad.__struct_fields__),
        *(f"audio.output.{name}" for name in session_objects.AudioOutputConfig.__struct_fields__),
    ]


def _fields() -> Iterator[str]:
    yield "## Session fields\n"
    yield "Every field is checked, merged and echoed. Flat sessions of the beta are mapped to these, both ways.\n"
    yield "| field | state | | shown by |\n|---|---|---|---|"
    for name in session_fields():
        state, remark, where = FIELDS[name]
        yield f"| `{name}` | {state} | {remark} | {_place(where)} |"
    yield ""


@functools.cache
def routes() -> set[str]:
    """What the server routes: `POST /v1/responses`, `WS /v1/realtime`."""
    from vivavoce.call.settings import load_settings
    from vivavoce.engines.scripted.engine import ScriptedEngine, ScriptedSettings
    from vivavoce.server.app import create_app

    app = create_app(load_settings({}, environ={}), ScriptedEngine(ScriptedSettings()))
    sockets = {f"WS {path}" for path in app.state.sockets}
    described = app.openapi()["paths"]
    return sockets | {f"{method.upper()} {path}" for path, methods in described.items() for method in methods}


def _endpoints() -> Iterator[str]:
    served = routes()
    yield "## Endpoints\n"
    yield "| endpoint | served | shown by |\n|---|---|---|"
    for endpoint, place in ENDPOINTS.items():
        yield f"| `{endpoint}` | {_state(endpoint, served)} | {_place(place) if place else ''} |"
    yield ""
    yield "What each REST endpoint takes and gives: [REST](rest.md), and `/openapi.json` of a running server.\n"


def _state(endpoint: str, served: set[str]) -> str:
    if endpoint in REFUSED:
        return f"handed on by the relay; other engines: refused with `{REFUSED[endpoint]}`"
    return "yes" if endpoint in served else f"no: {ABSENT[endpoint]}"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
