"""From settings to the engine that answers."""

from __future__ import annotations

from pathlib import Path

from vivavoce.call.ports import Engine
from vivavoce.call.settings import ScriptedEngineSettings, SessionSettings, Settings, SettingsError


def make_engine(settings: Settings) -> Engine:
    """The engine the settings ask for, not started yet. Raises SettingsError."""
    if settings.engine.kind == "scripted":
        return _scripted(settings.scripted)
    if settings.engine.kind == "relay":
        return _relay(settings)
    return _cascade(settings)


def _cascade(settings: Settings) -> Engine:
    from vivavoce.engines.cascade.engine import make_cascade

    return make_cascade(settings)


def _relay(settings: Settings) -> Engine:
    from vivavoce.engines.addresses import same_address
    from vivavoce.engines.relay.engine import RelayEngine

    if same_address(settings.upstream.url, settings.server.host, settings.server.port):
        raise SettingsError("upstream.url is this server itself; each call would make another one, for ever")
    # What was not set is the upstream's to choose.
    said = settings.session.instructions
    stated = {"instructions": said} if said != SessionSettings().instructions else {}
    stand_in = _cascade(settings) if settings.relay.failover == "cascade" else None
    return RelayEngine(settings.upstream, settings.relay, stated, stand_in)


def _scripted(given: ScriptedEngineSettings) -> Engine:
    from vivavoce.engines.scripted.engine import ScriptedEngine, ScriptedSettings
    from vivavoce.engines.scripted.script import Script, Step, read_script

    try:
        script = read_script(Path(given.script)) if given.script else Script()
    except ValueError as error:
        raise SettingsError(str(error)) from error
    if given.answer:
        script = Script(Step(given.answer), script.rules)
    settings = ScriptedSettings(
        transcript=given.transcript,
        script=script,
        stt_delay_ms=given.stt_delay_ms,
        llm_delay_ms=given.llm_delay_ms,
        tts_delay_ms=given.tts_delay_ms,
        speaks=given.speaks,
        voice_activity=given.vad,
    )
    return ScriptedEngine(settings)
