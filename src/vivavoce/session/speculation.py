"""Speculation: an answer that is prepared at a soft pause, for a turn that may not be over yet.

    none -begin-> prepared -the caller goes on-> none
                  prepared -the turn is over-> promised -the transcript is known-> none

`promised` means that the turn has ended and its response was created, and that only the words that confirm the answer are still to come.
"""

from __future__ import annotations

from dataclasses import dataclass

from vivavoce.session.answer import Answer
from vivavoce.session.response import Response


@dataclass(slots=True)
class Draft:
    """An answer to the turn that is the item `item_id`.

    `heard` is what it goes by, once the engine has said so; it is adopted only if the final transcript says the same.
    """

    item_id: str
    answer: Answer
    heard: str | None = None
    promised: Response | None = None


class Speculation:
    """At most one draft at a time. Nothing with a side effect happens in it (see `Answer.advance`)."""

    def __init__(self) -> None:
        self.draft: Draft | None = None
        self._discarded = 0

    def begin(self, item_id: str, answer: Answer) -> None:
        """Start on an answer; the one before was taken back."""
        self.draft = Draft(item_id, answer)

    def heard(self, answer: Answer, text: str) -> None:
        """The engine says what it took the caller to have said."""
        if self.draft is not None and self.draft.answer is answer:
            self.draft.heard = text

    def take_back(self) -> Answer | None:
        """The caller goes on, or the turn came to nothing: returns the answer that is not wanted any more.

        What is promised is not taken back: a response has been created, and it ends in its own way.
        """
        draft = self.draft
        if draft is None or draft.promised is not None:
            return None
        self.draft = None
        self._discarded += 1
        return draft.answer

    def promise(self, item_id: str) -> tuple[Draft, Response] | None:
        """The draft that is promised to a turn, with its response."""
        draft = self.draft
        if draft is None or draft.item_id != item_id or draft.promised is None:
            return None
        return draft, draft.promised

    def over(self, answer: Answer) -> None:
        """The answer is the draft's no longer, if it was at all: it was adopted, replaced, or has ended."""
        if self.draft is not None and self.draft.answer is answer:
            self.draft = None

    def promised_to(self, answer: Answer) -> Response | None:
        """The response that waits for this answer to be confirmed."""
        return self.draft.promised if self.draft is not None and self.draft.answer is answer else None

    def count(self) -> int:
        """Drafts that came to nothing since the last turn; counted anew from here."""
        discarded, self._discarded = self._discarded, 0
        return discarded
