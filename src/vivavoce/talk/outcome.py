"""How `vivavoce talk` ends: exit codes, and the one line that goes with those that are not zero."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes, as `--help` lists them."""

    ENDED = 0
    UNANSWERED = 1
    NOT_POSSIBLE = 2
    UNREACHABLE = 3
    REFUSED = 4
    CUT_OFF = 5


MEANINGS = {
    Exit.ENDED: "the conversation ended, by you or with the input",
    Exit.UNANSWERED: "a turn was not answered, or no speech was heard in the file",
    Exit.NOT_POSSIBLE: "cannot begin as asked: arguments, a file, no device, the extra 'mic' is missing",
    Exit.UNREACHABLE: "no server was reached, or none could be started",
    Exit.REFUSED: "the server refused: the key, or the session as asked for",
    Exit.CUT_OFF: "the server ended the call, or went away",
}


class TalkError(Exception):
    """The call cannot begin or go on. The message is one line."""

    def __init__(self, code: Exit, message: str) -> None:
        super().__init__(message)
        self.code = code
