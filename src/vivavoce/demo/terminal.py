"""The live transcript: who spoke when, tool calls, and where an interruption cut. Plain lines when piped."""

from __future__ import annotations

import os
import shutil
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

from vivavoce.demo.assemble import turns_of
from vivavoce.demo.caller import Caller
from vivavoce.demo.record import ToolRun, Turn

COLOURS = {
    "caller": "36",
    "agent": "32",
    "tool": "33",
    "dim": "2",
    "cut": "31",
    "struck": "2;9",
    "bold": "1",
    "bad": "31",
}
GUTTER = 17
"""Columns before the words: the time and who it is."""
LONGEST_LINE = 118


class Ink:
    """Colours where there is a terminal that wants them."""

    def __init__(self, stream: TextIO) -> None:
        self.live = stream.isatty()
        self._on = self.live and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"

    def paint(self, colour: str, text: str) -> str:
        """The text in a colour of COLOURS."""
        return f"\x1b[{COLOURS[colour]}m{text}\x1b[0m" if self._on and text else text


class Progress:
    """Steps before the call, each said once, with the seconds that have passed."""

    def __init__(self, stream: TextIO, ink: Ink) -> None:
        self._stream = stream
        self._ink = ink
        self._began = time.monotonic()
        self._said = ""

    def __call__(self, step: str) -> None:
        if step != self._said:
            self._said = step
            passed = f"{time.monotonic() - self._began:5.1f} s"
            print(f"{self._ink.paint('dim', passed)}  {step}", file=self._stream, flush=True)


@dataclass(frozen=True, slots=True)
class Entry:
    """Something to print: when it belongs, a name that makes it unique, how to print it, and whether it is over."""

    at_ms: int
    name: str
    show: Callable[[], None]
    over: bool = True
    turn: Turn | None = None


