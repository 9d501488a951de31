"""The realtime transcription socket of an endpoint as the recogniser: it hears while the caller speaks.

Turn detection stays here: it is switched off there, and what is one utterance here is committed as one item there.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import msgspec
import pybase64

from vivavoce.audio.clip import Clip
from vivavoce.call.ports import Hints
from vivavoce.engines.addresses import is_loopback
from vivavoce.engines.cascade.remote import Remote, error_text
from vivavoce.engines.cascade.stt.answers import language_of, words_of
from vivavoce.engines.cascade.stt.likelihood import logprobs_of
from vivavoce.engines.cascade.stt.recording import Recording
from vivavoce.engines.cascade.stt.remote import SHORTEST_MS, RemoteSttSettings, told_of
from vivavoce.protocol.errors import EngineError
from vivavoce.protocol.responses import LogProb

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

log = logging.getLogger("vivavoce.cascade")

RATE_HZ = 24_000
_OPEN_S = 5.0


class SocketTranscriber:
    """Speech to text behind a Realtime API's `?intent=transcription`."""

    languages: tuple[str, ...] = ()

    def __init__(self, settings: RemoteSttSettings) -> None:
        """Raises EngineError for an address that is none."""
        self.remote = Remote("stt", "the recogniser", settings.url, settings.key, ("ws", "wss"))
        self.settings = settings
        self.logprobs_refused = False
        self.name = f"{settings.model} at {self.remote.host}"

    async def start(self) -> None:
        """Nothing to load."""

    def open(self) -> SocketListener:
        """A call's own ear. Its connection is made at once, so that the first words need not wait for it."""
        listener = SocketListener(self)
        listener.prepare()
        return listener

    async def close(self) -> None:
        """Every call has closed its own."""

    async def connect(self) -> ClientConnection:
        """A new connection. Raises EngineError."""
        from websockets.asyncio.client import connect
        from websockets.exceptions import InvalidStatus, WebSocketException

        base = self.remote.url
        if not base.endswith("/realtime"):
            base += "/realtime" if urlsplit(base).path else "/v1/realtime"
        where = f"{base}?{self.remote.query or urlencode({'intent': 'transcription'})}"
        try:
            return await connect(
                where,
                additional_headers=self.remote.headers,
                open_timeout=_OPEN_S,
                compression=None,
                max_size=None,
                proxy=None if is_loopback(self.remote.host.partition(":")[0]) else True,
            )
        except InvalidStatus as refused:
            body = bytes(refused.response.body or b"")
            with contextlib.suppress(msgspec.DecodeError):
                raise self.remote.failed(
                    refused.response.status_code, error_text(msgspec.json.decode(body))
                ) from refused
            raise self.remote.failed(refused.response.status_code, "") from refused
        except TimeoutError as problem:
            raise self.remote.error(f"did not open within {_OPEN_S:g} s", True) from problem
        except (OSError, WebSocketException) as problem:
            raise self.remote.error(f"cannot be reached ({type(problem).__name__})", True) from problem

    def session(self, hints: Hints) -> dict[str, Any]:
        """What a session there is set to."""
        transcription: dict[str, Any] = {"model": self.settings.model}
        if hints.language:
            transcription["language"] = language_of(hints.language)
        if told := told_of(hints, self.settings.hints):
            transcription["prompt"] = told
        heard = {
            "format": {"type": "audio/pcm", "rate": RATE_HZ},
            "transcription": transcription,
            "turn_detection": None,
        }
        included = (
            {"include": ["item.input_audio_transcription.logprobs"]}
            if hints.logprobs and not self.logprobs_refused
            else {}
        )
        return {"type": "transcription", "audio": {"input": heard}} | included

    def refuse_logprobs(self, refusal: str) -> None:
        """The endpoint does not tell them: every session goes without from now on."""
        if not self.logprobs_refused:
            log.warning(
                "the recogniser at %s tells no log probabilities: %s",
                self.remote.host,
                self.remote.safe(refusal),
            )
        self.logprobs_refused = True


class SocketListener:
    """One call, and the connection that waits for its next utterance."""

    def __init__(self, transcriber: SocketTranscriber) -> None:
        self.transcriber = transcriber
        self.hints = Hints(language=transcriber.settings.language)
        self._utterances: set[SocketUtterance] = set()
        self._ready: asyncio.Task[ClientConnection] | None = None
        self._closed = False

    def configure(self, hints: Hints) -> None:
        """See `call.ports.Listener`."""
        self.hints = hints

    def prepare(self) -> None:
        """Have a connection ready."""
        if self._ready is None and not self._closed:
            self._ready = asyncio.create_task(self.transcriber.connect())
            self._ready.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def connection(self) -> ClientConnection:
        """The one that is ready where it still lives, otherwise a new one."""
        ready, self._ready = self._ready, None
        if ready is not None:
            with contextlib.suppress(EngineError):
                socket = await ready
                if socket.close_code is None:
                    return socket
        return await self.transcriber.connect()

    async def give_back(self, socket: ClientConnection) -> None:
        """An utterance is through with a connection, which is as new."""
        if self._ready is None and not self._closed and socket.close_code is None:
            done: asyncio.Future[ClientConnection] = asyncio.get_running_loop().create_future()
            done.set_result(socket)
            self._ready = asyncio.create_task(_given(done))
        else:
            await socket.close()

    def begin(self, on_partial: Callable[[str], None]) -> SocketUtterance:
        """See `call.ports.Listener`."""
        utterance = SocketUtterance(self, on_partial)
        self._utterances.add(utterance)
        utterance.task.add_done_callback(lambda _: self._utterances.discard(utterance))
        return utterance

    def close(self) -> None:
        """See `call.ports.Listener`."""
        self._closed = True
        for utterance in list(self._utterances):
            utterance.cancel()
        if self._ready is not None:
            ready, self._ready = self._ready, None
            ready.add_done_callback(_hang_up)
            ready.cancel()


