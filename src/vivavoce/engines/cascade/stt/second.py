"""A second recogniser: it hears the whole utterance again where the first one fails."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from vivavoce.audio.clip import TICKS_PER_MS, Clip
from vivavoce.call.ports import Hints, Listener, Scored, Timed, Transcriber, Utterance, Warm
from vivavoce.engines.cascade.second_choice import ANSWERED_BY, Preference
from vivavoce.engines.cascade.stt.recording import LONGEST_MS
from vivavoce.protocol.errors import EngineError
from vivavoce.protocol.responses import LogProb


class SecondTranscriber:
    """Two transcribers as one."""

    def __init__(self, first: Transcriber, second: Transcriber) -> None:
        self.name = first.name
        self.languages = first.languages
        self._both = (first, second)
        self._preference = Preference(first.name, second.name)

    async def start(self) -> None:
        """Start both. Raises EngineError."""
        for one in self._both:
            await one.start()

    def open(self) -> SecondListener:
        """A call's own ear."""
        first, second = self._both
        return SecondListener(first.open(), second.open(), self._preference)

    def warm(self) -> None:
        """See `call.ports.Warm`."""
        for one in self._both:
            if isinstance(one, Warm):
                one.warm()

    async def close(self) -> None:
        """Close both."""
        for one in self._both:
            await one.close()


class SecondListener:
    """Both ears of one call."""

    def __init__(self, first: Listener, second: Listener, preference: Preference) -> None:
        self.first = first
        self.second = second
        self.preference = preference

    def configure(self, hints: Hints) -> None:
        """See `call.ports.Listener`."""
        self.first.configure(hints)
        self.second.configure(hints)

    def begin(self, on_partial: Callable[[str], None]) -> SecondUtterance:
        """See `call.ports.Listener`."""
        return SecondUtterance(self, on_partial)

    def close(self) -> None:
        """See `call.ports.Listener`."""
        self.first.close()
        self.second.close()


class SecondUtterance:
    """One stretch of speech, kept until it is understood; of a very long one the end."""

    def __init__(self, listener: SecondListener, on_partial: Callable[[str], None]) -> None:
        self._listener = listener
        self._on_partial = on_partial
        self._heard: deque[Clip] = deque()
        self._heard_ticks = 0
        self._first_hears = listener.preference.first_is_well
        chosen = listener.first if self._first_hears else listener.second
        self._utterance: Utterance = chosen.begin(on_partial)

    def feed(self, clip: Clip) -> None:
        """See `call.ports.Utterance`."""
        if self._first_hears:
            self._keep(clip)
        self._utterance.feed(clip)

    def _keep(self, clip: Clip) -> None:
        self._heard.append(clip)
        self._heard_ticks += clip.ticks
        while self._heard_ticks > LONGEST_MS * TICKS_PER_MS:
            self._heard_ticks -= self._heard.popleft().ticks

    async def peek(self) -> str:
        """See `call.ports.Utterance`. A pause is no reason to change over."""
        return await self._utterance.peek()

    async def finish(self) -> str:
        """See `call.ports.Utterance`."""
        if not self._first_hears:
            ANSWERED_BY.set(self._listener.preference.second)
        try:
            text = await self._utterance.finish()
        except EngineError as error:
            if not self._first_hears:
                raise
            self._listener.preference.failed(error)
        else:
            if self._first_hears:
                self._listener.preference.worked()
            return text
        self._utterance.cancel()
        self._first_hears = False
        ANSWERED_BY.set(self._listener.preference.second)
        self._utterance = self._listener.second.begin(self._on_partial)
        for clip in self._heard:
            self._utterance.feed(clip)
        return await self._utterance.finish()

    @property
    def logprobs(self) -> tuple[LogProb, ...]:
        """See `call.ports.Scored`: those of the one that understood."""
        return self._utterance.logprobs if isinstance(self._utterance, Scored) else ()

    @property
    def read_ms(self) -> int:
        """See `call.ports.Timed`."""
        return self._utterance.read_ms if isinstance(self._utterance, Timed) else 0

    def cancel(self) -> None:
        """See `call.ports.Utterance`."""
        self._utterance.cancel()
