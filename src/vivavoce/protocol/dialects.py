"""The two dialects of the wire. Which one a connection speaks is settled once, at its edge.

Inside there are only the GA structs; GA is therefore the identity, and the beta dialect is a set of tables
(`beta.py`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from vivavoce.protocol import beta
from vivavoce.protocol.client_events import ClientEvent
from vivavoce.protocol.decode import decode_client_event
from vivavoce.protocol.encode import encode_server_event
from vivavoce.protocol.server_events import ForeignEvent, ServerEvent


@dataclass(frozen=True, slots=True)
class Dialect:
    """`to_wire` gives the frames of a server event, none where the dialect has no such event; `from_wire`
    raises `ClientError` and nothing else."""

    name: Literal["ga", "beta"]
    to_wire: Callable[[ServerEvent | ForeignEvent], list[bytes]]
    from_wire: Callable[[bytes | str | memoryview], ClientEvent]


def _ga_to_wire(event: ServerEvent | ForeignEvent) -> list[bytes]:
    return [encode_server_event(event)]


GA: Final = Dialect("ga", _ga_to_wire, decode_client_event)
BETA: Final = Dialect("beta", beta.to_wire, beta.from_wire)


def choose_dialect(openai_beta_header: str | None, subprotocols: Sequence[str]) -> Dialect:
    """Beta only by the token `realtime=v1` in `OpenAI-Beta`, or the subprotocol `openai-beta.realtime-v1`.

    Not by the header's presence: clients send `OpenAI-Beta: assistants=v2` too (protocol reference 1.5). Not
    by the model: real programs pair today's models with the beta header (real-clients rule 10).
    """
    tokens = {token.strip().lower() for token in (openai_beta_header or "").split(",")}
    if "realtime=v1" in tokens or "openai-beta.realtime-v1" in subprotocols:
        return BETA
    return GA