async def _given(done: asyncio.Future[Any]) -> Any:
    return await done


_closing: set[asyncio.Task[None]] = set()


def _hang_up(done: asyncio.Task[ClientConnection]) -> None:
    if not done.cancelled() and done.exception() is None:
        closing = asyncio.get_running_loop().create_task(done.result().close())
        _closing.add(closing)
        closing.add_done_callback(_closing.discard)


class LogprobsRefused(Exception):
    """The session was refused because it asks for log probabilities."""


class SocketUtterance:
    """One stretch of speech, sent while it is said."""

    def __init__(self, listener: SocketListener, on_partial: Callable[[str], None]) -> None:
        self._listener = listener
        self._on_partial = on_partial
        self._hints = listener.hints
        self._recording = Recording(RATE_HZ)
        self._outbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._sent: list[bytes] | None = []
        """What went to a session that may be refused; None once it is not."""
        self._said = ""
        self.logprobs: tuple[LogProb, ...] = ()
        self.task = asyncio.create_task(self._run())
        self.task.add_done_callback(lambda done: done.cancelled() or done.exception())

    def feed(self, clip: Clip) -> None:
        """See `call.ports.Utterance`."""
        self._append(self._recording.add(clip))

    def _append(self, pcm: bytes) -> None:
        if pcm:
            self._outbox.put_nowait(
                {"type": "input_audio_buffer.append", "audio": pybase64.b64encode(pcm).decode()}
            )

    async def peek(self) -> str:
        """See `call.ports.Utterance`: what was told so far, which lags behind what was said."""
        return self._said.strip()

    async def finish(self) -> str:
        """See `call.ports.Utterance`."""
        self._append(self._recording.end())
        if self._recording.duration_ms < SHORTEST_MS:
            self.cancel()
            return ""
        self._outbox.put_nowait({"type": "input_audio_buffer.commit"})
        timeout_s = self._listener.transcriber.settings.timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                return await asyncio.shield(self.task)
        except TimeoutError as problem:
            self.cancel()
            raise self._listener.transcriber.remote.error(
                f"sent no transcript within {timeout_s:g} s", True
            ) from problem

    def cancel(self) -> None:
        """See `call.ports.Utterance`. The connection is closed: what was sent cannot be taken back otherwise."""
        self.task.cancel()

    async def _run(self) -> str:
        try:
            return await self._heard()
        except LogprobsRefused:
            # None of that session's settings hold, so what was said goes to another one.
            return await self._heard()

    async def _heard(self) -> str:
        from websockets.exceptions import ConnectionClosed

        remote = self._listener.transcriber.remote
        socket = await self._listener.connection()
        session = self._listener.transcriber.session(self._hints)
        asking = "include" in session
        sending = asyncio.create_task(self._send(socket, session, keep=asking))
        try:
            text = await self._receive(socket, asking)
        except ConnectionClosed as closed:
            raise remote.error(f"closed the connection ({remote.safe(str(closed))})", True) from closed
        except BaseException:
            await socket.close()
            raise
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        await self._listener.give_back(socket)
        return text

    async def _send(self, socket: ClientConnection, session: dict[str, Any], *, keep: bool) -> None:
        from websockets.exceptions import ConnectionClosed

        with contextlib.suppress(ConnectionClosed):  # whoever receives says so
            update = {"type": "session.update", "session": session}
            for frame in (msgspec.json.encode(update), *(self._sent or ())):
                await socket.send(frame, text=True)
            while True:
                frame = msgspec.json.encode(await self._outbox.get())
                if keep and self._sent is not None:
                    self._sent.append(frame)
                await socket.send(frame, text=True)

    async def _receive(self, socket: ClientConnection, asking: bool) -> str:
        remote = self._listener.transcriber.remote
        while True:
            event = self._event(await socket.recv())
            kind = event.get("type", "")
            if kind in ("session.updated", "transcription_session.updated"):
                self._sent = None
            elif kind == "conversation.item.input_audio_transcription.delta":
                self._said += str(event.get("delta") or "")
                self._on_partial(self._said.strip())
            elif kind == "conversation.item.input_audio_transcription.completed":
                self.logprobs = logprobs_of(event.get("logprobs"))
                return words_of(str(event.get("transcript") or ""))
            elif kind in ("error", "conversation.item.input_audio_transcription.failed"):
                error = event.get("error")
                error = error if isinstance(error, dict) else {}
                if asking and _is_about_logprobs(error):
                    self._listener.transcriber.refuse_logprobs(error_text(event))
                    raise LogprobsRefused
                if error.get("code") == "input_audio_buffer_commit_empty":
                    return ""
                raise remote.error(f"reported an error: {remote.safe(error_text(event))}", True)

    def _event(self, frame: str | bytes) -> dict[str, Any]:
        try:
            event = msgspec.json.decode(frame)
        except msgspec.DecodeError:
            event = None
        if isinstance(event, dict):
            return event
        raise self._listener.transcriber.remote.error("does not answer like a Realtime API")


def _is_about_logprobs(error: dict[str, Any]) -> bool:
    said = f"{error.get('param') or ''} {error.get('message') or ''}"
    return "include" in said or "logprobs" in said
