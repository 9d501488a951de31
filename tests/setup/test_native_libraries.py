"""flite's libraries are found where they may be, and opened in an order that works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vivavoce.engines.cascade import native_libraries
from vivavoce.engines.cascade.native_libraries import (
    DEPS_DIR_VARIABLE,
    FliteLibraries,
    find_flite,
    library_folders,
)

PARTS = ("libflite.so.1", "libflite_usenglish.so.1", "libflite_cmulex.so.1")


def plant(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"")
    return folder


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """No flite on this machine."""
    monkeypatch.delenv(DEPS_DIR_VARIABLE, raising=False)
    monkeypatch.setattr(native_libraries, "_system_folders", list)
    monkeypatch.setattr(native_libraries, "_checkout_folders", list)


@pytest.mark.usefixtures("nowhere")
def test_there_is_none() -> None:
    assert find_flite() is None


@pytest.mark.usefixtures("nowhere")
def test_the_named_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = plant(tmp_path / "system", *PARTS, "libflite_cmu_us_kal.so.1")
    monkeypatch.setattr(native_libraries, "_system_folders", lambda: [system])
    named = library_folders(tmp_path / "named")[0]
    plant(named, *PARTS, "libflite_cmu_us_slt.so.1", "libflite_cmu_us_rms.so.1", "libasound.so.2")
    found = find_flite()
    assert found is not None
    assert found.core == system / "libflite.so.1"
    assert found.sound is None
    monkeypatch.setenv(DEPS_DIR_VARIABLE, str(tmp_path / "named"))
    assert find_flite() == FliteLibraries(
        core=named / PARTS[0],
        usenglish=named / PARTS[1],
        cmulex=named / PARTS[2],
        voices={name: named / f"libflite_cmu_us_{name}.so.1" for name in ("slt", "rms")},
        sound=named / "libasound.so.2",
    )


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize("absent", [*PARTS, "libflite_cmu_us_slt.so.1"])
def test_a_flite_with_a_part_missing_is_none(
    absent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(tmp_path, *({*PARTS, "libflite_cmu_us_slt.so.1"} - {absent}))
    monkeypatch.setenv(DEPS_DIR_VARIABLE, str(tmp_path))
    assert find_flite() is None


def test_this_machines_flite_opens_from_any_folder(tmp_path: Path) -> None:
    """A copy is opened by a process that the system's loader would not give it to, as `.deps/` is."""
    system = find_flite()
    if system is None:
        pytest.skip("libflite1 is not on this machine")
    for path in (system.core, system.usenglish, system.cmulex, *system.voices.values()):
        shutil.copy(path, tmp_path)
    program = (
        "from vivavoce.engines.cascade.native_libraries import find_flite\n"
        "opened = find_flite().open()\n"
        "assert opened['core'].flite_init() == 0\n"
        "maps = open('/proc/self/maps').read() if __import__('os').path.exists('/proc/self/maps') else ''\n"
        "print(*sorted(opened), len({line.split()[-1] for line in maps.splitlines() if 'libflite.so' in line}))\n"
    )
    environment = os.environ | {DEPS_DIR_VARIABLE: str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    *names, copies = run.stdout.split()
    assert set(names) == {"core", *system.voices}
    assert copies in ("0", "1")
