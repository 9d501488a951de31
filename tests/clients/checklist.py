"""What the protocol asks of a server, line by line, and what shows that it is so here; part of docs/compatibility.md.

A place is a heading of a behaviour (`items.md#Delete`), a test (`tests/...::test_name`), or an ADR; a test holds each against the files.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

HOLDS, ELSEWHERE = "yes", "with an upstream"


class Line(NamedTuple):
    """One thing that is asked for. `state`: "yes", or what is different or missing."""

    what: str
    state: str
    places: tuple[str, ...]


CHECKLIST: Final[dict[str, tuple[Line, ...]]] = {
    "Connections": (
        Line("reading goes on while answers are written", HOLDS, ("functions.md#Three tools that finish after the response", "tests/server/test_load.py::test_a_long_message_and_many_behind_it_are_served_in_order")),
        Line("`model`, `intent` or `call_id`, and one of them at least", "yes; `intent` with `model` is taken ([ADR 39](adr/0039-where-we-are-lenient.md))", ("tests/server/test_doors.py::test_a_new_session_is_for_a_model_or_for_transcripts", "tests/server/test_doors.py::test_a_session_that_is_there_has_its_model")),
        Line("keys and client secrets, by header or sub-protocol; `realtime` is answered", HOLDS, ("tests/server/test_doors.py::test_a_key_may_come_as_a_sub_protocol_and_is_not_sent_back", "tests/server/test_client_secrets.py::test_a_browser_comes_with_a_sub_protocol_from_anywhere")),
        Line("`api-key`, organization, project, safety identifier", HOLDS, ("tests/server/test_auth.py::test_a_key_comes_by_header_sub_protocol_or_api_key", "tests/server/test_wire_limits.py::test_what_clients_say_about_themselves_is_no_obstacle")),
        Line("401 and 404 before the upgrade", HOLDS, ("tests/server/test_doors.py::test_with_keys_only_a_key_opens", "tests/server/test_doors.py::test_unknown_calls_and_intents_are_refused_before_the_upgrade")),
        Line("the dialect by its token alone", HOLDS, ("tests/protocol/test_dialects.py::test_only_the_token_chooses_beta", "tests/server/test_doors.py::test_another_beta_header_is_not_the_beta_dialect")),
        Line("TLS", HOLDS, ("tests/server/test_tls.py::test_clients_that_trust_the_certificate_as_the_banner_says",)),
        Line("15 MiB of audio in one event, decoded, in a frame of at most 21 MiB; smaller frames back than clients' limits", HOLDS, ("tests/server/test_wire_limits.py::test_the_largest_append_is_taken_and_no_frame_back_is_larger_than_clients_read", "items.md#Audio too large for a frame is left out")),
        Line("pings; events that were sent before `session.created`", HOLDS, ("tests/transports/test_conformance.py::test_pings_are_answered_in_the_middle_of_everything", "tests/server/test_agents.py::test_text_messages")),
        Line("expiry: `session_expired`, then 1001", HOLDS, ("session.md#The session expires", "transcription.md#A session has its end")),
        Line("a client's mistake never closes with 1011", HOLDS, ("tests/transports/test_conformance.py::test_what_is_wrong_is_closed_with_its_code",)),
    ),
    "REST": (
        Line("client secrets: 10 to 7200 s, several sessions, the session in full", HOLDS, ("tests/server/test_client_secrets.py::test_the_sdk_makes_one_and_gets_the_session_in_full", "tests/server/test_client_secrets.py::test_several_sessions_begin_with_one_secret_and_may_be_changed")),
        Line("secrets for translation", HOLDS, ("tests/server/test_client_secrets.py::test_secrets_for_translation_are_made_and_say_what_is_missing",)),
        Line("the two older ways to make one", HOLDS, ("tests/server/test_client_secrets.py::test_the_older_endpoints_answer_in_the_older_shape", "tests/server/test_client_secrets.py::test_the_older_transcription_endpoint")),
        Line("`/calls`, also for translation", "no: WebRTC", ()),
        Line("accept, reject, refer and the webhook", "no: SIP", ()),
        Line("hangup", HOLDS, ("tests/server/test_calls.py::test_hints_are_listed_and_a_call_is_hung_up",)),
        Line("speech, transcriptions, translations, models", "yes; speakers are not told apart", ("tests/server/rest/test_speech.py::test_events_carry_the_same_sound_and_count_it", "tests/server/rest/test_transcriptions.py::test_every_format_of_the_api_is_read", "tests/server/test_doors.py::test_health_readiness_and_models")),
        Line("errors in one shape", HOLDS, ("tests/server/rest/test_openapi.py::test_no_request_breaks_the_server", "tests/server/rest/test_speech.py::test_errors_name_the_field")),
    ),
    "Sessions": (
        Line("`session.created` first, in full", HOLDS, ("tests/server/test_transcription_sessions.py::test_it_opens_with_every_default_and_its_type", "tests/call/test_registry.py::test_the_opening_session")),
        Line('updates merge; `""`, `[]` and null clear; `type` is required', HOLDS, ("session.md#Only what is given changes", "tests/protocol/test_merge_session.py::test_explicit_clears", "session.md#A mistake changes nothing")),
        Line("another `model` is ignored, another `type` refused", HOLDS, ("session.md#What clients repeat or add is taken", "transcription.md#What a client may change")),
        Line("turn detection is echoed with every default", HOLDS, ("tests/protocol/test_merge_session.py::test_what_the_agents_sdk_sends_is_filled_in",)),
        Line("the voice is fixed after the first sound; the same one is taken", HOLDS, ("session.md#The voice is fixed once it was heard",)),
        Line("`speed`, `threshold`, `idle_timeout_ms`, effort and `max_output_tokens` within bounds", "yes; `max_output_tokens` up to 32,000", ("tests/protocol/test_merge_session.py::test_refused_with_the_place_and_nothing_applied",)),
        Line("`tracing` and `prompt`", "`tracing` is echoed and has no effect", ("session.md#Tracing stays as it was switched on", "tests/session/test_prompts.py::test_its_instructions_are_filled_in_and_shown")),
        Line("log probabilities on request", "where the recogniser gives any", ("transcription.md#Log probabilities", "tests/engines/stt/test_remote.py::test_the_socket_tells_log_probabilities")),
        Line("PCM at 24 kHz, µ-law, A-law, both ways", HOLDS, ("tests/server/test_turn_settings.py::test_every_format_both_ways", "tests/protocol/test_merge_session.py::test_formats")),
        Line("flat sessions to nested ones and back", HOLDS, ("tests/protocol/test_dialects.py::test_a_flat_update_becomes_the_nested_one", "tests/protocol/test_dialects.py::test_what_was_set_comes_back_in_the_same_words")),
    ),
    "The conversation": (
        Line("items first, last, behind another; an unknown predecessor", HOLDS, ("items.md#First, last, or behind another", "items.md#No such predecessor")),
        Line("ids of the client's own: taken ones, odd ones", "yes; up to 512 characters", ("items.md#An id that is taken", "items.md#An id that the server has given", "items.md#An id that means something else")),
        Line("audio and an assistant's words in items", HOLDS, ("items.md#Audio that a client brings", "items.md#Audio that cannot be read", "items.md#An assistant's sound")),
        Line("an output for a call that is not there", HOLDS, ("functions.md#An output for a call that does not exist",)),
        Line("truncation: an assistant's audio alone, words with it", "beyond what was sent it is clamped ([ADR 6](adr/0006-truncation-keeps-the-words-heard.md))", ("truncation.md#Amid an item that was interrupted", "truncation.md#Beyond what was sent", "truncation.md#What cannot be truncated")),
        Line("delete and retrieve, with their codes", HOLDS, ("items.md#Delete", "items.md#Retrieve", "items.md#Retrieve what was heard and said")),
        Line("references to items; unknown ones", HOLDS, ("out-of-band.md#Input of its own", "out-of-band.md#Input that is none")),
        Line("images", HOLDS, ("tests/protocol/test_images.py::test_an_image_comes_through",)),
    ),
    "Responses": (
        Line("the order of events; every delta has its done", HOLDS, ("turns.md#A typed turn, every event", "turns.md#A spoken turn, every event", "functions.md#A call, every event")),
        Line("types of parts as strict clients want them", HOLDS, ("tests/protocol/test_server_events.py::test_a_strict_client_accepts_it_and_reads_the_same",)),
        Line("every response ends with its output, status, usage and metadata", HOLDS, ("responses.md#Usage", "responses.md#What was cut off costs what was said of it", "out-of-band.md#Beside the conversation", "session.md#The session expires")),
        Line("one at a time in the conversation, others beside it", "a `response.create` after a tool's output waits ([ADR 4](adr/0004-one-response-create-is-kept.md))", ("responses.md#Busy", "out-of-band.md#At the same time as the spoken one")),
        Line("cancelling, and cancelling nothing", HOLDS, ("interruptions.md#Cancelled by the client", "interruptions.md#Nothing to cancel")),
        Line("barge-in: cancelled, incomplete, and not truncated by the server", HOLDS, ("interruptions.md#Barge-in amid a clause",)),
        Line("`output_audio_buffer.*`", "no: WebRTC and SIP; clearing is answered by an error", ("session.md#Nothing to clear on a socket",)),
        Line("input and settings of a response's own", HOLDS, ("out-of-band.md#Input of its own", "out-of-band.md#Input that is to be heard", "out-of-band.md#Overrides are for one response")),
        Line("bounds of `metadata`", HOLDS, ("tests/protocol/test_override_response.py::test_metadata_at_its_limits", "tests/protocol/test_override_response.py::test_refused_with_the_place")),
        Line("tools that are required, named, forbidden", HOLDS, ("functions.md#A named function", "functions.md#No call", "mcp.md#Which tools a model may choose")),
        Line("preambles are items with a `phase`", HOLDS, ("preambles.md#A preamble before a silent call", "functions.md#Words before a call")),
        Line("several calls in one response", HOLDS, ("functions.md#Calls in parallel",)),
        Line("`max_output_tokens` ends a response as incomplete", HOLDS, ("responses.md#The answer is longer than allowed", "responses.md#Sound counts towards the limit")),
        Line("what fails is a failed response, and the session goes on", HOLDS, ("failures.md#The language model fails", "failures.md#The synthesizer fails")),
    ),
    "Audio in": (
        Line("appends are not answered; bad ones are, with `param` and `event_id`", HOLDS, ("session.md#Frames that are no events", "tests/server/test_turn_settings.py::test_bytes_that_are_no_samples_are_refused_and_change_nothing")),
        Line("commits of less than 100 ms", HOLDS, ("turns.md#Too little to commit",)),
        Line("one `item_id` from speech to item; positions in written audio", HOLDS, ("turns.md#A spoken turn, every event", "turns.md#Short pauses do not end a turn")),
        Line("`create_response` and `interrupt_response`", HOLDS, ("turns.md#The answer is left to the client", "interruptions.md#Interruption is off")),
        Line("eagerness: 8, 4 and 2 s at most", HOLDS, ("tests/session/test_turns.py::test_the_longest_waits_are_the_protocols", "semantic-turns.md#But not for ever")),
        Line("the idle timeout", HOLDS, ("idle.md#The time runs out",)),
        Line("transcripts in their own time, with usage, or failed", HOLDS, ("turns.md#The transcript comes late", "turns.md#Transcripts for whoever asks for them", "transcription.md#What cannot be understood")),
        Line("transcription sessions: no responses; whose models want no turn detection", HOLDS, ("transcription.md#Nobody is answered", "transcription.md#gpt-realtime-whisper is committed by the client")),
        Line("translation sessions", ELSEWHERE, ("tests/engines/relay/test_translation.py::test_a_session_from_beginning_to_end",)),
    ),
    "The rest": (
        Line("errors: exact codes and texts, with the client's `event_id`", HOLDS, ("tests/protocol/test_errors.py::test_row", "session.md#Frames that are no events")),
        Line("usage: 100 ms and 50 ms a token, images, what is cached", HOLDS, ("tests/session/test_usage.py::test_user_audio_is_a_token_per_100_ms", "tests/session/test_usage.py::test_assistant_audio_is_a_token_per_50_ms", "tests/session/test_usage.py::test_the_common_prefix_is_cached")),
        Line("MCP: lists, calls, approvals, labels used again", HOLDS, ("mcp.md#A server is listed once", "mcp.md#Its label is enough later on", "mcp.md#A call, and what comes of it", "mcp.md#A call that needs a yes")),
        Line("keys pressed on a telephone", "no: SIP", ()),
        Line("`rate_limits.updated` once a response has ended, of requests and tokens", "yes; empty where there are no limits", ("tests/session/test_rate_limits.py::test_without_limits_one_empty_event_follows_each_response", "tests/session/test_rate_limits.py::test_with_limits_what_is_set_aside_is_told_and_put_right")),
        Line("nothing is sent that a strict client does not know", HOLDS, ("tests/protocol/test_server_events.py::test_the_events_are_those_of_the_sdk", "tests/protocol/test_dialects.py::test_every_event_of_beta_is_spoken_and_no_other")),
    ),
    "Where the documents leave it open": (
        Line("`silence_duration_ms` is 500 unless the operator says otherwise, and is echoed", HOLDS, ("session.md#Only what is given changes", "tests/call/test_registry.py::test_every_setting_of_a_session_reaches_it")),
        Line("`conversation.item.done` before `response.output_item.done`; a heard item is done at once", HOLDS, ("turns.md#A spoken turn, every event",)),
        Line("every item has its `object`", HOLDS, ("tests/protocol/test_server_events.py::test_every_item_says_what_it_is",)),
        Line("after truncation the words that were heard stay", HOLDS, ("truncation.md#Amid an item that was interrupted",)),
        Line("unknown fields are ignored, or refused if the operator wants it; the beta's always refused", HOLDS, ("session.md#Fields that nobody knows", "tests/protocol/test_merge_session.py::test_beta_keys_surface")),
        Line("after a yes the call is made in a new response", HOLDS, ("mcp.md#A call that needs a yes",)),
        Line("a client secret joins the calls of its own key alone", HOLDS, ("tests/server/test_auth.py::test_a_call_belongs_to_its_key",)),
        Line("the context is the model's, 128k tokens where nobody says", HOLDS, ("tests/call/test_registry.py::test_the_window_is_that_of_the_model_that_answers",)),
    ),
}  # fmt: skip


def sections() -> Iterator[str]:
    """The tables."""
    yield "## What the protocol asks for\n"
    yield "Line by line. What is not over WebSocket is for transports that are not there yet.\n"
    for title, lines in CHECKLIST.items():
        yield f"| {title} | | shown by |\n|---|---|---|"
        for line in lines:
            yield f"| {line.what} | {line.state} | {', '.join(map(_shown, line.places))} |"
        yield ""


def _shown(place: str) -> str:
    file, _, heading = place.partition("#")
    return f"[{heading}](behaviours/{file})" if heading else f"`{place.removeprefix('tests/')}`"
