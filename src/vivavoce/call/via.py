"""`Via`: through which servers a session has come, so that relays which point at each other notice that it comes round again.

The standard's own means against loops (RFC 9110, 7.6.3), with a pseudonym for each server as it allows. Nothing an upstream has to know of:
one that is no relay ignores the header, as it does that of every proxy. What it tells is that a relay was passed, and not whose.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

HEADER = "Via"
CODE = "relay_loop"
"""How a request is refused that has been here before, with the status 508 (RFC 5842, 7.2)."""
STATUS = 508
_PREFIX = "vivavoce-"
_ENTRY = re.compile(rf"\S+[ \t]+{_PREFIX}([\w.-]{{1,64}})(?:[ \t]+\(.*\))?[ \t]*")

Names = tuple[str, ...]
"""Of servers like this one, the first that was passed first."""


def read(values: Iterable[str]) -> Names:
    """The servers that a request names in its `Via` lines. Proxies of others are left out: whoever comes next need not know of them."""
    entries = (entry.strip() for value in values for entry in value.split(","))
    return tuple(found[1] for entry in entries if (found := _ENTRY.fullmatch(entry)) is not None)


def written(names: Names) -> str:
    """The header's value."""
    return ", ".join(f"1.1 {_PREFIX}{name}" for name in names)


def refusal(names: Names, name: str, upstream: str) -> str | None:
    """Why a request that has come by `names` goes no further through the relay `name` to `upstream`; None where it may."""
    if name not in names:
        return None
    others = len(names) - 1 - names.index(name)
    by = f" by {others} other{'s' if others > 1 else ''}" if others else ""
    return (
        f"Relays point at each other: this has come back{by} to one that relays to {upstream}. "
        "Correct upstream.url (VIVAVOCE_UPSTREAM_URL) of one of them."
    )
