"""The `websockets` package and nothing else, in the manner of tutorials: an address, a header, JSON.

Both dialects: `beta_*` cases send the old header and the flat session, the others neither.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import websockets
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
    key,
    main,
    question,
    shop,
    ws_url,
)

Event = dict[str, Any]
BETA = {"OpenAI-Beta": "realtime=v1"}


class Line:
    """A socket that speaks JSON and remembers what it was told."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self.socket = socket
        self.seen: list[Event] = []

    async def send(self, type_: str, **fields: Any) -> None:
        """Send one event."""
        await self.socket.send(json.dumps({"type": type_, **fields}))

    async def next(self) -> Event:
        """The next event; an error ends the program."""
        event: Event = json.loads(await self.socket.recv())
        self.seen.append(event)
        check(event["type"] != "error", f"no error, but {event.get('error')}")
        return event

    async def until(self, type_: str) -> Event:
        """Events up to the first of a type."""
        while (event := await self.next())["type"] != type_:
            pass
        return event

    async def ask(self, text: str) -> None:
        """A typed question, and the wish for an answer."""
        content = [{"type": "input_text", "text": text}]
        await self.send(
            "conversation.item.create", item={"type": "message", "role": "user", "content": content}
        )
        await self.send("response.create")

    async def speak(self, sound: bytes) -> None:
        """The sound at the speed of sound."""
        async for chunk in chunks(sound):
            await self.send("input_audio_buffer.append", audio=base64.b64encode(chunk).decode())

    def types(self) -> list[str]:
        """Everything seen, in order."""
        return [event["type"] for event in self.seen]


@asynccontextmanager
async def dialled(query: str = "?model=gpt-realtime-2", **headers: str) -> AsyncIterator[Line]:
    """A fresh connection that has heard `session.created`."""
    headers = {"Authorization": f"Bearer {key()}", **headers}
    async with websockets.connect(ws_url() + query, additional_headers=headers, proxy=None) as socket:
        line = Line(socket)
        first = await line.next()
        check(first["type"].endswith("session.created"), f"session.created comes first, not {first['type']}")
        yield line


def audio_of(line: Line, name: str = "response.output_audio.delta") -> bytes:
    """All audio that came."""
    return b"".join(base64.b64decode(event["delta"]) for event in line.seen if event["type"] == name)


async def text() -> None:
    """A typed question is answered in words and sound."""
    async with dialled() as line:
        await line.send("session.update", session={"type": "realtime", "instructions": "Be brief."})
        await line.ask("Hello!")
        done = await line.until("response.done")
        check(done["response"]["status"] == "completed", "the response completes")
        said = [event["transcript"] for event in line.seen if event["type"].endswith("audio_transcript.done")]
        check(said and said[0], "words")
        check(len(audio_of(line)) > 10_000, "sound")


async def audio() -> None:
    """A spoken question is heard, ended by the server's turn detection, and answered unasked."""
    async with dialled() as line:
        transcription = {"model": "gpt-4o-mini-transcribe"}
        await line.send(
            "session.update",
            session={"type": "realtime", "audio": {"input": {"transcription": transcription}}},
        )
        speaking = asyncio.create_task(line.speak(question()))
        await line.until("response.done")
        await speaking
        types = line.types()
        order = [
            "input_audio_buffer.speech_started",
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            "response.created",
        ]
        check(sorted(order, key=types.index) == order, f"the order of a spoken turn, not {types}")
        check(
            "conversation.item.input_audio_transcription.completed" in types, "a transcript of the question"
        )
        check(len(audio_of(line)) > 10_000, "sound")


async def tool() -> None:
    """One call, its output, the answer."""
    async with dialled() as line:
        await line.send("session.update", session={"type": "realtime", "tools": [ORDER_TOOL]})
        await line.ask(ORDER)
        call = await line.until("response.function_call_arguments.done")
        check(json.loads(call["arguments"]) == {"order_id": "A1001"}, f"the id, not {call['arguments']}")
        await line.until("response.done")
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": OUTPUTS[call["name"]]}
        await line.send("conversation.item.create", item=output)
        await line.send("response.create")
        spoken = await line.until("response.output_audio_transcript.done")
        check("shipped" in spoken["transcript"], f"the tool's answer, not {spoken['transcript']}")


async def mcp() -> None:
    """Tools that the server fetches itself: listed, asked for, allowed, called and spoken of."""
    async with dialled() as line:
        await line.send("session.update", session={"type": "realtime", "tools": [shop()]})
        await line.until("mcp_list_tools.completed")
        await line.ask(ORDER)
        asked = (await line.until("response.done"))["response"]["output"][-1]
        check(asked["type"] == "mcp_approval_request", f"a question, not {asked}")
        check(json.loads(asked["arguments"]) == {"order_id": "A1001"}, f"the id, not {asked['arguments']}")
        yes = {"type": "mcp_approval_response", "approval_request_id": asked["id"], "approve": True}
        await line.send("conversation.item.create", item=yes)
        await line.until("response.mcp_call.completed")
        spoken = await line.until("response.output_audio_transcript.done")
        check("shipped" in spoken["transcript"], f"the tool's answer, not {spoken['transcript']}")
        await line.until("response.done")


