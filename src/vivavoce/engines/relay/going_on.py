"""A session whose link is lost, or old, goes on: over another link, with another engine, or not at all (docs/adr/0034-going-on-elsewhere.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vivavoce.engines.relay.carrying import as_created, carried
from vivavoce.engines.relay.losing import Onward, blame, end_all
from vivavoce.engines.relay.showing import as_update
from vivavoce.engines.relay.succeeding import NOBODY, succeed
from vivavoce.protocol import client_events as ce
from vivavoce.protocol import server_events as se
from vivavoce.protocol.encode import to_plain
from vivavoce.protocol.session_objects import SessionObject
from vivavoce.session.effects import Hangup, Warn
from vivavoce.session.upstream import FailOver, Failure

if TYPE_CHECKING:
    from vivavoce.engines.relay.mirror import Mirror


def lose(mirror: Mirror, failure: Failure, now_ms: int) -> None:
    """The link is of no use any more: end what was going on, say why, and go on with another if there is hope."""
    failure = mirror.up.objection or failure
    # An upstream that cannot be reached is not waited for where somebody else can answer.
    instead = mirror.rules.stand_in is not None and mirror.up.state == "dialling"
    again = mirror.up.lost(now_ms) and mirror.up.was_live and failure.passing and not instead
    mirror.outbox.put(Warn(f"{failure.code}: {failure.message}"))
    onward: Onward = (
        "another link" if again else "nowhere" if mirror.rules.stand_in is None else "another engine"
    )
    end_all(mirror, failure, onward, now_ms)
    match onward:
        case "another link":
            mirror.up.begin(mirror.config, now_ms)
            go_on(mirror, now_ms)
        case "another engine":
            _fail_over(mirror, now_ms)
        case "nowhere":
            mirror.up.end()
            blame(mirror.outbox, failure)
            mirror.outbox.put(Hangup(1011, failure.code))


def _fail_over(mirror: Mirror, now_ms: int) -> None:
    """Another engine goes on with the conversation; clients see that the session has changed, and by what it is answered."""
    engine = mirror.rules.stand_in
    assert engine is not None
    mirror.up.end()
    mirror.outbox.put(FailOver())
    mirror.outbox.put(Warn(f"{engine.names.engine} goes on instead of the upstream"))
    mirror.view.answered_by(engine.names)
    mirror.stand_in = succeed(mirror, engine.capabilities, max(1, (mirror.ends_ms - now_ms) // 1000), now_ms)
    for source in mirror.view.unseen:
        mirror.stand_in.attach(source, now_ms)
    if mirror.up.was_live:
        mirror.outbox.send(se.SessionUpdated, session=mirror.config)
    _ask_again(mirror, now_ms)


def go_on(mirror: Mirror, now_ms: int) -> None:
    """Another upstream session counts now: make it like the one before, ahead of whatever clients say next."""
    mirror.input.begin_again()
    mirror.front.begin_again()
    mirror.up.ask("session.update", now_ms, session=as_update(mirror.config, mirror.up.raw))
    _carry_over(mirror, now_ms)


def _carry_over(mirror: Mirror, now_ms: int) -> None:
    """Another upstream session: tell it the conversation, and what was asked of the one before."""
    # A transcription session remembers nothing and takes no items.
    if isinstance(mirror.config, SessionObject):
        for item in carried(mirror.known.conversation, mirror.kept):
            mirror.up.carried.add(item.id)
            mirror.up.ask("conversation.item.create", now_ms, item=as_created(to_plain(item)))
    _ask_again(mirror, now_ms)


def _ask_again(mirror: Mirror, now_ms: int) -> None:
    asks, mirror.up.repeat = mirror.up.repeat, []
    for ask in asks:
        if ask.event is not None and ask.source is not None:
            mirror.receive(ask.event, ask.source, now_ms)
    if mirror.answering.owed is None or any(ask.kind == "response.create" for ask in asks):
        return
    if mirror.stand_in is None:
        mirror.up.ask("response.create", now_ms)
    else:
        mirror.answering.settled()
        mirror.stand_in.receive(ce.ResponseCreate(), mirror.connections.primary or NOBODY, now_ms)
