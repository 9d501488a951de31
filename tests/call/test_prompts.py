"""Prompts in the operator's folder: which file counts, when it is read, what is wrong with it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vivavoce.call.prompts import PromptFolder
from vivavoce.call.registry import session_options
from vivavoce.call.settings import Settings
from vivavoce.protocol.errors import ClientError


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def instructions(folder: Path, prompt_id: str, version: str | None = None) -> str | None:
    found = PromptFolder(folder).find(prompt_id, version)
    return None if found is None else found.fields["instructions"]


def test_a_text_is_the_instructions(tmp_path: Path) -> None:
    write(tmp_path, "desk.md", "\nBe kind.\n")
    assert instructions(tmp_path, "desk") == "Be kind."
    assert instructions(tmp_path, "desk", "1") == "Be kind."
    assert instructions(tmp_path, "desk", "2") is None
    assert instructions(tmp_path, "other") is None


def test_a_table_may_set_the_whole_session(tmp_path: Path) -> None:
    write(
        tmp_path,
        "desk.toml",
        """
        instructions = "You are {{name}}."
        [variables]
        name = "Robin"
        [session]
        max_output_tokens = 400
        audio.output.voice = "cedar"
        [[session.tools]]
        type = "function"
        name = "find_guest"
        """,
    )
    found = PromptFolder(tmp_path).find("desk", None)
    assert found is not None
    assert found.defaults == {"name": "Robin"}
    assert found.fields["audio"] == {"output": {"voice": "cedar"}}
    assert found.fields["tools"][0]["name"] == "find_guest"


def test_the_highest_version_counts(tmp_path: Path) -> None:
    for version in ("1", "9", "10", "draft"):
        write(tmp_path, f"desk/{version}.md", f"version {version}")
    write(tmp_path, "desk/notes.txt", "no prompt")
    assert instructions(tmp_path, "desk") == "version 10"
    assert instructions(tmp_path, "desk", "9") == "version 9"
    assert instructions(tmp_path, "desk", "draft") == "version draft"
    assert instructions(tmp_path, "desk", "notes") is None


@pytest.mark.parametrize("prompt_id", ["../secret", "a/b", "", ".hidden", "..", "a\0b", "x" * 200])
def test_nothing_outside_the_folder(tmp_path: Path, prompt_id: str) -> None:
    write(tmp_path, "secret.md", "secret")
    write(tmp_path, "prompts/desk.md", "desk")
    folder = PromptFolder(tmp_path / "prompts")
    assert folder.find(prompt_id, None) is None
    assert folder.find("desk", prompt_id or "..") is None


def test_a_file_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    folder = PromptFolder(tmp_path)
    path = write(tmp_path, "desk.md", "one")
    first = folder.find("desk", None)
    assert folder.find("desk", None) is first
    path.write_text("three", "utf-8")
    os.utime(path, ns=(1, 1))
    second = folder.find("desk", None)
    assert second is not None
    assert second.fields["instructions"] == "three"
    path.unlink()
    assert folder.find("desk", None) is None


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("desk.toml", "instructions = ", "Invalid value"),
        ("desk.toml", "instruction = 'x'", "'instruction' is none of"),
        ("desk.toml", "[session]\nvoice = 'ash'", "Unknown parameter: 'session.voice'"),
        ("desk.toml", "session = 1", "are tables"),
        ("desk.toml", "[variables]\nage = 9", "are texts"),
        ("desk.toml", "instructions = 9", "instructions"),
    ],
)
def test_a_broken_file_is_our_fault_and_stands_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, text: str, problem: str
) -> None:
    write(tmp_path, name, text)
    with pytest.raises(ClientError) as refused:
        PromptFolder(tmp_path).find("desk", None)
    assert (refused.value.code, refused.value.type) == ("server_error", "server_error")
    assert problem in caplog.text
    assert problem not in refused.value.message


def test_a_session_finds_them(tmp_path: Path) -> None:
    write(tmp_path, "desk.md", "Be kind.")
    found = session_options(Settings(), PromptFolder(tmp_path)).find_prompt("desk", None)
    assert found is not None
    assert session_options(Settings()).find_prompt("desk", None) is None
