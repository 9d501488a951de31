"""The client's half of a call: plays what comes, stops when the caller speaks, says what was heard, runs tools."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from typing import Any

from vivavoce.talk.captions import Captions
from vivavoce.talk.floor import Floor
from vivavoce.talk.loudspeaker import Loudspeaker
from vivavoce.talk.tally import Tally
from vivavoce.talk.tools import run_tool

Event = dict[str, Any]
Send = Callable[[Event], Awaitable[str]]

TOOL_ROUNDS = 10
"""Answers in a row that call tools; a model that has not come to an end by then will not."""


class Dialogue:
    """Give it every event of the server, in order. Without a loudspeaker the call is text.

    `now_ms` is the clock that latencies are read from; None where time passes as it likes and they would mean nothing.
    """

    def __init__(
        self, send: Send, captions: Captions, speaker: Loudspeaker | None, now_ms: Callable[[], int] | None
    ) -> None:
        self.floor = Floor()
        self.tally = Tally()
        self.session: Event = {}
        self._send = send
        self._captions = captions
        self._speaker = speaker
        self._now_ms = now_ms
        self._words: dict[str, str] = {}
        self._open: set[str] = set()
        self._asked_at_ms: int | None = None
        self._latency: dict[str, int] = {}
        self._mine: set[str] = set()
        """Events of ours whose refusal is expected."""
        self._rounds = 0

    # --- what the caller does -------------------------------------------------------------------------------------------

    async def say(self, text: str) -> None:
        """A typed turn."""
        self.tally.turns += 1
        content = [{"type": "input_text", "text": text}]
        item = {"type": "message", "role": "user", "content": content}
        await self._send({"type": "conversation.item.create", "item": item})
        self._turn_ended_now()
        await self.ask()

    async def ask(self) -> None:
        """Ask for an answer to what was said."""
        self.floor.expect(await self._send({"type": "response.create"}))

    async def interrupt(self) -> None:
        """Silence the agent: the server as well as the loudspeaker."""
        for response_id in self.floor.running:
            sent = await self._send({"type": "response.cancel", "response_id": response_id})
            # It may be over by the time this arrives, which is no error of anybody.
            self._mine.add(sent)
        await self._stop_playing()

    async def settle(self) -> None:
        """Wait until the server has judged all sound sent so far, and answered every turn that it found in it.

        There is no event for the first half, so the server is asked for an item that does not exist: it answers in order.
        """
        asked = await self._send({"type": "conversation.item.retrieve", "item_id": "item_none"})
        self._mine.add(asked)
        while asked in self._mine:
            await self.floor.until_moved()
        await self.floor.until_answered()

    async def press(self) -> None:
        """Push-to-talk begins."""
        await self.interrupt()
        await self._send({"type": "input_audio_buffer.clear"})

    async def release(self) -> None:
        """Push-to-talk ends: what was said is a turn."""
        self.tally.turns += 1
        self._mine.add(await self._send({"type": "input_audio_buffer.commit"}))
        self._turn_ended_now()
        await self.ask()

    # --- what the server says -------------------------------------------------------------------------------------------

    async def take(self, event: Event) -> None:
        """Apply one event."""
        if event["type"] == "error" and event["error"].get("event_id") in self._mine:
            self._mine.discard(event["error"]["event_id"])
            self.floor.refused(event["error"]["event_id"])
            return
        self._captions.event(event)
        match event["type"]:
            case "session.created" | "session.updated":
                self.session = event["session"]
            case "input_audio_buffer.speech_started":
                self.floor.caller_speaks()
                if self.detection().get("interrupt_response") is not False:
                    await self._stop_playing()
            case "input_audio_buffer.speech_stopped":
                self._turn_ended()
            case "conversation.item.input_audio_transcription.completed":
                self._captions.caller(event["transcript"].strip())
            case "conversation.item.input_audio_transcription.failed":
                self._captions.problem(f"transcription failed: {event['error'].get('message')}")
            case "conversation.item.truncated":
                await self._send({"type": "conversation.item.retrieve", "item_id": event["item_id"]})
            case "conversation.item.retrieved":
                self._show_cut(event["item"])
            case "error":
                self.floor.refused(event["error"].get("event_id"))
                self.tally.problems += 1
                self._captions.problem(f"{event['error'].get('message')}")
            case _:
                await self._take_response(event)

    async def _take_response(self, event: Event) -> None:
        match event["type"]:
            case "response.created":
                self.floor.begins(event["response"]["id"])
            case "response.output_audio_transcript.delta" | "response.output_text.delta":
                self._take_words(event)
            case "response.output_audio.delta":
                self._take_sound(event)
            case "response.output_audio.done" if self._speaker is not None:
                self._speaker.complete(event["item_id"])
            case "response.output_audio_transcript.done" | "response.output_text.done":
                self._finish(event["item_id"])
            case "response.done":
                await self._response_done(event["response"])

    def _turn_ended(self) -> None:
        detection = self.detection()
        self.tally.turns += 1
        # The server waits for silence before it is sure; to the caller that wait is part of the answer's delay.
        silence_ms = detection.get("silence_duration_ms") or 0
        self._turn_ended_now(silence_ms)
        self.floor.caller_stops(answer_follows=detection.get("create_response") is not False)

    def _turn_ended_now(self, before_ms: int = 0) -> None:
        self._rounds = 0
        if self._now_ms is not None:
            self._asked_at_ms = self._now_ms() - before_ms

    def detection(self) -> Event:
        """The session's turn detection as the server has it; empty where turns are manual."""
        found: Event | None = self.session.get("audio", {}).get("input", {}).get("turn_detection")
        return found or {}

    def _take_words(self, event: Event) -> None:
        if self.floor.is_dropped(event["response_id"]):
            return
        item_id = event["item_id"]
        self._words[item_id] = self._words.get(item_id, "") + event["delta"]
        if self._speaker is None:
            self._note_latency(item_id)
        self._open.add(item_id)
        self._captions.agent(item_id, event["delta"])

    def _finish(self, item_id: str) -> None:
        """The item has all its words. One that was cancelled is only known to be complete when its response is."""
        if item_id in self._open:
            self._open.discard(item_id)
            self._captions.agent_done(item_id, self._words[item_id], self._latency.pop(item_id, None))

    def _take_sound(self, event: Event) -> None:
        # The agent was interrupted; what was under way then must not be heard.
        if self._speaker is None or self.floor.is_dropped(event["response_id"]):
            return
        self._note_latency(event["item_id"])
        self._speaker.take(event["item_id"], event["content_index"], base64.b64decode(event["delta"]))

    def _note_latency(self, item_id: str) -> None:
        """Only the first item after a turn has one; a second one follows the first."""
        if self._asked_at_ms is None or self._now_ms is None:
            return
        self._latency[item_id] = self._now_ms() - self._asked_at_ms
        self.tally.latencies_ms.append(self._latency[item_id])
        self._asked_at_ms = None

    async def _response_done(self, response: Event) -> None:
        for item in response["output"]:
            self._finish(item.get("id", ""))
            if self._speaker is not None:
                self._speaker.complete(item.get("id", ""))
        if response["status"] == "failed":
            self.tally.failed += 1
            error = (response.get("status_details") or {}).get("error") or {}
            self._captions.problem(f"the answer failed: {error.get('message') or error.get('code')}")
        elif response["status"] == "completed":
            self.tally.answered += 1
            await self._run_tools([item for item in response["output"] if item["type"] == "function_call"])
        # Only now: between a tool's call and the answer to its output nobody may believe that all has been said.
        self.floor.ends(response["id"])

    async def _run_tools(self, calls: list[Event]) -> None:
        for call in calls:
            self.tally.tools += 1
            result = await asyncio.to_thread(run_tool, call["name"], call["arguments"])
            self._captions.tool(call["name"], call["arguments"], result)
            output = {"type": "function_call_output", "call_id": call["call_id"], "output": result}
            await self._send({"type": "conversation.item.create", "item": output})
        self._rounds = self._rounds + 1 if calls else 0
        if self._rounds > TOOL_ROUNDS:
            self.tally.failed += 1
            self._captions.problem(f"gave up after {TOOL_ROUNDS} answers in a row that called tools")
        elif calls:
            await self.ask()

    async def _stop_playing(self) -> None:
        self.floor.drop_running()
        if self._speaker is None:
            return
        for heard in self._speaker.stop():
            self.tally.cut += 1
            await self._send(
                {
                    "type": "conversation.item.truncate",
                    "item_id": heard.item_id,
                    "content_index": heard.content_index,
                    "audio_end_ms": heard.heard_ms,
                }
            )

    def _show_cut(self, item: Event) -> None:
        """The server's own reading of what was heard: the words that it will remember."""
        said = self._words.get(item["id"], "")
        kept = "".join(part.get("transcript") or "" for part in item.get("content", []))
        if said.startswith(kept.rstrip()) and len(kept.rstrip()) < len(said.rstrip()):
            self._captions.cut(item["id"], said[len(kept.rstrip()) :])
