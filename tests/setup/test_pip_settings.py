"""What pip is configured with reaches uv."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pip_settings import parse_pip_config, uv_variables

MIRROR = "https://mirror.example/simple"


def variables(pip: dict[str, str], **environ: str) -> dict[str, str]:
    """As `uv_variables`, without the one that says to trust the system's certificates."""
    found = uv_variables(pip, environ)
    found.pop("UV_SYSTEM_CERTS", None)
    return found


def test_sections_have_pips_precedence() -> None:
    listing = (
        "global.index-url='https://a.example'\nglobal.timeout='3'\nglobal.cert='/a'\n"
        "install.index-url='https://b.example'\ninstall.timeout='4'\n"
        ":env:.default-timeout='5'\nlist.format='columns'\nnot a setting\n"
    )
    assert parse_pip_config(listing) == {"index-url": "https://b.example", "timeout": "5", "cert": "/a"}


def test_names_and_values_are_read_as_pip_prints_them() -> None:
    listing = "global.extra_index_url='https://a.example/=x\\nhttps://b.example'\n"
    assert parse_pip_config(listing) == {"extra-index-url": "https://a.example/=x\nhttps://b.example"}


def test_what_pip_really_prints_is_read(tmp_path: Path) -> None:
    config = tmp_path / "pip.conf"
    config.write_text(
        f"[global]\nindex-url = {MIRROR}\nextra-index-url =\n    https://a.example\n    https://b.example\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    environment |= {"PIP_CONFIG_FILE": str(config), "PIP_RETRIES": "7", "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "pip", "config", "list"]
    listing = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    found = parse_pip_config(listing)
    assert found["index-url"] == MIRROR
    assert found["extra-index-url"].split() == ["https://a.example", "https://b.example"]
    assert found["retries"] == "7"


@pytest.mark.parametrize(
    ("pip", "uv"),
    [
        ({"index-url": MIRROR}, {"UV_DEFAULT_INDEX": MIRROR}),
        ({"trusted-host": "a.example\nb.example:8443"}, {"UV_INSECURE_HOST": "a.example b.example:8443"}),
        ({"timeout": "180"}, {"UV_HTTP_TIMEOUT": "180"}),
        ({"retries": "9"}, {"UV_HTTP_RETRIES": "9"}),
        ({"client-cert": "/c.pem"}, {"SSL_CLIENT_CERT": "/c.pem"}),
        ({"keyring-provider": "subprocess"}, {"UV_KEYRING_PROVIDER": "subprocess"}),
        ({"no-index": "true"}, {"UV_NO_INDEX": "1"}),
        ({"no-index": "0"}, {}),
        ({"cert": "/a/bundle.pem"}, {"SSL_CERT_FILE": "/a/bundle.pem"}),
        ({"format": "columns"}, {}),
    ],
)
def test_an_option_becomes_a_variable(pip: dict[str, str], uv: dict[str, str]) -> None:
    assert variables(pip) == uv


def test_a_proxy_is_for_every_protocol() -> None:
    proxy = "http://proxy.example:3128"
    assert variables({"proxy": proxy}) == {"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy, "ALL_PROXY": proxy}


def test_a_folder_of_certificates(tmp_path: Path) -> None:
    assert variables({"cert": str(tmp_path)}) == {"SSL_CERT_DIR": str(tmp_path)}


def test_folders_that_are_not_there_are_left_out(tmp_path: Path) -> None:
    here, gone = tmp_path / "here", tmp_path / "gone"
    here.mkdir()
    pip = {
        "extra-index-url": f"{gone.as_uri()} https://a.example {here.as_uri()}",
        "find-links": f"{here}\n{gone} https://b.example/wheels",
    }
    assert variables(pip) == {
        "UV_EXTRA_INDEX_URL": f"https://a.example {here.as_uri()}",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": f"{here},https://b.example/wheels",
    }


@pytest.mark.parametrize("name", ["UV_DEFAULT_INDEX", "UV_INDEX_URL"])
def test_what_uv_was_told_itself_stays(name: str) -> None:
    assert variables({"index-url": MIRROR, "timeout": "9"}, **{name: "https://own.example"}) == {
        "UV_HTTP_TIMEOUT": "9"
    }


def test_pips_certificate_wins_over_everyones() -> None:
    found = variables({"cert": "/pip.pem"}, SSL_CERT_FILE="/all.pem")
    assert found == {"SSL_CERT_FILE": "/pip.pem"}


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR", "UV_SYSTEM_CERTS"])
def test_a_choice_of_certificates_is_kept(name: str) -> None:
    assert uv_variables({}, {name: "/x"}) == {}
