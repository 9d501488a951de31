"""This machine: the interpreter, the disk, the port, descriptors and cores, sound devices."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import socket
import sys
from collections.abc import Iterator

from vivavoce.call.settings import Settings
from vivavoce.server.checks.finding import Finding
from vivavoce.server.keeping import nearest_existing, try_writing

LEAST_FREE_MB = 200
_SPARE_DESCRIPTORS = 256


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
