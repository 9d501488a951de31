"""Who may connect: API keys, client secrets, and where a browser's page may come from (docs/auth.md, docs/adr/0027)."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from vivavoce.call.owner import LOCAL, Owner
from vivavoce.call.settings import Settings
from vivavoce.server.client_secrets import FORM, ClientSecrets, Opening, SecretsError
from vivavoce.server.keys import KeysError, KeyStore, digest_of, same
from vivavoce.server.refusal import Refusal

log = logging.getLogger("vivavoce.server")

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
KEY_SUBPROTOCOL = "openai-insecure-api-key."
"""Browsers cannot set headers on a WebSocket, so the key travels as a sub-protocol (protocol reference 1.2)."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """Who came in. `opening`: what their client secret says of the sessions they open; None with a key."""

    owner: Owner
    opening: Opening | None = None


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reachable from this machine only."""
    return host in LOOPBACK_HOSTS or host.startswith("127.")


def bearer(
    authorization: str | None, subprotocols: Sequence[str] = (), api_key: str | None = None
) -> str | None:
    """The key a client presents: by header, sub-protocol, or the `api-key` header of Azure's clients."""
    scheme, _, value = (authorization or "").partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()
    for token in subprotocols:
        if token.startswith(KEY_SUBPROTOCOL):
            return token.removeprefix(KEY_SUBPROTOCOL)
    return api_key.strip() if api_key and api_key.strip() else None


class Authority:
    """Knows the keys and client secrets of one server. Each process has one; what they share is in the data folder."""

    def __init__(self, settings: Settings) -> None:
        self.secrets = ClientSecrets(settings.data_path)
        self._stored = KeyStore(settings.data_path)
        self._origins = frozenset(origin.rstrip("/").lower() for origin in settings.auth.origins)
        # Held as hashes here too: a dump of this process shows no key that a client could present.
        self._configured = {digest_of(key): _name_of(key) for key in settings.auth.keys}
        self._closed = bool(self._configured)

    @property
    def keyed(self) -> bool:
        """Whether a key is asked for. Once it is, it stays so: losing the key file must not open the door."""
        if not self._closed:
            try:
                self._closed = bool(self._stored.records())
            except KeysError as error:
                log.error("nobody is let in: %s", error)
                return True
        return self._closed

    def admit(
        self, headers: Mapping[str, str], subprotocols: Sequence[str] = (), *, secrets: bool = False
    ) -> Admitted | Refusal:
        """Let a request in, or say why not. `headers`: names in lower case. `secrets`: client secrets will do here."""
        key = bearer(headers.get("authorization"), subprotocols, headers.get("api-key"))
        admitted = self._identify(key, secrets)
        if isinstance(admitted, Refusal) or admitted.opening is not None:
            return admitted  # A client secret is made for browsers: it is good wherever the page comes from.
        origin = headers.get("origin")
        if origin is None or self.allows(origin, headers.get("host")):
            return admitted
        return Refusal(403, "origin_not_allowed", f"Pages of {origin[:200]} may not connect to this server.")

    def allows(self, origin: str, host: str | None) -> bool:
        """Whether pages of `origin` may connect without a client secret. `host` is what the request was addressed to.

        Without keys only this machine can connect, and then a page of some other site, open in a browser on this machine, must not be
        able to (cross-site WebSocket hijacking). A name that leads here proves nothing: whoever owns it chose the address (DNS
        rebinding). With keys the page has to hold one; those of this server itself are known to be meant, others are listed.
        """
        if not self.keyed:
            return _is_local_page(origin)
        own_page = host is not None and _place(origin) == host.lower()
        return own_page or origin.rstrip("/").lower() in self._origins

    def _identify(self, key: str | None, secrets: bool) -> Admitted | Refusal:
        if key is not None and FORM.fullmatch(key):
            return self._identify_secret(key, secrets)
        if not self.keyed:
            return Admitted(LOCAL)
        if key is None:
            return Refusal(401, "invalid_api_key", "You didn't provide an API key.")
        key_id = self._key_id(key)
        if key_id is None:
            return Refusal(401, "invalid_api_key", "Incorrect API key provided.")
        return Admitted(Owner(key_id))

    def _identify_secret(self, value: str, wanted: bool) -> Admitted | Refusal:
        if not wanted:
            message = "A client secret opens sessions; this endpoint takes an API key."
            return Refusal(401, "invalid_api_key", message)
        try:
            secret = self.secrets.find(value)
        except SecretsError as error:
            log.error("client secrets are not let in: %s", error)
            message = "The server cannot read its client secrets."
            return Refusal(500, "server_error", message, type="server_error")
        if secret == "expired":
            return Refusal(401, "invalid_api_key", "This client secret has expired.")
        # Whoever takes a key away takes with it what was made with it.
        if secret is None or not self._is_good(secret.owner.key_id):
            return Refusal(401, "invalid_api_key", "Incorrect API key provided.")
        return Admitted(secret.owner, secret.opening)

    def _key_id(self, key: str) -> str | None:
        digest, found = digest_of(key), None
        for known, key_id in self._configured.items():
            if same(known, digest):
                found = key_id
        try:
            stored = self._stored.find(key)
        except KeysError as error:
            log.error("stored keys are not let in: %s", error)
            stored = None
        return found or (stored.id if stored else None)

    def _is_good(self, key_id: str) -> bool:
        if key_id == LOCAL.key_id:
            return not self.keyed
        try:
            stored = self._stored.records()
        except KeysError:
            stored = ()
        return key_id in self._configured.values() or any(
            record.id == key_id and record.revoked_at is None for record in stored
        )


def has_keys(settings: Settings) -> bool:
    """Whether any key is known that a client could present. Raises KeysError when that cannot be told."""
    return bool(settings.auth.keys) or any(
        record.revoked_at is None for record in KeyStore(settings.data_path).records()
    )


def _name_of(key: str) -> str:
    """A name for a key of the settings, the same in every process; it does not help in guessing even a weak one."""
    return "key_" + hashlib.pbkdf2_hmac("sha256", key.encode(), b"vivavoce key id", 50_000, 6).hex()


def _place(origin: str | None) -> str | None:
    """Host and port of an origin, as a Host header has them."""
    try:
        return urlsplit(origin or "").netloc.lower() or None
    except ValueError:
        return None


def _is_local_page(origin: str) -> bool:
    try:
        return urlsplit(origin).hostname in LOOPBACK_HOSTS
    except ValueError:
        return False
