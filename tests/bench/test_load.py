"""The load client and the scripted server, for real but small."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator

import pytest
from bench.caller import Pattern
from bench.load import Load, run
from bench.memory import measure_long
from bench.place import Meter, Server, served
from bench.sound import voice
from bench.wire import WireError

SHORT = Pattern((voice(200),), silence_ms=200, pause_ms=100, patience_ms=3000)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    core = sorted(os.sched_getaffinity(0))[-1]
    with served("scripted", core, {"VIVAVOCE_SCRIPTED__ANSWER": "hello"}) as serving:
        yield serving


def test_every_turn_is_answered_and_measured(server: Server) -> None:
    meter = Meter(server)
    report = run(Load(server.socket_url, 3, 1.0, SHORT, stagger_s=0.3))
    usage = meter.read()
    assert not report.problems
    assert not report.unanswered
    assert len(report.turns) >= 3
    assert all(0 < added < 1000 for added in report.added_ms)
    assert all(turn.answer_ms == 300 and turn.longest_delta_ms == 100 for turn in report.turns)
    assert all(lag >= 0 for lag in report.lag_ms)
    assert report.chunks == len(report.lateness_ms)
    assert 0 < usage.server_s < usage.elapsed_s * 1.1
    assert usage.core_share > 0


def test_a_session_that_pours_minutes_in_stays_within_its_caps(server: Server) -> None:
    long = measure_long(server, 10_000, 600)
    assert not long.closed
    assert long.answers > 40
    assert long.grown_mb < 22


def test_a_server_that_is_not_there_is_an_error() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionRefusedError):
            run(Load(f"ws://127.0.0.1:{held.getsockname()[1]}/v1/realtime", 1, 1, SHORT))


def test_a_refused_handshake_says_why() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def refuse() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 401 Unauthorized\r\n\r\nno key")

        refusing = threading.Thread(target=refuse)
        refusing.start()
        with pytest.raises(WireError, match="401"):
            run(Load(f"ws://127.0.0.1:{listening.getsockname()[1]}/v1/realtime", 1, 1, SHORT))
        refusing.join()
