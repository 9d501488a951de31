"""Set-up does what is missing and nothing twice, and says in one line why it can't."""

from __future__ import annotations

import importlib.util
import os
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

import set_up

ROOT = Path(__file__).resolve().parents[2]
KEYS = ["environment", "packages", "project", "models", "libraries"]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with the real lock files, no environment, and steps that only say that they ran."""
    for name in ("requirements", "scripts", "pyproject.toml", "src/vivavoce/__init__.py"):
        source, target = ROOT / name, tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    venv = tmp_path / ".venv"
    monkeypatch.setattr(set_up, "ROOT", tmp_path)
    monkeypatch.setattr(set_up, "VENV", venv)
    monkeypatch.setattr(set_up, "PYTHON", venv / "bin" / "python")
    monkeypatch.setattr(set_up, "RECORD", venv / "vivavoce.json")
    monkeypatch.setattr(set_up, "REQUIREMENTS", tmp_path / "requirements")
    return tmp_path


@pytest.fixture
def ran(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the steps did, in order."""
    done: list[str] = []

    def environment() -> None:
        done.append("environment")
        (checkout / ".venv" / "bin").mkdir(parents=True, exist_ok=True)
        (checkout / ".venv" / "bin" / "python").touch()

    def models() -> None:
        done.append("models")
        (checkout / ".models").mkdir(exist_ok=True)
        for name in ("silero_vad_half.onnx", "silero_vad.LICENSE"):
            (checkout / ".models" / name).touch()

    monkeypatch.setattr(set_up, "make_environment", environment)
    monkeypatch.setattr(set_up, "install_packages", lambda which: done.append(f"packages {which}"))
    monkeypatch.setattr(set_up, "install_project", lambda: done.append("project"))
    monkeypatch.setattr(set_up, "fetch_models", models)
    monkeypatch.setattr(set_up, "find_libraries", lambda: done.append("libraries"))
    return done


def again(ran: list[str], package_set: str = "runtime") -> list[str]:
    """What one more run does."""
    ran.clear()
    set_up.set_up(package_set)
    return list(ran)


