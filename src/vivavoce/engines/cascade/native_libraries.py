"""Where the flite speech synthesizer's shared libraries are, and how they are opened.

They are looked for in the folder that `VIVAVOCE_DEPS_DIR` names, in the system's library folders, and in the
`.deps/` of a checkout, where `make setup` unpacks Debian's packages for an ordinary user. Importing this
module loads nothing.
"""

from __future__ import annotations

import ctypes
import os
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from vivavoce.engines.model_files import PACKAGE, checkout_root

DEPS_DIR_VARIABLE = "VIVAVOCE_DEPS_DIR"
FLITE_VOICES = ("slt", "rms", "awb", "kal16", "kal")

_CORE = "libflite.so.1"
_USENGLISH = "libflite_usenglish.so.1"
_CMULEX = "libflite_cmulex.so.1"
_SOUND = "libasound.so.2"


@dataclass(frozen=True)
class FliteLibraries:
    """The files of one flite, all out of one folder.

    `voices` maps flite's short voice name (`slt`, `rms`, `awb`, `kal16`: 16 kHz; `kal`: 8 kHz) to its
    library and is never empty. `sound` is the ALSA library of the same place, None where the loader is to
    find one by itself.
    """

    core: Path
    usenglish: Path
    cmulex: Path
    voices: dict[str, Path]
    sound: Path | None = None

    def open(self) -> dict[str, ctypes.CDLL]:
        """Opens everything; returns `core` and each voice by its short name. Raises OSError.

        A library that needs another by name gets the one already open under that name, so opening them by
        path in the order of their needs makes an unpacked copy work without LD_LIBRARY_PATH, which is only
        read at process start. flite needs ALSA although it is never asked to play anything.
        """
        if self.sound is not None:
            _open_for_all(self.sound)
        opened = {"core": _open_for_all(self.core)}
        _open_for_all(self.usenglish)
        _open_for_all(self.cmulex)
        for name, path in self.voices.items():
            opened[name] = _open_for_all(path)
        return opened


def find_flite() -> FliteLibraries | None:
    """The flite libraries of this machine, or None. Looks at file names only: opening them may still fail."""
    for folders in (_named_folders(), _system_folders(), _checkout_folders()):
        found = _flite_in(folders)
        if found is not None:
            return found
    return None


def library_folders(root: Path) -> list[Path]:
    """Where shared libraries lie under `root`, a file system tree such as `/` or `.deps/`; `root` itself
    comes last."""
    multiarch = sysconfig.get_config_var("MULTIARCH")
    inner = [f"usr/lib/{multiarch}", f"lib/{multiarch}"] if multiarch else []
    return [*(root / name for name in (*inner, "usr/local/lib", "usr/lib64", "usr/lib", "lib")), root]


def _named_folders() -> list[Path]:
    named = os.environ.get(DEPS_DIR_VARIABLE)
    return library_folders(Path(named).expanduser()) if named else []


def _system_folders() -> list[Path]:
    searched_by_loader = [Path(entry) for entry in os.environ.get("LD_LIBRARY_PATH", "").split(":") if entry]
    return searched_by_loader + library_folders(Path("/"))


def _checkout_folders() -> list[Path]:
    root = checkout_root(PACKAGE)
    return library_folders(root / ".deps") if root is not None else []


def _flite_in(folders: list[Path]) -> FliteLibraries | None:
    for folder in folders:
        core, usenglish, cmulex = (folder / name for name in (_CORE, _USENGLISH, _CMULEX))
        files = {name: folder / f"libflite_cmu_us_{name}.so.1" for name in FLITE_VOICES}
        voices = {name: path for name, path in files.items() if path.is_file()}
        if voices and all(part.is_file() for part in (core, usenglish, cmulex)):
            sound = next((other / _SOUND for other in folders if (other / _SOUND).is_file()), None)
            return FliteLibraries(core, usenglish, cmulex, voices, sound)
    return None


def _open_for_all(path: Path) -> ctypes.CDLL:
    return ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
