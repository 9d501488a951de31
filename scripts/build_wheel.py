"""Builds an installable wheel with the model files and their licences in it: python scripts/build_wheel.py FOLDER

From a copy, so that a checkout in use is not touched. Prints where the wheel is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NEEDED = ("pyproject.toml", "LICENSE")


def build(folder: Path) -> Path:
    """Build into a folder; the wheel. Raises OSError when there are no model files, CalledProcessError when it does not work."""
    models = Path(os.environ.get("VIVAVOCE_MODELS_DIR") or ROOT / ".models")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="vivavoce-wheel-") as made:
        copy = Path(made)
        for name in NEEDED:
            shutil.copy2(ROOT / name, copy)
        shutil.copytree(
            ROOT / "src", copy / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "models")
        )
        shutil.copytree(models, copy / "src/vivavoce/models")
        subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "wheel"],
            cwd=copy,
            check=True,
            capture_output=True,
        )
        (wheel,) = (copy / "wheel").glob("*.whl")
        return Path(shutil.copy2(wheel, folder))


if __name__ == "__main__":
    print(build(Path(sys.argv[1])))
