"""Whose a call is: sidebands, limits and records go by it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Owner:
    """The API key that stands behind a connection, and the client secret if it came with one.

    `key_id` names a key, it is not one; the same in every process that shares a data folder. `secret_id` likewise.
    """

    key_id: str
    secret_id: str | None = None

    def may_join(self, owner: Owner) -> bool:
        """Whether a call of `owner` may be joined: by the same key, or by the very client secret that opened it.

        (protocol reference 8, "sideband with ek_": somebody who got a secret must not reach the calls of others with the same key)
        """
        return self.key_id == owner.key_id and self.secret_id in (None, owner.secret_id)


LOCAL = Owner("local")
"""Everybody, where no keys are configured."""
NOBODY = Owner("")
"""The server itself, when it tries whether it answers: no limit counts for it."""
