"""Every program, command and table row of README.md and docs/clients.md is run, and prints what the page says.

`make test` runs what needs only our own development packages; `make client-programs` all of them.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import soundfile

from tests.docs.chat_stand_in import ANSWER, chat_stand_in
from tests.docs.pages import ROOT, Block, blocks, matches, read
from tests.docs.programs import (
    CLIENTS_PYTHON,
    NODE_MODULES,
    SHOWN,
    Server,
    check_stayed,
    environment,
    guarded,
    run_program,
    serving,
    variables_of,
)
from vivavoce.audio.clip import Clip
from vivavoce.audio.resample import resample
from vivavoce.cli import make_parser

ALL = os.environ.get("VIVAVOCE_CLIENTS") == "all"
PAGES = ("README.md", "docs/clients.md")
PROGRAMS = [block for page in PAGES for block in blocks(page, "python", "js")]
SHELL_LINES = [
    (block.page, line) for page in PAGES for block in blocks(page, "sh") for line in block.code.splitlines()
]
RECORDING = ROOT / "src" / "vivavoce" / "demo" / "lines" / "hi-where-is-my-order.flac"
LIGHT = {"VIVAVOCE_STT__WORKERS": "1", "VIVAVOCE_TTS__WORKERS": "1"}
"""For servers that hear nothing: what loads fastest."""
ROWS = re.findall(r"^\| (.+?) \| `((?:\w+=\S+ )*make serve.*?)` \|$", read("README.md"), re.MULTILINE)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server as a newcomer has it: built-in brain, recogniser and voices."""
    with serving([sys.executable, "-m", "vivavoce", "serve"], tmp_path_factory.mktemp("server")) as started:
        yield started


def interpreter_of(block: Block) -> str:
    """The Python that has the libraries; the test is skipped where they are not installed."""
    if block.language == "js":
        missing = "" if NODE_MODULES.is_dir() and shutil.which("node") else "Node's packages"
        # Whether there is a Node is the machine's business, what is installed for it is ours.
        required = ALL and shutil.which("npm") is not None
    else:
        apart = re.search(r"^from (livekit|pipecat)\b", block.code, re.MULTILINE)
        missing = apart[1] if apart and not CLIENTS_PYTHON.exists() else ""
        required = ALL
        if apart and not missing:
            return str(CLIENTS_PYTHON)
    if missing:
        assert not required, f"{missing}: not there after make ready-clients"
        pytest.skip(f"{missing}: run by make client-programs")
    return sys.executable


def pasted(block: Block, server: Server) -> dict[str, str]:
    """The `export` lines that stand above a program: the page's first, and those under the same heading."""
    variables: dict[str, str] = {}
    for above in blocks(block.page, "sh"):
        if above.line < block.line and (not variables or above.heading == block.heading):
            variables |= variables_of(above, server)
    return variables


def write_question(folder: Path) -> None:
    """`question.wav`, as docs/clients.md describes it."""
    samples, rate_hz = soundfile.read(RECORDING, dtype="int16")
    clip = resample(Clip(samples.tobytes(), rate_hz), 24_000)
    with soundfile.SoundFile(folder / "question.wav", "w", 24_000, 1, "PCM_16") as file:
        file.buffer_write(clip.pcm, "int16")


@pytest.mark.parametrize("block", PROGRAMS, ids=lambda block: block.name)
def test_a_program_prints_what_the_page_says(block: Block, server: Server, tmp_path: Path) -> None:
    interpreter = interpreter_of(block)
    write_question(tmp_path)
    assert block.output, f"{block.page}:{block.line} does not say what it prints"
    run = run_program(block, server, tmp_path, pasted(block, server), interpreter)
    assert matches(block.output, run.stdout), f"{block.name} printed:\n{run.stdout}"
    if "answer.wav" in block.code:
        check_sound(tmp_path / "answer.wav")


def check_sound(path: Path) -> None:
    """A second of speech at least, and not silence."""
    sound, rate_hz = soundfile.read(path)
    assert rate_hz == 24_000
    assert len(sound) > rate_hz
    assert abs(sound).max() > 0.05


