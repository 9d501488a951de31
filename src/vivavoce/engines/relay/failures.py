"""Everything that can be wrong with an upstream, in words for a client: the cause by name, and never a key."""

from __future__ import annotations

import os
import re

import msgspec

from vivavoce.call import via
from vivavoce.protocol.responses import ErrorDetail
from vivavoce.session.upstream import Failure

LOOP = "upstream_loop"
"""Relays that point at each other; also when the upstream says that it was its upstream."""
LONGEST = 200
"""Characters of the upstream's own words that are told."""
_KEY = re.compile(r"\b(?:sk|ek|rk|vv|pk|sess)[-_][\w*.\-]{6,}|\bBearer\s+\S+")
FINAL_CLOSES = frozenset({1008, 4000, 4001, 4003})
"""Close codes after which the same would happen again: a policy, a refused shape, a refused credential."""


class _Error(msgspec.Struct):
    message: str = ""
    code: str | int | None = None


class _Body(msgspec.Struct):
    error: _Error | str | None = None
    message: str = ""


def plain(text: str, key: str = "") -> str:
    """Somebody else's words, short, on one line, without anything that could be a key."""
    if key:
        text = text.replace(key, "[key]")
    return _KEY.sub("[key]", " ".join(text.split()))[:LONGEST]


def refused(status: int, body: bytes, key: str) -> Failure:
    """The handshake was answered with an HTTP error."""
    if status in (401, 403):
        # What such an answer says often holds a part of the key.
        message = (
            f"The upstream does not accept this server's key ({status})."
            if key
            else f"The upstream asks for a key, and this server was given none for it ({status}): VIVAVOCE_UPSTREAM_KEY."
        )
        return Failure("upstream_unauthorized", message, passing=False)
    said = _said(body, key)
    if status == via.STATUS and _code(body) == via.CODE:
        return _loop(said.removeprefix(": "))
    if status == 429:
        return Failure(
            "upstream_rate_limited",
            f"The upstream has too much to do for this server (429){said}.",
            "rate_limit_error",
        )
    if status >= 500:
        return Failure("upstream_unavailable", f"The upstream cannot answer at the moment ({status}){said}.")
    return Failure("upstream_refused", f"The upstream refuses the session ({status}){said}.", passing=False)


def objected(detail: ErrorDetail, model: str) -> Failure:
    """It has answered with an error in the place of its greeting, as OpenAI does to a model that it does not have."""
    if detail.code == LOOP:
        return _loop(plain(detail.message or ""))
    asked = f" of the model {plain(model)}" if model else ""
    said = plain(
        f"{detail.code}: {detail.message}" if detail.code else detail.message or "it does not say why"
    )
    return Failure(
        "upstream_refused",
        f"The upstream refuses the session{asked}: {said.rstrip('.')}.",
        passing=detail.type != "invalid_request_error",
    )


def _loop(said: str) -> Failure:
    """In the words of the relay that noticed it, which every relay on the way back hands on."""
    return Failure(LOOP, f"{said.rstrip('.')}.", passing=False)


def unreachable(error: BaseException) -> Failure:
    """No connection came about."""
    return Failure("upstream_unreachable", f"The upstream cannot be reached ({_name(error)}).")


def untrusted(error: BaseException) -> Failure:
    """Its certificate is not good."""
    return Failure(
        "upstream_untrusted", f"The upstream's certificate is not trusted ({_name(error)}).", passing=False
    )


def silent(what: str, waited_ms: int) -> Failure:
    """Something that had to come did not."""
    return Failure("upstream_silent", f"The upstream has not {what} within {waited_ms / 1000:.1f} s.")


def garbage(what: str) -> Failure:
    """It does not keep to the protocol."""
    return Failure(
        "upstream_protocol_error", f"The upstream does not keep to the protocol: {what[:LONGEST]}."
    )


def closed(code: int, reason: str, key: str = "") -> Failure:
    """It hung up, or the connection broke (1006)."""
    if code == 1006:
        return Failure("upstream_closed", "The connection to the upstream broke.")
    said = f" {plain(reason, key)}" if reason else ""
    return Failure(
        "upstream_closed",
        f"The upstream closed the session ({code}{said}).",
        passing=code not in FINAL_CLOSES,
    )


def too_slow(limit_bytes: int) -> Failure:
    """It does not read what it is sent."""
    return Failure(
        "upstream_silent", f"The upstream reads too slowly: more than {limit_bytes} bytes wait for it."
    )


def _name(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ConnectionError) and error.errno:
        return os.strerror(error.errno).lower()  # An event loop may tell addresses and tuples in this place.
    strerror = getattr(error, "strerror", None)
    return strerror if isinstance(strerror, str) else type(error).__name__


def _code(body: bytes) -> str | int | None:
    try:
        read = msgspec.json.decode(body, type=_Body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return read.error.code if isinstance(read.error, _Error) else None


def _said(body: bytes, key: str) -> str:
    try:
        read = msgspec.json.decode(body, type=_Body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
    told = read.error.message if isinstance(read.error, _Error) else read.error or read.message
    return f": {plain(told, key).rstrip('.')}" if told else ""
