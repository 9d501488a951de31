"""Flags over variables over the file over the defaults; whatever cannot be is named with its place."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from vivavoce.call.settings import Settings, SettingsError, load_settings, variables


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "vivavoce.toml"
    path.write_text(
        'data_dir = "/file"\n[server]\nport = 1\nhost = "127.0.0.2"\n[llm]\nmodel = "of the file"\n'
    )
    return path


def test_each_source_wins_over_the_one_below(page: Path) -> None:
    environ = {"VIVAVOCE_SERVER__PORT": "2", "VIVAVOCE_LLM_MODEL": "of a variable"}
    read = load_settings({"server.port": 3, "llm.url": None}, environ, page)
    assert read.server.port == 3
    assert read.llm.model == "of a variable"
    assert read.server.host == "127.0.0.2"
    assert read.session.silence_duration_ms == 500
    assert load_settings({}, environ, page).server.port == 2
    assert load_settings({}, {}, page).server.port == 1


def test_the_file_in_the_working_folder_is_read(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(page.parent)
    assert load_settings(environ={}).server.port == 1
    monkeypatch.chdir("/")
    assert load_settings(environ={}) == Settings()


def test_what_is_wrong_in_the_file_of_the_working_folder_is_named_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "vivavoce.toml").write_text('[server]\nport = "high"\n')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=r"^vivavoce\.toml: server\.port: "):
        load_settings(environ={})


def test_every_key_has_one_variable() -> None:
    names = variables()
    assert names["VIVAVOCE_LLM__URL"] == "llm.url"
    assert names["VIVAVOCE_DATA_DIR"] == "data_dir"
    assert len(set(names.values())) == len(names)
    for path in names.values():
        where: object = Settings()
        for name in path.split("."):
            where = getattr(where, name)


@pytest.mark.parametrize("name", ["VIVAVOCE_LLM__URL", "VIVAVOCE_LLM_URL"])
def test_one_underscore_will_do(name: str) -> None:
    assert load_settings(environ={name: "http://127.0.0.1:1/v1"}).llm.url == "http://127.0.0.1:1/v1"


@pytest.mark.parametrize("name", ["VIVAVOCE_API_KEYS", "VIVAVOCE_AUTH__KEYS"])
def test_keys_are_a_list_with_commas(name: str) -> None:
    assert load_settings(environ={name: "vv_a, vv_b,"}).auth.keys == ("vv_a", "vv_b")


def test_what_belongs_to_others_is_left_alone() -> None:
    environ = {
        "VIVAVOCE_SETUP_X": "1",
        "VIVAVOCE_MODELS_DIR": "/m",
        "OPENAI_API_KEY": "sk-not-ours",
        "PATH": "/bin",
    }
    assert load_settings(environ=environ) == Settings()


@pytest.mark.parametrize(
    ("environ", "wrong"),
    [
        ({"VIVAVOCE_SERVER__PROT": "1"}, "VIVAVOCE_SERVER__PROT: there is no such setting"),
        ({"VIVAVOCE_SERVER__PORT": "many"}, "server.port"),
        ({"VIVAVOCE_SERVER__PORT": "70000"}, "server.port"),
        ({"VIVAVOCE_ENGINE__KIND": "steam"}, "engine.kind"),
    ],
)
def test_a_wrong_variable_is_named(environ: dict[str, str], wrong: str) -> None:
    with pytest.raises(SettingsError, match=wrong):
        load_settings(environ=environ)


@pytest.mark.parametrize(
    ("text", "flags", "environ", "told"),
    [
        ("[server]\nprot = 1\n", {}, {}, "mine.toml: there is no setting server.prot; server.port was meant?"),
        ("[sever]\nport = 1\n", {}, {}, "mine.toml: there is no setting sever; server was meant?"),
        ("[server]\nport = 'abc'\n", {}, {}, "mine.toml: server.port: expected a whole number, got a text"),
        ("server = 1\n", {"server.port": 1}, {}, "mine.toml: server: expected a section, as [server]"),
        ("[engine]\nkind = 'steam'\n", {}, {}, "mine.toml: engine.kind is one of cascade, scripted, relay"),
        ("[server]\nport = 1\n", {"server.port": 70_000}, {}, "--port: server.port: expected a whole number <= 65535"),
        ("[server]\nport = 1\n", {"llm.url": 5}, {}, "--llm-url: llm.url: expected a text, got a whole number"),
        ("", {}, {"VIVAVOCE_SERVER_PROT": "1"}, "VIVAVOCE_SERVER_PROT: there is no such setting; VIVAVOCE_SERVER_PORT was meant?"),
        ("", {}, {"VIVAVOCE_UPSTREAM_URL": "x"}, "VIVAVOCE_UPSTREAM_URL: upstream: url must begin with wss://"),
        ("", {}, {"VIVAVOCE_DATA_DIR": "~nobody-of-this-name/x"}, "VIVAVOCE_DATA_DIR: ~nobody-of-this-name/x is in the home of nobody"),
        ("[llm]\nkey = 5\n", {}, {}, "mine.toml: llm.key: expected a text, got a whole number"),
        ("[mcp.servers.a]\ncommand = 3\n", {}, {}, "mine.toml: mcp.servers.*.command: expected a text"),
    ],
)  # fmt: skip
def test_it_is_said_where_it_stands_and_what_was_meant(
    tmp_path: Path, text: str, flags: dict[str, object], environ: dict[str, str], told: str
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(SettingsError) as error:
        load_settings(flags, environ, path)
    assert told in str(error.value)


@pytest.mark.parametrize("text", ["[server\n", "server = 1\n", "[server]\nprot = 1\n"])
def test_a_wrong_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(SettingsError):
        load_settings({"server.port": 1}, {}, path)
    with pytest.raises(SettingsError, match=r"missing\.toml"):
        load_settings({}, {}, tmp_path / "missing.toml")


def test_settings_are_frozen() -> None:
    with pytest.raises(AttributeError):
        Settings().data_dir = "/x"  # type: ignore[misc]
    assert msgspec.structs.replace(Settings(), data_dir="/x").data_path == Path("/x")
