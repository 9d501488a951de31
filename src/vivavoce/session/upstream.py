"""What a machine that follows another server asks of its engine, and what the engine answers: effects and signals of the relay.

A link is one connection to the upstream, known by an id that the machine hands out; what comes from a link that was dropped is dropped,
as all stale output is (house law 4). Each link that was dialled and not dropped ends with exactly one LinkLost.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["realtime", "transcription", "translation"]


class Failure(msgspec.Struct, frozen=True):
    """Why the upstream cannot be used, in the words of an `error` event. `passing`: trying again may help. Holds no credential."""

    code: str
    message: str
    type: str = "server_error"
    passing: bool = True


class Dial(msgspec.Struct, frozen=True):
    """Effect: connect. What is sent up the link until it is open waits for that. `via`: servers that the session has come through (call/via.py)."""

    link: str
    kind: Kind
    model: str
    via: tuple[str, ...] = ()


class SendUp(msgspec.Struct, frozen=True):
    """Effect: send one event, as the upstream is to read it."""

    link: str
    frame: bytes


class Feed(msgspec.Struct, frozen=True):
    """Effect: from now on input audio (`Hear`) goes to this link, in this wire format."""

    link: str
    wire_format: str


class Drop(msgspec.Struct, frozen=True):
    """Effect: this link is not needed any more."""

    link: str


class FailOver(msgspec.Struct, frozen=True):
    """Effect: the upstream is given up; the engine that stands in for it joins the call."""


class FromUpstream(msgspec.Struct, frozen=True, gc=False):
    """Signal: one event, as the upstream wrote it."""

    link: str
    frame: bytes


class LinkLost(msgspec.Struct, frozen=True):
    """Signal: the link could not be opened, or broke."""

    link: str
    failure: Failure


UpstreamEffect = Dial | SendUp | Feed | Drop | FailOver
UpstreamSignal = FromUpstream | LinkLost
