"""Who may come in: keys, and the pages of browsers."""

from __future__ import annotations

import pytest

from vivavoce.server.auth import check

KEYS = ("vv_one", "vv_two")


@pytest.mark.parametrize(
    ("keys", "key", "origin", "host", "status"),
    [
        ((), None, None, "voice.example:8000", None),
        (KEYS, "vv_two", None, "voice.example:8000", None),
        (KEYS, "vv_three", None, "voice.example:8000", 401),
        (KEYS, None, None, "voice.example:8000", 401),
        (KEYS, "vv_one", "https://voice.example", "voice.example", None),
        (KEYS, "vv_one", "http://voice.example:8000", "voice.example:8000", None),
        (KEYS, "vv_one", "http://voice.example:9000", "voice.example:8000", 403),
        (KEYS, "vv_one", "https://evil.example", "voice.example", 403),
        (KEYS, None, "https://voice.example", "voice.example", 401),
        # Without keys a name that leads here proves nothing: whoever owns it chose the address (DNS rebinding).
        ((), None, "http://evil.example:8000", "evil.example:8000", 403),
    ],
)
def test_keys_and_origins(
    keys: tuple[str, ...], key: str | None, origin: str | None, host: str, status: int | None
) -> None:
    refusal = check(keys, key, origin, host)
    assert (refusal.status if refusal else None) == status
