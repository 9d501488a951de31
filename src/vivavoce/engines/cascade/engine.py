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
    Warm,
)
from vivavoce.call.settings import Settings, SettingsError
from vivavoce.call.stage_settings import BUILT_IN, SttSettings, TtsSettings, VadSettings
from vivavoce.engines.cascade.addresses import same_address
from vivavoce.engines.cascade.call import CascadeCall
from vivavoce.engines.cascade.end_of_turn import SyntaxEndOfTurn
from vivavoce.engines.cascade.seeing import sees_images
from vivavoce.engines.cascade.steady import SteadyModel
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
        for stage in (self._stages.stt, self._stages.llm, self._stages.tts):
            if isinstance(stage, Warm):
                stage.warm()
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
        return _brain()
    model = _chat_model(settings, "llm.url", given.url, given.model, given.key)
    second: LanguageModel | None = None
    if given.second_url == BUILT_IN:
        second = _brain()
    elif given.second_url:
        second = _chat_model(
            settings, "llm.second_url", given.second_url, given.second_model, given.second_key
        )
    return SteadyModel(model, second)


def _brain() -> LanguageModel:
    from vivavoce.engines.cascade.brain import Brain

    return Brain()


def _chat_model(settings: Settings, place: str, url: str, model: str, key: str) -> LanguageModel:
    from vivavoce.engines.cascade.chat import ChatModel

    given = settings.llm
    check_address(settings, place, url)
    if not model:
        wanted = place.replace("url", "model")
        variable = "VIVAVOCE_" + wanted.replace(".", "_").upper()
        raise SettingsError(f"{place} is set but {wanted} is not: {variable}=<name of the model there>")
    try:
        return ChatModel(
            url,
            model,
            key or None,
            first_token_s=given.first_token_ms / 1000,
            between_tokens_s=given.next_token_ms / 1000,
            sees_images=sees_images(given.sees_images, model),
        )
    except EngineError as error:
        raise SettingsError(f"{place}: {error.message}") from error


def check_address(settings: Settings, place: str, url: str) -> None:
    """Raises SettingsError where an endpoint is this server itself."""
    if same_address(url, settings.server.host, settings.server.port):
        raise SettingsError(
            f"{place} {url} is this server itself; it would answer its own questions for ever"
        )
