"""What a language model is told about being a voice."""

from __future__ import annotations

import pytest

from vivavoce.call.ports import ModelControl, ModelStop, ModelText, ModelUsage, Prompt
from vivavoce.call.settings import SettingsError, load_settings
from vivavoce.cli import main
from vivavoce.engines.cascade.brain import Brain
from vivavoce.engines.cascade.choice import choose_stages, speaking_rules
from vivavoce.engines.cascade.prompting import CLOSING, OPENING, RULES, SpeakingRules, without_rules

TOML = """
[llm]
language = "German"
[prompt]
rules = ["speech", "tone", "language"]
[prompt.texts]
speech = "Speak up."
tone = "Be\\n  merry."
"""


def test_rules_stand_behind_the_instructions_and_can_be_taken_off_again() -> None:
    message = SpeakingRules().instruct("You sell tea.", True)
    assert message.startswith(f"You sell tea.\n\n{OPENING}\n- ")
    assert message.endswith(CLOSING)
    assert message.count("\n- ") == len(RULES)
    for word in ("<silent/>", "<preamble>", "character by character", "spoken aloud", "raw data", "misheard"):
        assert word in message
    assert without_rules(message) == ("You sell tea.", True)
    assert without_rules("You sell tea. ") == ("You sell tea. ", False)


def test_preambles_are_for_tools() -> None:
    without = SpeakingRules().instruct("", False)
    assert "<preamble>" not in without
    assert "tool's result" not in without
    assert load_settings(environ={}).prompt.rules == tuple(RULES)
    assert SpeakingRules(("preamble",)).instruct("Hi.", False) == "Hi."


def test_rules_are_chosen_replaced_and_added(tmp_path: object) -> None:
    from pathlib import Path

    path = Path(str(tmp_path)) / "vivavoce.toml"
    path.write_text(TOML)
    rules = speaking_rules(load_settings(environ={}, path=path))
    assert rules.text(tools=True).splitlines()[1:-1] == [
        "- Speak up.",
        "- Be merry.",
        "- Speak German, whatever language the caller speaks, unless they ask for another.",
    ]
    none = load_settings(environ={"VIVAVOCE_PROMPT_RULES": ""}, path=path)
    assert speaking_rules(none).instruct("Hi.", True) == "Hi."
    with pytest.raises(SettingsError, match=r"prompt\.rules: there is no rule 'sing'"):
        speaking_rules(load_settings(environ={"VIVAVOCE_PROMPT__RULES": "speech,sing"}, path=path))


def test_models_behind_endpoints_are_told_and_the_brain_is_not() -> None:
    remote = load_settings(
        {"vad.kind": "energy", "llm.url": "http://127.0.0.1:9/v1", "llm.model": "m"}, environ={}
    )
    assert choose_stages(remote).instruct is not None
    assert choose_stages(load_settings({"vad.kind": "energy"}, environ={})).instruct is None


async def test_a_brain_that_is_told_the_rules_keeps_silent_by_them() -> None:
    said = (
        {"role": "user", "content": "stay quiet until I say back to work"},
        {"role": "user", "content": "see you at four"},
    )
    for instructions in ("Be kind.", ""):
        ruled = Prompt(({"role": "system", "content": SpeakingRules().instruct(instructions, True)}, *said))
        chunks = [chunk async for chunk in Brain().stream(ruled)]
        assert [chunk for chunk in chunks if not isinstance(chunk, ModelUsage)] == [
            ModelControl("silent"),
            ModelStop("stop"),
        ]
    plain = Prompt(({"role": "system", "content": "Be kind."}, *said))
    assert not [chunk async for chunk in Brain().stream(plain) if isinstance(chunk, ModelControl | ModelText)]
    talks = Prompt((ruled.messages[0], {"role": "user", "content": "hello"}))
    assert [chunk async for chunk in Brain().stream(talks) if isinstance(chunk, ModelText)]


def test_the_command_shows_the_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.chdir(str(tmp_path))
    monkeypatch.delenv("VIVAVOCE_LLM_URL", raising=False)
    assert main(["prompt", "--instructions", "You sell tea.", "--no-tools"]) == 0
    shown = capsys.readouterr()
    assert shown.out == SpeakingRules().instruct("You sell tea.", False) + "\n"
    assert "built-in brain" in shown.err
    monkeypatch.setenv("VIVAVOCE_PROMPT_RULES", "sing")
    assert main(["prompt"]) == 2
    assert "prompt.rules" in capsys.readouterr().err
