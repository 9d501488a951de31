"""Who has the floor: live answers, one response at a time in the default conversation, and speculation.

Out-of-band responses run beside the spoken one, and a speculative answer beside both, so several generations may be open at
once; each is known by its id, and whatever a closed one still says is dropped (house law 4).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from vivavoce.protocol import errors
from vivavoce.protocol.items import InputAudio, MessageItem
from vivavoce.protocol.responses import ResponseError, Usage
from vivavoce.protocol.session_objects import SessionObject
from vivavoce.protocol.sessions import ResponseConfig, override_response
from vivavoce.session.answer import Answer
from vivavoce.session.clock import TurnClock
from vivavoce.session.conversation import Conversation
from vivavoce.session.deadlines import Deadlines
from vivavoce.session.effects import Cancel, Generate, Prepare, Request
from vivavoce.session.openings import Openings
from vivavoce.session.options import SessionOptions
from vivavoce.session.outbox import Outbox
from vivavoce.session.playback import Playback
from vivavoce.session.rate_limits import exceeded
from vivavoce.session.requests import Requests
from vivavoce.session.response import Ending, Response
from vivavoce.session.signals import (
    AudioOut,
    ClauseSpoken,
    EngineFailed,
    PreambleOver,
    Prepared,
    ResponseFinished,
    Signal,
    TextDelta,
    ToolCall,
)
from vivavoce.session.speculation import Speculation
from vivavoce.session.tool_calls import ToolAnswered, ToolFailed
from vivavoce.session.truncation import ContextTooLong
from vivavoce.session.usage import Ledger
from vivavoce.session.waits import Waits

FILLER = {"vivavoce": "filler"}
"""The metadata of a response that the session made itself while tools run."""

CancelReason = Literal["turn_detected", "client_cancelled"]


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
        self.kept: ResponseConfig | None = None
        """One `response.create` that waits for the active response to end (docs/adr/0004)."""
        self.unseen_output = False
        """A tool output came after the active response was given its context."""
        self.requests = requests
        self._outbox = outbox
        self._playback = playback
        self._deadlines = deadlines
        self._ledger = ledger
        self._openings = Openings(outbox, conversation, ledger, options.rates)
        self._output_lead_ms = options.output_lead_ms
        self._engine_speaks = engine_speaks
        self._answers: dict[str, Answer] = {}
        self._waits = Waits(conversation, playback, deadlines, engine_speaks=engine_speaks)
        self._speculation = Speculation()

    @property
    def active_response_id(self) -> str:
        """The id of the response that has the floor; empty when nobody has it."""
        response = self.active and self._response_of(self.active)
        return response.id if response else ""

    # --- beginning ------------------------------------------------------------------------------------------------------

    def create(
        self, session: SessionObject, config: ResponseConfig, now_ms: int, clock: TurnClock | None = None
    ) -> None:
        """Begin a response with an answer of its own.

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
            self._openings.open(config).end("fail", Usage(), error=_too_long(too_long))
            return None
        response = self._openings.open(config)
        if not self._openings.reserve(response, request, now_ms):
            response.end("fail", Usage(), error=exceeded())
            return None
        answer = self._answer(request)
        if clock is not None:
            answer.clock = clock
        answer.clock.mark("created", now_ms)
        self._attach(answer, response, now_ms)
        return answer

    def create_for_turn(self, session: SessionObject, item_id: str, now_ms: int, clock: TurnClock) -> None:
        """The caller's turn is over: answer it, with what was prepared if that still holds."""
        draft = self._speculation.draft
        if draft is None or draft.item_id != item_id or self._outdated(session, draft.answer):
            self.withdraw()
            clock.discarded = self._speculation.count()
            self.create(session, override_response(session, None), now_ms, clock)
            return
        clock.discarded = self._speculation.count()
        clock.at_ms.update(draft.answer.clock.at_ms)
        draft.answer.clock = clock
        clock.mark("created", now_ms)
        response = self._openings.open(override_response(session, None))
        if not self._openings.reserve(response, draft.answer.request, now_ms):
            self.withdraw()
            response.end("fail", Usage(), error=exceeded())
            return
        draft.promised = response
        # It has the floor from now on, although its words wait for the transcript that confirms them.
        self._give_floor(draft.answer)

    # --- speculation ----------------------------------------------------------------------------------------------------

    def prepare(self, session: SessionObject, item_id: str, now_ms: int) -> None:
        """A soft pause: start on an answer to what was said so far."""
        self.withdraw()
        try:
            request = self.requests.make(session, override_response(session, None), unfinished=True)
        except ContextTooLong:
            return  # The response will say so, if there is to be one.
        asked = MessageItem(id=item_id, role="user", content=[InputAudio()])
        request = replace(request, context=(*request.context, asked))
        answer = self._answer(request)
        self._speculation.begin(item_id, answer)
        self._outbox.put(Prepare(answer.generation, item_id, request))

    def withdraw(self) -> None:
        """The caller goes on speaking, or the turn came to nothing: what was prepared is thrown away.

        Not so once the turn is over: then a response has been created, and it ends in its own way.
        """
        unwanted = self._speculation.take_back()
        if unwanted is not None:
            self._close(unwanted)

    def understood(self, session: SessionObject, item_id: str, text: str | None, now_ms: int) -> None:
        """The final transcript of a turn (None: there is none): adopt what was prepared if it went by the same words."""
        promise = self._speculation.promise(item_id)
        if promise is None:
            return
        draft, response = promise
        if draft.heard == text:
            self._speculation.over(draft.answer)
            draft.answer.clock.adopted = True
            # It goes by what was known at the pause; a tool output since then is news to it.
            unseen = self.unseen_output
            self._attach(draft.answer, response, now_ms)
            self.unseen_output = unseen
            self.advance(session, draft.answer, now_ms)
            return
        draft.answer.clock.discard()
        try:
            request = self.requests.make(session, override_response(session, None))
        except ContextTooLong as too_long:
            self.end(session, draft.answer, "fail", now_ms, error=_too_long(too_long))
            return
        self._speculation.over(draft.answer)
        self._close(draft.answer)
        answer = self._answer(request)
        answer.clock = draft.answer.clock
        self._attach(answer, response, now_ms)
        self._outbox.put(Generate(answer.generation, response.id, answer.request))

    def _outdated(self, session: SessionObject, answer: Answer) -> bool:
        """Whether the session, or the conversation before the turn, has changed since the answer was prepared."""
        try:
            now = self.requests.make(session, override_response(session, None))
        except ContextTooLong:
            return True
        then = answer.request
        return replace(now, context=now.context[:-1]) != replace(then, context=then.context[:-1])

    # --- what engines say -----------------------------------------------------------------------------------------------

    def signal(self, session: SessionObject, signal: Signal, now_ms: int) -> None:
        """Something an engine said about a generation; stale generations are nobody's."""
        generation = getattr(signal, "generation", None)
        answer = self._answers.get(generation) if generation is not None else None
        if answer is None:
            return
        match signal:
            case Prepared():
                self._speculation.heard(answer, signal.heard)
            case TextDelta():
                answer.text(signal, now_ms)
            case PreambleOver():
                answer.preamble_over(signal)
            case ToolCall():
                answer.call(signal, now_ms, self._waits.preamble(session, answer))
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
        progress = answer.advance(now_ms, self._output_lead_ms)
        if progress == "waiting_for_lead":
            wait_ms = self._playback.lead_ms(now_ms) - self._output_lead_ms + 1
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

    def caller_speaks(self) -> None:
        """What they say is answered, and then the waits begin anew."""
        self._waits.over()

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
        self.withdraw()  # What is left has a response, or is promised to one.
        for answer in list(self._answers.values()):
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
        response = self._response_of(answer)
        assert response is not None
        self._close(answer, tell_engine=ending != "finish")
        self._speculation.over(answer)
        if response.message_id is not None:
            self._playback.finish(response.message_id)
            if ending == "cancel":
                self._playback.flush()
        self.requests.calls.abandon(response)
        answer.clock.mark("done", now_ms)
        usage = self._ledger.usage(answer.request, answer.text_sent, answer.audio_ticks, answer.round.tokens)
        self._openings.settle(response, usage, now_ms)
        response.end(ending, usage, reason=reason, error=error, clock=answer.clock)
        if self.active is answer:
            self.active = None
            self._waits.begin(session, ending, now_ms)
            # Whoever cuts in has something to say; what was decided meanwhile follows when that is answered.
            if ending == "cancel" or not self.follow_decisions(session, now_ms):
                self._run_kept(session, now_ms)

    # --- fillers --------------------------------------------------------------------------------------------------------

    def filler_due(self, session: SessionObject, now_ms: int) -> None:
        """Tools are still running and the caller has been hearing silence: say so, in other words than before."""
        phrase = self._waits.filler(session) if self.active is None else None
        if phrase is None:
            return
        config = override_response(
            session, {"metadata": FILLER, "tools": [], "instructions": "", "input": []}
        )
        request = self.requests.make(session, config)  # No model is asked, so none is shown anything.
        response = self._openings.open(config)
        answer = self._answer(request)
        self._attach(answer, response, now_ms)
        answer.say_filler(phrase)
        self.advance(session, answer, now_ms)

    def drop_filler(self, session: SessionObject, now_ms: int) -> None:
        """A client's `response.create` ends a filler and is accepted (architecture, Preambles)."""
        response = self.active.response if self.active is not None else None
        if self.active is not None and response is not None and response.object.metadata == FILLER:
            self.kept = None
            self.end(session, self.active, "cancel", now_ms, reason="client_cancelled")
            self._waits.over()

    # --- inside ---------------------------------------------------------------------------------------------------------

    def _answer(self, request: Request) -> Answer:
        generation, calls, speaks = self._outbox.new_id("gen"), self.requests.calls, self._engine_speaks
        answer = Answer(generation, request, self._outbox, self._playback, calls, engine_speaks=speaks)
        self._answers[generation] = answer
        return answer

    def _attach(self, answer: Answer, response: Response, now_ms: int) -> None:
        if response.in_conversation:
            self._give_floor(answer)
        answer.adopt(response, now_ms)

    def _give_floor(self, answer: Answer) -> None:
        """Somebody speaks in the conversation: nobody is put off or asked after meanwhile."""
        self.active, self.unseen_output = answer, False
        self._waits.over()

    def _close(self, answer: Answer, *, tell_engine: bool = True) -> None:
        self._answers.pop(answer.generation, None)
        if tell_engine:
            self._outbox.put(Cancel(answer.generation))

    def _failed(self, session: SessionObject, answer: Answer, failure: EngineFailed, now_ms: int) -> None:
        if self._response_of(answer) is None:
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
            response = self._response_of(answer)
            if response is not None and response.id == response_id:
                return answer
        return None

    def _response_of(self, answer: Answer) -> Response | None:
        """The response that the answer has, or is promised to; None for one that is only being prepared."""
        return answer.response or self._speculation.promised_to(answer)

    def _spent(self, answer: Answer) -> int:
        return self._ledger.output_tokens(answer.text_sent, answer.audio_ticks)


def _too_long(problem: ContextTooLong) -> ResponseError:
    return ResponseError(type="invalid_request_error", code="context_length_exceeded", message=str(problem))
