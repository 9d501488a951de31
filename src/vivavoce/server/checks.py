"""What `vivavoce doctor` looks at: each check says what it found and, where something is wrong, what to do about it.

Nothing is changed, nothing is sent but a question for the list of models to the configured endpoint, and no key is shown.
"""

from __future__ import annotations

import errno
import importlib.util
import os
import re
import resource
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from vivavoce.call.settings import Settings, SettingsError
from vivavoce.call.stage_settings import BUILT_IN, SttSettings, TtsSettings, VadSettings
from vivavoce.server.keeping import nearest_existing, try_writing

State = Literal["ok", "warning", "failed"]
LLM_TIMEOUT_S = 5.0
LEAST_FREE_MB = 200
SHORT_KEY = 20
"""Characters below which a key may be guessed."""
_SPARE_DESCRIPTORS = 256


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found. `fix` is empty where nothing has to be done.

    failed: the server does not start, or no call works. warning: something is missing that not everybody needs.
    """

    name: str
    state: State
    found: str
    fix: str = ""


Check = Callable[[Settings], Iterator[Finding]]


def look(settings: Settings) -> Iterator[Finding]:
    """Every finding, in the order of a start."""
    for check in CHECKS:
        try:
            yield from check(settings)
        except Exception as broken:  # One check that breaks must not hide what the others find.
            name = check.__name__.replace("_", " ")
            yield Finding(name, "failed", f"{type(broken).__name__}: {broken}", "please report this")


def python(_: Settings) -> Iterator[Finding]:
    """The interpreter."""
    version = "{}.{}.{}".format(*sys.version_info[:3])
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        yield Finding("python", "ok", version)
    else:
        yield Finding("python", "warning", version, "use 3.11 to 3.13, for which all packages are published")


def data_folder(settings: Settings) -> Iterator[Finding]:
    """Whether data can be kept. Calls need none of it, so a server without a folder starts and answers."""
    folder = settings.data_path
    fix = "name a folder that can be written: --data-dir or VIVAVOCE_DATA_DIR"
    try:
        existing = nearest_existing(folder)
        try_writing(existing)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            fix = f"make room on that disk, or {fix}"
        said = f"{folder}: {error.strerror}; no API keys and no client secrets can be kept"
        yield Finding("data folder", "warning", said, fix)
        return
    free_mb = shutil.disk_usage(existing).free // 1_000_000
    made = "" if existing == folder else ", made at the first start"
    if free_mb < LEAST_FREE_MB:
        yield Finding("data folder", "warning", f"{folder}: {free_mb} MB are free", "make room on that disk")
    else:
        yield Finding("data folder", "ok", f"{folder}, {free_mb:,} MB free{made}")


def port(settings: Settings) -> Iterator[Finding]:
    """Whether the server could listen."""
    host, number = settings.server.host, settings.server.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, number))
        except OSError as error:
            yield _no_port(settings, error)
            return
    yield Finding("port", "ok", f"{number} on {host} is free")


def _no_port(settings: Settings, error: OSError) -> Finding:
    host, number = settings.server.host, settings.server.port
    if error.errno == errno.EADDRINUSE:
        answers = _who_answers(settings)
        if answers:
            return Finding("port", "ok", f"{number} on {host}: a vivavoce answers there, {answers}")
        return Finding("port", "failed", f"{number} on {host} is in use", "choose another: --port NUMBER")
    if error.errno == errno.EACCES:
        return Finding(
            "port",
            "failed",
            f"{number} on {host} is not for every user",
            "choose one above 1023: --port NUMBER",
        )
    return Finding(
        "port", "failed", f"{host}: {error.strerror or error}", "name an address of this machine: --host"
    )


def _who_answers(settings: Settings) -> str:
    """What a vivavoce on that port says of itself; empty where it is something else."""
    import httpx

    from vivavoce.server import tls

    scheme = "https" if tls.wanted(settings) else "http"
    host = "127.0.0.1" if settings.server.host in ("0.0.0.0", "::") else settings.server.host
    host = f"[{host}]" if ":" in host else host
    try:
        # Only asked who it is, and only on this machine: nothing depends on the certificate.
        answer = httpx.get(
            f"{scheme}://{host}:{settings.server.port}/readyz", timeout=2, trust_env=False, verify=False
        )
        status = answer.json()["status"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return ""
    return str(status) if status in ("starting", "ready", "failed", "draining") else ""


def keys(settings: Settings) -> Iterator[Finding]:
    """Whether those who shall come in can, and others cannot."""
    from vivavoce.server.auth import has_keys, is_loopback
    from vivavoce.server.keys import FILE, KeysError

    path = settings.data_path / FILE
    try:
        keyed = has_keys(settings)
    except KeysError as error:
        yield Finding(
            "keys",
            "failed",
            str(error),
            f"let {path} be read by whoever serves; a broken one has to go, `vivavoce keys create` makes a new one",
        )
        return
    local = is_loopback(settings.server.host)
    short = sum(len(key) < SHORT_KEY for key in settings.auth.keys)
    if not keyed and not local:
        said = f"none, and {settings.server.host} can be reached from elsewhere: the server does not start"
        yield Finding("keys", "failed", said, "make one: vivavoce keys create")
    elif short:
        said = f"{short} in the settings with fewer than {SHORT_KEY} characters"
        yield Finding("keys", "warning", said, "make long ones: vivavoce keys create")
    elif path.exists() and path.stat().st_mode & 0o077:
        yield Finding("keys", "warning", f"{path} can be read by others", f"chmod 600 {path}")
    else:
        yield Finding("keys", "ok", "asked for" if keyed else "none: this machine only, any key will do")


def certificate(settings: Settings) -> Iterator[Finding]:
    """TLS."""
    from vivavoce.server import tls
    from vivavoce.server.auth import is_loopback

    if not tls.wanted(settings):
        if is_loopback(settings.server.host):
            yield Finding("tls", "ok", "off, on this machine only")
        else:
            said = f"off, and keys and voices go to {settings.server.host} in the clear"
            yield Finding(
                "tls", "warning", said, "--tls self-signed, --tls-cert and --tls-key, or a proxy in front"
            )
        return
    try:
        files = tls.named_files(settings)
        if files.own and not files.cert.exists():
            yield _first_certificate(files.cert)
            return
        files.context()
    except SettingsError as error:
        fix = (
            "remove it, a new one is made at the next start"
            if settings.tls.kind != "off"
            else "see --tls-cert, --tls-key"
        )
        yield Finding("tls", "failed", str(error), fix)
        return
    yield _validity(files.cert, files.own)


def _first_certificate(path: Path) -> Finding:
    try:
        try_writing(nearest_existing(path.parent))
    except OSError as error:
        said = f"{path} cannot be made: {error.strerror}; the server does not start"
        return Finding("tls", "failed", said, "--data-dir FOLDER, or --tls-cert FILE --tls-key FILE")
    return Finding("tls", "ok", f"{path} is made at the first start")


def _validity(path: Path, own: bool) -> Finding:
    import datetime

    from cryptography import x509

    ends = x509.load_pem_x509_certificates(path.read_bytes())[0].not_valid_after_utc
    left = ends - datetime.datetime.now(datetime.UTC)
    if left.total_seconds() <= 0 and not own:
        return Finding("tls", "failed", f"{path} ended on {ends:%Y-%m-%d}", "have it renewed")
    if left.days < 14 and not own:
        return Finding("tls", "warning", f"{path} ends on {ends:%Y-%m-%d}", "have it renewed")
    return Finding(
        "tls", "ok", f"{path}, good until {ends:%Y-%m-%d}" + (" and renewed by itself" if own else "")
    )


def limits(settings: Settings) -> Iterator[Finding]:
    """Whether the system allows as many connections as the settings do."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = settings.limits.max_sessions + settings.limits.max_waiting + _SPARE_DESCRIPTORS
    cores = os.cpu_count() or 1
    if soft != resource.RLIM_INFINITY and soft < needed:
        said = f"{soft} open files are allowed, {needed} may be wanted"
        yield Finding("limits", "warning", said, f"ulimit -n {max(4096, needed)}")
    elif settings.server.workers > cores:
        said = f"server.workers is {settings.server.workers}, and there are {cores} cores"
        yield Finding(
            "limits", "warning", said, f"--workers {cores}: more processes than cores slow each other down"
        )
    else:
        yield Finding("limits", "ok", f"{soft} open files, {cores} cores")


