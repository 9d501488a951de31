"""The session as clients see it, and who of them has not seen it yet."""

from __future__ import annotations

from typing import Any

import msgspec

from vivavoce.call.machines import AnySession
from vivavoce.call.ports import EngineNames
from vivavoce.engines.relay.asked import Change
from vivavoce.engines.relay.showing import answered_by, follow, shown, watched
from vivavoce.engines.relay.uplink import Uplink
from vivavoce.protocol import server_events as se
from vivavoce.protocol.session_objects import VivavoceExtension
from vivavoce.session.effects import Configure, Send
from vivavoce.session.outbox import Outbox


class SessionView:
    """What the upstream says of its session with what is ours laid over it. `unseen`: who is there and was not shown it, since nobody knows it."""

    def __init__(self, outbox: Outbox, up: Uplink, opening: AnySession, given: dict[str, Any]) -> None:
        self.config = opening
        self.unseen: list[str] = []
        self._outbox = outbox
        self._up = up
        self._given = given

    def wanted(self) -> dict[str, Any]:
        """What the operator and the client have chosen before it began, as a `session.update` may have it."""
        ours = ("type", "vivavoce", "model")
        return {name: one for name, one in self._given.items() if name not in ours}

    def arrived(self, source: str) -> None:
        """Somebody is there; they are shown the session as soon as the upstream has told it."""
        if self._up.was_live:
            self._tell(se.SessionCreated, "session.created", source)
        else:
            self.unseen.append(source)

    def left(self, source: str) -> None:
        """Somebody is not there any more."""
        self.unseen = [one for one in self.unseen if one != source]

    def follow(self, raw: dict[str, Any], change: Change) -> None:
        """The session is this now; nobody is told yet."""
        self._up.raw = raw
        self.config = follow(self.config, raw, change)
        self._outbox.put(Configure(watched(self.config)))

    def extend(self, extension: VivavoceExtension) -> None:
        """What only this server knows of has changed."""
        self.config = msgspec.structs.replace(self.config, vivavoce=extension)
        self.tell_updated()

    def answered_by(self, names: EngineNames) -> None:
        """Another engine answers from now on."""
        self.config = answered_by(self.config, names)

    def show_unseen(self) -> None:
        """To whoever waits for it."""
        unseen, self.unseen = self.unseen, []
        for source in unseen:
            self.arrived(source)

    def tell_updated(self) -> None:
        """To everybody."""
        self._tell(se.SessionUpdated, "session.updated")

    def _tell(self, event: type[Any], name: str, to: str | None = None) -> None:
        event_id = self._outbox.new_id("event")
        told = {"type": name, "event_id": event_id, "session": shown(self.config, self._up.raw)}
        self._outbox.put(Send(event(event_id=event_id, session=self.config), to, msgspec.json.encode(told)))
