"""The connection to the upstream as the mirror sees it: which link counts, how far it is, and what goes up."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from vivavoce.call.machines import AnySession
from vivavoce.engines.relay.asked import Ask, Asked, Change
from vivavoce.engines.relay.rules import Rules
from vivavoce.engines.relay.showing import kind_of
from vivavoce.protocol.client_events import ClientEvent
from vivavoce.protocol.session_objects import SessionObject
from vivavoce.session.deadlines import Deadlines
from vivavoce.session.outbox import Outbox
from vivavoce.session.upstream import Dial, Drop, Failure, Feed, SendUp

State = Literal["dialling", "opening", "live", "over"]
SHORT_LIVED_MS = 10_000
"""A link that is lost so soon after it was opened counts as an attempt that failed."""
MOST_ATTEMPTS = 3


class Uplink:
    """dialling -greets-> opening -takes our settings-> live -lost-> dialling again, or over; live -a successor takes over-> opening.

    `raw`: the session as the upstream last told it. `carried`: items it was told by us, which everybody here knows. `repeat`: what was asked
    of a link that is lost, and is asked of the next. `successor`: a link that is to take over, once it is greeted and nobody speaks.
    """

    def __init__(self, outbox: Outbox, deadlines: Deadlines, rules: Rules) -> None:
        self.state: State = "dialling"
        self.link = ""
        self.raw: dict[str, Any] = {}
        self.asked = Asked()
        self.carried: set[str] = set()
        self.repeat: list[Ask] = []
        self.successor = ""
        self.objection: Failure | None = None
        """What it said in the place of a greeting."""
        self.last_ms = 0
        """When something was last heard from it."""
        self._asked_ms = 0
        self._live_ms: int | None = None
        self._attempts = 0
        self._outbox = outbox
        self._deadlines = deadlines
        self._rules = rules

    @property
    def was_live(self) -> bool:
        """A session was in force, this one or one before it."""
        return self._live_ms is not None

    def dial(self, config: AnySession) -> str:
        """Connect; returns the link's id."""
        link = self._outbox.new_id("link")
        named = config.model if isinstance(config, SessionObject) else ""
        self._outbox.put(Dial(link, kind_of(config), self._rules.model or named, self._rules.via))
        return link

    def begin(self, config: AnySession, now_ms: int) -> None:
        """A link for everything that goes up from now on."""
        self.link = self.dial(config)
        self.state = "dialling"
        self.objection = None
        self.last_ms = now_ms
        self._outbox.put(Feed(self.link, config.audio.input.format.type))
        self._deadlines.set("upstream", now_ms + self._rules.hello_ms)

    def live(self, now_ms: int) -> None:
        """It is in force from now on."""
        self.state, self._live_ms = "live", now_ms
        self._deadlines.clear("upstream")
        if self.asked.outstanding(responses=True):
            self.wait(now_ms)
        if self._rules.session_ms:
            self._deadlines.set("handover", now_ms + self._rules.session_ms)

    def lost(self, now_ms: int) -> bool:
        """The link is gone. Whether it makes sense to dial again."""
        self._outbox.put(Drop(self.link))
        self._deadlines.clear("upstream")
        self._deadlines.clear("stall")
        self._deadlines.clear("handover")
        self.drop_successor()
        short = self.state != "live" or now_ms - (self._live_ms or 0) < SHORT_LIVED_MS
        self._attempts = self._attempts + 1 if short else 1
        return self._attempts < MOST_ATTEMPTS

    def end(self) -> None:
        """Nothing goes up any more."""
        self.drop_successor()
        if self.link:
            self._outbox.put(Drop(self.link))
        self.state, self.link = "over", ""
        self._deadlines.clear("upstream")
        self._deadlines.clear("stall")
        self._deadlines.clear("handover")

    # --- handing over ---------------------------------------------------------------------------------------------------

    def prepare_successor(self, config: AnySession, now_ms: int) -> None:
        """The upstream session is old: connect to another while this one goes on."""
        self.successor = self.dial(config)
        self._deadlines.set("handover", now_ms + self._rules.hello_ms)

    def drop_successor(self) -> None:
        """It did not come about, or is not needed."""
        if self.successor:
            self._outbox.put(Drop(self.successor))
        self.successor = ""

    def take_over(self, config: AnySession, now_ms: int) -> None:
        """The successor is what counts from now on."""
        self._outbox.put(Drop(self.link))
        self.link, self.successor, self.state = self.successor, "", "opening"
        self.last_ms = now_ms
        self._outbox.put(Feed(self.link, config.audio.input.format.type))
        self._deadlines.clear("handover")
        self._deadlines.set("upstream", now_ms + self._rules.silence_ms)

    # --- asking ---------------------------------------------------------------------------------------------------------

    def ask(
        self,
        kind: str,
        now_ms: int,
        *,
        source: str | None = None,
        event: ClientEvent | None = None,
        change: Change | None = None,
        **fields: Any,
    ) -> None:
        """Send an event of this type, under an id of ours; fields that are None are left out."""
        up_id = self._outbox.new_id("event")
        given = {name: value for name, value in fields.items() if value is not None}
        frame = msgspec.json.encode({"type": kind, "event_id": up_id, **given})
        waited = self.asked.outstanding(responses=kind.startswith("response."))
        self.asked.note(up_id, Ask(kind, source, event, change or Change()))
        self._outbox.put(SendUp(self.link, frame))
        if not waited:
            self.wait(now_ms)

    def wait(self, now_ms: int) -> None:
        """An answer is due from now on. Before the upstream is live, its greeting is what is waited for."""
        self._asked_ms = now_ms
        if self.state == "live":
            self._deadlines.set("upstream", now_ms + self._rules.silence_ms)

    def overdue(self, now_ms: int, *, responses: bool) -> str | None:
        """The "upstream" deadline has come: what the upstream ought to have done. `responses`: none is going on."""
        if self.state != "live":
            return "greeted this server" if self.state == "dialling" else "taken the session's settings"
        if not self.asked.outstanding(responses=responses):
            return None
        due_ms = max(self.last_ms, self._asked_ms) + self._rules.silence_ms
        if now_ms >= due_ms:
            return "answered"
        self._deadlines.set("upstream", due_ms)
        return None
