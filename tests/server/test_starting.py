"""What is checked and printed before the server listens."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.call.rig import settings_of
from tests.ports import free_port
from tests.server.processes import environment, get
from vivavoce.call.settings import Settings
from vivavoce.cli import main
from vivavoce.engines.relay.engine import RelayEngine
from vivavoce.engines.scripted.engine import ScriptedEngine, ScriptedSettings
from vivavoce.server import run
from vivavoce.server.keys import KeyStore
from vivavoce.server.run import _make_data_folder, print_banner, refuse_to_start


def test_a_busy_port_is_named_together_with_a_free_one(
    busy_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--engine", "scripted", "--port", str(busy_port)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"port {busy_port} on 127.0.0.1 is in use" in line
    free = int(line.rpartition("--port ")[2])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", free))


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::"])
def test_without_keys_it_listens_on_this_machine_only(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--engine", "scripted", "--host", host, "--port", "0"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"refusing to listen on {host} without API keys" in line
    assert "export VIVAVOCE_API_KEYS=" in line


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost"])
def test_loopback_needs_no_keys(host: str) -> None:
    assert refuse_to_start(settings_of(server__host=host, server__port=0)) is None


def test_with_keys_it_may_listen_anywhere() -> None:
    assert refuse_to_start(settings_of(server__host="0.0.0.0", server__port=0, auth__keys="vv_x")) is None


@pytest.mark.parametrize(
    ("host", "keys", "shown"),
    [
        ("127.0.0.1", "", "http://127.0.0.1:8000"),
        ("0.0.0.0", "vv_x", "http://127.0.0.1:8000"),
        ("::1", "", "http://[::1]:8000"),
    ],
)
def test_the_banner_is_short_and_can_be_pasted(
    host: str, keys: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = settings_of(server__host=host, **({"auth__keys": keys} if keys else {}))
    print_banner(given, ScriptedEngine(ScriptedSettings()).names, host, 8000)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 10
    assert shown in lines[0]
    key = "local" if not keys else "<one of your keys>"
    assert f"  export OPENAI_BASE_URL={shown}/v1 OPENAI_API_KEY={key}" in lines
    assert "vv_x" not in "\n".join(lines)


def relay_settings(url: str, **flags: str) -> Settings:
    return settings_of(engine__kind="relay", upstream__url=url, **flags)


@pytest.mark.parametrize(
    ("failover", "instead"), [("none", ""), ("cascade", "; the cascade, once that is lost")]
)
def test_what_is_one_thing_is_told_once(
    failover: str, instead: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = relay_settings("wss://up.example/v1/realtime", relay__failover=failover)
    print_banner(given, RelayEngine(given.upstream, given.relay, {}).names, "127.0.0.1", 8000)
    _, answers, data, *_ = capsys.readouterr().out.splitlines()
    assert answers == f"  relays  to the model that is asked for at up.example{instead}"
    assert data.startswith("  data ")


@pytest.mark.parametrize("url", ["http://localhost:{port}", "ws://127.0.0.1:{port}/v1/realtime"])
def test_a_relay_does_not_call_itself(
    url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("VIVAVOCE_UPSTREAM_URL", url.format(port=port))
    assert main(["serve", "--engine", "relay", "--port", str(port)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "upstream.url is this server itself" in line


def test_a_script_that_cannot_be_read_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--engine", "scripted", "--script", "/nonexistent.toml", "--port", "0"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "/nonexistent.toml" in line


@pytest.mark.parametrize("host", ["203.0.113.7", "no-such-host.invalid"])
def test_an_address_of_another_machine_is_refused_in_words(
    host: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIVAVOCE_API_KEYS", "vv_x")
    assert main(["serve", "--engine", "scripted", "--host", host]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"vivavoce: cannot listen on {host} (")
    assert line.endswith("name an address of this machine with --host")


def test_a_data_folder_that_cannot_be_is_told_at_the_start(
    tmp_path: Path, busy_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    _make_data_folder(settings_of(data_dir=str(tmp_path / "file" / "data")))
    assert "nothing can be kept in" in caplog.text
    assert "--data-dir" in caplog.text
    caplog.clear()
    _make_data_folder(settings_of(data_dir=str(tmp_path / "new" / "data")))
    assert caplog.text == ""
    assert (tmp_path / "new" / "data").stat().st_mode & 0o777 == 0o700


def test_a_full_disk_is_told_at_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(folder: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(run, "try_writing", full)
    _make_data_folder(settings_of(data_dir=str(tmp_path)))
    assert "No space left" in caplog.text
    assert "Make room" in caplog.text


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_what_cannot_be_printed_is_one_line(tmp_path: Path) -> None:
    """And a key that nobody saw is none."""
    code = f"import sys; from vivavoce.cli import main; sys.exit(main(['keys', sys.argv[1], '--data-dir', {str(tmp_path)!r}]))"
    with open("/dev/full", "w") as full:
        made, listed = (
            subprocess.run(
                [sys.executable, "-c", code, action], stdout=full, stderr=subprocess.PIPE, text=True
            )
            for action in ("create", "list")
        )
    (record,) = KeyStore(tmp_path).records()
    assert record.revoked_at is not None
    said = "vivavoce: not everything could be written: No space left on device"
    assert (made.returncode, made.stderr.splitlines()) == (
        1,
        [f"vivavoce: nobody saw the key {record.id}, so it is revoked", said],
    )
    assert (listed.returncode, listed.stderr.splitlines()) == (1, [said])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
async def test_a_server_without_a_place_to_print_to_serves(tmp_path: Path) -> None:
    """Standard output is full and standard error is closed: what a socket gets must not be what was meant for them."""
    port = free_port()
    command = [sys.executable, "-m", "vivavoce", "serve", "--engine", "scripted", "--port", str(port)]
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", 'exec "$@" >/dev/full 2>&- <&-', "sh", *command, "--data-dir", str(tmp_path)),
        env=environment(),
    )
    try:
        async with asyncio.timeout(60):
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    if (await get(f"http://127.0.0.1:{port}/healthz")).status_code == 200:
                        break
                await asyncio.sleep(0.05)
                assert process.returncode is None
            process.terminate()
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def test_ctrl_c_while_it_loads_leaves_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("vivavoce.cli.make_parser", interrupted)
    assert main(["serve"]) == 130
    assert capsys.readouterr().err == ""


def test_a_relay_to_openai_needs_a_key(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert main(["serve", "--engine", "relay", "--port", "0"]) == 2
    assert "api.openai.com asks for a key: export OPENAI_API_KEY" in capsys.readouterr().err
    relay: dict[str, object] = {"engine__kind": "relay", "server__port": 0}
    assert refuse_to_start(settings_of(**relay, upstream__key="sk-x")) is None
    assert refuse_to_start(settings_of(**relay, upstream__url="http://127.0.0.1:9/v1")) is None
    assert refuse_to_start(settings_of(**relay, relay__failover="cascade")) is None
