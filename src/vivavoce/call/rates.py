"""Requests and tokens per minute and key: buckets that fill up evenly, one pair for each key, in this process."""

from __future__ import annotations

from dataclasses import dataclass

from vivavoce.protocol.responses import RateLimit
from vivavoce.session.rate_limits import NoLimits, RateLimits, RateMeter

MINUTE_MS = 60_000


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

    def __init__(self, requests: int, tokens: int) -> None:
        wanted = {"requests": requests, "tokens": tokens}
        self._buckets = {name: Bucket(limit, limit, 0) for name, limit in wanted.items() if limit}

    def reserve(self, tokens: int, now_ms: int) -> RateLimits | None:
        """Set aside, unless a bucket is empty. A single response larger than the limit runs into debt and is not refused for ever."""
        if any(bucket.at(now_ms) < 1 for bucket in self._buckets.values()):
            return None
        self._take("requests", 1)
        self._take("tokens", tokens)
        return self._shown()

    def settle(self, reserved: int, used: int, now_ms: int) -> RateLimits:
        """Give back what was not used, or take what was used beyond it."""
        for bucket in self._buckets.values():
            bucket.at(now_ms)
        self._take("tokens", used - reserved)
        return self._shown()

    def _take(self, name: str, count: int) -> None:
        if name in self._buckets:
            self._buckets[name].left -= count

    def _shown(self) -> RateLimits:
        return [bucket.shown(name) for name, bucket in self._buckets.items()]


class Rates:
    """The meters of all keys."""

    def __init__(self, requests_per_minute: int, tokens_per_minute: int) -> None:
        self._limits = (requests_per_minute, tokens_per_minute)
        self._keys: dict[str, KeyRates] = {}

    def of(self, key_id: str) -> RateMeter:
        """The meter of a key."""
        if not any(self._limits):
            return NoLimits()
        return self._keys.setdefault(key_id, KeyRates(*self._limits))
