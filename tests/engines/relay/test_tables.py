"""The mirror's tables hold every event there is."""

from __future__ import annotations

from vivavoce.engines.relay.asking import HANDLERS
from vivavoce.engines.relay.reading import BY_NAME, BY_TYPE
from vivavoce.protocol.client_events import CLIENT_EVENT_TYPES
from vivavoce.protocol.server_events import SERVER_EVENT_TYPES


def test_each_client_event_has_its_place() -> None:
    assert set(HANDLERS) == set(CLIENT_EVENT_TYPES.values())


def test_what_is_read_in_a_way_of_its_own_is_an_event_of_the_protocol() -> None:
    assert set(BY_NAME) | set(BY_TYPE) <= set(SERVER_EVENT_TYPES) | set(SERVER_EVENT_TYPES.values())
