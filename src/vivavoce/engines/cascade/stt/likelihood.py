"""How likely a recogniser's words are, as endpoints tell it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vivavoce.protocol.responses import LogProb


@dataclass(frozen=True, slots=True)
class Reading:
    """What was heard. `logprobs`: of its tokens, in order; empty where nothing is known. took_ms: how long the reading took."""

    text: str
    logprobs: tuple[LogProb, ...] = ()
    took_ms: int = 0


def logprobs_of(told: Any) -> tuple[LogProb, ...]:
    """`logprobs` of an answer or an event. Half of them would be worse than none: what cannot be read is as if it were not there."""
    read = []
    for one in told if isinstance(told, list) else ():
        token, logprob = (one.get("token"), one.get("logprob")) if isinstance(one, dict) else (None, None)
        if not isinstance(token, str) or not isinstance(logprob, int | float):
            return ()
        # Some leave the bytes out; they are those of the token unless it is a part of a character.
        octets = one.get("bytes")
        known = isinstance(octets, list) and all(isinstance(octet, int | float) for octet in octets)
        written = [int(octet) for octet in octets] if known else list(token.encode("utf-8", "replace"))
        read.append(LogProb(token=token, logprob=float(logprob), bytes=written))
    return tuple(read)
