"""From settings to the stages of the cascade: each built in or behind an endpoint, with a second choice where one is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from vivavoce.call.ports import (
    LanguageModel,
    Stages,
    Synthesizer,
    Transcriber,
    VoiceActivity,
    VoiceActivityModel,
)
from vivavoce.call.settings import Settings, SettingsError
from vivavoce.call.stage_settings import BUILT_IN, LlmSettings, SttSettings, TtsSettings, VadSettings
from vivavoce.engines.addresses import same_address
from vivavoce.engines.cascade.end_of_turn import SyntaxEndOfTurn
from vivavoce.engines.cascade.prompting import SpeakingRules
from vivavoce.engines.cascade.seeing import sees_images
from vivavoce.engines.cascade.steady import SteadyModel
from vivavoce.engines.vad import EnergyVoiceActivity, SileroModel
from vivavoce.protocol.errors import EngineError

if TYPE_CHECKING:
    from vivavoce.engines.cascade.stt import PocketsphinxSettings
    from vivavoce.engines.cascade.tts import SynthesizerSettings

Made = TypeVar("Made")


class EnergyModel:
    """The floor that needs no model file."""

    name = "energy"

    def open(self) -> VoiceActivity:
        """Join a call."""
        return EnergyVoiceActivity()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a stage is, as the settings say. `place`: the setting that holds the address, for what is wrong with it."""

    place: str
    url: str
    model: str
    key: str | None


def choose_stages(settings: Settings) -> Stages:
    """The stages that the settings describe. Raises SettingsError."""
    # What a caller speaks where nobody says: the built-in recogniser knows English alone, others find out.
    language = settings.stt.language or ("" if settings.stt.url else "en")
    return Stages(
        vad=_voice_activity(settings.vad),
        stt=_transcriber(settings),
        llm=_language_model(settings),
        tts=_synthesizer(settings),
        keywords=settings.stt.keywords,
        end_of_turn=SyntaxEndOfTurn(),
        language=language,
        # The brain reads instructions as rules of its own, and these are written for models.
        instruct=speaking_rules(settings).instruct if settings.llm.url else None,
    )


def speaking_rules(settings: Settings) -> SpeakingRules:
    """What the settings say about being a voice. Raises SettingsError."""
    try:
        return SpeakingRules(settings.prompt.rules, settings.prompt.texts, settings.llm.language)
    except ValueError as error:
        raise SettingsError(f"prompt.rules: {error}") from error


def _made(settings: Settings, stage: str, given: object, make: Callable[[Endpoint], Made]) -> list[Made]:
    """The first choice of a stage and, where there is one, the second. Raises SettingsError."""
    made = []
    for endpoint in _endpoints(settings, stage, given):
        try:
            made.append(make(endpoint))
        except EngineError as error:
            if not endpoint.url:
                raise
            raise SettingsError(f"{endpoint.place}: {error.message}") from error
    return made


def _endpoints(settings: Settings, stage: str, given: object) -> list[Endpoint]:
    """The first and, where there is one, the second; an empty address is the built-in stage. Raises SettingsError."""
    found = []
    for which in ("", "second_"):
        url, model, key = (str(getattr(given, f"{which}{name}")) for name in ("url", "model", "key"))
        place = f"{stage}.{which}url"
        if url == BUILT_IN:
            url = ""
        elif not url and which:
            continue
        if url:
            _check(settings, place, url, model)
        found.append(Endpoint(place, url, model, key or None))
    if not found[0].url:
        return found[:1]  # What is built in has no need of a second.
    return found


def _check(settings: Settings, place: str, url: str, model: str) -> None:
    if same_address(url, settings.server.host, settings.server.port):
        raise SettingsError(
            f"{place} {url} is this server itself; it would answer its own questions for ever"
        )
    if not model:
        wanted = place.replace("url", "model")
        variable = "VIVAVOCE_" + wanted.replace(".", "_").upper()
        raise SettingsError(f"{place} is set but {wanted} is not: {variable}=<name of the model there>")


