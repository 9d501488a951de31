"""When the upstream is lost: what was going on is brought to its end, and what can be asked of the next one is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vivavoce.engines.relay.asked import Ask
from vivavoce.protocol import server_events as se
from vivavoce.protocol.responses import ErrorDetail
from vivavoce.session.outbox import Outbox
from vivavoce.session.upstream import Failure

if TYPE_CHECKING:
    from vivavoce.engines.relay.mirror import Mirror

REPEATED = frozenset({"session.update", "conversation.item.create", "conversation.item.delete"})
"""What a client asked of an upstream that was lost before it answered, and what is simply asked of the next."""
UNSENT = REPEATED | {"response.create", "conversation.item.retrieve"}
"""The same of what never got to an upstream, where another engine goes on at once. Sound that was on its way is gone, so its commit is not among it."""


def end_all(mirror: Mirror, failure: Failure, now_ms: int, repeated: frozenset[str] | None) -> None:
    """Nothing more comes of what was going on; everybody concerned is told.

    `repeated`: the questions that are kept, since the session goes on; None: it does not.
    """
    mirror.front.abandon()
    told = mirror.answering.fail(failure, mirror.model, now_ms)
    told = _end_questions(mirror, failure, now_ms, repeated) or told
    begun = mirror.input.in_a_turn
    unheard = begun or mirror.input.pushed_to_talk(mirror.config)
    mirror.input.emptied()
    if repeated is None:
        return
    if begun:  # Clients would wait for the end of what they have heard begin.
        mirror.outbox.send(se.InputAudioBufferCleared)
    if unheard and not told:
        blame(mirror.outbox, failure)


def _end_questions(mirror: Mirror, failure: Failure, now_ms: int, repeated: frozenset[str] | None) -> bool:
    kept: list[Ask] = mirror.up.repeat if repeated is not None else []
    told = False
    for ask in mirror.up.asked.take_all():
        if ask.kind == "response.create":
            mirror.answering.refused(now_ms)  # Whoever is asked again counts it again.
        if repeated is not None and ask.kind in repeated:
            kept.append(ask)
        elif ask.source is not None:
            blame(mirror.outbox, failure, ask.source, ask.event_id)
            told = True
    mirror.up.repeat = kept
    return told


def blame(outbox: Outbox, failure: Failure, source: str | None = None, event_id: str | None = None) -> None:
    """Tell one client, or all of them, why something came to nothing."""
    detail = ErrorDetail(type=failure.type, code=failure.code, message=failure.message, event_id=event_id)
    outbox.send(se.ErrorEvent, to=source, error=detail)
