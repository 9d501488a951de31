"""Requests and tokens per minute and key: buckets that fill up evenly, one pair for each key.

Where several processes serve, each has buckets of its own and tells the others at once what was taken out of them: a response does not
wait for an answer from elsewhere, and two that begin in the same millisecond may both get the last request of a minute, which the
buckets make up for. Whoever started them keeps buckets as well, for a process that begins later: a new one begins with what is left.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from vivavoce.protocol.responses import RateLimit
from vivavoce.session.rate_limits import NoLimits, RateLimits, RateMeter

MINUTE_MS = 60_000

Tell = Callable[[str, int, int], None]
"""Of which key how many requests and tokens were taken; negative: given back."""


def _nobody(key_id: str, requests: int, tokens: int) -> None:
    """One process serves everything."""


@dataclass(slots=True)
class Bucket:
    """What is left of a limit per minute. It may go below zero: what a response used is known only when it is over."""

    limit: int
    left: float
    at_ms: int

    def at(self, now_ms: int) -> float:
        """What is left by now."""
        self.left = min(self.limit, self.left + (now_ms - self.at_ms) * self.limit / MINUTE_MS)
        self.at_ms = now_ms
        return self.left

    def shown(self, name: str) -> RateLimit:
        """As the event has it; it resets when the bucket is full again."""
        missing = self.limit - self.left
        return RateLimit(
            name="requests" if name == "requests" else "tokens",
            limit=self.limit,
            remaining=max(0, int(self.left)),
            reset_seconds=round(missing * 60 / self.limit, 3),
        )


class KeyRates:
    """The meter of one key, shared by its sessions. A limit of 0 is none."""

    def __init__(self, requests: int, tokens: int, key_id: str = "", tell: Tell = _nobody) -> None:
        wanted = {"requests": requests, "tokens": tokens}
        self._buckets = {name: Bucket(limit, limit, 0) for name, limit in wanted.items() if limit}
        self._key_id = key_id
        self._tell = tell

    def reserve(self, tokens: int, now_ms: int) -> RateLimits | None:
        """Set aside, unless a bucket is empty. A single response larger than the limit runs into debt and is not refused for ever."""
        if any(bucket.at(now_ms) < 1 for bucket in self._buckets.values()):
            return None
        self._take(1, tokens)
        self._tell(self._key_id, 1, tokens)
        return self._shown()

    def settle(self, reserved: int, used: int, now_ms: int) -> RateLimits:
        """Give back what was not used, or take what was used beyond it."""
        self.spent(0, used - reserved, now_ms)
        self._tell(self._key_id, 0, used - reserved)
        return self._shown()

    def spent(self, requests: int, tokens: int, now_ms: int) -> None:
        """Something was used that need not be told: by a session of another process."""
        for bucket in self._buckets.values():
            bucket.at(now_ms)
        self._take(requests, tokens)

    def missing(self, now_ms: int) -> tuple[int, int]:
        """Requests and tokens that the buckets lack until they are full, rounded up; 0 for what has no limit."""
        lacks = {name: bucket.limit - bucket.at(now_ms) for name, bucket in self._buckets.items()}
        return math.ceil(lacks.get("requests", 0)), math.ceil(lacks.get("tokens", 0))

    def _take(self, requests: int, tokens: int) -> None:
        for name, count in (("requests", requests), ("tokens", tokens)):
            if name in self._buckets:
                bucket = self._buckets[name]
                # What is given back may have been filled up meanwhile.
                bucket.left = min(bucket.limit, bucket.left - count)

    def _shown(self) -> RateLimits:
        return [bucket.shown(name) for name, bucket in self._buckets.items()]


class Rates:
    """The meters of all keys. `tell`: where what is taken is told of, if other processes have sessions of the same keys."""

    def __init__(self, requests_per_minute: int, tokens_per_minute: int, tell: Tell = _nobody) -> None:
        self._limits = (requests_per_minute, tokens_per_minute)
        self._tell = tell
        self._keys: dict[str, KeyRates] = {}

    def of(self, key_id: str) -> RateMeter:
        """The meter of a key; nothing is counted for nobody."""
        return self._meter(key_id) if key_id and any(self._limits) else NoLimits()

    def spent(self, key_id: str, requests: int, tokens: int, now_ms: int) -> None:
        """What sessions of another process took."""
        self._meter(key_id).spent(requests, tokens, now_ms)

    def missing(self, now_ms: int) -> Iterator[tuple[str, int, int]]:
        """Every key whose buckets are not full, with what they lack (`KeyRates.missing`)."""
        for key_id, meter in self._keys.items():
            requests, tokens = meter.missing(now_ms)
            if requests or tokens:
                yield key_id, requests, tokens

    def _meter(self, key_id: str) -> KeyRates:
        if key_id not in self._keys:
            self._keys[key_id] = KeyRates(*self._limits, key_id, self._tell)
        return self._keys[key_id]
