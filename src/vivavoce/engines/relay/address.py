"""Where the upstream is reached, for each kind of session."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from vivavoce.session.upstream import Kind

_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_REST_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


@dataclass(frozen=True, slots=True)
class Address:
    """An upstream's address, in whatever form it was given: `wss://HOST/v1/realtime`, `https://HOST/v1`, `http://HOST:PORT`."""

    url: str

    @property
    def host(self) -> str:
        """Host and port."""
        return urlsplit(self.url).netloc.rpartition("@")[2]

    @property
    def _query(self) -> list[tuple[str, str]]:
        """What is asked with every request: of the address, all that is not about a session."""
        asked = parse_qsl(urlsplit(self.url).query)
        return [(name, value) for name, value in asked if name not in ("model", "intent")]

    def of(self, kind: Kind, model: str) -> str:
        """The WebSocket's address for a session (protocol reference 1.1)."""
        parts = urlsplit(self.url)
        path = parts.path.rstrip("/")
        if not path:
            path = "/v1/realtime"
        elif not path.endswith("/realtime"):
            path += "/realtime"
        query = self._query
        if kind == "transcription":
            query.append(("intent", "transcription"))
        else:
            query.append(("model", model))
        if kind == "translation":
            path += "/translations"
        return urlunsplit((_SCHEMES[parts.scheme], parts.netloc, path, urlencode(query), ""))

    def rest(self, path: str) -> str:
        """The address of a REST endpoint; `path` is what stands behind `/v1`, with its query."""
        parts = urlsplit(self.url)
        base = parts.path.rstrip("/").removesuffix("/realtime") or "/v1"
        given, _, asked = path.partition("?")
        query = self._query + parse_qsl(asked, keep_blank_values=True)
        return urlunsplit((_REST_SCHEMES[parts.scheme], self.host, base + given, urlencode(query), ""))
