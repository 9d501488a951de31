"""How long a stage took for something, and what it used, told as one signal when it is through."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from vivavoce.call.ports import ModelUsage
from vivavoce.engines.cascade.second_choice import ANSWERED_BY
from vivavoce.session.signals import Signal, StageName, StageUsed


def _now() -> float:
    return asyncio.get_running_loop().time()


@dataclass(slots=True)
class Meter:
    """One piece of work of one stage."""

    began: float = field(default_factory=_now)
    first: float | None = None
    usage: ModelUsage | None = None
    sound_ms: int = 0
    characters: int = 0

    def gave(self) -> None:
        """Something came out; only the first time counts."""
        if self.first is None:
            self.first = _now()


@contextmanager
def metered(emit: Callable[[Signal], None], of: str, stage: StageName, name: str) -> Iterator[Meter]:
    """Measure what happens inside; it is told however that ends, before anything that is said behind it."""
    ANSWERED_BY.set("")
    meter = Meter()
    outcome: Literal["done", "cancelled", "failed"] = "failed"
    try:
        yield meter
        outcome = "done"
    except asyncio.CancelledError:
        outcome = "cancelled"
        raise
    finally:
        usage = meter.usage or ModelUsage(0, 0)
        emit(
            StageUsed(
                of=of,
                stage=stage,
                name=ANSWERED_BY.get() or name,
                outcome=outcome,
                first_ms=None if meter.first is None else round((meter.first - meter.began) * 1000),
                took_ms=round((_now() - meter.began) * 1000),
                input_tokens=usage.input_tokens,
                cached_tokens=usage.cached_tokens,
                output_tokens=usage.output_tokens,
                sound_ms=meter.sound_ms,
                characters=meter.characters,
            )
        )
