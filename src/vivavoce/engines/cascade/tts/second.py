"""A second voice: it says the clause where the first fails before its first sound."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from vivavoce.call.ports import Speech, Spoken, Synthesizer, Warm
from vivavoce.engines.cascade.second_choice import Preference


class SecondSynthesizer:
    """Two synthesizers as one."""

    exact_marks = False

    def __init__(self, first: Synthesizer, second: Synthesizer) -> None:
        self.name = first.name
        self._first = first
        self._second = second
        self._preference = Preference(first.name, second.name)

    async def start(self) -> None:
        """Start both. Raises EngineError."""
        await self._first.start()
        await self._second.start()

    def speak(self, speech: Speech) -> AsyncGenerator[Spoken, None]:
        """See `call.ports.Synthesizer`."""
        return self._preference.stream(lambda: self._first.speak(speech), lambda: self._second.speak(speech))

    def warm(self) -> None:
        """See `call.ports.Warm`."""
        for one in (self._first, self._second):
            if isinstance(one, Warm):
                one.warm()

    async def close(self) -> None:
        """Close both."""
        await self._first.close()
        await self._second.close()
