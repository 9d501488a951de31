"""What answers: the engine, and the stages that are built in."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import msgspec

from vivavoce.call.settings import Settings, SettingsError
from vivavoce.call.stage_settings import BUILT_IN, SttSettings, TtsSettings, VadSettings
from vivavoce.server.checks.endpoints import asked_of
from vivavoce.server.checks.finding import Finding


def engine(settings: Settings) -> Iterator[Finding]:
    """What answers, as far as the settings alone can tell."""
    from vivavoce.server.engines import make_engine

    if any(asked.url and not asked.model for asked in asked_of(settings)):
        return  # said below, with what to set
    kind = settings.engine.kind
    try:
        # Whether the voice activity model is there is a question of its own.
        make_engine(msgspec.structs.replace(settings, vad=VadSettings("energy")))
    except SettingsError as error:
        fix = (
            "--script FILE, as docs/scripted.md describes it"
            if kind == "scripted"
            else "see docs/settings.md"
        )
        yield Finding("engine", "failed", str(error), fix)
        return
    yield Finding("engine", "ok", kind)


def voice_activity(settings: Settings) -> Iterator[Finding]:
    """The model that hears whether somebody speaks: loaded and asked once."""
    if settings.engine.kind != "cascade":
        return
    if settings.vad.kind == "energy":
        yield Finding("voice activity", "ok", "energy, which needs no model")
        return
    from vivavoce.engines.model_files import VOICE_ACTIVITY_MODEL, find_model
    from vivavoce.engines.vad import SileroModel
    from vivavoce.protocol.errors import EngineError

    try:
        SileroModel()
    except EngineError as error:
        yield Finding(
            "voice activity", "failed", error.message, "or VIVAVOCE_VAD_KIND=energy, which needs no model"
        )
        return
    yield Finding("voice activity", "ok", f"Silero, {find_model(VOICE_ACTIVITY_MODEL)}")


def _elsewhere(stage: SttSettings | TtsSettings) -> bool:
    """Whether an endpoint does it, and the built-in stage is not even its second choice."""
    return bool(stage.url) and stage.second_url != BUILT_IN


def speech_to_text(settings: Settings) -> Iterator[Finding]:
    """The recogniser's package and its models; it is loaded in a process of its own when the server starts."""
    if settings.engine.kind != "cascade" or _elsewhere(settings.stt):
        return
    found = importlib.util.find_spec("pocketsphinx")
    folder = Path(found.origin).parent / "model" / "en-us" if found and found.origin else None
    names = ("en-us", "cmudict-en-us.dict", "en-us.lm.bin")
    missing = [name for name in names if folder is not None and not (folder / name).exists()]
    if folder is None:
        yield Finding("speech to text", "failed", "pocketsphinx is not installed", "pip install pocketsphinx")
    elif missing:
        said = f"{folder} lacks {', '.join(missing)}"
        yield Finding("speech to text", "failed", said, "pip install --force-reinstall pocketsphinx")
    else:
        yield Finding("speech to text", "ok", "pocketsphinx with its English models")


def text_to_speech(settings: Settings) -> Iterator[Finding]:
    """Voices."""
    if settings.engine.kind != "cascade" or _elsewhere(settings.tts):
        return
    from vivavoce.engines.cascade.native_libraries import find_flite

    kind = settings.tts.kind
    flite = find_flite()
    espeak = importlib.util.find_spec("espeakng_loader") is not None
    install = "apt install libflite1 (Debian, Ubuntu), or `make libraries` in a checkout"
    if kind in ("auto", "flite") and flite is not None:
        yield Finding(
            "text to speech", "ok", f"flite ({', '.join(sorted(flite.voices))}), {flite.core.parent}"
        )
    elif kind == "flite":
        yield Finding(
            "text to speech", "failed", "flite is not installed", f"{install}; or VIVAVOCE_TTS_KIND=auto"
        )
    elif not espeak:
        yield Finding("text to speech", "failed", "neither flite nor espeak-ng is there", install)
    elif kind == "auto":
        said = "espeak-ng: understood, but plain; flite is not installed"
        yield Finding("text to speech", "warning", said, install)
    else:
        yield Finding("text to speech", "ok", "espeak-ng")
