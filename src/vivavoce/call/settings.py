"""Settings: one frozen, typed tree. Flags win over `VIVAVOCE_*` variables, those over `vivavoce.toml`, that over the defaults.

Every key has one path in the file (`[llm] url`) and one variable (`VIVAVOCE_LLM__URL`; a single underscore does as well, so
`VIVAVOCE_LLM_URL` and `VIVAVOCE_DATA_DIR` are the usual spellings). A call keeps the snapshot it started with.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from vivavoce.call.mcp_settings import McpSettings
from vivavoce.call.relay_settings import RelaySettings, UpstreamSettings, named, resolved
from vivavoce.call.stage_settings import (
    LlmSettings,
    Milliseconds,
    PriceSettings,
    PromptSettings,
    SttSettings,
    TtsSettings,
    VadSettings,
)
from vivavoce.call.wrong_settings import in_words, perhaps

Port = Annotated[int, Meta(ge=0, le=65535)]
EngineKind = Literal["cascade", "scripted", "relay"]


class SettingsError(Exception):
    """A setting that cannot be; the message names it, its place and what is expected."""


class ServerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the server listens, in how many processes, and how it ends.

    `port` 0 takes a free one. `max_frame_bytes` bounds one WebSocket message. `workers` 0: one process per core. `drain_s`: how long
    running sessions may go on after SIGTERM.
    """

    host: str = "127.0.0.1"
    port: Port = 8000
    max_frame_bytes: Annotated[int, Meta(ge=65_536)] = 21 * 1024 * 1024
    max_unsent_bytes: Annotated[int, Meta(ge=65_536)] = 16 * 1024 * 1024
    workers: Annotated[int, Meta(ge=0, le=256)] = 1
    drain_s: Annotated[float, Meta(ge=0, le=86_400)] = 30.0
    log_level: Literal["debug", "info", "warning", "error"] = "info"


class TlsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """TLS by files (`cert` and `key`, PEM), by a certificate that the server makes and keeps, or not at all."""

    kind: Literal["off", "self-signed"] = "off"
    cert: str = ""
    key: str = ""


class LimitSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much at the same time; 0 is without limit, except for the last two.

    `max_requests`: POST requests under /v1 that are being worked on. `max_waiting`: connections that have not said yet what
    they want, shared out among the processes; `handshake_s`: for how long they may. `requests_per_minute`, `tokens_per_minute`: responses of a key's
    sessions and their tokens. All of them count in all processes together.
    """

    max_sessions: Annotated[int, Meta(ge=0)] = 0
    max_sessions_per_key: Annotated[int, Meta(ge=0)] = 0
    max_requests: Annotated[int, Meta(ge=0)] = 64
    max_requests_per_key: Annotated[int, Meta(ge=0)] = 0
    max_waiting: Annotated[int, Meta(ge=1)] = 512
    handshake_s: Annotated[float, Meta(gt=0, le=600)] = 10.0
    requests_per_minute: Annotated[int, Meta(ge=0)] = 0
    tokens_per_minute: Annotated[int, Meta(ge=0)] = 0


class EngineSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What answers: the cascade (VAD, STT, LLM, TTS), another Realtime API (`[upstream]`), or the scripted engine."""

    kind: EngineKind = "cascade"


class SessionSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Defaults of every session (see session/options.py for what each means)."""

    silence_duration_ms: Milliseconds = 500
    soft_pause_ms: Milliseconds = 200
    output_lead_ms: Milliseconds = 3000
    max_duration_s: Annotated[int, Meta(ge=1, le=86_400)] = 3600
    item_audio_s: Annotated[int, Meta(ge=1, le=3600)] = 60
    call_audio_bytes: Annotated[int, Meta(ge=0)] = 16_000_000
    retrieved_audio_bytes: Annotated[int, Meta(ge=0)] = 512_000
    call_image_bytes: Annotated[int, Meta(ge=0)] = 64_000_000
    keep_response_create: bool = True
    refuse_unknown_fields: bool = False
    instructions: str = "You are a helpful voice assistant. Keep your answers short."


class AuthSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """API keys a client may present, besides those of `vivavoce keys`. None at all means: loopback only, any bearer.

    `origins`: pages that may come with such a key, such as https://app.example; those of this server itself always may.
    """

    keys: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()


class ScriptedEngineSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The scripted engine: a script file, a constant transcript, each stage's delay, whether it runs Silero on the input."""

    script: str = ""
    transcript: str = "hello there"
    answer: str = ""
    stt_delay_ms: Milliseconds = 0
    llm_delay_ms: Milliseconds = 0
    tts_delay_ms: Milliseconds = 0
    vad: Literal["energy", "silero"] = "energy"
    speaks: bool = False


class RestSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Requests that are no call: how many are worked on at once in all processes (others wait), and what is remembered of responses, in memory.

    hear_again: a recording whose transcript comes back as a message is heard anew with that request's instructions and tools.
    """

    at_once: Annotated[int, Meta(ge=1, le=1000)] = 8
    kept_responses: Annotated[int, Meta(ge=0)] = 1000
    kept_bytes: Annotated[int, Meta(ge=0)] = 32_000_000
    hear_again: bool = True


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole tree."""

    server: ServerSettings = ServerSettings()
    tls: TlsSettings = TlsSettings()
    limits: LimitSettings = LimitSettings()
    engine: EngineSettings = EngineSettings()
    session: SessionSettings = SessionSettings()
    auth: AuthSettings = AuthSettings()
    vad: VadSettings = VadSettings()
    stt: SttSettings = SttSettings()
    llm: LlmSettings = LlmSettings()
    tts: TtsSettings = TtsSettings()
    prompt: PromptSettings = PromptSettings()
    prices: PriceSettings = PriceSettings()
    rest: RestSettings = RestSettings()
    scripted: ScriptedEngineSettings = ScriptedEngineSettings()
    mcp: McpSettings = McpSettings()
    upstream: UpstreamSettings = UpstreamSettings()
    relay: RelaySettings = RelaySettings()
    data_dir: str = "~/.local/share/vivavoce"

    @property
    def data_path(self) -> Path:
        """The data folder from / on, `~` expanded: what is shown of it can be pasted in any other folder."""
        return Path(self.data_dir).expanduser().absolute()


PREFIX = "VIVAVOCE_"
FILE = "vivavoce.toml"
ELSEWHERE = {"VIVAVOCE_MODELS_DIR", "VIVAVOCE_DEPS_DIR"}
"""Variables that start with our prefix and are read by somebody else (set-up)."""
FLAGS = {
    "engine.kind": "--engine",
    "llm.url": "--llm-url",
    "llm.model": "--llm-model",
    "tls.kind": "--tls",
    "tls.cert": "--tls-cert",
    "tls.key": "--tls-key",
}
"""Flags that are not called like the key that they set."""


def load_settings(
    flags: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] = os.environ,
    path: Path | None = None,
) -> Settings:
    """Read the file (by default `vivavoce.toml` in the working folder, if there), the variables and the flags.

    `flags` maps paths such as "server.port" to values; None values are flags that were not given. Raises SettingsError.
    """
    tree: dict[str, Any] = _read_file(path)
    file = str(path or FILE)
    origins: dict[tuple[str, ...], str] = {(): file} if tree else {}

    def put(where: tuple[str, ...], value: Any, origin: str) -> None:
        _put(tree, where, value, file)
        origins[where] = origin

    for name, value in sorted(environ.items()):
        if name.startswith(PREFIX) and not name.startswith("VIVAVOCE_SETUP_") and name not in ELSEWHERE:
            put(_path_of(name), value, name)
    for key, value in (flags or {}).items():
        if value is not None:
            put(
                tuple(key.split(".")),
                value,
                FLAGS.get(key) or f"--{key.rpartition('.')[2]}".replace("_", "-"),
            )
    try:
        settings = msgspec.convert(tree, Settings, strict=False)
    except msgspec.ValidationError as error:
        known = [".".join(path) for path in _paths()]
        raise SettingsError(in_words(error, Settings, origins, known)) from None
    try:
        settings.data_path.is_absolute()
    except RuntimeError:
        where = origins.get(("data_dir",), "data_dir")
        raise SettingsError(
            f"{where}: {settings.data_dir} is in the home of nobody known here; name a folder from / on"
        ) from None
    if settings.engine.kind != "relay":
        return settings
    # Only now, and never otherwise, does a variable of somebody else's count.
    return msgspec.structs.replace(
        settings, upstream=resolved(settings.upstream, environ), relay=named(settings.relay)
    )


def variables() -> dict[str, str]:
    """Every variable and the path it sets."""
    return {_variable(path): ".".join(path) for path in _paths()}


def _read_file(path: Path | None) -> dict[str, Any]:
    chosen = path or Path(FILE)
    if path is None and not chosen.is_file():
        return {}
    try:
        return tomllib.loads(chosen.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"{chosen}: {error.strerror}") from None
    except ValueError as error:  # not UTF-8, not TOML
        raise SettingsError(f"{chosen}: {error}") from None


def _paths() -> list[tuple[str, ...]]:
    paths: list[tuple[str, ...]] = []
    for field in msgspec.structs.fields(Settings):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            inner = msgspec.structs.fields(field.type)
            # A table of named things has its place in the file alone.
            paths += [(field.name, one.name) for one in inner if not str(one.type).startswith("dict[")]
        else:
            paths.append((field.name,))
    return paths


def _variable(path: tuple[str, ...]) -> str:
    return PREFIX + "__".join(path).upper()


def _path_of(name: str) -> tuple[str, ...]:
    for path in _paths():
        if name in (_variable(path), PREFIX + "_".join(path).upper()):
            return path
    if name == "VIVAVOCE_API_KEYS":
        return ("auth", "keys")
    known = [PREFIX + "_".join(path).upper() for path in _paths()]
    raise SettingsError(f"{name}: there is no such setting{perhaps(name.replace('__', '_'), known)}")


def _put(tree: dict[str, Any], path: tuple[str, ...], value: Any, file: str) -> None:
    branch = tree
    for name in path[:-1]:
        branch = branch.setdefault(name, {})
        if not isinstance(branch, dict):
            raise SettingsError(f"{file}: {name}: expected a section, as [{name}]")
    if path[-1] in ("keys", "keywords", "allow", "origins", "rules"):
        value = (
            [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        )
    branch[path[-1]] = value