def test_all_is_done_once(ran: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert again(ran) == ["environment", "packages runtime", "project", "models", "libraries"]
    lines = capsys.readouterr().out.splitlines()
    assert [line[:3] for line in lines] == ["1/4", "2/4", "3/4", "4/4", "set"]
    assert again(ran) == []
    assert capsys.readouterr().out == ""


def test_development_includes_running_and_stays(ran: list[str], checkout: Path) -> None:
    again(ran)
    assert again(ran, "dev") == ["packages dev"]
    assert again(ran, "runtime") == []
    lock = checkout / "requirements" / "dev.txt"
    lock.write_text(lock.read_text() + "\n")
    assert again(ran, "runtime") == ["packages dev"]


@pytest.mark.parametrize(
    ("changed", "redone"),
    [
        ("requirements/uv.txt", ["environment"]),
        ("requirements/runtime.txt", ["packages runtime"]),
        ("requirements/models.toml", ["models"]),
        ("scripts/debian_libraries.py", ["libraries"]),
        ("src/vivavoce/__init__.py", ["project"]),
    ],
)
def test_only_what_changed_is_redone(changed: str, redone: list[str], ran: list[str], checkout: Path) -> None:
    again(ran)
    path = checkout / changed
    path.write_text(path.read_text() + "\n")
    assert again(ran) == redone
    assert again(ran) == []


def test_tool_settings_need_no_new_install(ran: list[str], checkout: Path) -> None:
    again(ran)
    project = checkout / "pyproject.toml"
    project.write_text(project.read_text() + "\n[tool.another]\nx = 1\n")
    assert again(ran) == []
    project.write_text(project.read_text().replace("description = ", "description = 'x' #"))
    assert again(ran) == ["project"]


def test_a_lost_model_is_fetched_again(ran: list[str], checkout: Path) -> None:
    again(ran)
    (checkout / ".models" / "silero_vad_half.onnx").unlink()
    assert again(ran) == ["models"]


def test_another_python_makes_another_environment(ran: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    again(ran)
    monkeypatch.setattr(set_up, "PYTHON_VERSION", "3.99")
    assert again(ran) == ["environment"]


def test_a_failed_step_is_taken_up_where_it_was_left(ran: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise set_up.SetUpFailed("no network")

    with monkeypatch.context() as patch:
        patch.setattr(set_up, "install_project", fail)
        with pytest.raises(set_up.SetUpFailed):
            again(ran)
    assert again(ran) == ["project", "models", "libraries"]


def test_a_checkout_that_was_moved_starts_over(ran: list[str], checkout: Path) -> None:
    again(ran)
    record = checkout / ".venv" / "vivavoce.json"
    record.write_text(record.read_text().replace(str(checkout), "/elsewhere"))
    assert set_up.read_record() == {}
    assert again(ran) == ["environment", "packages runtime", "project", "models", "libraries"]


@pytest.mark.parametrize("content", ["", "{", "[]", '"x"'])
def test_an_unreadable_record_is_none(content: str, checkout: Path) -> None:
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / "vivavoce.json").write_text(content)
    assert set_up.read_record() == {}


def test_an_environment_without_pip_is_made_anew(checkout: Path) -> None:
    assert not set_up.environment_works()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", checkout / ".venv"], check=True)
    assert not set_up.environment_works()


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_a_missing_module_is_one_line(
    module: str, checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == module else find(name))
    assert set_up.main(["runtime"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert f"the {module} module of Python {set_up.PYTHON_VERSION} is missing" in lines[0]
    assert f"apt install python{set_up.PYTHON_VERSION}-venv" in lines[0]
    assert not (checkout / ".venv").exists()


def test_packages_with_their_library_inside_are_left_to_pip(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (checkout / ".venv").mkdir()
    commands: list[list[str]] = []

    def run(command: list[str], what: str, extra: dict[str, str] | None = None) -> str:
        commands.append(command)
        return ""

    monkeypatch.setattr(set_up, "run", run)
    set_up.install_packages("runtime")
    pip, uv = next(one for one in commands if "pip" in one), commands[-1]
    assert (pip[2], pip[-1], uv[1:3]) == ("pip", ":all:", ["pip", "install"])
    lines = Path(pip[pip.index("-r") + 1]).read_text().splitlines()
    assert lines[0].startswith("soundfile==")
    assert len(lines) > 4
    assert all(line.strip().startswith("--hash=sha256:") for line in lines[1:])
    assert set(lines) <= set((checkout / "requirements" / "runtime.txt").read_text().splitlines())


def test_tools_are_shown_only_when_they_fail(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    set_up.run([sys.executable, "-c", "import sys; print(1); print(2, file=sys.stderr)"], "counting")
    assert capfd.readouterr() == ("", "")
    with pytest.raises(set_up.SetUpFailed) as raised:
        set_up.run([sys.executable, "-c", "[print(n) for n in range(99)]; exit(3)"], "counting")
    lines = str(raised.value).splitlines()
    assert lines[0] == "counting failed:"
    assert lines[-1].strip() == "98"
    assert len(lines) == 1 + set_up.LAST_LINES


def test_nothing_sends_packages_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTHONPATH", "PIP_TARGET", "PIP_PREFIX", "PYTHONHOME"):
        monkeypatch.setenv(name, "/elsewhere")
    monkeypatch.setenv("PIP_USER", "1")
    assert "/elsewhere" not in set_up.tool_environment().values()
    assert set_up.tool_environment()["PIP_USER"] == "0"


@pytest.mark.parametrize("arguments", [[], ["both"], ["runtime", "dev"]])
def test_usage(arguments: list[str]) -> None:
    assert set_up.main(arguments) == 2


def shell(path: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a copy of setup.sh that would hand over to a program that only says who runs it."""
    script = path / "checkout" / "scripts" / "setup.sh"
    script.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "scripts" / "setup.sh", script)
    (script.parent / "set_up.py").write_text("import sys; print('ran by', sys.executable, *sys.argv[1:])")
    return subprocess.run(
        [shutil.which("sh") or "sh", script, *arguments], env=environment, capture_output=True, text=True
    )


def tools(path: Path) -> Path:
    """A folder with the programs that setup.sh needs and no Python."""
    folder = path / "bin"
    folder.mkdir()
    (folder / "dirname").symlink_to(shutil.which("dirname") or "dirname")
    return folder


def pretend_python(path: Path, version: str) -> Path:
    """A program that fails the version check and prints `version` when asked."""
    path.write_text(f'#!/bin/sh\n[ "$1" = -I ] && exit 1\necho "Python {version}"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_an_old_python_is_one_line(tmp_path: Path) -> None:
    folder = tools(tmp_path)
    pretend_python(folder / "python3", "3.9.18")
    run = shell(tmp_path, {"PATH": str(folder)}, "runtime")
    assert run.returncode == 1
    assert run.stdout == ""
    assert len(run.stderr.splitlines()) == 1
    assert "python3 is Python 3.9.18" in run.stderr
    assert "apt install python3 python3-venv" in run.stderr


def test_no_python_is_one_line(tmp_path: Path) -> None:
    run = shell(tmp_path, {"PATH": str(tools(tmp_path))}, "runtime")
    assert run.returncode == 1
    assert len(run.stderr.splitlines()) == 1
    assert "python3 is not there" in run.stderr


def test_a_newer_python_beside_an_old_one_is_taken(tmp_path: Path) -> None:
    folder = tools(tmp_path)
    pretend_python(folder / "python3", "3.9.18")
    (folder / "python3.12").symlink_to(sys.executable)
    run = shell(tmp_path, {"PATH": str(folder)}, "dev")
    assert run.stderr == ""
    assert run.stdout.startswith("ran by ")
    assert run.stdout.split()[-1] == "dev"


def test_the_named_python_is_the_only_one_asked(tmp_path: Path) -> None:
    folder = tools(tmp_path)
    (folder / "python3").symlink_to(sys.executable)
    old = pretend_python(folder / "old", "3.10.1")
    run = shell(tmp_path, {"PATH": str(folder), "PYTHON": str(old)}, "dev")
    assert run.returncode == 1
    assert f"{old} is Python 3.10.1" in run.stderr


def test_a_ready_checkout_is_ready_in_a_moment() -> None:
    """A second `make demo` is to start in under 3 s; of that, set-up takes 0.1 s and is allowed one."""
    if not (ROOT / ".venv" / "vivavoce.json").is_file() or Path(sys.prefix) != ROOT / ".venv":
        pytest.skip("this checkout was not set up by make")
    script = str(ROOT / "scripts" / "setup.sh")
    subprocess.run(["sh", script, "dev"], check=True, capture_output=True)
    started = time.perf_counter()
    run = subprocess.run(["sh", script, "runtime"], check=True, capture_output=True, text=True)
    assert run.stdout + run.stderr == ""
    assert time.perf_counter() - started < 1.0


@pytest.mark.parametrize(
    "target", ["demo", "test", "serve", "check", "bench", "prove", "setup", "fmt", "clean", "help"]
)
def test_make_has_and_lists_its_targets(target: str) -> None:
    # When make itself runs the tests, its own variables would make this one talk about folders.
    environment = {
        name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL")
    }
    listed = subprocess.run(
        ["make"], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert f"make {target} " in listed
    planned = subprocess.run(
        ["make", "-n", target], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert planned.returncode == 0, planned.stderr
    if target in ("demo", "serve"):
        assert "scripts/setup.sh runtime" in planned.stdout
        assert f"vivavoce {target}" in planned.stdout.splitlines()[-1]
