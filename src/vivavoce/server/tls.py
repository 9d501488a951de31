"""TLS: a certificate of one's own, or one that the server makes at its first start, keeps and renews.

A certificate of the server's own is its own issuer. A client trusts it by being shown the file: `SSL_CERT_FILE` for Python,
`NODE_EXTRA_CA_CERTS` for Node (docs/adr/0025-tls.md).
"""

from __future__ import annotations

import datetime
import ipaddress
import logging
import os
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vivavoce.call.settings import Settings, SettingsError

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

log = logging.getLogger("vivavoce.server")

VALID_DAYS = 397
"""The longest that all clients accept of any certificate."""
RENEWED_DAYS = 30
"""So long before its end it is made anew."""
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class CertificateFiles:
    """A certificate (PEM, with its chain) and its key. `own`: the server made them."""

    cert: Path
    key: Path
    own: bool = False

    def context(self) -> ssl.SSLContext:
        """For a server: TLS 1.2 and up. Raises SettingsError."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.set_alpn_protocols(["http/1.1"])
        self.load_into(context)
        return context

    def load_into(self, context: ssl.SSLContext) -> None:
        """Read the files, also into a context that is in use: new connections get what is new. Raises SettingsError."""
        try:
            context.load_cert_chain(self.cert, self.key)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(
                f"tls.cert {self.cert} with tls.key {self.key} cannot be used: {error}"
            ) from None


class Certificate:
    """The files in use and the context made of them; looks after both while the server runs."""

    def __init__(self, settings: Settings) -> None:
        """Raises SettingsError."""
        self._settings = settings
        self.files = ready_files(settings)
        self.context = self.files.context()
        self._seen = self._stamp()

    def refresh(self) -> bool:
        """Take what was renewed, by us or by somebody else; True when there was something. To be called now and then."""
        try:
            self.files = ready_files(self._settings)
            stamp = self._stamp()
            if stamp == self._seen:
                return False
            self.files.load_into(self.context)
        except (SettingsError, OSError) as error:
            # The old one is in use still; half-written files are whole at the next look.
            log.warning("the certificate could not be renewed: %s", error)
            return False
        self._seen = stamp
        log.info("the certificate was renewed")
        return True

    def _stamp(self) -> tuple[int, int]:
        return self.files.cert.stat().st_mtime_ns, self.files.key.stat().st_mtime_ns


def wanted(settings: Settings) -> bool:
    """Whether the server speaks TLS."""
    return settings.tls.kind == "self-signed" or bool(settings.tls.cert or settings.tls.key)


def named_files(settings: Settings) -> CertificateFiles:
    """The files that the settings name, or the place of the server's own. Raises SettingsError."""
    given = settings.tls
    if not (given.cert or given.key):
        folder = settings.data_path / "tls"
        return CertificateFiles(folder / "cert.pem", folder / "key.pem", own=True)
    if not (given.cert and given.key):
        missing = "key" if given.cert else "cert"
        raise SettingsError(f"tls.{missing} is not set: a certificate and its key belong together")
    return CertificateFiles(Path(given.cert).expanduser(), Path(given.key).expanduser())


def ready_files(settings: Settings) -> CertificateFiles:
    """The same, with the server's own made or renewed if need be. Raises SettingsError."""
    files = named_files(settings)
    if not files.own:
        return files
    names = names_for(settings.server.host)
    why = due(files, names, datetime.datetime.now(datetime.UTC))
    if why:
        log.info("making a certificate for %s: %s", ", ".join(names), why)
        make(files, names)
    return files


def names_for(host: str) -> list[str]:
    """What a client may call this server: this machine by any name, and the address it listens on."""
    names = [*LOOPBACK_NAMES, socket.gethostname().lower()]
    if host not in ("0.0.0.0", "::"):
        names.append(host)
    return list(dict.fromkeys(names))


def due(files: CertificateFiles, names: Sequence[str], now: datetime.datetime) -> str:
    """Why the certificate has to be made; empty when it has not."""
    from cryptography import x509

    if not (files.cert.is_file() and files.key.is_file()):
        return "there is none yet"
    try:
        found = x509.load_pem_x509_certificate(files.cert.read_bytes())
        carried = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, OSError, x509.ExtensionNotFound) as error:
        return f"the old one cannot be read ({error})"
    if found.not_valid_after_utc - now < datetime.timedelta(days=RENEWED_DAYS):
        return f"the old one ends on {found.not_valid_after_utc:%Y-%m-%d}"
    missing = [name for name in names if _general_name(name) not in list(carried)]
    return f"the old one does not name {', '.join(missing)}" if missing else ""


def make(files: CertificateFiles, names: Sequence[str]) -> None:
    """Make a certificate for `names`. The key, if there is one, is kept; it is readable for its owner only.

    Raises SettingsError when the folder cannot be written.
    """
    from cryptography.hazmat.primitives import serialization

    try:
        files.cert.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = _kept_or_new_key(files.key)
        _write(files.cert, _certificate(key, names).public_bytes(serialization.Encoding.PEM), 0o644)
    except OSError as error:
        raise SettingsError(
            f"no certificate can be kept in {files.cert.parent}: {error}. Name a folder that can be written "
            "with --data-dir, or a certificate with --tls-cert and --tls-key"
        ) from None


def _kept_or_new_key(path: Path) -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    if path.is_file():
        try:
            kept = serialization.load_pem_private_key(path.read_bytes(), None)
        except (ValueError, TypeError):
            kept = None
        if isinstance(kept, ec.EllipticCurvePrivateKey):
            return kept
    key = ec.generate_private_key(ec.SECP256R1())
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    _write(path, key.private_bytes(encoding, form, serialization.NoEncryption()), 0o600)
    return key


def _certificate(key: EllipticCurvePrivateKey, names: Sequence[str]) -> x509.Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    now = datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "vivavoce, made by this server")])
    public = key.public_key()
    usage = {"digital_signature": True, "key_agreement": False, "content_commitment": False} | dict.fromkeys(
        (
            "key_encipherment",
            "data_encipherment",
            "key_cert_sign",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    builder = x509.CertificateBuilder(name, name, public, x509.random_serial_number())
    # A clock that runs behind must not find it too new.
    builder = builder.not_valid_before(now - datetime.timedelta(hours=1))
    builder = builder.not_valid_after(now + datetime.timedelta(days=VALID_DAYS))
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.SubjectAlternativeName([_general_name(each) for each in names]), False),
        # It vouches for nobody but itself, so whoever got hold of its key could not make others.
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.KeyUsage(**usage), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectKeyIdentifier.from_public_key(public), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(public), False),
    ]
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(key, hashes.SHA256())


def _general_name(name: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Whole or not at all, with its mode from the first byte on."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(content)
    unfinished.replace(path)
