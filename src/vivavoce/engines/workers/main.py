"""A worker process: `python -m vivavoce.engines.workers.main FD PARENT NICENESS`, started by `WorkerPool`
only.

It speaks on the inherited socket FD and lives as long as that socket is open.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import signal
import socket
import sys
import traceback
from typing import cast

from vivavoce.engines.workers.frames import BadFrame, Ready, Setup
from vivavoce.engines.workers.inside import Channel, Factory, Handler, ServerGone, Worker, serve

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """On Linux: have the kernel kill this process when the server dies, even in the middle of a long C call.

    Elsewhere the closed socket ends the worker as soon as it looks at it.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        # The server may have died before the line above: then nobody will ever send that signal.
        if os.getppid() != parent:
            raise SystemExit(0)


def build(channel: Channel, setup: Setup) -> tuple[Worker, Handler]:
    """Make the handler of `setup` and say that it stands, or say why not and end."""
    worker = Worker(setup.options)
    try:
        module, _, function = setup.target.partition(":")
        factory = cast(Factory, getattr(importlib.import_module(module), function))
        handler = factory(worker)
    except Exception as wrong:
        traceback.print_exc()
        channel.send(Ready([], f"{type(wrong).__name__}: {wrong}"))
        raise SystemExit(1) from wrong
    channel.send(Ready(list(worker.labels)))
    return worker, handler


def main(arguments: list[str]) -> None:
    """Run one worker until its server goes away."""
    descriptor, parent, niceness = (int(word) for word in arguments)
    # The server decides what these mean, and closes the socket when it is time.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    die_with_parent(parent)
    if niceness:
        with contextlib.suppress(OSError):
            os.nice(niceness)
    channel = Channel(socket.socket(fileno=descriptor))
    try:
        serve(channel, lambda setup: build(channel, setup), traceback.print_exc)
    except ServerGone:
        pass
    except BadFrame as wrong:
        raise SystemExit(f"the server sent nonsense: {wrong}") from wrong


if __name__ == "__main__":
    main(sys.argv[1:])
