"""openai-agents: realtime agents with tools, approvals and handoffs, and its voice pipeline (file-based and streamed)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from agents import Agent, function_tool
from agents.realtime import RealtimeAgent, RealtimeRunner, RealtimeSession, realtime_handoff
from common import (
    ACCOUNT,
    BOTH,
    INSTRUCTIONS,
    LONG,
    MEETING,
    ORDER,
    SHIPPED,
    check,
    chunks,
    key,
    main,
    question,
    ws_url,
)


@function_tool
def get_order_status(order_id: str) -> str:
    """Looks up where an order is."""
    return SHIPPED.replace("A1001", order_id)


@function_tool(needs_approval=True)
def refund_order(order_id: str) -> str:
    """Refunds an order."""
    return f"Order {order_id} was refunded, the money has shipped."


@asynccontextmanager
async def session(agent: RealtimeAgent[Any]) -> AsyncIterator[RealtimeSession]:
    """A running session; the library validates every frame it is sent."""
    config: Any = {"url": f"{ws_url()}?model=gpt-realtime-2", "api_key": key()}
    async with await RealtimeRunner(agent).run(model_config=config) as running:
        yield running


async def until(running: RealtimeSession, found: Callable[[Any], object]) -> list[Any]:
    """Events up to the first for which `found` holds; an error ends the program."""
    seen = []
    async for event in running:
        seen.append(event)
        check(event.type != "error", f"no error, but {getattr(event, 'error', event)}")
        if found(event):
            return seen
    raise SystemExit("not so: the session ended early")


def said(events: list[Any]) -> str:
    """What the agent said in these events."""
    raw = [event.data for event in events if event.type == "raw_model_event"]
    return "".join(data.delta for data in raw if data.type == "transcript_delta")


def answered(*words: str) -> Callable[[Any], bool]:
    """Holds once a turn has ended and all of the words were said."""
    heard = ""

    def found(event: Any) -> bool:
        nonlocal heard
        if event.type == "raw_model_event" and event.data.type == "transcript_delta":
            heard += event.data.delta
        return event.type == "agent_end" and bool(heard) and all(word in heard for word in words)

    return found


async def text() -> None:
    """A typed message is answered in words and sound."""
    async with session(RealtimeAgent(name="Support", instructions="Be brief.")) as running:
        await running.send_message("Hello!")
        events = await until(running, answered())
        check(said(events), "words")
        check(any(event.type == "audio" for event in events), "sound")


async def audio() -> None:
    """A spoken question, answered unasked; the history holds both sides."""
    async with session(RealtimeAgent(name="Support", instructions="Be brief.")) as running:

        async def speak() -> None:
            async for chunk in chunks(question()):
                await running.send_audio(chunk)

        speaking = asyncio.create_task(speak())
        events = await until(running, answered())
        await speaking
        check(any(event.type == "audio" for event in events), "sound")
        check(any(event.type == "history_added" for event in events), "a history")


async def tool() -> None:
    """The library runs the tool and asks for the answer."""
    agent = RealtimeAgent(name="Support", instructions="You help with orders.", tools=[get_order_status])
    async with session(agent) as running:
        await running.send_message(ORDER)
        events = await until(running, answered("shipped"))
        check([event for event in events if event.type == "tool_end"], "the tool ran")


async def parallel() -> None:
    """Two tools at once, of 0 and 300 ms in either order."""
    for slow in ("check_calendar", "get_crm_account"):

        @function_tool
        async def check_calendar() -> str:
            """Looks up the next meeting in the caller's calendar."""
            return MEETING

        @function_tool
        async def get_crm_account(account: str) -> str:
            """Looks up an account in the CRM."""
            return ACCOUNT

        tools = {"check_calendar": check_calendar, "get_crm_account": get_crm_account}
        delayed = tools[slow].on_invoke_tool

        async def wait(context: Any, arguments: str, delayed: Any = delayed) -> Any:
            await asyncio.sleep(0.3)
            return await delayed(context, arguments)

        tools[slow].on_invoke_tool = wait
        agent = RealtimeAgent(name="Support", instructions="You help callers.", tools=list(tools.values()))
        async with session(agent) as running:
            await running.send_message(BOTH)
            await until(running, answered("12 minutes", "blocker"))


