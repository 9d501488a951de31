"""Standard input, output and error of a command, where they are closed, full, or read by somebody who has gone."""

from __future__ import annotations

import errno
import io
import os
import sys

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def stand_in_for_closed() -> None:
    """Open what whoever started us has closed (`2>&-`). A socket that took the place of stderr would get what is meant for it."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            taken = os.open(os.devnull, os.O_RDWR)
            if taken != descriptor:
                os.dup2(taken, descriptor)
                os.close(taken)
            os.set_inheritable(descriptor, True)
            setattr(sys, name, os.fdopen(descriptor, "w" if descriptor else "r", closefd=False))


def show_every_character() -> None:
    """What the terminal's encoding lacks is shown by its number: a transcript in another script must not end the call."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def is_about_output(error: OSError) -> bool:
    """Whether the place that output goes to has no room for it, rather than that we did something wrong."""
    return error.errno in _NO_ROOM


def drop_stdout() -> None:
    """Whoever read it has gone, or its disk is full: what is left of it must not be tried again when the interpreter ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
