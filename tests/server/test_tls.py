"""https and wss: the server's own certificate and somebody else's, with unmodified clients that check it."""

from __future__ import annotations

import asyncio
import datetime
import os
import shutil
import ssl
import stat
import sys
from pathlib import Path

import httpx
import pytest
import websockets
from cryptography import x509

from tests.docs.pages import ROOT
from tests.server.processes import serving
from vivavoce.call.settings import Settings, SettingsError, load_settings
from vivavoce.cli import main
from vivavoce.server import tls

NODE_MODULES = ROOT / ".clients" / "node" / "node_modules"
PYTHON_PROGRAM = """
import asyncio
from openai import AsyncOpenAI

async def main():
    async with AsyncOpenAI() as client:
        print((await client.models.list()).data[0].object)
        async with client.realtime.connect(model="gpt-realtime-2") as connection:
            async for event in connection:
                print(event.type)
                break

asyncio.run(main())
"""
NODE_PROGRAM = """
import { OpenAIRealtimeWS } from "openai/realtime/ws";
import OpenAI from "openai";
const realtime = new OpenAIRealtimeWS({ model: "gpt-realtime-2" }, new OpenAI());
realtime.on("error", (error) => { console.error(String(error)); process.exit(1); });
realtime.on("session.created", (event) => { console.log(realtime.url.protocol, event.type); realtime.close(); });
"""


async def run(command: list[str], cwd: Path, **variables: str) -> tuple[int, str, str]:
    """A program: exit code, what it printed, what it complained about."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SSL_")}
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env=environ | variables,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, error = await process.communicate()
    return process.returncode or 0, out.decode(), error.decode()


def exported(banner: str) -> dict[str, str]:
    """What the banner says to export."""
    lines = [line.split()[1:] for line in banner.splitlines() if line.startswith("  export ")]
    return dict(word.split("=", 1) for words in lines for word in words)


async def test_clients_that_trust_the_certificate_as_the_banner_says(tmp_path: Path) -> None:
    async with serving(tmp_path, "--tls", "self-signed") as running:
        variables = exported(running.printed)
        assert running.url.startswith("https://")
        assert len(running.printed.splitlines()) <= 10
        assert set(variables) == {"OPENAI_BASE_URL", "OPENAI_API_KEY", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"}
        python = [sys.executable, "-c", PYTHON_PROGRAM]
        assert await run(python, tmp_path, **variables) == (0, "model\nsession.created\n", "")
        # Nobody is trusted for nothing.
        untrusting = {name: value for name, value in variables.items() if name != "SSL_CERT_FILE"}
        code, _, error = await run(python, tmp_path, **untrusting)
        assert code == 1
        assert "CERTIFICATE_VERIFY_FAILED" in error
        context = ssl.create_default_context(cafile=variables["SSL_CERT_FILE"])
        context.verify_flags |= ssl.VERIFY_X509_STRICT  # As Python 3.13 is by itself.
        port = running.url.rpartition(":")[2]
        async with httpx.AsyncClient(verify=context) as client:
            assert (await client.get(f"https://localhost:{port}/healthz")).status_code == 200
        address = f"wss://127.0.0.1:{port}/v1/realtime?model=m"
        async with websockets.connect(address, ssl=context) as socket:
            assert b"session.created" in await socket.recv(decode=False)
        if shutil.which("node") and (NODE_MODULES / "openai").is_dir():
            (tmp_path / "node_modules").symlink_to(NODE_MODULES)
            (tmp_path / "program.mjs").write_text(NODE_PROGRAM)
            assert await run(["node", "program.mjs"], tmp_path, **variables) == (
                0,
                "wss: session.created\n",
                "",
            )


# --- the certificate ----------------------------------------------------------------------------------------------------


def settings(folder: Path, **flags: object) -> Settings:
    given = {"tls.kind": "self-signed", "data_dir": str(folder)}
    return load_settings(given | {key.replace("__", "."): value for key, value in flags.items()}, environ={})


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_it_names_this_machine_and_vouches_for_nobody_else(tmp_path: Path) -> None:
    files = tls.ready_files(settings(tmp_path, server__host="10.1.2.3"))
    assert stat.S_IMODE(files.key.stat().st_mode) == 0o600
    found = read(files.cert)
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"localhost", os.uname().nodename.lower()} <= set(names.get_values_for_type(x509.DNSName))
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == [
        "127.0.0.1",
        "::1",
        "10.1.2.3",
    ]
    assert found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False


def test_it_is_kept_until_it_is_old_or_names_too_little(tmp_path: Path) -> None:
    files = tls.ready_files(settings(tmp_path))
    first, key = read(files.cert), files.key.read_bytes()
    assert tls.ready_files(settings(tmp_path)) == files
    assert read(files.cert) == first
    names = tls.names_for("127.0.0.1")
    day = datetime.timedelta(days=1)
    assert tls.due(files, names, first.not_valid_after_utc - 31 * day) == ""
    for missing in (files.cert, files.key):
        kept = missing.read_bytes()
        missing.unlink()
        assert tls.due(files, names, first.not_valid_after_utc - 31 * day) == "there is none yet"
        missing.write_bytes(kept)
    assert tls.due(files, names, first.not_valid_after_utc - 29 * day).startswith("the old one ends on")
    tls.ready_files(settings(tmp_path, server__host="10.1.2.3"))
    assert read(files.cert) != first
    assert files.key.read_bytes() == key


def test_a_broken_one_is_made_anew(tmp_path: Path) -> None:
    files = tls.ready_files(settings(tmp_path))
    files.cert.write_text("nonsense")
    files.key.write_text("nonsense")
    tls.ready_files(settings(tmp_path)).context()


def test_what_somebody_else_renewed_is_taken_while_the_server_runs(tmp_path: Path) -> None:
    made = tls.ready_files(settings(tmp_path / "one"))
    given = settings(tmp_path, tls__kind="off", tls__cert=str(made.cert), tls__key=str(made.key))
    certificate = tls.Certificate(given)
    assert certificate.refresh() is False
    tls.make(made, ["other.example"])
    assert certificate.refresh() is True
    assert certificate.refresh() is False
    # A renewal that is half done is no reason to stop.
    made.cert.write_text("half")
    assert certificate.refresh() is False


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--tls-cert", "/nonexistent.pem"], "tls.key is not set"),
        (["--tls-key", "/nonexistent.pem"], "tls.cert is not set"),
        (["--tls-cert", "/nonexistent.pem", "--tls-key", "/nonexistent.pem"], "/nonexistent.pem"),
    ],
)
def test_files_that_cannot_be_used_are_named(
    flags: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--engine", "scripted", "--port", "0", *flags]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="--data-dir"):
        tls.ready_files(settings(tmp_path / "file"))
