"""Finding somebody to talk to: the server that was named, the one on this machine, or one of our own."""

from __future__ import annotations

import asyncio
import contextlib

from vivavoce.talk.captions import Captions
from vivavoce.talk.connection import Connection, Event, NoEvent, dial
from vivavoce.talk.options import Options
from vivavoce.talk.outcome import Exit, TalkError

DEFAULT_URL = "http://127.0.0.1:8000"
LOOK_S = 2.0
"""A server on this machine answers at once; whatever does not is something else."""
GREETING_S = 15.0


async def reach(
    options: Options, captions: Captions, stack: contextlib.AsyncExitStack
) -> tuple[Connection, Event]:
    """An open call and the server's first event; `stack` closes both the call and a server of our own.

    Raises TalkError.
    """
    if options.url is not None:
        return await _greeted(stack, await dial(options.url, options.model, options.key), GREETING_S)
    if options.engine is None:
        with contextlib.suppress(TalkError):
            connection = await dial(DEFAULT_URL, options.model, None, LOOK_S)
            # Anything may listen on a common port; ours says what it is.
            found = await _greeted(stack, connection, LOOK_S)
            if "vivavoce" in found[1].get("session", {}):
                return found
            await connection.close()
    return await _own(options, captions, stack)


async def _greeted(
    stack: contextlib.AsyncExitStack, connection: Connection, timeout_s: float
) -> tuple[Connection, Event]:
    stack.push_async_callback(connection.close)
    try:
        async with asyncio.timeout(timeout_s):
            event = await anext(connection.events())
    except (TimeoutError, NoEvent):
        message = f"{connection.name} opened the call and then said nothing that a Realtime server would"
        raise TalkError(Exit.UNREACHABLE, message) from None
    if event.get("type") == "error":
        raise TalkError(Exit.REFUSED, f"{connection.name}: {event['error'].get('message')}")
    return connection, event


async def _own(
    options: Options, captions: Captions, stack: contextlib.AsyncExitStack
) -> tuple[Connection, Event]:
    from msgspec.structs import replace

    from vivavoce.call.settings import SettingsError, load_settings
    from vivavoce.server.embedded import ServerFailed, running_server
    from vivavoce.server.keys import new_token

    why = "starting a server" if options.engine else f"no vivavoce at {DEFAULT_URL}, starting one"
    captions.note(f"{why} for this call ...")
    try:
        settings = load_settings({"engine.kind": options.engine})
        # A key for this one call: those that are stored are known by their hashes only, and nobody else on this machine has this one.
        key = new_token("vv_", 40)
        settings = replace(settings, auth=replace(settings.auth, keys=(key,)))
        url = await stack.enter_async_context(running_server(settings))
    except (SettingsError, ServerFailed) as error:
        raise TalkError(Exit.UNREACHABLE, f"no server could be started: {error}") from None
    return await _greeted(stack, await dial(url, options.model, key), GREETING_S)
