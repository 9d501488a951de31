"""`vivavoce talk` on the command line. Nothing heavy is imported until it runs."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

from vivavoce.call.standard_streams import drop_stdout
from vivavoce.talk.captions import harmless
from vivavoce.talk.options import Options, Way
from vivavoce.talk.outcome import MEANINGS, Exit, TalkError

DESCRIPTION = """\
Talk to a Realtime server: by microphone and loudspeaker, by typing, or from a WAV file into another one.

Without --url it talks to the vivavoce on http://127.0.0.1:8000 and, where there is none, starts one for this call."""

STDIN = 0
"""The file descriptor of standard input."""

ECHO = """\
With loudspeakers and an open microphone the agent hears itself and interrupts itself. Use headphones, or --push-to-talk,
or the page that `vivavoce serve` shows in the browser, which cancels echo."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `vivavoce talk`."""
    codes = "\n".join(f"  {code.value}  {meaning}" for code, meaning in MEANINGS.items())
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = DESCRIPTION
    parser.epilog = f"{ECHO}\n\nexit codes:\n{codes}"
    ways = parser.add_argument_group("how to talk (microphone and loudspeaker, unless said otherwise)")
    ways.add_argument("--text", action="store_true", help="type; of a pipe each line is a turn")
    ways.add_argument(
        "--in",
        dest="source",
        type=Path,
        metavar="FILE",
        help="speak this WAV file (any rate, mono or stereo)",
    )
    ways.add_argument(
        "--out",
        dest="target",
        type=Path,
        metavar="FILE",
        help="with --in: the call as WAV, caller left, agent right",
    )
    ways.add_argument("--fast", action="store_true", help="with --in: as fast as the server takes it")
    ways.add_argument(
        "--push-to-talk", action="store_true", help="Enter opens the microphone, Enter sends what was said"
    )
    who = parser.add_argument_group("whom to talk to")
    who.add_argument("--url", help="a server, e.g. http://127.0.0.1:8000")
    who.add_argument("--key", help="API key for --url (OPENAI_API_KEY)")
    who.add_argument(
        "--engine", choices=["cascade", "relay", "scripted"], help="start a server with this engine"
    )
    who.add_argument("--model", default="gpt-realtime-2", help="the model to ask for (%(default)s)")
    who.add_argument("--voice", help="the voice to ask for, e.g. marin")
    who.add_argument("--instructions", metavar="TEXT|@FILE", help="what the agent should be like")
    parser.add_argument("--json", action="store_true", help="print the server's events as JSON lines")


def run(given: argparse.Namespace) -> int:
    """Hold the call; returns the exit code."""
    try:
        options = options_of(given)
        return int(_talk(options))
    except TalkError as error:
        # A server may have worded it.
        print(f"vivavoce talk: {harmless(' '.join(str(error).splitlines()))}", file=sys.stderr)
        return int(error.code)
    except KeyboardInterrupt:
        return int(Exit.ENDED)
    except BrokenPipeError:
        drop_stdout()
        return int(Exit.ENDED)


def _talk(options: Options) -> Exit:
    from vivavoce.talk.conversation import captions_for, talk

    return asyncio.run(talk(options, captions_for(options), STDIN))


def options_of(given: argparse.Namespace) -> Options:
    """What was asked for. Raises TalkError for what does not go together."""
    way: Way = "typed" if given.text else "recorded" if given.source else "spoken"
    _refuse(
        given.text and (given.source or given.push_to_talk),
        "--text is typed, not spoken: leave one of them out",
    )
    _refuse(given.target and not given.source, "--out needs --in, the file to speak")
    _refuse(given.fast and not given.source, "--fast needs --in: a microphone cannot be hurried")
    _refuse(given.push_to_talk and given.source, "--push-to-talk is for the microphone, --in is a file")
    _refuse(given.url and given.engine, "--engine is for a server started here, --url names another one")
    _refuse(given.key and not given.url, "--key needs --url, the server it is for")
    return Options(
        way=way,
        url=given.url,
        # A key is for the server it was given for, never for one that happens to be there.
        key=(given.key or os.environ.get("OPENAI_API_KEY")) if given.url else None,
        engine=given.engine,
        model=given.model,
        voice=given.voice,
        instructions=_instructions(given.instructions),
        source=given.source,
        target=given.target,
        fast=given.fast,
        push_to_talk=given.push_to_talk,
        json=given.json,
    )


def _refuse(condition: object, message: str) -> None:
    if condition:
        raise TalkError(Exit.NOT_POSSIBLE, message)


def _instructions(given: str | None) -> str | None:
    if given is None or not given.startswith("@"):
        return given
    try:
        return Path(given[1:]).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise TalkError(Exit.NOT_POSSIBLE, f"cannot read {given[1:]}: {reason}") from None
