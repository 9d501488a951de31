"""The wheel that `make dist` builds carries what it needs: it works where there is no source tree."""

from __future__ import annotations

import asyncio
import hashlib
import sys
import zipfile
from pathlib import Path

import pytest

from build_wheel import ROOT, build
from tests.proofs import Proof
from tests.server.processes import environment, get, serving
from tests.server.rig import raw_client


async def serves(folder: Path, python: str, **variables: str) -> None:
    """A server of that interpreter hears by Silero, answers a spoken turn, and has its page."""
    async with serving(folder, python=python, VIVAVOCE_SCRIPTED__VAD="silero", **variables) as running:
        assert "silero" in running.printed
        assert "vivavoce" in (await get(running.url + "/")).text
        async with raw_client(running.url) as talk:
            await talk.say("hello")
            assert (await talk.until("response.done"))["response"]["status"] == "completed"


def test_the_wheel_is_whole(tmp_path: Path) -> None:
    """Nothing of the package is left behind, nothing else is in it, and the model files stand beside their licence."""
    with zipfile.ZipFile(build(tmp_path / "dist")) as packed:
        names = {name for name in packed.namelist() if not name.split("/")[0].endswith(".dist-info")}
        model = packed.read("vivavoce/models/silero_vad_half.onnx")
    package = ROOT / "src" / "vivavoce"
    files = {
        path.relative_to(package.parent).as_posix()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and "models" not in path.parts
    }
    assert names - files == {"vivavoce/models/silero_vad_half.onnx", "vivavoce/models/silero_vad.LICENSE"}
    assert files - names == set()
    assert hashlib.sha256(model).hexdigest() in (ROOT / "requirements/models.toml").read_text()


@pytest.mark.timeout(1800)
async def test_it_is_installed_with_pip_and_gives_the_demo(
    tmp_path: Path, proof: Proof, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Packages come over the network, so the day's tests leave it out."""
    if not proof.full:
        pytest.skip("only with make prove")
    wheel = build(tmp_path / "dist")
    monkeypatch.delenv("VIVAVOCE_MODELS_DIR", raising=False)  # They come from the wheel.
    empty = tmp_path / "empty"
    environ = {name: value for name, value in environment().items() if name != "PYTHONPATH"}

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

    await run(sys.executable, "-m", "venv", empty)
    await run(empty / "bin/python", "-m", "pip", "install", "--quiet", wheel)
    told = await run(empty / "bin/vivavoce", "demo", "--fast", "--out", tmp_path / "out")
    assert "answered 7 of 7" in told
    assert (tmp_path / "out/call.html").is_file()
    await serves(tmp_path, str(empty / "bin/python"))
    proof.result(
        "pip install into an empty environment; demo --fast answered 7 of 7; serve answered a client"
    )