class LiveTranscript:
    """Watches a call. On a terminal the agent's words appear as they are heard; otherwise a line when it is complete."""

    def __init__(self, stream: TextIO, ink: Ink) -> None:
        self._stream = stream
        self._ink = ink
        self._shown: set[str] = set()
        self._open: Sentence | None = None
        self._looked_ms = -1000

    def watch(self, caller: Caller) -> None:
        """Look at the call and print what is new, ten times a second."""
        now_ms = caller.clock.now_ms()
        if now_ms >= self._looked_ms + 100:
            self._looked_ms = now_ms
            self.update(caller)

    def update(self, caller: Caller, *, ended: bool = False) -> None:
        """Print what is new. What is still being said holds back what came after it began."""
        for entry in sorted(self._entries(caller), key=lambda entry: entry.at_ms):
            if entry.name in self._shown:
                continue
            if not entry.over and not ended:
                if self._ink.live and entry.turn is not None:
                    self._follow(entry.turn, caller.microphone.position_ms)
                return
            self._shown.add(entry.name)
            entry.show()

    # --- what there is to show ------------------------------------------------------------------------------------------------

    def _entries(self, caller: Caller) -> list[Entry]:
        playing = caller.ear.speaker.playing
        entries: list[Entry] = []
        turns = turns_of(caller)
        for number, turn in enumerate(turns):
            name = f"{turn.role} {turn.start_ms} {turn.item_id if turn.role == 'agent' else ''}"
            if turn.role == "agent":
                over = turn.cut or (playing is None or playing.item_id != turn.item_id)
                over = over and (turn.cut or caller.ear.is_over(turn.response_id))
                entries.append(Entry(turn.start_ms, name, self._agent(turn), over, turn))
                continue
            entries.append(Entry(turn.start_ms, name, self._caller(turn)))
            followed = number + 1 < len(turns) or bool(
                caller.desk.runs and caller.desk.runs[-1].called_ms > turn.end_ms
            )
            if turn.understood is not None and followed:
                entries.append(Entry(turn.end_ms, f"understood {turn.start_ms}", self._understood(turn)))
        for run in caller.desk.runs:
            entries.append(Entry(run.called_ms, f"call {run.call_id}", self._call(run)))
            if run.answered_ms is not None:
                entries.append(Entry(run.answered_ms, f"result {run.call_id}", self._result(run)))
        return entries

    # --- how it looks -----------------------------------------------------------------------------------------------------------

    def _caller(self, turn: Turn) -> Callable[[], None]:
        return lambda: self._line(turn.start_ms, "caller", turn.text)

    def _understood(self, turn: Turn) -> Callable[[], None]:
        return lambda: self._line(None, "", f"understood: {turn.understood or 'nothing'}", "dim")

    def _call(self, run: ToolRun) -> Callable[[], None]:
        return lambda: self._line(run.called_ms, "tool", f"{run.name}({arguments_of(run)})")

    def _result(self, run: ToolRun) -> Callable[[], None]:
        took = (run.answered_ms or 0) - run.called_ms
        return lambda: self._line(run.answered_ms, "tool", f"{run.name} -> {run.result}  [{took} ms]")

    def _agent(self, turn: Turn) -> Callable[[], None]:
        def show() -> None:
            if self._open is None or self._open.start_ms != turn.start_ms:
                self._begin(turn)
            assert self._open is not None
            self._open.say(turn, turn.end_ms + 1, self._ink)
            if turn.kind == "preamble" and not self._open.marked:
                # While it was being said nobody could know that tools would follow.
                self._open.write("(preamble)", self._ink, "dim")
            if turn.cut:
                lost = sum(not word.heard for word in turn.words)
                self._open.write(f"-- cut here ({lost} words never heard)", self._ink, "cut")
            print(file=self._stream, flush=True)
            self._open = None

        return show

    def _follow(self, turn: Turn, now_ms: int) -> None:
        if self._open is None:
            self._begin(turn)
        assert self._open is not None
        self._open.say(turn, now_ms, self._ink)

    def _begin(self, turn: Turn) -> None:
        self._stream.write(self._head(turn.start_ms, "agent"))
        self._open = Sentence(self._stream, turn.start_ms)
        if turn.kind == "preamble":
            self._open.write("(preamble)", self._ink, "dim")
            self._open.marked = True

    def _line(self, at_ms: int | None, who: str, text: str, colour: str | None = None) -> None:
        lines = textwrap.wrap(text, columns() - GUTTER, break_on_hyphens=False) or [""]
        head = self._head(at_ms, who)
        for line in lines:
            print(f"{head}{self._ink.paint(colour, line) if colour else line}", file=self._stream, flush=True)
            head = " " * GUTTER

    def _head(self, at_ms: int | None, who: str) -> str:
        when = self._ink.paint("dim", f"{clock_of(at_ms):8}") if at_ms is not None else " " * 8
        return f"{when} {self._ink.paint(who, who) if who else ''}{' ' * (8 - len(who))}"


class Sentence:
    """A line that grows word by word."""

    def __init__(self, stream: TextIO, start_ms: int) -> None:
        self.start_ms = start_ms
        self.marked = False
        self._stream = stream
        self._column = GUTTER
        self._words = 0

    def say(self, turn: Turn, now_ms: int, ink: Ink) -> None:
        """Write the words that were said by now."""
        for word in turn.words[self._words :]:
            if not word.heard or word.start_ms > now_ms:
                return
            self.write(word.text, ink)
            self._words += 1

    def write(self, text: str, ink: Ink, colour: str | None = None) -> None:
        """One more word, on a new line where this one is full."""
        if self._column > GUTTER and self._column + 1 + len(text) > columns():
            self._stream.write("\n" + " " * GUTTER)
            self._column = GUTTER
        space = "" if self._column == GUTTER else " "
        self._stream.write(space + (ink.paint(colour, text) if colour else text))
        self._stream.flush()
        self._column += len(space) + len(text)


def columns() -> int:
    """The width to write to."""
    return min(LONGEST_LINE, shutil.get_terminal_size((100, 24)).columns)


def clock_of(at_ms: int) -> str:
    """mm:ss.s"""
    return f"{at_ms // 60_000:02}:{at_ms % 60_000 // 1000:02}.{at_ms % 1000 // 100}"


def arguments_of(run: ToolRun) -> str:
    """The arguments as a program would write them."""
    return ", ".join(f"{key}={value!r}" for key, value in run.arguments.items())
