"""`vivavoce talk --text` as people and scripts use it, and how it ends when something is wrong."""

from __future__ import annotations

import argparse
import asyncio
import http.server
import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.http_stand_in import served
from tests.ports import free_port
from tests.talk.rig import ANSWER, command, ended, script_server, scripted, start_command
from vivavoce.server.embedded import running_server
from vivavoce.talk.command import add_arguments, options_of, run
from vivavoce.talk.connection import realtime_address

pytestmark = pytest.mark.usefixtures("own_folder")

TOOLS = """
answer = "Anything else?"
[[rules]]
when = '"rolled"'
answer = "There you are."
[[rules]]
when = "dice"
calls = [{ name = "roll_dice", arguments = { count = 2 } }]
[[rules]]
when = "no tool named"
answer = "I cannot do that."
[[rules]]
when = "fly"
calls = [{ name = "fly_to_the_moon" }]
[[rules]]
when = "break"
fail = "the model broke"
"""

LOOP = 'calls = [{ name = "get_time" }]\n'


async def test_each_piped_line_is_a_turn_and_its_answer_a_line() -> None:
    async with running_server(scripted()) as url:
        done = await command("--text", "--url", url, stdin="hello\n\n  and again  \nlast, without an end")
    assert done.code == 0, done.err
    assert done.lines == [ANSWER] * 3
    assert f"connected to {url}: scripted" in done.err
    assert "call ended" in done.err
    assert "3 turns" in done.err


async def test_a_file_as_input(tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("one\ntwo\n")
    async with running_server(scripted()) as url:
        with (tmp_path / "lines.txt").open() as lines:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "vivavoce",
                "talk",
                "--text",
                "--url",
                url,
                stdin=lines,
                stdout=-1,
                stderr=-1,
            )
            done = await ended(process, None)
    assert (done.code, done.lines) == (0, [ANSWER] * 2)


async def test_a_server_of_its_own() -> None:
    done = await command(
        "--text",
        "--engine",
        "scripted",
        stdin="hello\n",
        VIVAVOCE_SCRIPTED_ANSWER=ANSWER,
        VIVAVOCE_API_KEYS="k1",
    )
    assert (done.code, done.lines) == (0, [ANSWER])
    assert "starting a server for this call" in done.err


async def test_tools_run_and_what_they_said_comes_back(tmp_path: Path) -> None:
    async with script_server(tmp_path, TOOLS) as url:
        done = await command("--text", "--url", url, stdin="roll two dice\nfly\n")
    assert done.code == 0, done.err
    assert done.lines == ["There you are.", "I cannot do that."]
    rolled = next(line for line in done.err.splitlines() if line.startswith("tool: roll_dice"))
    result = json.loads(rolled.partition(" -> ")[2])
    assert len(result["rolled"]) == 2
    assert result["total"] == sum(result["rolled"])


async def test_a_model_that_only_calls_tools_is_given_up(tmp_path: Path) -> None:
    script = '[[rules]]\nwhen = ""\n' + LOOP
    async with script_server(tmp_path, script) as url:
        done = await command("--text", "--url", url, stdin="what time is it\n")
    assert done.code == 1
    assert "gave up after 10 answers in a row" in done.err
    assert done.err.count("tool: get_time") == 11


async def test_a_failed_answer_is_told_and_the_next_one_comes(tmp_path: Path) -> None:
    async with script_server(tmp_path, TOOLS) as url:
        done = await command("--text", "--url", url, stdin="break\nhello\n")
    assert done.code == 1
    assert done.lines == ["Anything else?"]
    assert "vivavoce talk: the answer failed: the model broke" in done.err


async def test_what_a_terminal_cannot_show_does_not_end_the_call(tmp_path: Path) -> None:
    async with script_server(tmp_path, 'answer = "Grüß Gott 👋"') as url:
        said, told = [
            await command("--text", "--url", url, *flags, stdin="hello", PYTHONIOENCODING="ascii")
            for flags in ((), ("--json",))
        ]
    assert (said.code, said.lines) == (0, ["Gr\\xfc\\xdf Gott \\U0001f44b"])
    events = [json.loads(line) for line in told.lines]
    (text,) = [event["text"] for event in events if event["type"] == "response.output_text.done"]
    assert text == "Grüß Gott 👋"


async def test_json_lines_are_the_servers_events(tmp_path: Path) -> None:
    (tmp_path / "manner.txt").write_text("Speak like a pirate.\n")
    async with running_server(scripted()) as url:
        done = await command(
            "--text",
            "--json",
            "--url",
            url,
            "--instructions",
            "@manner.txt",
            "--model",
            "m/1",
            stdin="hello\n",
        )
    assert done.code == 0, done.err
    events = [json.loads(line) for line in done.lines]
    assert [event["type"] for event in events[:2]] == ["session.created", "session.updated"]
    assert events[0]["session"]["model"] == "m/1"
    assert events[1]["session"]["instructions"] == "Speak like a pirate."
    assert events[1]["session"]["output_modalities"] == ["text"]
    done_events = [event for event in events if event["type"] == "response.done"]
    assert done_events[0]["response"]["output"][0]["content"][0]["text"] == ANSWER


