"""docs/settings.md tells of every setting, and of no other."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from vivavoce.call.settings import Settings, SettingsError, load_settings, variables
from vivavoce.engines.scripted.script import read_script

DOCS = Path(__file__).resolve().parents[2] / "docs"


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)


def test_every_setting_stands_in_the_table_with_its_variable_and_default() -> None:
    rows = dict(re.findall(r"^\| `([a-z_.]+)` \| (.*) \|$", (DOCS / "settings.md").read_text(), re.MULTILINE))
    assert sorted(rows) == sorted(variables().values())
    defaults = msgspec.to_builtins(Settings())
    for variable, path in variables().items():
        value = defaults
        for name in path.split("."):
            value = value[name]
        shown = (
            "" if value in ("", [], ()) else f"`{str(value).lower() if isinstance(value, bool) else value}`"
        )
        assert rows[path].startswith(f"`{variable}` | {shown} |")
        assert rows[path].removeprefix(f"`{variable}` | {shown} |").strip()


def test_the_example_file_is_valid() -> None:
    (example,) = blocks("settings.md", "toml")
    settings = msgspec.convert(tomllib.loads(example), Settings)
    assert (settings.server.port, settings.llm.model) == (8080, "llama3.2")


def test_the_example_script_is_valid(tmp_path: Path) -> None:
    (example,) = blocks("scripted.md", "toml")
    path = tmp_path / "script.toml"
    path.write_text(example)
    script = read_script(path)
    assert script.step("Where is my ORDER?").calls[0].arguments == '{"order_id":"B2"}'
    assert script.step("please be quiet") == type(script.default)()
    assert script.step("anything").answer == "Said when no rule fits."


def test_flags_win_over_variables_and_those_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "vivavoce.toml"
    path.write_text('data_dir = "/a"\n[server]\nport = 1\nhost = "::1"\n')
    environ = {
        "VIVAVOCE_SERVER__PORT": "2",
        "VIVAVOCE_LLM_URL": "http://localhost:1/v1",
        "VIVAVOCE_API_KEYS": "a, b",
    }
    settings = load_settings({"server.port": 3, "server.host": None}, environ, path)
    assert (settings.server.port, settings.server.host, settings.data_dir) == (3, "::1", "/a")
    assert (settings.llm.url, settings.auth.keys) == ("http://localhost:1/v1", ("a", "b"))
    assert load_settings({}, environ, path).server.port == 2


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"VIVAVOCE_SERVER__PROT": "1"}, "VIVAVOCE_SERVER__PROT"),
        ({"VIVAVOCE_SERVER__PORT": "high"}, "server.port"),
        ({"VIVAVOCE_SERVER__PORT": "70000"}, "server.port"),
        ({"VIVAVOCE_ENGINE__KIND": "magic"}, "engine.kind"),
    ],
)
def test_a_setting_that_cannot_be_is_named(environ: dict[str, str], named: str, tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    path.write_text("")
    with pytest.raises(SettingsError, match=re.escape(named)):
        load_settings({}, environ, path)


def test_the_upstreams_key_in_the_environment_is_not_ours_to_use() -> None:
    assert load_settings({}, {"OPENAI_API_KEY": "sk-canary", "OPENAI_BASE_URL": "http://x"}) == Settings()