async def _parallel(delays: dict[str, float], headers: dict[str, str], session: Event) -> None:
    async with dialled(**headers) as line:
        await line.send("session.update", session=session)
        await line.ask(BOTH)
        running: list[asyncio.Task[None]] = []

        async def run(call: Event) -> None:
            # One answer is asked for per tool, whatever else goes on: the handler most tutorials have.
            await asyncio.sleep(delays[call["name"]])
            item = {
                "type": "function_call_output",
                "call_id": call["call_id"],
                "output": OUTPUTS[call["name"]],
            }
            await line.send("conversation.item.create", item=item)
            await line.send("response.create")

        said = ""
        while not ("12 minutes" in said and "blocker" in said):
            event = await line.next()
            if event["type"] == "response.function_call_arguments.done":
                running.append(asyncio.create_task(run(event)))
            elif event["type"].endswith("audio_transcript.done"):
                said += event["transcript"]
        check(len(running) == 2, f"two calls, not {len(running)}")
        # A connection closed over unread events keeps this library waiting for 10 s.
        await line.until("response.done")


async def parallel() -> None:
    """Two calls at once, answered after 0 and 300 ms in either order, an answer asked for after each."""
    for slow in ("check_calendar", "get_crm_account"):
        delays = dict.fromkeys(OUTPUTS, 0.0) | {slow: 0.3}
        await _parallel(delays, {}, {"type": "realtime", "tools": BOTH_TOOLS})


async def interruption() -> None:
    """Speaking over an answer cancels it; the client says what was heard, and is answered anew."""
    async with dialled() as line:
        await line.send("session.update", session={"type": "realtime", "instructions": INSTRUCTIONS})
        await line.ask(LONG)
        delta = await line.until("response.output_audio.delta")
        speaking = asyncio.create_task(line.speak(question()))
        cut = await line.until("response.done")
        check(cut["response"]["status"] == "cancelled", f"cancelled, not {cut['response']['status']}")
        check(cut["response"]["status_details"]["reason"] == "turn_detected", "by the turn")
        await line.send(
            "conversation.item.truncate", item_id=delta["item_id"], content_index=0, audio_end_ms=400
        )
        await line.until("conversation.item.truncated")
        answered = await line.until("response.done")
        check(answered["response"]["status"] == "completed", "the next turn is answered")
        await speaking


async def transcription() -> None:
    """A transcription session: words, and never an answer."""
    async with dialled("?intent=transcription") as line:
        detection = {"type": "server_vad", "silence_duration_ms": 400}
        heard = {"transcription": {"model": "gpt-4o-transcribe"}, "turn_detection": detection}
        await line.send("session.update", session={"type": "transcription", "audio": {"input": heard}})
        speaking = asyncio.create_task(line.speak(question()))
        done = await line.until("conversation.item.input_audio_transcription.completed")
        check(done["transcript"].strip(), "words")
        await speaking
        check(not any(name.startswith("response.") for name in line.types()), "no answer")


def flat(**more: Any) -> Event:
    """The session as tutorials of the beta wrote it."""
    return {
        "modalities": ["text", "audio"],
        "voice": "alloy",
        "input_audio_format": "pcm16",
        "output_audio_format": "pcm16",
        "input_audio_transcription": {"model": "whisper-1"},
        "turn_detection": {
            "type": "server_vad",
            "threshold": 0.5,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 500,
        },
        "tool_choice": "auto",
        **more,
    }


async def beta_audio() -> None:
    """The flat session and the old event names."""
    async with dialled(**BETA) as line:
        await line.send("session.update", session=flat())
        speaking = asyncio.create_task(line.speak(question()))
        await line.until("response.done")
        await speaking
        check(len(audio_of(line, "response.audio.delta")) > 10_000, "sound under its old name")
        check("conversation.item.created" in line.types(), "conversation.item.created")
        check("conversation.item.added" not in line.types(), "no conversation.item.added")


async def beta_parallel() -> None:
    """Two tools at once in the old dialect, an answer asked for after each."""
    for slow in ("check_calendar", "get_crm_account"):
        delays = dict.fromkeys(OUTPUTS, 0.0) | {slow: 0.3}
        await _parallel(delays, BETA, flat(tools=BOTH_TOOLS))


if __name__ == "__main__":
    cases = (text, audio, tool, parallel, interruption, transcription, mcp, beta_audio, beta_parallel)
    main({case.__name__: case for case in cases})
