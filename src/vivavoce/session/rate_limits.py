"""Rate limits as a session sees them: set aside when a response begins, put right when it ends (protocol reference 4.17).

Who counts, for whom and over what time, is handed in: limits belong to a key, and outlive a session.
"""

from __future__ import annotations

from typing import Protocol

from vivavoce.protocol.responses import RateLimit, ResponseError

RESERVED_OUTPUT_TOKENS = 4096
"""Set aside for an answer that has no bound of its own: the largest bound the API's schema knows."""

RateLimits = list[RateLimit]


class RateMeter(Protocol):
    """Counts requests and tokens of whoever owns the session. Times in milliseconds of the call's clock."""

    def reserve(self, tokens: int, now_ms: int) -> RateLimits | None:
        """Count one request and set its tokens aside; None: there is nothing left to set aside, and nothing was counted."""

    def settle(self, reserved: int, used: int, now_ms: int) -> RateLimits:
        """The response is over: count what it used instead of what was set aside."""


class NoLimits:
    """Nothing is counted. The event of an ended response is sent nonetheless, empty: clients wait for it."""

    def reserve(self, tokens: int, now_ms: int) -> RateLimits | None:
        """Anything goes."""
        return []

    def settle(self, reserved: int, used: int, now_ms: int) -> RateLimits:
        """There is nothing to tell."""
        return []


def exceeded() -> ResponseError:
    """Why a response fails that nothing is left for (protocol reference 4.19)."""
    return ResponseError(
        type="rate_limit_error",
        code="rate_limit_exceeded",
        message="Rate limit reached for this API key; 'rate_limits.updated' tells when it resets.",
    )
