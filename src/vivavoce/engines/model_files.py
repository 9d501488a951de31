"""Where model files are.

A model file is looked for, in this order, in the folder that `VIVAVOCE_MODELS_DIR` names, in the installed
package's `models/`, and in the `.models/` of a checkout, which `make setup` fills. Nothing is ever
downloaded from here."""

from __future__ import annotations

import os
from pathlib import Path

VOICE_ACTIVITY_MODEL = "silero_vad_half.onnx"
"""Silero VAD v6, 16 kHz only: inputs `input` f32[batch, 64 + 512] and `state` f32[2, batch, 128]; outputs
`output` f32[batch, 1], a probability, and `stateN`, the next state."""

MODELS_DIR_VARIABLE = "VIVAVOCE_MODELS_DIR"
PACKAGE = Path(__file__).resolve().parents[1]


class ModelFileMissing(Exception):
    """A model file is in none of the folders that are looked in; the message names them and what to do."""


def checkout_root(package: Path = PACKAGE) -> Path | None:
    """The root of the source checkout `package` is run from, or None when it is an installed copy."""
    root = package.parent.parent
    return root if package.parent.name == "src" and (root / "pyproject.toml").is_file() else None


def model_folders(package: Path = PACKAGE) -> list[Path]:
    """The folders that are looked in, in order. They need not exist."""
    folders = [package / "models"]
    named = os.environ.get(MODELS_DIR_VARIABLE)
    if named:
        folders.insert(0, Path(named).expanduser())
    root = checkout_root(package)
    if root is not None:
        folders.append(root / ".models")
    return folders


def find_model(name: str, package: Path = PACKAGE) -> Path:
    """The path of the model file `name`. Raises ModelFileMissing when no folder holds it."""
    folders = model_folders(package)
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    looked_in = ", ".join(str(folder) for folder in folders)
    raise ModelFileMissing(
        f"model file {name} not found in {looked_in}: run `make setup` in a checkout, "
        f"or set {MODELS_DIR_VARIABLE} to the folder that holds it"
    )
