"""A chat endpoint and an MCP server in one, which repeat to everybody the credentials that they were given: the worst upstream there is."""

from __future__ import annotations

import contextlib
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.http_stand_in import served


class Upstream(ThreadingHTTPServer):
    """Keeps the credentials it was shown, by path."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.shown: dict[str, set[str]] = {}

    @property
    def place(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Upstream
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        path = self.path.partition("?")[0]
        credentials = [self.headers.get(name) for name in ("Authorization", "X-Office-Key")]
        self.server.shown.setdefault(path, set()).update(one for one in credentials if one)
        repeated = f"I was shown {credentials} at {self.path}"
        match path:
            case "/v1/chat/completions":
                self._answer(401, {"error": {"message": repeated, "code": "invalid_api_key"}})
            case "/mcp":
                self._mcp(body, repeated)
            case _:
                self._answer(403, {"error": {"message": repeated}})

    def do_GET(self) -> None:
        path, credential = self.path.partition("?")[0], self.headers.get("Authorization")
        if path == "/v1/realtime" and credential:
            self.server.shown.setdefault(path, set()).add(credential)
            self._answer(403, {"error": {"message": f"{credential} may not come in."}})
        else:
            self._answer(405, {})

    def _mcp(self, body: dict[str, Any], repeated: str) -> None:
        results: dict[str, Any] = {
            "initialize": {
                "protocolVersion": body.get("params", {}).get("protocolVersion", "2025-06-18"),
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "stand-in", "version": "1"},
            },
            "tools/list": {
                "tools": [{"name": "look_up", "description": repeated, "inputSchema": {"type": "object"}}]
            },
        }
        method = body.get("method")
        if "id" not in body:
            self._answer(202, None)
        elif method in results:
            self._answer(200, {"jsonrpc": "2.0", "id": body["id"], "result": results[method]})
        else:
            error = {"code": -32601, "message": f"no {method}; {repeated}"}
            self._answer(200, {"jsonrpc": "2.0", "id": body["id"], "error": error})

    def _answer(self, status: int, body: Any) -> None:
        payload = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *arguments: object) -> None:
        """The test's output is for the test."""


def upstream() -> contextlib.AbstractContextManager[Upstream]:
    """Serves until the block ends."""
    return served(Upstream())
