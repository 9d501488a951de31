"""The engine's half of a response: text into clauses, clauses into speech, in the order they were said.

An answer may begin before its response exists (speculation at a soft pause). Then whatever it would tell the response is held
back, and told when the response adopts it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from vivavoce.protocol.items import Phase
from vivavoce.session.clauses import ClauseCutter
from vivavoce.session.clock import TurnClock
from vivavoce.session.effects import Request, Speak
from vivavoce.session.mcp import remote_tool
from vivavoce.session.mcp_calls import Decision, McpCalls, Round
from vivavoce.session.outbox import Outbox
from vivavoce.session.playback import Playback
from vivavoce.session.response import Response
from vivavoce.session.signals import (
    AudioOut,
    ClauseSpoken,
    PreambleOver,
    ResponseFinished,
    TextDelta,
    ToolCall,
)

Told = Callable[[Response, int], None]
"""Something to tell the response at a time in milliseconds."""

Progress = Literal["working", "waiting_for_lead", "over"]


@dataclass(frozen=True, slots=True)
class Clause:
    """Text to be spoken as one piece. `preamble` marks one that the session itself put in."""

    text: str
    preamble: bool = False


Entry = Clause | PreambleOver | ToolCall


@dataclass(slots=True)
class Mouth:
    """Which clause is being spoken, if one is."""

    clause: int = -1
    busy: bool = False

    def begin(self) -> int:
        """The next clause; returns its number."""
        self.clause, self.busy = self.clause + 1, True
        return self.clause

    def speaks(self, clause: int) -> bool:
        """Whether it is this clause that is being spoken."""
        return self.busy and clause == self.clause


class Answer:
    """One generation, from `Generate` or `Prepare` to the last sound of its last clause; with MCP tools, one round after the other."""

    def __init__(
        self,
        generation: str,
        request: Request,
        outbox: Outbox,
        playback: Playback,
        calls: McpCalls,
        *,
        engine_speaks: bool,
    ) -> None:
        self.generation = generation
        self.request = request
        self.response: Response | None = None
        self.clock = TurnClock()
        self.round = Round()
        self.text_sent = ""
        self.audio_ticks = 0
        self._outbox = outbox
        self._playback = playback
        self._direct = engine_speaks or not request.speaks
        self._cutter = ClauseCutter()
        self._queue: deque[Entry] = deque()
        self._held: list[Told] = []
        self._mouth = Mouth()
        self._calls = calls

    # --- what the engine says -------------------------------------------------------------------------------------------

    def text(self, signal: TextDelta, now_ms: int) -> None:
        """More text of the answer; none at all is no news."""
        if not signal.text:
            return
        self.clock.mark("llm_first_token", now_ms)
        if self._direct:
            self._tell(lambda response, at: self._say(response, signal.text), now_ms)
        else:
            self._queue.extend(Clause(text) for text in self._cutter.push(signal.text))

    def preamble_over(self, signal: PreambleOver) -> None:
        """What was said so far went ahead of the answer."""
        self._flush()
        self._queue.append(signal)

    def call(self, signal: ToolCall, now_ms: int, preamble: str | None) -> None:
        """A tool call; where nothing was said before it, a preamble keeps the caller from hearing silence."""
        self.clock.mark("llm_first_token", now_ms)
        self._flush()
        if preamble is not None:
            self._queue.append(Clause(preamble, preamble=True))
        self._queue.append(signal)

    def audio(self, signal: AudioOut, now_ms: int) -> None:
        """Sound of the clause being spoken; sound of any other clause is stale, in a written answer unasked for, and dropped."""
        if not self.request.speaks or not (self._direct or self._mouth.speaks(signal.clause)):
            return
        self.clock.mark("tts_first_byte", now_ms)
        self._tell(lambda response, at: self._play(response, signal, at), now_ms)

    def clause_spoken(self, signal: ClauseSpoken) -> None:
        """The synthesizer is through with a clause."""
        if self._mouth.speaks(signal.clause):
            self._mouth.busy = False

    def finish(self, signal: ResponseFinished) -> None:
        """The engine has nothing more to say."""
        self._flush()
        self.round.finished = signal

    def say_filler(self, phrase: str) -> None:
        """Say one phrase of the session's own, and nothing else: no engine is behind it but the synthesizer."""
        self._queue.append(Clause(phrase, preamble=True))
        self.round.finished = ResponseFinished(self.generation)

    # --- what the session does with it ----------------------------------------------------------------------------------

    @property
    def finished(self) -> ResponseFinished | None:
        """How the engine ended this round, once it has."""
        return self.round.finished

    @property
    def silent_so_far(self) -> bool:
        """Nothing was said and nothing is waiting to be said."""
        waiting = self._cutter.holds_words or self._queue or self._held
        return not (self.text_sent or waiting or self._mouth.busy)

    @property
    def waits_for_a_call(self) -> bool:
        """A tool call stands behind clauses that are still to be spoken."""
        return any(isinstance(entry, ToolCall) for entry in self._queue)

    def adopt(self, response: Response, now_ms: int) -> None:
        """From now on this is what the response says."""
        self.response = response
        held, self._held = self._held, []
        for told in held:
            told(response, now_ms)

    def advance(self, now_ms: int, lead_limit_ms: int) -> Progress:
        """Do whatever can be done now: speak the next clause, make the next call.

        `lead_limit_ms` bounds how far ahead of the caller's ears speech is sent (0 = no bound). A tool call never waits for it.
        """
        while self._queue and not self._mouth.busy:
            if self.round.running and not self._calls_a_server(self._queue[0]):
                return "working"  # What the model said behind a call comes after it.
            if self.response is None and self._held:
                # Not adopted: one clause is prepared. Calls, like everything that is told a response, are held back until there is one.
                return "working"
            ahead = lead_limit_ms and self._playback.lead_ms(now_ms) >= lead_limit_ms
            if ahead and not self.waits_for_a_call:
                return "waiting_for_lead"
            self._next(self._queue.popleft(), now_ms)
        quiet = not (self._mouth.busy or self.round.running)
        over = quiet and self.finished is not None and self.response is not None
        return "over" if over else "working"

    # --- tools of MCP servers ---------------------------------------------------------------------------------------------

    def carry_out(self, decisions: list[Decision]) -> None:
        """The client has said yes or no to calls: make those that it allowed. No engine was asked yet."""
        assert self.response is not None
        self.round.called = True  # A no is news to the model as well.
        self.round.finished = self.finished or ResponseFinished(self.generation)
        for decision in decisions:
            if decision.answer.approve:
                asked = decision.approval.item
                call = self._calls.begin(self.response, decision.approval.tool, asked.arguments, asked.id)
                self.round.running.add(call)

    @property
    def carries_out(self) -> bool:
        """It waits for calls and for nothing else, so that further calls may join them."""
        return bool(self.round.running) and self.finished is not None and not self._queue

    def go_on(self, generation: str, request: Request) -> None:
        """The next round: the model goes on with what its calls returned."""
        self.generation, self.request = generation, request
        self.round = Round(self.round.number + 1, counted=self.round.tokens)

    def _calls_a_server(self, entry: Entry) -> bool:
        return isinstance(entry, ToolCall) and remote_tool(self.request.tools, entry.name) is not None

    # --- inside ---------------------------------------------------------------------------------------------------------

    def _flush(self) -> None:
        self._queue.extend(Clause(text) for text in self._cutter.flush())

    def _next(self, entry: Entry, now_ms: int) -> None:
        if isinstance(entry, ToolCall):
            self._tell(lambda response, at: self._call(response, entry), now_ms)
            return
        if isinstance(entry, PreambleOver):
            self._tell(lambda response, at: self._end_preamble(response), now_ms)
            return
        self.clock.mark("first_clause", now_ms)
        clause = self._mouth.begin()
        self._tell(lambda response, at: self._say(response, entry.text, entry.preamble), now_ms)
        request = self.request
        self._outbox.put(
            Speak(self.generation, clause, entry.text, request.voice, request.speed, request.rate_hz)
        )

    def _tell(self, told: Told, now_ms: int) -> None:
        if self.response is None:
            self._held.append(told)
        else:
            told(self.response, now_ms)

    def _say(self, response: Response, text: str, preamble: bool = False) -> None:
        self.text_sent += text
        phase: Phase = "commentary"
        item_id = response.message_id
        if item_id is None:
            item_id = response.begin_message(phase) if preamble else response.begin_message()
        # The transcript delta of a clause always precedes its first audio.
        response.say(text)
        self._playback.say(item_id, text)

    def _play(self, response: Response, signal: AudioOut, now_ms: int) -> None:
        item_id = response.message_id or response.begin_message()
        self.clock.mark("first_audio", now_ms)
        self.audio_ticks += signal.clip.ticks
        response.play(signal.clip)
        self._playback.play(item_id, signal.clip, signal.marks, now_ms)

    def _end_preamble(self, response: Response) -> None:
        """Words before a call were a preamble, whoever found them (protocol reference 4.5); so are those that a model calls one."""
        if response.message_id is not None:
            self._playback.finish(response.message_id)
            response.end_message("completed", "commentary")

    def _call(self, response: Response, call: ToolCall) -> None:
        self._end_preamble(response)
        tool = remote_tool(self.request.tools, call.name)
        if tool is not None and not tool.needs_approval:
            self.round.called = True
            self.round.running.add(self._calls.begin(response, tool, call.arguments))
            return
        self.round.waits_for_client = True
        if tool is not None:
            self._calls.ask(response, tool, call.arguments, self.request.context)
        else:
            response.call(call.name, call.arguments)
