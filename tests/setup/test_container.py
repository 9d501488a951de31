"""The container's files, the service and the proxies of docs/deploy.md: what can be checked without a base image."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.server.rig import server
from vivavoce.call.settings import load_settings, variables
from vivavoce.cli import make_parser

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
DEPLOY = (ROOT / "docs" / "deploy.md").read_text()


def lines(instruction: str) -> list[str]:
    """What stands behind an instruction, in order."""
    return re.findall(rf"^{instruction} +(.+)$", DOCKERFILE, re.MULTILINE)


def test_images_are_named_plainly() -> None:
    for image in lines("FROM"):
        assert re.fullmatch(r"[a-z]+:[a-z0-9.-]+( AS [a-z]+)?", image)
    assert len(lines("FROM")) == 2


def test_what_is_copied_is_there_and_let_through() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    for line in lines("COPY"):
        if line.startswith("--from"):
            continue
        for path in line.split()[:-1]:
            assert (ROOT / path).exists()
            assert f"!{path}" in ignored
    for script in re.findall(r"scripts/\w+\.py", DOCKERFILE):
        assert (ROOT / script).is_file()


def test_nobody_runs_it_as_root_and_its_data_is_its_own() -> None:
    (user,) = lines("USER")
    assert f"--uid {user} " in DOCKERFILE
    assert int(user) > 0
    (volume,) = lines("VOLUME")
    assert f"VIVAVOCE_DATA_DIR={volume}" in DOCKERFILE
    assert COMPOSE["services"]["vivavoce"]["volumes"] == [f"vivavoce-data:{volume}"]


def test_every_variable_is_a_setting_and_every_command_a_command() -> None:
    environment = COMPOSE["services"]["vivavoce"]["environment"]
    given = {**environment, **dict(re.findall(r"(VIVAVOCE_[A-Z_]+)=(\S+)", DOCKERFILE + DEPLOY))}
    given = {name: "x" if value.startswith(("$", "...")) else value for name, value in given.items()}
    assert load_settings({}, given).server.workers == 0
    (entry,), (command,) = lines("ENTRYPOINT"), lines("CMD")
    assert json.loads(entry) == ["vivavoce"]
    assert make_parser().parse_args(json.loads(command)).command == "serve"
    for setting in re.findall(r"`((?:server|limits|session|rest)\.\w+)`", DEPLOY):
        assert setting in variables().values(), setting


def test_it_is_given_time_to_drain() -> None:
    patience = int(COMPOSE["services"]["vivavoce"]["stop_grace_period"].removesuffix("s"))
    assert patience > load_settings({}, {}).server.drain_s
    unit = dict(re.findall(r"(DRAIN_S|TimeoutStopSec)=(\d+)", DEPLOY))
    assert int(unit["TimeoutStopSec"]) > int(unit["DRAIN_S"])


async def test_the_health_check_tells_a_server_from_none(tmp_path: Path) -> None:
    import asyncio

    (check,) = re.findall(r"HEALTHCHECK .*? CMD (\[.*\])", DOCKERFILE)
    _, flag, program = json.loads(check)

    async def code(url: str) -> int:
        there = program.replace("http://127.0.0.1:8000", url)
        assert there != program
        process = await asyncio.create_subprocess_exec(
            sys.executable, flag, there, stderr=asyncio.subprocess.DEVNULL
        )
        return await process.wait()

    async with server(tmp_path) as url:
        assert await code(url) == 0
    assert await code(url) == 1


@pytest.mark.parametrize(
    "needed", ["proxy_http_version 1.1", "Upgrade $http_upgrade", "Host $http_host", "proxy_buffering off"]
)
def test_the_proxy_hands_on_what_it_must(needed: str) -> None:
    assert needed in DEPLOY
