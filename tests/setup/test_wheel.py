"""The wheel that `make dist` builds carries what it needs: it works where there is no source tree."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from build_wheel import build
from tests.proofs import Proof
from tests.server.processes import get, serving
from tests.server.rig import raw_client


@pytest.fixture(autouse=True)
def no_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Model files come from the wheel, or from nowhere."""
    monkeypatch.delenv("VIVAVOCE_MODELS_DIR", raising=False)


async def serves(folder: Path, python: str, **variables: str) -> None:
    """A server of that interpreter hears by Silero, answers a spoken turn, and has its page."""
    async with serving(folder, python=python, VIVAVOCE_SCRIPTED__VAD="silero", **variables) as running:
        assert "silero" in running.printed
        assert "vivavoce" in (await get(running.url + "/")).text
        async with raw_client(running.url) as talk:
            await talk.say("hello")
            assert (await talk.until("response.done"))["response"]["status"] == "completed"


def place_of_package(**variables: str) -> Path:
    """PYTHONPATH comes before the checkout, which stands in a file of the environment."""
    command = [sys.executable, "-c", "import vivavoce; print(vivavoce.__file__)"]
    environ = {**os.environ, **variables}
    return Path(
        subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout.strip()
    )


async def test_the_wheel_is_whole(tmp_path: Path) -> None:
    wheel = build(tmp_path / "dist")
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(installed)
    assert place_of_package(PYTHONPATH=str(installed)).is_relative_to(installed)
    await serves(tmp_path, sys.executable, PYTHONPATH=str(installed))
    for name in ("silero_vad_half.onnx", "silero_vad.LICENSE"):
        assert (installed / "vivavoce" / "models" / name).is_file()


@pytest.mark.timeout(1800)
async def test_it_is_installed_with_pip_and_gives_the_demo(tmp_path: Path, proof: Proof) -> None:
    """Packages come over the network, so the day's tests leave it out."""
    if not proof.full:
        pytest.skip("only with make prove")
    wheel = build(tmp_path / "dist")
    environment = tmp_path / "empty"
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    async def run(*command: str | Path) -> str:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=tmp_path,
            env=environ,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        told = (await process.communicate())[0].decode()
        assert process.returncode == 0, told
        return told

    await run(sys.executable, "-m", "venv", environment)
    await run(environment / "bin/python", "-m", "pip", "install", "--quiet", wheel)
    told = await run(environment / "bin/vivavoce", "demo", "--fast", "--out", tmp_path / "out")
    assert "answered 7 of 7" in told
    assert (tmp_path / "out/call.html").is_file()
    await serves(tmp_path, str(environment / "bin/python"))
    proof.result(
        "pip install into an empty environment; demo --fast answered 7 of 7; serve answered a client"
    )
