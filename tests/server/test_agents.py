"""openai-agents as it is: its realtime runner, pointed here by `model_config["url"]`, validates every frame it is sent."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.server.rig import ANSWER, server, socket_url

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def no_tracing(monkeypatch: pytest.MonkeyPatch) -> None:
    # Its traces would go to its vendor; nothing leaves this machine.
    monkeypatch.setenv("OPENAI_AGENTS_DISABLE_TRACING", "1")


async def talk(url: str, texts: list[str], tools: list[Any]) -> tuple[list[str], list[str]]:
    """Send texts, each after the answer to the last; returns what the agent said and the errors."""
    from agents.realtime import RealtimeAgent, RealtimeRunner

    agent: Any = RealtimeAgent(name="Support", instructions="Help.", tools=tools)
    runner = RealtimeRunner(agent)
    said: list[str] = []
    errors: list[str] = []
    waiting = list(texts)
    session = await runner.run(model_config={"url": socket_url(url), "api_key": "local"})
    async with session, asyncio.timeout(20):
        await session.send_message(waiting.pop(0))
        async for event in session:
            if event.type == "error":
                errors.append(str(event.error))
            if event.type != "raw_model_event" or event.data.type != "raw_server_event":
                continue
            raw = event.data.data
            if raw["type"] == "response.output_audio_transcript.done":
                said.append(raw["transcript"])
            if raw["type"] == "response.done" and not any(
                item["type"] == "function_call" for item in raw["response"]["output"]
            ):
                if not waiting:
                    break
                await session.send_message(waiting.pop(0))
    return said, errors


async def test_text_messages(tmp_path: Path) -> None:
    async with server(tmp_path) as url:
        said, errors = await talk(url, ["hello", "and again"], [])
    assert said == [ANSWER, ANSWER]
    assert errors == []


async def test_a_function_tool(tmp_path: Path) -> None:
    from agents import function_tool

    asked: list[str] = []

    @function_tool
    def look_up(order_id: str) -> str:
        """Where an order is."""
        asked.append(order_id)
        return "shipped"

    async with server(tmp_path) as url:
        said, errors = await talk(url, ["Where is my order?"], [look_up])
    assert asked == ["A1001"]
    assert said == ["It is on its way."]
    assert errors == []
