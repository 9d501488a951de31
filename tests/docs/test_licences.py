"""docs/licences.md lists what the runtime is made of, with licences as the packages state them."""

from __future__ import annotations

import importlib.metadata
import re
import sysconfig
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, read

SITE_PACKAGES = Path(sysconfig.get_path("purelib"))
ROWS = {
    name: (licence, text)
    for name, licence, text in re.findall(
        r"^\| ([a-z0-9-]+) \| (.+?) \| (.+?) \|$",
        read("docs/licences.md").partition("\n|---|---|---|\n")[2],
        re.MULTILINE,
    )
}
LOCKED = set(
    re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements" / "runtime.txt").read_text(), re.MULTILINE)
)


def installed() -> dict[str, importlib.metadata.Distribution]:
    return {
        re.sub(r"[-_.]+", "-", found.metadata["Name"]).lower(): found
        for found in importlib.metadata.distributions(path=[str(SITE_PACKAGES)])
    }


def names_of(licence: str) -> set[str]:
    """The licences of an expression; versions of a package differ in how much they list."""
    return set(re.findall(r"[A-Za-z]+-[\w.-]+|MIT", licence))


def test_every_runtime_package_is_listed_and_no_other() -> None:
    assert set(ROWS) == LOCKED


@pytest.mark.parametrize("name", sorted(ROWS))
def test_the_licence_is_the_stated_one_and_its_text_is_there(name: str) -> None:
    package = installed().get(name)
    if package is None:
        pytest.skip(f"{name} is not needed on this system")
    licence, text = ROWS[name]
    if "License-Expression" in package.metadata:
        stated = package.metadata["License-Expression"]
        assert names_of(licence) & names_of(stated)
        assert "GPL" not in stated or "GPL" in licence
    paths = re.findall(r"`([^`]+)`", text)
    assert paths or "not in the package" in text
    for path in paths:
        folder = SITE_PACKAGES / path.partition("/")[0]
        if "*" not in folder.name and not folder.exists():
            continue  # The package came without the library that this text belongs to; the system has its own.
        assert list(SITE_PACKAGES.glob(path)), path


def test_only_one_package_is_under_the_gpl_and_it_runs_apart() -> None:
    gpl = [name for name, (licence, _) in ROWS.items() if re.search(r"(?<!L)GPL", licence)]
    assert gpl == ["espeakng-loader"]
    sources = [path for path in (ROOT / "src").rglob("*.py") if "espeakng_loader" in path.read_text()]
    assert sources
    for path in sources:
        # Only inside functions: importing the module, as the server may, opens nothing.
        assert not re.search(r"^(import|from) espeakng_loader", path.read_text(), re.MULTILINE), path


def test_the_voice_models_licence_lies_beside_it() -> None:
    models = ROOT / ".models"
    assert "MIT License" in (models / "silero_vad.LICENSE").read_text()
