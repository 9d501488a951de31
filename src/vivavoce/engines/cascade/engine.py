"""The cascade: voice activity, speech to text, a language model with tools, text to speech; each behind its interface."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

from vivavoce.call.ports import Capabilities, EngineCall, EngineNames, Stages, Warm
from vivavoce.call.settings import Settings
from vivavoce.engines.cascade.call import CascadeCall
from vivavoce.session.signals import Signal

log = logging.getLogger("vivavoce.cascade")


class CascadeEngine:
    """Answers calls through its stages; models and workers are shared by all of them."""

    def __init__(self, stages: Stages) -> None:
        self._stages = stages
        self.capabilities = Capabilities(prepares=True, judges_turns=stages.end_of_turn is not None)
        self.names = EngineNames(
            engine="cascade",
            vad=stages.vad.name,
            stt=stages.stt.name,
            llm=stages.llm.name,
            tts=stages.tts.name,
        )

    async def start(self) -> None:
        """Start recogniser and voices side by side; both must be there before a call can be served."""
        async with asyncio.TaskGroup() as starting:
            starting.create_task(self._stages.stt.start())
            starting.create_task(self._stages.tts.start())
        for stage in (self._stages.stt, self._stages.llm, self._stages.tts):
            if isinstance(stage, Warm):
                stage.warm()
        self.names = replace(self.names, tts=self._stages.tts.name, stt=self._stages.stt.name)

    def open(self, call_id: str, emit: Callable[[Signal], None]) -> EngineCall:
        """Join a call."""
        return CascadeCall(self._stages, emit)

    def stages(self) -> Stages:
        """The stages by themselves."""
        return self._stages

    async def close(self) -> None:
        """End the workers, close connections."""
        stages = self._stages
        for stage in (stages.stt, stages.llm, stages.tts):
            try:
                await stage.close()
            except Exception:
                log.exception("closing %s failed", stage.name)


def make_cascade(settings: Settings) -> CascadeEngine:
    """The cascade that the settings describe. Raises SettingsError."""
    from vivavoce.engines.cascade.choice import choose_stages

    return CascadeEngine(choose_stages(settings))
