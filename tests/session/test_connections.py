"""Who is connected, and how long a session lasts: rows of the table in session/connections.py."""

from __future__ import annotations

from typing import Any

import pytest

from vivavoce.protocol import server_events as se
from vivavoce.protocol.session_objects import (
    SessionObject,
    TranscriptionSessionObject,
    VivavoceExtension,
)
from vivavoce.session.connections import reattach_s
from vivavoce.session.effects import Hangup, Send, Warn
from vivavoce.session.options import SessionOptions
from vivavoce.session.session import RealtimeSession
from vivavoce.session.transcription import TranscriptionSession

WAITS = VivavoceExtension(reattach_s=30)
HOUR_MS = 3_600_000


def session(kind: str, extension: Any = WAITS, **options: Any) -> RealtimeSession | TranscriptionSession:
    given = SessionOptions(**options)
    names = iter(range(1_000_000))

    def new_id(prefix: str) -> str:
        return f"{prefix}_{next(names)}"

    if kind == "realtime":
        opening = SessionObject(id="sess_1", model="m", vivavoce=extension)
        return RealtimeSession(opening, new_id, given, 0)
    return TranscriptionSession(TranscriptionSessionObject(id="sess_1", vivavoce=extension), new_id, given, 0)


def told(machine: RealtimeSession | TranscriptionSession) -> list[Any]:
    """What concerns connections, in short."""
    said: list[Any] = []
    for effect in machine.drain():
        match effect:
            case Send(event, to):
                said.append((type(event), to))
            case Hangup(code, reason):
                said.append((code, reason))
            case Warn(message):
                said.append(message)
            case _:
                pass
    return said


@pytest.mark.parametrize("kind", ["realtime", "transcription"])
class TestPresence:
    def test_nobody_joins_here_drops_over(self, kind: str) -> None:
        machine = session(kind, VivavoceExtension())
        machine.attach("client", 0)
        machine.attach("side", 0)
        assert told(machine) == [(se.SessionCreated, "client"), (se.SessionCreated, "side")]
        machine.detached("side", 10)
        assert told(machine) == []
        machine.detached("client", 20)
        assert told(machine) == [(1000, "the primary connection was closed")]

    def test_here_drops_away_returns_here(self, kind: str) -> None:
        machine = session(kind)
        machine.attach("client", 0)
        machine.detached("client", 1000)
        assert machine.connections.presence == "away"
        machine.attach("side", 2000)
        assert machine.connections.primary is None
        machine.attach("again", 3000, returning=True)
        now = machine.connections
        assert f"{now.presence} {now.primary}" == "here again"
        told(machine)
        machine.tick(60_000)
        assert told(machine) == []

    def test_away_too_late_over(self, kind: str) -> None:
        machine = session(kind)
        machine.attach("client", 0)
        machine.detached("client", 1000)
        told(machine)
        assert machine.next_deadline() == 31_000
        machine.tick(30_999)
        assert told(machine) == []
        machine.tick(31_000)
        assert told(machine) == [(1000, "the client did not come back")]

    def test_expiry_is_announced_to_whoever_runs_the_server(self, kind: str) -> None:
        machine = session(kind)
        machine.attach("client", 0)
        told(machine)
        machine.tick(HOUR_MS - 300_000)
        assert told(machine) == ["the session expires in 300 s"]
        machine.tick(HOUR_MS)
        warned, error, (code, _) = told(machine)
        assert warned == "the session expired after 3600 s"
        assert error == (se.ErrorEvent, None)
        assert code == 1001

    def test_a_short_session_is_not_announced(self, kind: str) -> None:
        assert session(kind, max_duration_s=300).next_deadline() == 300_000


@pytest.mark.parametrize(
    ("fields", "waits_s"), [({}, 0), ({"vivavoce": VivavoceExtension()}, 0), ({"vivavoce": WAITS}, 30)]
)
def test_a_session_waits_only_when_asked_to(fields: dict[str, Any], waits_s: int) -> None:
    assert reattach_s(SessionObject(id="sess_1", model="m", **fields)) == waits_s
