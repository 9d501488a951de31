"""What is counted of an answer, by a model that says what it had seen before."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from tests.engines.cascade.rig import FakeModel
from vivavoce.call.ports import ModelStop, ModelText, ModelUsage, Prompt
from vivavoce.server.rest.chat import Completion
from vivavoce.server.rest.chat_request import ChatRequest
from vivavoce.server.rest.office import Office
from vivavoce.server.rest.response_events import Answering
from vivavoce.server.rest.response_request import ResponseRequest

PROMPT = Prompt(({"role": "user", "content": "hello"},))


def model() -> FakeModel:
    return FakeModel([ModelText("Hi."), ModelUsage(900, 10, 768), ModelStop("stop")])


async def test_what_the_model_had_seen_before_is_told_by_responses() -> None:
    async def keep(response: dict[str, Any]) -> None: ...

    made = await Answering(model(), ResponseRequest(model="m", input="hello"), PROMPT, keep).whole()
    assert made["usage"]["input_tokens"] == 900
    assert made["usage"]["input_tokens_details"]["cached_tokens"] == 768
    assert made["usage"]["total_tokens"] == 910


async def test_and_by_chat_completions() -> None:
    office = cast(Office, SimpleNamespace(stages=SimpleNamespace(llm=model())))
    body = ChatRequest.model_validate({"model": "m", "messages": [{"role": "user", "content": "hello"}]})
    made = await Completion(office, body, PROMPT, "local", None).whole()
    assert made["usage"]["prompt_tokens"] == 900
    assert made["usage"]["prompt_tokens_details"]["cached_tokens"] == 768
    assert made["usage"]["total_tokens"] == 910
