"""What becomes of a caller's silence: a phrase while tools run, and the idle timeout when nothing is asked of anybody.

Both waits begin when a response has been heard to its end, and end as soon as anybody speaks.
"""

from __future__ import annotations

from vivavoce.protocol.session_objects import ServerVad, SessionObject
from vivavoce.session.answer import Answer
from vivavoce.session.conversation import Conversation
from vivavoce.session.deadlines import Deadlines
from vivavoce.session.playback import Playback
from vivavoce.session.preambles import PreambleWords, repeat_after_ms, wanted_preambles
from vivavoce.session.response import Ending


class Waits:
    """Arms and clears the deadlines "filler" and "idle", and has the words for a filler.

    engine_speaks: the engine makes its own sound, so nothing can be said in its place.
    """

    def __init__(
        self, conversation: Conversation, playback: Playback, deadlines: Deadlines, *, engine_speaks: bool
    ) -> None:
        self._conversation = conversation
        self._playback = playback
        self._deadlines = deadlines
        self._engine_speaks = engine_speaks
        self._words = PreambleWords()

    def over(self) -> None:
        """Somebody speaks, or is about to."""
        self._deadlines.clear("filler")
        self._deadlines.clear("idle")

    def begin(self, session: SessionObject, ending: Ending, now_ms: int) -> None:
        """A response has ended; the waits begin when what was sent of it has been heard."""
        heard_at_ms = now_ms + self._playback.lead_ms(now_ms)
        detection = session.audio.input.turn_detection
        if isinstance(detection, ServerVad) and detection.idle_timeout_ms is not None:
            self._deadlines.set("idle", heard_at_ms + detection.idle_timeout_ms)
        wanted = wanted_preambles(session.vivavoce)
        if wanted is None or ending == "cancel" or self._engine_speaks or not self._conversation.unanswered():
            return
        if "audio" in session.output_modalities:
            self._deadlines.set("filler", heard_at_ms + repeat_after_ms(wanted))

    def filler(self, session: SessionObject) -> str | None:
        """What to say to a caller who still waits for a tool, in other words than before; None where nothing is to be said."""
        wanted = wanted_preambles(session.vivavoce)
        if wanted is None or not self._conversation.unanswered():
            return None
        return self._words.next(wanted)

    def preamble(self, session: SessionObject, answer: Answer) -> str | None:
        """What to say before a tool call of an answer that has said nothing itself."""
        wanted = wanted_preambles(session.vivavoce)
        out_of_band = answer.response is not None and not answer.response.in_conversation
        if wanted is None or out_of_band or self._engine_speaks or not answer.request.speaks:
            return None
        return self._words.next(wanted) if answer.silent_so_far else None
