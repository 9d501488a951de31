"""`python -m vivavoce.testing FILE...`: play behaviours; with `--show`, print what really comes out."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from vivavoce.testing.grammar import Behaviour, EngineKind, Step, read_behaviours
from vivavoce.testing.outputs import Output, show
from vivavoce.testing.stage import Stage, play


class Showing(Stage):
    """Prints instead of comparing."""

    def check(self, step: Step, outputs: list[Output], *, exact: bool) -> None:
        """Compare as far as names are given, then print."""
        print(step.line.text)
        try:
            super().check(step, outputs, exact=False)
        except AssertionError as error:
            print(f"    !! {str(error).splitlines()[1].strip()}")
        print(*show(outputs), sep="\n")


def main(argv: list[str] | None = None) -> int:
    """Returns the number of behaviours that differ, at most 1."""
    parser = argparse.ArgumentParser(prog="python -m vivavoce.testing", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--show", action="store_true", help="print what comes out")
    parser.add_argument("--only", default="", help="behaviours whose heading contains this")
    given = parser.parse_args(argv)
    wrong = 0
    for path in given.files:
        for behaviour in read_behaviours(path):
            if given.only in behaviour.name:
                wrong += sum(not _holds(behaviour, kind, given.show) for kind in behaviour.engines)
    return min(wrong, 1)


def _holds(behaviour: Behaviour, kind: EngineKind, showing: bool) -> bool:
    print(f"{behaviour.name} [{kind}]")
    if showing:
        Showing(behaviour, kind).run()
        return True
    try:
        play(behaviour, kind)
    except AssertionError as error:
        print(error)
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
