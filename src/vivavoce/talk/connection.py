"""The line to the server: a WebSocket with JSON events both ways, and its troubles in one line each."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote, urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from vivavoce.talk.outcome import Exit, TalkError

Event = dict[str, Any]
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
LARGEST_MESSAGE_BYTES = 64 * 1024 * 1024
SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


class NoEvent(TalkError):
    """What came is no event of the Realtime API."""


class Connection:
    """One open call. `name` is the address as people write it."""

    def __init__(self, socket: ClientConnection, name: str) -> None:
        self.name = name
        self._socket = socket
        self._sent = 0

    async def send(self, event: Event) -> str:
        """Send an event; returns the id it was given, which an `error` would name."""
        self._sent += 1
        event_id = f"talk_{self._sent}"
        try:
            await self._socket.send(json.dumps({"event_id": event_id, **event}))
        except ConnectionClosed as closed:
            raise self._gone(closed) from None
        return event_id

    async def events(self) -> AsyncIterator[Event]:
        """What the server says, until somebody closes. Raises TalkError when that was not us, NoEvent for anything else than an event."""
        while True:
            try:
                yield self._read(await self._socket.recv())
            except ConnectionClosed as closed:
                raise self._gone(closed) from None

    async def close(self) -> None:
        """Hang up."""
        await self._socket.close()

    def _read(self, frame: str | bytes) -> Event:
        try:
            event = json.loads(frame)
        except ValueError:
            event = None
        if not isinstance(event, dict) or not isinstance(event.get("type"), str):
            raise NoEvent(Exit.CUT_OFF, f"{self.name} sent what no Realtime server would: is it one?")
        return event

    def _gone(self, closed: ConnectionClosed) -> TalkError:
        if closed.rcvd is None:
            return TalkError(Exit.CUT_OFF, f"the connection to {self.name} broke in the middle of the call")
        reason = f": {closed.rcvd.reason}" if closed.rcvd.reason else ""
        return TalkError(Exit.CUT_OFF, f"{self.name} ended the call ({closed.rcvd.code}{reason})")


async def dial(url: str, model: str, key: str | None, timeout_s: float = 10.0) -> Connection:
    """Open a call. Raises TalkError: UNREACHABLE, REFUSED, or NOT_POSSIBLE for an address that is none."""
    address, name = realtime_address(url, model)
    host = urlsplit(address).hostname
    try:
        socket = await connect(
            address,
            additional_headers={"Authorization": f"Bearer {key}"} if key else None,
            subprotocols=[Subprotocol("realtime")],
            compression=None,
            max_size=LARGEST_MESSAGE_BYTES,
            open_timeout=timeout_s,
            # A proxy cannot reach this machine's own servers.
            proxy=None if host in LOOPBACK else True,
        )
    except InvalidStatus as refused:
        raise _refused(name, refused, key is not None) from None
    except TimeoutError:
        raise TalkError(Exit.UNREACHABLE, f"{name} did not answer within {timeout_s:.0f} s") from None
    except ConnectionRefusedError:
        hint = "start a server with `vivavoce serve`, or leave --url out"
        raise TalkError(Exit.UNREACHABLE, f"nothing answers at {name} (connection refused): {hint}") from None
    except ssl.SSLCertVerificationError as error:
        hint = "if the server made it itself, export SSL_CERT_FILE=... as its first lines say"
        said = f"the certificate of {name} is not trusted here ({error.verify_message}): {hint}"
        raise TalkError(Exit.UNREACHABLE, said) from None
    except (OSError, InvalidHandshake, EOFError) as error:
        raise TalkError(Exit.UNREACHABLE, f"cannot talk to {name}: {_one_line(error)}") from None
    return Connection(socket, name)


def realtime_address(url: str, model: str) -> tuple[str, str]:
    """The WebSocket address for a server's address as people write it (`http://host:8000`, `.../v1`, `wss://...`)."""
    written = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(written)
        scheme, host, port = SCHEMES.get(parts.scheme), parts.hostname, parts.port
    except ValueError:
        scheme, host, port = None, None, None
    if not scheme or not host:
        message = f"{url!r} is not an address of a server, which looks like http://127.0.0.1:8000"
        raise TalkError(Exit.NOT_POSSIBLE, message)
    path = parts.path.rstrip("/")
    if not path.endswith("/realtime"):
        path += "/realtime" if path.endswith("/v1") else "/v1/realtime"
    place = f"[{host}]" if ":" in host else host
    place += f":{port}" if port else ""
    name = f"{scheme.replace('ws', 'http')}://{place}"
    return f"{scheme}://{place}{path}?model={quote(model, safe='')}", name


def _refused(name: str, refused: InvalidStatus, with_key: bool) -> TalkError:
    status = refused.response.status_code
    try:
        said = str(json.loads(refused.response.body or b"")["error"]["message"])
    except (ValueError, KeyError, TypeError):
        said = "it does not look like a Realtime server" if status in (404, 405, 426, 501) else ""
    said = f": {said}" if said else ""
    if status == 401:
        hint = "pass another one with --key" if with_key else "pass it with --key or OPENAI_API_KEY"
        return TalkError(Exit.REFUSED, f"{name} asks for a valid API key (401){said.rstrip('.')}; {hint}")
    if status == 403:
        return TalkError(Exit.REFUSED, f"{name} refused the call (403){said}")
    return TalkError(Exit.UNREACHABLE, f"{name} answered HTTP {status}{said}")


def _one_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
