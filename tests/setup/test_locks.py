"""The lock files pin everything that is needed, with hashes, and name no place that packages come from."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).resolve().parents[2] / "requirements"
LOCKS = ("runtime.txt", "dev.txt", "uv.txt", "clients.txt")
# An address, an absolute path, a reference to a file or archive, an option: none may be in a lock.
PLACE = re.compile(r"://|(^|[\s=@\"'])/|\s@\s|^-|\.whl|\.tar\.gz")


def pins(lock: str) -> dict[str, set[str]]:
    """Package name -> pinned versions with their conditions."""
    found: dict[str, set[str]] = {}
    for line in (REQUIREMENTS / lock).read_text().splitlines():
        matched = re.match(r"([a-z0-9-]+)==([^\s;]+)(?: ; ([^\\]+))?", line)
        if matched:
            found.setdefault(matched[1], set()).add(f"{matched[2]} {matched[3] or ''}".strip(" \\"))
    return found


def canonical(requirement: str) -> str:
    matched = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert matched, requirement
    return re.sub(r"[-_.]+", "-", matched[0]).lower()


@pytest.mark.parametrize(
    "line", ["--index-url x", "a @ b", "a==1 # from /tmp/x", "https://x/simple", "x.whl"]
)
def test_places_are_recognised(line: str) -> None:
    assert PLACE.search(line)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_place(lock: str) -> None:
    lines = (REQUIREMENTS / lock).read_text().splitlines()
    assert lines
    assert [line for line in lines if PLACE.search(line)] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_hashes(lock: str) -> None:
    text = (REQUIREMENTS / lock).read_text()
    blocks = re.split(r"\n(?=[a-z0-9])", text.strip())
    assert len(blocks) == sum(len(versions) for versions in pins(lock).values())
    without = [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block]
    assert without == []


def test_development_has_the_very_runtime_packages() -> None:
    runtime, dev = pins("runtime.txt"), pins("dev.txt")
    assert len(runtime) > 20
    assert {name: dev.get(name) for name in runtime} == runtime


def test_what_the_project_asks_for_is_locked() -> None:
    project = tomllib.loads((REQUIREMENTS.parent / "pyproject.toml").read_text())
    runtime = {
        canonical(asked) for asked in project["project"]["dependencies"] + project["build-system"]["requires"]
    }
    dev = {canonical(asked) for asked in project["dependency-groups"]["dev"]}
    assert runtime - pins("runtime.txt").keys() == set()
    assert dev - pins("dev.txt").keys() == set()
    assert dev & pins("runtime.txt").keys() == set()


def test_pocketsphinx_has_a_build_for_every_python() -> None:
    assert pins("runtime.txt")["pocketsphinx"] == {
        "5.0.4 python_full_version == '3.12.*'",
        "5.1.1 python_full_version != '3.12.*'",
    }
