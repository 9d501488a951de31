"""The OpenAPI document describes the endpoints, and whatever fits it or does not, none of them breaks (schemathesis)."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from tests.proofs import FULL, Proof
from tests.server.rig import server
from vivavoce.call.settings import load_settings
from vivavoce.server.app import create_app
from vivavoce.server.engines import make_engine

EXAMPLES = 500 if FULL else 6
ROUTES = "^/v1/"
DOCUMENT = create_app(
    load_settings({"engine.kind": "scripted"}, environ={}),
    make_engine(load_settings({"engine.kind": "scripted"}, environ={})),
).openapi()
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT).include(path_regex=ROUTES)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server in a thread: the tests of this module block."""
    listens: queue.Queue[tuple[str, Callable[[], object]]] = queue.Queue()

    async def serve() -> None:
        over, loop = asyncio.Event(), asyncio.get_running_loop()
        async with server(tmp_path_factory.mktemp("server")) as address:
            listens.put((address, lambda: loop.call_soon_threadsafe(over.set)))
            await over.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    address, end = listens.get(timeout=30)
    yield address
    end()
    thread.join(30)


@SCHEMA.parametrize()
@hypothesis.settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_no_request_breaks_the_server(case: Any, url: str) -> None:
    response = case.call(base_url=url, headers={"Authorization": "Bearer local"}, timeout=30)
    case.validate_response(
        response, checks=[not_a_server_error, content_type_conformance, response_schema_conformance]
    )


def test_every_endpoint_is_described_with_its_errors(proof: Proof) -> None:
    proof.sizes.append(EXAMPLES)
    described = {
        (path, method)
        for path, methods in DOCUMENT["paths"].items()
        for method in methods
        if path.startswith("/v1/")
    }
    wanted = {
        ("/v1/audio/speech", "post"),
        ("/v1/audio/transcriptions", "post"),
        ("/v1/audio/translations", "post"),
        ("/v1/responses", "post"),
        ("/v1/responses/{response_id}", "get"),
        ("/v1/responses/{response_id}", "delete"),
        ("/v1/responses/{response_id}/input_items", "get"),
        ("/v1/chat/completions", "post"),
    }
    assert wanted <= described
    for path, method in wanted:
        replies = DOCUMENT["paths"][path][method]["responses"]
        assert {"200", "400", "401", "429", "500"} <= set(replies)
        assert replies["400"]["content"]["application/json"]["schema"]["$ref"].endswith("/ErrorReply")
    proof.result(f"{len(described)} operations, no 5xx")


def test_the_document_is_served(url: str, tmp_path: Path) -> None:
    import httpx

    assert httpx.get(f"{url}/openapi.json").json()["paths"].keys() == DOCUMENT["paths"].keys()
