"""Settings of the relay: where the upstream is (`[upstream]`), and how sessions are carried there (`[relay]`)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

OPENAI_URL = "wss://api.openai.com/v1/realtime"
OPENAI_HOST = "api.openai.com"
Wait = Annotated[int, Meta(ge=50, le=600_000)]


class UpstreamSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The Realtime API that answers when the engine is the relay.

    `model`: asked for instead of what clients name. `connect_ms`: all attempts together, up to its greeting. `silence_ms`: without a
    sign of life, or an answer to what is answered at once. `stall_ms`: a response in which nothing happens, over a connection that lives.
    `answer_ms`: the same for requests that are no call, which have no sign that a model is thinking.
    `max_unsent_bytes`: what may wait for an upstream that does not read.
    """

    url: str = ""
    key: str = ""
    model: str = ""
    connect_ms: Wait = 4000
    silence_ms: Wait = 4500
    stall_ms: Wait = 30_000
    answer_ms: Annotated[int, Meta(ge=50, le=3_600_000)] = 600_000
    max_unsent_bytes: Annotated[int, Meta(ge=65_536)] = 64 * 1024 * 1024

    def __post_init__(self) -> None:
        if self.url and (
            urlsplit(self.url).scheme not in ("ws", "wss", "http", "https") or not urlsplit(self.url).hostname
        ):
            raise ValueError("url must begin with wss://, ws://, https:// or http:// and name a host")


class RelaySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`session_s`: how long an upstream session is used before a new one takes over its conversation; 0: for as long as it lasts.

    `speech_s`: so many seconds of what callers said last are kept, as long as their words are not known, and told to whatever goes on; 0: none.
    `failover`: what answers once the upstream is lost for good. `name`: by which the server finds out that a session comes round to it again
    (call/via.py); empty: drawn at each start.
    """

    session_s: Annotated[int, Meta(ge=0, le=86_400)] = 3300
    speech_s: Annotated[int, Meta(ge=0, le=600)] = 30
    failover: Literal["none", "cascade"] = "none"
    name: Annotated[str, Meta(pattern=r"^[\w.-]{0,64}$")] = ""


def named(given: RelaySettings) -> RelaySettings:
    """With a name. Here and not where sessions begin, since all processes of a server have to go by the same one."""
    return msgspec.structs.replace(given, name=given.name or secrets.token_hex(6))


def resolved(given: UpstreamSettings, environ: Mapping[str, str]) -> UpstreamSettings:
    """With what stands for an address and a key that were not given. A key for OpenAI goes to OpenAI only."""
    url = given.url or OPENAI_URL
    at_home = urlsplit(url).hostname == OPENAI_HOST
    key = given.key or (environ.get("OPENAI_API_KEY", "") if at_home else "")
    return msgspec.structs.replace(given, url=url, key=key.strip())
