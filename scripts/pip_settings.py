"""Hands what pip is configured with (index, mirror, certificate, proxy) on to uv, and never writes it down.

Standard library only.
"""

from __future__ import annotations

import ast
import ssl
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

# pip's option -> uv's variable, where both take the same single value.
_SAME_VALUE = {
    "index-url": "UV_DEFAULT_INDEX",
    "client-cert": "SSL_CLIENT_CERT",
    "timeout": "UV_HTTP_TIMEOUT",
    "retries": "UV_HTTP_RETRIES",
    "keyring-provider": "UV_KEYRING_PROVIDER",
}
# uv.toml's older and newer names for the same setting: who sets either has chosen.
_OLDER_NAMES = {"UV_DEFAULT_INDEX": ("UV_INDEX_URL",), "UV_EXTRA_INDEX_URL": ("UV_INDEX",)}
_TRUE = {"1", "true", "yes", "on", "y", "t"}


def parse_pip_config(listing: str) -> dict[str, str]:
    """The options in force for `pip install`, out of what `pip config list` printed.

    Precedence is pip's: `[global]`, then `[install]`, then the environment.
    """
    layers: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in listing.splitlines():
        key, equals, quoted = line.partition("=")
        section, _, option = key.rpartition(".")
        if not equals or section not in layers:
            continue
        try:
            value = str(ast.literal_eval(quoted))
        except (SyntaxError, ValueError):
            continue
        layers[section][_canonical(option)] = value
    return layers["global"] | layers["install"] | layers[":env:"]


def uv_variables(pip: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that make uv reach what pip reaches. What `environ` already says to uv is left as it
    is."""
    wanted = {variable: pip[option] for option, variable in _SAME_VALUE.items() if pip.get(option)}
    wanted |= _sources(pip)
    if pip.get("trusted-host"):
        wanted["UV_INSECURE_HOST"] = " ".join(pip["trusted-host"].split())
    if pip.get("proxy"):
        wanted |= {"HTTP_PROXY": pip["proxy"], "HTTPS_PROXY": pip["proxy"], "ALL_PROXY": pip["proxy"]}
    chosen = {
        name for name in wanted if any(older in environ for older in (name, *_OLDER_NAMES.get(name, ())))
    }
    # Not so the certificate: SSL_CERT_FILE speaks to everyone, pip's own setting is known to open pip's
    # index.
    return {name: value for name, value in wanted.items() if name not in chosen} | _certificates(pip, environ)


def _sources(pip: Mapping[str, str]) -> dict[str, str]:
    """Where packages come from besides the one index. uv stops at a folder that is not there, pip only
    warns."""
    extra = [url for url in pip.get("extra-index-url", "").split() if _exists(url)]
    links = [url for url in pip.get("find-links", "").split() if _exists(url)]
    wanted: dict[str, str] = {}
    if extra:
        # pip takes the best version of all indexes; every file is checked against a hash, so no index can
        # slip one in.
        wanted |= {"UV_EXTRA_INDEX_URL": " ".join(extra), "UV_INDEX_STRATEGY": "unsafe-best-match"}
    if links:
        wanted["UV_FIND_LINKS"] = ",".join(links)
    if pip.get("no-index", "").lower() in _TRUE:
        wanted["UV_NO_INDEX"] = "1"
    return wanted


def _certificates(pip: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    bundle = pip.get("cert")
    if bundle:
        return {"SSL_CERT_DIR" if Path(bundle).is_dir() else "SSL_CERT_FILE": bundle}
    if "SSL_CERT_FILE" in environ or "SSL_CERT_DIR" in environ or "UV_SYSTEM_CERTS" in environ:
        return {}
    # pip trusts the system's store where there is one; uv, unless told, only the roots built into it.
    return {"UV_SYSTEM_CERTS": "1"} if ssl.create_default_context().cert_store_stats()["x509_ca"] else {}


def _exists(source: str) -> bool:
    """Whether a source can be there: an address always, a folder or file only when it is."""
    address = urlsplit(source)
    if address.scheme == "file":
        return Path(unquote(address.path)).exists()
    return bool(address.scheme) or Path(source).exists()


def _canonical(option: str) -> str:
    name = option.lower().replace("_", "-")
    return "timeout" if name == "default-timeout" else name
