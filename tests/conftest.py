"""What holds for every test: no key or setting of the caller's, no connection off this machine, proofs on
record."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.proofs import FULL, Proof, write_rows

ROOT = Path(__file__).resolve().parent.parent
PROOFS_PAGE = ROOT / "docs" / "proofs.md"
# These say where things lie on this machine and do not change what the product does.
KEPT = {"VIVAVOCE_MODELS_DIR", "VIVAVOCE_DEPS_DIR", "VIVAVOCE_PROOFS", "VIVAVOCE_PROOFS_SEED"}

_proof_of_test = pytest.StashKey[Proof]()
_rows = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    # A shell that starts the tests in the background has them ignore SIGINT, and every program they start would inherit that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # A busy machine is no counterexample.
    hypothesis.settings.register_profile("patient", deadline=None)
    hypothesis.settings.load_profile("patient")
    config.addinivalue_line(
        "markers", "proof: runs at full size with `make prove`; asks for the fixture `proof`"
    )
    config.stash[_rows] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "proof" in getattr(item, "fixturenames", ()):
            item.add_marker("proof")


@pytest.fixture
def proof(request: pytest.FixtureRequest) -> Proof:
    """Size and seed of a test that is a proof; see tests/proofs.py."""
    made = Proof(request.node.nodeid.removeprefix("tests/"))
    request.node.stash[_proof_of_test] = made
    return made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    made = item.stash.get(_proof_of_test, None)
    if made is not None and call.when == "call" and made.full and (made.sizes or made.findings):
        item.config.stash[_rows].append(made.row(call.excinfo is None, call.duration))
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    rows = session.config.stash[_rows]
    if FULL and rows:
        write_rows(PROOFS_PAGE, rows)


@pytest.fixture(autouse=True, scope="session")
def no_settings_of_the_caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keys and settings of whoever runs the tests must not decide them, nor may a test write to their
    data."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("OPENAI_", "VIVAVOCE_")) and name not in KEPT:
                patch.delenv(name)
        patch.setenv("VIVAVOCE_DATA_DIR", str(tmp_path_factory.mktemp("data")))
        # A proxy would answer for addresses that must stay unanswered.
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            patch.delenv(name, raising=False)
            patch.delenv(name.upper(), raising=False)
        yield


@pytest.fixture(autouse=True, scope="session")
def loopback_only() -> Iterator[None]:
    """A connection off this machine fails at once and says so, instead of waiting for an answer."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def checked_connect(self: socket.socket, address: Any) -> None:
        refuse_remote(self, address)
        connect(self, address)

    def checked_connect_ex(self: socket.socket, address: Any) -> int:
        refuse_remote(self, address)
        return connect_ex(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", checked_connect)
        patch.setattr(socket.socket, "connect_ex", checked_connect_ex)
        yield


def refuse_remote(connecting: socket.socket, address: Any) -> None:
    """Raises ConnectionRefusedError when `address` is off this machine; datagrams send nothing by
    connecting."""
    if connecting.family not in (socket.AF_INET, socket.AF_INET6) or connecting.type != socket.SOCK_STREAM:
        return
    host = str(address[0])
    if host != "localhost" and not ipaddress.ip_address(host.split("%")[0]).is_loopback:
        raise ConnectionRefusedError(f"a test tried to connect to {host}: tests stay on this machine")
