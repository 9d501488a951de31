"""A chat endpoint that says one sentence, in the chunks that OpenAI-compatible servers stream."""

from __future__ import annotations

import contextlib
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.http_stand_in import served

ANSWER = "This sentence comes from the model."


class ChatStandIn(ThreadingHTTPServer):
    """Keeps what it was asked: (Authorization header, body)."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str | None, dict[str, Any]]] = []

    @property
    def url(self) -> str:
        """What a base URL would be set to."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: ChatStandIn

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.headers.get("Authorization"), body))
        if self.path != "/v1/chat/completions":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for delta in (
            {"role": "assistant", "content": ""},
            *({"content": f"{word} "} for word in ANSWER.split()),
        ):
            self._chunk({"index": 0, "delta": delta, "finish_reason": None}, body["model"])
        self._chunk({"index": 0, "delta": {}, "finish_reason": "stop"}, body["model"])
        self.wfile.write(b"data: [DONE]\n\n")

    def _chunk(self, choice: dict[str, Any], model: str) -> None:
        chunk = {
            "id": "c",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": model,
            "choices": [choice],
        }
        self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())

    def log_message(self, format: str, *arguments: object) -> None:
        """The test's output is for the test."""


def chat_stand_in() -> contextlib.AbstractContextManager[ChatStandIn]:
    """Serves until the block ends."""
    return served(ChatStandIn())
