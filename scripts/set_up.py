"""Makes a checkout ready: `.venv` with the locked packages, model files, native libraries.

    python scripts/set_up.py runtime|dev

Standard library only, and nothing here is written down about where packages come from. What was done is
remembered in `.venv/vivavoce.json` by the hashes of the files it was done from, so that a second run is over
in a moment and opens no connection. Prints one line a step; the output of the tools is shown only when one
fails. Exit code 1 on failure.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from pip_settings import parse_pip_config, uv_variables

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
RECORD = VENV / "vivavoce.json"
REQUIREMENTS = ROOT / "requirements"
SETS = ("runtime", "dev")
LAST_LINES = 15
PYTHON_VERSION = "{}.{}".format(*sys.version_info[:2])


class SetUpFailed(Exception):
    """A step can't be done; the message says what to do about it."""


def run(command: list[str], what: str, extra: dict[str, str] | None = None) -> str:
    """Runs a tool quietly in the checkout; returns what it printed. Raises SetUpFailed with its last
    lines."""
    process = subprocess.run(
        command,
        cwd=ROOT,
        env=tool_environment() | (extra or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode != 0:
        shown = (process.stdout + process.stderr).strip().splitlines()[-LAST_LINES:]
        raise SetUpFailed("\n".join([f"{what} failed:", *(f"    {line}" for line in shown)]))
    return process.stdout


def tool_environment() -> dict[str, str]:
    """The caller's environment without what would send packages elsewhere than into `.venv`."""
    strangers = ("PYTHONHOME", "PYTHONPATH", "PIP_TARGET", "PIP_PREFIX", "PIP_USER", "VIRTUAL_ENV")
    environment = {name: value for name, value in os.environ.items() if name not in strangers}
    return environment | {"PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}


def digest(*parts: Path | str) -> str:
    """One hash over the contents of files and over strings."""
    total = hashlib.sha256()
    for part in parts:
        total.update(part.read_bytes() if isinstance(part, Path) else part.encode())
        total.update(b"\0")
    return total.hexdigest()


def read_record() -> dict[str, str]:
    try:
        record = json.loads(RECORD.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    # An environment does not survive being moved: its scripts name their interpreter by path.
    return record if isinstance(record, dict) and record.get("root") == str(ROOT) else {}


def remember(**done: str) -> None:
    record = read_record() | {"root": str(ROOT)} | done
    unfinished = RECORD.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    unfinished.replace(RECORD)


def wanted(package_set: str) -> dict[str, str]:
    """What has to be on record for `package_set` to be ready."""
    with (ROOT / "pyproject.toml").open("rb") as stream:
        project = tomllib.load(stream)
    built_from = {
        "build": project["build-system"],
        "project": project["project"],
        "hatch": project["tool"]["hatch"],
    }
    return {
        "environment": digest(REQUIREMENTS / "uv.txt", PYTHON_VERSION),
        "packages": package_set + " " + digest(REQUIREMENTS / f"{package_set}.txt"),
        "project": digest(json.dumps(built_from, sort_keys=True), ROOT / "src" / "vivavoce" / "__init__.py"),
        "models": digest(REQUIREMENTS / "models.toml"),
        "libraries": digest(ROOT / "scripts" / "debian_libraries.py"),
    }


def models_present() -> bool:
    with (REQUIREMENTS / "models.toml").open("rb") as stream:
        names = [file["name"] for wheel in tomllib.load(stream)["wheel"] for file in wheel["file"]]
    return all((ROOT / ".models" / name).is_file() for name in names)


def environment_works() -> bool:
    """Whether `.venv` has a Python that runs, of the version that was asked for, and was made at this
    place."""
    record = VENV / "pyvenv.cfg"
    if not PYTHON.exists() or not record.is_file():
        return False
    if RECORD.exists() and not read_record():
        return False
    version = "import pip, sys; print('%d.%d' % sys.version_info[:2])"
    process = subprocess.run([str(PYTHON), "-I", "-c", version], capture_output=True, text=True, check=False)
    return process.returncode == 0 and process.stdout.strip() == PYTHON_VERSION


def make_environment() -> None:
    """`.venv` with the pinned uv in it, fetched by pip and so from wherever pip is told to look."""
    if not environment_works():
        for module in ("venv", "ensurepip"):
            found = importlib.util.find_spec(module)
            if found is None or found.origin is None:
                raise SetUpFailed(
                    f"the {module} module of Python {PYTHON_VERSION} is missing: install it "
                    f"(Debian, Ubuntu: apt install python{PYTHON_VERSION}-venv)"
                )
        run([sys.executable, "-I", "-m", "venv", "--clear", str(VENV)], "making .venv")
    uv = [
        str(PYTHON),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--require-hashes",
        "-r",
        str(REQUIREMENTS / "uv.txt"),
    ]
    run(uv, "installing uv with pip")


def uv_environment() -> dict[str, str]:
    listing = run([str(PYTHON), "-m", "pip", "config", "list"], "reading pip's settings")
    return uv_variables(parse_pip_config(listing), os.environ) | {
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_CONFIG": "1",
    }


WITH_LIBRARY = ("soundfile",)
"""Packages that exist for this platform with their C library inside and for any platform without it."""


def lock_entry(lock: str, package: str) -> str:
    """The lines of a lock that pin one package, with their hashes; "" when it is not in there."""
    entries = lock.replace("\\\n", "\\\0").splitlines()
    return "".join(f"{entry}\n" for entry in entries if entry.startswith(f"{package}==")).replace("\0", "\n")


def install_with_library(lock: Path) -> None:
    """pip first for these: it takes the file made for this platform wherever that is, uv the first index's file."""
    pinned = "".join(lock_entry(lock.read_text(encoding="utf-8"), package) for package in WITH_LIBRARY)
    only = VENV / "with-library.txt"
    only.write_text(pinned, encoding="utf-8")
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "-r", str(only)]
    run([*pip, "--only-binary", ":all:"], "installing packages with pip")


def install_packages(package_set: str) -> None:
    lock = REQUIREMENTS / f"{package_set}.txt"
    install_with_library(lock)
    uv = [str(VENV / "bin" / "uv"), "pip", "install", "--python", str(PYTHON)]
    run([*uv, "--require-hashes", "-r", str(lock)], "installing packages with uv", uv_environment())


def install_project() -> None:
    """The checkout itself, editable, built by the locked hatchling: nothing is fetched."""
    uv = [str(VENV / "bin" / "uv"), "pip", "install", "--python", str(PYTHON), "--offline", "--no-deps"]
    offline = uv_environment()
    run([*uv, "--no-build-isolation", "-e", str(ROOT)], "installing the checkout", offline)


def fetch_models() -> None:
    run([str(PYTHON), "-I", str(ROOT / "scripts" / "fetch_models.py")], "fetching the model files")


def find_libraries() -> None:
    """The native libraries; having to go on without them is no failure, and their script says what
    follows."""
    script = ROOT / "scripts" / "debian_libraries.py"
    process = subprocess.run(
        [str(PYTHON), str(script)], env=tool_environment(), stdin=subprocess.DEVNULL, check=False
    )
    if process.returncode not in (0, 3):
        raise SetUpFailed(f"{script.name} ended with exit code {process.returncode}")


def steps(package_set: str) -> Iterable[tuple[str, str, Callable[[], None]]]:
    """Key on record, what is printed, and the work, in order."""
    count = sum("==" in line for line in (REQUIREMENTS / f"{package_set}.txt").read_text().splitlines())
    version = "{}.{}.{}".format(*sys.version_info[:3])
    yield "environment", f"1/4 python environment: .venv, Python {version}", make_environment
    yield (
        "packages",
        f"2/4 packages: {count} from requirements/{package_set}.txt",
        lambda: install_packages(package_set),
    )
    yield "project", "", install_project
    yield "models", "3/4 model files: into .models/", fetch_models
    yield "libraries", "4/4 speech libraries: flite", find_libraries


def ready(record: dict[str, str], target: dict[str, str], key: str) -> bool:
    if key == "models" and not models_present():
        return False
    return PYTHON.exists() and record.get(key) == target[key]


def in_force(package_set: str, record: dict[str, str]) -> str:
    """The set to keep up to date: an environment that has the development packages keeps them."""
    had = record.get("packages", "").split(" ")[0]
    return "dev" if "dev" in (package_set, had) else "runtime"


def set_up(package_set: str) -> None:
    record = read_record()
    package_set = in_force(package_set, record)
    target = wanted(package_set)
    if all(ready(record, target, key) for key in target):
        return
    started = time.monotonic()
    folder = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)  # Two `make` at once: the second waits and then finds it done.
        for key, line, work in steps(package_set):
            if ready(read_record(), target, key):
                continue
            if line:
                print(line, flush=True)
            work()
            remember(**{key: target[key]})
    finally:
        os.close(folder)
    print(f"set up in {time.monotonic() - started:.0f} s", flush=True)


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in SETS:
        print(f"usage: set_up.py {'|'.join(SETS)}", file=sys.stderr)
        return 2
    try:
        set_up(arguments[0])
    except SetUpFailed as failure:
        print(f"set-up: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
