"""A person at a terminal: prompts, live captions, and Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.talk.rig import ANSWER, scripted
from vivavoce.server.embedded import running_server
from vivavoce.talk.captions import Captions, JsonCaptions, PlainCaptions, TerminalCaptions

SRC = str(Path(__file__).resolve().parents[2] / "src")
STYLE = re.compile(r"\x1b\[[0-9;]*[mK]")

# Ctrl-C is a signal only for the session that a terminal belongs to.
TAKES_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Terminal:
    """The command on a terminal of its own; a watchdog ends it should it hang."""

    def __init__(self, *arguments: str, **environ: str) -> None:
        self._fd, device = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", TAKES_TERMINAL, sys.executable, "-m", "vivavoce", "talk", *arguments],
            stdin=device,
            stdout=device,
            stderr=device,
            env={**os.environ, "TERM": "xterm", "PYTHONPATH": SRC, **environ},
            start_new_session=True,
        )
        os.close(device)
        self.shown = ""
        self._seen = 0
        self._watchdog = threading.Timer(30, self.process.kill)
        self._watchdog.start()

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._fd, keys.encode())

    def until(self, text: str) -> None:
        """Read on until this is shown behind what was waited for before."""
        while (at := self.plain.find(text, self._seen)) < 0:
            assert self._read(), self.shown
        self._seen = at + len(text)

    @property
    def plain(self) -> str:
        """What was shown, without colours."""
        return STYLE.sub("", self.shown.replace("\r\n", "\n"))

    def end(self) -> int:
        """Read to the end; returns the exit code."""
        while self._read():
            pass
        return self.process.wait()

    def close(self) -> None:
        """End the command, if the test has not come to its end."""
        self._watchdog.cancel()
        self.process.kill()
        self.process.wait()
        os.close(self._fd)

    def _read(self) -> bool:
        try:
            piece = os.read(self._fd, 4096)
        except OSError:
            # The other side of a terminal that nobody holds any more.
            return False
        self.shown += piece.decode()
        return bool(piece)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
async def test_typing_at_a_terminal() -> None:
    async with running_server(scripted()) as url:

        def at_the_terminal() -> tuple[int, str]:
            with contextlib.closing(Terminal("--text", "--url", url)) as terminal:
                terminal.until("you  ")
                terminal.type("hello\n")
                terminal.until(f"agent  {ANSWER}")
                terminal.until("you  ")
                terminal.type("\x03")
                return terminal.end(), terminal.plain

        code, shown = await asyncio.to_thread(at_the_terminal)
    assert code == 0
    lines = shown.split("\n")
    assert re.fullmatch(rf"agent  {re.escape(ANSWER)}  \d+ ms", lines[2].strip()), lines
    assert "call ended: " in lines[-2]
    assert "1 turn, answered after" in lines[-2]
    assert "Traceback" not in shown


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
async def test_the_end_of_input_ends_the_call() -> None:
    async with running_server(scripted()) as url:

        def at_the_terminal() -> tuple[int, str]:
            with contextlib.closing(Terminal("--text", "--url", url)) as terminal:
                terminal.until("you  ")
                terminal.type("\x04")
                return terminal.end(), terminal.plain

        code, shown = await asyncio.to_thread(at_the_terminal)
    assert code == 0
    assert "call ended: 0 s, 0 turns" in shown


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
@pytest.mark.parametrize(
    ("environ", "left"), [({"TERM": "dumb"}, set()), ({"NO_COLOR": "1"}, {"K"}), ({}, {"K", "m"})]
)
async def test_a_terminal_is_spared_what_it_does_not_want(environ: dict[str, str], left: set[str]) -> None:
    wanted = {"NO_COLOR": "", **environ}
    async with running_server(scripted()) as url:

        def at_the_terminal() -> str:
            with contextlib.closing(Terminal("--text", "--url", url, **wanted)) as terminal:
                terminal.until("you  ")
                terminal.type("hello\n\x04")
                assert terminal.end() == 0
                return terminal.shown

        shown = await asyncio.to_thread(at_the_terminal)
    assert ANSWER in shown
    assert set(re.findall(r"\x1b\[[0-9;]*([A-Za-z])", shown)) == left


def test_words_cannot_command_the_terminal() -> None:
    evil, out = "\x1b]0;owned\x07\x1b[2J", io.StringIO()
    captions = TerminalCaptions(out, environ={"NO_COLOR": "1"})
    captions.agent("item_1", f"hello {evil}there\n")
    captions.agent_done("item_1", "", None)
    captions.cut("item_1", evil)
    captions.caller(evil)
    captions.tool("look", evil, evil)
    captions.problem(evil)
    captions.note(evil)
    shown = out.getvalue().replace("\r\x1b[K", "")
    assert "hello ]0;owned[2Jthere" in shown
    assert not {"\x1b", "\x07"} & set(shown)


@pytest.mark.parametrize(
    "kind", [partial(PlainCaptions, labels=False), partial(PlainCaptions, labels=True), JsonCaptions]
)
def test_notes_beside_a_pipe_cannot_either(kind: Callable[[io.StringIO, io.StringIO], Captions]) -> None:
    """What a pipe gets is for whatever reads it, but notes and problems are still on a terminal."""
    evil, out, err = "\x1b]0;owned\x07\x1b[2J", io.StringIO(), io.StringIO()
    captions = kind(out, err)
    captions.note(f"connected to {evil}")
    captions.problem(evil)
    captions.tool("look", evil, evil)
    captions.cut("item_1", evil)
    assert "connected to ]0;owned[2J" in err.getvalue()
    assert not {"\x1b", "\x07"} & set(out.getvalue() + err.getvalue())
