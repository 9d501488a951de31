"""docs/compatibility.md is what its generator says, and what that says holds: every event, field and endpoint has its row and its test."""

from __future__ import annotations

import re
import typing

import pytest
from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent
from starlette.testclient import TestClient, WebSocketDenialResponse

from tests.clients import page, record
from tests.clients.catalogue import CLIENTS, ENGINES
from tests.clients.checklist import CHECKLIST
from tests.docs.pages import ROOT
from vivavoce.call.settings import load_settings
from vivavoce.engines.scripted.engine import ScriptedEngine, ScriptedSettings
from vivavoce.protocol.beta import RENAMED_EVENTS
from vivavoce.protocol.client_events import CLIENT_EVENT_TYPES
from vivavoce.protocol.server_events import ServerEvent
from vivavoce.server.app import create_app


def test_the_page_is_what_the_generator_says() -> None:
    assert page.PAGE.read_text("utf-8") == page.page(), "run: python -m tests.clients.page"


def test_the_record_is_of_the_pinned_clients_and_of_every_case() -> None:
    rows = record.read()
    assert {(row.client, row.version) for row in rows} == {
        (client.name, client.version()) for client in CLIENTS
    }, "run: make clients ARGS=--record"
    assert [row.key for row in rows] == [
        (client.name, case, engine) for client in CLIENTS for case in client.cases for engine in ENGINES
    ], "run: make clients ARGS=--record, with the --client and --case that are new"


def test_what_was_seen_is_of_the_protocol() -> None:
    ways = {event for row in record.read() for event in row.events}
    ours = {member.__struct_config__.tag for member in typing.get_args(ServerEvent)} | set(
        RENAMED_EVENTS.values()
    )
    assert {event.removeprefix("-> ") for event in ways if event.startswith("->")} <= ours
    assert {
        event.removeprefix("<- ") for event in ways if event.startswith("<-")
    } <= CLIENT_EVENT_TYPES.keys()


def test_events_that_are_not_sent_have_a_reason() -> None:
    known = set(page.sdk_events(RealtimeServerEvent))
    sent = page.sent_events()
    assert len(known) == 46
    assert sent <= known
    assert known - sent <= page.NOT_SENT.keys()


def test_every_event_has_been_seen_or_is_tested_where_the_page_says() -> None:
    rows = record.read()
    events = [("->", name) for name in page.sent_events()]
    events += [("<-", name) for name in page.sdk_events(RealtimeClientEvent)]
    for way, name in events:
        assert page._seen(rows, way, name) or name in page.SHOWN, name
    for name, place in page.SHOWN.items():
        assert name in (ROOT / place).read_text("utf-8"), (name, place)


def test_what_the_protocol_asks_for_is_shown_where_the_page_says() -> None:
    lines = [line for lines in CHECKLIST.values() for line in lines]
    for line in lines:
        assert line.places or line.state.startswith("no: "), line.what
        for place in line.places:
            file, _, name = place.partition("::") if "::" in place else place.partition("#")
            path = ROOT / file if "::" in place else ROOT / "docs" / "behaviours" / file
            pattern = rf"^(async )?def {name}\(" if "::" in place else rf"^## {re.escape(name)}$"
            assert re.search(pattern, path.read_text("utf-8"), re.MULTILINE), place


def test_every_client_event_of_the_package_is_ours() -> None:
    assert set(page.sdk_events(RealtimeClientEvent)) == CLIENT_EVENT_TYPES.keys()


def test_every_field_has_its_row_and_its_test() -> None:
    assert page.FIELDS.keys() == set(page.session_fields())
    for name, (_, _, place) in page.FIELDS.items():
        assert name.split(".")[-1] in (ROOT / place).read_text("utf-8"), (name, place)


@pytest.fixture(scope="module")
def client() -> TestClient:
    """The application; what it is asked here needs no engine that runs."""
    app = create_app(load_settings({}, environ={}), ScriptedEngine(ScriptedSettings()))
    return TestClient(app, base_url="http://127.0.0.1")


def test_endpoints_are_there_or_have_a_reason(client: TestClient) -> None:
    absent = page.ENDPOINTS.keys() - page.routes()
    assert absent <= page.ABSENT.keys()
    assert page.ENDPOINTS.keys() >= {route for route in page.routes() if "/v1/realtime" in route}
    for endpoint in absent:
        method, path = endpoint.split(" ")
        assert client.request(method, path.replace("{call_id}", "rtc_x")).status_code in (404, 405), endpoint


def test_the_places_of_the_endpoints_are_there() -> None:
    for endpoint, place in page.ENDPOINTS.items():
        assert not place or (ROOT / place).is_file(), endpoint


def test_what_is_refused_says_so(client: TestClient) -> None:
    for endpoint, code in page.REFUSED.items():
        with (
            pytest.raises(WebSocketDenialResponse) as refused,
            client.websocket_connect(endpoint.removeprefix("WS ") + "?model=m"),
        ):
            pass
        assert refused.value.json()["error"]["code"] == code
