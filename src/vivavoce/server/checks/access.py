"""Who comes in: keys, and TLS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vivavoce.call.settings import Settings, SettingsError
from vivavoce.server.checks.finding import Finding
from vivavoce.server.keeping import nearest_existing, try_writing

SHORT_KEY = 20
"""Characters below which a key may be guessed."""


def keys(settings: Settings) -> Iterator[Finding]:
    """Whether those who shall come in can, and others cannot."""
    from vivavoce.server.auth import has_keys, is_loopback
    from vivavoce.server.keys import FILE, KeysError

    path = settings.data_path / FILE
    try:
        keyed = has_keys(settings)
    except KeysError as error:
        yield Finding(
            "keys",
            "failed",
            str(error),
            f"let {path} be read by whoever serves; a broken one has to go, `vivavoce keys create` makes a new one",
        )
        return
    local = is_loopback(settings.server.host)
    short = sum(len(key) < SHORT_KEY for key in settings.auth.keys)
    if not keyed and not local:
        said = f"none, and {settings.server.host} can be reached from elsewhere: the server does not start"
        yield Finding("keys", "failed", said, "make one: vivavoce keys create")
    elif short:
        said = f"{short} in the settings with fewer than {SHORT_KEY} characters"
        yield Finding("keys", "warning", said, "make long ones: vivavoce keys create")
    elif path.exists() and path.stat().st_mode & 0o077:
        yield Finding("keys", "warning", f"{path} can be read by others", f"chmod 600 {path}")
    else:
        yield Finding("keys", "ok", "asked for" if keyed else "none: this machine only, any key will do")


def certificate(settings: Settings) -> Iterator[Finding]:
    """TLS."""
    from vivavoce.server import tls
    from vivavoce.server.auth import is_loopback

    if not tls.wanted(settings):
        if is_loopback(settings.server.host):
            yield Finding("tls", "ok", "off, on this machine only")
        else:
            said = f"off, and keys and voices go to {settings.server.host} in the clear"
            yield Finding(
                "tls", "warning", said, "--tls self-signed, --tls-cert and --tls-key, or a proxy in front"
            )
        return
    try:
        files = tls.named_files(settings)
        if files.own and not files.cert.exists():
            yield _first_certificate(files.cert)
            return
        files.context()
    except SettingsError as error:
        fix = (
            "remove it, a new one is made at the next start"
            if settings.tls.kind != "off"
            else "see --tls-cert, --tls-key"
        )
        yield Finding("tls", "failed", str(error), fix)
        return
    yield _validity(files.cert, files.own)


def _first_certificate(path: Path) -> Finding:
    try:
        try_writing(nearest_existing(path.parent))
    except OSError as error:
        said = f"{path} cannot be made: {error.strerror}; the server does not start"
        return Finding("tls", "failed", said, "--data-dir FOLDER, or --tls-cert FILE --tls-key FILE")
    return Finding("tls", "ok", f"{path} is made at the first start")


def _validity(path: Path, own: bool) -> Finding:
    import datetime

    from cryptography import x509

    ends = x509.load_pem_x509_certificates(path.read_bytes())[0].not_valid_after_utc
    left = ends - datetime.datetime.now(datetime.UTC)
    if left.total_seconds() <= 0 and not own:
        return Finding("tls", "failed", f"{path} ended on {ends:%Y-%m-%d}", "have it renewed")
    if left.days < 14 and not own:
        return Finding("tls", "warning", f"{path} ends on {ends:%Y-%m-%d}", "have it renewed")
    return Finding(
        "tls", "ok", f"{path}, good until {ends:%Y-%m-%d}" + (" and renewed by itself" if own else "")
    )
