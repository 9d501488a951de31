"""`vivavoce demo`: flags, and what they start. Nothing heavy is imported before `run`."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

FAST = 4.0
"""How much faster than real time the caller lives with --fast. What is recognised does not depend on it (ADR 16)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `vivavoce demo`."""
    parser.add_argument("--engine", choices=["cascade", "scripted"], help="what answers (cascade)")
    parser.add_argument("--url", help="talk to a server that is running already, e.g. http://127.0.0.1:8000")
    parser.add_argument("--key", default="local", help="an API key of that server")
    parser.add_argument(
        "--seed", type=int, help="another call: other order number, names, wording and voices"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("demo-out"), help="where the recording goes (demo-out)"
    )
    parser.add_argument(
        "--json", action="store_true", help="print the summary as JSON, the transcript to stderr"
    )
    parser.add_argument("--llm-url", help="an OpenAI-compatible endpoint instead of the built-in brain")
    parser.add_argument("--llm-model", help="the model to ask for there")
    parser.add_argument("--script", help="a script file for the scripted engine")
    parser.add_argument(
        "--seeds",
        type=seeds_of,
        metavar="FIRST-LAST",
        help="many calls, one a seed, and a table of what was understood",
    )
    parser.add_argument(
        "--fast",
        action="store_true",
        help="the caller talks and listens four times as fast (for --seeds; no true latencies)",
    )


def run(given: argparse.Namespace) -> int:
    """Make the call or calls. 0: everything asked was answered; 1: it was not; 2: it could not be made or kept."""
    import asyncio
    import sys

    if given.fast and given.url:
        print(
            "vivavoce: --fast needs a server of its own, which does not hold answers back; leave out --url",
            file=sys.stderr,
        )
        return 2
    from vivavoce.demo.show import Wishes, show

    wishes = Wishes(
        url=given.url,
        key=given.key,
        seed=given.seed,
        seeds=given.seeds,
        out=given.out,
        as_json=given.json,
        speed=FAST if given.fast else 1.0,
        flags={
            "engine.kind": given.engine,
            "llm.url": given.llm_url,
            "llm.model": given.llm_model,
            "scripted.script": given.script,
        },
    )
    try:
        return asyncio.run(show(wishes))
    except KeyboardInterrupt:
        return 130


def seeds_of(text: str) -> range:
    """ "1-20" as a range, both ends included; "7" is one seed."""
    found = re.fullmatch(r"(\d+)(?:-(\d+))?", text)
    if not found or int(found[2] or found[1]) < int(found[1]):
        raise argparse.ArgumentTypeError(f"{text!r} is no range of seeds such as 1-20")
    return range(int(found[1]), int(found[2] or found[1]) + 1)
