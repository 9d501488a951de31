"""pocketsphinx as a `Transcriber`: a pool of recogniser processes shared by all calls."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from vivavoce.audio.clip import Clip
from vivavoce.call.ports import Hints
from vivavoce.engines.workers import Blueprint, Job, PoolSize, WorkerPool
from vivavoce.protocol.errors import EngineError

log = logging.getLogger("vivavoce.engines.stt")

STAGE = "stt"


@dataclass(frozen=True, slots=True)
class PocketsphinxSettings:
    """workers: how many can be heard at the same time, each up to 260 MB. warm: how many stand ready from the
    start.

    wait_ms: how long an utterance may wait for a free recogniser. backlog_ms: how much audio may wait
    meanwhile. model_wait_ms: how long its end may wait for the session's language model.
    niceness: 0..19, of the recogniser processes.
    """

    workers: int = field(default_factory=lambda: max(2, os.cpu_count() or 2))
    warm: int = 2
    wait_ms: int = 5_000
    backlog_ms: int = 60_000
    model_wait_ms: int = 1_500
    niceness: int = 0


class PocketsphinxTranscriber:
    """English speech to text on any CPU. See docs/adr/0012-pocketsphinx.md for what it can and cannot do."""

    name = "pocketsphinx"
    languages: tuple[str, ...] = ("en",)

    def __init__(self, settings: PocketsphinxSettings | None = None) -> None:
        self.settings = settings or PocketsphinxSettings()
        blueprint = Blueprint(
            "vivavoce.engines.cascade.stt.worker:start",
            STAGE,
            noun="recogniser",
            niceness=self.settings.niceness,
        )
        size = PoolSize(self.settings.workers, min(self.settings.warm, self.settings.workers))
        self._pool = WorkerPool(blueprint, size, self.settings.wait_ms)
        self._topics = Topics(self._pool)

    async def start(self) -> None:
        """Start the warm recognisers. Raises EngineError."""
        await self._pool.start()

    def open(self) -> PocketsphinxListener:
        """A call's own ear."""
        return PocketsphinxListener(self._pool, self._topics, self.settings)

    async def close(self) -> None:
        """End all recognisers."""
        await self._topics.close()
        await self._pool.close()

    @property
    def pids(self) -> list[int]:
        """The recogniser processes."""
        return self._pool.pids


@dataclass(slots=True)
class SessionLanguage:
    """A session model in the making or made. `users`: how many calls want it. `begun`: a recogniser is at it."""

    name: str
    users: int = 0
    begun: bool = False
    packed: bytes | None = None
    building: asyncio.Task[None] | None = None

    @property
    def in_the_making(self) -> bool:
        """Whether it may still come. A task that was called off brings none."""
        return self.packed is None and self.building is not None and not self.building.done()


LONGEST_MODEL_WAIT_MS = 10_000
"""What is said in so long a time is much to catch up with: beyond it an utterance is begun without the session's model."""

MODELS_KEPT = 16
"""Session models that no call wants right now and that are kept all the same: the next call is often of the same agent."""


