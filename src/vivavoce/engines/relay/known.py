"""What is known here of a conversation that the upstream has: its items, how much of them was played, which responses are going on."""

from __future__ import annotations

from collections import deque

import msgspec

from vivavoce.audio.clip import Clip, ms_to_ticks
from vivavoce.engines.relay.following import Following
from vivavoce.engines.relay.kept import Kept
from vivavoce.engines.relay.turns import Turns
from vivavoce.protocol import server_events as se
from vivavoce.protocol.items import InputAudio, Item, MessageItem
from vivavoce.session.conversation import ROOT, Conversation, snapshot, spoken_part
from vivavoce.session.item_audio import ItemAudio
from vivavoce.session.outbox import Outbox
from vivavoce.session.playback import Playback
from vivavoce.session.upstream import Failure

ENDED_KEPT = 32
"""Responses that are over, whose stragglers are no mistake."""


class Known:
    """Follows events of the upstream; it never changes anything there."""

    def __init__(self, speech_s: int, image_bytes: int = 0) -> None:
        self.conversation = Conversation("")
        self.playback = Playback(ItemAudio(0, 0))
        self.kept = Kept(speech_s, image_bytes)
        """What callers said whose words nobody knows yet, and images."""
        self.running: dict[str, Following] = {}
        self.ended: deque[str] = deque(maxlen=ENDED_KEPT)
        self.unfinished: set[str] = set()
        """Items that clients were told are added, and not yet that they are done."""
        self.turns = Turns()
        self._spoken: deque[str] = deque(maxlen=ENDED_KEPT)
        """Items that turns of the caller have become, or will at once."""

    # --- items ----------------------------------------------------------------------------------------------------------

    def added(self, item: Item, previous: str | None) -> bool:
        """An item is in the conversation now; False where it was already."""
        if item.id in self.conversation:
            return False
        anchor: str | None = previous
        if previous is None and self.conversation.last_id is not None:
            anchor = ROOT
        elif previous is not None and previous not in self.conversation:
            anchor = None
        self.conversation.insert(snapshot(item), anchor)
        self.unfinished.add(item.id)
        return True

    def became(self, item: Item) -> None:
        """An item is what it is going to be."""
        self.unfinished.discard(item.id)
        for response in self.running.values():
            output = response.outputs.get(item.id)
            if output is not None:
                output.item, output.settled = snapshot(item), True
        mine = self.conversation.get(item.id)
        if mine is None:
            return
        words = self._words(mine)
        for field in msgspec.structs.fields(type(item)):
            if type(mine) is type(item):
                setattr(mine, field.name, getattr(snapshot(item), field.name))
        for place, text in words:  # They may come before the item is done.
            self.understood(item.id, place, text)

    @staticmethod
    def _words(item: Item) -> list[tuple[int, str]]:
        parts = enumerate(item.content if isinstance(item, MessageItem) else ())
        return [
            (place, one.transcript) for place, one in parts if isinstance(one, InputAudio) and one.transcript
        ]

    def spoken(self, item_id: str, clips: list[Clip]) -> None:
        """The caller has said something; the item, and maybe its words, come later."""
        self._spoken.append(item_id)
        self.kept.add_sound(item_id, 0, clips)

    def given(self, item_id: str, place: int, clip: Clip) -> None:
        """A client has put sound into an item: of what is longer than is kept, the end."""
        kept = clip.cut(max(0, clip.ticks - self.kept.kept_ticks), clip.ticks)
        self.kept.add_sound(item_id, place, [kept])

    def begun_there(self, item_id: str) -> bool:
        """Whether an item is the upstream's own doing, a turn or a part of a response, and answers no client's wish for one."""
        return item_id in self._spoken or any(item_id in one.outputs for one in self.running.values())

    def understood(self, item_id: str, place: int, text: str) -> None:
        """What the caller said there."""
        item = self.conversation.get(item_id)
        if item is None:
            return
        if text:
            self.kept.drop_sound(item_id, place)
        if isinstance(item, MessageItem) and place < len(item.content):
            part = item.content[place]
            if isinstance(part, InputAudio):
                part.transcript = text

    def deleted(self, item_id: str) -> None:
        """An item is gone."""
        self.turns.gone(item_id)
        if item_id in self.conversation:
            self.conversation.remove(item_id)
        self.unfinished.discard(item_id)
        self.playback.drop(item_id)
        self.kept.drop(item_id)

    def truncated(self, item_id: str, end_ms: int) -> None:
        """Only so much of it was heard: keep the words up to there."""
        part = spoken_part(self.conversation.get(item_id))
        end = min(ms_to_ticks(end_ms), self.playback.sent(item_id))
        if part is not None:
            part.transcript = self.playback.words_until(item_id, end)
        self.playback.cut(item_id, end)

    # --- responses ------------------------------------------------------------------------------------------------------

    def begin(self, response: Following) -> None:
        """The upstream answers."""
        self.running[response.object.id] = response

    def end(self, response_id: str) -> Following | None:
        """It has; None where it was not going on."""
        response = self.running.pop(response_id, None)
        if response is not None:
            self.ended.append(response_id)
        return response

    def follow(self, response_id: str, event: se.ServerEvent) -> str | None:
        """Something of a response; says what is wrong with it, "" for what comes too late to matter."""
        response = self.running.get(response_id)
        if response is None:
            return "" if response_id in self.ended else "of a response that is not going on"
        if isinstance(event, se.ResponseOutputAudioTranscriptDelta):
            self.playback.say(event.item_id, event.delta)
        return response.follow(event)

    def fail(self, outbox: Outbox, failure: Failure) -> list[Following]:
        """Bring everything to its end that the upstream cannot end any more."""
        failed = list(self.running.values())
        for response in failed:
            response.fail(outbox, self.conversation, failure)
            for output in response.outputs.values():
                self.became(output.item)
            self.end(response.object.id)
        return failed
