"""A rule that does not hold."""

from __future__ import annotations


class Broken(AssertionError):
    """An event that breaks a rule; the message says which."""


def need(holds: bool, rule: str) -> None:
    """Raise Broken unless it holds; unlike `assert`, also where Python leaves assertions out."""
    if not holds:
        raise Broken(rule)
