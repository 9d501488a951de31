"""The matrix itself: what it sees of a case, what it lets pass, and what it keeps."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients import record
from tests.clients.__main__ import wanted_cases
from tests.clients.catalogue import CLIENTS, ENGINES, LOCAL_CASES, PROGRAMS, Client
from tests.clients.matrix import DEFECT, Outcome, Stand, elsewhere, run_case, standing

MISTAKEN = """
import asyncio, json, sys
sys.path.insert(0, {programs!r})
from raw_websockets import dialled


async def main():
    async with dialled() as line:
        await line.send("session.update", session={{"voice": "alloy"}})
        assert json.loads(await line.socket.recv())["type"] == "error"


asyncio.run(main())
"""


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """A server with the script of the client programs."""
    with standing("scripted", tmp_path_factory.mktemp("stand")) as started:
        yield started


def client_of(name: str) -> Client:
    return next(client for client in CLIENTS if client.name == name)


def test_a_case_that_goes_well(stand: Stand) -> None:
    outcome = run_case(client_of("websockets"), "text", stand)
    assert outcome.passed, outcome.said
    assert {
        "<- session.update",
        "<- response.create",
        "-> session.created",
        "-> response.done",
    } <= outcome.events
    assert outcome.hints == ()


def test_a_hint_about_the_client_fails_the_case(stand: Stand, tmp_path: Path) -> None:
    program = tmp_path / "mistaken.py"
    program.write_text(MISTAKEN.format(programs=str(PROGRAMS)), "utf-8")
    outcome = run_case(Client("mistaken", str(program), "websockets", "own", ("flat",)), "flat", stand)
    assert not outcome.passed
    assert outcome.hints == ("flat_session",)
    assert outcome.said.startswith("the server hints: flat_session")


def test_a_hint_of_the_upstream_fails_the_case_as_well(stand: Stand, tmp_path: Path) -> None:
    program = tmp_path / "mistaken.py"
    program.write_text(MISTAKEN.format(programs=str(PROGRAMS)), "utf-8")
    front = Stand(stand.url, stand.key, tmp_path, "relay", None, upstream=stand)
    assert front.answering() == "scripted"
    outcome = run_case(Client("mistaken", str(program), "websockets", "own", ("flat",)), "flat", front)
    assert (outcome.passed, outcome.hints, outcome.events) == (False, ("flat_session",), frozenset())


def test_what_did_not_happen_is_told(stand: Stand, tmp_path: Path) -> None:
    with elsewhere(f"{stand.url}/nowhere", tmp_path) as other:
        outcome = run_case(client_of("websockets"), "text", other)
    assert not outcome.passed
    assert "server rejected WebSocket connection" in outcome.said
    assert outcome.events == frozenset()


@pytest.mark.parametrize(
    ("logged", "found"),
    [
        ("2026-11-21 15:34:34,981 ERROR vivavoce.call: call rtc_x: internal error", True),
        ("Traceback (most recent call last):", True),
        ("2026-11-21 15:34:34,981 WARNING vivavoce.call: call rtc_x: hint flat_session: ERROR", False),
        ("2026-11-21 15:34:34,981 DEBUG vivavoce.wire: rtc_x/ws1 -> error 200 bytes", False),
    ],
)
def test_what_a_server_must_not_log(logged: str, found: bool) -> None:
    assert bool(DEFECT.search(f"before\n{logged}\nafter")) is found


def test_the_last_run_of_each_case_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "outcomes.json"
    client = client_of("ws")
    first, later = (
        record.row_of(
            client, Outcome(client.name, "text", "scripted", passed, 1.0, said, frozenset({"<- x"}))
        )
        for passed, said in ((False, "no luck"), (True, "ignored"))
    )
    other = record.row_of(client, Outcome(client.name, "audio", "cascade", True, 1.0, "", frozenset()))
    gone = record.row_of(client, Outcome(client.name, "of old", "cascade", True, 1.0, "", frozenset()))
    record.keep([gone, other, first], file)
    assert record.read(file) == [first, other]
    assert first.reason == "no luck"
    record.keep([later], file)
    assert record.read(file) == [later, other]
    assert (later.reason, later.version) == ("", client.version())


def test_a_reduced_run_has_every_client_and_only_its_cases() -> None:
    for client in CLIENTS:
        assert client.reduced("scripted")
        assert all(case in client.cases for engine in ENGINES for case in client.reduced(engine))
    assert sum(len(client.reduced("relay")) for client in CLIENTS) == 3


def test_what_needs_this_machine_is_not_run_against_another() -> None:
    everything = argparse.Namespace(against=None, reduced=False, case=None)
    elsewhere = argparse.Namespace(against="https://other.example/v1", reduced=False, case=None)
    client = client_of("websockets")
    left_out = {*wanted_cases(client, everything, "cascade")} - {*wanted_cases(client, elsewhere, "cascade")}
    assert left_out == LOCAL_CASES


def test_an_error_fails_the_case_also_where_the_program_takes_no_notice(stand: Stand, tmp_path: Path) -> None:
    program = tmp_path / "unmoved.py"
    program.write_text(
        MISTAKEN.format(programs=str(PROGRAMS))
        .replace('"session.update"', '"response.cancel"')
        .replace(', session={"voice": "alloy"}', ""),
        "utf-8",
    )
    outcome = run_case(Client("unmoved", str(program), "websockets", "own", ("flat",)), "flat", stand)
    assert (outcome.passed, outcome.hints) == (False, ())
    assert outcome.said.startswith("a server sent an error")
