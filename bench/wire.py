"""A WebSocket client's half of RFC 6455, cheap enough for hundreds of callers in one loop.

A frame that is sent often is made once and its bytes are sent again and again. That is possible because the mask is zero, which the
protocol allows (any 32 bits are a mask) and which costs a server the same work as any other.
"""

from __future__ import annotations

import base64
import secrets
import socket
import ssl
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
"""What a socket that does not block raises, with and without TLS."""
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10

_LARGEST_HEAD = 64 * 1024


class WireError(Exception):
    """The server refused the handshake, or what it sends is no WebSocket frame."""


class Refused(WireError):
    """An HTTP answer instead of the upgrade. `clean`: one that tells a client what is wrong and when to come back."""

    def __init__(self, head: bytes, body: bytes) -> None:
        super().__init__(f"the server refused the handshake: {head[:200]!r} {body[:200]!r}")
        busy = head.split(b" ", 2)[1:2] in ([b"429"], [b"503"])
        self.clean = busy and b"\r\nretry-after: " in head.lower() and b'"error"' in body


def frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """A whole client frame around `payload`."""
    length = len(payload)
    if length < 126:
        head = bytes((0x80 | opcode, 0x80 | length))
    elif length < 65_536:
        head = bytes((0x80 | opcode, 0x80 | 126)) + length.to_bytes(2, "big")
    else:
        head = bytes((0x80 | opcode, 0x80 | 127)) + length.to_bytes(8, "big")
    return head + b"\0\0\0\0" + payload


class FrameReader:
    """Server frames out of a stream of bytes."""

    def __init__(self, received: bytes = b"") -> None:
        self._unread = bytearray(received)
        self._fragments: list[bytes] = []

    def feed(self, received: bytes) -> Iterator[tuple[int, bytes]]:
        """(opcode, payload) of every message that `received` completes; raises WireError."""
        unread = self._unread
        unread += received
        at = 0
        while (found := _head(unread, at)) is not None:
            start, end = found
            if end > len(unread):
                break
            opcode, payload = unread[at] & 0x0F, bytes(unread[start:end])
            whole = bool(unread[at] & 0x80)
            at = end
            if opcode >= CLOSE:
                yield opcode, payload
                continue
            self._fragments.append(payload)
            if whole:
                message, self._fragments = b"".join(self._fragments), []
                yield opcode or TEXT, message
        del unread[:at]


def _head(unread: bytearray, at: int) -> tuple[int, int] | None:
    """Where the payload of the frame at `at` starts and ends; None while that is not known."""
    if len(unread) < at + 2:
        return None
    if unread[at + 1] & 0x80:
        raise WireError("a server must not mask its frames")
    length, start = unread[at + 1], at + 2
    if length >= 126:
        start += 2 if length == 126 else 8
        if len(unread) < start:
            return None
        length = int.from_bytes(unread[at + 2 : start], "big")
    return start, start + length


def connect(url: str, headers: Mapping[str, str], timeout_s: float = 10.0) -> tuple[socket.socket, bytes]:
    """A socket past the handshake, non-blocking, and whatever came behind it. Raises WireError or OSError."""
    where = urlsplit(url)
    if where.scheme not in ("ws", "wss") or not where.hostname:
        raise WireError(f"{url}: only ws:// and wss:// addresses can be measured")
    default = 443 if where.scheme == "wss" else 80
    connection = socket.create_connection((where.hostname, where.port or default), timeout_s)
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if where.scheme == "wss":
            # Trusts what SSL_CERT_FILE names, a certificate of the server's own making for one.
            connection = ssl.create_default_context().wrap_socket(connection, server_hostname=where.hostname)
        target = where.path + (f"?{where.query}" if where.query else "")
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        lines = [
            f"GET {target} HTTP/1.1",
            f"Host: {where.netloc}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        rest = _answer(connection)
    except BaseException:
        connection.close()
        raise
    connection.setblocking(False)
    return connection, rest


def _answer(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        more = connection.recv(4096)
        if not more or len(received) > _LARGEST_HEAD:
            raise WireError(f"the server hung up during the handshake: {received[:200]!r}")
        received += more
    head, _, rest = received.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1:2]
    if status != [b"101"]:
        raise Refused(head, _body(connection, head, rest))
    return rest


def _body(connection: socket.socket, head: bytes, body: bytes) -> bytes:
    """The rest of a refusal, as long as it says that it is."""
    length = next(
        (
            int(line.partition(b":")[2])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        ),
        0,
    )
    while len(body) < min(length, _LARGEST_HEAD) and (more := connection.recv(4096)):
        body += more
    return body
