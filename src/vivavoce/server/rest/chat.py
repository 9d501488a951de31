"""`POST /v1/chat/completions`: typed or spoken conversation, answered at once or in pieces."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pybase64
from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from vivavoce.call.ports import ModelText, ModelToolCall, Prompt, Speech
from vivavoce.server.rest.access import owner
from vivavoce.server.rest.answers import Tally, answer, new_id
from vivavoce.server.rest.chat_request import ChatRequest, prompt_of
from vivavoce.server.rest.documents import FAILURES, json_and_events
from vivavoce.server.rest.office import Office
from vivavoce.server.rest.route import RestRoute
from vivavoce.server.rest.sound_out import RATE_HZ, Format, encoded, joined
from vivavoce.server.rest.speech import Counted, spoken, voice_of
from vivavoce.server.rest.streaming import DONE, event, streamed_events, unless_gone
from vivavoce.session.clauses import ClauseCutter

router = APIRouter(route_class=RestRoute, tags=["text"])
AUDIO_KEPT_S = 3600
FINISHED = {"stop": "stop", "max_output_tokens": "length", "content_filter": "content_filter"}


class ChatCompletion(BaseModel):
    """An answer: one choice, and the tokens it took."""

    id: str
    object: str
    created: int
    model: str
    choices: list[dict[str, Any]]
    usage: dict[str, Any]


@router.post(
    "/v1/chat/completions",
    response_class=JSONResponse,
    responses=json_and_events(ChatCompletion, "The answer.") | FAILURES,
)
async def create_chat_completion(body: ChatRequest, request: Request) -> Response:
    """Answer a conversation with the configured language model."""
    office: Office = request.app.state.office
    whose = owner(request)
    voice = voice_of(body.audio.voice, "audio.voice") if body.speaks and body.audio else None
    prompt = await unless_gone(request, prompt_of(office, body, whose))
    prompt = await unless_gone(request, office.recordings.understood(whose, prompt, office.stages))
    completion = Completion(office, body, prompt, whose, voice)
    if body.stream:
        return await streamed_events(request, completion.events())
    return JSONResponse(await unless_gone(request, completion.whole()))


class Completion:
    """One answer on its way."""

    def __init__(
        self, office: Office, body: ChatRequest, prompt: Prompt, whose: str, voice: str | None
    ) -> None:
        self._office = office
        self._body = body
        self._prompt = prompt
        self._owner = whose
        self._voice = voice
        self._tally = Tally(prompt)
        self._id = new_id("chatcmpl").replace("_", "-")
        self._created = int(time.time())
        self._audio_id = new_id("audio")
        self._audio_tokens = 0

    async def whole(self) -> dict[str, Any]:
        """The completion object."""
        async with aclosing(answer(self._office.stages.llm, self._prompt)) as chunks:
            async for chunk in chunks:
                self._tally.take(chunk)
        message: dict[str, Any] = {
            "role": "assistant",
            "content": self._tally.text or None,
            "refusal": None,
            "annotations": [],
        }
        if self._tally.calls:
            message["tool_calls"] = [
                {"id": call.id, "type": "function", "function": _function(call.name, call.arguments)}
                for call in self._tally.calls.values()
            ]
        elif self._voice is not None:
            message |= {"content": None, "audio": await self._spoken(self._voice)}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self._finish_reason()}
        return self._head("chat.completion") | {"choices": [choice], "usage": self._usage()}

    async def events(self) -> AsyncGenerator[bytes, None]:
        """The same in chunks, ended by `[DONE]`."""
        yield self._chunk({"role": "assistant", "content": None if self._voice else "", "refusal": None})
        if self._voice is not None:
            yield self._chunk({"audio": {"id": self._audio_id}})
        cutter = ClauseCutter()
        async with aclosing(answer(self._office.stages.llm, self._prompt)) as chunks:
            async for chunk in chunks:
                self._tally.take(chunk)
                match chunk:
                    case ModelText(text) if self._voice is None:
                        yield self._chunk({"content": text})
                    case ModelText(text):
                        async with aclosing(self._said(cutter.push(text))) as said:
                            async for one in said:
                                yield one
                    case ModelToolCall():
                        yield self._chunk({"tool_calls": [self._call_delta(chunk)]})
        if self._voice is not None:
            async with aclosing(self._said(cutter.flush())) as said:
                async for one in said:
                    yield one
            yield self._chunk({"audio": {"expires_at": await self._keep_words()}})
        yield self._chunk({}, self._finish_reason())
        if self._body.stream_options is not None and self._body.stream_options.include_usage:
            yield event(self._head("chat.completion.chunk") | {"choices": [], "usage": self._usage()})
        yield DONE

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": kind,
            "created": self._created,
            "model": self._body.model,
            "service_tier": "default",
            "system_fingerprint": None,
        }

    def _chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        options = self._body.stream_options
        usage = {"usage": None} if options is not None and options.include_usage else {}
        return event(self._head("chat.completion.chunk") | {"choices": [choice]} | usage)

    def _call_delta(self, chunk: ModelToolCall) -> dict[str, Any]:
        """The first piece of a call names it, later ones only add to its arguments."""
        call = self._tally.calls[chunk.index]
        if not chunk.name:
            return {"index": chunk.index, "function": {"arguments": chunk.arguments}}
        function = {"name": call.name, "arguments": chunk.arguments}
        return {"index": chunk.index, "id": call.id, "type": "function", "function": function}

    def _finish_reason(self) -> str:
        return "tool_calls" if self._tally.calls else FINISHED[self._tally.reason]

    # --- sound ------------------------------------------------------------------------------------

    async def _spoken(self, voice: str) -> dict[str, Any]:
        assert self._body.audio is not None
        wanted = self._body.audio.format
        format_: Format = "pcm" if wanted == "pcm16" else wanted
        counted = Counted(spoken(self._office.stages, Speech(self._tally.text, voice, 1.0, RATE_HZ)))
        async with aclosing(encoded(counted.pieces(), format_, self._office.codecs)) as pieces:
            sound = await joined(pieces)
        self._audio_tokens = counted.tokens
        return {
            "id": self._audio_id,
            "data": pybase64.b64encode_as_string(sound),
            "expires_at": await self._keep_words(),
            "transcript": self._tally.text,
        }

    async def _said(self, clauses: list[str]) -> AsyncGenerator[bytes, None]:
        """Of each clause its words, then its sound."""
        assert self._voice is not None
        for clause in clauses:
            yield self._chunk({"audio": {"transcript": clause}})
            counted = Counted(spoken(self._office.stages, Speech(clause, self._voice, 1.0, RATE_HZ)))
            async with aclosing(counted.pieces()) as pieces:
                async for piece in pieces:
                    yield self._chunk({"audio": {"data": pybase64.b64encode_as_string(piece.clip.pcm)}})
            self._audio_tokens += counted.tokens

    async def _keep_words(self) -> int:
        """What was said, for the conversation's next request; returns until when."""
        await self._office.kept.keep_words(self._owner, self._audio_id, self._tally.text)
        return self._created + AUDIO_KEPT_S

    def _usage(self) -> dict[str, Any]:
        usage = self._tally.usage
        written = usage.output_tokens + self._audio_tokens
        return {
            "prompt_tokens": usage.input_tokens,
            "completion_tokens": written,
            "total_tokens": usage.input_tokens + written,
            "prompt_tokens_details": {"cached_tokens": usage.cached_tokens, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "audio_tokens": self._audio_tokens,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }


def _function(name: str, arguments: str) -> dict[str, str]:
    return {"name": name, "arguments": arguments or "{}"}
