"""Readiness is real: a spoken turn goes through the whole engine before `/readyz` says yes.

The engine first answers a typed greeting; the sound of that answer is then played to it as if a caller had said it. So nothing
needs to be shipped, and every stage has worked once when the first sound of the second answer is there. A probe that fails is repeated: what was wrong may pass, as a model endpoint
that comes up after this server does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import Any

import msgspec

from vivavoce.call.driver import Call
from vivavoce.call.owner import NOBODY
from vivavoce.call.registry import Calls
from vivavoce.protocol.dialects import GA, Dialect
from vivavoce.session.effects import Warn

log = logging.getLogger("vivavoce.server")

TIMEOUT_S = 30.0
BYTES_PER_S = 2 * 24_000
SILENCE_S = 1.2
SPOKEN_S = 1.5
"""So much of the first answer is played back: enough for a word, and whoever starts the server waits for what it costs."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
"""Between two probes; each failure doubles it, for a probe of a hosted model costs money."""

PROBED_MODEL = "gpt-realtime-2"
"""What is asked of an engine that has more than one model, if the settings do not say."""

_PUSH_TO_TALK = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}


class GoingAway(Exception):
    """The server stops while a probe is on its way, which says nothing about the engine."""


class Readiness:
    """Whether a turn has gone through the engine yet, and what is wrong if it could not."""

    def __init__(self, first_pause_s: float = FIRST_PAUSE_S) -> None:
        self.state = "starting"
        self.reason = "the first turn is still on its way"
        self._pause_s = first_pause_s

    async def establish(self, calls: Calls) -> None:
        """Probe until it succeeds or the server stops. Says so when it does not succeed, once for every reason."""
        with contextlib.suppress(GoingAway):
            await self._establish(calls)

    async def _establish(self, calls: Calls) -> None:
        while (problem := await _tried(calls)) is not None:
            if (self.state, self.reason) != ("failed", problem):
                log.warning("not ready: %s", problem)
            self.state, self.reason = "failed", problem
            await asyncio.sleep(self._pause_s)
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        if self.state == "failed":
            log.warning("ready now")
        self.state, self.reason = "ready", ""


async def _tried(calls: Calls) -> str | None:
    """A probe; one that breaks is one that failed, or the server would say "starting" for ever. Raises GoingAway."""
    try:
        return await probe(calls)
    except GoingAway:
        raise
    except Exception as broken:
        return f"{type(broken).__name__}: {broken}"


class ProbeAttachment:
    """An in-process client: keeps the events it is sent."""

    id = "probe"
    dialect: Dialect = GA

    def __init__(self) -> None:
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def write(self, frame: bytes) -> None:
        """Keep an event."""
        self._events.put_nowait(msgspec.json.decode(frame))

    def hang_up(self, code: int, reason: str) -> None:
        """The call is over."""
        self._events.put_nowait({"type": "closed", "code": code, "reason": reason})

    async def greeting(self) -> str | None:
        """Wait for the session; None when it is there, otherwise what came instead. Raises GoingAway."""
        event = await self._next()
        return None if event["type"] == "session.created" else _wrong(event)

    async def until_done(self, *, or_heard: bool = False) -> tuple[str, list[str]]:
        """Wait for the end of a response, or only for its first sound; returns its status and the audio deltas on the way (base64).

        Raises GoingAway.
        """
        audio: list[str] = []
        while True:
            event = await self._next()
            match event["type"]:
                case "response.output_audio.delta":
                    audio.append(event["delta"])
                    if or_heard:
                        return "completed", audio
                case "response.done":
                    error = (event["response"]["status_details"] or {}).get("error") or {}
                    return error.get("message") or event["response"]["status"], audio
                case "error" | "closed":
                    return _wrong(event), audio

    async def _next(self) -> dict[str, Any]:
        event = await self._events.get()
        if event["type"] == "closed" and event["code"] == 1001:
            raise GoingAway
        return event


def _wrong(event: dict[str, Any]) -> str:
    """What an event that should not have come says, in words."""
    if event["type"] == "error":
        return str(event["error"]["message"])
    return (
        f"closed with {event['code']} {event['reason']}" if event["type"] == "closed" else str(event["type"])
    )


async def probe(calls: Calls) -> str | None:
    """Run a typed and a spoken turn. None when both went through, otherwise what went wrong. Raises GoingAway."""
    metered = calls.engine.capabilities.metered
    # Not watched for mistakes of clients, since it does play the engine's own voice to it; and nobody's limits count for it.
    now_ms = int(asyncio.get_running_loop().time() * 1000)
    warned: list[str] = []

    def observe(what: object, now_ms: int) -> None:
        if isinstance(what, Warn):
            warned.append(what.message)

    call = calls.open(PROBED_MODEL if metered else "probe", now_ms, observe, owner=NOBODY, watched=False)
    client = ProbeAttachment()
    call.join(client)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await (
                _opened(client, warned) if metered else _turns(call, client, calls.engine.capabilities.voiced)
            )
    except TimeoutError:
        return f"no answer within {TIMEOUT_S:.0f} s"
    finally:
        await calls.close(call)


async def _opened(client: ProbeAttachment, warned: Sequence[str]) -> str | None:
    """Each answer is paid for. That a session opens shows that the address, the key and the model are right."""
    problem = await client.greeting()
    if problem is None and warned:  # Something else answers instead.
        log.warning("ready, but %s", " ".join(warned))
    return problem


async def _turns(call: Call, client: ProbeAttachment, voiced: bool) -> str | None:
    """A typed turn, and its answer played back as a spoken one. `voiced`: what the engine says is speech to its own ears."""

    def say(event: dict[str, Any]) -> None:
        call.receive(client.id, msgspec.json.encode(event))

    # A recogniser may prepare itself for what a session is about. That is for its first caller to wait for, not for all.
    say({"type": "session.update", "session": {"type": "realtime", "instructions": ""}})
    text = [{"type": "input_text", "text": "hello"}]
    say({"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": text}})
    say({"type": "response.create"})
    status, audio = await client.until_done()
    if status != "completed" or not audio:
        return f"a typed turn ended with: {status}"
    if not voiced:
        # A tone is no speech, and a voice activity model that says so works: the turn ends as with push-to-talk.
        say({"type": "session.update", "session": _PUSH_TO_TALK})
    say({"type": "input_audio_buffer.append", "audio": _spoken(audio)})
    if not voiced:
        say({"type": "input_audio_buffer.commit"})
        say({"type": "response.create"})
    status, _ = await client.until_done(or_heard=True)
    return None if status == "completed" else f"a spoken turn ended with: {status}"


def _spoken(deltas: list[str]) -> str:
    """The beginning of an answer, and a silence that ends the turn."""
    import pybase64

    sound = b"".join(map(pybase64.b64decode, deltas))[: int(BYTES_PER_S * SPOKEN_S)]
    return pybase64.b64encode(sound + bytes(int(BYTES_PER_S * SILENCE_S))).decode()
