"""Running the server: checks before it listens, what it prints, how it stops."""

from __future__ import annotations

import errno
import gc
import logging
import os
import signal
import socket
import sys
from urllib.parse import urlsplit

from vivavoce.call.ports import EngineNames
from vivavoce.call.relay_settings import OPENAI_HOST
from vivavoce.call.settings import Settings
from vivavoce.call.standard_streams import drop_stdout
from vivavoce.server import tls
from vivavoce.server.auth import has_keys, is_loopback
from vivavoce.server.keeping import try_writing
from vivavoce.server.keys import KeysError

log = logging.getLogger("vivavoce.server")


def serve(settings: Settings) -> int:
    """Run until stopped. Returns the exit code; what is wrong with the machine is printed in one line that says what to do. Raises SettingsError."""
    set_up_logging(settings)
    problem = refuse_to_start(settings)
    if problem is not None:
        print(f"vivavoce: {problem}", file=sys.stderr)
        return 2
    _make_data_folder(settings)
    _hang_up_gently()
    workers = settings.server.workers or usable_cores()
    certificate = tls.Certificate(settings) if tls.wanted(settings) else None
    return _serve_here(settings, certificate) if workers == 1 else _serve_with(settings, workers)


def set_up_logging(settings: Settings) -> None:
    """The log goes to stderr. "debug" is about our own doings: other people's libraries would tell headers and addresses."""
    level = settings.server.log_level.upper()
    logging.basicConfig(
        level="INFO" if level == "DEBUG" else level,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    logging.getLogger("vivavoce").setLevel(level)
    # uvicorn's own lines say nothing that the banner does not; httpx's tell each request that a turn's own line tells better, and with
    # its whole address, in whose query a key may stand.
    for name in ("uvicorn", "httpx"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _make_data_folder(settings: Settings) -> None:
    """Calls need none, so a server without one goes on; whoever runs it hears of it before a client does."""
    try:
        settings.data_path.mkdir(mode=0o700, parents=True, exist_ok=True)
        try_writing(settings.data_path)
    except OSError as error:
        log.warning(
            "nothing can be kept in %s (%s): no keys, no client secrets. Make room, or name a folder that can be written: --data-dir",
            settings.data_path,
            error.strerror,
        )


def _hang_up_gently() -> None:
    """A terminal that is closed ends the server as whoever stops a service does; under `nohup` it does not."""
    if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))


def _serve_here(settings: Settings, certificate: tls.Certificate | None) -> int:
    """In this process. Imported here, because the process that only starts others needs none of it."""
    from vivavoce.server.engines import make_engine
    from vivavoce.server.listening import make_server

    engine = make_engine(settings)

    def on_started(host: str, port: int) -> None:
        # What is loaded by now stays for good: a collector that need not walk it keeps no call waiting (docs/adr/0015-measuring.md).
        gc.collect()
        gc.freeze()
        print_banner(settings, engine.names, host, port)

    server = make_server(settings, engine, on_started, certificate)
    server.run()
    return 0 if server.started else 3


def _serve_with(settings: Settings, workers: int) -> int:
    """In processes of their own."""
    from vivavoce.server.supervisor import supervise

    return supervise(
        settings, workers, lambda names, host, port: print_banner(settings, names, host, port, workers)
    )


def refuse_to_start(settings: Settings) -> str | None:
    """Why the server must not or cannot start, with what to do about it."""
    host, port = settings.server.host, settings.server.port
    try:
        keyed = has_keys(settings)
    except KeysError as error:
        return str(error)
    if not is_loopback(host) and not keyed:
        return (
            f"refusing to listen on {host} without API keys, since anybody could talk. "
            f"Make one with `vivavoce keys create`, or for this run: export VIVAVOCE_API_KEYS=vv_$(openssl rand -hex 24)"
        )
    if _lacks_upstream_key(settings):
        return f"{OPENAI_HOST} asks for a key: export OPENAI_API_KEY=..., or name another upstream with VIVAVOCE_UPSTREAM_URL"
    try:
        _try_address(host, port)
    except OSError as error:
        return _why_not(host, port, error)
    return None


def _lacks_upstream_key(settings: Settings) -> bool:
    """Whether every call would be refused by OpenAI, and nothing else answers then."""
    relayed = settings.engine.kind == "relay" and settings.relay.failover == "none"
    return relayed and not settings.upstream.key and urlsplit(settings.upstream.url).hostname == OPENAI_HOST


def _why_not(host: str, port: int, error: OSError) -> str:
    """Why an address cannot be listened on."""
    if error.errno == errno.EACCES:
        return f"port {port} is not for every user: choose one above 1023 with --port"
    if error.errno == errno.EADDRINUSE:
        try:
            free = _try_address(host, 0)
        except OSError:
            return f"port {port} on {host} is in use: choose another one with --port"
        return f"port {port} on {host} is in use. Port {free} is free: add --port {free}"
    return f"cannot listen on {host} ({error.strerror or error}): name an address of this machine with --host"


def print_banner(settings: Settings, names: EngineNames, host: str, port: int, workers: int = 1) -> None:
    """At most ten lines: where, what answers, what to paste."""
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    scheme = "https" if tls.wanted(settings) else "http"
    url = f"{scheme}://[{shown}]:{port}" if ":" in shown else f"{scheme}://{shown}:{port}"
    key = "<one of your keys>" if has_keys(settings) else "local"
    lines = [
        f"vivavoce listens on {url}" + (f", {workers} processes" if workers > 1 else ""),
        *_answering(settings, names),
        f"  data    {settings.data_path}",
        "Point a program at it:",
        f"  export OPENAI_BASE_URL={url}/v1 OPENAI_API_KEY={key}",
        f"  vivavoce talk --url {url}",
        f"Or talk in the browser: {url}/",
    ]
    if tls.wanted(settings):
        files = tls.named_files(settings)
        if files.own:
            # What trusts it in Python and in Node; both are read when a program starts.
            lines.insert(7, f"  export SSL_CERT_FILE={files.cert} NODE_EXTRA_CA_CERTS={files.cert}")
    try:
        print("\n".join(lines), flush=True)
    except OSError as error:
        # Nobody reads it, or its disk is full. Whoever calls needs none of it.
        drop_stdout()
        log.warning("listening on %s; nothing can be printed (%s)", url, error.strerror)


def _answering(settings: Settings, names: EngineNames) -> list[str]:
    if names.alone is None:
        return [
            f"  hears   {names.vad}; {names.stt}",
            f"  thinks  {names.llm}",
            f"  speaks  {names.tts}",
        ]
    relayed = settings.engine.kind == "relay" and settings.relay.failover != "none"
    instead = f"; the {settings.relay.failover}, once that is lost" if relayed else ""
    return [f"  relays  to {names.alone}{instead}"]


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _try_address(host: str, port: int) -> int:
    """Take an address and give it back; the port, which is a free one for 0. Raises OSError."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        taken: int = probe.getsockname()[1]
        return taken
