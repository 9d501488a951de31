"""Running the server: checks before it listens, what it prints, how it stops."""

from __future__ import annotations

import gc
import logging
import socket
import sys
from collections.abc import Callable

import uvicorn

from vivavoce.call.ports import Engine
from vivavoce.call.settings import Settings, SettingsError
from vivavoce.server.app import create_app
from vivavoce.server.auth import is_loopback
from vivavoce.server.engines import make_engine
from vivavoce.transports.uvicorn_socket import UvicornSocket

LARGEST_MESSAGE_BYTES = 64 * 1024 * 1024
"""Above this a socket is closed with 1009; between `max_frame_bytes` and this a message is refused and the session goes on."""

OnStarted = Callable[[str, int], None]


class Server(uvicorn.Server):
    """uvicorn, which tells when it listens and where."""

    def __init__(self, config: uvicorn.Config, on_started: OnStarted) -> None:
        super().__init__(config)
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening, then say so."""
        await super().startup(sockets=sockets)
        if self.started and not self.should_exit:
            self._on_started(*self._address())

    def _address(self) -> tuple[str, int]:
        for server in self.servers:
            for listening in server.sockets:
                host, port = listening.getsockname()[:2]
                return host, port
        return self.config.host, self.config.port


def make_server(settings: Settings, engine: Engine, on_started: OnStarted) -> Server:
    """A server ready to `serve()` or `run()`."""
    config = uvicorn.Config(
        create_app(settings, engine),
        host=settings.server.host,
        port=settings.server.port,
        ws=UvicornSocket,
        ws_max_size=LARGEST_MESSAGE_BYTES,
        ws_per_message_deflate=False,
        log_config=None,
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=3,
    )
    return Server(config, on_started)


def serve(settings: Settings) -> int:
    """Run until stopped. Returns the exit code; what is wrong is printed in one line that says what to do."""
    logging.basicConfig(
        level=settings.server.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    # uvicorn's own lines say nothing that the banner does not.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    problem = refuse_to_start(settings)
    if problem is not None:
        print(f"vivavoce: {problem}", file=sys.stderr)
        return 2
    try:
        engine = make_engine(settings)
    except SettingsError as error:
        print(f"vivavoce: {error}", file=sys.stderr)
        return 2

    def on_started(host: str, port: int) -> None:
        # What is loaded by now stays for good: a collector that need not walk it keeps no call waiting (docs/adr/0015-measuring.md).
        gc.collect()
        gc.freeze()
        print_banner(settings, engine, host, port)

    server = make_server(settings, engine, on_started)
    server.run()
    return 0 if server.started else 3


def refuse_to_start(settings: Settings) -> str | None:
    """Why the server must not or cannot start, with what to do about it."""
    host, port = settings.server.host, settings.server.port
    if not is_loopback(host) and not settings.auth.keys:
        return (
            f"refusing to listen on {host} without API keys, since anybody could talk. Make one and pass it on: "
            f"export VIVAVOCE_API_KEYS=vv_$(openssl rand -hex 24)"
        )
    if port and not _is_free(host, port):
        return (
            f"port {port} on {host} is in use. Port {_free_port(host)} is free: add --port {_free_port(host)}"
        )
    return None


def print_banner(settings: Settings, engine: Engine, host: str, port: int) -> None:
    """At most ten lines: where, what answers, what to paste."""
    names = engine.names
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    url = f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"
    key = "local" if not settings.auth.keys else "<one of your keys>"
    lines = [
        f"vivavoce listens on {url}",
        f"  hears   {names.vad}; {names.stt}",
        f"  thinks  {names.llm}",
        f"  speaks  {names.tts}",
        f"  data    {settings.data_path}",
        "Point a program at it:",
        f"  export OPENAI_BASE_URL={url}/v1 OPENAI_API_KEY={key}",
        f"  vivavoce talk --url {url}",
        f"Or talk in the browser: {url}/",
    ]
    print("\n".join(lines), flush=True)


def _is_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def _free_port(host: str) -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
