"""`vivavoce doctor`: each thing that can be wrong is found, and has its fix."""

from __future__ import annotations

import asyncio
import errno
import http.server
import json
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import msgspec
import pytest

from tests.engines.relay.rig import relay
from tests.http_stand_in import served
from tests.server.rig import server
from vivavoce.call.settings import FLAGS, Settings, load_settings
from vivavoce.cli import main
from vivavoce.engines import model_files
from vivavoce.server import checks, flags, tls
from vivavoce.server.checks import access, endpoints, machine, stages
from vivavoce.server.checks.finding import Check, Finding


@pytest.fixture(autouse=True)
def calm_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever runs on the machine's port 8000 is no matter of these tests."""
    monkeypatch.setenv("VIVAVOCE_SERVER__PORT", "0")


def found(settings: Settings, check: Check) -> Finding:
    (finding,) = check(settings)
    # Where something is wrong there is something to do, and nowhere else.
    assert bool(finding.fix) is (finding.state != "ok")
    return finding


def settings(folder: Path, **flags: object) -> Settings:
    given = {key.replace("__", "."): value for key, value in flags.items()}
    return load_settings({"data_dir": str(folder), **given}, environ={})


def test_a_machine_that_is_ready(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--data-dir", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "nothing stands in the way"
    assert not [line for line in lines if line.startswith("FAIL")]
    assert main(["doctor", "--json", "--data-dir", str(tmp_path)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is True
    assert {"data folder", "port", "keys", "tls", "voice activity", "language model"} <= {
        check["name"] for check in told["checks"]
    }
    assert all((check["fix"] is None) is (check["state"] == "ok") for check in told["checks"])
    assert list(tmp_path.iterdir()) == []


def test_what_has_to_be_mended_is_in_the_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--json", "--host", "0.0.0.0", "--data-dir", str(tmp_path)]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    (keys,) = [check for check in told["checks"] if check["name"] == "keys"]
    assert (keys["state"], keys["fix"]) == ("failed", "make one: vivavoce keys create")
    assert main(["doctor", "--config", str(tmp_path / "none.toml")]) == 2


@pytest.mark.parametrize("code", [None, errno.EACCES, errno.ENOSPC])
def test_a_folder_that_cannot_be_written(
    tmp_path: Path, code: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server starts without one, unless it has to keep a certificate there."""
    folder = tmp_path / "data"
    if code is None:
        folder.write_text("")
    else:

        def refuse(folder: Path) -> None:
            raise OSError(code, os.strerror(code))

        for module in (machine, access):
            monkeypatch.setattr(module, "try_writing", refuse)
    finding = found(settings(folder), machine.data_folder)
    assert (finding.state, "--data-dir" in finding.fix) == ("warning", True)
    assert ("make room" in finding.fix) is (code == errno.ENOSPC)
    finding = found(settings(folder, tls__kind="self-signed"), access.certificate)
    assert (finding.state, "--data-dir" in finding.fix) == ("failed", True)


def test_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    assert found(settings(tmp_path / "new" / "folder"), machine.data_folder).state == "ok"
    assert not (tmp_path / "new").exists()


def test_it_takes_what_serve_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--data-dir", str(tmp_path), "--json"]
    lost = str(tmp_path / "lost.toml")
    assert main(["doctor", *given, "--engine", "scripted", "--script", lost]) == 1
    told = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert (told["engine"]["state"], lost in told["engine"]["found"]) == ("failed", True)
    assert "speech to text" not in told
    assert main(["doctor", *given, "--engine", "scripted", "--tls", "self-signed", "--workers", "2"]) == 0
    told = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert "made at the first start" in told["tls"]["found"]


def test_a_flag_is_called_alike_where_it_is_wrong() -> None:
    """The words about a wrong setting name the flag that set it."""
    for flag, setting, _ in flags.FLAGS:
        assert FLAGS.get(setting, f"--{setting.rpartition('.')[2]}".replace("_", "-")) == flag


def test_a_model_that_is_this_server_itself(tmp_path: Path) -> None:
    given = {"llm__url": "http://127.0.0.1:8000/v1", "llm__model": "m", "server__port": 8000}
    assert "this server itself" in found(settings(tmp_path, **given), stages.engine).found


def test_a_port_that_something_else_has(
    tmp_path: Path, busy_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_who_answers", lambda settings: "")
    finding = found(settings(tmp_path, server__port=busy_port), machine.port)
    assert (finding.state, finding.fix) == ("failed", "choose another: --port NUMBER")
    finding = found(settings(tmp_path, server__host="192.0.2.1", server__port=0), machine.port)
    assert (finding.state, finding.fix) == ("failed", "name an address of this machine: --host")


async def test_a_port_that_we_have_ourselves(tmp_path: Path) -> None:
    async with server(tmp_path) as url:
        given = settings(tmp_path, server__port=int(url.rpartition(":")[2]))
        finding = await asyncio.to_thread(found, given, machine.port)
    assert finding.state == "ok"
    assert "a vivavoce answers there" in finding.found


@pytest.mark.parametrize(("keys", "state"), [("short", "warning"), ("vv_" + 40 * "x", "ok"), ("", "ok")])
def test_keys(tmp_path: Path, keys: str, state: str) -> None:
    finding = found(settings(tmp_path, **({"auth__keys": keys} if keys else {})), access.keys)
    assert finding.state == state
    assert not keys or keys not in str(finding)


def test_a_key_file_that_is_broken_or_open_to_all(tmp_path: Path) -> None:
    assert main(["keys", "create", "--data-dir", str(tmp_path)]) == 0
    assert found(settings(tmp_path), access.keys).found == "asked for"
    (path,) = tmp_path.glob("*.json")
    path.chmod(0o644)
    assert found(settings(tmp_path), access.keys).fix == f"chmod 600 {path}"
    path.write_text("{")
    assert found(settings(tmp_path), access.keys).state == "failed"


def test_the_certificate(tmp_path: Path) -> None:
    own = settings(tmp_path, tls__kind="self-signed")
    assert "made at the first start" in found(own, access.certificate).found
    files = tls.ready_files(own)
    assert "renewed by itself" in found(own, access.certificate).found
    given = settings(tmp_path, tls__cert=str(files.cert), tls__key=str(files.key))
    assert found(given, access.certificate).state == "ok"
    lost = settings(tmp_path, tls__cert=str(files.cert), tls__key=str(tmp_path / "lost.pem"))
    assert found(lost, access.certificate).state == "failed"
    half = settings(tmp_path, tls__cert=str(files.cert))
    assert found(half, access.certificate).state == "failed"
    seen = settings(tmp_path, server__host="0.0.0.0")
    assert found(seen, access.certificate).state == "warning"


def test_a_certificate_that_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = tls.ready_files(settings(tmp_path, tls__kind="self-signed"))
    given = settings(tmp_path, tls__cert=str(files.cert), tls__key=str(files.key))
    for days, state in ((10, "warning"), (-1, "failed")):
        monkeypatch.setattr(tls, "VALID_DAYS", days)
        # Valid from an hour ago, so that one that is over was valid once.
        if days < 0:
            monkeypatch.setattr(tls, "VALID_DAYS", 0)
        tls.make(files, ["localhost"])
        assert found(given, access.certificate).state == state


def test_limits(tmp_path: Path) -> None:
    assert found(settings(tmp_path, limits__max_sessions=10**7), machine.limits).fix.startswith(
        "ulimit -n 10000"
    )
    workers = (os.cpu_count() or 1) + 1
    assert found(settings(tmp_path, server__workers=workers), machine.limits).fix.startswith("--workers ")


def test_models_that_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_files, "PACKAGE", tmp_path)
    monkeypatch.setattr(model_files.find_model, "__defaults__", (tmp_path,))
    monkeypatch.delenv("VIVAVOCE_MODELS_DIR", raising=False)
    finding = found(settings(tmp_path), stages.voice_activity)
    assert (finding.state, "VIVAVOCE_VAD_KIND=energy" in finding.fix) == ("failed", True)
    assert found(settings(tmp_path, vad__kind="energy"), stages.voice_activity).state == "ok"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert found(settings(tmp_path), stages.speech_to_text).fix == "pip install pocketsphinx"
    monkeypatch.setattr("vivavoce.engines.cascade.native_libraries.find_flite", lambda: None)
    assert "libflite1" in found(settings(tmp_path), stages.text_to_speech).fix
    scripted = settings(tmp_path, engine__kind="scripted")
    for check in (stages.voice_activity, stages.speech_to_text, stages.text_to_speech, endpoints.endpoints):
        assert list(check(scripted)) == []


def test_a_language_model_that_is_not_there(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        # Taken, so that nobody else gets it, and not listened on.
        nobody.bind(("127.0.0.1", 0))
        given = {"llm__url": f"http://127.0.0.1:{nobody.getsockname()[1]}/v1"}
        assert found(settings(tmp_path, **given), endpoints.endpoints).fix.startswith("VIVAVOCE_LLM_MODEL=")
        told = settings(tmp_path, llm__model="m", llm__key="sk-canary", **given)
        finding = found(told, endpoints.endpoints)
    assert (finding.state, "does not answer" in finding.found) == ("failed", True)
    assert "sk-canary" not in str(finding)


async def test_every_stage_behind_an_endpoint_is_asked(tmp_path: Path) -> None:
    async with server(tmp_path, auth__keys="vv_one") as url:
        given = settings(
            tmp_path,
            stt__url=f"ws{url[4:]}/v1/realtime",
            stt__model="gpt-realtime-2",
            stt__key="vv_one",
            tts__url=f"{url}/v1",
            tts__model="gpt-realtime-2",
            tts__key="vv_one",
            tts__second_url=f"{url}/v1",
        )
        found = await asyncio.to_thread(lambda: list(endpoints.endpoints(given)))
    assert [(one.name, one.state) for one in found] == [
        ("recogniser", "ok"),
        ("language model", "ok"),
        ("voice", "ok"),
        ("second voice", "failed"),
    ]
    assert found[-1].fix.startswith("VIVAVOCE_TTS_SECOND_MODEL=")


async def test_a_language_model_that_answers(tmp_path: Path) -> None:
    """This server lists models as any does."""
    async with server(tmp_path, auth__keys="vv_one") as url:

        async def ask(model: str, key: str) -> Finding:
            given = settings(tmp_path, llm__url=f"{url}/v1", llm__model=model, llm__key=key)
            return await asyncio.to_thread(found, given, endpoints.endpoints)

        assert (await ask("gpt-realtime-2", "vv_one")).state == "ok"
        other = await ask("llama", "vv_one")
        assert (other.state, "gpt-realtime-2" in other.found) == ("warning", True)
        for key in ("", "sk-canary"):
            refused = await ask("gpt-realtime-2", key)
            assert (refused.state, "VIVAVOCE_LLM_KEY" in refused.fix) == ("failed", True)
            assert "sk-canary" not in str(refused)


async def test_the_upstream_of_a_relay(tmp_path: Path) -> None:
    assert list(endpoints.upstream(settings(tmp_path))) == []
    async with server(tmp_path, auth__keys="vv_one") as url:

        async def ask(**flags: object) -> Finding:
            given = settings(tmp_path, engine__kind="relay", upstream__url=url, **flags)
            return await asyncio.to_thread(found, given, endpoints.upstream)

        assert (await ask(upstream__key="vv_one")).state == "ok"
        refused = await ask(upstream__key="sk-canary")
        assert (refused.state, refused.fix) == ("failed", "VIVAVOCE_UPSTREAM_KEY=<its key>")
        assert "sk-canary" not in str(refused)
        assert (await ask(upstream__key="vv_one", upstream__model="llama")).state == "warning"


async def test_an_upstream_that_says_why_it_is_not_ready(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = f"ws://127.0.0.1:{taken.getsockname()[1]}"
    async with relay(nobody, tmp_path, upstream__connect_ms=50) as url, httpx.AsyncClient() as http:
        async with asyncio.timeout(10):
            while (await http.get(f"{url}/readyz")).json()["status"] != "failed":  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        given = settings(tmp_path, engine__kind="relay", upstream__url=url)
        told = await asyncio.to_thread(found, given, endpoints.upstream)
        assert told.state == "warning"
        assert told.found == "it is not ready: The upstream cannot be reached (connection refused)."


def test_a_check_that_breaks_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Settings) -> Iterator[Finding]:
        raise RuntimeError("as told")

    monkeypatch.setattr(checks, "CHECKS", (broken, machine.limits))
    first, second = checks.look(settings(tmp_path))
    assert (first.state, "as told" in first.found, second.name) == ("failed", True, "limits")


@pytest.mark.parametrize(("bad", "said"), [(1, "1 of 3 has to be mended"), (2, "2 of 3 have to be mended")])
def test_what_has_to_be_mended_is_counted(
    bad: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def look(_: Settings) -> Iterator[Finding]:
        for number in range(3):
            yield (
                Finding("one", "failed", "it is gone", "get another")
                if number < bad
                else Finding("one", "ok", "")
            )

    monkeypatch.setattr(checks, "CHECKS", (look,))
    assert main(["doctor"]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == said


def test_every_finding_can_be_said_as_json(tmp_path: Path) -> None:
    told: list[Any] = msgspec.to_builtins(list(checks.look(settings(tmp_path, server__port=0))))
    assert len(told) >= 10


@pytest.mark.parametrize(("second", "findings"), [("", 0), ("http://127.0.0.1:9/v1", 0), ("builtin", 1)])
def test_a_stage_that_is_elsewhere_needs_nothing_here(second: str, findings: int) -> None:
    given: dict[str, object] = {}
    for stage in ("stt", "tts"):
        given |= {
            f"{stage}.url": "http://127.0.0.1:9/v1",
            f"{stage}.model": "m",
            f"{stage}.second_url": second,
        }
    elsewhere = load_settings(given, environ={})
    for check in (stages.speech_to_text, stages.text_to_speech):
        assert len(list(check(elsewhere))) == findings


@pytest.mark.parametrize(
    ("version", "state"),
    [((3, 11, 0), "ok"), ((3, 13, 9), "ok"), ((3, 10, 9), "warning"), ((3, 14, 0), "warning")],
)
def test_the_interpreter(version: tuple[int, int, int], state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", version)
    assert found(settings(Path()), machine.python).state == state


def test_a_disk_that_is_nearly_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = machine.LEAST_FREE_MB * 1_000_000
    usage = shutil.disk_usage(tmp_path)._replace(free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    assert found(settings(tmp_path), machine.data_folder).state == "ok"
    usage = usage._replace(free=free - 1_000_000)
    finding = found(settings(tmp_path), machine.data_folder)
    assert (finding.state, finding.fix) == ("warning", "make room on that disk")


def test_a_port_that_is_not_for_everybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Refused(socket.socket):
        def bind(self, address: object) -> None:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(socket, "socket", Refused)
    finding = found(settings(tmp_path, server__port=80), machine.port)
    assert (finding.state, finding.fix) == ("failed", "choose one above 1023: --port NUMBER")


def test_a_server_of_ours_with_tls_is_known(tmp_path: Path) -> None:
    class Ready(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"status": "draining"}')

        def log_message(self, format: str, *args: object) -> None: ...

    given = settings(tmp_path, tls__kind="self-signed")
    with served(http.server.HTTPServer(("127.0.0.1", 0), Ready)) as running:
        running.socket = tls.ready_files(given).context().wrap_socket(running.socket, server_side=True)
        port = running.server_address[1]
        finding = found(settings(tmp_path, tls__kind="self-signed", server__port=port), machine.port)
    assert (finding.state, finding.found) == (
        "ok",
        f"{port} on 127.0.0.1: a vivavoce answers there, draining",
    )


@pytest.mark.parametrize(
    ("kind", "espeak", "state", "said"),
    [
        ("flite", True, "failed", "VIVAVOCE_TTS_KIND=auto"),
        ("auto", True, "warning", "libflite1"),
        ("auto", False, "failed", "libflite1"),
        ("espeak", False, "failed", "libflite1"),
        ("espeak", True, "ok", ""),
    ],
)
def test_voices(
    kind: str, espeak: bool, state: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vivavoce.engines.cascade.native_libraries.find_flite", lambda: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object() if espeak else None)
    finding = found(settings(tmp_path, tts__kind=kind), stages.text_to_speech)
    assert (finding.state, said in finding.fix) == (state, True)


@pytest.mark.parametrize(
    ("url", "key", "states"),
    [
        ("ws://192.0.2.1:9/v1/realtime", "sk-canary", ["warning", "failed"]),
        ("ws://192.0.2.1:9/v1/realtime", "", ["failed"]),
        ("wss://192.0.2.1:9/v1/realtime", "sk-canary", ["failed"]),
        ("ws://127.0.0.1:9/v1/realtime", "sk-canary", ["failed"]),
    ],
)
def test_a_key_that_would_go_in_the_clear(url: str, key: str, states: list[str], tmp_path: Path) -> None:
    """To an upstream that does not answer either."""
    given = settings(tmp_path, engine__kind="relay", upstream__url=url, upstream__key=key)
    assert [finding.state for finding in endpoints.upstream(given)] == states


def test_sound_devices_are_named_or_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Library(ModuleType):
        class PortAudioError(Exception): ...

        there: tuple[str, ...] = ("input", "output")

        def query_devices(self, kind: str) -> dict[str, str]:
            if kind not in self.there:
                raise self.PortAudioError
            return {"name": f"the {kind}"}

    library = Library("sounddevice")
    monkeypatch.setitem(sys.modules, "sounddevice", library)
    assert found(settings(tmp_path), machine.sound_devices).found == "the input; the output"
    library.there = ("output",)
    assert found(settings(tmp_path), machine.sound_devices).found == "no microphone"
    library.there = ()
    assert found(settings(tmp_path), machine.sound_devices).found == "no microphone and no loudspeaker"
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert found(settings(tmp_path), machine.sound_devices).found == "the extra 'mic' is missing"