async def interruption() -> None:
    """Speaking over an answer: the library truncates, asks for the item, and the next turn is answered."""
    async with session(RealtimeAgent(name="Support", instructions=INSTRUCTIONS)) as running:
        await running.send_message(LONG)
        await until(running, lambda event: event.type == "audio")

        async def speak() -> None:
            async for chunk in chunks(question()):
                await running.send_audio(chunk)

        speaking = asyncio.create_task(speak())
        await until(running, lambda event: event.type == "audio_interrupted")
        await until(running, answered())
        await speaking


async def approval() -> None:
    """A tool that waits for a human's yes."""
    agent = RealtimeAgent(name="Support", instructions="You refund orders.", tools=[refund_order])
    async with session(agent) as running:
        await running.send_message("Please refund order A1001.")
        events = await until(running, lambda event: event.type == "tool_approval_required")
        check(not any(event.type == "tool_start" for event in events), "nothing runs before the yes")
        await running.approve_tool_call(events[-1].call_id)
        await until(running, answered("shipped"))


async def handoff() -> None:
    """Another agent takes over inside the call."""
    billing = RealtimeAgent(
        name="Billing", handoff_description="Handles billing questions.", instructions="You handle billing."
    )
    support = RealtimeAgent(
        name="Support",
        instructions="You greet callers and hand billing questions over to billing.",
        handoffs=[realtime_handoff(billing, tool_name_override="transfer_to_billing")],
    )
    async with session(support) as running:
        await running.send_message("I have a billing question, please transfer me to billing.")
        events = await until(running, lambda event: event.type == "handoff")
        check(events[-1].to_agent.name == "Billing", "billing took over")
        await until(running, answered())


def _voice_agent() -> Agent[Any]:
    return Agent(name="Support", instructions="You help with orders.", model="gpt-5")


async def pipeline() -> None:
    """VoicePipeline over a recording: transcription, responses and speech, all over HTTP."""
    import numpy as np
    from agents.voice import AudioInput, SingleAgentVoiceWorkflow, VoicePipeline, VoicePipelineConfig

    config = VoicePipelineConfig(tracing_disabled=True)
    running = VoicePipeline(workflow=SingleAgentVoiceWorkflow(_voice_agent()), config=config)
    result = await running.run(AudioInput(buffer=np.frombuffer(question(), dtype=np.int16)))
    sound = [event.data async for event in result.stream() if event.type == "voice_stream_event_audio"]
    check(sum(len(piece) for piece in sound if piece is not None) > 10_000, "sound")


async def pipeline_streamed() -> None:
    """VoicePipeline over a stream: a transcription session, its turns found by the server."""
    import numpy as np
    from agents.voice import SingleAgentVoiceWorkflow, StreamedAudioInput, VoicePipeline, VoicePipelineConfig

    config = VoicePipelineConfig(tracing_disabled=True)
    running = VoicePipeline(workflow=SingleAgentVoiceWorkflow(_voice_agent()), config=config)
    spoken = StreamedAudioInput()
    result = await running.run(spoken)

    async def speak() -> None:
        async for chunk in chunks(question(silence_s=2.5)):
            await spoken.add_audio(np.frombuffer(chunk, dtype=np.int16))

    speaking = asyncio.create_task(speak())
    samples = 0
    async for event in result.stream():
        if event.type == "voice_stream_event_audio" and event.data is not None:
            samples += len(event.data)
        if event.type == "voice_stream_event_lifecycle" and event.event == "turn_ended":
            break
    await speaking
    check(samples > 10_000, "sound")


if __name__ == "__main__":
    cases = (
        text,
        audio,
        tool,
        parallel,
        interruption,
        approval,
        handoff,
        pipeline,
        pipeline_streamed,
    )
    main({case.__name__: case for case in cases})
