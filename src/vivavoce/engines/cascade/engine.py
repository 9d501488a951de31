"""The cascade: voice activity, speech to text, a language model with tools, text to speech; each behind its interface."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from vivavoce.call.ports import (
    Capabilities,
    EngineCall,
    EngineNames,
    LanguageModel,
    Stages,
    VoiceActivity,
    VoiceActivityModel,
)
from vivavoce.call.settings import Settings, SettingsError, SttSettings, TtsSettings, VadSettings
from vivavoce.engines.cascade.call import CascadeCall
from vivavoce.engines.cascade.end_of_turn import SyntaxEndOfTurn
from vivavoce.engines.cascade.seeing import sees_images
from vivavoce.engines.vad import EnergyVoiceActivity, SileroModel
from vivavoce.protocol.errors import EngineError
from vivavoce.session.signals import Signal

if TYPE_CHECKING:
    from vivavoce.engines.cascade.stt import PocketsphinxSettings
    from vivavoce.engines.cascade.tts import SynthesizerSettings

log = logging.getLogger("vivavoce.cascade")


class EnergyModel:
    """The floor that needs no model file."""

    name = "energy"

    def open(self) -> VoiceActivity:
        """Join a call."""
        return EnergyVoiceActivity()


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
        self.names = replace(self.names, tts=self._stages.tts.name, stt=self._stages.stt.name)

    def open(self, call_id: str, emit: Callable[[Signal], None]) -> EngineCall:
        """Join a call."""
        stages = self._stages
        return CascadeCall(stages, emit)

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
    from vivavoce.engines.cascade.stt import PocketsphinxTranscriber
    from vivavoce.engines.cascade.tts import open_synthesizer

    return CascadeEngine(
        Stages(
            vad=_voice_activity(settings.vad),
            stt=PocketsphinxTranscriber(_recognisers(settings.stt)),
            llm=_language_model(settings),
            tts=open_synthesizer(_voices(settings.tts)),
            keywords=settings.stt.keywords,
            end_of_turn=SyntaxEndOfTurn(),
        )
    )


def _voice_activity(given: VadSettings) -> VoiceActivityModel:
    if given.kind == "energy":
        return EnergyModel()
    try:
        return SileroModel()
    except EngineError as error:
        raise SettingsError(
            f"{error.message} Or choose VIVAVOCE_VAD_KIND=energy, which needs no model."
        ) from error


def _recognisers(given: SttSettings) -> PocketsphinxSettings:
    from vivavoce.engines.cascade.stt import PocketsphinxSettings

    if given.workers:
        return PocketsphinxSettings(workers=given.workers, wait_ms=given.wait_ms)
    return PocketsphinxSettings(wait_ms=given.wait_ms)


def _voices(given: TtsSettings) -> SynthesizerSettings:
    from vivavoce.engines.cascade.tts import SynthesizerSettings

    if given.workers:
        return SynthesizerSettings(engine=given.kind, workers=given.workers)
    return SynthesizerSettings(engine=given.kind)


def _language_model(settings: Settings) -> LanguageModel:
    given = settings.llm
    if not given.url:
        from vivavoce.engines.cascade.brain import Brain

        return Brain()
    from vivavoce.engines.cascade.chat import ChatModel, same_address

    if same_address(given.url, settings.server.host, settings.server.port):
        raise SettingsError(
            f"llm.url {given.url} is this server itself; it would answer its own questions for ever"
        )
    if not given.model:
        raise SettingsError(
            "llm.url is set but llm.model is not: VIVAVOCE_LLM_MODEL=<name of the model there>"
        )
    try:
        return ChatModel(
            given.url,
            given.model,
            given.key or None,
            first_token_s=given.first_token_ms / 1000,
            between_tokens_s=given.next_token_ms / 1000,
            sees_images=sees_images(given.sees_images, given.model),
        )
    except EngineError as error:
        raise SettingsError(f"llm.url: {error.message}") from error
