"""When the upstream is lost: what was going on is brought to its end, and what can be asked of the next one is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from vivavoce.engines.relay.asked import Ask
from vivavoce.engines.relay.carrying import carries
from vivavoce.protocol import server_events as se
from vivavoce.protocol.items import InputAudio, MessageItem
from vivavoce.protocol.responses import ErrorDetail, TranscriptionErrorDetail
from vivavoce.session.conversation import snapshot
from vivavoce.session.outbox import Outbox
from vivavoce.session.upstream import Failure

if TYPE_CHECKING:
    from vivavoce.engines.relay.mirror import Mirror

Onward = Literal["another link", "another engine", "nowhere"]
"""Where a session goes on whose link is lost."""

REPEATED = frozenset({"session.update", "conversation.item.create", "conversation.item.delete"})
"""What a client asked of an upstream that was lost before it answered, and what is simply asked of the next."""
UNSENT = REPEATED | {"response.create", "conversation.item.retrieve"}
"""The same of what never got to an upstream, where another engine goes on at once. Sound that was on its way is gone, so its commit is not among it."""


def end_all(mirror: Mirror, failure: Failure, onward: Onward, now_ms: int) -> None:
    """Nothing more comes of what was going on; everybody concerned is told, once."""
    mirror.front.abandon()
    told = mirror.answering.fail(failure, mirror.model, now_ms)
    told = _end_questions(mirror, failure, onward, now_ms) or told
    begun = mirror.input.in_a_turn
    unheard = begun or mirror.input.pushed_to_talk(mirror.config)
    mirror.input.emptied()
    missing = _pass_turns_on(mirror, failure, onward)
    _finish_items(mirror)
    if mirror.answering.owed is not None and not _will_be_answered(mirror, onward):
        missing = True
        for source, event_id in mirror.answering.settled().merged:
            blame(mirror.outbox, failure, source, event_id)
            told = True
    if onward == "nowhere":
        return
    if begun:  # Clients would wait for the end of what they have heard begin.
        mirror.outbox.send(se.InputAudioBufferCleared)
    if (unheard or missing) and not told:
        blame(mirror.outbox, failure)


def _end_questions(mirror: Mirror, failure: Failure, onward: Onward, now_ms: int) -> bool:
    never_sent = onward == "another engine" and mirror.up.state == "dialling"
    repeated = UNSENT if never_sent else REPEATED
    kept: list[Ask] = []
    told = False
    for ask in mirror.up.asked.take_all():
        if ask.kind == "response.create":
            mirror.answering.refused(now_ms)  # Whoever is asked again counts it again.
        if ask.source is None:
            continue  # Ours is asked again where it is still wanted.
        if onward != "nowhere" and ask.kind in repeated:
            kept.append(ask)
        else:
            blame(mirror.outbox, failure, ask.source, ask.event_id)
            told = True
    mirror.up.repeat = kept
    return told


def _pass_turns_on(mirror: Mirror, failure: Failure, onward: Onward) -> bool:
    """Turns of which the upstream has not told everything. True where one of them is lost.

    Each becomes the item here that it would have become there; with its sound, where that is kept, it is told with the others to what goes on.
    """
    lost = False
    for item_id, previous in mirror.known.turns.waiting_for("item"):
        item = MessageItem(id=item_id, role="user", status="completed", content=[InputAudio()])
        mirror.known.added(item, previous)
        before = mirror.known.conversation.predecessor(item_id)
        mirror.outbox.send(se.ConversationItemAdded, previous_item_id=before, item=snapshot(item))
        mirror.known.turns.came(item_id, "item")
        lost = lost or mirror.known.kept.sound(item_id) is None
    mirror.known.turns.failure = failure
    if onward == "another engine":
        give_words_up(mirror, heard_again=True)
    elif onward == "nowhere":
        give_words_up(mirror)
    return lost


def give_words_up(mirror: Mirror, *, heard_again: bool = False) -> None:
    """Nobody is going to tell the words of turns whose link was lost: another session of the upstream hears only what comes now.

    `heard_again`: another engine tells those of what is kept.
    """
    failure, mirror.known.turns.failure = mirror.known.turns.failure, None
    if failure is None:
        return
    error = TranscriptionErrorDetail(type=failure.type, code=failure.code, message=failure.message)
    for item_id, _ in mirror.known.turns.waiting_for("words"):
        if not heard_again or mirror.known.kept.sound(item_id) is None:
            mirror.known.turns.came(item_id, "words")
            mirror.outbox.send(se.ConversationItemInputAudioTranscriptionFailed, item_id=item_id, error=error)


def _finish_items(mirror: Mirror) -> None:
    """Items that were told to be there and not to be done: what goes on takes them as they are."""
    known = mirror.known
    for item in known.conversation.items():
        if item.id in known.unfinished:
            before = known.conversation.predecessor(item.id)
            mirror.outbox.send(se.ConversationItemDone, previous_item_id=before, item=snapshot(item))
            known.became(item)


def _will_be_answered(mirror: Mirror, onward: Onward) -> bool:
    """Whether an answer that no client has asked for is asked of what goes on: once, and if that knows what to answer."""
    owed = mirror.answering.owed
    if owed is None or onward == "nowhere" or (onward == "another link" and mirror.up.state != "live"):
        return False
    return owed.turn is None or carries(mirror.known.conversation, owed.turn, mirror.kept)


def blame(outbox: Outbox, failure: Failure, source: str | None = None, event_id: str | None = None) -> None:
    """Tell one client, or all of them, why something came to nothing."""
    detail = ErrorDetail(type=failure.type, code=failure.code, message=failure.message, event_id=event_id)
    outbox.send(se.ErrorEvent, to=source, error=detail)
