"""Servers that tests and measurements start end with whoever started them, also where that one is killed in the middle.

Between the two is a pipe: when its writing end closes, for whatever reason, a shell that waits at the other end ends the whole process
group. It is nobody's child and holds none of the server's streams, so nothing of the server looks different for it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

_GUARDED = 'exec 3<&0 </dev/null; ( ( read _ <&3; kill -s KILL -- "-$$" ) >/dev/null 2>&1 & ); exec "$@" 3<&-'


class Leash:
    """`Popen(leash.hold(command), **leash.options)`: one process and all that it starts, in a session of their own, with nothing to read.

    The process id is that of the command. Leaving the block ends what is left of the group.
    """

    def __init__(self) -> None:
        self._ends: tuple[int, ...] = os.pipe()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End what is left."""
        ends, self._ends = self._ends, ()
        for end in ends:
            os.close(end)

    @property
    def options(self) -> dict[str, Any]:
        """What starting the process needs besides."""
        return {"stdin": self._ends[0], "start_new_session": True}

    def hold(self, command: Sequence[object]) -> list[str]:
        """The command as it has to be started."""
        return ["sh", "-c", _GUARDED, "sh", *map(str, command)]
