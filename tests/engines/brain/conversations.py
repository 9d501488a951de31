"""Runs the conversations under `cases/`: a domain's tools and instructions, and what must come of each user turn."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from vivavoce.call.ports import ModelText, ModelToolCall, Prompt
from vivavoce.engines.cascade.brain import Brain

CASES = Path(__file__).parent / "cases"


@dataclass(frozen=True)
class Case:
    """One conversation of a domain."""

    domain: str
    name: str
    held_out: bool
    instructions: str
    tools: tuple[dict[str, Any], ...]
    results: dict[str, str]
    turns: tuple[dict[str, Any], ...]


def words(text: str) -> list[str]:
    """What a recogniser would hand over, word by word."""
    return text.split()


def tool(entry: dict[str, Any]) -> dict[str, Any]:
    """A tool as the Chat Completions API has it."""
    parameters = {"type": "object", "properties": entry["properties"], "required": entry["required"]}
    function = {"name": entry["name"], "description": entry["description"], "parameters": parameters}
    return {"type": "function", "function": function}


def cases() -> list[Case]:
    """Every case, in the order of the files."""
    found = []
    for path in sorted(CASES.glob("*.toml")):
        domain = tomllib.loads(path.read_text())
        tools = tuple(tool(entry) for entry in domain["tools"])
        for case in domain["case"]:
            held_out = bool(case.get("held_out", False))
            turns = tuple(case["turns"])
            found.append(
                Case(
                    path.stem, case["name"], held_out, domain["instructions"], tools, domain["results"], turns
                )
            )
    return found


async def answer(prompt: Prompt) -> tuple[str, list[tuple[str, dict[str, Any]]]]:
    """A prompt's whole answer: text and calls."""
    text, calls = "", dict[int, tuple[str, str]]()
    async for chunk in Brain().stream(prompt):
        if isinstance(chunk, ModelText):
            text += chunk.text
        elif isinstance(chunk, ModelToolCall):
            name, arguments = calls.get(chunk.index, ("", ""))
            calls[chunk.index] = (name or chunk.name, arguments + chunk.arguments)
    return text, [(name, msgspec.json.decode(arguments)) for name, arguments in calls.values()]


async def faults_of(case: Case, heard: str) -> list[str]:
    """What went wrong in the answer to a case's first turn when it was heard as `heard`."""
    system = {"role": "system", "content": case.instructions}
    text, calls = await answer(Prompt((system, {"role": "user", "content": heard}), case.tools))
    return list(_faults(case.turns[0], text, calls))


async def play(case: Case) -> list[str]:
    """What went wrong in a conversation; empty when nothing did. It stops at the first turn that fails."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": case.instructions}]
    for place, turn in enumerate(case.turns):
        messages.append({"role": "user", "content": turn["user"]})
        text, calls = await answer(Prompt(tuple(messages), case.tools))
        wrong = list(_faults(turn, text, calls))
        if calls:
            _call(messages, text, calls, case.results, place)
            text, more = await answer(Prompt(tuple(messages), case.tools))
            wrong += [f"called again: {more}"] if more else []
            wrong += [f"said {text!r}, without {word!r}" for word in turn.get("then", ()) if word not in text]
        if text:
            messages.append({"role": "assistant", "content": text})
        if wrong:
            return [f"{turn['user']!r}: {one}" for one in wrong]
    return []


def _call(
    messages: list[dict[str, Any]],
    text: str,
    calls: list[tuple[str, dict[str, Any]]],
    results: dict[str, str],
    place: int,
) -> None:
    entries = [
        {
            "id": f"call_{place}_{at}",
            "type": "function",
            "function": {"name": name, "arguments": msgspec.json.encode(made).decode()},
        }
        for at, (name, made) in enumerate(calls)
    ]
    messages.append({"role": "assistant", "content": text or None, "tool_calls": entries})
    for at, (name, _) in enumerate(calls):
        messages.append({"role": "tool", "tool_call_id": f"call_{place}_{at}", "content": results[name]})


def _faults(turn: dict[str, Any], text: str, calls: list[tuple[str, dict[str, Any]]]) -> Iterable[str]:
    if turn.get("any"):
        return
    wanted = [(one["name"], one["arguments"]) for one in turn.get("calls", ())]
    if [(name, _folded(made)) for name, made in calls] != [(name, _folded(made)) for name, made in wanted]:
        yield f"called {calls}, wanted {wanted}, said {text!r}"
    if turn.get("silent") and text:
        yield f"said {text!r}, wanted silence"
    if wanted and bool(text) != bool(turn.get("acknowledged", bool(text))):
        yield f"said {text!r} before the call"
    if "asks" in turn and (turn["asks"].lower() not in text.lower() or "?" not in text):
        yield f"said {text!r}, should ask for {turn['asks']!r}"
    if turn.get("no_question") and "?" in text:
        yield f"asked {text!r}"
    for word in turn.get("says", ()):
        if word.lower() not in text.lower():
            yield f"said {text!r}, without {word!r}"


def _folded(value: Any) -> Any:
    """Values compared without case; "@null" stands for null, which TOML does not have."""
    if isinstance(value, dict):
        return {key: _folded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_folded(one) for one in value]
    if isinstance(value, str):
        return None if value == "@null" else value.casefold()
    return value
