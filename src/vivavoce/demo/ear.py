"""What the caller hears: the server's events become playback, turns, tool calls, and truncation when the caller cuts in."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Coroutine
from typing import Any

from vivavoce.demo.clock import CallClock
from vivavoce.demo.desk import Send, ToolDesk
from vivavoce.demo.record import Answering, ResponseRun, Truncation
from vivavoce.demo.speaker import Speaker, Track


class Ear:
    """Follows one session. `hear` takes every event in order."""

    def __init__(self, clock: CallClock, desk: ToolDesk, send: Send) -> None:
        self.speaker = Speaker()
        self.configured = asyncio.Event()
        self.answering = Answering()
        self.responses: dict[str, ResponseRun] = {}
        self.preambles: set[str] = set()
        """Items that were said before tools answered."""
        self.heard_turns: dict[str, int] = {}
        """The server's items of the caller's turns, and when each was noticed."""
        self.understood: dict[str, str] = {}
        self.truncations: list[Truncation] = []
        self.errors: list[str] = []
        self._clock = clock
        self._desk = desk
        self._send = send
        self._line_began_ms = 0
        self._turn_open = False
        self._errands: list[asyncio.Task[Any]] = []

    # --- what the caller wants to know --------------------------------------------------------------------------------------

    def line_began(self, at_ms: int) -> None:
        """The caller starts on a line: what is heard from now on may be its answer."""
        self._line_began_ms = at_ms

    @property
    def responding(self) -> bool:
        """A response is live, or its tools are running."""
        return self._desk.busy or any(run.done_ms is None for run in self.responses.values())

    @property
    def idle(self) -> bool:
        """Nobody says or prepares anything."""
        return self.speaker.drained and not self.responding and not self._turn_open

    def is_over(self, response_id: str | None) -> bool:
        """Whether no more will come of a response."""
        run = self.responses.get(response_id or "")
        return run is None or run.done_ms is not None

    def answers(self) -> list[Track]:
        """What was heard since the line began, preambles left out."""
        return [
            track
            for track in self.speaker.tracks.values()
            if track.item_id not in self.preambles
            and track.started
            and self.responses[track.response_id].created_ms >= self._line_began_ms
        ]

    # --- events -------------------------------------------------------------------------------------------------------------

    async def hear(self, event: Any) -> None:
        """Take in a server event; unknown ones are none of the caller's business."""
        at_ms = self._clock.now_ms()
        match event.type:
            case "session.created":
                self.answering = _answering(event.session.to_dict())
            case "session.updated":
                self.configured.set()
            case "input_audio_buffer.speech_started":
                self._turn_open = True
                self.heard_turns.setdefault(event.item_id, at_ms)
                await self._cut_in(at_ms)
            case "conversation.item.input_audio_transcription.completed":
                self.understood[event.item_id] = event.transcript
            case "conversation.item.truncated" | "conversation.item.retrieved":
                self._truncated(event)
            case "error":
                self.errors.append(f"{event.error.code or event.error.type}: {event.error.message}")
            case _:
                self._hear_response(event, at_ms)

    def _hear_response(self, event: Any, at_ms: int) -> None:
        match event.type:
            case "response.created":
                self._turn_open = False
                filler = (event.response.metadata or {}).get("vivavoce") == "filler"
                self.responses[event.response.id] = ResponseRun(event.response.id, at_ms, filler=filler)
            case "response.output_audio_transcript.delta":
                track = self.speaker.announce(event.item_id, event.response_id)
                self.speaker.take_words(track, event.delta)
                if self.responses[event.response_id].filler:
                    self.preambles.add(event.item_id)
            case "response.output_audio.delta":
                track = self.speaker.announce(event.item_id, event.response_id)
                self.speaker.take_sound(track, base64.b64decode(event.delta))
            case "response.function_call_arguments.done":
                self._desk.take(event.call_id, event.name, event.arguments, event.response_id)
            case "response.output_item.done":
                if event.item.type == "message" and getattr(event.item, "phase", None) == "commentary":
                    self.preambles.add(event.item.id)
            case "response.done":
                self._response_done(event.response, at_ms)

    def _response_done(self, response: Any, at_ms: int) -> None:
        run = self.responses[response.id]
        run.done_ms, run.status = at_ms, response.status
        details = response.status_details
        run.reason = details.reason if details is not None else None
        extension = response.to_dict().get("vivavoce") or {}
        run.stages = dict(extension.get("clock") or {})
        if response.status == "failed" and details is not None and details.error is not None:
            self.errors.append(
                f"response failed: {details.error.to_dict().get('message') or details.error.code}"
            )
        output = response.output or []
        if any(item.type == "function_call" for item in output):
            # Servers that do not mark phases: what was said beside a call was said before its result.
            self.preambles |= {item.id for item in output if item.type == "message"}
        self._errand(self._carry_on(response.id))

    async def _carry_on(self, response_id: str) -> None:
        """One `response.create` once every call of a response is answered, as the agents SDKs do it."""
        if await self._desk.all_answered(response_id):
            self._turn_open = True
            await self._send({"type": "response.create"})

    # --- cutting in -----------------------------------------------------------------------------------------------------------

    async def _cut_in(self, at_ms: int) -> None:
        """The caller speaks: what is still to be played is dropped, and the server is told what was heard."""
        for track in self.speaker.flush():
            self.truncations.append(Truncation(track.item_id, at_ms, track.heard_ms, track.sent_ms))
            await self._send(
                {
                    "type": "conversation.item.truncate",
                    "item_id": track.item_id,
                    "content_index": 0,
                    "audio_end_ms": track.heard_ms,
                }
            )
            await self._send({"type": "conversation.item.retrieve", "item_id": track.item_id})

    def _truncated(self, event: Any) -> None:
        item_id = event.item.id if event.type == "conversation.item.retrieved" else event.item_id
        cut = next((one for one in self.truncations if one.item_id == item_id), None)
        if cut is None:
            return
        if event.type == "conversation.item.truncated":
            cut.acknowledged_ms = event.audio_end_ms
        else:
            parts = event.item.content or []
            cut.kept = " ".join(part.transcript or "" for part in parts).strip()

    # --- errands --------------------------------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Stop what still waits for tools. What failed did so with the connection, of which the record tells."""
        for task in self._errands:
            task.cancel()
        await asyncio.gather(*self._errands, return_exceptions=True)

    def _errand(self, work: Coroutine[Any, Any, None]) -> None:
        self._errands.append(asyncio.create_task(work))


def _answering(session: dict[str, Any]) -> Answering:
    named = session.get("vivavoce") or {}
    known = {key: str(named.get(key) or "") for key in ("engine", "vad", "stt", "llm", "tts")}
    known["engine"] = known["engine"] or str(session.get("model", ""))
    return Answering(**known)
