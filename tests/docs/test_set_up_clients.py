"""The environment of `make clients`: made once, pinned by hash, from wherever pip and npm are told to look."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import set_up_clients
from set_up import SetUpFailed
from tests.docs.pages import ROOT

LOCK = ROOT / "requirements" / "node" / "package-lock.json"


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the steps did, in order; they only say that they ran."""
    done: list[str] = []

    def half(name: str) -> None:
        done.append(name)
        (tmp_path / name).mkdir(exist_ok=True)

    for name in ("clients.txt", "node"):
        source, target = ROOT / "requirements" / name, tmp_path / "requirements" / name
        target.parent.mkdir(exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    monkeypatch.setattr(set_up_clients, "CLIENTS", tmp_path)
    monkeypatch.setattr(set_up_clients, "RECORD", tmp_path / "vivavoce.json")
    monkeypatch.setattr(set_up_clients, "LOCK", tmp_path / "requirements" / "clients.txt")
    monkeypatch.setattr(set_up_clients, "NODE", tmp_path / "requirements" / "node")
    monkeypatch.setattr(set_up_clients, "make_python", lambda: half("python"))
    monkeypatch.setattr(set_up_clients, "make_node", lambda: half("node"))
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    return done


def again(ran: list[str]) -> list[str]:
    """What one more run does."""
    ran.clear()
    assert set_up_clients.main() == 0
    return list(ran)


def test_all_is_done_once(ran: list[str]) -> None:
    assert again(ran) == ["python", "node"]
    assert again(ran) == []


def test_what_belongs_to_another_checkout_is_left_alone(
    ran: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "theirs")
    monkeypatch.setattr(set_up_clients, "CLIENTS", tmp_path / "link")
    assert again(ran) == []


@pytest.mark.parametrize(
    ("changed", "redone"), [("clients.txt", "python"), ("node/package-lock.json", "node")]
)
def test_only_what_changed_is_redone(changed: str, redone: str, ran: list[str], tmp_path: Path) -> None:
    again(ran)
    with (tmp_path / "requirements" / changed).open("a") as file:
        file.write("\n")
    assert again(ran) == [redone]


def test_without_npm_the_python_half_is_made(
    ran: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert again(ran) == ["python"]
    assert "npm is not installed" in capsys.readouterr().out


def test_a_failure_is_one_line_and_tried_again(
    ran: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise SetUpFailed("no network")

    with monkeypatch.context() as patch:
        patch.setattr(set_up_clients, "make_node", fail)
        assert set_up_clients.main() == 1
    assert capsys.readouterr().err == "set-up: no network\n"
    assert again(ran) == ["node"]


def test_the_node_lock_pins_by_hash_and_names_no_place() -> None:
    packages = json.loads(LOCK.read_text())["packages"]
    named = {name: package for name, package in packages.items() if name}
    assert {"node_modules/openai", "node_modules/ws", "node_modules/@openai/agents"} <= named.keys()
    for name, package in named.items():
        assert package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, name


def test_the_node_lock_is_of_this_package() -> None:
    asked = json.loads((LOCK.parent / "package.json").read_text())["dependencies"]
    assert json.loads(LOCK.read_text())["packages"][""]["dependencies"] == asked