class Topics:
    """Session models by what they were made from, so that calls of the same agent share one."""

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool
        self._known: dict[str, SessionLanguage] = {}
        # One at a time: building takes a recogniser for half a second, and callers come first.
        self._turn = asyncio.Semaphore(1)

    def use(self, hints: Hints) -> SessionLanguage:
        """The model for these hints; begins to build it when nobody has asked before."""
        topic: dict[str, object] = {
            "instructions": hints.instructions,
            "tools": list(hints.tools),
            "keywords": list(hints.keywords),
        }
        name = hashlib.sha256(msgspec.json.encode(topic, order="deterministic")).hexdigest()[:16]
        language = self._known.pop(name, None) or SessionLanguage(name)
        self._known[name] = language
        language.users += 1
        if language.building is None:
            language.building = asyncio.create_task(self._build(language, topic))
        return language

    def leave(self, language: SessionLanguage) -> None:
        """A call needs it no more.

        What is being built is finished: a recogniser cannot be called off in the middle, and most sessions change what they
        are about once, right after they began.
        """
        language.users -= 1
        if language.users == 0 and not language.begun and language.building is not None:
            self._known.pop(language.name, None)
            language.building.cancel()
        self._forget_unused()

    def _forget_unused(self) -> None:
        unused = [known for known in self._known.values() if known.users == 0 and known.packed is not None]
        for language in unused[: max(0, len(unused) - MODELS_KEPT)]:
            del self._known[language.name]

    async def close(self) -> None:
        """Stop building."""
        tasks = [language.building for language in self._known.values() if language.building is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _build(self, language: SessionLanguage, topic: dict[str, object]) -> None:
        """Without it the general model goes on serving, so a failure is told to the operator only."""
        try:
            async with self._turn, await self._pool.acquire(["build", topic], timeout_ms=60_000) as job:
                language.begun = True
                async for packed in job:
                    language.packed = packed
        except EngineError as failed:
            log.warning("no language model for this session: %s", failed.message)
            language.building, language.begun = None, False
            if language.users == 0:
                self._known.pop(language.name, None)


class PocketsphinxListener:
    """One call: its session model, and the cepstral mean of its speaker."""

    def __init__(self, pool: WorkerPool, topics: Topics, settings: PocketsphinxSettings) -> None:
        self.pool = pool
        self.settings = settings
        self.mean: str | None = None
        self.language: SessionLanguage | None = None
        self._before: SessionLanguage | None = None
        self._patient = False
        self._topics = topics
        self._utterances: set[PocketsphinxUtterance] = set()

    def configure(self, hints: Hints) -> None:
        """See `call.ports.Listener`.

        A session that says nothing about itself is heard with the general model.
        """
        self._patient = hints.patient
        before, self.language = self.language, None
        if hints.instructions or hints.tools or hints.keywords:
            self.language = self._topics.use(hints)
        if before is None:
            return
        if self.language is not None and before.packed is not None:
            # A session changes little by little: the model it had serves until there is the new one.
            self._before = before
        self._topics.leave(before)

    def begin(self, on_partial: Callable[[str], None]) -> PocketsphinxUtterance:
        """See `call.ports.Listener`."""
        utterance = PocketsphinxUtterance(self, on_partial)
        self._utterances.add(utterance)
        utterance.gone.add_done_callback(lambda _: self._utterances.discard(utterance))
        return utterance

    async def model_known(self, spoken: asyncio.Future[None]) -> tuple[str, bytes] | None:
        """Name and content of the model to hear with; None for the general one alone. `spoken`: the caller has ended.

        The first words of a call often come before its model is made, and it is in them that names and numbers are said. While
        the caller speaks waiting costs nothing, since decoding is several times faster than speech; from then on somebody waits
        for the answer, and the limit counts.
        """
        loop = asyncio.get_running_loop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_MODEL_WAIT_MS / 1000) as limit:

                def hurry(_: object) -> None:
                    with contextlib.suppress(RuntimeError):  # the waiting is over already
                        limit.reschedule(loop.time() + self.settings.model_wait_ms / 1000)

                if not self._patient:
                    spoken.add_done_callback(hurry)
                # The session may change meanwhile, and then it is the new model that is worth waiting for.
                while (wanted := self.language) is not None and wanted.in_the_making:
                    assert wanted.building is not None
                    await asyncio.wait([wanted.building])
        spoken.remove_done_callback(hurry)
        for language in (self.language, self._before if self.language is not None else None):
            if language is not None and language.packed is not None:
                return language.name, language.packed
        return None

    async def speaker_known(self) -> None:
        """Wait for the mean of an utterance whose words are out already: it follows within milliseconds."""
        settling = [other.gone for other in self._utterances if other.ended.done()]
        if settling:
            await asyncio.wait(settling)

    def close(self) -> None:
        """See `call.ports.Listener`."""
        for utterance in list(self._utterances):
            utterance.cancel()
        self.configure(Hints())


