"""The flite packages come with apt as root, unpacked as a user, and are gone without elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

import debian_libraries
from debian_libraries import AptFailed, main, missing_packages, unpack_as_user, way

Answers = dict[str, str | None]


class FakeApt:
    """Answers apt's and dpkg's commands out of a table of beginnings; None fails. Remembers what was run."""

    def __init__(
        self, answers: Answers, on_run: Callable[[tuple[str, ...], Path | None], None] | None = None
    ) -> None:
        self.answers = answers
        self.ran: list[str] = []
        self.on_run = on_run

    def __call__(self, *arguments: str, options: Iterable[str] = (), folder: Path | None = None) -> str:
        line = " ".join(arguments)
        self.ran.append(f"{line} [own lists]" if list(options) else line)
        beginning = max((key for key in self.answers if self.ran[-1].startswith(key)), key=len, default=None)
        answer = self.answers[beginning] if beginning is not None else ""
        if answer is None:
            raise AptFailed(f"{line}: E: no")
        if self.on_run is not None:
            self.on_run(arguments, folder)
        return answer


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakeApt]:
    def put(answers: Answers, problems: list[str | None] | None = None) -> FakeApt:
        apt = FakeApt(answers)
        monkeypatch.setattr(debian_libraries, "apt", apt)
        if problems is not None:
            monkeypatch.setattr(debian_libraries, "flite_problem", lambda: problems.pop(0))
        return apt

    return put


@pytest.mark.parametrize("forced", ["root", "user", "never"])
def test_a_way_can_be_forced(forced: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIVAVOCE_SETUP_APT", forced)
    assert way() == forced


@pytest.mark.parametrize(
    ("system", "tools", "user_id", "expected"),
    [
        ("Linux", True, 0, "root"),
        ("Linux", True, 1000, "user"),
        ("Linux", False, 0, "never"),
        ("Darwin", True, 0, "never"),
    ],
)
def test_the_way_follows_from_the_machine(
    system: str, tools: bool, user_id: int, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VIVAVOCE_SETUP_APT", raising=False)
    monkeypatch.setattr("platform.system", lambda: system)
    monkeypatch.setattr("shutil.which", lambda tool: f"/usr/bin/{tool}" if tools else None)
    monkeypatch.setattr("os.geteuid", lambda: user_id)
    assert way() == expected


def test_what_is_there_is_left_alone(
    install: Callable[..., FakeApt], capsys: pytest.CaptureFixture[str]
) -> None:
    apt = install({}, problems=[None])
    assert main() == 0
    assert apt.ran == []
    assert capsys.readouterr().out == "libflite1: present\n"


def test_root_is_told_and_lists_are_fetched_only_when_needed(
    install: Callable[..., FakeApt], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VIVAVOCE_SETUP_APT", "root")
    apt = install({"apt-cache show": "Package: libflite1"}, problems=["missing", None])
    assert main() == 0
    assert [line.split()[1] for line in apt.ran] == ["show", "install"]
    assert capsys.readouterr().out == "libflite1: running apt-get install libflite1 as root\n"
    apt = install({"apt-cache show": ""}, problems=["missing", None])
    assert main() == 0
    assert [line.split()[1] for line in apt.ran] == ["show", "update", "install"]


def test_stale_lists_are_fetched_anew(
    install: Callable[..., FakeApt], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIVAVOCE_SETUP_APT", "root")
    apt = install(
        {"apt-cache show": "Package: libflite1", "apt-get install": None}, problems=["missing", "missing"]
    )
    assert main() == 3
    assert [line.split()[1] for line in apt.ran] == ["show", "install", "update", "install"]


@pytest.mark.parametrize("chosen", ["root", "user", "never"])
def test_going_on_without_is_one_line(
    chosen: str,
    install: Callable[..., FakeApt],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("VIVAVOCE_SETUP_APT", chosen)
    monkeypatch.setattr(unpack_as_user, "__defaults__", (tmp_path / "deps",))
    refused: Answers = {"apt-get install": None, "apt-get download": None, "apt-get update": None}
    install(refused, problems=["missing", "missing"])
    assert main() == 3
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("libflite1: missing (")
    assert "espeak-ng" in last
    assert list(tmp_path.iterdir()) == []


def test_needed_libraries_come_along(install: Callable[..., FakeApt]) -> None:
    install(
        {
            "apt-cache depends": "",
            "apt-cache depends --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances "
            "libflite1": "libflite1\n  Depends: libasound2\n  Depends: libc6\n  Depends: debconf\n",
            "apt-cache depends --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances "
            "libasound2": "libasound2\n  Depends: libasound2-data\n  Depends: libflite1\n  Depends: libc6\n",
            "dpkg-query": None,
            "dpkg-query -W -f=${db:Status-Status} libc6": "installed",
        }
    )
    assert missing_packages("libflite1", ()) == ["libflite1", "libasound2"]


def unpacking(arguments: tuple[str, ...], folder: Path | None) -> None:
    if arguments[:2] == ("apt-get", "download"):
        assert folder is not None
        (folder / "libflite1_2.deb").write_bytes(b"")
    if arguments[0] == "dpkg-deb":
        library = Path(arguments[-1]) / "usr" / "lib"
        library.mkdir(parents=True)
        (library / "libflite.so.1").write_bytes(b"")


def test_a_user_gets_it_unpacked_and_nothing_else(install: Callable[..., FakeApt], tmp_path: Path) -> None:
    apt = install({"apt-cache show": "Package: libflite1"})
    apt.on_run = unpacking
    assert unpack_as_user(tmp_path / "deps") == ["libflite1"]
    assert [path.name for path in (tmp_path / "deps").iterdir()] == ["usr"]
    assert [path.name for path in tmp_path.iterdir()] == ["deps"]
    assert not any("update" in line for line in apt.ran)


@pytest.mark.parametrize("lists", ["absent", "stale"])
def test_a_user_fetches_lists_of_their_own(
    lists: str, install: Callable[..., FakeApt], tmp_path: Path
) -> None:
    known = "Package: libflite1" if lists == "stale" else ""
    answers: Answers = {"apt-cache show": known, "apt-get download": None}
    answers["apt-get download --quiet libflite1 [own lists]"] = ""
    apt = install(answers)
    apt.on_run = unpacking
    assert unpack_as_user(tmp_path / "deps") == ["libflite1"]
    assert "apt-get update --quiet [own lists]" in apt.ran
    assert [path.name for path in (tmp_path / "deps").iterdir()] == ["usr"]