# --- hearing --------------------------------------------------------------------------------------------------------------


def _voice_activity(given: VadSettings) -> VoiceActivityModel:
    if given.kind == "energy":
        return EnergyModel()
    try:
        return SileroModel()
    except EngineError as error:
        raise SettingsError(
            f"{error.message} Or choose VIVAVOCE_VAD_KIND=energy, which needs no model."
        ) from error


def _transcriber(settings: Settings) -> Transcriber:
    first, *second = _made(settings, "stt", settings.stt, partial(_one_transcriber, settings.stt))
    if not second:
        return first
    from vivavoce.engines.cascade.stt.second import SecondTranscriber

    return SecondTranscriber(first, *second)


def _one_transcriber(given: SttSettings, endpoint: Endpoint) -> Transcriber:
    if not endpoint.url:
        from vivavoce.engines.cascade.stt import PocketsphinxTranscriber

        return PocketsphinxTranscriber(_recognisers(given))
    from vivavoce.engines.cascade.stt.remote import RemoteSttSettings, RemoteTranscriber
    from vivavoce.engines.cascade.stt.socket import SocketTranscriber

    settings = RemoteSttSettings(
        endpoint.url, endpoint.model, endpoint.key, given.language, given.hints, given.timeout_ms / 1000
    )
    kind = SocketTranscriber if endpoint.url.startswith(("ws://", "wss://")) else RemoteTranscriber
    return kind(settings)


def _recognisers(given: SttSettings) -> PocketsphinxSettings:
    from vivavoce.engines.cascade.stt import PocketsphinxSettings

    if given.workers:
        return PocketsphinxSettings(workers=given.workers, wait_ms=given.wait_ms)
    return PocketsphinxSettings(wait_ms=given.wait_ms)


# --- thinking -------------------------------------------------------------------------------------------------------------


def _language_model(settings: Settings) -> LanguageModel:
    models = _made(settings, "llm", settings.llm, partial(_one_model, settings.llm))
    return SteadyModel(*models) if settings.llm.url not in ("", BUILT_IN) else models[0]


def _one_model(given: LlmSettings, endpoint: Endpoint) -> LanguageModel:
    if not endpoint.url:
        from vivavoce.engines.cascade.brain import Brain

        return Brain()
    from vivavoce.engines.cascade.chat import ChatModel

    return ChatModel(
        endpoint.url,
        endpoint.model,
        endpoint.key,
        first_token_s=given.first_token_ms / 1000,
        between_tokens_s=given.next_token_ms / 1000,
        sees_images=sees_images(given.sees_images, endpoint.model),
    )


# --- speaking -------------------------------------------------------------------------------------------------------------


def _synthesizer(settings: Settings) -> Synthesizer:
    first, *second = _made(settings, "tts", settings.tts, partial(_one_synthesizer, settings.tts))
    if not second:
        return first
    from vivavoce.engines.cascade.tts.second import SecondSynthesizer

    return SecondSynthesizer(first, *second)


def _one_synthesizer(given: TtsSettings, endpoint: Endpoint) -> Synthesizer:
    if not endpoint.url:
        from vivavoce.engines.cascade.tts import open_synthesizer

        return open_synthesizer(_voices(given))
    from vivavoce.engines.cascade.tts.remote import RemoteSynthesizer, RemoteTtsSettings

    settings = RemoteTtsSettings(
        endpoint.url,
        endpoint.model,
        endpoint.key,
        given.voice,
        given.voices,
        given.language,
        given.rate_hz,
        given.first_audio_ms / 1000,
        given.next_audio_ms / 1000,
    )
    return RemoteSynthesizer(settings)


def _voices(given: TtsSettings) -> SynthesizerSettings:
    from vivavoce.engines.cascade.tts import SynthesizerSettings

    if given.workers:
        return SynthesizerSettings(engine=given.kind, workers=given.workers)
    return SynthesizerSettings(engine=given.kind)
