"""What the REST endpoints of one server share."""

from __future__ import annotations

from vivavoce.call.ports import Engine, Stages
from vivavoce.call.settings import Settings
from vivavoce.engines.workers import Blueprint, PoolSize, WorkerPool
from vivavoce.server.rest.errors import ApiError
from vivavoce.server.rest.forwarding import Forwarding
from vivavoce.server.rest.kept import AskShelf, Kept, OwnShelf
from vivavoce.server.rest.recordings import KEPT, Recordings
from vivavoce.server.turnstile import Entrance, of_work, own_entrance

_CODECS = Blueprint("vivavoce.server.rest.codec_worker:start", "codec", noun="decoder")


class Office:
    """Seats, the engine's stages, the processes that decode what clients upload, and what is remembered for them."""

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        shelf: AskShelf | None = None,
        seats: Entrance | None = None,
    ) -> None:
        self.seats = seats or own_entrance(of_work(settings))
        self.codecs = WorkerPool(_CODECS, PoolSize(most=2, warm=0), wait_ms=20_000)
        most, most_bytes = settings.rest.kept_responses, settings.rest.kept_bytes
        self.kept = Kept(shelf or OwnShelf(most, most_bytes), most_bytes)
        self.recordings = Recordings(KEPT if settings.rest.hear_again else 0)
        self._engine = engine
        upstream = engine.capabilities.rest
        self.forwarding = (
            Forwarding(upstream, self.kept, settings.relay.name, stands_in=engine.stages() is not None)
            if upstream
            else None
        )
        """Where the engine's upstream answers instead."""

    @property
    def stages(self) -> Stages:
        """The engine's stages. Raises ApiError when it has none to lend."""
        stages = self._engine.stages()
        if stages is None:
            raise ApiError(
                f"The engine '{self._engine.names.engine}' answers calls only; it has no stages for REST requests.",
                status=501,
                code="unsupported_endpoint",
            )
        return stages

    async def close(self) -> None:
        """End the processes."""
        await self.codecs.close()
