"""Who has the floor: live answers, one response at a time in the default conversation, and speculation.

Out-of-band responses run beside the spoken one, and a speculative answer beside both, so several generations may be open at
once; each is known by its id, and whatever a closed one still says is dropped (house law 4).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from vivavoce.protocol import errors
from vivavoce.protocol import server_events as se
from vivavoce.protocol.items import InputAudio, MessageItem
from vivavoce.protocol.responses import ResponseError, ResponseObject, Usage
from vivavoce.protocol.session_objects import (
    Preambles,
    ResponseAudio,
    ResponseAudioOutput,
    ServerVad,
    SessionObject,
)
from vivavoce.protocol.sessions import ResponseConfig, override_response
from vivavoce.session.answer import Answer
from vivavoce.session.clock import TurnClock
from vivavoce.session.conversation import Conversation
from vivavoce.session.deadlines import Deadlines
from vivavoce.session.effects import Cancel, FlushPlayback, Generate, Prepare, Request
from vivavoce.session.options import SessionOptions
from vivavoce.session.outbox import Outbox
from vivavoce.session.playback import Playback
from vivavoce.session.preambles import PreambleWords, repeat_after_ms, wanted_preambles
from vivavoce.session.rate_limits import RESERVED_OUTPUT_TOKENS, exceeded
from vivavoce.session.requests import Requests, voice_name
from vivavoce.session.response import Ending, Response
from vivavoce.session.signals import (
    AudioOut,
    ClauseSpoken,
    EngineFailed,
    Prepared,
    ResponseFinished,
    Signal,
    TextDelta,
    ToolCall,
)
from vivavoce.session.tool_calls import ToolAnswered, ToolFailed
from vivavoce.session.truncation import ContextTooLong
from vivavoce.session.usage import Ledger

FILLER = {"vivavoce": "filler"}
"""The metadata of a response that the session made itself while tools run."""

CancelReason = Literal["turn_detected", "client_cancelled"]


@dataclass(slots=True)
class Speculation:
    """An answer prepared for a turn that may not be over yet.

    `heard` is what it goes by; it is adopted only if the final transcript says the same. `turn_over` means that the turn has
    ended, the response exists, and only the transcript is still to come.
    """

    item_id: str
    answer: Answer
    heard: str | None = None
    turn_over: Response | None = None


class Floor:
    """Creates, adopts, advances, cancels and ends responses."""

    def __init__(
        self,
        outbox: Outbox,
        conversation: Conversation,
        playback: Playback,
        deadlines: Deadlines,
        ledger: Ledger,
        requests: Requests,
        options: SessionOptions,
        *,
        engine_speaks: bool,
    ) -> None:
        self.active: Answer | None = None
        """The answer that has the floor: its response is live in the default conversation."""
        self.speculation: Speculation | None = None
        self.kept: ResponseConfig | None = None
        """One `response.create` that waits for the active response to end (docs/adr/0004)."""
        self.unseen_output = False
        """A tool output came after the active response was given its context."""
        self.discarded = 0
        """Speculations that came to nothing since the last turn."""
        self.requests = requests
        self._outbox = outbox
        self._conversation = conversation
        self._playback = playback
        self._deadlines = deadlines
        self._ledger = ledger
        self._options = options
        self._engine_speaks = engine_speaks
        self._answers: dict[str, Answer] = {}
        self._words = PreambleWords()

    @property
    def active_response_id(self) -> str:
        """The id of the response that has the floor; empty when nobody has it."""
        response = self.active and (self.active.response or self._waiting_response(self.active))
        return response.id if response else ""

    # --- beginning ------------------------------------------------------------------------------------------------------

    def create(
        self, session: SessionObject, config: ResponseConfig, now_ms: int, clock: TurnClock | None = None
    ) -> None:
        """Begin a response with an answer of its own. Raises ClientError before anything has changed.

        What does not fit into the model's context fails at once (protocol reference 3.6).
        """
        answer = self._begin(session, config, now_ms, clock)
        if answer is not None and answer.response is not None:
            self._outbox.put(Generate(answer.generation, answer.response.id, answer.request))

    def follow_decisions(self, session: SessionObject, now_ms: int) -> bool:
        """Calls were allowed or denied: go on with them, in the response that is carrying out others, or in one of their own.

        Returns whether any were; as long as something else is being said they wait (docs/adr/0031).
        """
        joined = self.active if self.active is not None and self.active.carries_out else None
        decisions = self.requests.calls.decided(floor_is_free=self.active is None or joined is not None)
        if not decisions:
            return False
        config = decisions[0].config
        answer = joined if joined is not None and config.conversation == "auto" else None
        answer = answer or self._begin(session, config, now_ms, None)
        if answer is not None:
            answer.carry_out(decisions)
            self.advance(session, answer, now_ms)
        return True

    def _begin(
        self, session: SessionObject, config: ResponseConfig, now_ms: int, clock: TurnClock | None
    ) -> Answer | None:
        """A response and the answer it is to have, or none when it has failed at once."""
        try:
            request = self.requests.make(session, config)
        except ContextTooLong as too_long:
            self._open(config).end("fail", Usage(), error=_too_long(too_long))
            return None
        response = self._open(config)
        if not self._reserve(response, request, now_ms):
            response.end("fail", Usage(), error=exceeded())
            return None
        answer = self._answer(self._outbox.new_id("gen"), request)
        if clock is not None:
            answer.clock = clock
        answer.clock.mark("created", now_ms)
        self._attach(answer, response, now_ms)
        return answer

    def create_for_turn(self, session: SessionObject, item_id: str, now_ms: int, clock: TurnClock) -> None:
        """The caller's turn is over: answer it, with what was prepared if that still holds."""
        ready = self.speculation
        if ready is None or ready.item_id != item_id or self._outdated(session, ready):
            self.withdraw()
            clock.discarded, self.discarded = self.discarded, 0
            self.create(session, override_response(session, None), now_ms, clock)
            return
        clock.discarded, self.discarded = self.discarded, 0
        clock.at_ms.update(ready.answer.clock.at_ms)
        ready.answer.clock = clock
        clock.mark("created", now_ms)
        response = self._open(override_response(session, None))
        if not self._reserve(response, ready.answer.request, now_ms):
            self.withdraw()
            response.end("fail", Usage(), error=exceeded())
            return
        ready.turn_over = response
        # It has the floor from now on, although its words wait for the transcript that confirms them.
        self.active, self.unseen_output = ready.answer, False
        self._deadlines.clear("filler")

    def prepare(self, session: SessionObject, item_id: str, now_ms: int) -> None:
        """A soft pause: start on an answer to what was said so far."""
        self.withdraw()
        try:
            request = self.requests.make(session, override_response(session, None), unfinished=True)
        except ContextTooLong:
            return  # The response will say so, if there is to be one.
        asked = MessageItem(id=item_id, role="user", content=[InputAudio()])
        request = replace(request, context=(*request.context, asked))
        answer = self._answer(self._outbox.new_id("gen"), request)
        self.speculation = Speculation(item_id, answer)
        self._outbox.put(Prepare(answer.generation, item_id, request))

    def _outdated(self, session: SessionObject, ready: Speculation) -> bool:
        """Whether the session, or the conversation before the turn, has changed since the answer was prepared."""
        try:
            now = self.requests.make(session, override_response(session, None))
        except ContextTooLong:
            return True
        then = ready.answer.request
        return replace(now, context=now.context[:-1]) != replace(then, context=then.context[:-1])

    def withdraw(self) -> None:
        """The caller goes on speaking, or the turn came to nothing: what was prepared is thrown away.

        Not so once the turn is over: then a response has been created, and it ends in its own way.
        """
        if self.speculation is not None and self.speculation.turn_over is None:
            self._close(self.speculation.answer)
            self.speculation = None
            self.discarded += 1

    def understood(self, session: SessionObject, item_id: str, text: str | None, now_ms: int) -> None:
        """The final transcript of a turn (None: there is none): adopt what was prepared if it went by the same words."""
        ready = self.speculation
        if ready is None or ready.item_id != item_id or ready.turn_over is None:
            return
        self.speculation = None
        if ready.heard == text:
            ready.answer.clock.adopted = True
            unseen = self.unseen_output
            self._attach(ready.answer, ready.turn_over, now_ms)
            # It goes by what was known at the pause; a tool output since then is news to it.
            self.unseen_output = unseen
            self.advance(session, ready.answer, now_ms)
            return
        ready.answer.clock.discard()
        self._close(ready.answer)
        request = self.requests.make(session, override_response(session, None))
        answer = self._answer(self._outbox.new_id("gen"), request)
        answer.clock = ready.answer.clock
        self._attach(answer, ready.turn_over, now_ms)
        self._outbox.put(Generate(answer.generation, ready.turn_over.id, answer.request))

    # --- what engines say -----------------------------------------------------------------------------------------------

    def signal(self, session: SessionObject, signal: Signal, now_ms: int) -> None:
        """Something an engine said about a generation; stale generations are nobody's."""
        generation = getattr(signal, "generation", None)
        answer = self._answers.get(generation) if generation is not None else None
        if answer is None:
            return
        match signal:
            case Prepared():
                if self.speculation is not None and self.speculation.answer is answer:
                    self.speculation.heard = signal.heard
            case TextDelta():
                answer.text(signal, now_ms)
            case ToolCall():
                answer.call(signal, now_ms, self._preamble_for(session, answer))
            case AudioOut():
                answer.audio(signal, now_ms)
            case ClauseSpoken():
                answer.clause_spoken(signal)
            case ResponseFinished():
                answer.finish(signal)
            case EngineFailed():  # pragma: no branch
                self._failed(session, answer, signal, now_ms)
                return
        self.advance(session, answer, now_ms)

    def advance(self, session: SessionObject, answer: Answer, now_ms: int) -> None:
        """Let an answer do what it can, and end it when it is through."""
        limit = answer.request.max_output_tokens
        if limit is not None and answer.response is not None and self._spent(answer) > limit:
            self.end(session, answer, "limit", now_ms, reason="max_output_tokens")
            return
        progress = answer.advance(now_ms, self._options.output_lead_ms)
        if progress == "waiting_for_lead":
            wait_ms = self._playback.lead_ms(now_ms) - self._options.output_lead_ms + 1
            self._deadlines.set("lead", now_ms + max(1, wait_ms))
        elif progress == "over" and answer.finished is not None:
            if answer.finished.reason == "stop" and answer.round.goes_on:
                self._go_on(session, answer, now_ms)
            elif answer.finished.reason == "stop":
                self.end(session, answer, "finish", now_ms)
            else:
                self.end(session, answer, "limit", now_ms, reason=answer.finished.reason)

    def advance_all(self, session: SessionObject, now_ms: int) -> None:
        """The lead has shrunk: everyone who waited may go on."""
        for answer in list(self._answers.values()):
            self.advance(session, answer, now_ms)

    def returned(self, session: SessionObject, signal: ToolAnswered | ToolFailed, now_ms: int) -> None:
        """A tool of a server has returned."""
        self.requests.calls.returned(signal)
        for answer in list(self._answers.values()):
            if signal.call in answer.round.running:
                answer.round.running.remove(signal.call)
                self.advance(session, answer, now_ms)

    def _go_on(self, session: SessionObject, answer: Answer, now_ms: int) -> None:
        """The calls of an answer have returned: the model goes on with what they brought, in the same response (reference 4.15)."""
        assert answer.response is not None
        try:
            request = self.requests.go_on(session, answer.request, answer.response, answer.round.number)
        except ContextTooLong as too_long:
            self.end(session, answer, "fail", now_ms, error=_too_long(too_long))
            return
        del self._answers[answer.generation]
        answer.go_on(self._outbox.new_id("gen"), request)
        self._answers[answer.generation] = answer
        self._outbox.put(Generate(answer.generation, answer.response.id, request))

    # --- ending ---------------------------------------------------------------------------------------------------------

    def interrupt(self, session: SessionObject, reason: CancelReason, now_ms: int) -> None:
        """Stop the response that has the floor, if any: its words, its sound, and whatever is still to be heard of it."""
        if self.active is not None:
            # The caller is saying something else; what comes of it will be answered with all that is known by then.
            self.kept = None
            self.end(session, self.active, "cancel", now_ms, reason=reason)
        # Whether or not it was still being made: whatever is still being played is not going to be heard.
        self._playback.flush()

    def cancel(self, session: SessionObject, response_id: str | None, now_ms: int) -> None:
        """`response.cancel` (protocol reference 4.9): the active response, or any live one by its id."""
        answer = self.active if response_id is None else self._by_response(response_id)
        if answer is None:
            raise errors.no_active_response()
        if answer is self.active:
            self.kept = None  # As upstream, nothing goes on behind the back of a client that wants quiet (docs/adr/0004).
        self.end(session, answer, "cancel", now_ms, reason="client_cancelled")

    def end_all(self, session: SessionObject, now_ms: int) -> None:
        """The session is over: every response that was begun ends (protocol checklist 38), and nothing new begins."""
        self.kept = None
        self.withdraw()
        for answer in list(self._answers.values()):
            if answer.response is not None or self._waiting_response(answer) is not None:
                self.end(session, answer, "cancel", now_ms)

    def end(
        self,
        session: SessionObject,
        answer: Answer,
        ending: Ending,
        now_ms: int,
        *,
        reason: str | None = None,
        error: ResponseError | None = None,
    ) -> None:
        """Close an answer and its response, then let a kept `response.create` run."""
        response = answer.response or self._waiting_response(answer)
        assert response is not None
        self._close(answer, tell_engine=ending != "finish")
        if self.speculation is not None and self.speculation.answer is answer:
            self.speculation = None
        if response.message_id is not None:
            self._playback.finish(response.message_id)
            if ending == "cancel":
                heard_ms = self._playback.heard(response.message_id) // 48
                self._playback.flush()
                self._outbox.put(FlushPlayback(response.message_id, heard_ms))
        self.requests.calls.abandon(response)
        answer.clock.mark("done", now_ms)
        usage = self._ledger.usage(answer.request, answer.text_sent, answer.audio_ticks, answer.round.tokens)
        response.rate_limits = self._options.rates.settle(response.reserved, usage.total_tokens, now_ms)
        response.end(ending, usage, reason=reason, error=error, clock=answer.clock)
        if self.active is answer:
            self.active = None
            self._arm_filler(session, ending, now_ms)
            self._arm_idle(session, now_ms)
            # Whoever cuts in has something to say; what was decided meanwhile follows when that is answered.
            if ending == "cancel" or not self.follow_decisions(session, now_ms):
                self._run_kept(session, now_ms)

    # --- preambles ------------------------------------------------------------------------------------------------------

    def filler_due(self, session: SessionObject, now_ms: int) -> None:
        """Tools are still running and the caller has been hearing silence: say so, in other words than before."""
        wanted = wanted_preambles(session.vivavoce)
        if wanted is None or self.active is not None or not self._conversation.unanswered():
            return
        config = override_response(
            session, {"metadata": FILLER, "tools": [], "instructions": "", "input": []}
        )
        request = self.requests.make(session, config)  # No model is asked, so none is shown anything.
        response = self._open(config)
        answer = self._answer(self._outbox.new_id("gen"), request)
        self._attach(answer, response, now_ms)
        answer.say_filler(self._words.next(wanted))
        self.advance(session, answer, now_ms)

    def drop_filler(self, session: SessionObject, now_ms: int) -> None:
        """A client's `response.create` ends a filler and is accepted (architecture, Preambles)."""
        response = self.active.response if self.active is not None else None
        if self.active is not None and response is not None and response.object.metadata == FILLER:
            self.kept = None
            self.end(session, self.active, "cancel", now_ms, reason="client_cancelled")
            self._deadlines.clear("filler")

    def _preamble_for(self, session: SessionObject, answer: Answer) -> str | None:
        wanted = wanted_preambles(session.vivavoce)
        out_of_band = answer.response is not None and not answer.response.in_conversation
        if wanted is None or out_of_band or self._engine_speaks or not answer.request.speaks:
            return None
        return self._words.next(wanted) if answer.silent_so_far else None

    def _arm_idle(self, session: SessionObject, now_ms: int) -> None:
        """The wait for a caller who says nothing begins when the answer was heard (protocol reference 4.12)."""
        detection = session.audio.input.turn_detection
        if isinstance(detection, ServerVad) and detection.idle_timeout_ms is not None:
            heard_in_ms = self._playback.lead_ms(now_ms)
            self._deadlines.set("idle", now_ms + heard_in_ms + detection.idle_timeout_ms)

    def _arm_filler(self, session: SessionObject, ending: Ending, now_ms: int) -> None:
        wanted: Preambles | str | None = wanted_preambles(session.vivavoce)
        if wanted is None or ending == "cancel" or self._engine_speaks or not self._conversation.unanswered():
            return
        if "audio" not in session.output_modalities:
            return
        self._deadlines.set("filler", now_ms + self._playback.lead_ms(now_ms) + repeat_after_ms(wanted))

    # --- inside ---------------------------------------------------------------------------------------------------------

    def _open(self, config: ResponseConfig) -> Response:
        in_conversation = config.conversation == "auto"
        # A custom voice is an object in sessions, but its mere name in responses (protocol reference 2.2, 2.4).
        output = ResponseAudioOutput(format=config.output_format, voice=voice_name(config))
        made = ResponseObject(
            id=self._outbox.new_id("resp"),
            status="in_progress",
            output=[],
            conversation_id=self._conversation.id if in_conversation else None,
            output_modalities=config.output_modalities,
            max_output_tokens=config.max_output_tokens,
            audio=ResponseAudio(output=output),
            metadata=config.metadata,
        )
        return Response(self._outbox, self._conversation if in_conversation else None, made, config)

    def _reserve(self, response: Response, request: Request, now_ms: int) -> bool:
        """Set aside what the response may need, and tell what is left; False: there is nothing left."""
        wanted = self._ledger.input_tokens(request) + (request.max_output_tokens or RESERVED_OUTPUT_TOKENS)
        limits = self._options.rates.reserve(wanted, now_ms)
        if limits is None:
            response.rate_limits = self._options.rates.settle(0, 0, now_ms)
            return False
        response.reserved = wanted
        if limits:
            self._outbox.send(se.RateLimitsUpdated, rate_limits=limits)
        return True

    def _answer(self, generation: str, request: Request) -> Answer:
        calls, speaks = self.requests.calls, self._engine_speaks
        answer = Answer(generation, request, self._outbox, self._playback, calls, engine_speaks=speaks)
        self._answers[generation] = answer
        return answer

    def _attach(self, answer: Answer, response: Response, now_ms: int) -> None:
        if response.in_conversation:
            self.active, self.unseen_output = answer, False
            self._deadlines.clear("filler")
            self._deadlines.clear("idle")
        answer.adopt(response, now_ms)

    def _close(self, answer: Answer, *, tell_engine: bool = True) -> None:
        self._answers.pop(answer.generation, None)
        if tell_engine:
            self._outbox.put(Cancel(answer.generation))

    def _failed(self, session: SessionObject, answer: Answer, failure: EngineFailed, now_ms: int) -> None:
        ready = self.speculation
        if ready is not None and ready.answer is answer and ready.turn_over is None:
            self.withdraw()  # Nobody was promised anything yet; the turn is answered afresh.
            return
        error = ResponseError(type="server_error", code=failure.code, message=failure.message)
        self.end(session, answer, "fail", now_ms, error=error)

    def _run_kept(self, session: SessionObject, now_ms: int) -> None:
        kept, self.kept = self.kept, None
        if kept is not None:
            self.create(session, kept, now_ms)

    def _by_response(self, response_id: str) -> Answer | None:
        for answer in self._answers.values():
            response = answer.response or self._waiting_response(answer)
            if response is not None and response.id == response_id:
                return answer
        return None

    def _waiting_response(self, answer: Answer) -> Response | None:
        ready = self.speculation
        return ready.turn_over if ready is not None and ready.answer is answer else None

    def _spent(self, answer: Answer) -> int:
        return self._ledger.output_tokens(answer.text_sent, answer.audio_ticks)


def _too_long(problem: ContextTooLong) -> ResponseError:
    return ResponseError(type="invalid_request_error", code="context_length_exceeded", message=str(problem))
