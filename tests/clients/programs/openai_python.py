"""openai-python: its realtime connection, its REST resources."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from common import (
    BOTH,
    BOTH_TOOLS,
    INSTRUCTIONS,
    LONG,
    ORDER,
    ORDER_TOOL,
    OUTPUTS,
    check,
    chunks,
    main,
    question,
    shop,
)
from openai import AsyncOpenAI


class Talk:
    """A connection, and what it was told."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.seen: list[Any] = []

    async def ask(self, text: str) -> None:
        """A typed question, and the wish for an answer."""
        content = [{"type": "input_text", "text": text}]
        await self.connection.conversation.item.create(
            item={"type": "message", "role": "user", "content": content}
        )
        await self.connection.response.create()

    async def answer(self, call: Any) -> None:
        """Give a tool's output and ask for the answer."""
        output = {"type": "function_call_output", "call_id": call.call_id, "output": OUTPUTS[call.name]}
        await self.connection.conversation.item.create(item=output)
        await self.connection.response.create()

    async def next(self) -> Any:
        """The next event; an error ends the program."""
        event = await self.connection.recv()
        self.seen.append(event)
        check(event.type != "error", f"no error, but {event}")
        return event

    async def until(self, type_: str) -> Any:
        """Events up to the first of a type."""
        while (event := await self.next()).type != type_:
            pass
        return event

    async def speak(self, sound: bytes) -> None:
        """The sound at the speed of sound."""
        async for chunk in chunks(sound):
            await self.connection.input_audio_buffer.append(audio=base64.b64encode(chunk).decode())


@asynccontextmanager
async def talk(session: dict[str, Any] | None = None, **query: Any) -> AsyncIterator[Talk]:
    """A connection whose session was updated."""
    async with (
        AsyncOpenAI() as client,
        client.realtime.connect(**(query or {"model": "gpt-realtime-2"})) as line,
    ):
        if session is not None:
            await line.session.update(session=session)
        yield Talk(line)


async def text() -> None:
    """A typed question is answered in words and sound."""
    async with talk({"type": "realtime", "instructions": "Be brief."}) as line:
        await line.ask("Hello!")
        done = await line.until("response.done")
        check(done.response.status == "completed", "the response completes")
        check(done.response.usage.output_token_details.audio_tokens > 0, "audio tokens are counted")
        check(any(event.type == "response.output_audio.delta" for event in line.seen), "sound")


async def audio() -> None:
    """A spoken question is heard and answered unasked."""
    heard = {"transcription": {"model": "gpt-4o-mini-transcribe"}}
    async with talk({"type": "realtime", "audio": {"input": heard}}) as line:
        speaking = asyncio.create_task(line.speak(question()))
        await line.until("response.done")
        await speaking
        types = [event.type for event in line.seen]
        check("conversation.item.input_audio_transcription.completed" in types, "a transcript")
        check("response.output_audio.done" in types, "sound")


async def tool() -> None:
    """One call, its output, the answer."""
    async with talk({"type": "realtime", "tools": [ORDER_TOOL]}) as line:
        await line.ask(ORDER)
        call = await line.until("response.function_call_arguments.done")
        check(json.loads(call.arguments) == {"order_id": "A1001"}, f"the id, not {call.arguments}")
        await line.until("response.done")
        await line.answer(call)
        spoken = await line.until("response.output_audio_transcript.done")
        check("shipped" in spoken.transcript, f"the tool's answer, not {spoken.transcript}")


async def mcp() -> None:
    """Tools that the server fetches itself: listed, asked for, allowed, called and spoken of."""
    async with talk({"type": "realtime", "tools": [shop()]}) as line:
        await line.until("mcp_list_tools.completed")
        await line.ask(ORDER)
        asked = (await line.until("response.done")).response.output[-1]
        check(asked.type == "mcp_approval_request", f"a question, not {asked}")
        check(json.loads(asked.arguments) == {"order_id": "A1001"}, f"the id, not {asked.arguments}")
        yes = {"type": "mcp_approval_response", "approval_request_id": asked.id, "approve": True}
        await line.connection.conversation.item.create(item=yes)
        done = await line.until("response.mcp_call.completed")
        spoken = await line.until("response.output_audio_transcript.done")
        check("shipped" in spoken.transcript, f"the tool's answer, not {spoken.transcript}")
        calls = [event.item for event in line.seen if event.type == "response.output_item.done"]
        check(any(item.id == done.item_id and item.type == "mcp_call" for item in calls), "the call, done")
        await line.until("response.done")