def engine(settings: Settings) -> Iterator[Finding]:
    """What answers, as far as the settings alone can tell."""
    from vivavoce.server.engines import make_engine

    if any(asked.url and not asked.model for asked in _stages(settings)):
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


def endpoints(settings: Settings) -> Iterator[Finding]:
    """Every stage's endpoint, if one is configured: whether it answers, takes the key and has the model."""
    if settings.engine.kind != "cascade":
        return
    for asked in _stages(settings):
        if not asked.url:
            if asked.prefix == "llm.":
                yield Finding(asked.noun, "ok", "the built-in brain, which knows tools and little else")
        elif not asked.model:
            said = f"{asked.prefix}url is set but {asked.prefix}model is not"
            yield Finding(asked.noun, "failed", said, f"{asked.variable}MODEL=<name of the model there>")
        else:
            yield _ask(asked)


def _stages(settings: Settings) -> Iterator[_Asked]:
    """The first and the second choice of every stage; without an address where there is none."""
    if settings.engine.kind != "cascade":
        return
    for noun, stage, given in (
        ("recogniser", "stt", settings.stt),
        ("language model", "llm", settings.llm),
        ("voice", "tts", settings.tts),
    ):
        yield _Asked(noun, f"{stage}.", given.url, given.model, given.key)
        second = given.second_url if given.url and given.second_url != BUILT_IN else ""
        yield _Asked(f"second {noun}", f"{stage}.second_", second, given.second_model, given.second_key)


