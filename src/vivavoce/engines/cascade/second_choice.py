"""A second choice for a stage: asked when the first fails before it gave anything, and for a while after that straight away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from contextvars import ContextVar
from typing import TypeVar

from vivavoce.protocol.errors import EngineError

log = logging.getLogger("vivavoce.cascade")

RETRY_S = 30.0
"""So long a stage that failed is left alone, before somebody's turn tries it again."""

ANSWERED_BY: ContextVar[str] = ContextVar("answered_by", default="")
"""What a task's second choice is called, once it was asked: whoever counts what a stage used would count it for the first otherwise."""

Given = TypeVar("Given")


class Preference:
    """Which of two to ask. `first`, `second`: what they are called in the log."""

    def __init__(self, first: str, second: str) -> None:
        self.first = first
        self.second = second
        self._failed_at: float | None = None

    @property
    def first_is_well(self) -> bool:
        """The first is asked first."""
        return self._failed_at is None or self._now() - self._failed_at >= RETRY_S

    def failed(self, error: EngineError) -> None:
        """The first has failed."""
        log.warning("%s; %s answers for the next %d s", error.message, self.second, RETRY_S)
        self._failed_at = self._now()

    def worked(self) -> None:
        """The first has given something."""
        if self._failed_at is not None:
            log.warning("%s answers again", self.first)
            self._failed_at = None

    async def stream(
        self,
        first: Callable[[], AsyncGenerator[Given, None]],
        second: Callable[[], AsyncGenerator[Given, None]],
    ) -> AsyncGenerator[Given, None]:
        """What the first gives, or the second where the first fails before it gave anything. Raises EngineError."""
        if self.first_is_well:
            begun = False
            try:
                async with aclosing(first()) as given:
                    async for one in given:
                        if not begun:
                            begun = True
                            self.worked()
                        yield one
                return
            except EngineError as error:
                self.failed(error)
                if begun:
                    raise
        ANSWERED_BY.set(self.second)
        async with aclosing(second()) as given:
            async for one in given:
                yield one

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
