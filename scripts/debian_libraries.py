"""Sees to it that the flite libraries can be opened: with apt as root, unpacked for others.

Standard library only; prints one line at most per thing done, and one line that says what follows when they
can't be had. `VIVAVOCE_SETUP_APT` forces a way: `root`, `user` or `never`; unset, the way follows from who
runs it. Exit code 0 when flite can be opened at the end, 3 when the product has to go on without it.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

from vivavoce.engines.cascade.native_libraries import find_flite  # noqa: E402

PACKAGE = "libflite1"
DEPS = ROOT / ".deps"
WITHOUT = 3
APT_TOOLS = ("apt-get", "apt-cache", "dpkg-query", "dpkg-deb")


class AptFailed(Exception):
    """A package could not be had; the message is one line."""


def flite_problem() -> str | None:
    """Why flite can't be used, or None when it can. A child opens it: a bad library can't end the set-up."""
    if find_flite() is None:
        return f"{PACKAGE} is not installed"
    program = "from vivavoce.engines.cascade.native_libraries import find_flite as f; f().open()"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    run = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if run.returncode == 0:
        return None
    return (run.stderr.strip().splitlines() or [f"opening it ended with {run.returncode}"])[-1]


def apt(*arguments: str, options: Iterable[str] = (), folder: Path | None = None) -> str:
    """Runs an apt or dpkg tool without questions; returns its output. Raises AptFailed with its reason."""
    command = [arguments[0], *options, *arguments[1:]]
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    run = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode != 0:
        last_words = [
            line for line in run.stderr.splitlines() if line.startswith("E:")
        ] or run.stderr.splitlines()
        reason = last_words[0] if last_words else f"exit code {run.returncode}"
        raise AptFailed(f"{' '.join(arguments[:2])}: {reason.strip()}")
    return run.stdout


def refresh_lists(options: Iterable[str] = ()) -> None:
    """Fetches the package lists. A source that can't be reached is no reason to stop: another may hold the
    package, and if none does, the install that follows says so."""
    with contextlib.suppress(AptFailed):
        apt("apt-get", "update", "--quiet", options=options)


def is_known(package: str, options: Iterable[str] = ()) -> bool:
    """Whether the package lists at hand offer `package`."""
    try:
        return bool(apt("apt-cache", "show", "--no-all-versions", package, options=options).strip())
    except AptFailed:
        return False


def is_installed(package: str) -> bool:
    try:
        return apt("dpkg-query", "-W", "-f=${db:Status-Status}", package).strip() == "installed"
    except AptFailed:
        return False


def install_as_root() -> None:
    """Installs the package system-wide; lists are refreshed only when they don't know it or are stale."""
    command = ("apt-get", "install", "--yes", "--quiet", "--no-install-recommends", PACKAGE)
    if is_known(PACKAGE):
        try:
            apt(*command)
        except AptFailed:
            pass  # Lists older than the archive name files that are gone: refresh them and try once more.
        else:
            return
    refresh_lists()
    apt(*command)


def private_lists(deps: Path) -> list[str]:
    """Options that keep apt's lists and caches under `deps`, where an ordinary user may refresh them."""
    state, cache = deps / "apt" / "state", deps / "apt" / "cache"
    for folder in (state / "lists" / "partial", cache / "archives" / "partial"):
        folder.mkdir(parents=True, exist_ok=True)
    return [
        "-o", f"Dir::State::lists={state / 'lists'}", "-o", f"Dir::Cache={cache}",
        "-o", "APT::Update::Post-Invoke-Success::=", "-o", "APT::Sandbox::User=",
        "-o", "Acquire::Languages=none",
    ]  # fmt: skip


def missing_packages(package: str, options: Iterable[str]) -> list[str]:
    """`package` and the shared-library packages it needs, directly or not, that are not installed."""
    wanted: list[str] = []
    waiting = [package]
    while waiting:
        name = waiting.pop()
        wanted.append(name)
        listing = apt(
            "apt-cache", "depends", "--no-recommends", "--no-suggests", "--no-conflicts", "--no-breaks",
            "--no-replaces", "--no-enhances", name, options=options,
        )  # fmt: skip
        lines = [line.strip() for line in listing.splitlines()]
        needs = [
            line.split(":", 1)[1].strip() for line in lines if line.startswith(("Depends:", "PreDepends:"))
        ]
        for need in needs:
            is_library = need.startswith("lib") and not need.endswith(("-data", "-common"))
            if is_library and need not in wanted + waiting and not is_installed(need):
                waiting.append(need)
    return wanted


def unpack_as_user(deps: Path = DEPS) -> list[str]:
    """Downloads and unpacks what is missing; `deps` appears whole or not at all. Returns package names."""
    unfinished = deps.with_name(f"{deps.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        packages = download_with_lists(unfinished)
        for archive in sorted((unfinished / "archives").glob("*.deb")):
            apt("dpkg-deb", "-x", str(archive), str(unfinished))
        shutil.rmtree(unfinished / "apt", ignore_errors=True)
        shutil.rmtree(unfinished / "archives")
        shutil.rmtree(deps, ignore_errors=True)
        unfinished.rename(deps)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return packages


def download_with_lists(folder: Path) -> list[str]:
    """Downloads with the system's package lists, or with fresh ones of this user's own where those won't do:
    they may be absent, or older than the archive and name files that are gone."""
    if is_known(PACKAGE):
        with contextlib.suppress(AptFailed):
            return download(folder, ())
    options = private_lists(folder)
    refresh_lists(options)
    return download(folder, options)


def download(folder: Path, options: Iterable[str]) -> list[str]:
    """Fetches what is missing into `folder`/archives with apt, which checks the archive's signed hashes."""
    archives = folder / "archives"
    shutil.rmtree(archives, ignore_errors=True)
    archives.mkdir()
    packages = missing_packages(PACKAGE, options)
    apt("apt-get", "download", "--quiet", *packages, options=options, folder=archives)
    return packages


def way() -> str:
    """`root`, `user` or `never`."""
    forced = os.environ.get("VIVAVOCE_SETUP_APT", "")
    if forced in ("root", "user", "never"):
        return forced
    if platform.system() != "Linux" or not all(shutil.which(tool) for tool in APT_TOOLS):
        return "never"
    return "root" if os.geteuid() == 0 else "user"


def provide(chosen: str) -> str | None:
    """Gets the libraries the chosen way; returns why that failed, or None."""
    try:
        if chosen == "root":
            print(f"libflite1: running apt-get install {PACKAGE} as root", flush=True)
            install_as_root()
        elif chosen == "user":
            print(
                "libflite1: unpacking Debian's package into .deps/ (not root: nothing is installed)",
                flush=True,
            )
            print(f"libflite1: unpacked {' '.join(unpack_as_user())}", flush=True)
        else:
            return "no apt to fetch it with"
    except (AptFailed, OSError) as failure:
        return str(failure)
    return None


def main() -> int:
    if flite_problem() is None:
        print("libflite1: present", flush=True)
        return 0
    failure = provide(way())
    problem = flite_problem()
    if problem is None:
        return 0
    print(
        f"libflite1: missing ({failure or problem}); speech comes from espeak-ng, which sounds more robotic"
    )
    return WITHOUT


if __name__ == "__main__":
    sys.exit(main())
