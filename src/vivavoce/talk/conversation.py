"""One call from beginning to end."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from vivavoce.talk.captions import Captions, JsonCaptions, PlainCaptions, TerminalCaptions
from vivavoce.talk.connection import Connection
from vivavoce.talk.dialogue import Dialogue
from vivavoce.talk.loudspeaker import RATE_HZ, Loudspeaker
from vivavoce.talk.options import Options
from vivavoce.talk.outcome import Exit, TalkError
from vivavoce.talk.reach import reach
from vivavoce.talk.tools import TOOLS

Event = dict[str, Any]
Body = Callable[[Dialogue, Connection], Awaitable[Exit]]


async def talk(options: Options, captions: Captions, stdin: int) -> Exit:
    """Hold a call. Cancelling it (Ctrl-C) hangs up and counts as its end. Raises TalkError.

    `stdin` is the file descriptor that typed turns and the push-to-talk key come from.
    """
    async with contextlib.AsyncExitStack() as stack:
        # What the caller speaks with is looked at first: a call nobody can hold need not be opened.
        body, speaker = _way(options, captions, stdin, stack)
        connection, greeting = await reach(options, captions, stack)
        loop = asyncio.get_running_loop()
        clock = None if options.fast else lambda: int(loop.time() * 1000)
        dialogue = Dialogue(connection.send, captions, speaker, clock)
        await dialogue.take(greeting)
        await configure(options, connection, dialogue)
        captions.note(answering(dialogue.session, connection.name))
        began = loop.time()
        try:
            return await _hold(connection, dialogue, body)
        except asyncio.CancelledError:
            return Exit.ENDED
        finally:
            captions.note(dialogue.tally.line(loop.time() - began))


def _way(
    options: Options, captions: Captions, stdin: int, stack: contextlib.AsyncExitStack
) -> tuple[Body, Loudspeaker | None]:
    """How this call is held, and what plays the answers."""
    if options.way == "typed":
        from vivavoce.talk.typed import converse_typed

        return lambda dialogue, _: converse_typed(dialogue, stdin), None
    if options.way == "recorded":
        from vivavoce.talk.recorded import Recorded

        speaker = Loudspeaker()
        recorded = Recorded(options, speaker, captions)
        return recorded.converse, speaker
    from vivavoce.talk.devices import Devices
    from vivavoce.talk.spoken import Spoken

    devices = Devices()
    speaker = Loudspeaker(devices.output_hz)
    spoken = Spoken(devices, speaker, captions, stdin if options.push_to_talk else None)
    return spoken.converse, speaker


async def configure(options: Options, connection: Connection, dialogue: Dialogue) -> None:
    """Ask for the session this call needs. Raises TalkError when the server refuses it."""
    sent = await connection.send({"type": "session.update", "session": session_for(options)})
    async for event in connection.events():
        if event["type"] == "error" and event["error"].get("event_id") in (sent, None):
            message = event["error"].get("message")
            raise TalkError(Exit.REFUSED, f"{connection.name} refused the session: {message}")
        await dialogue.take(event)
        if event["type"] == "session.updated":
            return


def session_for(options: Options) -> Event:
    """The session object: captions for both sides, two tools, text only where words are typed."""
    session: Event = {"type": "realtime", "tools": TOOLS}
    if options.instructions is not None:
        session["instructions"] = options.instructions
    if options.way == "typed":
        session["output_modalities"] = ["text"]
        return session
    sound = {"type": "audio/pcm", "rate": RATE_HZ}
    listens: Event = {"format": sound, "transcription": {"model": "gpt-4o-mini-transcribe"}}
    if options.push_to_talk:
        listens["turn_detection"] = None
    speaks: Event = {"format": sound}
    if options.voice is not None:
        speaks["voice"] = options.voice
    session["audio"] = {"input": listens, "output": speaks}
    return session


def answering(session: Event, name: str) -> str:
    """What answers, in the server's own words where it is vivavoce."""
    stages = session.get("vivavoce")
    if not isinstance(stages, dict):
        return f"connected to {name}, {session.get('model')} answers"
    # One thing may be all of them.
    named = list(dict.fromkeys(str(stages[stage]) for stage in ("stt", "llm", "tts") if stages.get(stage)))
    return f"connected to {name}: {stages.get('engine')} ({', '.join(named)})"


async def _hold(connection: Connection, dialogue: Dialogue, body: Body) -> Exit:
    """Run the caller's side until it ends, or until the server does."""

    async def listen() -> None:
        async for event in connection.events():
            await dialogue.take(event)

    listening = asyncio.create_task(listen())
    speaking = asyncio.ensure_future(body(dialogue, connection))
    try:
        await asyncio.wait({listening, speaking}, return_when=asyncio.FIRST_COMPLETED)
        if not speaking.done():
            listening.result()
        return await speaking
    finally:
        for task in (listening, speaking):
            task.cancel()
        await asyncio.gather(listening, speaking, return_exceptions=True)


def captions_for(options: Options) -> Captions:
    """Live on a terminal, plain lines into a pipe, JSON lines when asked for."""
    if options.json:
        return JsonCaptions(sys.stdout, sys.stderr)
    if sys.stdout.isatty():
        return TerminalCaptions(sys.stdout)
    return PlainCaptions(sys.stdout, sys.stderr, labels=options.way != "typed")