STRAYING = {
    "python": 'import socket\n\ntry:\n    socket.create_connection(("{host}", 80), timeout=1)\nexcept OSError:\n    pass\n',
    "js": 'import net from "node:net";\n\ntry {{\n  net.connect(80, "{host}");\n}} catch (error) {{}}\n',
}


@pytest.mark.parametrize("language", STRAYING)
@pytest.mark.parametrize("host", ["192.0.2.1", "nowhere.invalid"])
def test_a_program_that_leaves_this_machine_is_caught(language: str, host: str, tmp_path: Path) -> None:
    block = Block("this test", 1, language, STRAYING[language].format(host=host), "straying", "")
    interpreter = interpreter_of(block)
    with pytest.raises(AssertionError, match=host):
        run_program(block, Server("127.0.0.1:1", ""), tmp_path, {}, interpreter)


def test_every_block_is_of_a_kind_that_is_run() -> None:
    for page in PAGES:
        shown = {block.language for block in blocks(page)}
        assert shown <= {"python", "js", "sh", "text"}, page


def test_the_framework_lines_stand_in_programs_that_are_run() -> None:
    """README shows one line of a framework; it is a line of the whole program in docs/clients.md."""
    programs = "\n".join(block.code for block in blocks("docs/clients.md"))
    section = read("README.md").split("| framework |")[1].split("\n\n")[0]
    lines = [line for row in section.splitlines()[2:] for line in re.findall(r"`([^`]+)`", row)]
    assert len(lines) >= 6
    for line in lines:
        assert line in programs, line


# --- shell ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("page", "line"), SHELL_LINES)
def test_a_shell_line_does_what_it_says(page: str, line: str, server: Server, tmp_path: Path) -> None:
    match line.split():
        case ["make", target]:
            plan = subprocess.run(
                ["make", "-n", target],
                cwd=ROOT,
                env=environment(),
                capture_output=True,
                text=True,
                check=True,
            )
            assert plan.stdout.strip()
        case ["export", *_]:
            name = line.split()[1].split("=")[0]
            variables = [
                name in variables_of(block, server) for block in blocks(page, "sh") if line in block.code
            ]
            assert any(variables)
        case ["pip", "install", *packages]:
            locked = "".join(
                (ROOT / "requirements" / f"{lock}.txt").read_text() for lock in ("dev", "clients")
            )
            for package in packages:
                name = package.strip('"').split("[")[0]
                assert re.search(rf"^{name}==", locked, re.MULTILINE), f"{name} is not what the tests run"
        case ["npm", "install", *packages]:
            lock = (ROOT / "requirements" / "node" / "package-lock.json").read_text()
            for package in packages:
                assert f'"node_modules/{package}"' in lock, f"{package} is not what the tests run"
        case ["vivavoce", *arguments]:
            assert make_parser().parse_args(arguments).command == arguments[0]
        case ["echo", *_, "|", ".venv/bin/vivavoce", "talk", "--text"]:
            said = talk(f"{line} --url http://{server.address}", tmp_path)
            # "18:00" is read out as "6 PM" and "12:00" as "noon": the line has to hold on the hour, too.
            assert re.search(r"The time is (noon|\d+(:\d\d)? [AP]M)", said)
        case _:
            pytest.fail(f"{page}: nothing runs {line!r}")


def test_a_recording_is_a_way_to_talk(server: Server, tmp_path: Path) -> None:
    (line,) = re.findall(r"`vivavoce (talk --in question.wav --out call.wav)`", read("README.md"))
    write_question(tmp_path)
    here = line.replace("question.wav", str(tmp_path / "question.wav")).replace(
        "call.wav", str(tmp_path / "call.wav")
    )
    assert talk(f".venv/bin/vivavoce {here} --url http://{server.address}", tmp_path).strip()
    sound, _ = soundfile.read(tmp_path / "call.wav")
    # Stereo: the caller's question left, the agent's answer right.
    assert sound.shape[1] == 2
    assert abs(sound).max(axis=0).min() > 0.05


