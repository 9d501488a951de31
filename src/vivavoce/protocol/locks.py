"""What the holder of a locked client secret may not widen.

The lock belongs to a connection, not to its session: a sideband with the key itself may still change everything. So it stands where
the connection's events are read, as a dialect that refuses some of them; the session knows nothing of it.
"""

from collections.abc import Callable, Collection
from typing import Any, Final, Literal

from vivavoce.protocol.client_events import (
    ClientEvent,
    ConversationItemCreate,
    InputAudioBufferAppend,
    ResponseCreate,
    SessionUpdate,
)
from vivavoce.protocol.dialects import Dialect
from vivavoce.protocol.errors import ClientError
from vivavoce.protocol.field_reading import read_leaf
from vivavoce.protocol.items import MessageItem
from vivavoce.protocol.session_objects import Prompt, SessionObject
from vivavoce.protocol.tool_reading import read_tools

Lockable = Literal["instructions", "tools", "model"]
Lock = tuple[Lockable, ...]
EVERYTHING: Final[Lock] = ("instructions", "tools", "model")


def locked(param: str) -> ClientError:
    """What was asked for is more than the client secret allows."""
    return ClientError(
        "locked_parameter",
        f"'{param}' cannot be changed: the client secret of this connection locks it.",
        param,
    )


def hold(dialect: Dialect, lock: Collection[Lockable], session: Callable[[], object]) -> Dialect:
    """The same dialect, which refuses what `lock` locks; `session` gives the session object that is in force.

    `instructions`: those of the session, a stored prompt, those of one response, and system messages, which are instructions by
    another name; what stands may be repeated. `tools`: fewer of the session's tools may be offered, no other ones. `model`: decided
    when the connection is opened, since no event can change it.
    """

    def from_wire(data: bytes | str | memoryview) -> ClientEvent:
        event = dialect.from_wire(data)
        if type(event) is InputAudioBufferAppend:
            return event
        try:
            _check(event, lock, session())
        except ClientError as error:
            error.event_id = event.event_id
            raise
        return event

    return Dialect(dialect.name, dialect.to_wire, from_wire)


def _check(event: ClientEvent, lock: Collection[Lockable], session: object) -> None:
    match event:
        case SessionUpdate():
            _check_fields(event.session, "session", lock, session)
        case ResponseCreate(response=dict() as response):
            _check_fields(response, "response", lock, session)
            if "instructions" in lock:
                _check_input(response.get("input"))
        case ConversationItemCreate(item=MessageItem(role="system")) if "instructions" in lock:
            raise locked("item.role")


def _check_fields(given: dict[str, Any], scope: str, lock: Collection[Lockable], session: object) -> None:
    if not isinstance(session, SessionObject):
        return  # Other kinds of session have neither instructions nor tools.
    # In a session null clears, in a response it is the same as nothing.
    given = {key: one for key, one in given.items() if one is not None or scope == "session"}
    if "instructions" in lock:
        if "instructions" in given and (given["instructions"] or "") != session.instructions:
            raise locked(f"{scope}.instructions")
        if (
            "prompt" in given
            and read_leaf(given["prompt"], Prompt | None, f"{scope}.prompt") != session.prompt
        ):
            raise locked(f"{scope}.prompt")
    if "tools" in lock and given.get("tools"):
        path = f"{scope}.tools"
        for place, tool in enumerate(read_tools(given["tools"], path, session.tools)):
            if tool not in session.tools:
                raise locked(f"{path}[{place}]")


def _check_input(items: Any) -> None:
    for place, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict) and item.get("role") == "system":
            raise locked(f"response.input[{place}].role")