async def parallel() -> None:
    """Two calls at once, answered after 0 and 300 ms in either order, an answer asked for after each."""
    for slow in ("check_calendar", "get_crm_account"):
        async with talk({"type": "realtime", "tools": BOTH_TOOLS}) as line:
            await line.ask(BOTH)
            said, running = "", []

            async def run(call: Any, line: Talk = line, slow: str = slow) -> None:
                await asyncio.sleep(0.3 if call.name == slow else 0)
                await line.answer(call)

            while not ("12 minutes" in said and "blocker" in said):
                event = await line.next()
                if event.type == "response.function_call_arguments.done":
                    running.append(asyncio.create_task(run(event)))
                elif event.type == "response.output_audio_transcript.done":
                    said += event.transcript
            check(len(running) == 2, f"two calls, not {len(running)}")
            # A connection closed over unread events keeps the library below waiting for 10 s.
            await line.until("response.done")


async def interruption() -> None:
    """Speaking over an answer cancels it, and the next one comes."""
    async with talk({"type": "realtime", "instructions": INSTRUCTIONS}) as line:
        await line.ask(LONG)
        delta = await line.until("response.output_audio.delta")
        speaking = asyncio.create_task(line.speak(question()))
        cut = await line.until("response.done")
        check(cut.response.status == "cancelled", f"cancelled, not {cut.response.status}")
        await line.connection.conversation.item.truncate(
            item_id=delta.item_id, content_index=0, audio_end_ms=400
        )
        await line.until("conversation.item.truncated")
        await line.until("response.done")
        await speaking


async def handoff() -> None:
    """Another agent takes over inside the call: new instructions and tools by session.update."""
    async with talk({"type": "realtime", "instructions": "You greet callers."}) as line:
        await line.ask("Hello!")
        await line.until("response.done")
        await line.connection.session.update(
            session={"type": "realtime", "instructions": INSTRUCTIONS, "tools": [ORDER_TOOL]}
        )
        await line.until("session.updated")
        await line.ask(ORDER)
        await line.until("response.function_call_arguments.done")


async def transcription() -> None:
    """A transcription session: words, and never an answer."""
    heard = {"transcription": {"model": "gpt-4o-transcribe"}, "turn_detection": {"type": "server_vad"}}
    session = {"type": "transcription", "audio": {"input": heard}}
    async with talk(session, extra_query={"intent": "transcription"}) as line:
        speaking = asyncio.create_task(line.speak(question()))
        done = await line.until("conversation.item.input_audio_transcription.completed")
        check(done.transcript.strip(), "words")
        await speaking


async def rest() -> None:
    """Speech, transcription, responses and chat completions over HTTP."""
    async with AsyncOpenAI() as client:
        speech = await client.audio.speech.create(
            model="gpt-4o-mini-tts", voice="alloy", input="Good morning.", response_format="wav"
        )
        check(speech.content[:4] == b"RIFF" and len(speech.content) > 20_000, "a WAV")
        heard = await client.audio.transcriptions.create(
            model="gpt-4o-transcribe", file=Path(os.environ["QUESTION_WAV"])
        )
        check(heard.text.strip(), "words")
        tool: Any = ORDER_TOOL
        asked = await client.responses.create(model="gpt-5", input=ORDER, tools=[tool])
        calls = [item for item in asked.output if item.type == "function_call"]
        check(calls and json.loads(calls[0].arguments) == {"order_id": "A1001"}, "a call with the id")
        said = await client.chat.completions.create(
            model="gpt-5", messages=[{"role": "user", "content": "Hello!"}]
        )
        check(said.choices[0].message.content, "an answer")


if __name__ == "__main__":
    cases = (text, audio, tool, parallel, interruption, handoff, transcription, mcp, rest)
    main({case.__name__: case for case in cases})
