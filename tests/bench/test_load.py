"""The load client and the scripted server, for real but small."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.caller import Pattern, Turn
from bench.crowd import Crowd
from bench.load import Load, Report, run
from bench.memory import measure_long
from bench.place import Meter, Server, served
from bench.run import Measuring
from bench.scale import Shared, most
from bench.sections import QUICK, Section, Target
from bench.sound import voice
from bench.trial import Conditions
from bench.wire import WireError

from bench import operation, sections
from tests.server.processes import serving

SHORT = Pattern((voice(200),), silence_ms=200, pause_ms=100, patience_ms=3000)


VARIABLES = {"VIVAVOCE_SCRIPTED__ANSWER": "hello", "VIVAVOCE_LIMITS__MAX_SESSIONS": "3"}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    core = sorted(os.sched_getaffinity(0))[-1]
    with served("scripted", core, VARIABLES) as serving:
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


def test_a_crowd_before_a_full_server_is_refused_cleanly_and_counted_while_those_inside_are_answered(
    server: Server,
) -> None:
    """How much later those inside are answered is measured by `make bench`, row overload: it must be less than 10 %."""
    server.wait_until_empty()
    with Crowd(server.socket_url, callers=10, every_s=0.5, phase_s=0.5) as crowd:
        report = run(Load(server.socket_url, 3, 1.5, SHORT, stagger_s=0.3), at_begin=crowd.began)
        outcome = crowd.over()
    assert not report.problems
    assert not report.unanswered
    assert len(report.turns) >= 3
    assert outcome.others == {}
    assert outcome.clean == outcome.tried > 5
    assert server.load()["refused"] == {"server_overloaded": outcome.tried}
    began_s = outcome.began_s
    assert [outcome.is_there(began_s + s) for s in (-1, 0.2, 0.7, 1.2, 1.7)] == [
        False,
        False,
        True,
        False,
        True,
    ]


@pytest.mark.parametrize("bound", [35, 100, 230])
def test_the_most_sessions_are_found_and_one_bad_run_does_not_decide(bound: int) -> None:
    failed: set[int] = set()

    def attempt(sessions: int) -> Shared:
        report = run_of_nothing()
        if sessions > bound or sessions not in failed:
            failed.add(sessions)
            report.problems.append("a neighbour")
        return Shared(sessions, [report])

    assert most(attempt, 100, 40, 10, 50.0, lambda line: None) == bound // 10 * 10


def run_of_nothing() -> Report:
    return Report(
        Load("", 1, 0, SHORT),
        [Turn(0, 0, 1.0, 1.0, 0, 1.01, 1.2, 100, 100, 1.2, "completed")],
        [0.0],
        1,
        1,
        1,
        [],
    )


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


async def test_a_server_with_tls_is_measured_by_its_wss_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path, "--tls", "self-signed") as running:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "data/tls/cert.pem"))
        url = running.url.replace("https", "wss", 1) + "/v1/realtime?model=m"
        report = await asyncio.to_thread(run, Load(url, 2, 0.8, SHORT, stagger_s=0.2))
    assert not report.problems
    assert not report.unanswered
    assert len(report.turns) >= 2


def test_a_row_that_fails_does_not_take_the_others_along(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Section:
        raise OSError("no session: timed out")

    def fine(*_: object) -> Section:
        return Section("Fine", [], [Target("a figure", 1, 2, "ms")])

    monkeypatch.setattr(operation, "overload", broken)
    monkeypatch.setattr(sections, "remembered", fine)
    said: list[str] = []
    found = Measuring(Conditions(1, False, said.append), QUICK).all(["overload", "memory"])
    assert [[target.met for target in section.targets] for section in found] == [[False], [True]]
    assert "  NOT MET: row overload: - (<= 0)" in said
    assert "  met: a figure: 1 ms (<= 2 ms)" in said