def upstream(settings: Settings) -> Iterator[Finding]:
    """The Realtime API behind a relay: whether it answers, takes the key and has the model."""
    if settings.engine.kind != "relay":
        return
    from vivavoce.engines.relay.address import Address
    from vivavoce.server.auth import is_loopback

    given = settings.upstream
    url = Address(given.url).of("realtime", "").partition("?")[0]
    if given.key and url.startswith("ws:") and not is_loopback(urlsplit(url).hostname or ""):
        said = "the key and every voice go there in the clear"
        yield Finding("upstream", "warning", said, "VIVAVOCE_UPSTREAM_URL=wss://...")
    yield _ask(_Asked("upstream", "upstream.", url, given.model or "gpt-realtime-2", given.key))


@dataclass(frozen=True, slots=True)
class _Asked:
    """An endpoint. `prefix`: of its settings, such as `llm.` or `tts.second_`."""

    noun: str
    prefix: str
    url: str
    model: str
    key: str

    @property
    def variable(self) -> str:
        return "VIVAVOCE_" + self.prefix.replace(".", "_").upper()

    @property
    def shown(self) -> str:
        """The address without what may be a credential: what stands before the `@`, and the query."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    @property
    def models(self) -> str:
        """Where its list of models is."""
        # A name and password in the address would be sent in the place of the key.
        url = (self.shown if self.key else self.url.partition("?")[0]).rstrip("/")
        if url.startswith("ws"):
            return "http" + url[2:].removesuffix("/realtime") + "/models"
        return re.sub(r"/(?:chat/completions|audio/\w+)$", "", url) + "/models"


def _ask(asked: _Asked) -> Finding:
    import httpx

    noun, url = asked.noun, asked.shown
    headers = {"Authorization": f"Bearer {asked.key}"} if asked.key else {}
    try:
        answer = httpx.get(asked.models, headers=headers, timeout=LLM_TIMEOUT_S, follow_redirects=False)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        said = f"{url} does not answer ({type(error).__name__})"
        return Finding(noun, "failed", said, f"start it, or correct {asked.variable}URL")
    if answer.status_code in (401, 403):
        said = f"{url} refuses the key ({answer.status_code})" if asked.key else f"{url} asks for a key"
        never = "" if noun == "upstream" else "; OPENAI_API_KEY is never read for it"
        return Finding(noun, "failed", said, f"{asked.variable}KEY=<its key>{never}")
    if answer.status_code != 200:
        said = f"{url} answers, but lists no models ({answer.status_code})"
        return Finding(noun, "warning", said, "a typed turn will tell: vivavoce talk --text")
    names = _listed(answer)
    if names and asked.model not in names:
        said = f"{url} does not list {asked.model}; it has {', '.join(names[:5])}"
        return Finding(noun, "warning", said, f"{asked.variable}MODEL=<one of them>")
    return Finding(noun, "ok", f"{asked.model} at {url}")


def _listed(answer: Any) -> list[str]:
    try:
        return [str(model["id"]) for model in answer.json()["data"]]
    except (ValueError, KeyError, TypeError):
        return []


def sound_devices(_: Settings) -> Iterator[Finding]:
    """Microphone and loudspeaker, which only `vivavoce talk` uses."""
    others = "`vivavoce talk --text`, --in FILE --out FILE, and the page in the browser need none"
    try:
        import sounddevice
    except ImportError:
        yield Finding(
            "sound devices", "warning", "the extra 'mic' is missing", f"pip install 'vivavoce[mic]'; {others}"
        )
        return
    except OSError:
        said = "the PortAudio library is missing"
        yield Finding("sound devices", "warning", said, f"apt-get install libportaudio2; {others}")
        return
    missing, named = [], []
    for kind, name in (("input", "microphone"), ("output", "loudspeaker")):
        try:
            named.append(str(sounddevice.query_devices(kind=kind)["name"]))
        except (sounddevice.PortAudioError, ValueError):
            missing.append(name)
    if missing:
        said = f"no {' and no '.join(missing)}"
        yield Finding(
            "sound devices", "warning", said, f"connect one, or give the container its devices; {others}"
        )
    else:
        yield Finding("sound devices", "ok", "; ".join(named))


CHECKS: tuple[Check, ...] = (
    python,
    data_folder,
    port,
    keys,
    certificate,
    limits,
    engine,
    voice_activity,
    speech_to_text,
    text_to_speech,
    endpoints,
    upstream,
    sound_devices,
)