def talk(line: str, folder: Path) -> str:
    """What a `vivavoce talk` line of a page prints, run by the interpreter of the tests."""
    command = line.replace(".venv/bin/vivavoce", f"{sys.executable} -m vivavoce")
    environ = environment(**guarded(folder))
    run = subprocess.run(
        ["bash", "-c", command], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stderr
    check_stayed(folder, line)
    return run.stdout


# --- what answers ---------------------------------------------------------------------------------------------------------------


def test_there_is_a_row_for_every_kind_of_answer() -> None:
    assert len(ROWS) == len(
        [line for line in read("README.md").splitlines() if "make serve" in line and "|" in line]
    )
    assert len(ROWS) >= 5


@pytest.mark.parametrize(("answers", "command"), ROWS, ids=[command for _, command in ROWS])
def test_a_row_is_answered_by_what_it_names(answers: str, command: str, tmp_path: Path) -> None:
    (program,) = blocks("README.md", "python")
    asked_url = re.search(r"VIVAVOCE_LLM_URL=(\S+)", command)
    with contextlib.ExitStack() as stack:
        model = stack.enter_context(chat_stand_in())
        run = command.replace(asked_url[1], model.url) if asked_url else command
        environ = {"OPENAI_API_KEY": "sk-of-the-caller"} | LIGHT
        if "relay" in command:
            environ["VIVAVOCE_UPSTREAM_URL"] = stack.enter_context(upstream(tmp_path))
        with serving(["bash", "-c", run], tmp_path, environ, until="/healthz") as server:
            printed = run_program(program, server, tmp_path, pasted(program, server)).stdout.strip()
        asked = list(model.asked)
    thinks = re.search(r"(?:thinks|relays  to)\s+(.*)", server.banner)
    assert thinks
    if not asked_url:
        assert asked == []
        assert printed
        assert re.match(
            "script$"
            if "scripted" in command
            else "the model .* at 127"
            if "relay" in command
            else "built-in brain$",
            thinks[1],
        )
        return
    named = re.search(r"VIVAVOCE_LLM_MODEL=(\S+)", command)
    assert named
    assert named[1] in thinks[1]
    assert printed == ANSWER
    key = "Bearer sk-of-the-caller" if "$OPENAI_API_KEY" in command else None
    assert {body["model"] for _, body in asked} == {named[1]}
    # A key in the environment goes nowhere unless the command hands it on.
    assert {header for header, _ in asked} == {key}


@contextlib.contextmanager
def upstream(folder: Path) -> Iterator[str]:
    """A Realtime API that takes one key only, which is the one that the command hands on."""
    scripted = [sys.executable, "-m", "vivavoce", "serve", "--engine", "scripted"]
    (folder / "upstream").mkdir()
    with serving(
        scripted, folder / "upstream", {"VIVAVOCE_API_KEYS": "sk-of-the-caller"}, until="/healthz"
    ) as server:
        yield f"ws://{server.address}/v1/realtime"


def test_for_others_only_with_a_key(tmp_path: Path) -> None:
    (command,) = re.findall(r"`(VIVAVOCE_API_KEYS=\S+ .*make serve .*?)`", read("README.md"))
    assert "0.0.0.0" in command
    # Tests listen on loopback only; what a key changes can be seen there as well.
    here = f"{command.replace('--host 0.0.0.0', '--engine scripted')}".replace(
        "$(openssl rand -hex 24)", "abc"
    )
    with serving(["bash", "-c", here], tmp_path, until="/healthz") as server:
        assert (status_with(server, "vv_abc"), status_with(server, "local")) == (200, 401)
    refused = subprocess.run(
        [sys.executable, "-m", "vivavoce", "serve", "--host", "0.0.0.0"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert refused.returncode == 2
    assert "VIVAVOCE_API_KEYS" in refused.stderr


def status_with(server: Server, key: str) -> int:
    """How a request with this key is answered."""
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.get(f"http://{server.address}/v1/models", headers=headers).status_code


def test_the_shown_address_is_the_default() -> None:
    assert SHOWN == "127.0.0.1:8000"
    assert f"http://{SHOWN}/" in read("README.md")