async def test_a_key_is_asked_for_refused_and_accepted() -> None:
    async with running_server(scripted(auth__keys=["right"])) as url:
        without, wrong, right, from_environment = await asyncio.gather(
            command("--text", "--url", url),
            command("--text", "--url", url, "--key", "wrong"),
            command("--text", "--url", url, "--key", "right", stdin="hello\n"),
            command("--text", "--url", url, stdin="hello\n", OPENAI_API_KEY="right"),
        )
    assert (without.code, wrong.code) == (4, 4)
    asks = f"vivavoce talk: {url} asks for a valid API key (401)"
    assert without.err.startswith(asks)
    assert "--key" in without.err
    assert wrong.err.startswith(asks)
    assert without.err.count("\n") == wrong.err.count("\n") == 1
    assert (right.code, right.lines) == (0, [ANSWER])
    assert (from_environment.code, from_environment.lines) == (0, [ANSWER])


async def test_nobody_there_is_one_line() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    done = await command("--text", "--url", url)
    assert (done.code, done.out) == (3, "")
    assert done.err == (
        f"vivavoce talk: nothing answers at {url} (connection refused): "
        "start a server with `vivavoce serve`, or leave --url out\n"
    )


class OtherServer(http.server.BaseHTTPRequestHandler):
    """Some web server that has nothing to do with us."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def web_server() -> Iterator[str]:
    with served(http.server.HTTPServer(("127.0.0.1", 0), OtherServer)) as server:
        yield f"http://127.0.0.1:{server.server_address[1]}"


async def test_something_else_there_is_one_line(web_server: str) -> None:
    done = await command("--text", "--url", web_server)
    assert done.code == 3
    assert done.err == (
        f"vivavoce talk: {web_server} answered HTTP 501: it does not look like a Realtime server\n"
    )


async def answered(url: str) -> asyncio.subprocess.Process:
    """A call in which one turn has been answered."""
    process = await start_command("--text", "--url", url)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"hello\n")
    assert (await process.stdout.readline()).decode().strip() == ANSWER
    return process


async def test_a_server_that_goes_away_is_one_line() -> None:
    async with running_server(scripted()) as url:
        process = await answered(url)
    done = await ended(process, None)
    assert done.code == 5
    assert done.err.splitlines()[-1].startswith(f"vivavoce talk: {url} ended the call (")


async def test_ctrl_c_ends_with_a_summary() -> None:
    async with running_server(scripted()) as url:
        process = await answered(url)
        process.send_signal(signal.SIGINT)
        done = await ended(process, None)
    assert done.code == 0
    last = done.err.splitlines()[-1]
    assert last.startswith("call ended: ")
    assert "1 turn, answered after" in last
    assert "Traceback" not in done.err


NONSENSE = {
    ("--text", "--in", "a.wav"): "--text is typed",
    ("--text", "--push-to-talk"): "--text is typed",
    ("--out", "b.wav"): "--out needs --in",
    ("--fast",): "--fast needs --in",
    ("--in", "a.wav", "--push-to-talk"): "--push-to-talk is for the microphone",
    (
        "--text",
        "--url",
        "http://127.0.0.1:1",
        "--engine",
        "scripted",
    ): "--engine is for a server started here",
    ("--text", "--key", "k"): "--key needs --url",
    ("--text", "--instructions", "@missing.txt"): "cannot read missing.txt",
    ("--text", "--url", "ftp://x"): "is not an address of a server",
    ("--text", "--url", "http://x:port"): "is not an address of a server",
}


@pytest.mark.parametrize(("arguments", "complaint"), NONSENSE.items())
def test_what_does_not_go_together_is_one_line(
    arguments: tuple[str, ...], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser("vivavoce talk")
    add_arguments(parser)
    assert run(parser.parse_args(arguments)) == 2
    out, err = capsys.readouterr()
    assert complaint in err
    assert (out, err.count("\n")) == ("", 1)


def test_a_key_is_for_the_server_it_was_given_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert options_of(parser.parse_args(["--text"])).key is None
    assert options_of(parser.parse_args(["--text", "--url", "http://127.0.0.1:1"])).key == "secret"
    named = ["--text", "--url", "http://127.0.0.1:1", "--key", "other"]
    assert options_of(parser.parse_args(named)).key == "other"


ADDRESSES = {
    "http://127.0.0.1:8000": "ws://127.0.0.1:8000/v1/realtime?model=m%2F1",
    "127.0.0.1:8000": "ws://127.0.0.1:8000/v1/realtime?model=m%2F1",
    "http://127.0.0.1:8000/v1": "ws://127.0.0.1:8000/v1/realtime?model=m%2F1",
    "https://voice.example/base/v1/": "wss://voice.example/base/v1/realtime?model=m%2F1",
    "wss://voice.example/v1/realtime": "wss://voice.example/v1/realtime?model=m%2F1",
    "http://[::1]:8000": "ws://[::1]:8000/v1/realtime?model=m%2F1",
}


@pytest.mark.parametrize(("written", "address"), ADDRESSES.items())
def test_addresses_as_people_write_them(written: str, address: str) -> None:
    assert realtime_address(written, "m/1")[0] == address