class PocketsphinxUtterance:
    """One stretch of speech. Audio waits here until a recogniser is free."""

    def __init__(self, listener: PocketsphinxListener, on_partial: Callable[[str], None]) -> None:
        self._listener = listener
        self._on_partial = on_partial
        self._job: Job | None = None
        self._waiting: deque[list[object]] = deque()
        self._waiting_ticks = 0
        self._peeks: deque[asyncio.Future[str]] = deque()
        loop = asyncio.get_running_loop()
        self._spoken: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[str] = loop.create_future()
        # Not everyone who feeds an utterance waits for its end: an error that nobody reads must not
        # be reported as lost.
        self.ended.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        self.gone = asyncio.create_task(self._run())

    def feed(self, clip: Clip) -> None:
        """See `call.ports.Utterance`."""
        if self._job is None:
            self._waiting_ticks += clip.ticks
            if self._waiting_ticks > self._listener.settings.backlog_ms * 48:
                self._fail(EngineError(STAGE, "too much audio waits for a recogniser", retryable=True))
                return
        self._say(["audio", clip.rate_hz, clip.pcm])

    async def peek(self) -> str:
        """See `call.ports.Utterance`. Raises EngineError when there is no recogniser."""
        if self.ended.done():
            return await self.ended
        asked: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._peeks.append(asked)
        self._say(["peek"])
        return await asked

    async def finish(self) -> str:
        """See `call.ports.Utterance`."""
        if not self._spoken.done():
            self._spoken.set_result(None)
        if not self.ended.done():
            self._say(["finish"])
        return await asyncio.shield(self.ended)

    def cancel(self) -> None:
        """See `call.ports.Utterance`."""
        if self._job is not None:
            self._job.cancel()
        self.gone.cancel()
        self._answer_peeks(None)
        self.ended.cancel()

    def _say(self, message: list[object]) -> None:
        if self.ended.done():
            return
        if self._job is None:
            self._waiting.append(message)
            return
        try:
            self._job.send(message)
        except EngineError as failed:
            self._fail(failed)

    async def _run(self) -> None:
        try:
            async with await self._check_out() as job:
                self._job = job
                while self._waiting:
                    job.send(self._waiting.popleft())
                async for message in job:
                    self._take(message)
            raise EngineError(STAGE, "the recogniser ended without a result", retryable=True)
        except EngineError as failed:
            self._fail(failed)

    async def _check_out(self) -> Job:
        await self._listener.speaker_known()
        model = await self._listener.model_known(self._spoken)
        if model is None:
            return await self._listener.pool.acquire(["listen", None, self._listener.mean])
        name, packed = model
        job = await self._listener.pool.acquire(["listen", name, self._listener.mean], prefer=[name])
        if name not in job.labels:
            job.send(["model", packed])
        return job

    def _take(self, message: list[str]) -> None:
        match message:
            case ["partial", text]:
                self._on_partial(text)
            case ["peek", text]:
                with contextlib.suppress(IndexError):
                    asked = self._peeks.popleft()
                    if not asked.done():
                        asked.set_result(text)
            case ["mean", mean]:
                self._listener.mean = mean
            case ["final", text]:
                if not self.ended.done():
                    self.ended.set_result(text)
                self._answer_peeks(None)

    def _fail(self, error: EngineError) -> None:
        if not self.ended.done():
            self.ended.set_exception(error)
        self._answer_peeks(error)
        if self._job is not None:
            self._job.cancel()
        elif asyncio.current_task() is not self.gone:
            self.gone.cancel()

    def _answer_peeks(self, error: EngineError | None) -> None:
        while self._peeks:
            asked = self._peeks.popleft()
            if asked.done():
                continue
            if error is not None:
                asked.set_exception(error)
            else:
                asked.cancel()
