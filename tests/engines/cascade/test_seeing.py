"""Images and reasoning effort on their way to language models: who sees, who is told, who says so."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engines.chatting import DONE, chunks, delta, refusal
from tests.engines.played import endpoint, head
from vivavoce.call.ports import ModelText, Prompt
from vivavoce.engines.cascade.brain import Brain
from vivavoce.engines.cascade.seeing import UNSEEN, has_images, sees_images, without_images

PNG = "data:image/png;base64,iVBORw0KGgo="
IMAGE = {"type": "image_url", "image_url": {"url": PNG, "detail": "high"}}
MESSAGES: tuple[dict[str, Any], ...] = (
    {"role": "user", "content": [{"type": "text", "text": "What is it?"}, IMAGE]},
)
ANSWER = [head(), delta({"content": "A cat."}), delta({}, "stop"), DONE]


@pytest.mark.parametrize(
    "model", ["gpt-4o-mini", "gpt-4.1-mini", "llava:13b", "Qwen/Qwen2.5-VL-7B", "gemma3:4b", "llama-4-scout"]
)
def test_models_that_see(model: str) -> None:
    assert sees_images("auto", model)
    assert not sees_images("no", model)


@pytest.mark.parametrize("model", ["llama3.2", "qwen3:8b", "mistral-7b", "gemma3:1b", "o3-mini", "phi4"])
def test_models_that_do_not(model: str) -> None:
    assert not sees_images("auto", model)
    assert sees_images("yes", model)


def test_a_note_stands_for_an_image() -> None:
    assert without_images(MESSAGES) == ({"role": "user", "content": f"What is it? {UNSEEN}"},)
    assert has_images(MESSAGES)
    assert not has_images(without_images(MESSAGES))


async def test_an_image_is_shown_to_a_model_that_sees() -> None:
    async with endpoint(ANSWER) as (played, url):
        await chunks(url, Prompt(MESSAGES))
    assert played.bodies[0]["messages"] == list(MESSAGES)


async def test_a_model_without_eyes_is_told() -> None:
    async with endpoint(ANSWER) as (played, url):
        await chunks(url, Prompt(MESSAGES), sees_images=False)
    assert UNSEEN in played.bodies[0]["messages"][0]["content"]


async def test_an_endpoint_that_refuses_images_is_asked_again_without() -> None:
    refused = refusal("image input is not supported", "500 Internal Server Error")
    async with endpoint(refused, ANSWER) as (played, url):
        said = await chunks(url, Prompt(MESSAGES))
    assert [has_images(body["messages"]) for body in played.bodies] == [True, False]
    assert said[0] == ModelText("A cat.")


async def test_reasoning_effort_is_passed_on_when_it_was_asked_for() -> None:
    async with endpoint(ANSWER) as (played, url):
        await chunks(url, Prompt(MESSAGES, effort="minimal"))
    assert played.bodies[0]["reasoning_effort"] == "minimal"
    async with endpoint(ANSWER) as (played, url):
        await chunks(url, Prompt(MESSAGES))
    assert "reasoning_effort" not in played.bodies[0]


async def test_the_built_in_brain_says_that_it_cannot_see() -> None:
    stream = Brain().stream(Prompt(MESSAGES))
    said = "".join([chunk.text async for chunk in stream if isinstance(chunk, ModelText)])
    assert said.startswith("I am sorry, I cannot see images.")
