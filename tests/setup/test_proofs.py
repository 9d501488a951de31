"""Proofs keep their sizes and go on record; tests stay on this machine."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.conftest import refuse_remote
from tests.proofs import Proof, write_rows

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


def test_a_proof_has_two_sizes() -> None:
    assert Proof("a", full=False).size(20, 1000) == 20
    assert Proof("a", full=True).size(20, 1000) == 1000


def test_a_row_tells_size_seed_and_result() -> None:
    made = Proof("audio/test_x.py::test_y", seed=4, full=True)
    made.size(1, 10_000)
    made.result("0 raised | none")
    row = "| `audio/test_x.py::test_y` | 10,000 | 4 | 0 raised \\| none | 2.0 s | 2026-01-02 12:00 |"
    assert made.row(True, 2.0, NOON) == row
    assert "| FAILED; 0 raised" in made.row(False, 2.0, NOON)
    assert "| held |" in Proof("b").row(True, 0, NOON)


def test_the_page_keeps_the_rows_of_other_proofs(tmp_path: Path) -> None:
    page = tmp_path / "proofs.md"
    write_rows(page, [Proof("b").row(True, 1, NOON), Proof("a").row(True, 1, NOON)])
    write_rows(page, [Proof("b").row(False, 1, NOON)])
    rows = [line for line in page.read_text().splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == ["a", "b"]
    assert "held" in rows[0]
    assert "FAILED" in rows[1]


def test_a_test_that_asks_for_it_is_a_proof(proof: Proof, request: pytest.FixtureRequest) -> None:
    assert request.node.get_closest_marker("proof") is not None
    assert proof.name == "setup/test_proofs.py::test_a_test_that_asks_for_it_is_a_proof"


def test_no_key_of_the_caller_is_seen() -> None:
    assert [name for name in os.environ if name.startswith("OPENAI_")] == []
    assert Path(os.environ["VIVAVOCE_DATA_DIR"]).is_dir()


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "0.0.0.1"])
def test_a_connection_off_this_machine_is_refused(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as connecting:
        with pytest.raises(ConnectionRefusedError, match="tests stay on this machine"):
            connecting.connect((host, 9))
        with pytest.raises(ConnectionRefusedError, match="tests stay on this machine"):
            connecting.connect_ex((host, 9))


def test_loopback_is_let_through() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as connected,
    ):
        assert connected.getpeername() == server.getsockname()
        refuse_remote(connected, ("localhost", 1))
