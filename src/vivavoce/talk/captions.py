"""What is shown of a call: captions on a terminal, plain lines where something else reads, events as JSON lines."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from typing import Any, Protocol, TextIO

DIM, BOLD, STRUCK, CYAN, GREEN, RESET = "\x1b[2m", "\x1b[1m", "\x1b[9m", "\x1b[36m", "\x1b[32m", "\x1b[0m"


class Captions(Protocol):
    """Both sides of the call, as they become known."""

    def event(self, event: dict[str, Any]) -> None:
        """Every event of the server, before anything else is told about it."""

    def caller(self, text: str) -> None:
        """What was understood of the caller; empty where nothing was."""

    def agent(self, item_id: str, text: str) -> None:
        """More words of the agent."""

    def agent_done(self, item_id: str, text: str, latency_ms: int | None) -> None:
        """The agent's item is complete; `latency_ms` from the end of the caller's turn to its first sound or word."""

    def cut(self, item_id: str, lost: str) -> None:
        """The caller cut in and did not hear these last words."""

    def tool(self, name: str, arguments: str, result: str) -> None:
        """A tool was called."""

    def note(self, text: str) -> None:
        """About the call, not part of it."""

    def problem(self, text: str) -> None:
        """Something went wrong, and the call goes on."""


_CONTROLS = dict.fromkeys(number for number in (*range(32), *range(127, 160)) if chr(number) not in "\n\t")


def harmless(text: str) -> str:
    """What somebody else wrote, without what a terminal takes for a command."""
    return text.translate(_CONTROLS)


def unwanted(environ: Mapping[str, str]) -> re.Pattern[str]:
    """Which escape sequences the terminal is to be spared."""
    if environ.get("TERM") == "dumb":
        return re.compile(r"\r?\x1b\[[0-9;]*[A-Za-z]")
    return re.compile(r"\x1b\[[0-9;]*m") if environ.get("NO_COLOR") else re.compile(r"(?!)")


class TerminalCaptions:
    """Live, with colour where it is wanted: words of the agent appear as they arrive."""

    def __init__(
        self,
        out: TextIO = sys.stdout,
        *,
        shows_caller: bool = True,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._out = out
        self._unwanted = unwanted(environ)
        self._shows_caller = shows_caller
        self._open: str | None = None

    def event(self, event: dict[str, Any]) -> None:
        """Not shown."""

    def caller(self, text: str) -> None:
        """A line of the caller, unless typing it showed it already."""
        if self._shows_caller:
            self._line(f"{CYAN}{BOLD}  you{RESET}  {harmless(text) or f'{DIM}(not understood){RESET}'}")

    def agent(self, item_id: str, text: str) -> None:
        """Goes on in its line."""
        if self._open != item_id:
            self._end_line()
            self._write(f"{GREEN}{BOLD}agent{RESET}  ")
            self._open = item_id
        self._out.write(harmless(text))
        self._out.flush()

    def agent_done(self, item_id: str, text: str, latency_ms: int | None) -> None:
        """The latency closes the line."""
        if self._open == item_id:
            if latency_ms is not None:
                self._write(f"{DIM}  {latency_ms} ms{RESET}")
            self._end_line()

    def cut(self, item_id: str, lost: str) -> None:
        """Struck out."""
        self._line(f"       {DIM}not heard: {STRUCK}{harmless(lost.strip())}{RESET}")

    def tool(self, name: str, arguments: str, result: str) -> None:
        """Call and answer in one line."""
        self._line(f"{DIM} tool  {harmless(f'{name}({arguments}) -> {result}')}{RESET}")

    def note(self, text: str) -> None:
        """Dim."""
        self._line(f"{DIM}{harmless(text)}{RESET}")

    def problem(self, text: str) -> None:
        """Like a note, with a mark."""
        self._line(f"{DIM}    !  {harmless(text)}{RESET}")

    def _line(self, text: str) -> None:
        self._end_line()
        # Whatever the terminal shows in this line, such as a prompt or the ^C that ended the call, gives way.
        self._write(f"\r\x1b[K{text}\n")
        self._out.flush()

    def _write(self, text: str) -> None:
        self._out.write(self._unwanted.sub("", text))

    def _end_line(self) -> None:
        if self._open is not None:
            self._open = None
            print(file=self._out, flush=True)


class PlainCaptions:
    """A line when it is complete. Without `labels` only the agent's words are on `out`; everything else goes to `err`."""

    def __init__(self, out: TextIO, err: TextIO, *, labels: bool) -> None:
        self._out, self._err = out, err
        self._labels = labels

    def event(self, event: dict[str, Any]) -> None:
        """Not shown."""

    def caller(self, text: str) -> None:
        """A line of the caller."""
        if self._labels:
            self._print(f"you: {text or '(not understood)'}")

    def agent(self, item_id: str, text: str) -> None:
        """Waits for the end."""

    def agent_done(self, item_id: str, text: str, latency_ms: int | None) -> None:
        """One line, whatever the agent put into it."""
        line = " ".join(text.split())
        shown = f" [{latency_ms} ms]" if latency_ms is not None else ""
        self._print(f"agent: {line}{shown}" if self._labels else line)

    def cut(self, item_id: str, lost: str) -> None:
        """In words."""
        self._aside(f"(not heard: {lost.strip()})")

    def tool(self, name: str, arguments: str, result: str) -> None:
        """Call and answer in one line."""
        self._aside(f"tool: {name}({arguments}) -> {result}")

    def note(self, text: str) -> None:
        """For people, not for what reads the output."""
        print(harmless(text), file=self._err, flush=True)

    def problem(self, text: str) -> None:
        """Likewise."""
        print(f"vivavoce talk: {harmless(text)}", file=self._err, flush=True)

    def _aside(self, text: str) -> None:
        print(harmless(text), file=self._out if self._labels else self._err, flush=True)

    def _print(self, text: str) -> None:
        print(text, file=self._out, flush=True)


class JsonCaptions:
    """Every event of the server as a line of JSON; sound is named by its length."""

    def __init__(self, out: TextIO, err: TextIO) -> None:
        self._out, self._err = out, err
        # Whatever is not Unicode gets JSON's own escapes, so that it stays JSON.
        self._ascii = not (out.encoding or "").lower().startswith("utf")

    def event(self, event: dict[str, Any]) -> None:
        """One line."""
        if event.get("type") == "response.output_audio.delta":
            event = {**event, "audio_ms": len(event["delta"]) * 3 // 4 // 48, "delta": None}
        print(json.dumps(event, ensure_ascii=self._ascii), file=self._out, flush=True)

    def caller(self, text: str) -> None:
        """In the events."""

    def agent(self, item_id: str, text: str) -> None:
        """In the events."""

    def agent_done(self, item_id: str, text: str, latency_ms: int | None) -> None:
        """In the events."""

    def cut(self, item_id: str, lost: str) -> None:
        """In the events."""

    def tool(self, name: str, arguments: str, result: str) -> None:
        """In the events."""

    def note(self, text: str) -> None:
        """For people."""
        print(harmless(text), file=self._err, flush=True)

    def problem(self, text: str) -> None:
        """For people."""
        print(f"vivavoce talk: {harmless(text)}", file=self._err, flush=True)
